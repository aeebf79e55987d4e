"""Draws pages of print and photos of them: the same for the same numbers, on every machine.

Only numpy's arithmetic and `random.Random.random` take part in a page, so that no library's new
version draws it otherwise; photos are warped by OpenCV.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from whichpage.types import Colour, Grey, Quad

# 5 x 7 letters, a row of five pixels in each number.
_LETTERS = (
    (14, 1, 15, 17, 17, 15, 0),
    (16, 16, 30, 17, 17, 30, 0),
    (0, 14, 16, 16, 17, 14, 0),
    (1, 1, 15, 17, 17, 15, 0),
    (0, 14, 17, 31, 16, 14, 0),
    (6, 8, 28, 8, 8, 8, 0),
    (15, 17, 17, 15, 1, 14, 0),
    (16, 16, 30, 17, 17, 17, 0),
    (4, 0, 12, 4, 4, 14, 0),
    (16, 18, 20, 24, 20, 18, 0),
    (12, 4, 4, 4, 4, 14, 0),
    (0, 26, 21, 21, 21, 21, 0),
    (0, 30, 17, 17, 17, 17, 0),
    (0, 14, 17, 17, 17, 14, 0),
    (30, 17, 17, 30, 16, 16, 0),
    (0, 22, 24, 16, 16, 16, 0),
    (0, 15, 16, 14, 1, 30, 0),
    (8, 28, 8, 8, 9, 6, 0),
    (0, 17, 17, 17, 19, 13, 0),
    (0, 17, 17, 17, 10, 4, 0),
)
_GLYPHS = np.array([[[row >> 4 - x & 1 for x in range(5)] for row in letter] for letter in _LETTERS], bool)


def text_page(seed: int, *, height: int = 960, width: int = 672, lines: int | None = None) -> Grey:
    """A page of words in paragraphs under a heading, black on white, letters of 10 x 14 pixels."""
    chance = random.Random(seed)
    page = np.full((height, width), 255, np.uint8)
    left, right, pitch = width // 11, width - width // 11, 26
    first = height // 13
    count = (height - 2 * first) // pitch if lines is None else lines
    _write(page, first - pitch, left + int(chance.random() * width / 3), _word(chance) + _word(chance))
    indented = True
    for line in range(count):
        x = left + 30 * indented
        # A paragraph ends now and then, somewhere in its last line.
        indented = chance.random() < 0.15
        end = left + (right - left) * chance.random() if indented else right
        while True:
            word = _word(chance)
            if x + 12 * len(word) > end:
                break
            _write(page, first + line * pitch, x, word)
            x += 12 * (len(word) + 1)
    return page


def _word(chance: random.Random) -> list[int]:
    return [int(chance.random() * len(_GLYPHS)) for _ in range(2 + int(chance.random() * 8))]


def _write(page: Grey, y: int, x: int, word: list[int]) -> None:
    for place, letter in enumerate(word):
        glyph = _GLYPHS[letter].repeat(2, 0).repeat(2, 1)
        page[y : y + 14, x + 12 * place : x + 12 * place + 10][glyph] = 15


def photo_of(
    pages: Sequence[tuple[Grey, ArrayLike]],
    *,
    size: tuple[int, int] = (1200, 900),
    curl: float = 0.0,
    paper: float = 0.9,
    shade: float = 0.0,
) -> Colour:
    """A photo of pages on a dark, grained desk, (H, W, 3) uint8.

    Args:
        pages: each with its corners in the photo's pixels, in page order.
        size: (H, W) of the photo.
        curl: how far lines are bent between the left and the right edge, in page heights; the corners
            and the page's two sides stay where they are.
        paper: how light the paper is, 0 to 1.
        shade: how much darker the photo's right edge is than its left one, 0 to 1.
    """
    h, w = size
    ys, xs = np.mgrid[0:h, 0:w].astype(np.float32)
    grain = np.random.RandomState(1).normal(0, 1, (h // 4 + 1, w // 4 + 1)).astype(np.float32)
    scene = 60 + 5 * cv2.resize(grain, (w, h)) + 8 * np.sin(xs / 37 + ys / 91)
    for page, corners in pages:
        rows, columns = page.shape
        frame = np.array([[0, 0], [columns, 0], [columns, rows], [0, rows]], np.float32) - 0.5
        back = cv2.getPerspectiveTransform(np.asarray(corners, np.float32), frame)
        x, y, depth = back @ np.stack([xs, ys, np.ones_like(xs)]).reshape(3, -1)
        x, y = (x / depth).reshape(h, w), (y / depth).reshape(h, w)
        y = y + curl * rows * np.sin(np.pi * np.clip((x + 0.5) / columns, 0, 1))
        on_paper = (x > -0.5) & (x < columns - 0.5) & (y > -0.5) & (y < rows - 0.5)
        # Print is softened to what the photo can resolve, or it would alias.
        spread = max(0.4, 0.4 * np.sqrt(rows * columns / cv2.contourArea(np.asarray(corners, np.float32))))
        soft = cv2.GaussianBlur(page, (0, 0), spread)
        seen = cv2.remap(
            soft,
            x.astype(np.float32),
            y.astype(np.float32),
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        scene = np.where(on_paper, seen * paper, scene)
    scene = scene * (1 - shade * xs / w)
    tint = np.array([1.0, 0.97, 0.92], np.float32)
    return np.asarray(np.clip(scene[..., None] * tint, 0, 255), np.uint8)


def corner_errors(found: Quad, true: ArrayLike) -> NDArray[np.float64]:
    """Distance of each corner from where it should be, (4,), as shares of the page's mean side."""
    wanted = np.asarray(true, np.float64)
    side = np.sqrt(cv2.contourArea(wanted.astype(np.float32)))
    return np.asarray(np.linalg.norm(found - wanted, axis=1) / side)
