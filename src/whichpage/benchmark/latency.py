"""Seconds a photo, and where they go."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

STAGES = ("decode", "finder", "encode", "search", "features", "read", "verify")
WHOLE = "whole"


@dataclass(frozen=True, eq=False)
class Latency:
    """Seconds of N photos, by stage and as a whole.

    seconds: stage, or "whole" -> (N,) seconds.
    """

    seconds: dict[str, NDArray[np.float64]]

    def rows(self) -> list[tuple[str, float, float, float, float]]:
        """Stage, median, 95th percentile and mean in milliseconds, share of the time of all photos in %."""
        whole = float(self.seconds[WHOLE].sum())
        return [
            (
                stage,
                1000 * float(np.median(values)),
                1000 * float(np.quantile(values, 0.95)),
                1000 * float(values.mean()),
                100 * float(values.sum()) / whole,
            )
            for stage, values in self.seconds.items()
        ]


def latency(answers: Iterable[Mapping[str, Any]]) -> Latency | None:
    """From answers with `seconds` and `timings`; None when none of them was answered without an error."""
    timed = [answer for answer in answers if answer.get("timings")]
    if not timed:
        return None
    seconds = {
        stage: np.array([answer["timings"].get(stage, 0.0) for answer in timed], np.float64)
        for stage in STAGES
    }
    return Latency({**seconds, WHOLE: np.array([answer["seconds"] for answer in timed], np.float64)})
