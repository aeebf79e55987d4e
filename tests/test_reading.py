"""Lines of text are read off photos, whichever way up, by the real OCR."""

from __future__ import annotations

from difflib import SequenceMatcher
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from whichpage.pagefinder import PageFinder
from whichpage.photo import Photo, decode
from whichpage.printed import normalise
from whichpage.reading import ReadLine, TextReader
from whichpage.types import Colour, PageView

FLAT = Path(__file__).parents[1] / "demo" / "photos" / "01-flat.jpg"


@pytest.fixture(scope="module")
def reader() -> TextReader:
    return TextReader(threads=1)


@pytest.fixture(scope="module")
def upright(reader: TextReader) -> list[ReadLine]:
    return list(reader.read(decode(FLAT)))


def most_alike(line: ReadLine, others: list[ReadLine], *, least: float) -> ReadLine | None:
    """The one of the others whose text is most like the line's; None where none is so much like it."""
    ratio, best = max((SequenceMatcher(None, line.text, one.text).ratio(), n) for n, one in enumerate(others))
    return others[best] if ratio >= least else None


def test_the_longest_lines_are_read(upright: list[ReadLine], reader: TextReader) -> None:
    text = " ".join(line.text for line in upright)
    assert 8 <= len(upright) <= 16
    assert normalise("it is straightforward to show the following") in text
    few = list(reader.read(decode(FLAT), most=3))
    assert [line.text for line in few] == [line.text for line in upright[:3]]


def test_lines_run_from_their_first_character_to_their_last(upright: list[ReadLine]) -> None:
    height, width = decode(FLAT).pixels.shape[:2]
    for line in upright:
        assert 0 <= line.start[0] < line.end[0] <= width
        assert 0 <= line.start[1] <= height
        assert abs(line.end[1] - line.start[1]) < 0.2 * (line.end[0] - line.start[0])
        # Characters are between a third of and a whole line height apart: tens of pixels in no photo.
        assert 4 < (line.end[0] - line.start[0]) / len(line.text) < 40


@pytest.mark.parametrize("turn", [1, 2, 3])
def test_a_turned_photo_reads_the_same(turn: int, upright: list[ReadLine], reader: TextReader) -> None:
    pixels = decode(FLAT).pixels
    height, width = pixels.shape[:2]
    turned = list(reader.read(decode(np.ascontiguousarray(np.rot90(pixels, turn)))))
    found = 0
    for line in upright:
        other = most_alike(line, turned, least=0.8)
        if other is None:
            continue
        found += 1
        for (x, y), there in ((line.start, other.start), (line.end, other.end)):
            places = {1: (y, width - x), 2: (width - x, height - y), 3: (height - y, x)}
            assert np.hypot(*np.subtract(places[turn], there)) < 30
    assert found >= 0.7 * len(upright)


def test_a_photo_without_text_has_no_lines(reader: TextReader) -> None:
    noise = np.random.default_rng(1).integers(90, 110, (400, 300, 3), np.uint8)
    assert list(reader.read(decode(noise))) == []
    assert list(reader.read(Photo(np.full((64, 64, 3), 200, np.uint8), 64, 64))) == []


def test_a_small_photo_is_read_as_if_it_were_larger(upright: list[ReadLine], reader: TextReader) -> None:
    """As a camera of 640 x 480 pixels takes it; its lines stand where they were."""
    with Image.open(FLAT) as image:
        image.thumbnail((640, 640))
        small = decode(np.asarray(image.convert("RGB")))
    lines = list(reader.read(small))
    scale = max(decode(FLAT).pixels.shape) / 640
    found = 0
    for line in lines:
        like = most_alike(line, upright, least=0.7)
        if like is None:
            continue
        found += 1
        for here, there in ((line.start, like.start), (line.end, like.end)):
            assert np.hypot(*np.subtract(np.multiply(here, scale), there)) < 30
    assert found >= 0.5 * len(upright)


def lying(angle: float, scale: float) -> tuple[Photo, PageView, NDArray[np.float64]]:
    """The photo turned and smaller in a large dark one, where its page is there, and how it got there."""
    photo = decode(FLAT)
    (view, *_) = PageFinder.load().find(photo)
    matrix = cv2.getRotationMatrix2D((0, 0), angle, scale)
    corners = cv2.transform(photo.outline[None], matrix)[0]
    matrix[:, 2] = 20 - corners.min(0)
    pixels = cv2.warpAffine(
        photo.pixels, matrix, (1600, 1600), flags=cv2.INTER_AREA, borderValue=(40, 40, 40)
    )
    quad = cv2.transform(view.quad[None], matrix)[0]
    moved = PageView(np.asarray(quad, np.float32), 1.0, view.seen)
    return decode(np.asarray(pixels, np.uint8)), moved, np.asarray(matrix, np.float64)


def same(lines: list[ReadLine], upright: list[ReadLine], matrix: NDArray[np.float64]) -> int:
    """How many lines are those of the upright photo, each where it has come to lie."""
    found = 0
    for line in upright:
        there = line.moved(matrix)
        other = most_alike(line, lines, least=0.8) if lines else None
        if other is not None:
            found += 1
            assert np.hypot(*np.subtract(other.start, there.start)) < 20
            assert np.hypot(*np.subtract(other.end, there.end)) < 20
    return found


@pytest.mark.parametrize(("angle", "scale"), [(-40, 0.5), (0, 0.45), (47, 0.5)])
def test_where_the_page_lies_it_is_read_level_and_large(
    angle: float, scale: float, upright: list[ReadLine], reader: TextReader
) -> None:
    photo, view, matrix = lying(angle, scale)
    with_view = same(list(reader.read(photo, [view])), upright, matrix)
    assert with_view >= 0.6 * len(upright)
    assert with_view > 1.5 * same(list(reader.read(photo)), upright, matrix)


def test_text_beside_the_pages_is_left_out(upright: list[ReadLine], reader: TextReader) -> None:
    photo, view, matrix = lying(0, 0.6)
    pixels = photo.pixels.copy()
    sign = "TEXT BESIDE THE PAGE IS NO TEXT OF ITS"
    cv2.putText(pixels, sign, (60, 1540), cv2.FONT_HERSHEY_SIMPLEX, 2, (255, 255, 255), 4)
    beside = decode(pixels)
    assert any(normalise(sign)[:12] in line.text for line in reader.read(beside))
    lines = list(reader.read(beside, [view]))
    assert same(lines, upright, matrix) >= 0.6 * len(upright)
    assert not any(normalise(sign)[:12] in line.text for line in lines)


def test_of_a_page_without_a_side_in_sight_all_of_the_photo_is_read(
    upright: list[ReadLine], reader: TextReader
) -> None:
    photo = decode(FLAT)
    guess = PageView((photo.outline / 3 + 100).astype(np.float32), 0.5, (False, False, False, False))
    assert list(reader.read(photo, [guess])) == upright


@pytest.mark.parametrize(
    "quad",
    [
        [[3, 3], [300, 40], [300, 41], [3, 5]],
        [[-50, -50], [9, 9], [9, 10], [-50, 4]],
        [[1590, 2], [1900, 2], [1900, 900], [1590, 900]],
        [[-900, 0], [-1, 0], [-1, 900], [-900, 900]],
        [[0, 0], [90, 90], [90, 0], [0, 90]],
    ],
    ids=["sliver", "speck", "edge", "outside", "crossed"],
)
def test_a_page_of_which_nothing_is_seen_has_no_lines(quad: list[list[float]], reader: TextReader) -> None:
    noise = np.random.default_rng(1).integers(90, 110, (1200, 1600, 3), np.uint8)
    view = PageView(np.array(quad, np.float32), 0.5)
    assert list(reader.read(decode(noise), [view])) == []


class CountingReader(TextReader):
    """Counts the lines that it is made to recognise."""

    count = 0

    def _recognise(self, pixels: Colour, box: NDArray[np.float32]) -> tuple[str, float]:
        self.count += 1
        return super()._recognise(pixels, box)


def test_lines_are_read_when_they_are_asked_for(upright: list[ReadLine]) -> None:
    """The first three tell which way up the text is; if they are read surely, as they stand."""
    reader = CountingReader(threads=1)
    lines = reader.read(decode(FLAT))
    assert next(lines) == upright[0]
    assert reader.count == 3
    assert [next(lines) for _ in range(3)] == upright[1:4]
    assert reader.count == 4
    turned = reader.read(decode(np.ascontiguousarray(decode(FLAT).pixels[::-1, ::-1])))
    assert SequenceMatcher(None, next(turned).text, upright[0].text).ratio() > 0.9
    assert reader.count == 4 + 6
