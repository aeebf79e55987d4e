"""Pages that look alike, told apart by what one of them has and the others have not.

Each of them fits the photo beyond doubt, and which fits best says little: that depends on how the paper curls
more than on the one line in which they differ. So all are compared with the same cells of the photo, where
what they share counts as much for each, print that is missing from the photo or from the page as much as
print that is another.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from whichpage import verify
from whichpage.blocks import Blocks, peaks
from whichpage.photo import Photo
from whichpage.types import Quad

# Blocks, rows and columns, of an upright page: a few words each. They look for themselves so far, in pixels
# of `verify.PAGE_SIZE`, as only the page's corners are known here, and not how it curls.
_GRID, _REACH = (20, 14), (5, 5)
# The photo is looked at in so many rows and columns.
_CELLS = 40
# Corners that are no further apart, as a share of the page's first side, are of pages that lie in one place.
_TOGETHER = 0.03


@dataclass(frozen=True, eq=False)
class _Compared:
    """A page's blocks, row by row, where it lies in the photo.

    grid: rows and columns of blocks; height, width: of a block, in pixels.
    to_page: (3, 3) from the photo's working pixels to the page's; divides by more than 0 on the page.
    agree: (N,) how well page and photo agree there, 0 to 1.
    photo: (N,) how much print the photo has there, 0 to 1.
    seen: (N,) bool, whether the photo shows most of the block.
    """

    grid: tuple[int, int]
    height: int
    width: int
    to_page: NDArray[np.float64]
    agree: NDArray[np.float64]
    photo: NDArray[np.float64]
    seen: NDArray[np.bool_]

    def blocks_at(self, points: NDArray[np.float64]) -> NDArray[np.int64]:
        """(P,) the block in which each point (P, 2) of the photo lies; -1 where none is that is seen."""
        x, y, w = self.to_page @ np.vstack([points.T, np.ones(len(points))])
        # Beyond the horizon of the paper's plane lies nothing of the page.
        front = w > 1e-9
        across, down = (np.divide(along, w, out=np.full_like(w, -1), where=front) for along in (x, y))
        rows, columns = np.floor(down / self.height), np.floor(across / self.width)
        inside = (rows >= 0) & (rows < self.grid[0]) & (columns >= 0) & (columns < self.grid[1])
        found = np.where(inside, rows * self.grid[1] + columns, 0).astype(np.int64)
        return np.where(inside & self.seen[found], found, -1)


def likeness(photo: Photo, rivals: Sequence[tuple[verify.Thumbnail, Quad]]) -> NDArray[np.float64]:
    """(N,) how well each of N pages agrees with all that the photo has where any of them lies, 0 to 1.

    Args:
        photo: the photo.
        rivals: pages, each with the corners (4, 2) where it was found, in working pixels; surest first.
    """
    # Where pages lie together they are compared with one and the same look at the photo, so that it cannot
    # favour one of them.
    looks: list[tuple[Quad, bool, verify.Sheet]] = []
    compared = []
    for page, quad in rivals:
        on = next((on for at, lies, on in looks if lies == page.landscape and _together(quad, at)), None)
        if on is None:
            on = verify.sheet(photo, quad, landscape=page.landscape)
            looks.append((quad, page.landscape, on))
        compared.append(_compare(on, page))
    height, width = photo.pixels.shape[:2]
    across, down = np.meshgrid((np.arange(_CELLS) + 0.5) * width, (np.arange(_CELLS) + 0.5) * height)
    points = np.stack([across.ravel(), down.ravel()], -1) / _CELLS - 0.5
    blocks = np.array([one.blocks_at(points) for one in compared])
    inside = blocks >= 0
    agree = np.array([one.agree[found] for one, found in zip(compared, blocks, strict=True)])
    prints = np.array([one.photo[found] for one, found in zip(compared, blocks, strict=True)])
    # Beside a page there is paper without print, as far as that page can tell.
    beside = 1 - np.where(inside, prints, 0).max(0)
    any_of_them = inside.any(0)
    if not any_of_them.any():
        return np.zeros(len(rivals))
    return np.asarray(np.where(inside, agree, beside)[:, any_of_them].mean(1), np.float64)


def _together(one: Quad, other: Quad) -> bool:
    side = float(np.linalg.norm(other[1] - other[0]))
    return float(np.abs(one - other).max()) < _TOGETHER * side


def _compare(on: verify.Sheet, page: verify.Thumbnail) -> _Compared:
    (height, width), flip = page.size, -1 if page.landscape else 1
    (top, left), grid, (reach_y, reach_x) = (pair[::flip] for pair in (verify.MARGIN, _GRID, _REACH))
    sheet, picture = on.levels[1], page.levels[1]
    blocks = Blocks(picture.shape, (grid[0], grid[1]))
    around = sheet[top - reach_y : top + height + reach_y, left - reach_x : left + width + reach_x]
    maps = blocks.correlate(around, picture, (reach_y, reach_x))
    _, heights = peaks(maps)
    on_page = blocks.print_strength(picture)
    on_photo = blocks.print_seen(sheet[top : top + height, left : left + width])
    seen = blocks.shares(on.seen, scale=4, offset=(top // 4, left // 4))
    shift = np.array([[1, 0, -left], [0, 1, -top], [0, 0, 1]], np.float64)
    facing = np.sign(on.to_photo[2] @ [left + width / 2, top + height / 2, 1])
    return _Compared(
        grid=(grid[0], grid[1]),
        height=blocks.height,
        width=blocks.width,
        to_page=shift @ np.linalg.inv(on.to_photo) * facing,
        agree=on_page * on_photo * np.clip(heights, 0, 1) + (1 - on_page) * (1 - on_photo),
        photo=on_photo,
        seen=seen > 0.5,
    )
