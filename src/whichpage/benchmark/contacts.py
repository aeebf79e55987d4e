"""Contact sheets: the photos that went wrong, each beside its true page and the page that was answered."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from whichpage import sources
from whichpage.benchmark.scoring import Verdict
from whichpage.errors import WhichpageError
from whichpage.photo import decode
from whichpage.terminal import printable

CELL = 300  # pixels of a picture's longer side
A_SHEET = 15
_COLUMNS = 3
_LINE, _GAP = 18, 12
_PAPER, _INK, _MISSING = (255, 255, 255), (34, 34, 34), (225, 225, 225)

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Contact:
    """One photo on a sheet.

    true, said: (file, page) of the true page and of the first match, None where there is none.
    words: what happened.
    """

    photo: Path
    true: tuple[Path, int] | None
    said: tuple[Path, int] | None
    words: str


def contacts(
    verdicts: Sequence[Verdict],
    answers: Mapping[str, Mapping[str, Any]],
    locate: Callable[[str], Path | None],
) -> list[Contact]:
    """The photos that were not answered as they should, wrongly accepted ones first."""
    found = []
    for verdict in sorted(verdicts, key=lambda verdict: not verdict.accepted_wrong):
        if verdict.well:
            continue
        truth, answer = verdict.truth, answers.get(str(verdict.truth.photo), {})
        place = locate(truth.pdf) if truth.pdf else None
        matches = answer.get("matches", [])
        first = (Path(matches[0]["source"]), int(matches[0]["page"])) if matches else None
        found.append(
            Contact(truth.photo, (place, min(truth.pages)) if place else None, first, _words(verdict, answer))
        )
    return found


def _words(verdict: Verdict, answer: Mapping[str, Any]) -> str:
    if verdict.unanswered:
        return "unanswered"
    if answer.get("status") == "error":
        return "an error"
    if verdict.accepted_wrong:
        return f"ACCEPTED, WRONG, {verdict.confidence:.2f}"
    if not verdict.matched:
        return "nothing proposed"
    return f"{'right' if verdict.first_right else 'wrong'}, not accepted, {verdict.confidence:.2f}"


def sheets(found: Sequence[Contact]) -> Iterator[Image.Image]:
    """Sheets of 15 photos each: photo, true page, first match from left to right."""
    for start in range(0, len(found), A_SHEET):
        yield _sheet(found[start : start + A_SHEET])


def _sheet(found: Sequence[Contact]) -> Image.Image:
    width, height = 3 * CELL + 2 * _GAP, CELL + 2 * _LINE + _GAP
    columns = min(_COLUMNS, len(found))
    rows = -(-len(found) // columns)
    sheet = Image.new("RGB", (columns * (width + 2 * _GAP), rows * (height + _GAP)), _PAPER)
    for number, contact in enumerate(found):
        row, column = divmod(number, columns)
        sheet.paste(
            _panel(contact, width, height), (column * (width + 2 * _GAP) + _GAP, row * (height + _GAP))
        )
    return sheet


def _panel(contact: Contact, width: int, height: int) -> Image.Image:
    panel = Image.new("RGB", (width, height), _PAPER)
    pen = ImageDraw.Draw(panel)
    pictures = (
        (_photo(contact.photo), contact.photo.stem, contact.words),
        (_page(contact.true), _name(contact.true, "in no book"), "the true page" if contact.true else ""),
        (_page(contact.said), _name(contact.said, "no match"), "the first match" if contact.said else ""),
    )
    for place, (picture, name, words) in enumerate(pictures):
        left = place * (CELL + _GAP)
        picture.thumbnail((CELL, CELL), Image.Resampling.LANCZOS)
        panel.paste(picture, (left + (CELL - picture.width) // 2, 0))
        for line, text in enumerate((name, words)):
            pen.text((left, CELL + 2 + line * _LINE), _cut(text), fill=_INK, font=_FONT)
    return panel


_FONT = ImageFont.load_default(13)


def _cut(text: str) -> str:
    """The text in letters that the font has, its middle left out where it is too long."""
    text = printable(text).encode("ascii", "replace").decode()
    kept, shown = len(text), text
    while _FONT.getlength(shown) > CELL and kept > 8:
        kept -= 1
        shown = f"{text[: kept // 2]}...{text[len(text) - (kept - kept // 2) :]}"
    return shown


def _photo(path: Path) -> Image.Image:
    try:
        return Image.fromarray(decode(path).pixels)
    except WhichpageError as error:
        _log.warning("no picture of %s: %s", path, error)
        return _blank()


def _page(place: tuple[Path, int] | None) -> Image.Image:
    if place is None:
        return _blank()
    try:
        image = Image.fromarray(sources.render_colour(*place, long_side=CELL * 2))
    except (WhichpageError, OSError) as error:
        _log.warning("no picture of page %d of %s: %s", place[1], place[0], error)
        return _blank()
    ImageDraw.Draw(image).rectangle((0, 0, image.width - 1, image.height - 1), outline=_MISSING, width=2)
    return image


def _blank() -> Image.Image:
    return Image.new("RGB", (CELL * 7 // 10, CELL), _MISSING)


def _name(place: tuple[Path, int] | None, none: str) -> str:
    return none if place is None else f"{place[0].name}, p. {place[1]}"
