"""The score that a peer answers from: what true pages leave when they are struck out."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from shelf import put_pages

from whichpage.benchmark.peers.protocol import LibraryPage, accept_first, answer_line
from whichpage.benchmark.peers.thresholds import Scored, Unclear, scored, threshold
from whichpage.benchmark.samepage import SamePage, books_by_ending
from whichpage.benchmark.truth import TruthPhoto
from whichpage.library import Library


def same(source: str, page: int, truth_pdf: str, truth_page: int) -> bool:
    return source.endswith(truth_pdf) and page == truth_page


def shown(number: int) -> TruthPhoto:
    return TruthPhoto(Path(f"{number}.jpg"), "flat", "a.pdf", frozenset({number}))


def test_right_and_wrong_pages_best_first() -> None:
    book = Path("/b/a.pdf")
    found = {
        "1.jpg": [(LibraryPage(book, 1), 9.0), (LibraryPage(book, 2), 4.0), (LibraryPage(book, 3), 3.0)],
        "2.jpg": [(LibraryPage(book, 7), 5.0), (LibraryPage(book, 2), 2.0)],
        "3.jpg": [],
    }
    answers = {photo: answer_line(photo, 0.1, accept_first(pages, least=0)) for photo, pages in found.items()}
    right, wrong = scored([shown(k) for k in (1, 2, 3)], answers, same=same)
    assert [(one.truth.photo.stem, one.page, one.score) for one in right] == [("1", 1, 9.0), ("2", 2, 2.0)]
    assert [(one.truth.photo.stem, one.page, one.score) for one in wrong] == [
        ("2", 7, 5.0),
        ("1", 2, 4.0),
        ("1", 3, 3.0),
    ]


def wrong_pages(scores: Iterable[float]) -> list[Scored]:
    """One wrong page a photo, best first."""
    return [
        Scored(shown(k + 1), "/b/z.pdf", 1, score) for k, score in enumerate(sorted(scores, reverse=True))
    ]


@pytest.mark.parametrize(("rate", "reached"), [(0.0, 0), (0.01, 2), (0.1, 20), (0.014, 2)])
def test_at_most_the_rate_of_photos_reaches_the_threshold(rate: float, reached: int) -> None:
    wrong = wrong_pages(range(200))
    least = threshold(wrong, photos=200, rate=rate)
    assert sum(one.score >= least for one in wrong) == reached


def test_equal_scores_are_refused_together() -> None:
    assert threshold(wrong_pages([5.0] * 100), photos=100, rate=0.01) > 5.0


def test_a_photo_counts_once_and_unclear_pages_not_at_all() -> None:
    """Of 100 photos one may be wrong: the first of them is, whatever else was ranked for it."""
    first, second, third = wrong_pages([9.0, 4.0, 2.0])
    wrong = [first, replace(first, page=2, score=8.0), second, third]
    assert threshold(wrong, photos=100, rate=0.01) == math.nextafter(4.0, math.inf)
    assert threshold(wrong, photos=100, rate=0.01, unclear=lambda one: one == second) == math.nextafter(
        2.0, math.inf
    )
    assert threshold(wrong[:2], photos=100, rate=0.01) == -math.inf


def test_a_page_beside_and_one_that_prints_the_same_are_unclear(tmp_path: Path) -> None:
    """Page 5 is drawn as page 2 is; page 4 is blank."""
    put_pages(tmp_path / "books" / "drawn", 6)
    pages = sorted((tmp_path / "books" / "drawn").iterdir())
    shutil.copyfile(pages[1], pages[4])
    Image.new("L", (420, 595), 255).save(pages[3])
    with Library.open(tmp_path / "library", create=True) as library:
        library.add(tmp_path / "books")
        book = library.books()[0]
        truth = TruthPhoto(tmp_path / "a.jpg", "flat", "drawn", frozenset({2}), beside=frozenset({3}))
        locate = books_by_ending([book.path], None)
        unclear = Unclear(library.catalog, SamePage(locate), locate)
        found = [unclear(Scored(truth, str(book.path), page, 1.0)) for page in (3, 4, 5, 6)]
    assert found == [True, False, True, False]
