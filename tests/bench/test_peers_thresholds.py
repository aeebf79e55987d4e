"""The score that a peer answers from: what true pages leave when they are struck out."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from whichpage.benchmark.peers.protocol import LibraryPage, accept_first, answer_line
from whichpage.benchmark.peers.thresholds import best_scores, threshold
from whichpage.benchmark.truth import TruthPhoto


def same(source: str, page: int, truth_pdf: str, truth_page: int) -> bool:
    return source.endswith(truth_pdf) and page == truth_page


def test_best_right_and_best_wrong_page_of_each_photo() -> None:
    book = Path("/b/a.pdf")
    found = {
        "1.jpg": [(LibraryPage(book, 1), 9.0), (LibraryPage(book, 2), 4.0), (LibraryPage(book, 3), 3.0)],
        "2.jpg": [(LibraryPage(book, 7), 5.0), (LibraryPage(book, 2), 2.0)],
        "3.jpg": [],
    }
    answers = {photo: answer_line(photo, 0.1, accept_first(pages, least=0)) for photo, pages in found.items()}
    truths = [TruthPhoto(Path(f"{k}.jpg"), "flat", "a.pdf", frozenset({k})) for k in (1, 2, 3)]
    right, wrong = best_scores(truths, answers, same=same)
    assert right == [9.0, 2.0, -math.inf]
    assert wrong == [4.0, 5.0, -math.inf]


@pytest.mark.parametrize(("rate", "reached"), [(0.0, 0), (0.01, 2), (0.1, 20), (0.014, 2)])
def test_at_most_the_rate_of_wrong_pages_reaches_the_threshold(rate: float, reached: int) -> None:
    wrong = [float(number) for number in range(200)]
    least = threshold(wrong, rate=rate)
    assert sum(score >= least for score in wrong) == reached


def test_equal_scores_are_refused_together() -> None:
    assert threshold([5.0] * 100, rate=0.01) > 5.0
