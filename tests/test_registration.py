"""One picture of print brought into line with another one."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from drawn import text_page
from numpy.typing import NDArray

from whichpage.contrast import local_contrast
from whichpage.registration import correlation, follow, moved, register
from whichpage.types import Grey

EVERYWHERE = np.ones((480, 336), bool)


def small(page: Grey) -> NDArray[np.float32]:
    return local_contrast(np.asarray(cv2.resize(page, (336, 480), interpolation=cv2.INTER_AREA)), window=33)


PAGE = small(text_page(3))


def warped(across: NDArray[np.float64], down: NDArray[np.float64]) -> NDArray[np.float32]:
    """The page as it shows where the displacement puts it."""
    y, x = np.mgrid[0:480, 0:336].astype(np.float32)
    there = (x + across).astype(np.float32), (y + down).astype(np.float32)
    return np.asarray(cv2.remap(PAGE, *there, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE), np.float32)


Y, X = np.mgrid[0:480, 0:336] / np.array([480.0, 336.0])[:, None, None] * 2 - 1


@pytest.mark.parametrize("factor", [1.0, 0.6])
def test_displacement_is_found_to_a_fraction_of_a_pixel(factor: float) -> None:
    """Whatever the contrast."""
    across, down = 1.1 + 0.6 * Y + 0.8 * X * X, -0.7 + 0.9 * X * Y
    found = register(PAGE, factor * warped(across, down), EVERYWHERE, degree=2)
    printed = np.abs(PAGE) > 0.3
    assert np.abs(found[..., 0] - across)[printed].max() < 0.2
    assert np.abs(found[..., 1] - down)[printed].max() < 0.2
    assert correlation(moved(PAGE, found), warped(across, down), EVERYWHERE) > 0.98


def test_print_that_is_another_has_no_say() -> None:
    shown = warped(np.full_like(X, 1.3), np.full_like(X, -0.8))
    shown[200:300] = small(text_page(4))[200:300]
    found = register(PAGE, shown, EVERYWHERE, degree=1)
    np.testing.assert_allclose(found.reshape(-1, 2).mean(0), [1.3, -0.8], atol=0.1)


def test_only_where_both_show_something() -> None:
    shown = warped(np.full_like(X, 1.3), np.full_like(X, 0.0))
    shown[:, 168:] = np.random.default_rng(1).normal(0, 2, (480, 168))
    found = register(PAGE, shown, X < -0.05, degree=0)
    np.testing.assert_allclose(found[..., 0], 1.3, atol=0.05)


def test_blank_paper_stays_where_it_is() -> None:
    blank = np.zeros_like(PAGE)
    assert not register(blank, PAGE, EVERYWHERE, degree=2).any()
    assert not register(PAGE, PAGE, ~EVERYWHERE, degree=2).any()
    assert not follow(blank, blank, EVERYWHERE).any()
    assert not register(PAGE, blank, EVERYWHERE, degree=2).any()
    assert correlation(blank, PAGE, EVERYWHERE) == 0.0


def test_creases_are_followed() -> None:
    """The lower half is three pixels off, in which no polynomial of low degree follows."""
    across = 3 * np.tanh(8 * Y)
    shown = warped(across, np.zeros_like(X))
    found = follow(PAGE, shown, EVERYWHERE)
    before, after = (correlation(one, shown, EVERYWHERE) for one in (PAGE, moved(PAGE, found)))
    assert after > before + 0.3
    far = np.abs(Y) > 0.3
    assert np.median(np.abs(found[..., 0] - across)[far]) < 0.5


def test_what_is_not_trusted_follows_the_print_around_it() -> None:
    shown = warped(np.full_like(X, 2.0), np.zeros_like(X))
    shown[200:230] = small(text_page(4))[200:230]
    trusted = EVERYWHERE.copy()
    trusted[195:235] = False
    found = follow(PAGE, shown, trusted)
    assert np.abs(found[205:225, 60:270, 0] - 2.0).max() < 0.5


@pytest.mark.parametrize("height", [1, 9, 12, 16, 24, 31, 40])
@pytest.mark.parametrize("width", [9, 40, 200, 336])
def test_strips_are_followed_too(height: int, width: int) -> None:
    """Where OpenCV's flow alone would crash or tell no numbers."""
    strip = PAGE[100 : 100 + height, :width]
    found = follow(strip, strip, np.ones(strip.shape, bool))
    assert found.shape == (height, width, 2)
    assert np.abs(found).max() < 1


def test_shift_of_many_pixels_is_found() -> None:
    shown = warped(np.full_like(X, 11.0), np.full_like(X, -9.0))
    found = register(PAGE, shown, EVERYWHERE, degree=1)
    np.testing.assert_allclose(found[100:-100, 100:-100].reshape(-1, 2).mean(0), [11, -9], atol=0.2)
