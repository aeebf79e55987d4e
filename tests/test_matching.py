"""What was laid over a photo -> the matches of its answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from drawn import photo_of, text_page
from numpy.typing import NDArray

from whichpage.aligning import Aligned
from whichpage.matching import at_one_place, matches
from whichpage.photo import Photo, decode
from whichpage.types import Match, Page
from whichpage.verify import PAGE_SIZE, Alignment
from whichpage.warps import Placement

PHOTO = Photo(np.zeros((200, 300, 3), np.uint8), width=600, height=400)
HERE = np.array([[10, 10], [110, 10], [110, 150], [10, 150]], np.float32)
BESIDE = HERE + np.array([120, 0], np.float32)


class Shelf:
    """Pages that are numbered as their ids."""

    def pages(self, page_ids: Sequence[int]) -> list[Page]:
        return [Page(page_id, 1, Path("/book.pdf"), page_id) for page_id in page_ids]

    def encoded_thumbnails(self, page_ids: Sequence[int]) -> list[bytes]:
        """All the same, as of copies: nothing to be told apart by."""
        return [b""] * len(page_ids)


class Editions(Shelf):
    """A page, number 1 and 3, and with another line in its middle, number 2."""

    def __init__(self) -> None:
        self.drawn = [text_page(3), text_page(3)]
        self.drawn[1][490:516] = text_page(4)[490:516]
        self.asked: list[int] = []

    def encoded_thumbnails(self, page_ids: Sequence[int]) -> list[bytes]:
        self.asked += page_ids
        return [
            cv2.imencode(".jpg", cv2.resize(self.drawn[page_id % 2 - 1], (336, 480)))[1].tobytes()
            for page_id in page_ids
        ]


def laid(
    page_id: int,
    confidence: float,
    *,
    place: str = "view 0",
    correlation: float = 0.5,
    textured: float = 50.0,
    quad: NDArray[np.float32] = HERE,
) -> Aligned:
    placement = Placement.flat(quad, size=PAGE_SIZE)
    alignment = Alignment(0.5, correlation, 0.5, textured, 0.1, 0.9, 1.0, placement)
    return Aligned(page_id, place, alignment, confidence)


def found(page_id: int, by: tuple[int, int], *, quad: NDArray[np.float32] = HERE) -> Aligned:
    """By so many lines and features; page 1 is a little surer than the others."""
    return replace(laid(page_id, 0.96 - 0.01 * page_id, quad=quad), lines=by[0], features=by[1])


def answered(aligned: Sequence[Aligned], *, top: int = 5) -> list[Match]:
    return matches(PHOTO, aligned, Shelf(), top=top, accepted=0.9, doubted=0.1)


def told(aligned: Sequence[Aligned], *, top: int = 5) -> list[tuple[int, bool]]:
    return [(match.page, match.verified) for match in answered(aligned, top=top)]


def test_surest_come_first_and_are_verified_from_the_threshold_on() -> None:
    aligned = [
        laid(1, 0.2),
        laid(2, 0.95, place="view 1"),
        laid(3, 0.9, place="view 2"),
        laid(4, 0.89, place="view 3"),
    ]
    assert told(aligned) == [(2, True), (3, True), (4, False), (1, False)]


def test_page_that_was_laid_twice_is_one_match_where_it_is_surest() -> None:
    (match,) = answered([laid(1, 0.3), laid(1, 0.97, quad=BESIDE, place="view 1"), laid(1, 0.5)])
    assert match.verified
    np.testing.assert_allclose(match.quad, (BESIDE + 0.5) * 2 - 0.5, atol=1e-3)


def test_verified_ones_are_never_cut_off() -> None:
    aligned = [laid(1, 0.99), laid(2, 0.95, place="view 1"), laid(3, 0.5, place="view 2")]
    assert told(aligned, top=1) == [(1, True), (2, True)]
    assert told(aligned, top=3) == [(1, True), (2, True), (3, False)]
    assert told([laid(3, 0.5)], top=0) == []


def test_of_equally_sure_pages_the_better_fit_comes_first() -> None:
    assert told([laid(1, 0.95, correlation=0.5), laid(2, 0.95, correlation=0.55)]) == [(2, True), (1, True)]


def test_page_that_only_resembles_the_one_in_its_place_is_not_verified() -> None:
    aligned = [laid(1, 0.99, correlation=0.4), laid(2, 0.98, correlation=0.5)]
    assert told(aligned) == [(2, True), (1, False)]
    # Nor is it more probable than another one.
    both = answered([*aligned, laid(3, 0.3, place="view 1"), laid(4, 0.1, place="view 1")])
    assert [(match.page, match.confidence) for match in both] == [(2, 0.98), (3, 0.3), (1, 0.1), (4, 0.1)]
    # Where the other one is no answer either, it is not sure enough, and no more is said.
    (first, *_) = answered([laid(1, 0.99, correlation=0.4), laid(2, 0.5, correlation=0.5)])
    assert (first.page, first.verified) == (1, False)
    assert 0.88 < first.confidence < 0.9
    elsewhere = [laid(1, 0.99, correlation=0.4), laid(2, 0.98, correlation=0.5, place="view 1")]
    assert told(elsewhere) == [(1, True), (2, True)]


@pytest.mark.parametrize(("textured", "stands"), [(50.0, False), (30.0, False), (10.0, True)])
def test_a_page_of_hardly_any_print_is_no_rival(textured: float, stands: bool) -> None:
    """Few blocks correlate by chance as none of a full page does."""
    aligned = [laid(1, 0.95, correlation=0.5), laid(2, 0.1, correlation=0.7, textured=textured)]
    assert told(aligned) == [(1, stands), (2, False)]


def test_a_page_is_verified_where_no_other_fits_better_though_it_is_less_sure_there() -> None:
    """Two sheets of one form: the second one was laid over the first one's place as well."""
    aligned = [
        laid(1, 0.99, correlation=0.8),
        laid(2, 0.97, correlation=0.6),
        laid(2, 0.96, correlation=0.5, quad=BESIDE, place="view 1"),
    ]
    answer = answered(aligned)
    assert [(match.page, match.confidence, match.verified) for match in answer] == [
        (1, 0.99, True),
        (2, 0.96, True),
    ]
    np.testing.assert_allclose(answer[1].quad, (BESIDE + 0.5) * 2 - 0.5)


def test_pages_found_by_text_or_features_are_rivals_only_where_they_overlap() -> None:
    """All that the text finds is of one place, both pages of a spread among them."""
    for fewer, nearly, more in (
        ((7, 0), (8, 0), (10, 0)),
        ((0, 70), (0, 71), (0, 100)),
    ):
        assert told([found(1, fewer), found(2, more)]) == [(2, True), (1, False)]
        assert told([found(1, nearly), found(2, more)]) == [(1, True), (2, True)]
        assert told([found(1, fewer), found(2, more, quad=BESIDE)]) == [(1, True), (2, True)]


CORNERS = np.array([[190, 150], [730, 180], [800, 1060], [110, 1020]], np.float32)


@pytest.mark.parametrize("shown", [1, 2])
def test_of_accepted_pages_in_one_place_the_one_that_the_photo_shows_is_the_surest(shown: int) -> None:
    """And its copies, here page 3 of page 1, are as sure."""
    shelf = Editions()
    photo = decode(photo_of([(shelf.drawn[shown - 1], CORNERS)], curl=0.01))
    aligned = [laid(3 - shown, 0.9991, quad=CORNERS), laid(shown, 0.93, quad=CORNERS + 1)]
    aligned.append(laid(3, 0.92, quad=CORNERS))
    answer = matches(photo, aligned, shelf, top=5, accepted=0.9, doubted=0.1)
    assert [match.page for match in answer] == ([1, 3, 2] if shown == 1 else [2, 1, 3])
    assert [match.confidence for match in answer] == [0.9991, 0.93, 0.92]
    np.testing.assert_allclose(answer[0].quad, CORNERS + 1, atol=1e-3)


@pytest.mark.parametrize(
    ("confidence", "away", "compared"),
    [(0.99, 0, True), (0.9, 0, True), (0.89, 0, False), (0.99, 700, False), (0.99, 100, True)],
)
def test_pages_are_compared_that_are_accepted_and_in_one_place(
    confidence: float, away: int, compared: bool
) -> None:
    shelf = Editions()
    photo = decode(photo_of([(shelf.drawn[1], CORNERS)]))
    aligned = [laid(1, 0.99, quad=CORNERS), laid(2, confidence, quad=CORNERS + away)]
    answer = matches(photo, aligned, shelf, top=5, accepted=0.9, doubted=0.1)
    assert shelf.asked == ([1, 2] if compared else [])
    assert [match.page for match in answer] == ([2, 1] if compared else [1, 2])


def test_two_sheets_that_print_nearly_the_same_lie_side_by_side() -> None:
    """Each was laid over both: the one on the right has its own place, though it is surer on the left."""
    shelf = Editions()
    left = np.array([[30, 100], [430, 100], [430, 670], [30, 670]], np.float32)
    right = left + np.array([440, 0], np.float32)
    photo = decode(photo_of([(shelf.drawn[0], left), (shelf.drawn[1], right)]))
    aligned = [laid(1, 0.999, quad=left), laid(2, 0.998, quad=left)]
    aligned += [laid(2, 0.997, quad=right, place="view 1"), laid(1, 0.996, quad=right, place="view 1")]
    answer = matches(photo, aligned, shelf, top=5, accepted=0.9, doubted=0.1)
    assert [(match.page, match.confidence, match.verified) for match in answer] == [
        (1, 0.999, True),
        (2, 0.997, True),
    ]
    assert answer[0].quad[0, 0] < 100 < 400 < answer[1].quad[0, 0]


def test_close_up_counts_for_what_it_shows() -> None:
    """A page of which the photo shows the upper third, and one that prints the same in its lower third."""
    upper = np.array([[0, 0], [300, 0], [300, 600], [0, 600]], np.float32)
    lower = upper - np.array([0, 400], np.float32)
    assert not at_one_place(upper, lower)
    assert at_one_place(upper, lower, seen_by=PHOTO)
    assert not at_one_place(HERE, BESIDE, seen_by=PHOTO)
    assert not at_one_place(HERE, HERE + 900, seen_by=PHOTO)
    assert not at_one_place(HERE + 900, HERE + 900, seen_by=PHOTO)


def test_only_so_many_pages_are_compared() -> None:
    """Each a page of its own; those that are left keep their place behind them."""

    class Many(Shelf):
        def encoded_thumbnails(self, page_ids: Sequence[int]) -> list[bytes]:
            pages = [text_page(page_id) for page_id in page_ids]
            return [cv2.imencode(".jpg", cv2.resize(page, (336, 480)))[1].tobytes() for page in pages]

    photo = decode(photo_of([(text_page(12), CORNERS)]))
    aligned = [laid(page, 1 - page / 1000, quad=CORNERS) for page in range(1, 21)]
    answer = matches(photo, aligned, Many(), top=5, accepted=0.9, doubted=0.1)
    assert answer[0].page == 12
    assert [match.page for match in answer][16:] == [17, 18, 19, 20]
    assert [match.confidence for match in answer] == [1 - page / 1000 for page in range(1, 21)]


def test_copies_keep_their_order() -> None:
    shelf = Editions()
    photo = decode(photo_of([(shelf.drawn[0], CORNERS)]))
    aligned = [laid(3, 0.991, quad=CORNERS), laid(1, 0.99, quad=CORNERS + 2), laid(2, 0.99, quad=CORNERS)]
    answer = matches(photo, aligned, shelf, top=5, accepted=0.9, doubted=0.1)
    assert [match.page for match in answer] == [3, 1, 2]
