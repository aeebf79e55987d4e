"""How sure a measured share or median is: bootstrap intervals, the same in every run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

RESAMPLES = 10_000
LEVEL = 0.95
# One seed for all reports: the same outcomes have the same interval everywhere.
SEED = 2022


@dataclass(frozen=True, slots=True)
class Share:
    """A count out of a number of trials, and the bootstrap interval of their ratio.

    low, high: 95 % percentile interval, 0 to 1; nan when there were no trials. It is a point when all
        trials ended alike: the bootstrap cannot see what did not happen (see `at_most`).
    """

    count: int
    of: int
    low: float
    high: float

    @property
    def value(self) -> float:
        """The ratio, 0 to 1; nan when there were no trials."""
        return self.count / self.of if self.of else float("nan")


def share(
    outcomes: Sequence[bool] | NDArray[np.bool_], clusters: Sequence[str] | NDArray[np.str_] | None = None
) -> Share:
    """Counts the true outcomes; interval after Efron, "Bootstrap methods", Ann. Statist. 1979.

    Args:
        outcomes: (N,).
        clusters: (N,) what each belongs to. Trials of one cluster end alike more often than not, so whole
            clusters are drawn (Davison and Hinkley, "Bootstrap methods and their application", 1997, 3.8).
            None where each trial is one of its own.
    """
    hits = np.asarray(outcomes, bool)
    if not hits.size:
        return Share(0, 0, float("nan"), float("nan"))
    if clusters is None:
        low, high = interval(hits, lambda drawn: drawn.mean(axis=1))
    else:
        of = np.unique(np.asarray(clusters), return_inverse=True)[1]
        counts = np.stack([np.bincount(of, hits), np.bincount(of)], 1)
        low, high = interval(counts, lambda drawn: drawn[:, :, 0].sum(1) / drawn[:, :, 1].sum(1))
    return Share(int(hits.sum()), int(hits.size), low, high)


def interval(
    values: ArrayLike, statistic: Callable[[NDArray[np.float64]], NDArray[np.float64]]
) -> tuple[float, float]:
    """95 % percentile bootstrap interval of a statistic.

    Args:
        values: (N, ...) numbers, N at least 1.
        statistic: maps resamples (R, N, ...) to their statistics (R,).
    """
    array = np.asarray(values, np.float64)
    chance = np.random.default_rng(SEED)
    # In blocks, so that thousands of values need no gigabytes.
    block = max(1, 4_000_000 // array.size)
    drawn = [
        statistic(array[chance.integers(0, len(array), (min(block, RESAMPLES - start), len(array)))])
        for start in range(0, RESAMPLES, block)
    ]
    low, high = np.quantile(np.concatenate(drawn), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def at_most(count: int, of: int) -> float:
    """One-sided 95 % upper limit of a share (Clopper and Pearson 1934): of use when `count` is 0.

    The p at which seeing `count` or fewer of `of` has the probability 5 %; found by bisection.
    """
    if count >= of:
        return 1.0
    low, high = count / of, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if _binomial_cdf(count, of, middle) > 1 - LEVEL:
            low = middle
        else:
            high = middle
    return high


def _binomial_cdf(count: int, of: int, probability: float) -> float:
    term = total = (1 - probability) ** of
    for k in range(count):
        term *= (of - k) / (k + 1) * probability / (1 - probability)
        total += term
    return total
