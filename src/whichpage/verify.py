"""Photo and candidate page -> aligned or not, how sure, where in the photo.

Text repeats its letters, so matching local features and counting RANSAC inliers says little. Instead
the photo, rectified by the page finder, is laid over the candidate and brought to fit it, coarse to
fine: at each level blocks of the page look for themselves nearby, and a smooth warp is
fitted to where they were found: affine, then quadratic, then cubic, which follows curled paper, then a
membrane, which follows creases as far as neighbouring blocks agree on them. What counts in the end is
how well the blocks correlate where that one warp puts them.
"""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import astuple, dataclass, replace
from functools import cached_property, lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from whichpage.blocks import Blocks, best_near, leads, peaks
from whichpage.contrast import WINDOW, local_contrast
from whichpage.errors import LibraryError
from whichpage.photo import Photo, rectify
from whichpage.types import Grey, Quad, outline
from whichpage.warps import Membrane, Placement, Polynomial, Warp, basis

PAGE_SIZE = (480, 336)  # (H, W) in which pages are compared; landscape pages lie on their side of it
MARGIN = (64, 48)  # what is kept around the page for blocks to look into


# The least confidence that is answered as verified: of 130 simulated photos of no page in the library none
# is accepted at it (docs/results.md); no photo that measures us had a say.
ACCEPTED = 0.9


@dataclass(frozen=True, eq=False)
class Sheet:
    """A photo's page view, rectified and normalised, with margins.

    grey: (H, W) uint8 as rectified, at 1/1 of `PAGE_SIZE`; shown: (H, W) float32, 1 where the photo saw it.
    quarter: (H, W) float32, normalised, at 1/4; seen: (H, W) float32 at 1/4, 1 where the photo saw it.
    to_photo: (3, 3) from sheet pixels at 1/1 to the photo's working pixels.
    """

    grey: Grey
    shown: NDArray[np.float32]
    quarter: NDArray[np.float32]
    seen: NDArray[np.float32]
    to_photo: NDArray[np.float64]

    @cached_property
    def levels(self) -> tuple[NDArray[np.float32], ...]:
        """(H, W) float32 each, normalised, at 1/2 and at 1/1: few sheets are ever asked for them."""
        full = local_contrast(self.grey, window=WINDOW) * self.shown
        return _halved(full), full

    def prepare(self) -> None:
        """Makes `levels` ready."""
        _ = self.levels

    @property
    def page(self) -> tuple[Grey, NDArray[np.float32]]:
        """(H, W) each, `grey` and `shown` of the page alone, without its margins."""
        rows, columns = MARGIN if self.grey.shape[0] > self.grey.shape[1] else MARGIN[::-1]
        within = slice(rows, -rows), slice(columns, -columns)
        return self.grey[within], self.shown[within]


class Thumbnail:
    """A candidate page as the catalogue keeps it, normalised at 1/4, 1/2 and 1/1 of `PAGE_SIZE` when asked.

    encoded: the thumbnail's JPEG bytes.
    """

    def __init__(self, encoded: bytes) -> None:
        self._encoded = np.frombuffer(encoded, np.uint8)
        # Decoded at a quarter of its size, which is all that most candidates are ever asked for.
        self._small = self._decode(cv2.IMREAD_REDUCED_GRAYSCALE_4)
        # The page's own height and width, which tell its proportions to 1 %; `size` is what it is brought to.
        self.shape = self._small.shape[0], self._small.shape[1]
        self.landscape = bool(self._small.shape[1] > self._small.shape[0])
        self.size = PAGE_SIZE[::-1] if self.landscape else PAGE_SIZE
        self._blocks: dict[tuple[int, tuple[int, int]], tuple[Blocks, NDArray[np.float64]]] = {}

    def _decode(self, flags: int) -> Grey:
        image = cv2.imdecode(self._encoded, flags)
        if image is None:
            raise LibraryError("the library is damaged: a page's thumbnail cannot be decoded")
        return np.asarray(image, np.uint8)

    def prepare(self) -> None:
        """Makes `levels` ready."""
        _ = self.levels

    @cached_property
    def grey(self) -> Grey:
        """The page at 1/1 as it is printed, (H, W) uint8."""
        return _resize(self._decode(cv2.IMREAD_GRAYSCALE), self.size, method=cv2.INTER_AREA)

    @cached_property
    def levels(self) -> tuple[NDArray[np.float32], ...]:
        """The page at 1/2 and 1/1, (H, W) float32 each."""
        full = local_contrast(self.grey, window=WINDOW)
        return _halved(full), full

    @cached_property
    def quarter(self) -> NDArray[np.float32]:
        """The page at 1/4, (H, W) float32."""
        size = (self.size[0] // 4, self.size[1] // 4)
        return local_contrast(_resize(self._small, size, method=cv2.INTER_LINEAR), window=WINDOW // 4)

    def picture(self, scale: int) -> NDArray[np.float32]:
        """The page at 1/`scale`, which is 1, 2 or 4."""
        return self.quarter if scale == 4 else self.levels[scale == 1]

    def blocks(self, scale: int, grid: tuple[int, int]) -> tuple[Blocks, NDArray[np.float64]]:
        """The blocks of the page at 1/`scale`, and how much is printed in each, (N,), whatever the photo."""
        key = scale, grid
        if key not in self._blocks:
            blocks = Blocks(self.picture(scale).shape, grid)
            self._blocks[key] = blocks, blocks.print_strength(self.picture(scale))
        return self._blocks[key]


@dataclass(frozen=True, eq=False)
class Alignment:
    """How a page fits a photo.

    coarse: mean correlation of the coarse level, -1 to 1; for ranking candidates.
    correlation: mean normalised cross-correlation of the fine blocks under the fitted warp.
    agreeing: weighted share of the fine blocks that correlate by more than 0.35 there.
    textured: sum of the fine blocks' weights: how much print was there to compare, 0 to 70.
    lead: weighted mean of how much better the blocks that agree correlate there than elsewhere near, at half
        the size; see `blocks.leads`.
    covered: share of the photo's print, by block, that lies where the page has print.
    scatter: median distance between where blocks fit best and where the warp puts them, in pixels.
    placement: where the page lies.
    """

    coarse: float
    correlation: float
    agreeing: float
    textured: float
    lead: float
    covered: float
    scatter: float
    placement: Placement

    @property
    def quad(self) -> Quad:
        """(4, 2) float32, the page's corners in the photo's working pixels."""
        return self.placement.quad


def _resize(grey: Grey, size: tuple[int, int], *, method: int) -> Grey:
    return np.asarray(cv2.resize(grey, size[::-1], interpolation=method), np.uint8)


def sheet(photo: Photo, quad: Quad, *, landscape: bool) -> Sheet:
    """Prepares a page view of a photo; `landscape` says which of the two canvases it is compared on."""
    size, margin = (PAGE_SIZE[::-1], MARGIN[::-1]) if landscape else (PAGE_SIZE, MARGIN)
    grey, inside = rectify(photo, quad, size=size, margin=margin)
    seen = np.asarray(cv2.erode(inside.astype(np.float32), np.ones((9, 9))), np.float32)
    corners = outline(size) + np.array(margin[::-1], np.float32)
    to_photo = np.asarray(cv2.getPerspectiveTransform(corners, quad.astype(np.float32)), np.float64)
    quarter = (seen.shape[1] // 4, seen.shape[0] // 4)
    seen_small = np.asarray(cv2.resize(seen, quarter, interpolation=cv2.INTER_AREA), np.float32)
    small = _resize(grey, quarter[::-1], method=cv2.INTER_AREA)
    return Sheet(grey, seen, local_contrast(small, window=WINDOW // 4) * seen_small, seen_small, to_photo)


def _halved(full: NDArray[np.float32]) -> NDArray[np.float32]:
    size = (full.shape[1] // 2, full.shape[0] // 2)
    return np.asarray(cv2.resize(full, size, interpolation=cv2.INTER_AREA), np.float32)


@dataclass(frozen=True)
class _Level:
    """One level of the alignment.

    scale: how much smaller than `PAGE_SIZE` it works.
    grid: blocks, rows and columns, of an upright page.
    reach: how far blocks look for themselves, rows and columns, in the level's pixels.
    degree: of the polynomial that is fitted; 0 for the membrane.
    tells: whether the blocks' lead is taken here: they look further than to the next character.
    settles: whether the next level, of the same blocks, may do without comparing them again.
    """

    scale: int
    grid: tuple[int, int]
    reach: tuple[int, int]
    degree: int
    tells: bool = False
    settles: bool = False

    def lying(self) -> _Level:
        """The same for a landscape page."""
        return replace(self, grid=self.grid[::-1], reach=self.reach[::-1])


_COARSE = _Level(4, (3, 2), (16, 12), 1)
_FINER = (
    _Level(2, (6, 4), (12, 9), 2),
    _Level(2, (8, 5), (6, 6), 3, tells=True),
    _Level(1, (10, 7), (6, 6), 3, settles=True),
    _Level(1, (10, 7), (6, 6), 0),
)


# From this lead on blocks fit in one place alone; so much below it they fit as well elsewhere.
_CLEAR_LEAD, _LEAD_RANGE = 0.04, 0.04
# Blocks count as printed, and seen, from this weight on. If a fit that is clearly right moves none of them as
# far as `_SETTLED` pixels, they are not compared again. Chosen on 562 alignments of simulated photos of
# validation books, right and wrong: one in five, whose correlation stayed within 0.002.
_PRINTED, _SETTLED = 0.3, 1.5
# How often a page is aligned anew from where it was found; rounds of reweighting in which a polynomial and a
# membrane are fitted, and how stiff the membrane is.
_REALIGNED, _FIT_ROUNDS, _STRETCH_ROUNDS, _STIFFNESS = 2, 4, 3, 0.05
# From this correlation on a page is clearly right, and up to the other one clearly wrong.
_CLEARLY_RIGHT, _CLEARLY_WRONG = 0.7, 0.12
# A block agrees with the photo from this correlation on.
_AGREES = 0.35
# Within so many pixels of that level a block is still at the same place: less than half a character.
_SAME_PLACE = 2


def align_coarse(on: Sheet, page: Thumbnail) -> tuple[float, Warp]:
    """The first level: how well the page fits, and the affine warp that makes it fit best."""
    h, w = page.size
    margin = MARGIN if h >= w else MARGIN[::-1]
    level = _COARSE if h >= w else _COARSE.lying()
    blocks, strength = page.blocks(level.scale, level.grid)
    seen = blocks.shares(on.seen, scale=1, offset=(margin[0] // 4, margin[1] // 4))
    weights = strength * seen
    maps = blocks.correlate(on.quarter, page.quarter, level.reach)
    # Blocks may disagree by two pixels (scale, turn, curl) and still vote for the same shift.
    votes = sum(weight * cv2.dilate(m, np.ones((5, 5))) for weight, m in zip(weights, maps, strict=True))
    row, column = np.unravel_index(int(np.argmax(votes)), maps.shape[1:])
    shifts, heights = peaks(maps, around=(int(row), int(column)), radius=3)
    warp = Warp((h, w), margin)
    return _mean(heights, weights), warp.then(_fit(blocks, shifts, heights * weights, level, (h, w)))


def align(
    on: Sheet, page: Thumbnail, coarse: float, warp: Warp, *, threads: Executor | None = None
) -> Alignment:
    """The finer levels, from the coarse level's warp on; `threads` share the work of one alignment."""
    h, w = page.size
    lead = 0.0
    compared: _Compared | None = None
    for level in (level.lying() if h < w else level for level in _FINER):
        if compared is None:
            compared = _compare(on, page, level, warp, threads=threads)
        blocks, maps, weights = compared.blocks, compared.maps, compared.weights
        shifts, heights = peaks(maps)
        say = np.maximum(heights, 0) ** 2 * weights
        if level.degree:
            displacement: Polynomial | Membrane = _fit(blocks, shifts, say, level, (h, w))
        else:
            displacement = _stretch(shifts, say, level, (h, w))
        there = displacement(blocks.middles * level.scale - 0.5) / level.scale
        if level.tells:
            agree = weights * (best_near(maps, there) > _AGREES)
            lead = _mean(leads(maps, there, radius=_SAME_PLACE), agree)
        last = compared
        if not (level.settles and _is_settled(compared, there)):
            warp = warp.then(displacement)
            compared = None
    values = best_near(last.maps, there)
    total = float(last.weights.sum())
    off = np.linalg.norm(shifts - there, axis=1)[last.weights > _PRINTED]
    return Alignment(
        coarse=coarse,
        correlation=_mean(values, last.weights),
        agreeing=float((last.weights * (values > _AGREES)).sum() / max(total, 1e-6)),
        textured=total,
        lead=lead,
        covered=_covered(last),
        scatter=float(np.median(off)) if len(off) else 9.0,
        placement=Placement((h, w), warp, on.to_photo),
    )


@dataclass(frozen=True, eq=False)
class _Compared:
    """A page's blocks, compared with a photo as one warp puts it.

    moved: (H, W) float32, the sheet so put. seen: (N,) the share of each block that the photo saw.
    weights: (N,) how much is printed in each, as far as it was seen. maps: as of `Blocks.correlate`.
    """

    blocks: Blocks
    moved: NDArray[np.float32]
    seen: NDArray[np.float64]
    weights: NDArray[np.float64]
    maps: NDArray[np.float32]


def _compare(on: Sheet, page: Thumbnail, level: _Level, warp: Warp, *, threads: Executor | None) -> _Compared:
    rows, columns = level.reach
    dense, quarter = warp.dense(level.scale), warp.dense(4)
    moved = np.asarray(
        cv2.remap(on.levels[level.scale == 1], dense[..., 0], dense[..., 1], cv2.INTER_LINEAR), np.float32
    )
    visible = np.asarray(cv2.remap(on.seen, quarter[..., 0], quarter[..., 1], cv2.INTER_LINEAR), np.float32)
    blocks, strength = page.blocks(level.scale, level.grid)
    seen = blocks.shares(visible, scale=4 // level.scale)
    around = cv2.copyMakeBorder(moved, rows, rows, columns, columns, cv2.BORDER_CONSTANT)
    maps = blocks.correlate(
        np.asarray(around, np.float32), page.picture(level.scale), level.reach, threads=threads
    )
    return _Compared(blocks, moved, seen, strength * seen, maps)


def _is_settled(compared: _Compared, there: NDArray[np.float64]) -> bool:
    """Whether the same blocks, moved to where they were fitted, would measure the same once more.

    there: (N, 2) where, in pixels from where they are.
    """
    off = np.linalg.norm(there, axis=1)[compared.weights > _PRINTED]
    is_still = bool((off < _SETTLED).all())
    return is_still and _mean(best_near(compared.maps, there), compared.weights) >= _CLEARLY_RIGHT


def worth_another_look(alignment: Alignment) -> bool:
    """Whether an alignment is neither clearly right nor clearly wrong: the page view may have been off."""
    return _CLEARLY_WRONG < alignment.correlation < _CLEARLY_RIGHT and alignment.textured > 2


def realign(photo: Photo, page: Thumbnail, found: Alignment, *, threads: Executor | None = None) -> Alignment:
    """Aligns again from where the page was found, while it gets better, a few times; the best of all."""
    for _ in range(_REALIGNED):
        if not worth_another_look(found) or not cv2.isContourConvex(found.quad):
            break
        on = sheet(photo, found.quad, landscape=page.landscape)
        again = align(on, page, *align_coarse(on, page), threads=threads)
        if again.correlation <= found.correlation:
            break
        found = again
    return found


@dataclass(frozen=True)
class Calibration:
    """Logistic weights that turn an alignment into a probability; learned by `training.calibrate`."""

    bias: float
    correlation: float
    agreeing: float
    evidence: float
    tightness: float
    covered: float
    repeats: float


CALIBRATION = Calibration(
    bias=-8.154,
    correlation=0.801,
    agreeing=1.088,
    evidence=6.379,
    tightness=7.928,
    covered=1.768,
    repeats=-2.759,
)


def evidence(alignment: Alignment) -> float:
    """The correlation, as strong as the print that was compared makes it.

    The mean of n blocks' correlations scatters by chance as 1 / sqrt(n), so the same mean is stronger
    evidence where more print was compared.
    """
    return alignment.correlation * _amount(alignment)


def _amount(alignment: Alignment) -> float:
    return float(np.sqrt(min(alignment.textured, 40.0) / 40))


def measures(alignment: Alignment) -> NDArray[np.float64]:
    """(6,) float64, what confidence is computed from, in the order of `Calibration` without its bias."""
    amount = _amount(alignment)
    # The few blocks of a nearly empty page agree on a warp whatever the photo shows.
    tightness = amount / (1 + alignment.scatter)
    # Where blocks have no lead the page repeats itself, as vertical Japanese does in its grid: all that
    # agrees may be the grid.
    repeats = amount * np.clip((_CLEAR_LEAD - alignment.lead) / _LEAD_RANGE, 0, 1)
    looks = alignment.correlation, alignment.agreeing, evidence(alignment), tightness
    return np.array([*looks, alignment.covered, repeats])


@dataclass(frozen=True, slots=True)
class TextCalibration:
    """Logistic weights of an alignment's own logit and of log(1 + lines) that agree; learned likewise."""

    bias: float
    alignment: float
    lines: float


TEXT_CALIBRATION = TextCalibration(bias=-0.283, alignment=0.500, lines=2.339)


@dataclass(frozen=True, slots=True)
class FeatureCalibration:
    """Logistic weights of an alignment's own logit and of log(1 + features) that agree; learned likewise."""

    bias: float
    alignment: float
    features: float


FEATURE_CALIBRATION = FeatureCalibration(bias=-6.626, alignment=0.683, features=1.989)


@dataclass(frozen=True, slots=True)
class ResemblanceCalibration:
    """Logistic weights of the logit that all else gives, and of the resemblance; learned likewise.

    They hold for pages that are as much in doubt as those that finding asks the encoder of. To it even wrong
    pages resemble the photo where their codes have proposed them; `text` is how much more a resemblance is
    worth of a page that was found by its text.
    """

    bias: float
    otherwise: float
    resemblance: float
    text: float


RESEMBLANCE_CALIBRATION = ResemblanceCalibration(
    bias=-11.394, otherwise=0.491, resemblance=15.181, text=1.289
)
# The model id of the encoder that they were learned with; what the numbers of another one mean is not known.
RESEMBLANCE_ENCODER = "594aaee8fdead58b"


def confidence(
    alignment: Alignment,
    *,
    lines: int = 0,
    features: int = 0,
    resemblance: float | None = None,
    calibration: Calibration = CALIBRATION,
    text: TextCalibration = TEXT_CALIBRATION,
    local: FeatureCalibration = FEATURE_CALIBRATION,
    alike: ResemblanceCalibration = RESEMBLANCE_CALIBRATION,
) -> float:
    """The probability, 0 to 1, that the photo shows the page it was aligned with.

    Args:
        alignment: how the page fits.
        lines: how many lines of text the photo shares with the page, in the same places; 0 where none was
            read, which says nothing against the page.
        features: likewise how many local features; 0 where none were compared.
        resemblance: how much alike the shipped encoder finds the two where the page lies, -1 to 1, see
            `whichpage.resemblance`; None where it was not asked.
        calibration, text, local, alike: what confidence is computed from.
    """
    weights = astuple(calibration)
    logit = weights[0] + measures(alignment) @ weights[1:]
    if lines:
        logit = text.bias + text.alignment * logit + text.lines * np.log1p(lines)
    elif features:
        logit = local.bias + local.alignment * logit + local.features * np.log1p(features)
    if resemblance is not None:
        logit = alike.bias + alike.otherwise * logit + alike.resemblance * resemblance
        logit += alike.text * bool(lines)
    return float(1 / (1 + np.exp(-logit)))


def _covered(compared: _Compared) -> float:
    """How much of the print in the photo lies in blocks where the page has print as well.

    A page with next to nothing on it fits anywhere; that it does not explain the photo tells on it.
    """
    in_photo = compared.blocks.print_seen(compared.moved) * compared.seen
    return float(np.minimum(in_photo, compared.weights).sum() / max(float(in_photo.sum()), 1e-6))


def _fit(
    blocks: Blocks,
    shifts: NDArray[np.float64],
    weights: NDArray[np.float64],
    level: _Level,
    size: tuple[int, int],
) -> Polynomial:
    """The displacement that explains the blocks' shifts, by reweighted least squares.

    Blocks that stray from the fit lose their say (Geman-McClure weights); high powers are held back by
    a ridge, so that pages with little print are not bent at will.
    """
    design = basis(blocks.middles * level.scale, size=size, degree=level.degree)
    target = shifts * level.scale
    powers = np.array([i + j for i in range(level.degree + 1) for j in range(level.degree + 1 - i)])
    ridge = np.diag(np.array([1e-3, 0.05, 0.2, 0.4])[powers])
    say = np.maximum(weights, 1e-6)
    coefficients: NDArray[np.float64] = np.zeros((design.shape[1], 2))
    for _ in range(_FIT_ROUNDS):
        normal = design.T @ (design * say[:, None]) + ridge
        coefficients = np.asarray(np.linalg.solve(normal, design.T @ (target * say[:, None])))
        error = np.linalg.norm(target - design @ coefficients, axis=1)
        say = np.maximum(weights, 1e-6) / (1 + (error / (1.5 * level.scale)) ** 2) ** 2
    return Polynomial(level.degree, coefficients, size)


def _stretch(
    shifts: NDArray[np.float64],
    weights: NDArray[np.float64],
    level: _Level,
    size: tuple[int, int],
) -> Membrane:
    """The membrane that explains the blocks' shifts as far as neighbours do not contradict each other.

    Minimises sum w |d - shift|^2 + stiffness * sum over neighbours |d - d'|^2, again with blocks that
    stray losing their say. On a wrong page blocks match weakly and anywhere: the membrane stays flat.
    """
    rows, columns = level.grid
    tension = _STIFFNESS * _tension(rows, columns)
    target = shifts * level.scale
    say = weights
    nodes = np.zeros_like(target)
    for _ in range(_STRETCH_ROUNDS):
        nodes = np.asarray(np.linalg.solve(tension + np.diag(say + 1e-3), target * say[:, None]), np.float64)
        error = np.linalg.norm(target - nodes, axis=1)
        say = weights / (1 + (error / (2 * level.scale)) ** 2) ** 2
    return Membrane(nodes.reshape(rows, columns, 2), size)


@lru_cache(maxsize=4)
def _tension(rows: int, columns: int) -> NDArray[np.float64]:
    """(N, N) Laplacian L of a grid of N blocks: x' L x sums the squared differences of neighbours."""
    number = np.arange(rows * columns).reshape(rows, columns)
    first = np.concatenate([number[:, :-1].ravel(), number[:-1].ravel()])
    second = np.concatenate([number[:, 1:].ravel(), number[1:].ravel()])
    laplacian = np.zeros((rows * columns, rows * columns))
    for one, other, value in (
        (first, first, 1.0),
        (second, second, 1.0),
        (first, second, -1.0),
        (second, first, -1.0),
    ):
        np.add.at(laplacian, (one, other), value)
    return laplacian


def _mean(values: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    return float((values * weights).sum() / max(float(weights.sum()), 1e-6))
