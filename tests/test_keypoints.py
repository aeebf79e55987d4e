"""Keypoints: what a plain computation of the Hessian finds, evenly spread, whatever the light."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from drawn import text_page
from numpy.typing import NDArray

from whichpage.contrast import local_contrast
from whichpage.keypoints import detect
from whichpage.types import Grey

WINDOW, SIGMA, APART, EDGE, LEAST, CELL = 33, 2.0, 3, 8, 1e-3, 48
EVERY = 1_000_000


def print_of(seed: int) -> Grey:
    """A drawn page as its thumbnail has it, (480, 336)."""
    return np.asarray(cv2.resize(text_page(seed), (336, 480), interpolation=cv2.INTER_AREA), np.uint8)


def detected(grey: Grey, *, most: int = EVERY) -> NDArray[np.float32]:
    return detect(local_contrast(grey, window=WINDOW), most=most)


def response(grey: Grey) -> NDArray[np.float64]:
    """The determinant of the Hessian, by sums over pixels."""
    contrast = np.pad(local_contrast(grey, window=WINDOW).astype(float), 9, mode="reflect")
    weights = np.exp(-(np.arange(-8, 9) ** 2) / 2 / SIGMA**2)
    weights /= weights.sum()
    h, w = grey.shape
    rows = sum(weights[k] * contrast[k : k + h + 2] for k in range(17))
    smooth = sum(weights[k] * np.asarray(rows)[:, k : k + w + 2] for k in range(17))
    found = np.zeros((h, w))
    for y in range(h):
        for x in range(w):
            around = np.asarray(smooth)[y : y + 3, x : x + 3]
            along_x = float((around @ [1, -2, 1]) @ [1, 2, 1])
            along_y = float((around.T @ [1, -2, 1]) @ [1, 2, 1])
            across = float((around @ [-1, 0, 1]) @ [-1, 0, 1])
            found[y, x] = along_x * along_y - across**2
    return found


def test_keypoints_are_the_maxima_of_the_hessian_the_strongest_of_each_cell_first() -> None:
    """On a third of a page, which has print all over; the order is that of the rank within the cell."""
    grey = print_of(3)[100:230, 40:190]
    strength = response(grey)
    peaks: dict[tuple[int, int], float] = {}
    for y in range(EDGE, grey.shape[0] - EDGE):
        for x in range(EDGE, grey.shape[1] - EDGE):
            around = strength[y - APART : y + APART + 1, x - APART : x + APART + 1]
            if strength[y, x] > LEAST and strength[y, x] == around.max():
                peaks[x, y] = float(strength[y, x])

    def order(point: tuple[int, int]) -> tuple[int, float]:
        cell = point[0] // CELL, point[1] // CELL
        stronger = [p for p in peaks if (p[0] // CELL, p[1] // CELL) == cell and peaks[p] > peaks[point]]
        return len(stronger), -peaks[point]

    expected = sorted(peaks, key=order)
    assert len(expected) > 100
    found = detected(grey)
    assert found.dtype == np.float32
    assert [(int(x), int(y)) for x, y in found] == expected
    np.testing.assert_array_equal(detected(grey, most=30), found[:30])


def test_a_dot_is_found_at_its_middle() -> None:
    dots = {(40, 30), (90, 31), (61, 77), (130, 100), (25, 140)}
    grey = np.full((170, 160), 240, np.uint8)
    for x, y in dots:
        grey[y - 2 : y + 3, x - 2 : x + 3] = 20
    assert {(int(x), int(y)) for x, y in detected(grey, most=len(dots))} == dots


def test_faint_print_has_its_share() -> None:
    """Below, the page is printed in a light grey: of few points each cell has as many as it can have."""
    grey = print_of(4).copy()
    grey[240:] = 255 - (255 - grey[240:]) // 6
    every = detected(grey)
    cells = [tuple(cell) for cell in (every // CELL).astype(int).tolist()]
    for most in (50, 100, 256):
        counts = {cell: cells[:most].count(cell) for cell in set(cells)}
        fullest = max(counts.values())
        assert all(count >= fullest - 1 or count == cells.count(cell) for cell, count in counts.items())
    count = len(set(cells))
    assert count > 60
    assert len(set(cells[:count])) == count


@pytest.mark.parametrize("paper", [0, 200, 255])
def test_blank_paper_has_none(paper: int) -> None:
    flat = np.full((480, 336), paper, np.uint8)
    light = np.round(paper * np.linspace(1, 0.4, 336))[None].repeat(480, 0).astype(np.uint8)
    for grey in (flat, light):
        assert detected(grey).shape == (0, 2)


def test_image_that_is_all_edge_has_none() -> None:
    dice = np.random.RandomState(1)
    for height, width in ((1, 1), (5, 300), (300, 16), (16, 16)):
        assert detected(dice.randint(0, 256, (height, width)).astype(np.uint8)).shape == (0, 2)
    dot = np.full((17, 17), 255, np.uint8)
    dot[6:11, 6:11] = 0
    assert detected(dot, most=9).tolist() == [[8, 8]]


@pytest.mark.parametrize("shaded", [False, True])
def test_light_moves_no_keypoint(shaded: bool) -> None:
    grey = print_of(5)
    light = np.linspace(0.85, 0.45, 336) if shaded else 0.5
    plain = detected(grey)
    seen = detected(np.round(grey * light + 25).astype(np.uint8))
    gaps = np.abs(plain[:, None] - seen[None]).max(-1)
    assert len(plain) > 500
    assert (gaps.min(1) <= 1).mean() > 0.97
    assert (gaps.min(0) <= 1).mean() > 0.97


def test_keypoints_move_with_the_print() -> None:
    """By any step: the cells, which do not move, say the order and not what is found."""
    grey = np.full((300, 280), 255, np.uint8)
    grey[60:200, 60:200] = print_of(6)[100:240, 40:180]
    plain = {(int(x), int(y)) for x, y in detected(grey)}
    assert len(plain) > 100
    for dx, dy in ((1, 0), (13, -7), (-20, 31)):
        moved = detected(np.roll(grey, (dy, dx), (0, 1)))
        assert {(int(x) - dx, int(y) - dy) for x, y in moved} == plain
