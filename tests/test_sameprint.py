"""Pages that print nearly the same, by their looks and by their text."""

from __future__ import annotations

import cv2
import numpy as np
from drawn import text_page

from whichpage.printed import PrintedLine
from whichpage.sameprint import prints_like, reprints
from whichpage.types import Grey


def thumbnail(page: Grey) -> bytes:
    small = cv2.resize(page, (336, 480), interpolation=cv2.INTER_AREA)
    return cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 60])[1].tobytes()


def lines(*texts: str) -> tuple[PrintedLine, ...]:
    return tuple(PrintedLine(text, (0.1, 0.1), (0.9, 0.1)) for text in texts)


def test_a_page_looks_like_itself_moved_and_unlike_another() -> None:
    page = text_page(1)
    moved = np.roll(page, (6, -5), axis=(0, 1))
    others = [thumbnail(np.ascontiguousarray(one)) for one in (page, moved, text_page(2))]
    assert prints_like(thumbnail(page), others) == [True, True, False]
    assert prints_like(thumbnail(page), []) == []


def test_an_extract_reprints_a_page_and_a_shared_title_does_not() -> None:
    whole = ("thefirstlineofapage", "thesecondlineofapage", "thethirdlineofapage", "andafourthone")
    assert reprints(lines(*whole), lines("another", *whole[1:3]))
    assert not reprints(lines(*whole), lines(whole[0], "alloftherestisother"))
    assert not reprints(lines(*whole), ())
    assert not reprints((), lines(*whole))
