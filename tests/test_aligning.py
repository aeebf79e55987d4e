"""Which pages that were laid over a photo the encoder is asked about, and what its answer does."""

from __future__ import annotations

import random
import string
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import cv2
import numpy as np
import pytest
from drawn import photo_of, text_page

from whichpage import verify
from whichpage.aligning import Aligned, Aligner, reaches, settles
from whichpage.encoder import Encoder
from whichpage.findoptions import FindOptions
from whichpage.photo import Photo, decode
from whichpage.printed import PrintedLine
from whichpage.query import Query, Stopwatch
from whichpage.reading import ReadLine
from whichpage.types import Grey, PageCodes, PageView
from whichpage.warps import Placement
from whichpage.witness import TextWitness

CORNERS = np.array([[190, 150], [730, 180], [800, 1060], [110, 1020]], np.float32)
PAGES = {1: text_page(1), 2: text_page(2), 3: text_page(1)}  # 3 is a copy of 1
LYING = Placement.flat(CORNERS, size=verify.PAGE_SIZE)
ELSEWHERE = Placement.flat(CORNERS + 30, size=verify.PAGE_SIZE)
OPTIONS = FindOptions()


class Shelf:
    """Pages in memory, each with a text of its own."""

    def has_text(self) -> bool:
        return True

    def pages_with(self, piece: str, *, most: int) -> list[int]:
        return []

    def printed_lines(self, page_ids: Sequence[int]) -> list[tuple[PrintedLine, ...]]:
        return [words(page) for page in page_ids]

    def encoded_thumbnails(self, page_ids: Sequence[int]) -> list[bytes]:
        small = (cv2.resize(PAGES[page], (336, 480), interpolation=cv2.INTER_AREA) for page in page_ids)
        return [cv2.imencode(".jpg", one)[1].tobytes() for one in small]


def words(page: int) -> tuple[PrintedLine, ...]:
    dice = random.Random(page)
    texts = ("".join(dice.choices(string.ascii_lowercase, k=40)) for _ in range(20))
    heights = np.linspace(0.1, 0.9, 20)
    return tuple(PrintedLine(text, (0.1, y), (0.9, y)) for text, y in zip(texts, heights, strict=True))


class Reading:
    """A reader that reads the text of one page off the photo."""

    def __init__(self, page: int) -> None:
        self.page = page
        self.asked = 0

    def read(self, photo: Photo, views: Sequence[PageView]) -> list[ReadLine]:
        self.asked += 1
        unit = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
        matrix = cv2.getPerspectiveTransform(unit, CORNERS)
        lines = []
        for one in words(self.page):
            ends = cv2.perspectiveTransform(np.array([[one.start, one.end]], np.float32), matrix)[0]
            (x0, y0), (x1, y1) = ends.tolist()
            lines.append(ReadLine(one.text, (x0, y0), (x1, y1)))
        return lines


class Counting:
    """The shipped encoder; counts the images that it is given."""

    def __init__(self) -> None:
        self.encoder = Encoder.load()
        self.images = 0

    def encode(self, images: Sequence[Grey]) -> PageCodes:
        self.images += len(images)
        return self.encoder.encode(images)


def query(reader: Reading | None = None, *, photo: Photo | None = None) -> Query:
    """A photo of page 1."""
    photo, watch = photo or decode(photo_of([(PAGES[1], CORNERS)])), Stopwatch()
    return Query(photo, watch, TextWitness(photo, reader, Shelf(), watch.lap))


def aligner(encoder: Counting | None) -> Aligner:
    return Aligner(Shelf(), OPTIONS, ThreadPoolExecutor(1), encoder=encoder)


def laid(
    page: int, *, correlation: float = 0.45, placement: Placement = LYING, place: str = "view 0"
) -> Aligned:
    """A page that fits half well: its blocks make it neither sure nor hopeless."""
    alignment = verify.Alignment(0.4, correlation, 0.6, 30.0, 0.2, 0.8, 1.2, placement)
    return Aligned(page, place, alignment, verify.confidence(alignment))


def sure(page: int) -> Aligned:
    """A page that fits beyond doubt."""
    alignment = verify.Alignment(0.9, 0.9, 1.0, 60.0, 0.4, 1.0, 0.3, LYING)
    return Aligned(page, "view 0", alignment, verify.confidence(alignment))


def test_the_encoder_decides_between_pages_that_fit_as_well() -> None:
    right, wrong = aligner(Counting()).questioned(query(), [laid(1), laid(2)])
    before = laid(1).confidence
    assert OPTIONS.hopeless < before < OPTIONS.accepted
    assert wrong.confidence < before < OPTIONS.accepted <= right.confidence
    for one in (right, wrong):
        assert one.resemblance is not None
        assert one.confidence == verify.confidence(one.alignment, resemblance=one.resemblance)


def test_text_still_speaks_against_a_page_that_the_encoder_would_accept() -> None:
    """As of two sheets of one form."""
    for page, is_accepted in ((1, True), (2, False)):
        reader = Reading(page)
        (found,) = aligner(Counting()).questioned(query(reader), [laid(1)])
        assert reader.asked == 1
        assert found.resemblance is not None
        assert (found.confidence >= OPTIONS.accepted) == is_accepted


def test_it_is_not_asked_of_rivals_of_a_page_beyond_doubt() -> None:
    """Elsewhere in the photo there may be another page."""
    counting = Counting()
    some = [sure(1), laid(2), laid(2, place="view 1")]
    assert some[0].confidence >= OPTIONS.doubtless
    first, rival, elsewhere = aligner(counting).questioned(query(), some)
    assert (first, rival) == tuple(some[:2])
    assert elsewhere.resemblance is not None
    assert counting.images == 2


def test_a_page_that_is_sure_by_the_encoder_alone_settles_nothing() -> None:
    (found,) = aligner(Counting()).questioned(query(), [laid(1)])
    assert reaches(OPTIONS.accepted, [found])
    assert not settles(OPTIONS.accepted, [found])
    assert settles(OPTIONS.accepted, [sure(1)])
    assert not settles(OPTIONS.accepted, [replace(sure(1), confidence=OPTIONS.doubted)])


def test_where_a_page_is_beyond_doubt_nothing_is_asked_of_those_beside_it() -> None:
    counting, reader = Counting(), Reading(1)
    looked = aligner(counting)
    quad = sure(1).alignment.quad
    found = looked.beside(query(reader), sure(1), [(3, quad), (2, quad)])
    assert [one.page_id for one in found] == [3]
    assert found[0].confidence >= OPTIONS.doubtless
    assert counting.images == reader.asked == 0


def test_beside_a_page_that_is_in_doubt_text_is_asked_of_those_that_may_be_answered() -> None:
    """Of a page that does not fit there no line is read."""
    clear = photo_of([(PAGES[1], CORNERS)])
    blurred = cv2.GaussianBlur(clear, (0, 0), 6) + np.random.RandomState(0).normal(0, 20, clear.shape)
    dim = decode(np.clip(blurred, 0, 255).astype(np.uint8))
    alignment = verify.Alignment(0.5, 0.55, 0.8, 30.0, 0.2, 0.8, 1.0, LYING)
    in_doubt = replace(laid(1), alignment=alignment, confidence=0.99)
    for page, text, asked, accepted in ((2, 1, 0, []), (3, 1, 1, []), (3, 3, 1, [3])):
        reader = Reading(text)
        found = aligner(Counting()).beside(query(reader, photo=dim), in_doubt, [(page, LYING.quad)])
        assert [one.page_id for one in found] == accepted
        assert reader.asked == asked


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


def test_no_resemblance_that_a_photo_has_makes_a_hopeless_page_accepted() -> None:
    """From there on the encoder is asked; less sure pages it would not help."""
    for correlation in np.linspace(-0.2, 0.6, 41):
        one = laid(1, correlation=float(correlation))
        if one.confidence < OPTIONS.hopeless:
            assert verify.confidence(one.alignment, resemblance=0.985) < OPTIONS.accepted
