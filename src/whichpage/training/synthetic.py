"""Pages of books that do not exist: vertically set Japanese, walls of characters.

Freely licensed vertical books are rare, and a photo of one is the hardest case for retrieval: every
page is the same grid, only the characters differ. The text is random, drawn with the character
frequencies of prose; what the encoder has to learn from it is the texture, not the language.

usage: python -m whichpage.training.synthetic OUT --fonts FONT... [--books 20] [--pages 30] [--seed 1000]

Writes such books as OUT/vertical-1000.pdf and so on, as scans are: pictures, no text.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

# Of pages that are written to PDF: those of a small book at 200 dpi.
PDF_SIZE = (1600, 1120)
_HIRAGANA = [chr(c) for c in range(0x3042, 0x3094)]
_KATAKANA = [chr(c) for c in range(0x30A2, 0x30F4)]
# The 2,965 kanji of JIS X 0208 level 1, which every Japanese font has.
_KANJI = [
    bytes([0xA0 + row, 0xA0 + cell]).decode("euc_jp")
    for row in range(16, 48)
    for cell in range(1, 95)
    if row < 47 or cell < 52
]
_PUNCTUATION = "、。「」―…"


class VerticalBook:
    """One book's typography: font, grid, margins, header; its pages are drawn by number."""

    def __init__(self, font: Path, *, seed: int, size: tuple[int, int]) -> None:
        """font: a TrueType or OpenType font with Japanese; seed: the book; size: (H, W) of its pages."""
        rng = np.random.default_rng(seed)
        self.seed, self.size = seed, size
        height, width = (2 * n for n in size)
        self.rows, self.columns = int(rng.integers(30, 50)), int(rng.integers(11, 22))
        top, side = rng.uniform(0.06, 0.14), rng.uniform(0.07, 0.15)
        self.cell = int(min(height * (1 - 2 * top) / self.rows, width * (1 - 2 * side) / self.columns * 0.85))
        self.pitch = (width * (1 - 2 * side)) / self.columns
        self.top, self.right = int(height * top), width * (1 - side)
        self.paragraph, self.speech = rng.uniform(0.01, 0.06), rng.uniform(0, 0.5)
        self.header = rng.random() < 0.6
        kanji = [str(c) for c in rng.choice(_KANJI, 900, replace=False)]
        self.alphabet = _HIRAGANA + _KATAKANA + kanji + list(_PUNCTUATION)
        zipf = 1 / np.arange(1, len(kanji) + 1) ** 0.7
        kana = rng.dirichlet(np.full(len(_HIRAGANA), 0.6))
        weights = [0.56 * kana, np.full(len(_KATAKANA), 0.06 / len(_KATAKANA)), 0.3 * zipf / zipf.sum()]
        weights.append(0.08 * np.array([0.4, 0.4, 0.07, 0.07, 0.03, 0.03]))
        self.weights = np.concatenate(weights)
        self.weights /= self.weights.sum()
        face = ImageFont.truetype(str(font), self.cell)
        self.digits = [_glyph(digit, face, self.cell) for digit in "0123456789"]
        self.glyphs = [_glyph(character, face, self.cell) for character in self.alphabet]

    def page(self, number: int) -> NDArray[np.uint8]:
        """(H, W) uint8, the page of that number; always the same for a number."""
        rng = np.random.default_rng([self.seed, number])
        sheet = np.full((2 * self.size[0], 2 * self.size[1]), 255, np.uint8)
        last = self.columns if rng.random() < 0.85 else int(rng.integers(2, self.columns + 1))
        indent = rng.random() < 0.5
        for column in range(last):
            length = self.rows if rng.random() > self.paragraph * 6 else int(rng.integers(2, self.rows))
            start = int(indent)
            for row, index in enumerate(rng.choice(len(self.alphabet), length, p=self.weights)):
                if row >= start:
                    self._put(sheet, column, row, self.glyphs[index])
            indent = length < self.rows
            if indent and rng.random() < self.speech:
                self._put(sheet, min(column + 1, last - 1), 0, self.glyphs[self.alphabet.index("「")])
        if self.header:
            folio = sheet[self.top // 3 : self.top // 3 + self.cell, :]
            x = int(sheet.shape[1] * (0.1 if number % 2 else 0.8))
            for k, digit in enumerate(str(number)):
                glyph = self.digits[int(digit)]
                folio[:, x + k * self.cell // 2 : x + k * self.cell // 2 + self.cell] &= glyph
        page = cv2.resize(sheet, (self.size[1], self.size[0]), interpolation=cv2.INTER_AREA)
        return np.asarray(page, np.uint8)

    def _put(self, sheet: NDArray[np.uint8], column: int, row: int, glyph: NDArray[np.uint8]) -> None:
        x = int(self.right - (column + 1) * self.pitch)
        y = self.top + row * self.cell
        place = sheet[y : y + self.cell, x : x + self.cell]
        if place.shape == glyph.shape:
            place &= glyph


def _glyph(character: str, face: ImageFont.FreeTypeFont, cell: int) -> NDArray[np.uint8]:
    image = Image.new("L", (cell, cell), 255)
    ImageDraw.Draw(image).text((cell / 2, cell / 2), character, font=face, fill=0, anchor="mm")
    return np.asarray(image)


def write_pdf(book: VerticalBook, pages: int, path: Path) -> None:
    """A PDF of the pages 1 to `pages`, each a picture."""
    first, *others = (Image.fromarray(book.page(number)) for number in range(1, pages + 1))
    first.save(path, "PDF", save_all=True, append_images=others, resolution=200.0)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--fonts", type=Path, nargs="+", required=True, help="with Japanese, in turn")
    parser.add_argument("--books", type=int, default=20)
    parser.add_argument("--pages", type=int, default=30, help="of each book")
    parser.add_argument("--seed", type=int, default=1000, help="of the first book; training has those below")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    for seed in range(arguments.seed, arguments.seed + arguments.books):
        font = arguments.fonts[seed % len(arguments.fonts)]
        book = VerticalBook(font, seed=seed, size=PDF_SIZE)
        write_pdf(book, arguments.pages, arguments.out / f"vertical-{seed}.pdf")


if __name__ == "__main__":
    main()
