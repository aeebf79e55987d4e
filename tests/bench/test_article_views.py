"""The article's augmentation: each operation against what torchvision 0.29 made of the same pixels."""

from __future__ import annotations

import math

import numpy as np
import pytest
from PIL import Image

from whichpage.benchmark import article_views as views


def noise(seed: int, height: int, width: int) -> Image.Image:
    return Image.fromarray(np.random.RandomState(seed).randint(0, 256, (height, width, 3)).astype(np.uint8))


def ramp() -> Image.Image:
    """100 x 150 pixels, grey, lighter to the right and to the bottom."""
    return Image.fromarray(np.add.outer(np.arange(150), np.arange(100)).astype(np.uint8)).convert("RGB")


@pytest.mark.parametrize(
    ("turn", "row"),
    [
        (0.2, [[158, 99, 239], [118, 230, 181], [53, 144, 8], [190, 231, 201], [158, 116, 112]]),
        (-0.17, [[99, 239, 129], [230, 158, 118], [144, 8, 79], [231, 192, 190], [112, 116, 158]]),
    ],
)
def test_hue(turn: float, row: list[list[int]]) -> None:
    assert np.asarray(views.adjust_hue(noise(5, 6, 5), turn))[0].tolist() == row


def test_brightness() -> None:
    row = [[128, 255, 255], [245, 255, 153], [187, 94, 10], [255, 255, 246], [201, 145, 205]]
    assert np.asarray(views.adjust_brightness(noise(5, 6, 5), 1.3))[0].tolist() == row


@pytest.mark.parametrize(
    ("size", "sigma", "place", "row"),
    [
        (5, 1.3, (0, 0), [121, 118, 112, 102, 102, 122, 146, 151, 141, 133, 135, 136, 125, 119]),
        (5, 1.3, (7, 1), [120, 116, 108, 102, 106, 118, 127, 130, 132, 139, 145, 142, 134, 131]),
        (11, 1.9, (0, 0), [120, 119, 118, 117, 120, 127, 135, 141, 142, 141, 139, 136, 132, 131]),
        (11, 1.9, (11, 2), [145, 146, 146, 146, 145, 141, 137, 135, 136, 138, 142, 145, 146, 146]),
    ],
)
def test_blur(size: int, sigma: float, place: tuple[int, int], row: list[int]) -> None:
    blurred = np.asarray(views.gaussian_blur(noise(6, 12, 14), size=size, sigma=sigma))
    assert blurred[place[0], :, place[1]].tolist() == row


def test_perspective() -> None:
    start, end = ((0, 0), (99, 0), (99, 149), (0, 149)), ((10, 5), (90, 20), (80, 120), (3, 140))
    numbers = views.perspective_coefficients(start, end)
    # torchvision solves in float32.
    assert numbers == pytest.approx(
        (
            0.86522835,
            0.04486369,
            -8.8766022,
            -0.18206118,
            0.97099298,
            -3.0343530,
            -0.0031044791,
            -0.00073124730,
        ),
        rel=2e-4,
    )
    moved = np.asarray(views.perspective(ramp(), end))
    assert moved[::30, ::20, 0].tolist() == [
        [0, 0, 0, 0, 0],
        [0, 35, 53, 75, 100],
        [0, 70, 92, 117, 147],
        [0, 107, 132, 161, 196],
        [0, 145, 174, 208, 0],
    ]


def test_crop_and_resize(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "SIDE", 32)
    view = views.View(None, 1.0, 0.0, False, (10, 20, 70, 90), 0.42, ())
    small = np.asarray(views.apply(view, ramp()))
    assert small[::8, ::8, 0].tolist() == [
        [32, 49, 67, 84],
        [54, 71, 89, 106],
        [77, 94, 112, 129],
        [99, 116, 134, 151],
    ]


def test_order_of_brightness_and_hue(monkeypatch: pytest.MonkeyPatch) -> None:
    page = noise(7, 40, 40)
    both = {
        first: np.asarray(views.apply(views.View(None, 1.5, 0.2, first, (0, 0, 40, 40), 1.0, ()), page))
        for first in (True, False)
    }
    assert (both[True] != both[False]).any()
    monkeypatch.setattr(views, "SIDE", 40)
    by_hand = views.adjust_brightness(views.adjust_hue(page, 0.2), 1.5)
    view = views.View(None, 1.5, 0.2, True, (0, 0, 40, 40), 1.0, ())
    assert np.array_equal(np.asarray(views.apply(view, page)), np.asarray(by_hand))


def test_draws_have_the_articles_distributions() -> None:
    chance = np.random.default_rng(0)
    width, height, count = 660, 930, 4_000
    drawn = [views.draw(chance, width, height) for _ in range(count)]
    # Half of all draws, within five standard deviations of a fair coin.
    half = 5 * math.sqrt(0.25 / count)
    assert np.mean([view.corners is not None for view in drawn]) == pytest.approx(0.5, abs=half)
    for size in (5, 11):
        share = np.mean([size in [blur for blur, _ in view.blurs] for view in drawn])
        assert share == pytest.approx(0.5, abs=half)
    assert np.mean([view.hue_first for view in drawn]) == pytest.approx(0.5, abs=half)
    for values, low, high in (
        ([view.brightness for view in drawn], 0.5, 1.5),
        ([view.hue for view in drawn], -0.3, 0.3),
        ([sigma for view in drawn for _, sigma in view.blurs], 0.1, 2.0),
    ):
        assert low <= min(values) < low + 0.01 * (high - low)
        assert high - 0.01 * (high - low) < max(values) <= high
        assert np.mean(values) == pytest.approx((low + high) / 2, abs=0.02 * (high - low))
    shares = np.array([view.share for view in drawn])
    # Areas are drawn from 20 to 100 %; the page's ratio is 0.71, so that the largest crop that fits, of ratio
    # 3/4, has 94.6 % of it, and large ones are drawn again more often.
    assert shares.min() == pytest.approx(0.2, abs=0.002)
    assert 0.92 < shares.max() <= 0.947
    # Of 4,000 draws of torchvision for this page 37.5 % were below 40 %, and their mean was 0.476.
    assert (shares < 0.4).mean() == pytest.approx(0.375, abs=0.03)
    assert shares.mean() == pytest.approx(0.476, abs=0.012)
    for view in drawn:
        left, top, w, h = view.crop
        assert 0 <= left <= width - w
        assert 0 <= top <= height - h
        assert 3 / 4 - 0.01 < w / h < 4 / 3 + 0.01
        for (x, y), (low_x, low_y) in zip(view.corners or (), ((0, 0), (1, 0), (1, 1), (0, 1)), strict=False):
            assert (x <= 165) if not low_x else (width - 166 <= x < width)
            assert (y <= 232) if not low_y else (height - 233 <= y < height)


@pytest.mark.parametrize("corners", [None, ((10, 5), (90, 20), (80, 120), (3, 140))])
def test_a_view_of_bare_paper(corners: views.Corners | None) -> None:
    """A page with one dark dot at (70, 100), in crops with and without it, beside paper or not."""
    page = Image.new("RGB", (100, 150), (230, 225, 220))
    page.paste((120, 120, 120), (68, 98, 72, 102))
    for crop, bare in (((0, 0, 50, 75), True), ((20, 60, 80, 90), False), ((0, 0, 100, 150), False)):
        assert views.is_bare(views.View(corners, 1.0, 0.0, False, crop, 0.5, ()), page) == bare
    with_shadow = Image.new("RGB", (100, 150), (30, 30, 30))
    assert views.is_bare(views.View(corners, 1.0, 0.0, False, (0, 0, 100, 150), 1.0, ()), with_shadow)


def test_a_page_that_no_crop_fits_gives_its_middle() -> None:
    # A strip ten times as wide as high: no crop of a fifth of it has a ratio below 4/3.
    view = views.draw(np.random.default_rng(1), 1000, 100)
    assert view.crop == (433, 0, 133, 100)


def test_views_are_the_same_everywhere() -> None:
    one, other = (views.draw(np.random.default_rng([1, 2]), 660, 930) for _ in range(2))
    assert one == other
    assert views.apply(one, noise(8, 930, 660)).size == (320, 320)
