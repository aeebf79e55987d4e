"""The lines of text that a page of a PDF holds by itself, with their places, through PDFium."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Iterator
from contextlib import closing

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c

from whichpage.printed import SHORTEST, PrintedLine, normalise

# A page of the smallest print has a third of these; more is an attack, and would blow up the library.
_MOST_LINES = 400
_MOST_CHARACTERS = 20_000
# Characters that are looked at, spaces and all.
_MOST_READ = 100_000
# In heights of a character; wider gaps are between the columns of a table or of the page.
_WIDEST_GAP = 3.0
# The page is mapped to so many pixels each way: places come as whole numbers.
_DEVICE = 65535

# PDFium puts this in place of a hyphen at a line's end and leaves out the line break.
_HYPHEN = "\ufffe"
_WORD = re.compile(rf"[^\s{_HYPHEN}]+")
_BREAK = re.compile(rf"[\r\n{_HYPHEN}]")


def printed_lines(page: pdfium.PdfPage) -> list[PrintedLine]:
    """The page's lines in the file's order; none where the file holds only a picture of the page.

    Raises:
        pdfium.PdfiumError: the page's text cannot be read.
    """
    with closing(page.get_textpage()) as text_page:
        written = _Written(page, text_page)
        lines: list[PrintedLine] = []
        characters = 0
        for first, last in written.lines():
            line = written.line(first, last)
            if line is None:
                continue
            characters += len(line.text)
            if characters > _MOST_CHARACTERS or len(lines) == _MOST_LINES:
                break
            lines.append(line)
        return lines


class _Written:
    """The text of a page: `characters` has one for each index that PDFium knows a character by."""

    def __init__(self, page: pdfium.PdfPage, text_page: pdfium.PdfTextPage) -> None:
        self._page = page.raw
        self._text_page = text_page.raw
        self.characters = self._read()
        # Made once: a call for each word is what reading a page's lines costs.
        self._box = pdfium_c.FS_RECTF()
        self._to_box = ctypes.byref(self._box)

    def lines(self) -> Iterator[tuple[int, int]]:
        """The indices of the first and the last character of each line."""
        first = last = -1
        for word in _WORD.finditer(self.characters):
            start, end = word.start(), word.end() - 1
            if first < 0:
                first = start
            elif _BREAK.search(self.characters, last + 1, start) or self._far(last, start):
                yield first, last
                first = start
            last = end
        if first >= 0:
            yield first, last

    def line(self, first: int, last: int) -> PrintedLine | None:
        """The line of these characters; None if it says too little or is not all on the page."""
        # Where PDFium counts a pair of surrogates as two characters, they are one only here.
        whole = self.characters[first : last + 1].encode("utf-16-le", "surrogatepass")
        text = normalise(whole.decode("utf-16-le", "replace"))
        if len(text) < SHORTEST:
            return None
        start = self._place(self._letter(range(first, last + 1)))
        end = self._place(self._letter(range(last, first - 1, -1)))
        return PrintedLine(text, start, end) if start and end else None

    def _letter(self, indices: range) -> int:
        """The first of these characters that is a letter or a digit, else the first of all."""
        return next((index for index in indices if self.characters[index].isalnum()), indices[0])

    def _read(self) -> str:
        count = min(pdfium_c.FPDFText_CountChars(self._text_page), _MOST_READ)
        if count <= 0:
            return ""
        units = (ctypes.c_ushort * (2 * count + 1))()
        read = pdfium_c.FPDFText_GetText(self._text_page, 0, count, units)
        text = bytes(units)[: 2 * max(0, read - 1)].decode("utf-16-le", "replace")
        if len(text) == count:
            return text
        # Characters without a meaning are left out of the text, so its indices are not PDFium's.
        return "".join(map(self._character, range(count)))

    def _character(self, index: int) -> str:
        if pdfium_c.FPDFText_IsHyphen(self._text_page, index) == 1:
            return _HYPHEN
        code = pdfium_c.FPDFText_GetUnicode(self._text_page, index)
        return chr(code) if code <= 0x10FFFF else " "

    def _far(self, before: int, after: int) -> bool:
        """Whether there is a wide gap between two characters."""
        left, top, right, bottom = self._bounds(before)
        other_left, other_top, other_right, other_bottom = self._bounds(after)
        gap = max(other_left - right, left - other_right, other_bottom - top, bottom - other_top)
        return gap > _WIDEST_GAP * max(top - bottom, other_top - other_bottom)

    def _place(self, index: int) -> tuple[float, float] | None:
        """The middle of a character's box; None outside the page."""
        left, top, right, bottom = self._bounds(index)
        x, y = ctypes.c_int(), ctypes.c_int()
        middle = (left + right) / 2, (top + bottom) / 2
        on_page = pdfium_c.FPDF_PageToDevice(self._page, 0, 0, _DEVICE, _DEVICE, 0, *middle, x, y)
        if not (on_page and 0 <= x.value <= _DEVICE and 0 <= y.value <= _DEVICE):
            return None
        return x.value / _DEVICE, y.value / _DEVICE

    def _bounds(self, index: int) -> tuple[float, float, float, float]:
        """Left, top, right and bottom of a character's box, which is as high as its font, in points."""
        pdfium_c.FPDFText_GetLooseCharBox(self._text_page, index, self._to_box)
        return self._box.left, self._box.top, self._box.right, self._box.bottom
