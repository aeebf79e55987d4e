"""The picture of an answer: the photo with the page outlined, beside the page that was found.

`draw` makes it out of pixels alone; `Gallery` reads photo and pages and writes the files.
"""

from __future__ import annotations

import functools
import logging
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from whichpage import sources
from whichpage.answers import NOT_FOUND, confidence_text
from whichpage.errors import WhichpageError
from whichpage.files import PICTURE_SUFFIX, safe_stem
from whichpage.photo import Photo, decode
from whichpage.terminal import printable
from whichpage.types import Answer, Colour, Match

HEIGHT = 1000  # of the photo and of each page in the picture, in pixels
_CAPTION, _GAP, _FONT, _LINE = 44, 16, 22, 6
_PAPER, _INK, _MISSING = (255, 255, 255), (34, 34, 34), (225, 225, 225)
# Told apart by colour-blind people too (Okabe and Ito 2008); the first page found, the second, ...
_COLOURS = ((0, 158, 115), (213, 94, 0), (0, 114, 178), (204, 121, 167))
# Pillow carries a font for ASCII alone. These are what systems ship; Pillow looks in their folders.
_SYSTEM_FONTS = (
    "DejaVuSans.ttf",
    "Arial.ttf",
    "NotoSansCJK-Regular.ttc",
    "ヒラギノ角ゴシック W3.ttc",
    "Hiragino Sans GB.ttc",
    "YuGothR.ttc",
    "meiryo.ttc",
    "msgothic.ttc",
    "DroidSansFallbackFull.ttf",
    "ipag.ttf",
    "unifont.otf",
)
_ELLIPSIS = "..."

log = logging.getLogger(__name__)

_Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@dataclass
class Gallery:
    """A folder of pictures; each photo of a run gets a file of its own.

    A picture of an earlier run is written over: its name ends in ".whichpage.jpg", as no photo's does.
    """

    folder: Path
    _taken: set[str] = field(default_factory=set)

    @classmethod
    def make(cls, folder: Path) -> Gallery:
        """Raises OSError when the folder cannot be made."""
        folder.mkdir(parents=True, exist_ok=True)
        return cls(folder)

    def save(self, answer: Answer, photo: Path | bytes) -> Path:
        """Writes the picture of an answer and returns its path.

        Raises:
            PhotoError: the photo cannot be read (any more).
            OSError: the picture cannot be written.
        """
        found = [match for match in answer.matches if match.verified]
        pages = [(match, _page(match)) for match in found]
        path = self.folder / self._name(answer.photo)
        draw(decode(photo), pages).save(path, quality=88)
        return path

    def _name(self, photo: str) -> str:
        stem = safe_stem(Path(photo).stem if photo != "-" else "stdin", otherwise="photo")
        name, count = stem, 1
        # Without regard to case: A.jpg and a.jpg are one file on macOS and Windows.
        while name.casefold() in self._taken:
            count += 1
            name = f"{stem}-{count}"
        self._taken.add(name.casefold())
        return f"{name}{PICTURE_SUFFIX}"


def _page(match: Match) -> Colour | None:
    """The page as its file shows it now; None when the file is gone or has become unreadable."""
    try:
        return sources.render_colour(match.source, match.page, long_side=HEIGHT)
    except (WhichpageError, OSError) as error:
        log.warning("no picture of page %d of %s: %s", match.page, match.source, error)
        return None


def draw(photo: Photo, pages: Sequence[tuple[Match, Colour | None]]) -> Image.Image:
    """The picture, RGB.

    pages: the matches to show and each one's page, None where it could not be rendered.
    """
    panels = [_photo_panel(photo, [match for match, _ in pages])]
    panels += [_page_panel(page, match, _colour(i)) for i, (match, page) in enumerate(pages)]
    width = sum(panel.width for panel in panels) + _GAP * (len(panels) + 1)
    picture = Image.new("RGB", (width, HEIGHT + 2 * _GAP + _CAPTION), _PAPER)
    left = _GAP
    for panel in panels:
        picture.paste(panel, (left, _GAP))
        left += panel.width + _GAP
    return picture


def _photo_panel(photo: Photo, matches: Sequence[Match]) -> Image.Image:
    image = _fit(photo.pixels)
    # Corners are in the photo's own pixels, whose centres are whole numbers.
    scale = np.array([image.width / photo.width, image.height / photo.height])
    pen = ImageDraw.Draw(image)
    for i, match in enumerate(matches):
        corners = [(float(x), float(y)) for x, y in (match.quad + 0.5) * scale - 0.5]
        # The first side once more, so that the last joint is round like the others.
        pen.line(corners + corners[:2], fill=_colour(i), width=_LINE, joint="curve")
        # Which corner is the page's own top left, where the page lies turned.
        pen.circle(corners[0], 2 * _LINE, fill=_colour(i))
    return captioned(image, "" if matches else NOT_FOUND)


def _fit(pixels: Colour) -> Image.Image:
    """The pixels at the picture's height; a strip of a photo may not make the picture endlessly wide."""
    width = min(max(1, round(pixels.shape[1] * HEIGHT / pixels.shape[0])), 4 * HEIGHT)
    return Image.fromarray(pixels).resize((width, HEIGHT), Image.Resampling.LANCZOS)


def _page_panel(page: Colour | None, match: Match, colour: tuple[int, int, int]) -> Image.Image:
    if page is None:
        image = Image.new("RGB", (HEIGHT * 7 // 10, HEIGHT), _MISSING)
        ImageDraw.Draw(image).text((_GAP, _GAP), "its file cannot be read", fill=_INK, font=_ascii_font())
    else:
        image = _fit(page)
    ImageDraw.Draw(image).rectangle((0, 0, image.width - 1, HEIGHT - 1), outline=colour, width=_LINE)
    return captioned(image, match.source.name, f"  page {match.page}  {confidence_text(match.confidence)}")


def captioned(image: Image.Image, name: str, rest: str = "") -> Image.Image:
    """The image with a line below; a name that is too long for it loses its middle, `rest` never."""
    panel = Image.new("RGB", (image.width, image.height + _CAPTION), _PAPER)
    panel.paste(image)
    name = printable(name)
    font = _font_for(name)
    name = _without_uncovered(name, font)
    kept = len(name)
    text = name + rest
    while font.getlength(text) > image.width and kept > 8:
        kept -= 1
        text = f"{name[: kept // 2]}{_ELLIPSIS}{name[len(name) - kept // 2 :]}{rest}"
    ImageDraw.Draw(panel).text((0, image.height + 8), text, fill=_INK, font=font)
    return panel


def _colour(number: int) -> tuple[int, int, int]:
    return _COLOURS[number % len(_COLOURS)]


def _font_for(text: str) -> _Font:
    """The first font that has every character, else the one that Pillow carries."""
    if text.isascii():
        return _ascii_font()
    fonts = _system_fonts()
    return next((font for font in fonts if all(_covers(font, c) for c in set(text))), _ascii_font())


@functools.cache
def _ascii_font() -> _Font:
    return ImageFont.load_default(_FONT)


@functools.cache
def _system_fonts() -> tuple[_Font, ...]:
    found = []
    for name in _SYSTEM_FONTS:
        try:
            found.append(ImageFont.truetype(name, _FONT))
        except OSError:
            continue
    return tuple(found)


def _covers(font: _Font, character: str) -> bool:
    """Whether the font draws the character other than as its sign for a missing one."""
    missing = font.getmask("\U0010ffff")
    drawn = font.getmask(character)
    return drawn.size != missing.size or not np.array_equal(np.asarray(drawn), np.asarray(missing))


def _without_uncovered(text: str, font: _Font) -> str:
    """The text as the font can write it: letters it lacks without their accents, else as an ellipsis."""
    if text.isascii():
        return text
    written = ""
    for character in text:
        plain = unicodedata.normalize("NFKD", character)[0]
        if _covers(font, character):
            written += character
        elif plain.isascii():
            written += plain
        elif not written.endswith(_ELLIPSIS):
            written += _ELLIPSIS
    return written
