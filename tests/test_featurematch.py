"""Features of a photo against those of a page: which belong together, and where they put the page."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from whichpage.featurematch import _ties, on_photo, place, pooled, shown
from whichpage.features import LocalFeatures, PageFeatures, pack, unpack
from whichpage.placing import Placed
from whichpage.types import Quad
from whichpage.warps import Placement

SIZE, PHOTO = (480, 336), (1200, 900)
CORNERS = np.array([[190, 150], [730, 180], [800, 1060], [110, 1020]], np.float32)
WORDS = np.full((1, 16), 255, np.uint8)


def random_features(count: int, *, seed: int) -> LocalFeatures:
    """Of a page, on its grid of two pixels; no two at the same point."""
    dice = np.random.RandomState(seed)
    cells = dice.permutation(168 * 240)[:count]
    points = np.stack([cells % 168 * 2, cells // 168 * 2], -1).astype(np.float32)
    return LocalFeatures(points, dice.normal(0, 1, (count, 128)).astype(np.float32), SIZE)


def kept(features: LocalFeatures) -> PageFeatures:
    """As the library has them."""
    return unpack(pack(features, WORDS))


def seen(features: LocalFeatures, *, bits: int = 0, seed: int = 0) -> LocalFeatures:
    """The same on a photo whose page lies at CORNERS, with so many signs of each changed."""
    dice = np.random.RandomState(seed)
    vectors = features.vectors.copy()
    for vector in vectors:
        vector[dice.permutation(128)[:bits]] *= -1
    placed = on_photo(features, CORNERS, photo=PHOTO)
    return LocalFeatures(placed.points, vectors, PHOTO)


def laid(photo: LocalFeatures, page: PageFeatures) -> Placed | None:
    return place(pooled([photo]), page)


def chosen(features: LocalFeatures, rows: NDArray[np.int64] | slice) -> LocalFeatures:
    return LocalFeatures(features.points[rows], features.vectors[rows], features.size)


def likeness(vector: NDArray[np.float32], code: NDArray[np.uint8]) -> float:
    """Of a photo's feature and a page's, number by number."""
    agreement = length = 0.0
    for bit, number in enumerate(vector.tolist()):
        soft = math.tanh(number)
        agreement += soft * (1 if code[bit // 8] >> 7 - bit % 8 & 1 else -1)
        length += abs(soft)
    return agreement / length


# --- points ---


def test_features_of_a_page_that_a_photo_shows() -> None:
    """Where the page's placement says; those beyond the frame are left out."""
    features = random_features(200, seed=1)
    placement = Placement.flat(CORNERS, size=SIZE)
    found = shown(kept(features), placement, photo=PHOTO)
    np.testing.assert_allclose(found.points, seen(features).points, atol=4)  # of the grid that is kept
    np.testing.assert_array_equal(found.codes, features.codes)
    cut = shown(kept(features), placement, photo=(600, 900))
    rows = np.flatnonzero(found.points[:, 1] < 600)
    assert 0 < len(rows) < 200
    np.testing.assert_array_equal(cut.points, found.points[rows])
    np.testing.assert_array_equal(cut.codes, found.codes[rows])


def at(points: list[list[float]], quad: Quad, *, size: tuple[int, int]) -> NDArray[np.float32]:
    part = LocalFeatures(np.array(points, np.float32), np.zeros((len(points), 128), np.float32), size)
    return on_photo(part, quad, photo=PHOTO).points


def test_points_of_a_part_that_was_enlarged_and_turned() -> None:
    """Twice as large in the photo: the middle of a pixel is the middle of four."""
    upright = np.array([[10, 20], [110, 20], [110, 220], [10, 220]], np.float32)
    points = [[0.0, 0.0], [49.0, 99.0], [20.0, 30.0]]
    found = at(points, upright, size=(100, 50))
    np.testing.assert_allclose(found, [[11, 21], [109, 219], [51, 81]], atol=1e-3)
    turned = np.ascontiguousarray(np.roll(upright, -2, axis=0))
    np.testing.assert_allclose(
        at(points, turned, size=(100, 50)), [[109, 219], [11, 21], [69, 159]], atol=1e-3
    )


def test_points_of_a_part_that_was_tilted() -> None:
    """Its corners lie at the quadrilateral's, its middle where the diagonals cross."""
    frame = [[-0.5, -0.5], [49.5, -0.5], [49.5, 99.5], [-0.5, 99.5]]
    found = at([*frame, [24.5, 49.5]], CORNERS, size=(100, 50))
    np.testing.assert_allclose(found[:4], CORNERS, atol=1e-2)
    first, second = CORNERS[2] - CORNERS[0], CORNERS[3] - CORNERS[1]
    along = np.linalg.solve(np.stack([first, -second], -1), CORNERS[1] - CORNERS[0])
    np.testing.assert_allclose(found[4], CORNERS[0] + along[0] * first, atol=1e-2)


def test_features_on_the_photo_keep_their_numbers() -> None:
    features = random_features(5, seed=1)
    placed = on_photo(features, CORNERS, photo=PHOTO)
    assert placed.size == PHOTO
    np.testing.assert_array_equal(placed.vectors, features.vectors)
    nothing = on_photo(random_features(0, seed=1), CORNERS, photo=PHOTO)
    assert (nothing.points.shape, nothing.vectors.shape, nothing.size) == ((0, 2), (0, 128), PHOTO)


def test_looks_at_a_photo_are_pooled_one_after_the_other() -> None:
    looks = [seen(random_features(count, seed=count)) for count in (4, 0, 7)]
    together = pooled(looks)
    assert together.points.tolist() == [point for look in looks for point in look.points.tolist()]
    page = random_features(1, seed=9).codes[0]
    signs = np.unpackbits(page).astype(np.float32) * 2 - 1
    expected = [likeness(vector, page) for look in looks for vector in look.vectors]
    np.testing.assert_allclose(together.soft @ signs, expected, atol=1e-5)


# --- what belongs together ---


def test_ties_are_those_that_are_each_others_nearest() -> None:
    """Thirty features of a page, of which the photo has each twice, changed more or less, and others."""
    features = random_features(30, seed=2)
    page = kept(features)
    dice = np.random.RandomState(3)
    sharp, blurred = (
        features.vectors + dice.normal(0, 1, (30, 128)) * dice.uniform(0.5, 3, (30, 1)) for _ in range(2)
    )
    vectors = np.concatenate([sharp, blurred, dice.normal(0, 1, (20, 128))])[dice.permutation(80)]
    points = dice.uniform(0, 900, (80, 2)).astype(np.float32)
    table = np.array([[likeness(vector, code) for vector in vectors] for code in page.codes])
    expected = []
    for row, alike in enumerate(table):
        best = int(alike.argmax())
        if alike[best] >= 0.35 and int(table[:, best].argmax()) == row:
            expected.append((page.points[row].tolist(), points[best].tolist()))
    on_page, in_photo = _ties(pooled([LocalFeatures(points, vectors.astype(np.float32), PHOTO)]), page)
    assert list(zip(on_page.tolist(), in_photo.tolist(), strict=True)) == expected
    assert 15 < len(expected) < 30


def test_one_point_of_the_photo_is_not_several_of_the_page() -> None:
    """As of a sign that is printed again and again."""
    features = random_features(1, seed=4)
    again = LocalFeatures(random_features(9, seed=5).points, features.vectors.repeat(9, 0), SIZE)
    on_page, in_photo = _ties(pooled([seen(features)]), kept(again))
    assert len(on_page) == 1
    np.testing.assert_array_equal(in_photo, seen(features).points)
    both, _ = _ties(pooled([seen(again)]), kept(features))
    assert len(both) == 1


# --- where the page lies ---


@pytest.mark.parametrize("bits", [0, 25])
def test_page_lies_where_its_features_are(bits: int) -> None:
    """A third of those of the photo are another page's, a third of the page's are not in the photo."""
    features = random_features(90, seed=6)
    mine = chosen(seen(features, bits=bits), slice(0, 60))
    photo = pooled([mine, seen(random_features(30, seed=7))])
    placed = place(photo, kept(features))
    assert placed is not None
    assert placed.groups == 60
    assert float(np.abs(placed.quad - CORNERS).max()) < 2


def test_features_that_lie_elsewhere_do_not_agree() -> None:
    """Of 60, twenty are at the place of another."""
    features = random_features(60, seed=8)
    photo = seen(features)
    points = photo.points.copy()
    points[:20] = points[:20][::-1].copy()
    placed = laid(LocalFeatures(points, photo.vectors, PHOTO), kept(features))
    assert placed is not None
    near = np.linalg.norm(points - photo.points, axis=1) < 0.03 * float(np.ptp(points, axis=0).max())
    np.testing.assert_array_equal(placed.agree, near)
    assert placed.groups == int(near.sum()) < 45
    assert float(np.abs(placed.quad - CORNERS).max()) < 2


def test_crumpled_paper_is_forgiven_a_little() -> None:
    features = random_features(120, seed=9)
    photo = seen(features)
    waves = 12 * np.sin(photo.points[:, ::-1] / 150)
    moved = (photo.points + waves).astype(np.float32)
    placed = laid(LocalFeatures(moved, photo.vectors, PHOTO), kept(features))
    assert placed is not None
    assert placed.groups > 110
    assert float(np.abs(placed.quad - CORNERS).max()) < 30


@pytest.mark.parametrize(("count", "found"), [(5, False), (6, True)])
def test_so_many_features_must_agree(count: int, found: bool) -> None:
    features = chosen(random_features(40, seed=10), slice(0, count))
    assert (laid(seen(features), kept(features)) is not None) is found
    # Six that are alike, of which one lies elsewhere, are too few as well.
    if found:
        points = seen(features).points.copy()
        points[3] = [-4000, 3000]
        assert laid(LocalFeatures(points, features.vectors, PHOTO), kept(features)) is None


def test_another_page_has_no_place() -> None:
    for seed in range(5):
        other = random_features(256, seed=100 + seed)
        assert laid(seen(random_features(256, seed=seed)), kept(other)) is None


def test_mirrored_features_have_no_place() -> None:
    features = random_features(60, seed=11)
    photo = seen(features)
    mirrored = photo.points * np.array([-1, 1], np.float32) + np.array([900, 0], np.float32)
    assert laid(LocalFeatures(mirrored, photo.vectors, PHOTO), kept(features)) is None


def test_without_features_there_is_no_place() -> None:
    some, nothing = random_features(20, seed=12), random_features(0, seed=12)
    for photo, page in ((nothing, kept(some)), (seen(some), kept(nothing)), (nothing, unpack(b""))):
        assert laid(photo, page) is None
