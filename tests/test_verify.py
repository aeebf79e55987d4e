"""Laying a photo over a candidate page: the warp's arithmetic, right pages, wrong ones, hard ones."""

from __future__ import annotations

import itertools
import math
from dataclasses import fields, replace
from typing import Any

import cv2
import numpy as np
import pytest
from drawn import corner_errors, photo_of, text_page
from numpy.typing import ArrayLike, NDArray

from whichpage import verify
from whichpage.blocks import Blocks
from whichpage.encoder import model_id
from whichpage.errors import LibraryError
from whichpage.photo import decode, rectify
from whichpage.types import Colour, Grey
from whichpage.verify import (
    ACCEPTED,
    MARGIN,
    PAGE_SIZE,
    RESEMBLANCE_ENCODER,
    Alignment,
    Calibration,
    ResemblanceCalibration,
    Thumbnail,
    align,
    align_coarse,
    confidence,
    measures,
    realign,
    sheet,
)
from whichpage.warps import Membrane, Placement, Polynomial, Warp, basis

CORNERS = np.array([[190, 150], [730, 180], [800, 1060], [110, 1020]], np.float32)
LYING = Placement.flat(CORNERS, size=verify.PAGE_SIZE)
QUAD = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)


def thumbnail(page: Grey) -> Thumbnail:
    """As the catalogue keeps it."""
    size = PAGE_SIZE[::-1] if page.shape[0] > page.shape[1] else PAGE_SIZE
    small = cv2.resize(page, size, interpolation=cv2.INTER_AREA)
    return Thumbnail(cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 60])[1].tobytes())


def aligned(pixels: Colour, page: Grey, quad: ArrayLike) -> Alignment:
    """What verification does with one candidate."""
    on = sheet(decode(pixels), np.asarray(quad, np.float32), landscape=bool(page.shape[1] > page.shape[0]))
    candidate = thumbnail(page)
    return align(on, candidate, *align_coarse(on, candidate))


def polynomial(degree: int, coefficients: NDArray[np.float64]) -> Polynomial:
    return Polynomial(degree, coefficients, (480, 336))


def disturbed(corners: ArrayLike, share: float, *, seed: int = 1) -> NDArray[np.float32]:
    """Corners as a page finder finds them, wrong by about `share` of the page's side."""
    corners = np.asarray(corners, np.float32)
    side = math.sqrt(cv2.contourArea(corners))
    return np.asarray(corners + np.random.RandomState(seed).normal(0, share * side, (4, 2)), np.float32)


# --- arithmetic ---


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_basis_is_every_monomial(degree: int) -> None:
    points = np.random.RandomState(degree).uniform(-20, 500, (7, 2))
    found = basis(points, size=(480, 336), degree=degree)
    for row, (px, py) in enumerate(points):
        x, y = px / 336 * 2 - 1, py / 480 * 2 - 1
        powers = [(i, j) for i, j in itertools.product(range(4), repeat=2) if i + j <= degree]
        np.testing.assert_allclose(found[row], [x**i * y**j for i, j in powers], rtol=1e-12)
    assert found.shape == (7, (degree + 1) * (degree + 2) // 2)


def test_warp_applies_its_last_stage_first() -> None:
    """A later stage moves page points; the earlier ones then take them to the sheet."""
    dice = np.random.RandomState(2)
    first, second = dice.normal(0, 5, (3, 2)), dice.normal(0, 2, (6, 2))
    warp = Warp((480, 336), (64, 48)).then(polynomial(1, first)).then(polynomial(2, second))
    points = dice.uniform(0, 336, (5, 2))
    for point, found in zip(points, warp(points), strict=True):
        x, y = point
        for degree, coefficients in ((2, second), (1, first)):
            u, v = x / 336 * 2 - 1, y / 480 * 2 - 1
            powers = [(i, j) for i in range(degree + 1) for j in range(degree + 1 - i)]
            moved = sum(coefficients[k] * u**i * v**j for k, (i, j) in enumerate(powers))
            x, y = x + moved[0], y + moved[1]
        np.testing.assert_allclose(found, [x + 48, y + 64], rtol=1e-12)


def test_new_warp_leaves_the_old_one_alone() -> None:
    plain = Warp((480, 336), (64, 48))
    plain.then(polynomial(1, np.ones((3, 2))))
    np.testing.assert_array_equal(plain(np.array([[10.0, 20.0]])), [[58, 84]])


def test_membrane_is_bilinear_between_the_middles_of_its_blocks() -> None:
    nodes = np.random.RandomState(4).normal(0, 5, (3, 2, 2))
    membrane = Membrane(nodes, (480, 336))
    # Blocks are 160 x 168 pixels; their middles, and what lies between or beyond them.
    middles = np.array([[c * 168 + 83.5, r * 160 + 79.5] for r in range(3) for c in range(2)])
    np.testing.assert_allclose(membrane(middles), nodes.reshape(-1, 2), atol=1e-9)
    between = membrane(np.array([[167.5, 79.5], [83.5, 159.5], [167.5, 159.5], [0, 0], [335, 479]]))
    np.testing.assert_allclose(between[0], (nodes[0, 0] + nodes[0, 1]) / 2)
    np.testing.assert_allclose(between[1], (nodes[0, 0] + nodes[1, 0]) / 2)
    np.testing.assert_allclose(between[2], nodes[:2].mean((0, 1)))
    np.testing.assert_allclose(between[3:], [nodes[0, 0], nodes[2, 1]])


@pytest.mark.parametrize("scale", [1, 2, 4])
def test_dense_warp_is_the_warp_at_every_pixel(scale: int) -> None:
    dice = np.random.RandomState(3)
    warp = Warp((480, 336), (64, 48))
    warp = warp.then(polynomial(1, dice.normal(0, 6, (3, 2)))).then(polynomial(3, dice.normal(0, 2, (10, 2))))
    dense = warp.dense(scale)
    assert dense.shape == (480 // scale, 336 // scale, 2)
    worst = 0.0
    for _ in range(300):
        row, column = dice.randint(480 // scale), dice.randint(336 // scale)
        # The middle of a level's pixel, in pixels of the full level, there and back.
        point = np.array([[(column + 0.5) * scale - 0.5, (row + 0.5) * scale - 0.5]])
        expected = (warp(point)[0] + 0.5) / scale - 0.5
        worst = max(worst, float(np.abs(dense[row, column] - expected).max()))
    assert worst < 0.05


@pytest.mark.parametrize("landscape", [False, True])
def test_sheet_shows_the_page_without_its_margins(landscape: bool) -> None:
    photo = decode(photo_of([(text_page(4), CORNERS)]))
    size = PAGE_SIZE[::-1] if landscape else PAGE_SIZE
    grey, seen = sheet(photo, CORNERS, landscape=landscape).page
    assert grey.shape == seen.shape == size
    # Rounded differently here and there.
    np.testing.assert_allclose(grey.astype(int), rectify(photo, CORNERS, size=size)[0].astype(int), atol=1)
    assert (seen == 1).all()


def test_sheet_knows_the_way_back_to_the_photo() -> None:
    photo = decode(photo_of([(text_page(1), CORNERS)]))
    left_edge = sheet(photo, CORNERS - np.array([140, 0], np.float32), landscape=False)
    assert (left_edge.seen == 0).any(1).all()
    for landscape, (h, w), (top, left) in ((False, (480, 336), (64, 48)), (True, (336, 480), (48, 64))):
        on = sheet(photo, CORNERS, landscape=landscape)
        assert on.levels[1].shape == (h + 2 * top, w + 2 * left)
        corners = QUAD * [w, h] + [left, top] - 0.5
        found = cv2.perspectiveTransform(corners[None].astype(np.float64), on.to_photo)[0]
        np.testing.assert_allclose(found, CORNERS, atol=1e-3)
        assert on.seen[top // 4 : (top + h) // 4, left // 4 : (left + w) // 4].min() == 1
    assert MARGIN == (64, 48)


# --- alignment ---


@pytest.mark.parametrize("curl", [0.0, 0.02, 0.04])
@pytest.mark.parametrize("error", [0.0, 0.01, 0.03])
def test_right_page_is_found_and_its_corners_mended(curl: float, error: float) -> None:
    """The page finder's corners may be off by some per cent; lines may be bent."""
    found = aligned(
        photo_of([(text_page(3), CORNERS)], curl=curl, shade=0.4), text_page(3), disturbed(CORNERS, error)
    )
    assert found.correlation > 0.6
    assert found.agreeing > 0.95
    assert found.scatter < 1
    assert corner_errors(found.quad, CORNERS).max() < 0.01
    assert confidence(found) >= ACCEPTED


@pytest.mark.parametrize("seed", [4, 5, 6])
def test_wrong_page_of_the_same_make_is_not_taken_for_it(seed: int) -> None:
    found = aligned(
        photo_of([(text_page(3), CORNERS)], curl=0.02, shade=0.4), text_page(seed), disturbed(CORNERS, 0.01)
    )
    assert found.correlation < 0.3
    assert found.agreeing < 0.5
    assert found.textured > 40
    assert confidence(found) < 0.5


@pytest.mark.parametrize(("curl", "error", "rounds"), [(0.0, 0.0, 3), (0.05, 0.02, 4)])
def test_blocks_that_lie_right_are_not_compared_again(
    curl: float, error: float, rounds: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = text_page(3)
    photo = photo_of([(page, CORNERS)], curl=curl)
    compared: list[int] = []
    correlate = Blocks.correlate

    def counted(blocks: Blocks, *args: Any, **kwargs: Any) -> NDArray[np.float32]:
        maps = correlate(blocks, *args, **kwargs)
        compared.append(len(maps))
        return maps

    on = sheet(decode(photo), disturbed(CORNERS, error), landscape=False)
    coarse = align_coarse(on, thumbnail(page))
    monkeypatch.setattr(Blocks, "correlate", counted)
    found = align(on, thumbnail(page), *coarse)
    assert compared == [24, 40, 70, 70][:rounds]
    assert corner_errors(found.quad, CORNERS).max() < 0.015
    # All are where anything moves, and where the page is not clearly the right one.
    for name, value in (("_SETTLED", 0.0), ("_CLEARLY_RIGHT", 1.0)):
        compared.clear()
        with monkeypatch.context() as patch:
            patch.setattr(verify, name, value)
            again = align(on, thumbnail(page), *coarse)
        assert compared == [24, 40, 70, 70]
        assert found.correlation == pytest.approx(again.correlation, abs=0.01)


def test_creases_are_followed() -> None:
    """A sheet folded twice: no smooth surface, but each part of it is where its neighbours let it be."""
    page = text_page(seed=3)
    height, width = page.shape
    ys, xs = np.mgrid[0:height, 0:width].astype(np.float32)
    tent = 0.035 * height * np.minimum(np.abs(ys / height - 0.35), np.abs(ys / height - 0.7))
    moved = cv2.remap(page, xs + 3 * tent, ys - 2 * tent, cv2.INTER_LINEAR, borderValue=255)
    folded = np.asarray(moved, np.uint8)
    flat, creased = (
        aligned(photo_of([(sheet_of, CORNERS)]), page, CORNERS).correlation for sheet_of in (page, folded)
    )
    other = aligned(photo_of([(folded, CORNERS)]), text_page(seed=4), CORNERS).correlation
    assert creased > 0.6 * flat
    assert other < 0.3 * flat


def test_page_upside_down_is_another_page() -> None:
    photo = photo_of([(text_page(3), CORNERS)], curl=0.02)
    assert aligned(photo, text_page(3), np.roll(CORNERS, 2, axis=0)).correlation < 0.3
    turned = photo_of([(text_page(3), np.roll(CORNERS, 2, axis=0))], curl=0.02)
    found = aligned(turned, text_page(3), np.roll(CORNERS, 2, axis=0))
    assert found.correlation > 0.6
    assert corner_errors(found.quad, np.roll(CORNERS, 2, axis=0)).max() < 0.01


def test_trimmed_scan_still_fits() -> None:
    """The scan lacks 4 % of the paper on each side: its corners lie inside those of the paper."""
    page = text_page(3)
    cut_y, cut_x = round(960 * 0.04), round(672 * 0.04)
    scan = page[cut_y:-cut_y, cut_x:-cut_x]
    found = aligned(photo_of([(page, CORNERS)]), scan, disturbed(CORNERS, 0.01))
    assert found.correlation > 0.6
    paper = cv2.getPerspectiveTransform(QUAD * np.array([672, 960], np.float32), CORNERS)
    inner = np.array(
        [[cut_x, cut_y], [672 - cut_x, cut_y], [672 - cut_x, 960 - cut_y], [cut_x, 960 - cut_y]], np.float32
    )
    assert corner_errors(found.quad, cv2.perspectiveTransform(inner[None], paper)[0]).max() < 0.01


def test_half_a_page_is_enough() -> None:
    """The photo ends below the page's middle."""
    pixels = photo_of([(text_page(3), CORNERS)], curl=0.01)[:650]
    found = aligned(pixels, text_page(3), disturbed(CORNERS, 0.005))
    assert found.correlation > 0.6
    assert 15 < found.textured < 45
    assert corner_errors(found.quad, CORNERS)[:2].max() < 0.01
    wrong = aligned(pixels, text_page(4), disturbed(CORNERS, 0.005))
    assert wrong.correlation < 0.35
    assert confidence(wrong) < confidence(found)


def test_landscape_page() -> None:
    slides = [text_page(seed, height=672, width=960) for seed in (7, 8)]
    corners = np.array([[120, 200], [1080, 160], [1100, 800], [90, 850]], np.float32)
    pixels = photo_of([(slides[0], corners)], size=(1000, 1200), curl=0.02)
    found = aligned(pixels, slides[0], disturbed(corners, 0.01))
    assert found.correlation > 0.6
    assert corner_errors(found.quad, corners).max() < 0.01
    assert aligned(pixels, slides[1], disturbed(corners, 0.01)).correlation < 0.3


def test_blank_sheet_fits_nothing() -> None:
    blank = np.full((960, 672), 255, np.uint8)
    for page, candidate in ((blank, text_page(3)), (text_page(3), blank), (blank, blank)):
        found = aligned(photo_of([(page, CORNERS)]), candidate, CORNERS)
        assert found.correlation < 0.3
        assert confidence(found) < 0.5
        assert np.isfinite(found.quad).all()
        assert all(math.isfinite(getattr(found, name)) for name in ("coarse", *FEATURES))


def test_page_outside_the_photo_fits_nothing() -> None:
    found = aligned(photo_of([(text_page(3), CORNERS)]), text_page(3), CORNERS + 5000)
    assert (found.correlation, found.agreeing, found.textured) == (0, 0, 0)
    assert confidence(found) < 0.5


@pytest.mark.parametrize(("error", "seed"), [(0.06, 5), (0.07, 1)])
def test_second_look_mends_a_first_one_that_was_far_off(error: float, seed: int) -> None:
    """The first look fits but a part of the page; from there the second finds all of it."""
    pixels, page = photo_of([(text_page(3), CORNERS)], curl=0.03), text_page(3)
    first = aligned(pixels, page, disturbed(CORNERS, error, seed=seed))
    second = realign(decode(pixels), thumbnail(page), first)
    assert first.correlation < 0.7
    assert corner_errors(first.quad, CORNERS).max() > 0.03
    assert second.correlation > 0.6
    assert corner_errors(second.quad, CORNERS).max() < 0.01


def test_second_look_never_makes_it_worse() -> None:
    pixels = photo_of([(text_page(3), CORNERS)], curl=0.02)
    good = aligned(pixels, text_page(3), CORNERS)
    crossed = Placement.flat(CORNERS[[0, 2, 1, 3]], size=verify.PAGE_SIZE)
    folded = replace(good, correlation=0.3, placement=crossed)
    assert realign(decode(pixels), thumbnail(text_page(3)), good).correlation >= good.correlation
    assert realign(decode(pixels), thumbnail(text_page(3)), folded) is folded
    elsewhere = Placement.flat(CORNERS + 300, size=verify.PAGE_SIZE)
    lucky = replace(good, correlation=0.59, placement=elsewhere)
    assert realign(decode(pixels), thumbnail(text_page(3)), lucky) is lucky


def test_damaged_thumbnail_is_said_to_be() -> None:
    for data in (b"\xff\xd8\xff rubbish", b"x"):
        with pytest.raises(LibraryError, match="the library is damaged"):
            Thumbnail(data)


def test_thumbnail_levels_are_the_page_at_three_sizes() -> None:
    portrait, landscape = thumbnail(text_page(3)), thumbnail(text_page(3, height=672, width=960))
    assert (portrait.landscape, landscape.landscape) == (False, True)
    assert [level.shape for level in portrait.levels] == [(240, 168), (480, 336)]
    assert [level.shape for level in landscape.levels] == [(168, 240), (336, 480)]
    full = portrait.levels[1]
    halved = full.reshape(240, 2, 168, 2).mean((1, 3))
    np.testing.assert_allclose(portrait.levels[0], halved, atol=1e-5)
    # The quarter is decoded small from the start: much the same, not the very same.
    quarter = cv2.resize(full, (84, 120), interpolation=cv2.INTER_AREA)
    assert portrait.quarter.shape == (120, 84)
    assert np.corrcoef(portrait.quarter.ravel(), quarter.ravel())[0, 1] > 0.8


# --- confidence ---

FEATURES = {
    "correlation": np.linspace(-1, 1, 21),
    "agreeing": np.linspace(0, 1, 11),
    "textured": np.linspace(0, 70, 15),
    "lead": np.linspace(-0.5, 1, 16),
    "scatter": np.linspace(9, 0, 10),
    "covered": np.linspace(0, 1, 11),
}


def alignment(**numbers: float) -> Alignment:
    """Made up: half right in everything but what is said."""
    usual = {"coarse": 0.5, "correlation": 0.5, "agreeing": 0.5, "lead": 0.2, "covered": 0.5}
    return Alignment(**(usual | {"textured": 20.0, "scatter": 1.0} | numbers), placement=LYING)


@pytest.mark.parametrize("feature", FEATURES)
def test_confidence_never_falls_as_a_feature_gets_better(feature: str) -> None:
    steps = FEATURES[feature]
    for correlation, agreeing in itertools.product((0.1, 0.4, 0.7), (0.1, 0.5, 0.9)):
        others = {"correlation": correlation, "agreeing": agreeing}
        said = [confidence(alignment(**(others | {feature: float(value)}))) for value in steps]
        assert all(after >= before - 1e-12 for before, after in itertools.pairwise(said))


def test_confidence_is_logistic_in_its_features() -> None:
    """The constants are those of the features, in the same order."""
    one = alignment(correlation=0.6, textured=10.0, scatter=3.0, lead=0.02)
    values = {
        "correlation": 0.6,
        "agreeing": 0.5,
        "evidence": 0.6 * math.sqrt(10 / 40),
        "tightness": math.sqrt(10 / 40) / (1 + 3.0),
        "covered": 0.5,
        "repeats": math.sqrt(10 / 40) * (0.04 - 0.02) / 0.04,
    }
    assert list(values) == [field.name for field in fields(Calibration)][1:]
    np.testing.assert_allclose(measures(one), list(values.values()))
    weights = Calibration(
        bias=-1.0, correlation=2.0, agreeing=0.5, evidence=3.0, tightness=0.25, covered=1.5, repeats=-4.0
    )
    logit = -1 + 2 * 0.6 + 0.5 * 0.5 + 3 * 0.3 + 0.25 * 0.125 + 1.5 * 0.5 - 4 * 0.25
    assert confidence(one, calibration=weights) == pytest.approx(1 / (1 + math.exp(-logit)))


def test_the_resemblance_counts_beside_all_else() -> None:
    one = alignment()
    weights = ResemblanceCalibration(bias=-3.0, otherwise=0.5, resemblance=4.0, text=0.75)
    for lines, features in ((0, 0), (3, 0), (0, 30)):
        before = confidence(one, lines=lines, features=features)
        logit = -3 + 0.5 * math.log(before / (1 - before)) + 4 * 0.8 + 0.75 * (lines > 0)
        found = confidence(one, lines=lines, features=features, resemblance=0.8, alike=weights)
        assert found == pytest.approx(1 / (1 + math.exp(-logit)))


def test_confidence_rises_with_the_resemblance() -> None:
    said = [confidence(alignment(), resemblance=float(value)) for value in np.linspace(-1, 1, 21)]
    assert all(after > before for before, after in itertools.pairwise(said))


def test_the_resemblance_was_learned_with_the_encoder_that_ships() -> None:
    """One that takes its place needs constants of its own: `training.calibrate --resemblance`."""
    assert model_id() == RESEMBLANCE_ENCODER


def test_confidence_is_a_probability_and_means_something() -> None:
    for values in itertools.product(*(steps[[0, len(steps) // 2, -1]] for steps in FEATURES.values())):
        said = confidence(alignment(**dict(zip(FEATURES, map(float, values), strict=True))))
        assert 0 <= said <= 1
    usual = {"textured": 50.0}
    right = usual | {"correlation": 0.75, "agreeing": 0.97, "lead": 0.4, "scatter": 0.4, "covered": 0.95}
    wrong = usual | {"correlation": 0.12, "agreeing": 0.1, "lead": 0.0, "scatter": 5.0, "covered": 0.6}
    framed = usual | {"correlation": 0.43, "agreeing": 0.5, "lead": 0.1, "scatter": 3.0, "covered": 0.7}
    # One page of vertical Japanese laid over another of the same book: every character fits one.
    grid = usual | {"correlation": 0.45, "agreeing": 0.8, "lead": -0.03, "scatter": 0.45, "covered": 0.85}
    assert confidence(alignment(**right)) > ACCEPTED
    assert confidence(alignment(**wrong)) < 0.1
    assert confidence(alignment(**framed)) < ACCEPTED
    assert confidence(alignment(**grid)) < ACCEPTED
