"""Where the pages in a photo are: a network's votes for their corners, and their outlines."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from whichpage.encoder import open_session
from whichpage.errors import ModelError
from whichpage.photo import Photo
from whichpage.types import Colour, PageView, Quad

SHIPPED_FINDER = Path(__file__).parent / "models" / "finder.onnx"

# How much of a page's surroundings a second look takes in, on each side, as a share of the look.
_AROUND = 0.14
# From a cell of an outline to the pixel of a look nearest to its middle.
_OF_CELLS = np.array([[4.0, 0.0, 2.0], [0.0, 4.0, 2.0], [0.0, 0.0, 1.0]])
# The corners at both ends of each side: left and right, top and bottom.
_ENDS = np.array([[[0, 3], [1, 2]], [[0, 1], [3, 2]]])
# At least how many of the votes, evenly spread, all are compared with to find the place that most agree on.
_REFERENCES = 32


class PageFinder:
    """Finds the pages in a photo; make one with `PageFinder.load`."""

    def __init__(self, session: ort.InferenceSession) -> None:
        self._session = session
        self._side = int(session.get_inputs()[0].shape[2])

    @classmethod
    def load(cls, path: Path | None = None, *, threads: int = 1) -> PageFinder:
        """Loads an ONNX page finder; None for the one that ships with whichpage.

        Raises:
            ModelError: the file is missing or is no page finder.
        """
        path = path or SHIPPED_FINDER
        session = open_session(path, threads=threads)
        if [output.name for output in session.get_outputs()] != ["logits", "corners", "outline"]:
            raise ModelError(f"{path} is not a whichpage page finder.")
        return cls(session)

    def find(self, photo: Photo, *, most: int = 3, looks: int = 2) -> list[PageView]:
        """The pages in a photo, surest first, corners in working pixels clockwise from one of the four.

        Which corner of the print is the first is not known yet: at this size a page looks much the
        same upside down. A first look finds the pages; further looks at each, cut out with some of its
        surroundings, find its outline.

        Args:
            photo: the photo.
            most: how many pages to find at most.
            looks: how often to look at each page again.
        """
        height, width = photo.pixels.shape[:2]
        logits, corners = self._run([self._small(photo)], "logits", "corners")
        views = [
            PageView((view.quad * [width, height] - 0.5).astype(np.float32), view.score)
            for view in count_votes(logits[0], corners[0])[:most]
        ]
        for _ in range(looks):
            views = self._look_again(photo, views)
        return _without_repeats(views)

    def look_again(self, photo: Photo, views: list[PageView]) -> list[PageView]:
        """The same pages after one more look at each, as `find` takes them."""
        return _without_repeats(self._look_again(photo, views))

    def _small(self, photo: Photo) -> Colour:
        """The whole photo at the size of a look."""
        side = (self._side, self._side)
        enough = photo.pixels
        # To halve is many times faster than any other ratio.
        if min(enough.shape[:2]) >= 2 * self._side:
            enough = photo.half
        if min(enough.shape[:2]) >= 2 * self._side:
            enough = photo.quarter
        return np.asarray(cv2.resize(enough, side, interpolation=cv2.INTER_AREA), np.uint8)

    def _run(self, images: list[Colour], *outputs: str) -> list[NDArray[np.float32]]:
        """Some of the network's outputs for images of its size."""
        batch = np.stack(images).transpose(0, 3, 1, 2).astype(np.float32)
        return list(self._session.run(outputs, {"photo": batch}))

    def _look_again(self, photo: Photo, views: list[PageView]) -> list[PageView]:
        if not views:
            return []
        side = self._side
        inset = (
            np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32) * (1 - 2 * _AROUND) + _AROUND
        ) * side - 0.5
        to_half = np.diag([0.5, 0.5, 1]) @ np.array([[1, 0, -0.5], [0, 1, -0.5], [0, 0, 1]])
        matrices = [np.asarray(cv2.getPerspectiveTransform(inset, view.quad), np.float64) for view in views]
        in_half = [to_half @ matrix for matrix in matrices]
        looks = [_warped(photo.half, matrix, side) for matrix in in_half]
        shown = np.ones(photo.half.shape[:2], np.uint8)
        seen = [_warped(shown, matrix @ _OF_CELLS, side // 4) > 0 for matrix in in_half]
        (outlines,) = self._run(looks, "outline")
        expected = (inset / 4 - 0.375).astype(np.float32)
        refined = []
        for view, matrix, fitted, sides in zip(
            views, matrices, *fit_outlines(outlines, np.stack(seen), expected), strict=True
        ):
            moved = np.asarray(cv2.perspectiveTransform(fitted[None] * 4 + 1.5, matrix)[0], np.float32)
            sound = cv2.isContourConvex(moved) and np.abs(moved).max() < 4 * max(photo.pixels.shape)
            top, right, bottom, left = sides.tolist()
            refined.append(PageView(moved, view.score, (top, right, bottom, left)) if sound else view)
        return refined


def _warped(image: NDArray[np.uint8], matrix: NDArray[np.float64], side: int) -> NDArray[np.uint8]:
    """A square of a picture; the matrix tells where in it each of the square's pixels lies."""
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpPerspective(image, matrix, (side, side), flags=flags), np.uint8)


def fit_outlines(
    outlines: NDArray[np.float32], seen: NDArray[np.bool_], expected: Quad
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """The corners of the pages whose outlines these are.

    Each side is a parabola through where the outline crosses 0 along rows or columns: paper curls.
    A side that the photo does not show stays where it was expected.

    Args:
        outlines: (N, n, n) float32, > 0 where the page in the middle is.
        seen: (N, n, n) bool, false where the photo shows nothing.
        expected: (4, 2) each page's corners as believed so far, upright, in cells.

    Returns:
        (N, 4, 2) float32 corners, top left, top right, bottom right, bottom left, in cells; and (N, 4)
        whether the top, right, bottom and left side were seen.
    """
    count, size = outlines.shape[:2]
    # Rows cross the left and the right side, columns the top and the bottom: (N, 2, n, n).
    lines = np.stack([outlines, outlines.swapaxes(1, 2)], 1).reshape(-1, size)
    shown = np.stack([seen, seen.swapaxes(1, 2)], 1).reshape(-1, size)
    across = _crossings(lines, shown).reshape(count, 2, size, 2).swapaxes(2, 3)
    x, y = expected.mean(0, dtype=np.float64)
    along = np.arange(size) - np.array([y, x])[:, None, None]
    sides, found = _fit_sides(np.broadcast_to(along, across.shape), across)
    straight = _straight(expected[_ENDS], middle=(x, y))
    sides = np.where(found[..., None], sides, straight)
    # The sides that meet at each corner. They are nearly straight and nearly upright, so this converges.
    polynomials = np.moveaxis(sides, -1, 0)  # as `np.polyval` takes them
    upright, level = polynomials[:, :, 0, [0, 1, 1, 0]], polynomials[:, :, 1, [0, 0, 1, 1]]
    xs, ys = np.broadcast_to(expected.T.astype(np.float64)[:, None], (2, count, 4))
    for _ in range(6):
        xs, ys = np.polyval(upright, ys - y), np.polyval(level, xs - x)
    (left, right), (top, bottom) = found.transpose(1, 2, 0)
    return np.stack([xs, ys], -1).astype(np.float32), np.stack([top, right, bottom, left], -1)


def _crossings(lines: NDArray[np.float32], seen: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Where each line enters and leaves the page: (N, 2), NaN where the photo does not show it.

    Args:
        lines: (N, n) float32, > 0 on the page.
        seen: (N, n) bool, false where the photo shows nothing.
    """
    count, size = lines.shape
    inside = lines > 0
    first = inside.argmax(1)
    last = size - 1 - inside[:, ::-1].argmax(1)
    closed = inside.copy()
    closed[:, 1:-1] |= inside[:, :-2] & inside[:, 2:]
    on_page = inside.sum(1) >= size // 5
    # Where there is a gap, the longer run is the page's: a neighbouring page may show beyond it.
    for line in np.flatnonzero(on_page & (closed.sum(1) < last - first + 1)):
        cells = np.flatnonzero(inside[line])
        runs = np.split(cells, np.flatnonzero(np.diff(cells) > 2) + 1)
        run = max(runs, key=len)
        first[line], last[line] = run[0], run[-1]
    # seen_before[r, c]: how many of the first c cells of line r the photo shows.
    seen_before = np.pad(seen.cumsum(1), ((0, 0), (1, 0)))
    rows = np.arange(count)
    from_, to = np.maximum(first - 2, 0), np.minimum(last + 3, size)
    enters = on_page & (first > 0)
    enters &= seen_before[rows, first + 1] - seen_before[rows, from_] == first + 1 - from_
    leaves = on_page & (last < size - 1)
    leaves &= seen_before[rows, to] - seen_before[rows, last] == to - last
    crossings = np.full((count, 2), np.nan)
    for end, (crosses, cell, step) in enumerate(((enters, first, -1), (leaves, last, 1))):
        row, within = rows[crosses], cell[crosses]
        here, beyond = lines[row, within], lines[row, within + step]
        crossings[row, end] = within + step * (here / (here - beyond))
    return crossings


def _straight(ends: NDArray[np.float32], *, middle: tuple[float, float]) -> NDArray[np.float64]:
    """Sides from one end to the other as polynomials like those of `_fit_sides`: (2, 2, 3).

    Args:
        ends: (2, 2, 2, 2) float32: left and right, top and bottom side; its two ends; (x, y).
        middle: (x, y).
    """
    upright, level = ends.astype(np.float64)
    ends = np.stack([upright[..., ::-1], level])  # (along, across)
    along, across = ends[..., 0] - np.array(middle[::-1])[:, None, None], ends[..., 1]
    slope = (across[..., 1] - across[..., 0]) / np.maximum(along[..., 1] - along[..., 0], 1e-6)
    return np.stack([np.zeros_like(slope), slope, across[..., 0] - slope * along[..., 0]], -1)


def _fit_sides(
    along: NDArray[np.float64], across: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Sides as polynomials, across = p(along), by reweighted least squares.

    Args:
        along: (..., n), rising.
        across: (..., n), NaN where there is no point.

    Returns:
        (..., 3) the polynomials, the highest degree first; and (...) which are found: no side of too few
        points, or of too many that no one curve explains.
    """
    points = np.isfinite(across)
    count = points.sum(-1, keepdims=True)
    # The outline is round at the corners; what lies near them says little about the sides.
    rank = points.cumsum(-1) - 1
    used = points & (rank >= 0.06 * (count - 1)) & (rank <= 0.94 * (count - 1))
    scale = np.maximum(np.where(used, np.abs(along), 0).max(-1, keepdims=True), 1.0)
    design = np.stack([(along / scale) ** 2, along / scale, np.ones_like(along)], -1)
    values = np.where(used, across, 0)
    found = count[..., 0] >= 8
    # One of too few points, which is thrown away, may not be solvable unless its offset is held.
    held = np.where(found, 0.0, 1.0)[..., None, None] * np.diag([0.0, 0.0, 1.0])
    say = used.astype(np.float64)
    # First as good as straight, which what is no part of the side cannot bend; then as it is curled.
    for stiffness, spread in ((50.0, 1.5), (50.0, 1.5), (50.0, 1.5), (0.3, 1.2), *5 * [(0.3, 0.6)]):
        weighted = (design * say[..., None]).swapaxes(-1, -2)
        normal = weighted @ design + np.diag([stiffness, 0.02, 0.0]) + held
        fitted = np.linalg.solve(normal, weighted @ values[..., None])[..., 0]
        off = values - (design @ fitted[..., None])[..., 0]
        say = used / (1 + (off / spread) ** 2) ** 2
    found &= say.sum(-1) >= 0.25 * used.sum(-1)
    return fitted / np.concatenate([scale**2, scale, np.ones_like(scale)], -1), found


def _without_repeats(views: list[PageView]) -> list[PageView]:
    """Leaves out a view that lies where a surer one lies."""
    kept: list[PageView] = []
    for view in views:
        size = np.sqrt(max(cv2.contourArea(view.quad), 1.0))
        if all(min(_apart(view.quad, other.quad)) > 0.15 * size for other in kept):
            kept.append(view)
    return kept


def _apart(quad: Quad, other: Quad) -> list[float]:
    return [float(np.linalg.norm(np.roll(quad, turn, axis=0) - other, axis=1).mean()) for turn in range(4)]


def count_votes(logits: NDArray[np.float32], corners: NDArray[np.float32]) -> list[PageView]:
    """The pages that a grid of votes agrees on, most votes first.

    Args:
        logits: (h, w) float32, how likely each cell lies on a page.
        corners: (h, w, 4, 2) float32, where each cell believes its page's corners.

    Returns:
        Page views in the votes' units; score = share of the cells on pages that vote for it.
    """
    votes = corners[logits > 0]
    pages: list[PageView] = []
    total = len(votes)
    while len(votes) >= max(6, 0.04 * total):
        distance, order = _vote_distances(votes, votes[:: max(1, len(votes) // _REFERENCES)])
        agree = distance < 0.06
        mode = int(agree.sum(0).argmax())
        shifted = np.take_along_axis(
            votes[:, (np.arange(4)[:, None] + np.arange(4)) % 4], order[:, mode, None, None, None], 1
        )[:, 0]
        chosen = shifted[agree[:, mode]]
        if len(chosen) < max(6, 0.04 * total):
            break
        quad = np.median(chosen, axis=0).astype(np.float32)
        pages.append(PageView(_clockwise(quad), len(chosen) / total))
        votes = votes[distance[:, mode] >= 0.18]
    return sorted(pages, key=lambda view: -view.score)


def _vote_distances(
    votes: NDArray[np.float32], references: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Mean corner distance of N votes to M references at the best of four corner orders, and that order."""
    # (2, 4, 1, 1, N) and (2, 1, 4, M, 1): what is computed for all votes at once lies side by side.
    vote = np.ascontiguousarray(votes.transpose(2, 1, 0))[:, :, None, None]
    reference = references.transpose(2, 1, 0)[:, None, ..., None]
    x, y = vote - reference
    # (4, 4, M, N): from each corner of a vote to each corner of a reference.
    between = cv2.magnitude(x.reshape(-1, len(votes)), y.reshape(-1, len(votes))).reshape(x.shape)
    distance = np.stack([sum(between[(corner + k) % 4, corner] for corner in range(4)) / 4 for k in range(4)])
    return distance.min(0).T, distance.argmin(0).T


def _clockwise(quad: Quad) -> Quad:
    (x, y) = quad.T
    area = np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))
    return quad if area > 0 else np.ascontiguousarray(quad[::-1])
