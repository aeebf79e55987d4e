"""Intervals against what they must be."""

from __future__ import annotations

import math

import numpy as np
import pytest

from whichpage.benchmark.resampling import at_most, interval, share


def test_the_bootstrap_of_a_share_has_the_binomial_quantiles() -> None:
    found = share([True] * 60 + [False] * 40)
    # Binomial(100, 0.6): 2.5 % point 50, 97.5 % point 69 (normal: 60 -+ 1.96 * 4.9); Monte Carlo error 1.
    assert (found.count, found.of, found.value) == (60, 100, 0.6)
    assert found.low == pytest.approx(0.50, abs=0.0101)
    assert found.high == pytest.approx(0.69, abs=0.0101)


def test_whole_clusters_are_drawn() -> None:
    # Ten photos of each of ten sheets, which end alike: it is ten trials that were made, not a hundred.
    outcomes = [True] * 60 + [False] * 40
    sheets = [str(number // 10) for number in range(100)]
    found = share(outcomes, sheets)
    assert (found.count, found.of) == (60, 100)
    # Binomial(10, 0.6): 2.5 % point 3, 97.5 % point 9.
    assert found.low == pytest.approx(0.3, abs=0.01)
    assert found.high == pytest.approx(0.9, abs=0.01)
    alone = share(outcomes, [str(number) for number in range(100)])
    assert (alone.low, alone.high) == pytest.approx((0.5, 0.69), abs=0.0101)
    # A large sheet counts for as many photos as it has.
    assert share([True, True, True, False], ["a", "a", "a", "b"]).value == 0.75


def test_the_same_outcomes_have_the_same_interval() -> None:
    assert share([True, False, True]) == share(np.array([True, False, True]))


def test_what_never_happened_has_no_spread_and_nothing_no_share() -> None:
    assert (share([False] * 9).low, share([False] * 9).high) == (0.0, 0.0)
    assert (share([True] * 9).low, share([True] * 9).high) == (1.0, 1.0)
    empty = share([])
    assert empty.of == 0
    assert math.isnan(empty.value)
    assert math.isnan(empty.low)


def test_blocks_do_not_change_what_is_covered() -> None:
    # 5,000 values are drawn in blocks; the interval of their mean is that of the normal law.
    values = np.random.default_rng(3).normal(10, 2, 5_000)
    low, high = interval(values, lambda drawn: drawn.mean(axis=1))
    half = 1.96 * values.std() / math.sqrt(values.size)
    assert low == pytest.approx(values.mean() - half, abs=0.004)
    assert high == pytest.approx(values.mean() + half, abs=0.004)


@pytest.mark.parametrize(
    ("count", "of", "limit"),
    # None of n: 1 - 0.05 ** (1 / n). 1 of 10: 39.4 % (tables of Clopper and Pearson, one-sided 95 %).
    [(0, 10, 0.2589), (0, 253, 0.01177), (1, 10, 0.3942), (10, 10, 1.0)],
)
def test_upper_limits_are_those_of_clopper_and_pearson(count: int, of: int, limit: float) -> None:
    assert at_most(count, of) == pytest.approx(limit, abs=5e-5)
