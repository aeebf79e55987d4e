"""Where each point of a page lies in a photo, and back."""

from __future__ import annotations

import cv2
import numpy as np

from whichpage.warps import Membrane, Placement, Polynomial, Warp

SIZE = (480, 336)
CORNERS = np.array([[190, 150], [730, 180], [800, 1060], [110, 1020]], np.float32)
POINTS = np.random.default_rng(1).uniform((0, 0), (335, 479), (200, 2))


def curled() -> Warp:
    """A page that bulges by twelve pixels, and is creased."""
    bulge = np.zeros((6, 2))
    bulge[2] = 12, -7
    creases = np.random.default_rng(2).normal(0, 1.5, (10, 7, 2))
    warp = Warp(SIZE, (64, 48)).then(Polynomial(2, bulge, SIZE))
    return warp.then(Membrane(np.asarray(cv2.GaussianBlur(creases, (0, 0), 1.0), np.float64), SIZE))


def test_warp_is_followed_back_to_where_it_came_from() -> None:
    warp = curled()
    there = warp(POINTS)
    assert np.abs(there - POINTS - [48, 64]).max() > 5
    np.testing.assert_allclose(warp.inverse(there), POINTS, atol=0.05)


def test_beside_the_page_a_warp_goes_on_as_at_its_edge() -> None:
    warp = curled()
    edge, beyond = np.array([[335.0, 200.0]]), np.array([[30.0, 0.0]])
    found = warp.inverse(warp(edge) + beyond)
    np.testing.assert_allclose(found, edge + beyond, atol=0.05)


def test_flat_page_lies_between_its_corners() -> None:
    placement = Placement.flat(CORNERS, size=SIZE)
    np.testing.assert_allclose(placement.quad, CORNERS, atol=1e-3)
    corners = placement.page_points(CORNERS.astype(np.float64))
    np.testing.assert_allclose(
        corners, [[-0.5, -0.5], [335.5, -0.5], [335.5, 479.5], [-0.5, 479.5]], atol=1e-3
    )


def test_points_of_the_photo_are_those_of_the_curled_page() -> None:
    on_sheet = np.array([[48, 64], [384, 64], [384, 544], [48, 544]], np.float32) - 0.5
    to_photo = np.asarray(cv2.getPerspectiveTransform(on_sheet, CORNERS), np.float64)
    warp = curled()
    placement = Placement(SIZE, warp, to_photo)
    in_photo = cv2.perspectiveTransform(warp(POINTS)[None], to_photo)[0]
    np.testing.assert_allclose(placement.page_points(in_photo), POINTS, atol=0.05)
    np.testing.assert_allclose(placement.photo_points(POINTS), in_photo, atol=1e-3)
    assert placement.photo_points(np.empty((0, 2))).shape == (0, 2)
    assert np.abs(placement.quad - CORNERS).max() > 3


def test_beyond_the_horizon_lies_no_page() -> None:
    """A page tilted far back: the photo's upper part shows what is above its plane."""
    tilted = np.array([[400, 500], [500, 500], [800, 1100], [100, 1100]], np.float32)
    placement = Placement.flat(tilted, size=SIZE)
    sky, desk = placement.page_points(np.array([[450.0, 10.0], [450.0, 800.0]]))
    assert np.abs(sky).max() > 1e5
    assert (desk > 0).all()
    assert (desk < SIZE[::-1]).all()
