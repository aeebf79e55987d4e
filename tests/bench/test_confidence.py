"""Risk, coverage and reliability on answers whose curve can be drawn by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from answered import truth

from whichpage.benchmark.confidence import reliability, risk_coverage
from whichpage.benchmark.scoring import Verdict

PAGE = truth("p.jpg", "flat", "a.pdf", 1)
ABSENT = truth("n.jpg", "absent")


def first(confidence: float, *, right: bool) -> Verdict:
    return Verdict(PAGE, matched=True, confidence=confidence, first_right=right)


VERDICTS = [
    first(0.95, right=True),
    first(0.95, right=True),
    first(0.80, right=False),
    first(0.60, right=True),
    Verdict(ABSENT, matched=True, confidence=0.10),  # whatever is first, it is wrong
    Verdict(PAGE, unanswered=True),
    Verdict(ABSENT, top1=True),  # nothing was proposed
    first(0.05, right=False),
]


def test_risk_coverage() -> None:
    curve = risk_coverage(VERDICTS)
    np.testing.assert_allclose(curve.threshold, [0.95, 0.80, 0.60, 0.10, 0.05])
    np.testing.assert_allclose(curve.coverage, [2 / 8, 3 / 8, 4 / 8, 5 / 8, 6 / 8])
    np.testing.assert_allclose(curve.risk, [0, 1 / 3, 1 / 4, 2 / 5, 3 / 6])
    # The first step is two photos wide, the others one.
    assert curve.area == pytest.approx((0 * 2 + 1 / 3 + 1 / 4 + 2 / 5 + 3 / 6) / 6)


def test_reliability() -> None:
    bins, error = reliability(VERDICTS)
    assert [one.right.of for one in bins] == [1, 1, 0, 0, 0, 0, 1, 0, 1, 2]
    assert [one.right.count for one in bins] == [0, 0, 0, 0, 0, 0, 1, 0, 0, 2]
    assert (bins[9].low, bins[9].high) == (0.9, 1.0)
    assert bins[9].confidence == pytest.approx(0.95)
    assert math.isnan(bins[3].confidence)
    # Distances of confidence and share right, by answer: .05, .10, .40, .80, and .05 twice.
    assert error == pytest.approx((0.05 + 0.10 + 0.40 + 0.80 + 2 * 0.05) / 6)


def test_full_confidence_is_in_the_last_bin() -> None:
    bins, error = reliability([first(1.0, right=True)])
    assert bins[-1].right.count == 1
    assert error == pytest.approx(0)


def test_no_answers_have_no_curve() -> None:
    curve = risk_coverage([Verdict(PAGE, unanswered=True)])
    assert curve.risk.size == 0
    assert math.isnan(curve.area)
    assert math.isnan(reliability([])[1])
