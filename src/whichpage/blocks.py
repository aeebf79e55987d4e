"""Blocks of a page: how much print each holds, and where in a photo each finds itself again."""

from __future__ import annotations

from concurrent.futures import Executor
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray


class Blocks:
    """A picture of a page cut into a grid of N equal blocks, row by row.

    height, width: of a block, in pixels; what is left over at the right and at the foot is in none.
    """

    def __init__(self, shape: tuple[int, ...], grid: tuple[int, int]) -> None:
        """shape: the picture's; grid: rows and columns of blocks."""
        rows, columns = grid
        self.height, self.width = shape[0] // rows, shape[1] // columns
        self._tops = np.repeat(np.arange(rows) * self.height, columns)
        self._lefts = np.tile(np.arange(columns) * self.width, rows)

    @property
    def middles(self) -> NDArray[np.float64]:
        """(N, 2) x and y of the blocks' middles, 0 being the picture's left and upper edge."""
        return np.stack([self._lefts + self.width / 2, self._tops + self.height / 2], -1)

    def print_strength(self, picture: NDArray[np.float32]) -> NDArray[np.float64]:
        """(N,) how much is printed in each block, 0 to 1, by the spread of its local contrast."""
        sums, squares = cv2.integral2(picture)
        edges = (self._tops, self._lefts, self._tops + self.height, self._lefts + self.width)
        size = self.height * self.width
        mean = _within(sums, *edges) / size
        variance = np.maximum(_within(squares, *edges) / size - mean**2, 0)
        return np.asarray(np.clip((np.sqrt(variance) - 0.15) / 0.35, 0, 1), np.float64)

    def print_seen(self, image: NDArray[np.float32]) -> NDArray[np.float64]:
        """The same of a photo: smoothed a little, or sensor noise on bare paper would pass for print."""
        return self.print_strength(np.asarray(cv2.blur(image, (3, 3)), np.float32))

    def shares(
        self, seen: NDArray[np.float32], *, scale: int, offset: tuple[int, int] = (0, 0)
    ) -> NDArray[np.float64]:
        """(N,) the share of each block that the photo saw.

        Args:
            seen: (H, W), 1 where it did; `scale` times coarser than the picture.
            scale: a whole number.
            offset: (rows, columns) of `seen` before the picture begins.
        """
        tops, lefts = self._tops // scale + offset[0], self._lefts // scale + offset[1]
        bottoms, rights = tops + max(1, self.height // scale), lefts + max(1, self.width // scale)
        tops, bottoms = (np.minimum(rows, seen.shape[0]) for rows in (tops, bottoms))
        lefts, rights = (np.minimum(columns, seen.shape[1]) for columns in (lefts, rights))
        area = np.maximum((bottoms - tops) * (rights - lefts), 1)  # a block beyond the edge was not seen
        return np.asarray(_within(cv2.integral(seen), tops, lefts, bottoms, rights) / area, np.float64)

    def correlate(
        self,
        image: NDArray[np.float32],
        page: NDArray[np.float32],
        reach: tuple[int, int],
        *,
        threads: Executor | None = None,
    ) -> NDArray[np.float32]:
        """Normalised cross-correlation of each block of a page with the image around the same place.

        Args:
            image: (H + 2 ry, W + 2 rx).
            page: (H, W).
            reach: (ry, rx) how far blocks look, rows and columns.
            threads: take over half of the blocks; must not be those that call. None to do all here.

        Returns:
            (N, 2 ry + 1, 2 rx + 1); the middle is where the block stays where it is.
        """
        high, wide = self.height, self.width
        maps = np.empty((len(self._tops), 2 * reach[0] + 1, 2 * reach[1] + 1), np.float32)
        places = list(zip(maps, self._tops.tolist(), self._lefts.tolist(), strict=True))

        def match(some: slice) -> None:
            for found, y, x in places[some]:
                field = image[y : y + high + 2 * reach[0], x : x + wide + 2 * reach[1]]
                cv2.matchTemplate(field, page[y : y + high, x : x + wide], cv2.TM_CCOEFF_NORMED, found)

        if threads is None:
            match(slice(None))
        else:
            other = threads.submit(match, slice(1, None, 2))
            match(slice(0, None, 2))
            other.result()
        # Where either side has no variance the correlation is undefined; OpenCV says inf, nan or 1 there.
        return np.asarray(np.where(np.abs(maps) < 0.9999, maps, 0), np.float32)


def _within(
    integral: NDArray[Any],
    tops: NDArray[np.int64],
    lefts: NDArray[np.int64],
    bottoms: NDArray[np.int64],
    rights: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Sums over rectangles of what an integral image (H + 1, W + 1) adds up."""
    return np.asarray(
        integral[bottoms, rights] - integral[tops, rights] - integral[bottoms, lefts] + integral[tops, lefts],
        np.float64,
    )


def peaks(
    maps: NDArray[np.float32], *, around: tuple[int, int] | None = None, radius: int = 0
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Each map's best shift from its middle, (N, 2) as (x, y), and its correlation there, (N,).

    Args:
        maps: (N, H, W), H and W odd.
        around: (row, column) to look near, everywhere if None.
        radius: how near.
    """
    top = left = 0
    reach = np.array([maps.shape[2] // 2, maps.shape[1] // 2])
    if around is not None:
        top, left = max(0, around[0] - radius), max(0, around[1] - radius)
        maps = maps[:, top : around[0] + radius + 1, left : around[1] + radius + 1]
    flat = maps.reshape(len(maps), -1)
    best = flat.argmax(1)
    rows, columns = np.divmod(best, maps.shape[2])
    shifts = np.stack([columns + left, rows + top], -1) - reach
    return shifts.astype(np.float64), flat[np.arange(len(flat)), best].astype(np.float64)


def leads(maps: NDArray[np.float32], shifts: NDArray[np.float64], *, radius: int) -> NDArray[np.float64]:
    """(N,) how much better each map is within a pixel of its shift than anywhere further off than `radius`.

    Where a page repeats itself, as a grid of characters does, a block fits nearly as well one step on: that
    it fits says little. Like the ratio of nearest and second nearest in Lowe, "Distinctive image features
    from scale-invariant keypoints", IJCV 2004.

    Args:
        maps: (N, H, W), H and W odd.
        shifts: (N, 2) as (x, y), from the middle.
        radius: in either direction, smaller than the map.
    """
    height, width = maps.shape[1:]
    across = np.abs(np.arange(width) - width // 2 - shifts[:, :1]) > radius
    down = np.abs(np.arange(height) - height // 2 - shifts[:, 1:]) > radius
    elsewhere = np.where(down[:, :, None] | across[:, None, :], maps, -1.0).max((1, 2))
    return np.asarray(best_near(maps, shifts) - elsewhere, np.float64)


def best_near(maps: NDArray[np.float32], shifts: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N,) each map's best correlation within a pixel of its shift, (N, 2) as (x, y)."""
    height, width = maps.shape[1:]
    middles = np.round(shifts).astype(int) + np.array([width // 2, height // 2])
    # A place beyond the edge counts as the one at the edge.
    middles = np.clip(middles, 0, [width - 1, height - 1])
    step = np.arange(-1, 2)
    columns = np.clip(middles[:, :1] + step, 0, width - 1)
    rows = np.clip(middles[:, 1:] + step, 0, height - 1)
    values = maps[np.arange(len(maps))[:, None, None], rows[:, :, None], columns[:, None, :]]
    return np.asarray(values.max((1, 2)), np.float64)
