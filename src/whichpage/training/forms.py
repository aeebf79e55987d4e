"""Sheets of firms that do not exist: invoices, letters, lists, notes; much white paper, little print.

Loose sheets are what archives hold, and books hardly teach them: a form's frame is the same on every
sheet of a firm, and only a few words and numbers tell one sheet from the next.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

_SYLLABLES = "ba be do ka lo mi nu ra se ti vo an er in on st gra ple tor wen sch burg ford ley son"
_COLUMNS = "Item Description Quantity Unit Price Tax Date Order Total Rate Hours Weight No. Code"
_LABELS = "Invoice Date Due Customer Order Reference Terms Account Phone Ship Bill To From Subject"


@dataclass(frozen=True)
class _Text:
    """One run of text: where it begins, as shares of the sheet, and how it is set."""

    x: float
    y: float
    words: str
    size: float = 0.013
    bold: bool = False
    right: bool = False


class Firm:
    """One firm's stationery: fonts, places of the blocks, the columns of its table; sheets by number."""

    def __init__(self, fonts: tuple[Path, Path], *, seed: int, size: tuple[int, int]) -> None:
        """fonts: regular and bold, TrueType or OpenType; seed: the firm; size: (H, W) of its sheets."""
        rng = np.random.default_rng([seed, 7])
        self.seed, self.size, self.fonts = seed, size, fonts
        self.margin = rng.uniform(0.05, 0.12)
        self.text = rng.uniform(0.0095, 0.0155)
        self.name = _words(rng, 2).title()
        self.address = [_words(rng, 3).title() for _ in range(3)]
        self.name_right, self.logo = rng.random() < 0.3, rng.random() < 0.6
        self.logo_shape = rng.uniform(-1, 1, (7, 2))
        self.kind = rng.choice(["table", "letter", "list"], p=[0.6, 0.25, 0.15])
        self.top = rng.uniform(0.3, 0.45)
        self.columns = np.sort(rng.choice(np.arange(1, 12), rng.integers(2, 6), replace=False)) / 13
        self.heads = [str(word) for word in rng.choice(_COLUMNS.split(), len(self.columns) + 1)]
        self.ruled = rng.choice(["all", "rows", "head", "none"])
        self.pitch = self.text * rng.uniform(1.6, 2.6)
        self.labels = [str(word) for word in rng.choice(_LABELS.split(), rng.integers(2, 7))]
        self.labels_right = rng.random() < 0.6
        self.footer = _words(rng, int(rng.integers(4, 14)))

    def page(self, number: int) -> NDArray[np.uint8]:
        """(H, W) uint8, the sheet of that number; always the same for a number."""
        rng = np.random.default_rng([self.seed, number])
        height, width = 2 * self.size[0], 2 * self.size[1]
        sheet = Image.new("L", (width, height), 255)
        pen = ImageDraw.Draw(sheet)
        if self.logo:
            corner = np.array([0.72 if not self.name_right else self.margin, 0.05])
            star = (corner + (self.logo_shape + 1) * [0.08, 0.035]) * [width, height]
            pen.polygon([tuple(point) for point in star], fill=90)
        for text in [*self._letterhead(rng), *self._body(rng)]:
            self._set(pen, text, width, height)
        if self.kind == "table":
            self._rules(pen, width, height)
        page = cv2.resize(np.asarray(sheet), (self.size[1], self.size[0]), interpolation=cv2.INTER_AREA)
        return np.asarray(page, np.uint8)

    def _letterhead(self, rng: np.random.Generator) -> list[_Text]:
        left, x = self.margin, 0.62 if self.name_right else self.margin
        texts = [_Text(x, 0.06, self.name, self.text * 2, bold=True)]
        texts += [_Text(x, 0.1 + k * self.text * 1.5, line, self.text) for k, line in enumerate(self.address)]
        for k, label in enumerate(self.labels):
            y = 0.17 + k * self.text * 1.7
            at = 0.58 if self.labels_right else left
            texts.append(_Text(at, y, label + ":", self.text, bold=True))
            texts.append(_Text(at + 0.16, y, _value(rng), self.text))
        return [*texts, _Text(left, 0.95, self.footer, self.text * 0.8)]

    def _body(self, rng: np.random.Generator) -> list[_Text]:
        left, rows = self.margin, int(rng.integers(1, max(3, int((0.85 - self.top) / self.pitch))))
        texts: list[_Text] = []
        for row in range(rows):
            y = self.top + (row + 1) * self.pitch
            if self.kind == "letter":
                count = 12 if row % 6 != 5 else int(rng.integers(0, 8))
                texts.append(_Text(left, y, _words(rng, count), self.text))
                continue
            words = int(rng.integers(1, 5 if len(self.columns) < 4 else 3))
            texts.append(_Text(left + 0.005, y, _words(rng, words), self.text))
            if self.kind == "table":
                texts += [_Text(float(x) + 0.02, y, _value(rng), self.text) for x in self._stops()]
        if self.kind == "table":
            for k, label in enumerate(("Subtotal", "Tax", "Total")):
                y = min(self.top + (rows + 2 + k) * self.pitch, 0.92)
                texts.append(_Text(0.66, y, label, self.text, bold=True))
                texts.append(_Text(1 - left, y, f"{rng.uniform(1, 9999):,.2f}", self.text, right=True))
            stops = [left, *self._stops()]
            texts += [
                _Text(float(x) + 0.02, self.top, head, self.text, bold=True)
                for x, head in zip(stops, self.heads, strict=True)
            ]
        return texts

    def _stops(self) -> list[float]:
        """Where the table's further columns begin, right of its first, which is the widest."""
        return [self.margin + (0.35 + 0.65 * float(at)) * (1 - 2 * self.margin) for at in self.columns]

    def _rules(self, pen: ImageDraw.ImageDraw, width: int, height: int) -> None:
        left, right = int(self.margin * width), int((1 - self.margin) * width)
        bottom = 0.85
        count = int((bottom - self.top) / self.pitch)
        ends = {"all": count, "rows": count, "head": 1, "none": -1}[str(self.ruled)]
        for row in range(ends + 1):
            y = int((self.top + row * self.pitch - self.text * 0.3) * height)
            pen.line([(left, y), (right, y)], fill=80, width=2)
        if self.ruled == "all":
            ys = int((self.top - self.text * 0.3) * height), int((self.top + count * self.pitch) * height)
            for x in [self.margin, *self._stops(), 1 - self.margin]:
                pen.line([(int(x * width), ys[0]), (int(x * width), ys[1])], fill=80, width=2)

    def _set(self, pen: ImageDraw.ImageDraw, text: _Text, width: int, height: int) -> None:
        face = ImageFont.truetype(str(self.fonts[text.bold]), max(8, round(text.size * height)))
        at = (text.x * width, text.y * height)
        pen.text(at, text.words, font=face, fill=20, anchor="ra" if text.right else "la")


def _words(rng: np.random.Generator, count: int) -> str:
    return " ".join("".join(rng.choice(_SYLLABLES.split(), rng.integers(1, 5))) for _ in range(count))


def _value(rng: np.random.Generator) -> str:
    kind = rng.integers(4)
    if kind == 0:
        return f"{rng.uniform(0, 2000):,.2f}"
    if kind == 1:
        return f"{rng.integers(1, 29):02}/{rng.integers(1, 13):02}/{rng.integers(1960, 2030)}"
    return str(rng.integers(1, 10 ** int(rng.integers(1, 8)))) if kind == 2 else _words(rng, 1)
