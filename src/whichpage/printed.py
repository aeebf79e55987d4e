"""Lines of text as a page prints them: how they are compared, where they are, how they are stored."""

from __future__ import annotations

import struct
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

# Characters of a line; what is shorter is on too many pages to tell them apart.
SHORTEST = 4

# A share of the page's width or height is stored as a whole number up to this one.
_WHOLE = 65535
_PLACE = struct.Struct("<4H")


def normalise(text: str) -> str:
    """The text as it is compared: NFKC, case folded, letters and digits alone.

    Spaces, hyphens and points are what OCR and PDF text layers disagree about most.
    """
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKC", text).casefold()))


@dataclass(frozen=True, slots=True)
class PrintedLine:
    """A line of text on a page, or a part of one between wide gaps.

    text: normalised, not empty.
    start, end: (x, y) of the middle of its first and its last character's box, as shares (0 to 1) of the
        rendered page's width and height, from its top left corner.
    """

    text: str
    start: tuple[float, float]
    end: tuple[float, float]


def pack(lines: Sequence[PrintedLine]) -> tuple[str, bytes]:
    """The lines as they are stored: their text, joined by line breaks, and their places, 8 bytes each."""
    places = (
        _PLACE.pack(*(round(min(max(share, 0.0), 1.0) * _WHOLE) for share in (*line.start, *line.end)))
        for line in lines
    )
    return "\n".join(line.text for line in lines), b"".join(places)


def unpack(text: str, places: bytes) -> tuple[PrintedLine, ...]:
    """The lines that `pack` has packed.

    Raises:
        ValueError: there are not as many places as lines.
    """
    if len(places) % _PLACE.size:
        raise ValueError("a place is cut short")
    shares = (tuple(number / _WHOLE for number in place) for place in _PLACE.iter_unpack(places))
    texts = text.split("\n") if text else []
    return tuple(
        PrintedLine(line, (left, top), (right, bottom))
        for line, (left, top, right, bottom) in zip(texts, shares, strict=True)
    )
