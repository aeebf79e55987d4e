"""One picture of print brought into line with another one, to a fraction of a pixel.

Both are local contrast (`contrast.local_contrast`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from whichpage.warps import basis, between_nodes

# Both pictures are smoothed by so many pixels, one round after the other: the more, the further off they may
# be, the less, the nearer they come.
_SMOOTHED = (1.5, 1.5, 0.7, 0.7)
# No more pixels than this are looked at. Print is what has so much contrast; so near to it paper tells too.
_PIXELS, _CONTRAST, _NEAR = 20_000, 0.3, 9
# A displacement is learned from no fewer pixels, and changes by no more than this in a round, in pixels.
_FEWEST, _STRIDE = 200, 2.0
# A shift of all, and the least height and width of pictures that OpenCV can follow print in: it crashes on
# strips.
_FARTHEST_OFF, _ROOM = 20.0, 128
# What is followed moves no further than this, with the print within about so many pixels.
_FARTHEST, _REACH = 8.0, 12.0
# The share of the mean square gradient that holds it back where nothing tells.
_RIDGE = 1e-3


def correlation(one: NDArray[np.float32], other: NDArray[np.float32], where: NDArray[np.bool_]) -> float:
    """How alike two pictures (H, W) are where the mask (H, W) says so, -1 to 1; 0 where either is blank."""
    a, b = one[where], other[where]
    return float((a * b).sum() / max(float(np.sqrt((a * a).sum() * (b * b).sum())), 1e-9))


def register(
    moving: NDArray[np.float32],
    fixed: NDArray[np.float32],
    where: NDArray[np.bool_],
    *,
    degree: int,
) -> NDArray[np.float32]:
    """The displacement by which one picture shows what the other one does.

    A shift of all by phase correlation (Kuglin and Hines, 1975), if it brings them nearer; then Gauss-Newton
    on the squared difference (Lucas and Kanade, IJCAI 1981), but for one factor of contrast; pixels that
    differ whatever the displacement lose their say (Geman-McClure weights).

    Args:
        moving: (H, W) float32.
        fixed: (H, W) float32.
        where: (H, W) bool, where both pictures show something.
        degree: of the polynomial in x and y that the displacement is.

    Returns:
        (H, W, 2) float32 as (x, y): what `moving` shows at a pixel's place plus this, `fixed` shows at the
        pixel. 0 where there is too little print to tell.
    """
    height, width = fixed.shape
    across, down = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    whole = np.stack([across, down], -1)
    displacement = np.zeros((height, width, 2), np.float32)
    start, shifted = _shifted(moving, fixed, where, whole)
    rows, columns = _printed_pixels(shifted, where)
    if len(rows) < _FEWEST or not (np.abs(fixed[rows, columns]) > _CONTRAST).any():
        return displacement
    points = np.stack([columns, rows], -1).astype(np.float64)
    design = basis(points, size=(height, width), degree=degree).T
    coefficients = np.zeros((len(design), 2))
    coefficients[0] = start  # the first power is the constant
    displacement += start
    pictures = {
        smooth: [np.asarray(cv2.GaussianBlur(one, (0, 0), smooth), np.float32) for one in (moving, fixed)]
        for smooth in set(_SMOOTHED)
    }
    for smooth in _SMOOTHED:
        from_, to = pictures[smooth]
        moved = _moved(from_, displacement, whole)
        slopes = [cv2.Sobel(moved, cv2.CV_32F, x, y, ksize=3)[rows, columns] / 8 for x, y in ((1, 0), (0, 1))]
        have, want = moved[rows, columns].astype(np.float64), to[rows, columns].astype(np.float64)
        change = _change(have, want, slopes, design)
        longest = float(np.abs(design.T @ change).max())
        coefficients += change * min(1.0, _STRIDE / max(longest, 1e-9))
        displacement = _dense(coefficients, (height, width), degree)
    return displacement


def _shifted(
    moving: NDArray[np.float32],
    fixed: NDArray[np.float32],
    where: NDArray[np.bool_],
    whole: NDArray[np.float32],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(2,) the shift of all that brings the pictures nearer, 0 where none does; what it makes of `moving`.

    whole: (H, W, 2) each pixel's own place.
    """
    shift = np.array(cv2.phaseCorrelate(fixed * where, moving * where)[0], np.float32)
    if np.isfinite(shift).all() and np.abs(shift).max() < _FARTHEST_OFF:
        there = _moved(moving, np.zeros_like(whole) + shift, whole)
        if correlation(there, fixed, where) > correlation(moving, fixed, where):
            return shift, there
    return np.zeros(2, np.float32), moving


def _printed_pixels(
    picture: NDArray[np.float32], where: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(N,) rows and (N,) columns of pixels in print or near it, evenly spread, not too many."""
    printed = (np.abs(picture) > _CONTRAST).astype(np.uint8)
    mask = where & (cv2.dilate(printed, np.ones((_NEAR, _NEAR), np.uint8)) > 0)
    every = max(1, math.ceil(math.sqrt(mask.sum() / _PIXELS)))
    rows, columns = np.nonzero(mask[::every, ::every])
    return rows * every, columns * every


def _change(
    have: NDArray[np.float64],
    want: NDArray[np.float64],
    slopes: Sequence[NDArray[Any]],
    design: NDArray[np.float64],
) -> NDArray[np.float64]:
    """(P, 2) the Gauss-Newton step of a displacement's coefficients.

    Args:
        have, want: (N,) what the moved picture and the other one show.
        slopes: (N,) each, how the moved one changes along x and along y.
        design: (P, N) what each coefficient moves.
    """
    factor = float(np.clip((have @ want) / max(float(have @ have), 1e-9), 0.3, 1.6))
    rest = want - factor * have
    spread = float(np.median(np.abs(rest))) + 0.05
    say = 1 / (1 + (rest / (3 * spread)) ** 2) ** 2
    gradient = np.concatenate([design * slope * factor for slope in slopes])
    # By OpenCV, whose products take one thread: those of NumPy's library fight for cores.
    none = np.zeros((len(gradient), len(gradient)))
    normal = np.asarray(cv2.gemm(gradient * say, gradient, 1.0, none, 0.0, flags=cv2.GEMM_2_T))
    ridge = (_RIDGE * float(np.trace(normal)) / len(normal) + 1e-9) * np.eye(len(normal))
    step = np.linalg.solve(normal + ridge, (gradient * say * rest).sum(1))
    return np.asarray(step.reshape(2, -1).T, np.float64)


def follow(
    moving: NDArray[np.float32], fixed: NDArray[np.float32], trusted: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """The displacement, as of `register`, of paper that creases and curls as no polynomial does.

    Dense inverse search (Kroeger et al., ECCV 2016), smoothed over what is trusted to be the same print: what
    is not follows the print around it.

    Args:
        moving, fixed: (H, W) float32.
        trusted: (H, W) bool, where both pictures show the same print.
    """
    height, width = fixed.shape
    pictures = [_roomy(np.clip(128 + 40 * one, 0, 255).astype(np.uint8)) for one in (fixed, moving)]
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    still = np.zeros((*pictures[0].shape, 2), np.float32)
    found = np.asarray(flow.calc(pictures[0], pictures[1], still), np.float32)[:height, :width]
    length = np.linalg.norm(found, axis=-1)
    agree = np.abs(moved(moving, found) - fixed) < 1.0
    weight = (trusted & agree & (np.abs(fixed) > _CONTRAST) & (length < _FARTHEST)).astype(np.float32)
    size = (0, 0)
    # A little of no displacement, for places far from all print.
    total = cv2.GaussianBlur(weight, size, _REACH) + 1e-3
    smooth = cv2.GaussianBlur(found * weight[..., None], size, _REACH) / total[..., None]
    return np.asarray(smooth, np.float32)


def _roomy(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The picture, with more of its last row and column where it is a strip."""
    below, beside = (max(0, _ROOM - side) for side in picture.shape)
    return np.asarray(cv2.copyMakeBorder(picture, 0, below, 0, beside, cv2.BORDER_REPLICATE), np.uint8)


def moved(picture: NDArray[np.float32], displacement: NDArray[np.float32]) -> NDArray[np.float32]:
    """What a picture, (H, W) or (H, W, C), shows with the displacement (H, W, 2) that `register` gives."""
    height, width = picture.shape[:2]
    across, down = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    return _moved(picture, displacement, np.stack([across, down], -1))


def _moved(
    picture: NDArray[np.float32], displacement: NDArray[np.float32], whole: NDArray[np.float32]
) -> NDArray[np.float32]:
    there = whole + displacement
    shown = cv2.remap(
        picture, there[..., 0], there[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(shown, np.float32)


def _dense(coefficients: NDArray[np.float64], size: tuple[int, int], degree: int) -> NDArray[np.float32]:
    """(H, W, 2) float32, the polynomial at each pixel."""
    return between_nodes(lambda points: basis(points, size=size, degree=degree) @ coefficients, size, step=8)
