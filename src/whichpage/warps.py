"""Where each point of a page lies in a photo: displacements that follow curled and creased paper."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from whichpage.types import Quad, outline

# How often a warp is followed back; see `Warp.inverse`.
_ROUNDS = 5
# The distance, in pixels, of a point that is on no page.
_NOWHERE = 1e6


@dataclass(frozen=True, eq=False)
class Polynomial:
    """A displacement that is a polynomial of the place on the page.

    degree: its degree; coefficients: (K, 2), of the `basis`, in pixels of the full level; size: the page's.
    """

    degree: int
    coefficients: NDArray[np.float64]
    size: tuple[int, int]

    def __call__(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(basis(points, size=self.size, degree=self.degree) @ self.coefficients)


@dataclass(frozen=True, eq=False)
class Membrane:
    """A displacement given at the middles of blocks, bilinear between them.

    nodes: (rows, columns, 2), in pixels of the full level; size: the page's.
    """

    nodes: NDArray[np.float64]
    size: tuple[int, int]

    def __call__(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        rows, columns = self.nodes.shape[:2]
        x = np.clip((points[:, 0] + 0.5) / self.size[1] * columns - 0.5, 0, columns - 1)
        y = np.clip((points[:, 1] + 0.5) / self.size[0] * rows - 0.5, 0, rows - 1)
        left, top = np.minimum(x.astype(int), columns - 2), np.minimum(y.astype(int), rows - 2)
        right, low = (x - left)[:, None], (y - top)[:, None]
        above = self.nodes[top, left] * (1 - right) + self.nodes[top, left + 1] * right
        below = self.nodes[top + 1, left] * (1 - right) + self.nodes[top + 1, left + 1] * right
        return np.asarray(above * (1 - low) + below * low)


class Warp:
    """Page point -> sheet point, in pixels of the full level: displacements, one after another."""

    def __init__(self, size: tuple[int, int], margin: tuple[int, int]) -> None:
        self._size = size
        self._margin = np.array(margin[::-1], np.float64)
        self._stages: tuple[Polynomial | Membrane, ...] = ()

    def then(self, displacement: Polynomial | Membrane) -> Warp:
        """A new warp with one more, finer displacement."""
        warp = Warp(self._size, (0, 0))
        warp._margin = self._margin
        warp._stages = (*self._stages, displacement)
        return warp

    def __call__(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """(N, 2) page points -> (N, 2) sheet points."""
        for displacement in reversed(self._stages):
            points = points + displacement(points)
        return points + self._margin

    def inverse(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """(N, 2) sheet points -> (N, 2) page points; beside the page it is moved as at its edge."""
        flat = points - self._margin
        last = np.array(self._size[::-1], np.float64) - 1
        found = flat
        # Displacements change so slowly over the page that a few rounds are within a hundredth of a pixel.
        for _ in range(_ROUNDS):
            edge = np.clip(found, 0, last)
            found = flat - (self(edge) - self._margin - edge)
        return np.asarray(found, np.float64)

    def dense(self, scale: int) -> NDArray[np.float32]:
        """(H/scale, W/scale, 2) float32: for each page pixel of a level, the sheet pixel of that level."""

        def there(points: NDArray[np.float64]) -> NDArray[np.float64]:
            return (self((points + 0.5) * scale - 0.5) + 0.5) / scale - 0.5

        # Nodes are 16 pixels of the full level apart or more.
        size = (self._size[0] // scale, self._size[1] // scale)
        return between_nodes(there, size, step=max(8, 16 // scale))


def between_nodes(
    there: Callable[[NDArray[np.float64]], NDArray[np.float64]], size: tuple[int, int], *, step: int
) -> NDArray[np.float32]:
    """(H, W, 2) float32, where each pixel's place comes to lie: between nodes as good as linear.

    Args:
        there: (N, 2) pixels -> (N, 2) places.
        size: (H, W).
        step: how many pixels nodes are apart, an even number; one of them is beyond each edge.
    """
    height, width = size
    down, across = ((np.arange(-1, side // step + 2) + 0.5) * step - 0.5 for side in size)
    nodes = there(np.stack(np.meshgrid(across, down), -1).reshape(-1, 2))
    grown = cv2.resize(
        nodes.reshape(len(down), len(across), 2).astype(np.float32),
        (len(across) * step, len(down) * step),
        interpolation=cv2.INTER_LINEAR,
    )
    return np.asarray(grown[step : step + height, step : step + width], np.float32)


def basis(points: NDArray[np.float64], *, size: tuple[int, int], degree: int) -> NDArray[np.float64]:
    """(N, 2) points -> (N, K) monomials x^i y^j, i + j <= degree, x and y scaled to [-1, 1] on the page."""
    x, y = [np.ones(len(points))], [np.ones(len(points))]
    for _ in range(degree):  # many times faster than powers
        x.append(x[-1] * (points[:, 0] / size[1] * 2 - 1))
        y.append(y[-1] * (points[:, 1] / size[0] * 2 - 1))
    return np.stack([x[i] * y[j] for i in range(degree + 1) for j in range(degree + 1 - i)], -1)


@dataclass(frozen=True, eq=False)
class Placement:
    """Where in a photo each point of a page lies.

    size: (H, W) of the page.
    warp: from the page's pixels to those of a sheet.
    to_photo: (3, 3) from the sheet's pixels to the photo's working pixels.
    """

    size: tuple[int, int]
    warp: Warp
    to_photo: NDArray[np.float64]

    @classmethod
    def flat(cls, quad: Quad, *, size: tuple[int, int]) -> Placement:
        """A page that lies flat within its corners (4, 2) in working pixels."""
        to_photo = np.asarray(cv2.getPerspectiveTransform(outline(size), quad.astype(np.float32)), np.float64)
        return cls(size, Warp(size, (0, 0)), to_photo)

    @cached_property
    def quad(self) -> Quad:
        """(4, 2) float32, the page's corners in working pixels."""
        h, w = self.size
        return self.photo_points(np.array([[0, 0], [w, 0], [w, h], [0, h]], np.float64) - 0.5)

    def photo_points(self, points: NDArray[np.float64]) -> NDArray[np.float32]:
        """(N, 2) the page's pixels -> (N, 2) float32 working pixels."""
        if not len(points):
            return np.empty((0, 2), np.float32)
        on_sheet = self.warp(points)[None].astype(np.float32)
        return np.asarray(cv2.perspectiveTransform(on_sheet, self.to_photo)[0], np.float32)

    def page_points(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """(N, 2) working pixels -> (N, 2) the page's pixels; -`_NOWHERE` beyond the horizon of its plane."""
        h, w = self.size
        back = np.linalg.inv(self.to_photo)
        x, y, depth = back @ np.concatenate([points, np.ones((len(points), 1))], axis=1).T
        # On the page itself: in front of the camera.
        middle = self.to_photo @ np.array([*self.warp(np.array([[w / 2, h / 2]]))[0], 1.0])
        front = depth * np.sign((back @ (middle / middle[2]))[2]) > 1e-9
        depth = np.where(front, depth, 1.0)
        there = self.warp.inverse(np.stack([x / depth, y / depth], -1))
        return np.asarray(np.where(front[:, None], there, -_NOWHERE), np.float64)
