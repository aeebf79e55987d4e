"""Whether a page prints all that a view of another one shows: then nothing in the view tells which it is.

Manuals repeat whole pages, but for the number at their head. Where a view has the repeated part alone, the
article's protocol still calls one of the pages right and the others wrong.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from whichpage.benchmark import article_views
from whichpage.benchmark.article_queries import Query, render
from whichpage.benchmark.article_views import View
from whichpage.types import Grey

# The shift between the pages is sought on pages this many times smaller, then in steps of so many pixels, so
# many of them around: what a page repeats stands a fraction of a pixel higher or lower there.
_REDUCED, _STEPS = 4, ((1.0, 4), (0.25, 3))
# Print is smoothed by so many pixels before it is compared, and is another where it differs anywhere by more
# than this share of its contrast.
_SMOOTH, _ANOTHER = 2.0, 0.15
# So near to the edge of what is shown nothing is compared, in pixels.
_EDGE = 4


def prints_all(query: Query, other: Query) -> bool:
    """Whether the other page has, in one place, all print of the page that the query's view shows of it."""
    page, there = (np.asarray(render(one.book, one.page).convert("L"), np.uint8) for one in (query, other))
    return has(there, page, shown(query.drawn(), page.shape[0], page.shape[1]))


def shown(view: View, height: int, width: int) -> NDArray[np.uint8]:
    """(height, width) 1 where the view shows the page, 0 elsewhere."""
    left, top, across, down = view.crop
    right, bottom = left + across, top + down
    frame = np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float64)
    if view.corners is not None:
        start = ((0, 0), (width - 1, 0), (width - 1, height - 1), (0, height - 1))
        numbers = article_views.perspective_coefficients(start, view.corners)
        matrix = np.array([*numbers, 1.0]).reshape(3, 3)
        frame = np.asarray(cv2.perspectiveTransform(frame[None], matrix)[0], np.float64)
    mask = np.zeros((height, width), np.uint8)
    cv2.fillConvexPoly(mask, np.round(frame).astype(np.int32), 1)
    return np.asarray(cv2.erode(mask, np.ones((2 * _EDGE + 1, 2 * _EDGE + 1), np.uint8)), np.uint8)


def has(there: Grey, page: Grey, mask: NDArray[np.uint8]) -> bool:
    """Whether a page has, in one place, all that another (H, W) has where the mask (H, W) is 1."""
    if not mask.any():
        return True
    smooth, other = (cv2.GaussianBlur(one.astype(np.float32), (0, 0), _SMOOTH) for one in (page, there))
    left, top, width, height = cv2.boundingRect(mask)
    part = slice(top, top + height), slice(left, left + width)
    here, shows = smooth[part], mask[part]

    def differs(x: float, y: float) -> float:
        shift = np.array([[1, 0, -x - left], [0, 1, -y - top]], np.float32)
        moved = cv2.warpAffine(other, shift, (width, height), borderValue=255)
        return float((np.abs(here - moved) * shows).max())

    x, y = (float(one) for one in _nearest(there, page, mask))
    for step, reach in _STEPS:
        steps = [step * number for number in range(-reach, reach + 1)]
        x, y = min(
            ((x + across, y + down) for down in steps for across in steps), key=lambda at: differs(*at)
        )
    return differs(x, y) <= _ANOTHER * float(np.ptp(here[shows > 0]))


def _nearest(there: Grey, page: Grey, mask: NDArray[np.uint8]) -> tuple[int, int]:
    """How far right and down of its place on the page what the mask shows lies on the other one, about."""
    small, other, seen = (
        cv2.resize(one, None, fx=1 / _REDUCED, fy=1 / _REDUCED, interpolation=cv2.INTER_AREA)
        for one in (255 - page, 255 - there, mask)
    )
    rows, columns = np.nonzero(seen)
    top, bottom, left, right = rows.min(), rows.max() + 1, columns.min(), columns.max() + 1
    # What hangs over the other page's edge lies on bare paper.
    high, wide = bottom - top, right - left
    paper = cv2.copyMakeBorder(other, high, high, wide, wide, cv2.BORDER_CONSTANT, value=0)
    sought, of = (one[top:bottom, left:right].astype(np.float32) for one in (small, seen))
    found = cv2.matchTemplate(paper.astype(np.float32), sought, cv2.TM_SQDIFF, mask=of)
    _, _, (x, y), _ = cv2.minMaxLoc(found)
    return int((x - wide - left) * _REDUCED), int((y - high - top) * _REDUCED)
