"""Books as if scanned at home: images of pages alone, a little askew, on grey paper, trimmed, as JPEG.

Each book has its own scanner and its own trim; each page lies a little otherwise. There is no text layer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pypdfium2 as pdfium
from numpy.typing import NDArray
from PIL import Image

from whichpage.types import Colour

DPI = 200


@dataclass(frozen=True, slots=True)
class Scanner:
    """How one book was cut and scanned.

    trim: shares of the page that are cut off: left, top, right, bottom.
    skew: standard deviation of the pages' turn, degrees.
    paper: levels of the paper, R, G, B. ink: level of black.
    blur: sigma of the optics, pixels. grain: standard deviation of the noise, levels.
    quality: of the JPEG.
    """

    trim: tuple[float, float, float, float]
    skew: float
    paper: tuple[float, float, float]
    ink: float
    blur: float
    grain: float
    quality: int


def scanner(name: str) -> Scanner:
    """The scanner of a book: chosen by chance, but always the same for the same name."""
    chance = _chance(name)
    grey = chance.uniform(212, 242)
    left, top, right, bottom = (float(cut) for cut in chance.uniform(0.01, 0.05, 4))
    return Scanner(
        trim=(left, top, right, bottom),
        skew=chance.uniform(0.3, 0.9),
        # Old paper is a little yellow.
        paper=(grey, grey * chance.uniform(0.97, 1.0), grey * chance.uniform(0.90, 0.98)),
        ink=chance.uniform(25, 60),
        blur=chance.uniform(0.5, 0.9),
        grain=chance.uniform(1.5, 4.0),
        quality=int(chance.integers(55, 80)),
    )


def scan_page(page: Colour, made_by: Scanner, chance: np.random.Generator) -> Colour:
    """A page (H, W, 3) uint8 RGB at 200 dpi as the scanner sees it; smaller by the trim."""
    height, width = page.shape[:2]
    turn = float(np.clip(chance.normal(0, made_by.skew), -2.0, 2.0))
    middle = ((width - 1) / 2, (height - 1) / 2)
    matrix = np.array(cv2.getRotationMatrix2D(middle, turn, 1.0), np.float64)
    matrix[:, 2] += chance.normal(0, 0.004 * width, 2)
    turned = cv2.warpAffine(
        page,
        matrix,
        (width, height),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=(255,) * 3,
    )
    left, top, right, bottom = made_by.trim
    cut = turned[
        round(top * height) : height - round(bottom * height),
        round(left * width) : width - round(right * width),
    ]
    levels = cv2.GaussianBlur(cut, (0, 0), made_by.blur).astype(np.float32)
    paper = np.array(made_by.paper, np.float32)
    tinted = made_by.ink + (paper - made_by.ink) * (levels / 255)
    lit = tinted * _light(levels.shape[:2], chance)[..., None]
    grain = chance.normal(0, made_by.grain, levels.shape[:2]).astype(np.float32)[..., None]
    return np.asarray(np.clip(lit + grain, 0, 255), np.uint8)


def scan_book(source: Path, target: Path, *, name: str) -> int:
    """Writes the scan of a PDF as a PDF of images; returns its pages. It appears whole or not at all.

    name: what decides how it is scanned.
    """
    made_by = scanner(name)
    document = pdfium.PdfDocument(source)
    try:
        pages = _scans(document, made_by, name)
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_suffix(".part")
        next(pages).save(
            part,
            "PDF",
            resolution=DPI,
            quality=made_by.quality,
            save_all=True,
            # One after the other: a book of images does not fit into memory.
            append_images=pages,
        )
        part.replace(target)
        return len(document)
    finally:
        document.close()


def _scans(document: pdfium.PdfDocument, made_by: Scanner, name: str) -> Iterator[Image.Image]:
    for number in range(len(document)):
        page = document[number]
        pixels = page.render(scale=DPI / 72, rev_byteorder=True).to_numpy()[..., :3]
        page.close()
        yield Image.fromarray(scan_page(pixels, made_by, _chance(f"{name} {number}")))


def _light(size: tuple[int, int], chance: np.random.Generator) -> NDArray[np.float32]:
    """(H, W) float32 about 1: the lamp is weaker on one side, and where the page does not lie flat."""
    height, width = size
    slope = 1 + chance.uniform(-0.04, 0.04) * np.linspace(-1, 1, width, dtype=np.float32)
    gutter = 1 - chance.uniform(0, 0.15) * np.exp(-np.linspace(0, 30, width, dtype=np.float32))
    if chance.random() < 0.5:
        gutter = gutter[::-1]
    fall = 1 + chance.uniform(-0.02, 0.02) * np.linspace(-1, 1, height, dtype=np.float32)
    return np.asarray(fall[:, None] * (slope * gutter)[None], np.float32)


def _chance(name: str) -> np.random.Generator:
    return np.random.default_rng(int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big"))
