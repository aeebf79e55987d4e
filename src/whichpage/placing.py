"""Points of a page that were found in a photo -> where in the photo the page lies, and which points agree."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from whichpage.types import Quad

# How far a point may be off, as a share of how far the points spread over the photo, for paper curls, and in
# working pixels at least.
_TOLERANCE, _LEAST_REACH = 0.02, 8.0
# A homography is reckoned only from points that spread over so much of the page, either way; a few that are
# close together tell the page's slant and size, but no perspective.
_SPREAD = 0.25


@dataclass(frozen=True, eq=False)
class Placed:
    """Where a page lies in a photo.

    quad: (4, 2) float32 corners of the page in working pixels, in the page's own order.
    agree: (N,) bool, which of the points are where that says.
    groups: how many groups of points, such as lines of text, have one that agrees.
    """

    quad: Quad
    agree: NDArray[np.bool_]
    groups: int


def place(
    on_page: NDArray[np.float32],
    on_photo: NDArray[np.float32],
    groups: NDArray[np.int64],
    *,
    size: tuple[int, int],
    tolerance: float = _TOLERANCE,
) -> Placed | None:
    """Where the page lies, by what most of the points agree on.

    Args:
        on_page: (N, 2) float32, x and y as shares of the page's width and height.
        on_photo: (N, 2) float32, the same points in working pixels.
        groups: (N,) int64, which points speak with one voice.
        size: the page's height and width, in any unit.
        tolerance: how far off a point may be, as a share of how far they spread over the photo.

    Returns:
        None where fewer than two groups agree on a place, or it is none that a page can have.
    """
    if len(set(groups.tolist())) < 2:
        return None
    height, width = size
    units = on_page * np.array([width, height], np.float32)
    reach = max(tolerance * float(np.ptp(on_photo, axis=0).max()), _LEAST_REACH)
    matrix, agree = _agreed(units, on_photo, groups, reach=reach)
    if matrix is None:
        return None
    for _ in range(2):  # with the tilt, more of the points far from the middle agree
        # In this order: of points along a line a tilt may be nonsense that none agrees with.
        if len(set(groups[agree].tolist())) < 4 or np.ptp(on_page[agree], axis=0).min() < _SPREAD:
            break
        tilted, _ = cv2.findHomography(units[agree], on_photo[agree], 0)
        if tilted is None:
            break
        matrix = np.asarray(tilted, np.float64)
        there = cv2.perspectiveTransform(units[None], matrix)[0]
        agree = np.linalg.norm(there - on_photo, axis=1) < reach
    count = len(set(groups[agree].tolist()))
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    quad = cv2.perspectiveTransform(corners[None], matrix)[0].astype(np.float32)
    return Placed(quad, agree, count) if count >= 2 and is_sound(quad) else None


def is_sound(quad: Quad) -> bool:
    """Seen from the front a page's corners run clockwise, with y pointing down, around a convex area."""
    x, y = quad.T.astype(np.float64)
    area = float((x * np.roll(y, -1) - y * np.roll(x, -1)).sum() / 2)
    return bool(np.isfinite(quad).all()) and cv2.isContourConvex(quad) and area > 0


def shared(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, 2) the corners of what two convex areas share; N is 0 where that is nothing."""
    area, corners = cv2.intersectConvexConvex(one, other)
    return np.asarray(corners if area > 0 else [], np.float32).reshape(-1, 2)


def agrees_enough(agree: int, most: int) -> bool:
    """Whether a page on which so many lines or features agree may be the one, where `most` do on another."""
    return not agree or agree > 0.7 * most


def _agreed(
    units: NDArray[np.float32], on_photo: NDArray[np.float32], groups: NDArray[np.int64], *, reach: float
) -> tuple[NDArray[np.float64] | None, NDArray[np.bool_]]:
    """The map from page to photo that most points agree on, (3, 3), and which do.

    Affine where three groups or more agree, else turn, size and shift alone.
    """
    for estimate, least in ((cv2.estimateAffine2D, 3), (cv2.estimateAffinePartial2D, 2)):
        found, inliers = estimate(
            units, on_photo, method=cv2.RANSAC, ransacReprojThreshold=reach, maxIters=2000
        )
        if found is None:
            continue
        agree = inliers.ravel().astype(bool)
        if len(set(groups[agree].tolist())) >= least:
            return np.vstack([found, [0, 0, 1]]), agree
    return None, np.zeros(len(units), bool)
