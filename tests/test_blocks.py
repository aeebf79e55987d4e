"""Blocks of a page, held to what is plainly computed for each block."""

from __future__ import annotations

import numpy as np
import pytest

from whichpage.blocks import Blocks, best_near, leads, peaks

SHAPE = (97, 62)  # not a multiple of the grid
GRID = (4, 3)
CORNERS = [(row * 24, column * 20) for row in range(4) for column in range(3)]


@pytest.fixture
def page() -> np.ndarray:
    return np.random.default_rng(3).normal(0, 0.4, SHAPE).astype(np.float32)


def test_print_strength_is_the_spread_within_each_block(page: np.ndarray) -> None:
    page[:24, :20] = 1.0  # bare paper
    spread = np.array([page[y : y + 24, x : x + 20].std() for y, x in CORNERS])
    found = Blocks(SHAPE, GRID).print_strength(page)
    np.testing.assert_allclose(found, np.clip((spread - 0.15) / 0.35, 0, 1), atol=1e-5)
    assert found[0] == 0


def test_shares_are_means_of_what_was_seen() -> None:
    """At a quarter of the size, behind two rows and one column; the last blocks reach over the edge."""
    seen = np.random.default_rng(4).random((22, 15)).astype(np.float32)
    found = Blocks(SHAPE, GRID).shares(seen, scale=4, offset=(2, 1))
    means = [seen[y // 4 + 2 : y // 4 + 8, x // 4 + 1 : x // 4 + 6].mean() for y, x in CORNERS]
    np.testing.assert_allclose(found, means, atol=1e-5)


def test_block_beyond_the_edge_was_not_seen() -> None:
    found = Blocks(SHAPE, GRID).shares(np.ones((50, 62), np.float32), scale=1)
    np.testing.assert_allclose(found, [1] * 9 + [0] * 3)


@pytest.mark.parametrize("shift", [(0, 0), (3, -2), (-4, 1)])
def test_blocks_find_themselves_where_they_went(page: np.ndarray, shift: tuple[int, int]) -> None:
    reach = (5, 4)
    blocks = Blocks(SHAPE, GRID)
    image = np.pad(page, ((5, 5), (4, 4)))
    noise = np.random.default_rng(5).normal(0, 0.02, image.shape)
    moved = (np.roll(image, shift, (0, 1)) + noise).astype(np.float32)
    maps = blocks.correlate(moved, page, reach)
    assert maps.shape == (12, 11, 9)
    assert maps.dtype == np.float32
    shifts, heights = peaks(maps)
    whole = heights > 0.98  # those that the shift did not push over the edge
    assert whole.sum() >= 6
    np.testing.assert_array_equal(shifts[whole], np.tile(shift[::-1], (int(whole.sum()), 1)))


def test_correlation_is_that_of_the_block_with_the_image(page: np.ndarray) -> None:
    image = np.pad(page[::-1].copy(), ((5, 5), (4, 4)))
    maps = Blocks(SHAPE, GRID).correlate(image, page, (5, 4))
    for number, (y, x) in enumerate(CORNERS):
        block, field = page[y : y + 24, x : x + 20], image[y + 7 : y + 31, x + 3 : x + 23]
        assert maps[number, 7, 3] == pytest.approx(np.corrcoef(block.ravel(), field.ravel())[0, 1], abs=1e-4)


def test_bare_paper_correlates_with_nothing() -> None:
    bare = np.zeros(SHAPE, np.float32)
    maps = Blocks(SHAPE, GRID).correlate(np.pad(bare, ((5, 5), (4, 4))), bare, (5, 4))
    assert not maps.any()


def test_peaks_may_be_sought_near_a_place() -> None:
    maps = np.zeros((2, 7, 9), np.float32)
    maps[:, 0, 8] = 0.9
    maps[0, 3, 4], maps[1, 5, 3] = 0.5, 0.6
    shifts, heights = peaks(maps)
    np.testing.assert_array_equal(shifts, [[4, -3], [4, -3]])
    np.testing.assert_allclose(heights, 0.9)
    shifts, heights = peaks(maps, around=(4, 3), radius=2)
    np.testing.assert_array_equal(shifts, [[0, 0], [-1, 2]])
    np.testing.assert_allclose(heights, [0.5, 0.6])


def test_best_near_a_shift_forgives_one_pixel() -> None:
    maps = np.zeros((3, 5, 5), np.float32)
    maps[0, 1, 3] = 0.7
    maps[1, 0, 0] = 0.8
    maps[2, 4, 4] = 0.9
    shifts = np.array([[0.3, -0.4], [-9.0, -9.0], [0.0, 0.0]])
    np.testing.assert_allclose(best_near(maps, shifts), [0.7, 0.8, 0.0])


def test_leads_are_over_the_best_place_elsewhere() -> None:
    maps = np.random.default_rng(9).uniform(-1, 1, (6, 11, 9)).astype(np.float32)
    shifts = np.array([[0, 0], [1.4, -2.2], [-3, 4], [4, 5], [-4, -5], [0.6, 0.4]])
    expected = []
    for one, (x, y) in zip(maps, shifts, strict=True):
        rows, columns = np.mgrid[-5:6, -4:5]
        far = (np.abs(rows - y) > 2) | (np.abs(columns - x) > 2)
        expected.append(one[far].max())
    found = leads(maps, shifts, radius=2)
    np.testing.assert_allclose(found, best_near(maps, shifts) - expected, atol=1e-6)


def test_what_repeats_itself_has_no_lead() -> None:
    """A grid of equal dots every four pixels fits as well one step on; a single dot fits in one place."""
    grid = np.full((1, 13, 13), 0.1, np.float32)
    grid[:, 2::4, 2::4] = 0.8
    assert leads(grid, np.zeros((1, 2)), radius=2) == pytest.approx(0)
    single = np.full((1, 13, 13), 0.1, np.float32)
    single[:, 6, 6] = 0.8
    assert leads(single, np.zeros((1, 2)), radius=2) == pytest.approx(0.7)
