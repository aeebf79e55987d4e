"""Which pages that were laid over a photo the encoder is asked about, and what its answer does."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import cv2
import numpy as np
import pytest
from drawn import photo_of, text_page

from whichpage import verify
from whichpage.aligning import Aligned, Aligner
from whichpage.encoder import Encoder
from whichpage.findoptions import FindOptions
from whichpage.photo import decode
from whichpage.printed import PrintedLine
from whichpage.query import Query, Stopwatch
from whichpage.types import Grey, PageCodes
from whichpage.warps import Placement
from whichpage.witness import TextWitness

CORNERS = np.array([[190, 150], [730, 180], [800, 1060], [110, 1020]], np.float32)
PAGES = {1: text_page(1), 2: text_page(2), 3: text_page(1)}  # 3 is a copy of 1
LYING = Placement.flat(CORNERS, size=verify.PAGE_SIZE)
ELSEWHERE = Placement.flat(CORNERS + 30, size=verify.PAGE_SIZE)
OPTIONS = FindOptions()


class Shelf:
    """Pages in memory, without text."""

    def has_text(self) -> bool:
        return False

    def pages_with(self, piece: str, *, most: int) -> list[int]:
        return []

    def printed_lines(self, page_ids: Sequence[int]) -> list[tuple[PrintedLine, ...]]:
        return [() for _ in page_ids]

    def encoded_thumbnails(self, page_ids: Sequence[int]) -> list[bytes]:
        small = (cv2.resize(PAGES[page], (336, 480), interpolation=cv2.INTER_AREA) for page in page_ids)
        return [cv2.imencode(".jpg", one)[1].tobytes() for one in small]


class Counting:
    """The shipped encoder; counts the images that it is given."""

    def __init__(self) -> None:
        self.encoder = Encoder.load()
        self.images = 0

    def encode(self, images: Sequence[Grey]) -> PageCodes:
        self.images += len(images)
        return self.encoder.encode(images)


def query() -> Query:
    """A photo of page 1."""
    photo, watch = decode(photo_of([(PAGES[1], CORNERS)])), Stopwatch()
    return Query(photo, watch, TextWitness(photo, None, Shelf(), watch.lap))


def aligner(encoder: Counting | None) -> Aligner:
    return Aligner(Shelf(), OPTIONS, ThreadPoolExecutor(1), encoder=encoder)


def laid(page: int, *, correlation: float = 0.45, placement: Placement = LYING) -> Aligned:
    """A page that fits half well: its blocks make it neither sure nor hopeless."""
    alignment = verify.Alignment(0.4, correlation, 0.6, 30.0, 0.2, 0.8, 1.2, placement)
    return Aligned(page, "view 0", alignment, verify.confidence(alignment))


def test_the_encoder_decides_between_pages_that_fit_as_well() -> None:
    right, wrong = aligner(Counting()).questioned(query(), [laid(1), laid(2)])
    before = laid(1).confidence
    assert OPTIONS.hopeless < before < OPTIONS.accepted
    assert wrong.confidence < before < OPTIONS.accepted <= right.confidence
    for one in (right, wrong):
        assert one.resemblance is not None
        assert one.confidence == verify.confidence(one.alignment, resemblance=one.resemblance)


@pytest.mark.parametrize("confidence", [OPTIONS.hopeless / 2, OPTIONS.doubtless, 1.0])
def test_it_is_not_asked_of_pages_that_are_beyond_doubt_or_hope(confidence: float) -> None:
    counting = Counting()
    one = replace(laid(1), confidence=confidence)
    assert aligner(counting).questioned(query(), [one]) == [one]
    assert counting.images == 0


def test_without_one_all_is_as_before() -> None:
    assert aligner(None).questioned(query(), some := [laid(1), laid(2)]) == some


def test_copies_are_looked_at_once_and_no_page_twice() -> None:
    counting = Counting()
    asked, photo = aligner(counting), query()
    found = asked.questioned(photo, [laid(1), laid(3), laid(2), laid(1, placement=ELSEWHERE)])
    assert counting.images == 2 * 3
    assert found[0].resemblance == found[1].resemblance != found[3].resemblance
    assert [one.page_id for one in found] == [1, 3, 2, 1]
    asked.questioned(photo, found)
    assert counting.images == 2 * 3


def test_no_resemblance_makes_a_hopeless_page_accepted() -> None:
    """From there on the encoder is asked; less sure pages it could not help."""
    alike = verify.Resemblance(cosine=1.0, shown=1.0)
    for correlation in np.linspace(-0.2, 0.6, 41):
        one = laid(1, correlation=float(correlation))
        if one.confidence < OPTIONS.hopeless:
            assert verify.confidence(one.alignment, resemblance=alike) < OPTIONS.accepted
