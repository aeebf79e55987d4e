"""Pages that print nearly the same, told apart by what one of them has and the other has not.

Each of them fits the photo, and which fits best says little: that depends on how the paper curls
more than on the one line in which they differ. So the one that fits best is laid over the photo as well as it
goes, the others over that one, and then the photo is asked which of them it shows, only where they differ.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import cv2
import numpy as np
from numpy.typing import NDArray

from whichpage import verify
from whichpage.contrast import WINDOW, local_contrast
from whichpage.photo import Photo
from whichpage.registration import correlation, follow, moved, register
from whichpage.types import Grey
from whichpage.warps import Placement, between_nodes

# The photo is looked at as large as pages are compared, and so many pixels of it around the pages; not at
# more than so many times the pixels of a page, as of a narrow one that lies askew.
_AROUND, _MOST = 16, 4
# Local contrast up to so many deviations counts: a number by itself on bare paper has more than print amid
# print, and cut off it would lose the shape of its figures.
_DARKEST = 8.0
# Print is compared in squares of so many pixels, about a letter, and is another one if it differs by more
# than this there, in squared deviations of local contrast; by twice as much, entirely.
_LETTER, _ANOTHER = 9, 0.05
# Where pages differ by less than that everywhere, by half of the most, down to this.
_LEAST = _ANOTHER / 16
# Paper is creased if it is followed to so much more likeness.
_CREASED = 0.05
# Print is darker than the paper around by so many deviations, or so much lighter; paper for certain is what
# lies within so wide a square, in pixels, but not so near as edges are soft.
_DARKER, _LIGHTER, _BESIDE, _SOFT = 0.3, 1.0, 25, 5
# How bright paper is, is told in squares of so many pixels, if it has this share of them. What differs from
# that by more than this share of it, has no print and reaches to the edge, is the desk; of paper that is
# darker than this, noise does. Print that is wider and higher than so many pixels is no letter.
_SQUARES, _ENOUGH, _DESK, _DIM, _AREA = (257, 129, 65), 0.02, 0.25, 80, 9
# So many pages are compared in pairs, those most like the photo.
_PAIRED = 8
# What a lens, a hand and a scan may blur print by, in pixels.
_USUAL_BLUR = 0.9
_BLURS = (0.0, 0.6, 0.9, 1.2, 1.6, 2.1, 2.8)
# Print is sought so many pixels around.
_SHIFT = 1
# How faint and how strong print is in a photo at most, for its contrast on the page.
_FAINTEST, _STRONGEST = 0.4, 1.5
# So many places of the photo tell how one page lies on the other, up to so many pixels of the page off.
_PLACES, _OFF = 400, 3.0


@dataclass(frozen=True, eq=False)
class _Frame:
    """The part of a photo that shows the pages, at the size at which they are compared.

    left, top: of its first pixel, in working pixels; scale: its pixels a working pixel, across and down.
    pixels: (H, W) uint8.
    """

    left: int
    top: int
    scale: tuple[float, float]
    pixels: Grey

    @classmethod
    def around(cls, photo: Photo, placements: Sequence[Placement]) -> _Frame | None:
        """The frame around all places; None where the photo shows next to nothing of them."""
        grey = photo.pyramid[0]
        page = verify.PAGE_SIZE[0] * verify.PAGE_SIZE[1]
        scale = min(1.0, math.sqrt(page / max(float(cv2.contourArea(placements[0].quad)), 1.0)))
        corners = np.concatenate([placement.quad for placement in placements])
        size, around = np.array(grey.shape[::-1]), _AROUND / scale
        if not np.isfinite(corners).all() or (corners.max(0) < 0).any() or (corners.min(0) > size).any():
            return None
        left, top = np.clip(np.floor(corners.min(0) - around), 0, size).astype(int).tolist()
        right, bottom = np.clip(np.ceil(corners.max(0) + around), 0, size).astype(int).tolist()
        if right - left < _LETTER or bottom - top < _LETTER:
            return None
        scale = min(scale, math.sqrt(_MOST * page / ((right - left) * (bottom - top))))
        pixels = grey[top:bottom, left:right]
        width, height = (max(_LETTER, round(side * scale)) for side in (right - left, bottom - top))
        small = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
        return cls(left, top, (width / (right - left), height / (bottom - top)), np.asarray(small, np.uint8))

    def on_page(self, placement: Placement) -> NDArray[np.float32]:
        """(H, W, 2) float32, the pixel of the page that each pixel shows; far off where it shows none."""

        def there(points: NDArray[np.float64]) -> NDArray[np.float64]:
            return placement.page_points((points + 0.5) / self.scale + [self.left, self.top] - 0.5)

        height, width = self.pixels.shape
        return between_nodes(there, (height, width), step=4)


@dataclass(frozen=True, eq=False)
class _Print:
    """What the frame would show if a page lay in it.

    grey: (H, W) uint8. within: (H, W) bool, where the page lies.
    """

    grey: Grey
    within: NDArray[np.bool_]

    @classmethod
    def of(cls, page: verify.Thumbnail, points: NDArray[np.float32]) -> _Print:
        """points: (H, W, 2), the page's pixel that each pixel shows."""
        height, width = page.size
        x, y = points[..., 0], points[..., 1]
        grey = cv2.remap(page.grey, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        within = (x > -0.5) & (x < width - 0.5) & (y > -0.5) & (y < height - 0.5)
        return cls(np.asarray(grey, np.uint8), within)

    def seen(self, blur: float) -> NDArray[np.float32]:
        """(H, W) float32, its local contrast through a blurred lens; 0 beside the page."""
        soft = cv2.GaussianBlur(self.grey, (0, 0), blur) if blur else self.grey
        return local_contrast(np.asarray(soft, np.uint8), window=WINDOW, most=_DARKEST, where=self.within)


def ranking(photo: Photo, rivals: Sequence[tuple[verify.Thumbnail, Placement]]) -> list[int]:
    """The numbers of pages that lie in one place of a photo, the one that it shows first.

    Args:
        photo: the photo.
        rivals: the pages, and where each was found; surest first, as they stay where nothing tells.
    """
    frame = _Frame.around(photo, [placement for _, placement in rivals])
    if frame is None:
        return list(range(len(rivals)))
    seen, shown, order = _compared(frame, rivals)
    told = _by_worst_defeat(_advantages(seen, shown))
    return [order[number] for number in told] + order[len(told) :]


def _compared(
    frame: _Frame, rivals: Sequence[tuple[verify.Thumbnail, Placement]]
) -> tuple[NDArray[np.float32], list[NDArray[np.float32]], list[int]]:
    """What the frame shows, and what it would show of the pages that are most like it.

    All lie as the one that fits best does, so that print that they share is the same in all, wherever that
    one is off; but for what each is off by as a whole.

    Returns:
        (H, W) float32 local contrast, 0 beside the pages; the same of each of `_PAIRED` pages or fewer; the
        numbers of all pages, these first, in their order.
    """
    pages = [page for page, _ in rivals]
    points = [frame.on_page(placement) for _, placement in rivals]
    prints = [_Print.of(page, at) for page, at in zip(pages, points, strict=True)]
    shown = [one.seen(_USUAL_BLUR) for one in prints]
    inside = _inside(prints)
    photo = local_contrast(frame.pixels, window=WINDOW, most=_DARKEST, where=inside)
    best = int(np.argmax([correlation(one, photo, p.within) for one, p in zip(shown, prints, strict=True)]))
    within = prints[best].within
    paper = _paper(frame.pixels, inside, _flat_print(prints), shown[best])
    photo = local_contrast(frame.pixels, window=WINDOW, most=_DARKEST, where=paper)
    for number, page in enumerate(pages):
        if number != best:
            starts = [_as_found(points[number], points[best], prints[number].within)]
            if page.size == pages[best].size:
                # A page that was found by a few lines may be far off.
                starts.append(points[best])
            points[number] = _laid_on(page, starts, shown[best], within)
    off = register(shown[best], photo, within, degree=2)
    points = [moved(one, off) for one in points]
    # Drawn anew: pages that are moved as pictures are blurred, each by another fraction of a pixel.
    prints = [_Print.of(page, at) for page, at in zip(pages, points, strict=True)]
    within = prints[best].within
    paper = _paper(frame.pixels, _inside(prints), _flat_print(prints), prints[best].seen(_USUAL_BLUR))
    photo = local_contrast(frame.pixels, window=WINDOW, most=_DARKEST, where=paper)
    blur = _blur(prints[best], photo)
    shown = [one.seen(blur) for one in prints]
    same = np.all([_in_squares((one - shown[best]) ** 2) < _ANOTHER for one in shown], axis=0)
    creases = follow(shown[best], photo, within & same)
    # Else flat paper would be bent to what the best one has a little higher or lower.
    followed = correlation(moved(shown[best], creases), photo, within)
    if followed > correlation(shown[best], photo, within) + _CREASED:
        points = [moved(one, creases) for one in points]
        shown = [_Print.of(page, at).seen(blur) for page, at in zip(pages, points, strict=True)]
    alike = [correlation(one * paper, photo, one != 0) for one in shown]
    ranked: list[int] = np.argsort(-np.array(alike), kind="stable").tolist()
    closest = sorted(ranked[:_PAIRED])
    # A page's rendering has its print a fraction of a pixel off, each page's otherwise.
    finer = [
        moved(points[number], register(shown[number], photo, paper & (shown[number] != 0), degree=1))
        for number in closest
    ]
    shown = [_Print.of(pages[number], at).seen(blur) for number, at in zip(closest, finer, strict=True)]
    return photo, [one * paper for one in shown], closest + ranked[_PAIRED:]


def _inside(prints: Sequence[_Print]) -> NDArray[np.bool_]:
    """(H, W) where any page lies, but for its edge, where the desk may show."""
    anywhere = np.any([one.within for one in prints], axis=0).astype(np.uint8)
    return np.asarray(cv2.erode(anywhere, np.ones((3, 3), np.uint8)) > 0)


def _paper(
    grey: Grey, inside: NDArray[np.bool_], areas: NDArray[np.bool_], best: NDArray[np.float32]
) -> NDArray[np.bool_]:
    """(H, W) where a photo shows a page and not the desk, which may show within its outline.

    The outline follows from the print, which may end far from the edge. Beside a dark desk print would have
    too little contrast.

    Args:
        grey: (H, W) uint8, the photo.
        inside: (H, W), where any page lies.
        areas: (H, W), where any page prints an area.
        best: (H, W) float32, the local contrast of the page that fits best.
    """
    printed = ((best < -_DARKER) | (best > _LIGHTER) | areas).astype(np.uint8)
    blank = inside & (_grown(printed, _SOFT) == 0)
    paper = blank & (_grown(printed, _BESIDE) > 0)
    if not paper.any():
        return inside

    def other_than(level: NDArray[np.float32]) -> NDArray[np.float32]:
        """By which share of it the photo is darker or lighter."""
        return np.asarray(np.abs(grey - level) / np.maximum(level, _DIM), np.float32)

    level = np.full(grey.shape, np.median(grey[paper]), np.float32)
    for side in _SQUARES:
        # The desk may show beside print, too.
        some = (paper & (other_than(level) < 1.5 * _DESK)).astype(np.float32)
        share, sum_ = (
            cv2.blur(one, (side, side), borderType=cv2.BORDER_CONSTANT) for one in (some, grey * some)
        )
        level = np.where(share > _ENOUGH, sum_ / np.maximum(share, _ENOUGH), level)
    other = (blank & (other_than(level) > _DESK)).astype(np.uint8)
    _, numbers = cv2.connectedComponents(other)
    edge = inside & (cv2.erode(inside.astype(np.uint8), np.ones((3, 3), np.uint8), borderValue=0) == 0)
    at_edge = np.unique(numbers[edge])
    desk = np.isin(numbers, at_edge[at_edge > 0]).astype(np.uint8)
    return np.asarray(inside & (_grown(desk, _SOFT) == 0))


def _flat_print(prints: Sequence[_Print]) -> NDArray[np.bool_]:
    """(H, W) where any page prints an area, as a tab, a band or a picture, which may reach to its edge."""
    areas = np.zeros(prints[0].grey.shape, np.bool_)
    for one in prints:
        if one.within.any():
            level = float(np.median(one.grey[one.within]))
            areas |= one.within & (np.abs(one.grey - level) > _DESK * level)
    square = np.ones((_AREA, _AREA), np.uint8)
    return np.asarray(cv2.morphologyEx(areas.astype(np.uint8), cv2.MORPH_OPEN, square) > 0)


def _grown(where: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """(H, W) 1 where there is any 1 in a square of so many pixels around."""
    return np.asarray(cv2.dilate(where, np.ones((size, size), np.uint8)), np.uint8)


def _as_found(
    own: NDArray[np.float32], best: NDArray[np.float32], within: NDArray[np.bool_]
) -> NDArray[np.float32]:
    """(H, W, 2) a page's pixels where it lies flat on another one, as both were found; else as it was found.

    own, best: (H, W, 2), the pixel of the page and of the other one that each pixel shows.
    within: (H, W), where the page lies.
    """
    every = max(1, math.ceil(math.sqrt(within.size / _PLACES)))
    from_, to = (one[::every, ::every].reshape(-1, 2) for one in (best, own))
    inside = within[::every, ::every].ravel()
    if inside.sum() < 3:
        return own
    affine, _ = cv2.estimateAffine2D(from_[inside], to[inside], method=cv2.RANSAC, ransacReprojThreshold=_OFF)
    return own if affine is None else np.asarray(cv2.transform(best, affine), np.float32)


def _laid_on(
    page: verify.Thumbnail,
    starts: Sequence[NDArray[np.float32]],
    shown: NDArray[np.float32],
    within: NDArray[np.bool_],
) -> NDArray[np.float32]:
    """(H, W, 2) a page's pixels where its print lies on another one's.

    Args:
        page: the page.
        starts: where it may lie, about: (H, W, 2) each, the pixel of the page that each pixel shows.
        shown: (H, W) float32, what the other one shows. within: (H, W), where that lies.
    """
    pictures = [_Print.of(page, points).seen(_USUAL_BLUR) for points in starts]
    nearest = int(np.argmax([correlation(picture, shown, within) for picture in pictures]))
    both = within & (pictures[nearest] != 0)
    return moved(starts[nearest], register(pictures[nearest], shown, both, degree=1))


def _advantages(photo: NDArray[np.float32], shown: Sequence[NDArray[np.float32]]) -> NDArray[np.float64]:
    """(N, N) by how much the photo speaks for a page (row) and against another one (column)."""
    size = (WINDOW, WINDOW)
    have = cv2.blur(np.mean(np.square(shown), axis=0), size)
    want = cv2.blur((photo - cv2.blur(photo, size)) ** 2, size)
    # A photo is fainter than a page where light or focus is bad.
    squared = np.clip(want / np.maximum(have, 1e-3), _FAINTEST**2, _STRONGEST**2)
    factor = np.sqrt(squared).astype(np.float32)
    still = [_unlike(photo - factor * one) for one in shown]
    near: list[NDArray[np.float32]] = []
    found = np.zeros((len(shown), len(shown)))
    for one in range(len(shown)):
        shifted = list(_shifted(shown[one]))
        near.append(np.min([_unlike(photo - factor * around) for around in shifted], axis=0))
        for other in range(one):
            differ = [_in_squares((around - shown[other]) ** 2) for around in shifted]
            wherever = np.min(differ, axis=0)
            # Of pages that are the same to the eye any difference is better than none.
            least = float(np.clip(wherever.max() / 2, _LEAST, _ANOTHER))
            another, elsewhere = (np.clip(d / least - 1, 0, 1) for d in (wherever, differ[0]))
            elsewhere -= another
            # Print that is another wherever it lies is sought around, the same print where it should be.
            against = another * (near[other] - near[one]) + elsewhere * (still[other] - still[one])
            found[one, other] = float(against.sum())
            found[other, one] = -found[one, other]
    return found


def _unlike(difference: NDArray[np.float32]) -> NDArray[np.float32]:
    """(H, W) float32, how much a difference varies around each pixel, whatever it is on the whole."""
    around = (2 * _LETTER - 1, 2 * _LETTER - 1)
    return _in_squares((difference - cv2.blur(difference, around)) ** 2)


def _shifted(picture: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    """The picture as it is, then shifted to each side and corner by a pixel."""
    steps = sorted(product((-_SHIFT, 0, _SHIFT), repeat=2), key=lambda step: step != (0, 0))
    for x, y in steps:
        step = np.array([[1, 0, x], [0, 1, y]], np.float32)
        yield np.asarray(cv2.warpAffine(picture, step, picture.shape[::-1]), np.float32)


def _blur(page: _Print, photo: NDArray[np.float32]) -> float:
    """By how many pixels the page must be blurred to be most like the photo."""
    best, found = -1.0, 0.0
    for blur in _BLURS:
        alike = correlation(page.seen(blur), photo, page.within)
        if alike <= best:
            break
        best, found = alike, blur
    return found


def _in_squares(difference: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(cv2.blur(difference, (_LETTER, _LETTER)), np.float32)


def _by_worst_defeat(advantages: NDArray[np.float64]) -> list[int]:
    """The numbers of N pages, ranked by what speaks most against each (minimax, after Simpson and Kramer)."""
    others = advantages + np.diag(np.full(len(advantages), np.inf))
    ranked: list[int] = np.argsort(-others.min(axis=1), kind="stable").tolist()
    return ranked
