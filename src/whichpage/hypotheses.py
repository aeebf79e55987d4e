"""Where a page may be, given what the page finder saw of it: the places that retrieval tries."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from whichpage import placing
from whichpage.photo import Photo, side_lengths
from whichpage.types import THUMBNAIL_PIXELS, PageView, Quad

# How much further out a side is tried that the photo does not show, and for how many sides.
_STRETCHES = (1.0, 1.13, 1.28)
_SHRUNK = 0.9  # tried too where that is the only side out of sight: the finder may have guessed too far
_UNSEEN_SIDES = 2
# A page's length for what the photo shows of it, where its far side is out of sight.
# Codes put up with 6 % of scale and 4 % of shift, measured; finer steps would find nothing more.
_BEYOND = (1.08, 1.21, 1.36, 1.52, 1.7, 1.9)
_SHIFT = 0.08
# Positions along an axis of which neither end is seen, at most; fewer where that is so of both axes.
_POSITIONS, _POSITIONS_OF_BOTH = 6, 3
# Height for width of an upright page: between A4 (1.41) and letter (1.29); alignment makes up for the rest.
_UPRIGHT = 1.38
# Focal length of a phone's camera, in the photo's longer sides: 24 to 28 mm on 36 mm film, cropped a little.
_FOCAL = 0.85
# How much of a page a photo may show that cuts it. Features put up with a fifth more or less of either side.
_SHARES, _SPREAD_SHARES = (1.0, 0.55, 0.3, 0.17), (1.0, 2.0)
# Height for width that a part of a page may have; and how much a photo that shows no edge may be squeezed.
_SHAPES, _SQUEEZED = (0.25, 4.0), (0.85, 1.2)
# Of a page, how much a strip as wide as it must be for its print to be seen: some 20 pixels in height.
_THINNEST = 0.04
_UNIT = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)


@dataclass(frozen=True, eq=False)
class Look:
    """A part of a photo to be seen straight on.

    quad: (4, 2) its corners in working pixels, the print's top left first.
    size: (H, W) in pixels, as large as a page's thumbnail has it.
    """

    quad: Quad
    size: tuple[int, int]


def near(view: PageView) -> list[Quad]:
    """The page where the finder sees it, first as it most likely is: upright in the photo.

    Any of the four corners may be the print's top left. And where the frame cuts the page, nothing
    shows how far it goes on beyond: a side that is out of sight is tried further out as well.
    """
    quads = [view.quad]
    unseen = [side for side in range(4) if not view.seen[side]]
    for side in unseen[:_UNSEEN_SIDES]:
        stretches = (*_STRETCHES, _SHRUNK) if len(unseen) == 1 else _STRETCHES
        quads = [_stretched(quad, side, by) for quad in quads for by in stretches]
    upright = _upright(view.quad)
    return [_turned(quad, upright + turn) for quad in quads for turn in range(4)]


def _upright(quad: Quad) -> int:
    """The turn at which a page's head is uppermost in the photo."""
    heights = [float(quad[turn][1] + quad[(turn + 1) % 4][1]) for turn in range(4)]
    return int(np.argmin(heights))


def shown(view: PageView, photo: Photo) -> Quad:
    """(N, 2) float32 corners of what a photo shows of a page, in working pixels; of the frame if nothing."""
    if not cv2.isContourConvex(view.quad):
        return photo.outline
    corners = placing.shared(view.quad, photo.outline)
    return corners if len(corners) and cv2.contourArea(corners) >= 1 else photo.outline


def slant(view: PageView) -> float:
    """How far a page is turned from where its sides run level and upright, in degrees, -45 to 45 about.

    A page's upper side, as it lies in the photo, and its lower one tell it.
    """
    quad = _turned(view.quad, _upright(view.quad))
    x, y = (quad[1] - quad[0]) + (quad[2] - quad[3])
    return float(np.degrees(np.arctan2(y, x)))


def halves(view: PageView) -> tuple[list[Quad], list[Quad]]:
    """The two pages of an open book whose outline was taken for one page's: each half at its four turns."""
    to_photo = _to_photo(view.quad)
    u_pixels, v_pixels = side_lengths(view.quad)
    half = np.array([0.5, 1] if u_pixels > v_pixels else [1, 0.5], np.float32)
    places = (_UNIT * half, _UNIT * half + (1 - half))
    first, second = (
        cv2.perspectiveTransform(place[None].astype(np.float32), to_photo)[0] for place in places
    )
    return [_turned(first, turn) for turn in range(4)], [_turned(second, turn) for turn in range(4)]


def far(view: PageView, photo: Photo) -> list[Quad]:
    """The page when the photo shows only a part of it: upright pages that go on beyond the frame.

    The sides that are seen stay. How far the page goes on is tried in steps, and as pages are about
    1.4 times as high as wide, its width gives its height; where neither end is seen, the part shown
    may be the page's beginning, middle or end.
    """
    # In the finder's own frame of the page, u along its first side, v along its second, the page is [0, 1]^2.
    to_photo = _to_photo(view.quad)
    to_page = np.asarray(np.linalg.inv(to_photo), np.float64)
    (u_low, u_high), (v_low, v_high) = _shown(view, photo, to_page)
    top, right, bottom, left = view.seen
    shape = _shape(view.quad, photo)
    most = _POSITIONS if any(view.seen) else _POSITIONS_OF_BOTH
    quads = []
    for upright in (True, False):  # the page's height lies along v, or along u
        v_per_u = (_UPRIGHT if upright else 1 / _UPRIGHT) / shape
        for u_length in _lengths((u_low, u_high), (v_low, v_high), v_per_u, known=_known(view.seen, v_per_u)):
            v_length = u_length * v_per_u
            for u, v in itertools.product(
                _starts(u_low, u_high, u_length, left, right, most=most),
                _starts(v_low, v_high, v_length, top, bottom, most=most),
            ):
                place = _UNIT * [u_length, v_length] + [u, v]
                quad = cv2.perspectiveTransform(place[None].astype(np.float32), to_photo)[0]
                if cv2.isContourConvex(quad):
                    quads += [_turned(quad, turn) for turn in ((0, 2) if upright else (1, 3))]
    return quads


def frame(photo: Photo) -> list[Quad]:
    """The photo's frame itself as the page, as in a scan."""
    return [_turned(photo.outline, turn) for turn in range(4)]


def looks(view: PageView, photo: Photo, *, turns: Sequence[int], squeezed: bool = False) -> list[Look]:
    """What the photo shows of a page, seen straight on and so large as the page's thumbnail has it.

    Of a page that the frame cuts nobody knows how much is shown: half of it, or a quarter; and one that is
    wider than high may be the two of an open book. Each is tried.

    Args:
        view: where the page finder sees a page.
        photo: the photo.
        turns: how many corners on from where it most likely is the page's top left is.
        squeezed: where no side is seen, print may be a little higher or wider than it looks.
    """
    if any(view.seen):
        to_photo = _to_photo(view.quad)
        to_page = np.asarray(np.linalg.inv(to_photo), np.float64)
        (u_low, u_high), (v_low, v_high) = _shown(view, photo, to_page)
        place = _UNIT * [u_high - u_low, v_high - v_low] + [u_low, v_low]
        quad = cv2.perspectiveTransform(place[None].astype(np.float32), to_photo)[0]
    else:
        quad = frame(photo)[0]
    shape = _shape(quad, photo)
    shapes = [float(np.clip(shape, *_SHAPES))]
    shares: tuple[float, ...] = _SPREAD_SHARES if all(view.seen) else _SHARES
    if not any(view.seen):
        # The frame is no guess, however narrow; as a strip of some lines it may be as wide as the page.
        strip = min(shape, 1 / shape) / _UPRIGHT
        shares = (*_SHARES, strip) if _THINNEST < strip < min(_SHARES) else _SHARES
        shapes = [shape * by for by in _SQUEEZED] if squeezed else [shape]
    upright = _upright(quad)
    lies = (shape < 1) == (upright % 2 == 0)
    found = []
    for shape, share, turn in itertools.product(shapes, shares, turns):
        width = np.sqrt(THUMBNAIL_PIXELS * share / shape)
        size = (max(round(width * shape), 1), max(round(width), 1))
        # The two pages of an open book stand beside each other whenever their print stands upright.
        if share <= 1 or (lies and turn % 2 == 0):
            found.append(Look(_turned(quad, upright + turn), size[:: -1 if (upright + turn) % 2 else 1]))
    return found


def unseen(photo: Photo) -> PageView:
    """A view of a photo on which the page finder sees no page: all of it may be one, or a part of one."""
    return PageView(frame(photo)[0], 0.0, (False, False, False, False))


def visible_share(quad: Quad, photo: Photo) -> float:
    """How much of a page's area is in the photo, 0 to 1; quad: (4, 2) its corners in working pixels."""
    shared, _ = cv2.intersectConvexConvex(quad, photo.outline)
    return float(shared) / max(float(cv2.contourArea(quad)), 1.0)


def _shown(
    view: PageView, photo: Photo, to_page: NDArray[np.float64]
) -> tuple[tuple[float, float], tuple[float, float]]:
    """From where to where, along u and v, the photo shows the page."""
    height, width = photo.pixels.shape[:2]
    xs, ys = np.meshgrid(np.linspace(0, width, 24), np.linspace(0, height, 24))
    points = np.stack([xs.ravel(), ys.ravel()], -1)[None].astype(np.float32)
    u, v = cv2.perspectiveTransform(points, to_page)[0].T
    top, right, bottom, left = view.seen
    on_page = (u > (0 if left else -1)) & (u < (1 if right else 2))
    on_page &= (v > (0 if top else -1)) & (v < (1 if bottom else 2))
    if not on_page.any():
        return (0.0, 1.0), (0.0, 1.0)
    ends = [np.quantile(along[on_page], [0.04, 0.96]) for along in (u, v)]
    u_range = (0.0 if left else float(ends[0][0]), 1.0 if right else float(ends[0][1]))
    v_range = (0.0 if top else float(ends[1][0]), 1.0 if bottom else float(ends[1][1]))
    return u_range, v_range


def _known(seen: tuple[bool, bool, bool, bool], v_per_u: float) -> float | None:
    """The page's length along u, if two opposite sides are seen."""
    top, right, bottom, left = seen
    if left and right:
        return 1.0
    return 1 / v_per_u if top and bottom else None


def _lengths(
    u: tuple[float, float], v: tuple[float, float], v_per_u: float, *, known: float | None
) -> list[float]:
    """Lengths along u to try: the page covers at least all that is shown of it."""
    least = max(u[1] - u[0], (v[1] - v[0]) / v_per_u)
    return [known] if known is not None else [least * by for by in _BEYOND]


def _starts(low: float, high: float, length: float, begins: bool, ends: bool, *, most: int) -> list[float]:
    """Where along an axis a page of that length may begin, if this much of it is shown."""
    if begins:
        return [low]
    if ends:
        return [high - length]
    slack = max(length - (high - low), 0.0)
    count = min(most, 1 + int(slack / (_SHIFT * length)))
    return [low - slack * (k + 0.5) / count for k in range(count)]


def _shape(quad: Quad, photo: Photo) -> float:
    """The height for the width of the page whose image this is, tilt undone.

    With the focal length known, the homography's first two columns are, up to one scale, the page's sides as
    they lie in space (Zhang, "A flexible new technique for camera calibration", TPAMI 2000).
    """
    height, width = photo.pixels.shape[:2]
    focal = _FOCAL * max(height, width)
    to_rays = np.array([[1 / focal, 0, -width / 2 / focal], [0, 1 / focal, -height / 2 / focal], [0, 0, 1]])
    u, v = (to_rays @ _to_photo(quad))[:, :2].T
    return float(np.linalg.norm(v) / np.linalg.norm(u))


def _to_photo(quad: Quad) -> NDArray[np.float64]:
    """(3, 3) homography from the page as the unit square to the photo."""
    return np.asarray(cv2.getPerspectiveTransform(_UNIT, quad), np.float64)


def _stretched(quad: Quad, side: int, by: float) -> Quad:
    """The page with one side moved away from the opposite one, to `by` times their distance."""
    moved = quad.copy()
    for corner, opposite in ((side, (side + 3) % 4), ((side + 1) % 4, (side + 2) % 4)):
        moved[corner] = quad[opposite] + (quad[corner] - quad[opposite]) * by
    return moved


def _turned(quad: Quad, turn: int) -> Quad:
    return np.ascontiguousarray(np.roll(quad, -turn, axis=0), dtype=np.float32)
