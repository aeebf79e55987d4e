"""Pages that repeat each other, and what a view shows of them."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np
import pytest
from drawn import text_page
from numpy.typing import NDArray
from PIL import Image

from whichpage.benchmark import article_views
from whichpage.benchmark.article_queries import Query
from whichpage.benchmark.article_twins import has, prints_all, shown
from whichpage.benchmark.article_views import View
from whichpage.types import Grey

HEIGHT, WIDTH = 1200, 840
PAGE, OTHER = (text_page(seed, height=HEIGHT, width=WIDTH) for seed in (5, 6))


def part(top: int, bottom: int) -> NDArray[np.uint8]:
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[top:bottom, 40:800] = 1
    return mask


def moved(page: Grey, *, down: int, right: int) -> Grey:
    shift = np.array([[1, 0, right], [0, 1, down]], np.float32)
    return np.asarray(cv2.warpAffine(page, shift, (WIDTH, HEIGHT), borderValue=255), np.uint8)


@pytest.mark.parametrize(("down", "right"), [(0, 0), (37, 0), (-130, 6), (301, -11)])
def test_page_that_repeats_the_part_wherever_it_has_it(down: int, right: int) -> None:
    twin = moved(PAGE, down=down, right=right)
    assert has(twin, PAGE, part(300, 800))
    assert not has(twin, OTHER, part(300, 800))


@pytest.mark.parametrize("right", [0.25, 0.5, 3.7])
def test_print_may_stand_a_fraction_of_a_pixel_elsewhere(right: float) -> None:
    """As where the lines above it are other ones."""
    large = cv2.resize(PAGE, None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC)

    def drawn(page: Grey) -> Grey:
        return np.asarray(cv2.resize(page, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA), np.uint8)

    shift = np.array([[1, 0, 4 * right], [0, 1, 2]], np.float32)
    twin = drawn(np.asarray(cv2.warpAffine(large, shift, large.shape[::-1], borderValue=255), np.uint8))
    assert has(twin, drawn(np.asarray(large, np.uint8)), part(300, 800))
    twin[500:504, 60:64] = 255 - twin[500:504, 60:64]
    assert not has(twin, drawn(np.asarray(large, np.uint8)), part(300, 800))


def test_only_what_is_shown_has_to_be_the_same() -> None:
    """Another line, or another letter, is outside of the part or in it."""
    twin = PAGE.copy()
    y = 92 + 26 * 14  # a line of print
    twin[y : y + 26] = OTHER[y : y + 26]
    assert has(twin, PAGE, part(60, y - 8))
    assert has(twin, PAGE, part(y + 34, 1100))
    assert not has(twin, PAGE, part(60, 1100))
    letter = PAGE.copy()
    dark = np.argwhere(PAGE[300:700] < 100)[0] + [300, 0]
    letter[dark[0] : dark[0] + 14, dark[1] : dark[1] + 10] = 255
    assert not has(letter, PAGE, part(60, 1100))
    assert has(letter, PAGE, part(720, 1100))


@pytest.mark.parametrize("ink", [0, 190])
def test_dot_is_a_difference(ink: int) -> None:
    """In black print and in pale print."""
    pale = np.maximum(PAGE, ink).astype(np.uint8)
    dotted = pale.copy()
    dotted[500:504, 60:64] = np.where(pale[500:504, 60:64] > 230, ink, 255)
    assert has(pale, pale, part(300, 800))
    assert not has(dotted, pale, part(300, 800))


def manual(path: Path) -> None:
    """Two pages that print the same under their numbers."""
    pages = []
    for number in (1, 2):
        page = PAGE.copy()
        page[:60] = 255
        page[20:34, 700 : 700 + 12 * number] = 0
        pages.append(Image.fromarray(page))
    pages[0].save(path, save_all=True, append_images=pages[1:], resolution=100)


def test_views_of_pages_that_a_manual_repeats(tmp_path: Path) -> None:
    """A view of the body is of both pages, one of the head as well is of one."""
    manual(tmp_path / "manual.pdf")
    for top, same in ((200, True), (0, False)):
        view = View(None, 1.0, 0.0, False, (100, top, 1500, 900), 0.3, ())
        folder = tmp_path / str(top)
        folder.mkdir()
        first, second = (Query(tmp_path / "manual.pdf", page, 0.3, False, folder) for page in (1, 2))
        (folder / f"{first.name}.json").write_text(json.dumps({**asdict(view), "bare": False}))
        assert prints_all(first, second) is same


def test_rest_of_a_part_beyond_the_page_is_paper() -> None:
    """The lower half of the part is not on the other page."""
    twin = moved(PAGE, down=700, right=0)
    assert not has(twin, PAGE, part(300, 800))
    assert has(twin, PAGE, part(100, 480))


def test_nothing_shown_is_on_every_page() -> None:
    assert has(OTHER, PAGE, np.zeros((HEIGHT, WIDTH), np.uint8))


@pytest.mark.parametrize("corners", [None, ((60, 40), (700, 0), (839, 1100), (0, 1199))])
def test_what_a_view_shows_is_where_its_pixels_come_from(
    corners: tuple[tuple[int, int], ...] | None,
) -> None:
    """A dot that is in the view is in the mask, one that is not is not."""
    crop = (200, 300, 400, 500)
    view = View(corners, 1.0, 0.0, False, crop, crop[2] * crop[3] / HEIGHT / WIDTH, ())
    mask = shown(view, HEIGHT, WIDTH)
    dice = np.random.default_rng(1)
    inside = 0
    for y, x in zip(dice.integers(10, HEIGHT - 10, 60), dice.integers(10, WIDTH - 10, 60), strict=True):
        dot = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        dot[y - 3 : y + 4, x - 3 : x + 4] = 255
        seen = int(np.asarray(article_views.apply(view, Image.fromarray(dot))).max()) > 0
        if np.ptp(mask[y - 10 : y + 11, x - 10 : x + 11]):
            continue  # at the edge
        assert bool(mask[y, x]) == seen
        inside += seen
    assert 5 < inside < 55
