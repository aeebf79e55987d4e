"""Local features of a photo and of a page -> where in the photo the page lies, and how many agree on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from whichpage import placing
from whichpage.bits import signs, soft_signs
from whichpage.features import LocalFeatures, PageFeatures
from whichpage.types import Quad, outline
from whichpage.warps import Placement

# Likeness, -1 to 1, from which two features may be of the same place, and so many must be.
_ALIKE, _FEWEST = 0.35, 6
# How far a feature may be off, as a share of how far they spread over the photo: crumpled paper moves print.
_TOLERANCE = 0.03


@dataclass(frozen=True, eq=False)
class PhotoFeatures:
    """The N local features of a photo, ready to be compared with those of many pages.

    points: (N, 2) float32, in the photo's pixels.
    soft: (N, 128) float32, the features' numbers as `bits.soft_signs` makes them.
    """

    points: NDArray[np.float32]
    soft: NDArray[np.float32]


def on_photo(features: LocalFeatures, quad: Quad, *, photo: tuple[int, int]) -> LocalFeatures:
    """The features of a part of a photo, which was rectified, as features of the photo.

    Args:
        features: of the part.
        quad: (4, 2) the part's corners in the photo's pixels.
        photo: the photo's height and width.
    """
    to_photo = cv2.getPerspectiveTransform(outline(features.size), quad.astype(np.float32))
    points = cv2.perspectiveTransform(features.points[None], to_photo)[0] if len(features.points) else []
    return LocalFeatures(np.asarray(points, np.float32).reshape(-1, 2), features.vectors, photo)


def pooled(images: Sequence[LocalFeatures]) -> PhotoFeatures:
    """The features of several looks at one photo together, points in the photo's pixels all."""
    soft = soft_signs(np.concatenate([one.vectors for one in images]))
    return PhotoFeatures(np.concatenate([one.points for one in images]), soft)


def shown(page: PageFeatures, placement: Placement, *, photo: tuple[int, int]) -> LocalFeatures:
    """The features of a page that a photo shows, as if they had been found in it.

    Args:
        page: the page's.
        placement: where it lies in the photo.
        photo: the photo's height and width.
    """
    shares = (page.points + 0.5) / np.array(page.size[::-1])
    points = placement.photo_points(shares * placement.size[::-1] - 0.5)
    inside = ((points >= 0) & (points < photo[::-1])).all(1)
    return LocalFeatures(points[inside], signs(page.codes[inside]), photo)


def place(photo: PhotoFeatures, page: PageFeatures) -> placing.Placed | None:
    """Where the page lies, by the features that it shares with the photo.

    Args:
        photo: its features, with points in working pixels.
        page: the page's.

    Returns:
        None where too few agree.
    """
    if not len(photo.points) or not len(page.points):
        return None  # a page that was removed meanwhile has none
    on_page, in_photo = _ties(photo, page)
    if len(on_page) < _FEWEST:
        return None
    shares = (on_page + 0.5) / np.array(page.size[::-1], np.float32)
    placed = placing.place(
        shares.astype(np.float32), in_photo, np.arange(len(shares)), size=page.size, tolerance=_TOLERANCE
    )
    return placed if placed is not None and placed.groups >= _FEWEST else None


def _ties(photo: PhotoFeatures, page: PageFeatures) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The page's features that the photo has alike, and where: (N, 2) points on each.

    By the asymmetric likeness, in which the photo keeps its real numbers: see `bits`.
    """
    likeness = signs(page.codes) @ photo.soft.T
    nearest = likeness.argmax(1)
    alike = np.flatnonzero(likeness[np.arange(len(likeness)), nearest] >= _ALIKE)
    # One point of the photo cannot be several of the page.
    mutual = alike[likeness[:, nearest[alike]].argmax(0) == alike]
    return page.points[mutual], photo.points[nearest[mutual]]
