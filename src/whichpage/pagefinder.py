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
        logits, corners, _ = self._run([self._small(photo)])
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

    def _run(self, images: list[Colour]) -> list[NDArray[np.float32]]:
        batch = np.stack(images).transpose(0, 3, 1, 2).astype(np.float32)
        return list(self._session.run(None, {"photo": batch}))

    def _look_again(self, photo: Photo, views: list[PageView]) -> list[PageView]:
        if not views:
            return []
        side = self._side
        inset = (
            np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32) * (1 - 2 * _AROUND) + _AROUND
        ) * side - 0.5
        to_half = np.diag([0.5, 0.5, 1]) @ np.array([[1, 0, -0.5], [0, 1, -0.5], [0, 0, 1]])
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        matrices: list[NDArray[np.float64]] = []
        looks: list[Colour] = []
        seen: list[NDArray[np.bool_]] = []
        for view in views:
            matrix = np.asarray(cv2.getPerspectiveTransform(inset, view.quad), np.float64)
            matrices.append(matrix)
            look = cv2.warpPerspective(photo.half, to_half @ matrix, (side, side), flags=flags)
            looks.append(np.asarray(look, np.uint8))
            ones = np.ones(photo.half.shape[:2], np.uint8)
            seen.append(
                cv2.warpPerspective(ones, to_half @ matrix, (side, side), flags=flags)[2::4, 2::4] > 0
            )
        outlines = self._run(looks)[2]
        refined = []
        for view, matrix, outline, visible in zip(views, matrices, outlines, seen, strict=True):
            fitted, sides = fit_outline(outline, visible, (inset / 4 - 0.375).astype(np.float32))
            moved = np.asarray(cv2.perspectiveTransform(fitted[None] * 4 + 1.5, matrix)[0], np.float32)
            sound = cv2.isContourConvex(moved) and np.abs(moved).max() < 4 * max(photo.pixels.shape)
            refined.append(PageView(moved, view.score, sides) if sound else view)
        return refined


def fit_outline(
    outline: NDArray[np.float32], seen: NDArray[np.bool_], expected: Quad
) -> tuple[Quad, tuple[bool, bool, bool, bool]]:
    """The corners of the page whose outline this is.

    Each side is a parabola through where the outline crosses 0 along rows or columns: paper curls.
    A side that the photo does not show stays where it was expected.

    Args:
        outline: (n, n) float32, > 0 where the page in the middle is.
        seen: (n, n) bool, false where the photo shows nothing.
        expected: (4, 2) the page's corners as believed so far, upright, in cells.

    Returns:
        (4, 2) float32 corners, top left, top right, bottom right, bottom left, in cells; and whether
        the top, right, bottom and left side were seen.
    """
    left, right = _crossings(outline, seen)
    top, bottom = _crossings(outline.T, seen.T)
    middle = expected.mean(0)
    sides: list[NDArray[np.float64]] = []
    found: list[bool] = []
    for points, ends, axis in ((left, (0, 3), 1), (top, (0, 1), 0), (right, (1, 2), 1), (bottom, (3, 2), 0)):
        side = _fit_side(points, middle=float(middle[axis]))
        found.append(side is not None)
        sides.append(_straight(expected[list(ends)], axis=axis, middle=middle) if side is None else side)
    corners = []
    for vertical, horizontal, start in ((0, 1, 0), (2, 1, 1), (2, 3, 2), (0, 3, 3)):
        x, y = expected[start]
        for _ in range(6):  # both sides are nearly straight and nearly upright, so this converges
            x, y = np.polyval(sides[vertical], y - middle[1]), np.polyval(sides[horizontal], x - middle[0])
        corners.append((x, y))
    return np.array(corners, np.float32), (found[1], found[2], found[3], found[0])


def _crossings(
    outline: NDArray[np.float32], seen: NDArray[np.bool_]
) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    """Where each row enters and leaves the page: lists of (row, column), as far as the photo shows it."""
    size = outline.shape[1]
    inside = outline > 0
    first = inside.argmax(1)
    last = size - 1 - inside[:, ::-1].argmax(1)
    closed = inside.copy()
    closed[:, 1:-1] |= inside[:, :-2] & inside[:, 2:]
    on_page = inside.sum(1) >= size // 5
    # Where there is a gap, the longer run is the page's: a neighbouring page may show beyond it.
    for row in np.flatnonzero(on_page & (closed.sum(1) < last - first + 1)):
        columns = np.flatnonzero(inside[row])
        runs = np.split(columns, np.flatnonzero(np.diff(columns) > 2) + 1)
        run = max(runs, key=len)
        first[row], last[row] = run[0], run[-1]
    # seen_before[r, c]: how many of the first c cells of row r the photo shows.
    seen_before = np.pad(seen.cumsum(1), ((0, 0), (1, 0)))
    rows = np.arange(len(outline))
    from_, to = np.maximum(first - 2, 0), np.minimum(last + 3, size)
    enters = on_page & (first > 0)
    enters &= seen_before[rows, first + 1] - seen_before[rows, from_] == first + 1 - from_
    leaves = on_page & (last < size - 1)
    leaves &= seen_before[rows, to] - seen_before[rows, last] == to - last
    return (
        [(float(row), _zero(outline[row], first[row], -1)) for row in rows[enters]],
        [(float(row), _zero(outline[row], last[row], 1)) for row in rows[leaves]],
    )


def _zero(line: NDArray[np.float32], inside: int, step: int) -> float:
    """Where between a cell inside and the one `step` further, outside, the line crosses 0."""
    return inside + step * float(line[inside] / (line[inside] - line[inside + step]))


def _straight(ends: NDArray[np.float32], *, axis: int, middle: NDArray[np.float32]) -> NDArray[np.float64]:
    """The side from one end to the other as a polynomial like `_fit_side`'s."""
    along, across = ends[:, axis].astype(float) - float(middle[axis]), ends[:, 1 - axis].astype(float)
    slope = (across[1] - across[0]) / max(along[1] - along[0], 1e-6)
    return np.array([0.0, slope, across[0] - slope * along[0]])


def _fit_side(points: list[tuple[float, float]], *, middle: float) -> NDArray[np.float64] | None:
    """Polynomial (3,) of a side: across = p(along - middle), by reweighted least squares.

    None where there are too few points, or too many that no one curve explains.
    """
    if len(points) < 8:
        return None
    along, across = np.array(points).T
    along = along - middle
    # The outline is round at the corners; what lies near them says little about the sides.
    low, high = np.quantile(along, [0.06, 0.94])
    along, across = along[(along >= low) & (along <= high)], across[(along >= low) & (along <= high)]
    scale = max(float(np.abs(along).max()), 1.0)
    design = np.stack([(along / scale) ** 2, along / scale, np.ones_like(along)], -1)
    fitted, say = np.zeros(3), np.ones_like(across)
    # First as good as straight, which what is no part of the side cannot bend; then as it is curled.
    for stiffness, spread in ((50.0, 1.5), (50.0, 1.5), (50.0, 1.5), (0.3, 1.2), *5 * [(0.3, 0.6)]):
        normal = design.T @ (design * say[:, None]) + np.diag([stiffness, 0.02, 0.0])
        fitted = np.linalg.solve(normal, design.T @ (across * say))
        say = 1 / (1 + ((across - design @ fitted) / spread) ** 2) ** 2
    if say.mean() < 0.25:
        return None
    return np.asarray(fitted / np.array([scale**2, scale, 1.0]))


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
    # (4, 2, 1, N) and (4, 2, M, 1): what is computed for all votes at once lies side by side.
    vote = np.ascontiguousarray(votes.transpose(1, 2, 0))[:, :, None]
    reference = references.transpose(1, 2, 0)[..., None]

    def between(corner: int, other: int) -> NDArray[np.float32]:
        x, y = vote[corner] - reference[other]
        return np.asarray(np.sqrt(x * x + y * y), np.float32)  # several times faster than `np.hypot`

    distance = np.stack([sum(between((corner + k) % 4, corner) for corner in range(4)) / 4 for k in range(4)])
    return distance.min(0).T, distance.argmin(0).T


def _clockwise(quad: Quad) -> Quad:
    (x, y) = quad.T
    area = np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))
    return quad if area > 0 else np.ascontiguousarray(quad[::-1])
