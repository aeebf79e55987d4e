"""Photo -> answer: the stages of finding, one after the other, and how far each of them looks.

Retrieval proposes, verification decides. The few candidates that retrieval puts first are verified
before the others, so that an easy photo is answered at once and only a hard one, or one of no page
in the library, pays for all of them.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from whichpage import hypotheses, verify
from whichpage import photo as photos
from whichpage.encoder import Encoder
from whichpage.index import Index
from whichpage.pagefinder import PageFinder
from whichpage.types import (
    VIEW_ROWS,
    Answer,
    Candidate,
    Colour,
    Grey,
    Match,
    Page,
    PageCodes,
    Quad,
    Status,
)

logger = logging.getLogger(__name__)

# Rectified so much larger than the encoder reads pages, its own scaling smooths them.
_LARGER = 1.25


class PageStore(Protocol):
    """What finding needs of the catalogue."""

    def pages(self, page_ids: Sequence[int]) -> list[Page]:
        """The pages of these ids, in their order."""
        ...

    def encoded_thumbnails(self, page_ids: Sequence[int]) -> list[bytes]:
        """The pages' thumbnails as stored (JPEG), in their order."""
        ...


@dataclass(frozen=True)
class FindOptions:
    """How far finding looks.

    candidates: pages retrieval proposes for a page view.
    first: how many of them are looked at before a sure match may end the search.
    finely: how many of those looked at are aligned finely, and again of all of them.
    again: how many of those are aligned once more from where they were found, if it is not clear yet.
    sure: confidence that ends the search.
    sliver: share of a page that must be in the photo for it to be sought besides one that was found.
    """

    candidates: int = 100
    first: int = 12
    finely: int = 5
    again: int = 2
    sure: float = 0.95
    sliver: float = 0.5


@dataclass
class Stopwatch:
    """Seconds a stage, as they add up."""

    seconds: dict[str, float] = field(default_factory=dict)
    _last: float = field(default_factory=time.perf_counter)

    def lap(self, stage: str) -> None:
        now = time.perf_counter()
        self.seconds[stage] = self.seconds.get(stage, 0.0) + now - self._last
        self._last = now


@dataclass(frozen=True, eq=False)
class Aligned:
    """A candidate page laid over one view of the photo."""

    page_id: int
    view: int
    alignment: verify.Alignment
    confidence: float


@dataclass(frozen=True, eq=False)
class _Coarse:
    """A candidate page after the first level of alignment."""

    page_id: int
    score: float
    warp: verify.Warp
    page: verify.Thumbnail
    sheet: verify.Sheet


def _align_finely(coarse: _Coarse) -> verify.Alignment:
    return verify.align(coarse.sheet, coarse.page, coarse.score, coarse.warp)


class Finder:
    """Answers photos from one library: holds the models and the index, keeps nothing of the photos."""

    def __init__(
        self, encoder: Encoder, page_finder: PageFinder, index: Index, store: PageStore, options: FindOptions
    ) -> None:
        self.encoder = encoder
        self.page_finder = page_finder
        self.index = index
        self.store = store
        self._options = options
        # OpenCV and NumPy let go of the interpreter while they compute, so threads use all cores.
        self._threads = ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="whichpage")

    def find(self, source: Path | str | bytes | Grey | Colour, *, name: str, top: int) -> Answer:
        """The pages that a photo shows.

        Args:
            source: a file, the bytes of one, or (H, W) or (H, W, 3) uint8 pixels.
            name: what the answer calls the photo.
            top: how many matches to answer at most; verified ones are never cut off.

        Raises:
            PhotoError: the photo cannot be read.
        """
        started, watch = time.perf_counter(), Stopwatch()
        photo = photos.decode(source)
        watch.lap("decode")
        aligned = self.align(photo, watch)
        matches = self._matches(photo, aligned, top=top)
        watch.lap("verify")
        status: Status = "found" if any(match.verified for match in matches) else "not_found"
        seconds = time.perf_counter() - started
        return Answer(
            name,
            status,
            seconds,
            tuple(matches),
            timings=watch.seconds,
            width=photo.width,
            height=photo.height,
        )

    def align(self, photo: photos.Photo, watch: Stopwatch | None = None) -> list[Aligned]:
        """All pages that were laid over the photo's page views, however badly they fit."""
        watch = watch or Stopwatch()
        views = self.page_finder.find(photo)
        watch.lap("finder")
        aligned: list[Aligned] = []

        def lay(quads: list[Quad], view: int) -> None:
            aligned.extend(self._match(photo, quads, watch, view=view))

        def none_accepted() -> bool:
            return not any(one.confidence >= verify.ACCEPTED for one in aligned)

        for number, view in enumerate(views):
            # A sliver of the next page is worth a look only if there is no answer yet.
            if not number or none_accepted() or hypotheses.visible_share(view, photo) > self._options.sliver:
                lay(hypotheses.near(view), number)
        if views and none_accepted():
            for number, quads in enumerate(hypotheses.halves(views[0])):
                lay(quads, len(views) + number)
        cut = next((number for number, view in enumerate(views) if not all(view.seen)), None)
        if cut is not None and none_accepted():
            lay(hypotheses.far(views[cut], photo), cut)
        if none_accepted():
            # A scan, or a photo so near that no edge is seen: the frame itself may be the page.
            lay(hypotheses.frame(photo), len(views) + 2)
        return aligned

    def _match(self, photo: photos.Photo, quads: list[Quad], watch: Stopwatch, *, view: int) -> list[Aligned]:
        """Retrieves with all these places of one page, and lays what retrieval proposes over the photo."""
        codes, weights = self._encode(photo, quads)
        watch.lap("encode")
        # The more places are tried, the more pages come near one of them by chance.
        most = self._options.candidates * (1 if len(quads) <= 36 else 2)
        candidates = self.index.search(codes, weights=weights, top=most)
        watch.lap("search")
        aligned = self._verify(photo, quads, candidates, view=view)
        watch.lap("verify")
        return aligned

    def _encode(self, photo: photos.Photo, quads: list[Quad]) -> tuple[PageCodes, NDArray[np.float32]]:
        images, weights = [], []
        height, width = self.encoder.size
        size = (round(height * _LARGER), round(width * _LARGER))
        for quad in quads:
            grey, seen = photos.rectify(photo, quad, size=size)
            images.append(grey)
            weights.append(_view_weights(seen, self.encoder.views))
        return self.encoder.encode(images), np.array(weights, np.float32)

    def _verify(
        self, photo: photos.Photo, quads: list[Quad], candidates: list[Candidate], *, view: int
    ) -> list[Aligned]:
        """Aligns candidates with the photo, all of them coarsely and the best of those finely."""
        sheets: dict[tuple[int, bool], verify.Sheet] = {}
        waiting: list[_Coarse] = []
        aligned: list[Aligned] = []
        first = self._options.first
        for chunk in (candidates[:first], candidates[first:]):
            waiting += self._align_coarsely(photo, quads, chunk, sheets)
            waiting.sort(key=lambda coarse: -coarse.score)
            finely, waiting = waiting[: self._options.finely], waiting[self._options.finely :]
            fits = self._threads.map(_align_finely, finely)
            fresh = list(zip(fits, finely, strict=True))
            fresh.sort(key=lambda pair: -pair[0].correlation)
            for place, (alignment, one) in enumerate(fresh):
                if place < self._options.again and verify.worth_another_look(alignment):
                    alignment = verify.realign(photo, one.page, alignment)
                aligned.append(Aligned(one.page_id, view, alignment, verify.confidence(alignment)))
            if any(one.confidence >= self._options.sure for one in aligned):
                break
        return aligned

    def _align_coarsely(
        self,
        photo: photos.Photo,
        quads: list[Quad],
        candidates: list[Candidate],
        sheets: dict[tuple[int, bool], verify.Sheet],
    ) -> list[_Coarse]:
        thumbnails = self.store.encoded_thumbnails([candidate.page_id for candidate in candidates])
        pages = list(self._threads.map(verify.Thumbnail, thumbnails))
        for candidate, page in zip(candidates, pages, strict=True):
            key = (candidate.view, page.landscape)
            if key not in sheets:
                sheets[key] = verify.sheet(photo, quads[candidate.view], landscape=page.landscape)

        def align(candidate: Candidate, page: verify.Thumbnail) -> _Coarse:
            on = sheets[candidate.view, page.landscape]
            score, warp = verify.align_coarse(on, page)
            return _Coarse(candidate.page_id, score, warp, page, on)

        return list(self._threads.map(align, candidates, pages))

    def _matches(self, photo: photos.Photo, aligned: list[Aligned], *, top: int) -> list[Match]:
        best: dict[int, Aligned] = {}
        for one in aligned:
            if one.page_id not in best or one.alignment.correlation > best[one.page_id].alignment.correlation:
                best[one.page_id] = one
        # Where one page fits a view far better than another, the other one only resembles it.
        fits = {
            view: max(one.alignment.correlation for one in aligned if one.view == view)
            for view in {one.view for one in aligned}
        }
        ranked = sorted(best.values(), key=lambda one: (-one.confidence, -one.alignment.correlation))
        pages = dict(
            zip(
                [one.page_id for one in ranked],
                self.store.pages([one.page_id for one in ranked]),
                strict=True,
            )
        )
        matches = []
        for one in ranked:
            page = pages[one.page_id]
            verified = one.confidence >= verify.ACCEPTED and one.alignment.correlation > 0.85 * fits[one.view]
            quad = ((one.alignment.quad + 0.5) * photo.scale - 0.5).astype(np.float32)
            matches.append(Match(page.source, page.number, verified, one.confidence, quad))
        matches.sort(key=lambda match: (not match.verified, -match.confidence))
        return matches[: max(top, sum(match.verified for match in matches))]


def _view_weights(seen: NDArray[np.bool_], views: Sequence[str]) -> list[float]:
    """How much each view's code counts: parts of the page that the photo shows only in part count less."""
    rows = seen.shape[0]
    shares = {
        view: float(seen[rows * VIEW_ROWS[view][0] // 10 : rows * VIEW_ROWS[view][1] // 10].mean())
        for view in views
    }
    return [max(shares[view], 0.02) ** 2 for view in views]
