"""A page's place by points found in a photo: exact where all agree, unmoved by some that do not."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from whichpage.placing import place

SIZE = (480, 336)
CORNERS = np.array([[190, 150], [930, 180], [1000, 1260], [110, 1220]], np.float32)
# A parallelogram, and a page merely turned by half a radian, enlarged twice and shifted.
SLANTED = np.array([[200, 100], [800, 300], [900, 1300], [300, 1100]], np.float32)
_TURN = np.array([[np.cos(0.5), np.sin(0.5)], [-np.sin(0.5), np.cos(0.5)]])
TURNED = (np.array([[0, 0], [672, 0], [672, 960], [0, 960]]) @ _TURN + [500, 40]).astype(np.float32)
Points = NDArray[np.float32]


def spread(count: int, *, seed: int = 0, low: float = 0.05, high: float = 0.95) -> Points:
    """Points of a page, as shares of its sides."""
    return np.random.RandomState(seed).uniform(low, high, (count, 2)).astype(np.float32)


def seen(shares: Points, corners: Points) -> Points:
    """Where a photo shows them whose page has these corners; the homography by eight equations."""
    equations, sides = [], []
    for (x, y), (u, v) in zip(((0, 0), (1, 0), (1, 1), (0, 1)), corners.tolist(), strict=True):
        equations += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        sides += [u, v]
    matrix = np.append(np.linalg.solve(np.array(equations, float), sides), 1).reshape(3, 3)
    u, v, depth = matrix @ np.column_stack([shares, np.ones(len(shares))]).T
    return np.stack([u / depth, v / depth], -1).astype(np.float32)


def each(shares: Points) -> NDArray[np.int64]:
    """Every point with a voice of its own."""
    return np.arange(len(shares))


def error(quad: Points, corners: Points) -> float:
    """Of the corner that is furthest off, in pixels."""
    return float(np.linalg.norm(quad - corners, axis=1).max())


@pytest.mark.parametrize("count", [4, 12, 200])
def test_a_tilted_page_lies_where_its_points_say(count: int) -> None:
    shares = np.concatenate([spread(count - 4), np.array([[0.1, 0.1], [0.9, 0.1], [0.9, 0.9], [0.1, 0.9]])])
    shares = shares.astype(np.float32)
    gentle = SLANTED + np.array([[6, 0], [0, 0], [0, 6], [0, 0]], np.float32)
    placed = place(shares, seen(shares, gentle), each(shares), size=SIZE)
    assert placed is not None
    assert error(placed.quad, gentle) < 0.1
    assert (placed.groups, int(placed.agree.sum())) == (count, count)
    assert placed.quad.dtype == np.float32


def test_a_strong_tilt_is_found_though_no_slant_fits_all_points() -> None:
    tilted = np.array([[300, 300], [800, 300], [1000, 1300], [100, 1300]], np.float32)
    shares = spread(60)
    photo = seen(shares, tilted)
    known = np.column_stack([shares, np.ones(60)])
    slant = known @ np.linalg.lstsq(known, photo, rcond=None)[0]
    assert np.linalg.norm(slant - photo, axis=1).max() > 0.05 * 1000
    placed = place(shares, photo, each(shares), size=SIZE)
    assert placed is not None
    assert error(placed.quad, tilted) < 0.1
    assert placed.groups == 60


def test_three_points_tell_a_slant() -> None:
    shares = np.array([[0.2, 0.1], [0.9, 0.4], [0.3, 0.8]], np.float32)
    placed = place(shares, seen(shares, SLANTED), each(shares), size=SIZE)
    assert placed is not None
    assert error(placed.quad, SLANTED) < 0.1
    assert placed.groups == 3


def test_two_points_tell_turn_size_and_shift() -> None:
    """And no slant: of a page seen aslant they tell another place."""
    shares = np.array([[0.2, 0.3], [0.8, 0.6]], np.float32)
    placed = place(shares, seen(shares, TURNED), each(shares), size=SIZE)
    assert placed is not None
    assert error(placed.quad, TURNED) < 0.1
    assert placed.groups == 2
    aslant = place(shares, seen(shares, SLANTED), each(shares), size=SIZE)
    assert aslant is not None
    assert error(aslant.quad, SLANTED) > 50


def test_points_close_together_tell_no_perspective() -> None:
    """Within a quarter of the page; what is off by a pixel would tilt it wildly."""
    shares = spread(30, low=0.45, high=0.65)
    jitter = np.random.RandomState(1).normal(0, 1, (30, 2)).astype(np.float32)
    placed = place(shares, seen(shares, SLANTED) + jitter, each(shares), size=SIZE)
    assert placed is not None
    top_left, top_right, bottom_right, bottom_left = placed.quad
    np.testing.assert_allclose(top_right - top_left, bottom_right - bottom_left, atol=0.01)
    assert error(placed.quad, SLANTED) < 25


@pytest.mark.parametrize("strangers", [5, 20, 30])
def test_points_that_are_elsewhere_do_not_count(strangers: int) -> None:
    shares = spread(30 + strangers)
    photo = seen(shares, CORNERS)
    photo[30:] += np.random.RandomState(2).uniform(150, 400, (strangers, 2)) * [[1, -1]]
    placed = place(shares, photo, each(shares), size=SIZE)
    assert placed is not None
    np.testing.assert_array_equal(placed.agree, np.arange(30 + strangers) < 30)
    assert placed.groups == 30
    assert error(placed.quad, CORNERS) < 0.1


def test_groups_are_counted_and_not_their_points() -> None:
    """Points 20 to 23 are elsewhere: all of group 3, and one of group 7, which has others."""
    shares = spread(24)
    photo = seen(shares, CORNERS)
    photo[20:] += 300
    groups = np.array([0, 0, 1, 1, 2, 2, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 8, 9, 9, 9, 3, 3, 3, 7])
    placed = place(shares, photo, groups, size=SIZE)
    assert placed is not None
    assert placed.agree.tolist() == [True] * 20 + [False] * 4
    assert placed.groups == 9


def test_one_voice_tells_no_place_however_many_points_it_has() -> None:
    shares = spread(20)
    photo = seen(shares, CORNERS)
    assert place(shares, photo, np.zeros(20, np.int64), size=SIZE) is None
    assert place(shares[:1], photo[:1], np.zeros(1, np.int64), size=SIZE) is None
    assert place(shares[:0], photo[:0], np.zeros(0, np.int64), size=SIZE) is None
    two = place(shares, photo, np.repeat([0, 1], 10), size=SIZE)
    assert two is not None
    assert two.groups == 2


@pytest.mark.parametrize(("tolerance", "agree"), [(0.02, False), (0.04, True)])
def test_tolerance_is_a_share_of_how_far_the_points_spread(tolerance: float, agree: bool) -> None:
    """Over 1,700 pixels: a point that is off by 50 is off by 3 %."""
    shares = spread(40)
    wide = SLANTED * np.float32(2)
    photo = seen(shares, wide)
    middle = int(np.linalg.norm(shares - 0.5, axis=1).argmin())
    photo[middle, 0] += 50
    placed = place(shares, photo, each(shares), size=SIZE, tolerance=tolerance)
    assert placed is not None
    assert float(np.ptp(photo, axis=0).max()) == pytest.approx(2000, rel=0.2)
    assert bool(placed.agree[middle]) is agree
    assert placed.groups == 39 + agree


def test_a_few_pixels_are_forgiven_in_a_small_photo() -> None:
    shares = spread(40)
    small = SLANTED / np.float32(20)
    jitter = np.random.RandomState(3).uniform(-4, 4, (40, 2)).astype(np.float32)
    placed = place(shares, seen(shares, small) + jitter, each(shares), size=SIZE, tolerance=0.0)
    assert placed is not None
    assert placed.groups == 40


@pytest.mark.parametrize("order", [[1, 0, 3, 2], [3, 2, 1, 0], [0, 3, 2, 1]])
def test_a_mirror_image_has_no_place(order: list[int]) -> None:
    shares = spread(30)
    mirrored = np.ascontiguousarray(CORNERS[order])
    assert place(shares, seen(shares, mirrored), each(shares), size=SIZE) is None
    few = np.array([[0.2, 0.1], [0.9, 0.4], [0.3, 0.8]], np.float32)
    assert place(few, seen(few, mirrored), each(few), size=SIZE) is None


@pytest.mark.parametrize("turn", range(4))
def test_a_turned_page_begins_where_its_print_does(turn: int) -> None:
    shares = spread(30)
    turned = np.ascontiguousarray(np.roll(CORNERS, turn, axis=0))
    placed = place(shares, seen(shares, turned), each(shares), size=SIZE)
    assert placed is not None
    assert error(placed.quad, turned) < 0.1


def test_points_of_one_place_have_none() -> None:
    shares = spread(12)
    assert place(shares, np.full((12, 2), 300, np.float32), each(shares), size=SIZE) is None
    same = np.full((12, 2), 0.5, np.float32)
    assert place(same, seen(shares, CORNERS), each(shares), size=SIZE) is None


def test_points_along_a_line_are_no_error() -> None:
    """They tell no tilt, and what is reckoned from them may be nonsense."""
    along = np.linspace(0.1, 0.9, 12).astype(np.float32)
    for shares in (np.stack([along, along], -1), np.stack([along, 1 - along], -1)):
        for seed in range(20):
            jitter = np.random.RandomState(seed).normal(0, 4, (12, 2)).astype(np.float32)
            placed = place(shares, seen(shares, SLANTED) + jitter, each(shares), size=SIZE, tolerance=0.03)
            if placed is not None:
                assert placed.groups >= 2
                assert cv2.contourArea(placed.quad, oriented=True) > 0


def test_strangers_alone_agree_on_little() -> None:
    """That some always agree is why whoever asks must ask for more than a few."""
    shares, photo = spread(60, seed=4), spread(60, seed=5) * 1000
    placed = place(shares, photo.astype(np.float32), each(shares), size=SIZE)
    assert placed is None or placed.groups < 12
