"""Finding pages in photos: counting votes and fitting outlines on made-up ones, and drawn photos."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from books import TINY_MODEL
from drawn import corner_errors, photo_of, text_page
from numpy.typing import ArrayLike, NDArray

from whichpage.errors import ModelError
from whichpage.pagefinder import PageFinder, count_votes, fit_outlines
from whichpage.photo import decode
from whichpage.types import Quad

# How far the shipped model may put a corner of a plainly drawn page, as a share of the page's side.
MODEL_BOUND = 0.035

LEFT = np.array([[0.05, 0.2], [0.45, 0.15], [0.48, 0.8], [0.1, 0.85]], np.float32)
RIGHT = np.array([[0.5, 0.15], [0.9, 0.2], [0.95, 0.8], [0.5, 0.85]], np.float32)


def votes(
    *pages: tuple[Quad, slice], noise: float = 0.0, seed: int = 0
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """A 24 x 24 grid on which the columns of each slice, in rows 4 to 19, vote for a page."""
    dice = np.random.RandomState(seed)
    logits = np.full((24, 24), -3, np.float32)
    corners = dice.uniform(-1, 2, (24, 24, 4, 2)).astype(np.float32)
    for quad, columns in pages:
        logits[4:20, columns] = 3
        shape = corners[4:20, columns].shape
        corners[4:20, columns] = quad + dice.normal(0, noise, shape) if noise else quad
    return logits, corners


def off(found: Quad, true: Quad) -> float:
    """The largest distance of a corner, at the best of the four orders."""
    return float(min(np.linalg.norm(np.roll(found, k, 0) - true, axis=1).max() for k in range(4)))


def test_one_page_that_all_agree_on() -> None:
    (view,) = count_votes(*votes((LEFT, slice(3, 20))))
    assert view.score == 1
    np.testing.assert_array_equal(view.quad, LEFT)


def test_two_pages_the_larger_first() -> None:
    first, second = count_votes(*votes((LEFT, slice(2, 9)), (RIGHT, slice(10, 23)), noise=0.01))
    assert off(first.quad, RIGHT) < 0.004
    assert off(second.quad, LEFT) < 0.004
    assert first.score == pytest.approx(13 / 20, abs=0.01)
    assert second.score == pytest.approx(7 / 20, abs=0.01)


def test_cells_may_begin_with_any_corner() -> None:
    logits, corners = votes((LEFT, slice(3, 20)), noise=0.01)
    for row in range(24):
        for column in range(24):
            corners[row, column] = np.roll(corners[row, column], (row + column) % 4, axis=0)
    (view,) = count_votes(logits, corners)
    assert off(view.quad, LEFT) < 0.004
    assert view.score == 1


def test_outliers_have_no_say() -> None:
    """A third of the cells votes at random: the median of those that agree does not move."""
    logits, corners = votes((LEFT, slice(3, 20)), noise=0.01)
    stray = np.random.RandomState(7)
    wild = stray.uniform(size=(24, 24)) < 0.33
    corners[wild] = stray.uniform(-1, 2, (int(wild.sum()), 4, 2))
    views = count_votes(logits, corners)
    assert off(views[0].quad, LEFT) < 0.004
    assert views[0].score == pytest.approx(1 - wild[4:20, 3:20].mean(), abs=0.02)
    assert len(views) == 1


def test_corners_beyond_the_photo_are_kept() -> None:
    beyond = np.array([[-0.4, -0.2], [0.7, -0.3], [0.8, 1.3], [-0.5, 1.2]], np.float32)
    (view,) = count_votes(*votes((beyond, slice(0, 20)), noise=0.005))
    assert off(view.quad, beyond) < 0.003


def test_mirrored_votes_come_out_clockwise() -> None:
    (view,) = count_votes(*votes((LEFT[::-1], slice(3, 20))))
    x, y = view.quad.T
    assert np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)) > 0
    assert off(view.quad, LEFT) == 0


def test_few_votes_are_no_page() -> None:
    assert count_votes(*votes()) == []
    logits, corners = votes()
    logits[3, 3:8], corners[3, 3:8] = 2, LEFT
    assert count_votes(logits, corners) == []  # five cells; it takes six
    logits[3, 8], corners[3, 8] = 2, LEFT
    assert len(count_votes(logits, corners)) == 1


def test_votes_at_odds_are_no_page() -> None:
    logits, corners = votes()
    logits[:] = 1
    assert count_votes(logits, corners) == []


# --- outlines: a signed distance to the page's edge, in cells, is what an ideal network would say ---

SIZE = 48
UPRIGHT = np.array([[7, 6], [41, 6], [41, 42], [7, 42]], np.float32)
SEEN = np.ones((SIZE, SIZE), bool)


def outline_of(quad: ArrayLike, *, bulge: float = 0.0) -> NDArray[np.float32]:
    """Signed distance of each cell from a quadrilateral's nearest side, > 0 inside.

    bulge: how far the middle of the upper side is bent upwards, in cells; its ends stay.
    """
    ys, xs = np.mgrid[0:SIZE, 0:SIZE].astype(np.float64)
    corners = np.asarray(quad, np.float64)
    distances = []
    for k in range(4):
        start, end = corners[k], corners[(k + 1) % 4]
        along = (end - start) / np.linalg.norm(end - start)
        distance = along[0] * (ys - start[1]) - along[1] * (xs - start[0])
        if k == 0:
            place = ((xs - start[0]) * along[0] + (ys - start[1]) * along[1]) / np.linalg.norm(end - start)
            distance = distance + 4 * bulge * place * (1 - place)
        distances.append(distance)
    return np.asarray(np.min(distances, axis=0), np.float32)


def fit_outline(outline: NDArray[np.float32]) -> Quad:
    """The corners of the page of one outline, all of which the photo shows."""
    found, _ = fit_outlines(outline[None], SEEN[None], UPRIGHT)
    return np.asarray(found[0])


@pytest.mark.parametrize(
    "quad",
    [
        [[7.3, 6.4], [40.8, 6.4], [40.8, 41.7], [7.3, 41.7]],
        [[9.1, 5.2], [41.6, 7.9], [39.4, 43.3], [6.2, 40.6]],
        [[6.0, 9.5], [40.0, 4.5], [43.0, 40.0], [9.0, 44.0]],
    ],
    ids=["upright", "wide above", "turned"],
)
def test_corners_are_found_between_cells(quad: list[list[float]]) -> None:
    found = fit_outline(outline_of(quad))
    assert np.abs(found - np.array(quad)).max() < 0.08


@pytest.mark.parametrize("bulge", [1.0, -1.0])
def test_curled_side_is_no_straight_line(bulge: float) -> None:
    """A straight line through a parabola of height 1 runs 2/3 beside its ends; the fit halves that."""
    quad = [[7.3, 8.4], [40.8, 8.4], [40.8, 41.7], [7.3, 41.7]]
    found = fit_outline(outline_of(quad, bulge=bulge))
    assert np.abs(found - np.array(quad))[:2].max() < 0.36
    assert np.abs(found - np.array(quad))[2:].max() < 0.05


@pytest.mark.parametrize("turn", range(4), ids=["right", "upper", "left", "lower"])
def test_side_that_the_photo_does_not_show_stays(turn: int) -> None:
    """The photo ends at cell 30 towards one side: that one stays as expected, the others are found."""
    quad = np.array([[8.5, 7.5], [39.0, 7.5], [39.0, 41.0], [8.5, 41.0]])
    expected = np.array([[7, 6], [41, 6], [41, 42], [7, 42]], np.float64)
    seen, outline = SEEN.copy(), outline_of(quad)
    seen[:, 31:] = False
    outline[:, 31:] = -4
    wanted = np.array([quad[0], [41, 7.5], [41, 41.0], quad[3]])
    for _ in range(turn):  # as np.rot90 does: (x, y) comes to (y, SIZE - 1 - x), the corners one further
        expected, wanted = (
            np.roll(np.stack([corners[:, 1], SIZE - 1 - corners[:, 0]], -1), -1, axis=0)
            for corners in (expected, wanted)
        )
    outline, seen = (np.ascontiguousarray(np.rot90(field, turn)) for field in (outline, seen))
    (found,), (sides,) = fit_outlines(outline[None], seen[None], expected.astype(np.float32))
    np.testing.assert_allclose(found, wanted, atol=0.25)
    # Of the top, right, bottom and left side, the one that was to the right before the turn.
    assert sides.tolist() == [turn != 1, turn != 0, turn != 3, turn != 2]


def test_outlines_are_fitted_each_by_itself() -> None:
    """Pages of a photo are fitted at once: one of which nothing shows changes none of the others."""
    upright = outline_of([[7.3, 6.4], [40.8, 6.4], [40.8, 41.7], [7.3, 41.7]])
    turned = outline_of([[9.1, 5.2], [41.6, 7.9], [39.4, 43.3], [6.2, 40.6]])
    outlines = np.stack([upright, np.full_like(upright, -1), turned])
    found, sides = fit_outlines(outlines, np.stack(3 * [SEEN]), UPRIGHT)
    for outline, corners in zip(outlines, found, strict=True):
        np.testing.assert_allclose(corners, fit_outline(outline), atol=1e-5)
    assert sides.all(1).tolist() == [True, False, True]
    assert not sides[1].any()


def test_neighbour_beyond_a_gap_is_not_the_page() -> None:
    quad = np.array([[6.2, 6.4], [33.7, 6.4], [33.7, 41.7], [6.2, 41.7]], np.float32)
    beside = np.array([[39, 2], [60, 2], [60, 46], [39, 46]], np.float32)
    outline = np.maximum(outline_of(quad), outline_of(beside))
    found = fit_outline(outline)
    np.testing.assert_allclose(found, quad, atol=0.25)


def test_finger_over_a_side_does_not_move_it() -> None:
    quad = np.array([[7.3, 6.4], [40.8, 6.4], [40.8, 41.7], [7.3, 41.7]], np.float32)
    outline = outline_of(quad)
    outline[20:27, 34:] = -2
    assert np.abs(fit_outline(outline) - quad).max() < 0.25


def test_outline_of_nothing_leaves_the_page_where_it_was() -> None:
    nothing = np.full((SIZE, SIZE), -1, np.float32)
    np.testing.assert_allclose(fit_outline(nothing), UPRIGHT, atol=1e-4)


# --- the shipped model ---


@pytest.fixture(scope="module")
def finder() -> PageFinder:
    return PageFinder.load()


PLACES = {
    "straight": [[150, 130], [760, 130], [760, 1010], [150, 1010]],
    "tilted": [[190, 150], [730, 180], [800, 1060], [110, 1020]],
    "turned": [[250, 90], [830, 290], [600, 1100], [60, 880]],
    "sideways": [[820, 330], [820, 870], [90, 870], [90, 330]],
    "upside down": [[760, 1050], [140, 1080], [170, 160], [740, 170]],
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("curl", [0.0, 0.02])
def test_page_on_a_dark_desk(place: str, curl: float, finder: PageFinder) -> None:
    photo = decode(photo_of([(text_page(3), PLACES[place])], curl=curl, shade=0.3))
    views = finder.find(photo)
    assert (
        min(corner_errors(np.roll(views[0].quad, k, 0), PLACES[place]).max() for k in range(4)) < MODEL_BOUND
    )
    assert views[0].score > 0.8
    assert [view.score for view in views] == sorted((view.score for view in views), reverse=True)


def test_scale_of_the_photo_does_not_matter(finder: PageFinder) -> None:
    """`find` speaks of working pixels, of which a photo three times as large has no more than 1,600."""
    pixels = photo_of([(text_page(4), PLACES["tilted"])])
    large = pixels.repeat(3, 0).repeat(3, 1)
    small, working = finder.find(decode(pixels))[0], finder.find(decode(large))[0]
    np.testing.assert_allclose(working.quad * (1200 / 1600), small.quad, atol=12)


def test_both_pages_of_a_spread(finder: PageFinder) -> None:
    left = [[60, 180], [595, 160], [595, 960], [40, 940]]
    right = [[600, 160], [1140, 175], [1165, 945], [600, 960]]
    photo = decode(photo_of([(text_page(5), left), (text_page(6), right)], size=(1100, 1200)))
    views = finder.find(photo)
    for quad in (left, right):
        nearest = min(corner_errors(np.roll(view.quad, k, 0), quad).max() for view in views for k in range(4))
        assert nearest < 2 * MODEL_BOUND


def test_most_is_the_most(finder: PageFinder) -> None:
    photo = decode(photo_of([(text_page(3), PLACES["straight"])]))
    assert len(finder.find(photo, most=1)) == 1
    assert finder.find(photo, most=0) == []


def test_bad_models(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="There is no model file"):
        PageFinder.load(tmp_path / "none.onnx")
    (tmp_path / "bad.onnx").write_bytes(b"rubbish")
    with pytest.raises(ModelError, match="is not a model"):
        PageFinder.load(tmp_path / "bad.onnx")
    with pytest.raises(ModelError, match="is not a whichpage page finder"):
        PageFinder.load(TINY_MODEL)
