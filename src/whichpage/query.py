"""One photo that is looked for, with its clock and its text."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from whichpage.photo import Photo
from whichpage.witness import TextWitness


@dataclass
class Stopwatch:
    """Seconds a stage, as they add up."""

    seconds: dict[str, float] = field(default_factory=dict)
    _last: float = field(default_factory=time.perf_counter)

    def lap(self, stage: str) -> None:
        now = time.perf_counter()
        self.seconds[stage] = self.seconds.get(stage, 0.0) + now - self._last
        self._last = now


@dataclass(frozen=True, eq=False)
class Query:
    """One photo that is looked for, with what all stages need of it."""

    photo: Photo
    watch: Stopwatch
    text: TextWitness
