"""What a confidence is worth: are sure answers right more often, and is 0.9 right nine times in ten?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from whichpage.benchmark.resampling import Share, share
from whichpage.benchmark.scoring import Verdict

BINS = 10


@dataclass(frozen=True, eq=False)
class RiskCoverage:
    """What happens at each threshold of the confidence, from the highest down.

    Answers are the first matches of all photos; those of photos of no page in the library are wrong.

    threshold: (T,) the lowest confidence that is still accepted.
    coverage: (T,) share of all photos whose answer is accepted.
    risk: (T,) share of the accepted answers that is wrong.
    area: mean risk over all coverages that are reached, weighted by their steps (Geifman et al. 2019, AURC).
    """

    threshold: NDArray[np.float64]
    coverage: NDArray[np.float64]
    risk: NDArray[np.float64]
    area: float


def risk_coverage(verdicts: Sequence[Verdict]) -> RiskCoverage:
    """The curve over the photos that have an answer at all; answers of one confidence are one step."""
    sure, right, _ = _first_matches(verdicts)
    order = np.argsort(-sure, kind="stable")
    sure, wrong = sure[order], ~right[order]
    last = np.flatnonzero(np.append(sure[1:] != sure[:-1], True)) if sure.size else np.empty(0, np.int64)
    accepted = last + 1
    risk = np.cumsum(wrong)[last] / accepted
    coverage = accepted / max(1, len(verdicts))
    steps = np.diff(coverage, prepend=0.0)
    area = float((risk * steps).sum() / steps.sum()) if steps.size else float("nan")
    return RiskCoverage(sure[last], coverage, risk, area)


@dataclass(frozen=True, slots=True)
class Bin:
    """The answers whose confidence is in [low, high), the last bin's in [low, high].

    confidence: their mean confidence; nan when there are none.
    right: how many of them are right.
    """

    low: float
    high: float
    confidence: float
    right: Share


def reliability(verdicts: Sequence[Verdict], *, bins: int = BINS) -> tuple[list[Bin], float]:
    """Answers by their confidence, and the expected calibration error.

    The error is the mean distance between confidence and share of right answers, weighted by the
    bins' counts (Guo et al., "On calibration of modern neural networks", ICML 2017).
    """
    sure, right, sheets = _first_matches(verdicts)
    place = np.minimum((sure * bins).astype(int), bins - 1)
    found = []
    error = 0.0
    for number in range(bins):
        here = place == number
        mean = float(sure[here].mean()) if here.any() else float("nan")
        hits = share(right[here], sheets[here])
        found.append(Bin(number / bins, (number + 1) / bins, mean, hits))
        if hits.of:
            error += hits.of / sure.size * abs(mean - hits.value)
    return found, error if sure.size else float("nan")


def _first_matches(
    verdicts: Sequence[Verdict],
) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.str_]]:
    """Confidence and rightness of the first match of each photo that has one, and the photo's sheet."""
    answered = [verdict for verdict in verdicts if verdict.matched]
    return (
        np.array([verdict.confidence for verdict in answered], np.float64),
        np.array([verdict.first_right for verdict in answered], bool),
        np.array([verdict.truth.sheet for verdict in answered], str),
    )
