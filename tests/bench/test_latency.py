"""Seconds by stage, from answers' own clocks."""

from __future__ import annotations

import pytest

from whichpage.benchmark.latency import latency


def test_rows_are_medians_percentiles_means_and_shares() -> None:
    answers = [
        {"seconds": 1.0, "timings": {"decode": 0.1, "search": 0.2}},
        {"seconds": 3.0, "timings": {"decode": 0.3, "search": 0.2, "verify": 2.0}},
        {"seconds": 0.0, "timings": {}},  # an error has no time
    ]
    measured = latency(answers)
    assert measured is not None
    rows = {row[0]: row[1:] for row in measured.rows()}
    # median, 95th percentile, mean in milliseconds; share of all time in percent
    assert rows["decode"] == pytest.approx((200, 290, 200, 10))
    assert rows["search"] == pytest.approx((200, 200, 200, 10))
    assert rows["verify"] == pytest.approx((1000, 1900, 1000, 50))
    assert rows["finder"] == pytest.approx((0, 0, 0, 0))
    assert rows["whole"] == pytest.approx((2000, 2900, 2000, 100))


def test_no_answer_has_no_latency() -> None:
    assert latency([{"seconds": 0.0, "timings": {}}]) is None
