"""Local features of an image (ORB, SIFT), and how many of those of two images one homography explains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from whichpage.types import Grey

Kind = Literal["orb", "sift"]
WIDTH = {"orb": 32, "sift": 128}
NORM = {"orb": cv2.NORM_HAMMING, "sift": cv2.NORM_L2}

# Lowe's ratio ("Distinctive image features from scale-invariant keypoints", IJCV 2004).
RATIO = 0.8
# Pixels of the photo (long side 1,600) that a feature may lie off the homography: paper is seldom flat.
REPROJECTION = 8.0
_ITERATIONS = 3000


@dataclass(frozen=True, eq=False)
class Features:
    """points: (N, 2) float32 pixels (x, y); descriptors: (N, 32 or 128) uint8."""

    points: NDArray[np.float32]
    descriptors: NDArray[np.uint8]

    def to_bytes(self) -> bytes:
        """Points as whole pixels, 4 bytes each, then the descriptors."""
        return np.round(self.points).clip(0, 65535).astype("<u2").tobytes() + self.descriptors.tobytes()

    @classmethod
    def from_bytes(cls, data: bytes, kind: Kind) -> Features:
        count = len(data) // (4 + WIDTH[kind])
        points = np.frombuffer(data, "<u2", 2 * count).reshape(count, 2).astype(np.float32)
        return cls(points, np.frombuffer(data, np.uint8, offset=4 * count).reshape(count, WIDTH[kind]))


def detect(kind: Kind, image: Grey, *, most: int) -> Features:
    """The `most` strongest features of an image (H, W).

    SIFT is kept as RootSIFT (Arandjelović and Zisserman, CVPR 2012) in bytes: sqrt(share of the sum) x 512.
    """
    # cv2's type stubs do not know the two.
    features: Any = cv2
    detector = features.ORB_create(most) if kind == "orb" else features.SIFT_create(most)
    points, raw = detector.detectAndCompute(image, None)
    if raw is None or not len(points):
        return Features(np.empty((0, 2), np.float32), np.empty((0, WIDTH[kind]), np.uint8))
    if kind == "sift":
        shares = raw / np.maximum(raw.sum(1, keepdims=True), 1e-9)
        raw = np.minimum(np.round(np.sqrt(shares) * 512), 255).astype(np.uint8)
    # SIFT gives a point two descriptors where it has two directions, and so may give more than asked for.
    places = np.array([point.pt for point in points], np.float32)[:most]
    return Features(places, np.asarray(raw, np.uint8)[:most])


def count_inliers(kind: Kind, photo: Features, page: Features) -> int:
    """How many features of the page lie where one homography puts them in the photo.

    Ratio test, then MAGSAC++ (Barath et al., CVPR 2020). A homography that turns the page over, folds it or
    makes a line of it counts nothing.
    """
    if len(photo.points) < 4 or len(page.points) < 4:
        return 0
    asked, given = photo.descriptors, page.descriptors
    if kind == "sift":
        asked, given = asked.astype(np.float32), given.astype(np.float32)
    distances, nearest = cv2.batchDistance(asked, given, -1, normType=NORM[kind], K=2)
    good = distances[:, 0] < RATIO * distances[:, 1]
    if np.count_nonzero(good) < 4:
        return 0
    on_page, on_photo = page.points[nearest[good, 0]], photo.points[good]
    matrix, inside = cv2.findHomography(
        on_page, on_photo, cv2.USAC_MAGSAC, REPROJECTION, maxIters=_ITERATIONS, confidence=0.999
    )
    if matrix is None or not _plausible(np.asarray(matrix, np.float64), page.points):
        return 0
    # Many features of the photo may be like one of the page: that counts once.
    return len(np.unique(nearest[good, 0][inside.ravel() > 0]))


def _plausible(matrix: NDArray[np.float64], points: NDArray[np.float32]) -> bool:
    """Whether the page's features keep their sense of rotation and stay in front of the camera."""
    (left, top), (right, bottom) = points.min(0), points.max(0)
    corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float64)
    x, y, w = matrix @ np.c_[corners, np.ones(4)].T
    if not (w > 0).all() and not (w < 0).all():
        return False
    quad = np.stack([x / w, y / w], 1).astype(np.float32)
    return bool(cv2.isContourConvex(quad)) and cv2.contourArea(quad, oriented=True) > 0.01 * 1600 * 1200
