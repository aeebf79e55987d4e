"""Photo -> answer: the stages of finding, one after the other, and how far each of them looks.

Retrieval proposes, verification decides. A candidate that is far ahead of all others is verified alone, the
few that retrieval puts first before the rest, so that an easy photo is answered at once and only a hard
one, or one of no page in the library, pays for all of them.
"""

from __future__ import annotations

import copy
import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from whichpage import hypotheses, textmatch, verify
from whichpage import photo as photos
from whichpage.encoder import Encoder
from whichpage.featuresearch import FeatureSearch, Proposal
from whichpage.index import Index
from whichpage.pagefinder import PageFinder
from whichpage.printed import PrintedLine
from whichpage.types import (
    VIEW_ROWS,
    Answer,
    Candidate,
    Colour,
    Grey,
    Match,
    Page,
    PageCodes,
    PageView,
    Quad,
    Status,
)
from whichpage.witness import Reads, TextWitness

logger = logging.getLogger(__name__)

# An alignment that is less sure than this has not found the page's place better than its text did.
_TRUSTED = 0.5
# A close-up of a few lines shows a tenth of a page's height; corners that lie further away are no page's.
_FARTHEST = 10
# Rectified so much larger than the encoder reads pages, its own scaling smooths them.
_LARGER = 1.25


class PageStore(textmatch.TextStore, Protocol):
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

    ahead: pages whose codes are nearer than all others by this are looked at by themselves, if they are no
        more than `pair`: one, or two that look alike. Up to `glance` of them must first be told apart by how
        they fit.
    upright: so much nearer they must be, the page taken upright, for other turns not to be tried at once.
    candidates: pages retrieval proposes for a page view.
    first: how many of them are looked at before a match may end the search.
    glance: how many are looked at where the page most likely lies, before other places are tried.
    lead: pages whose codes are further off than the nearest by less than this are rivals.
    alike: so are pages that at the first level of alignment fit so well, compared with the best.
    few: rivals that are no more than this are aligned finely before the others.
    certain: confidence that ends the search when no others were.
    finely: how many of those looked at are aligned finely otherwise, and again of all of them.
    again: how many of those are aligned once more from where they were found, if it is not clear yet.
    sure: confidence that ends the search.
    accepted: confidence from which a match is answered as verified, and further places are not tried.
    doubtless: confidence from which looks need no other witness; pages that are less sure are asked for text.
    doubted: confidence, at most, of a page that has other text than the photo.
    read: how many pages that hold the text of a photo are laid over it.
    sliver: share of a page that must be in the photo for it to be sought besides one that was found.
    """

    # Chosen on 500 simulated photos of validation books. Of 246 on which one or two pages were so far ahead,
    # 230 had the true page there; of 257 whose true page was found upright, 248 were taken to be upright.
    ahead: float = 0.08
    upright: float = 0.05
    pair: int = 2
    candidates: int = 100
    first: int = 12
    # From here to `certain`: chosen on simulated photos of validation books. On none of them was a wrong page
    # certain among the rivals while the true one, not looked at, fitted better.
    glance: int = 6
    lead: float = 0.04
    alike: float = 0.8
    few: int = 4
    certain: float = 0.98
    finely: int = 5
    again: int = 2
    sure: float = 0.95
    accepted: float = verify.ACCEPTED
    # Of 120 simulated photos of sheets, of whose form the library had another one only, 16 were accepted by
    # looks, 2 of them with more than this. The text spoke against 7 wrong sheets of 0.8 and more, and against
    # none of 382 right pages.
    doubtless: float = 0.998
    doubted: float = 0.1
    read: int = 6
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
    """A candidate page laid over one view of the photo.

    lines: how many lines of text that were read off the photo agree; 0 where none was read.
    features: how many local features agree; 0 where none were compared.
    """

    page_id: int
    view: int
    alignment: verify.Alignment
    confidence: float
    lines: int = 0
    features: int = 0


@dataclass(frozen=True, eq=False)
class _Search:
    """One photo that is looked for, with what all stages need of it."""

    photo: photos.Photo
    watch: Stopwatch
    text: TextWitness


# What a page view is looked at with: gives the pages found there, none unless they are certain.
_Glance = Callable[["_Search", PageView, int], list["Aligned"]]


@dataclass(frozen=True, eq=False)
class _Coarse:
    """A candidate page after the first level of alignment, with those that look exactly the same.

    candidates: one page, and its copies in other books; nearest first.
    """

    candidates: tuple[Candidate, ...]
    score: float
    warp: verify.Warp
    page: verify.Thumbnail
    sheet: verify.Sheet

    @property
    def distance(self) -> float:
        """That of the nearest one's code."""
        return self.candidates[0].distance


class Finder:
    """Answers photos from one library: holds the models and the index, keeps nothing of the photos."""

    def __init__(
        self,
        encoder: Encoder,
        page_finder: PageFinder,
        index: Index,
        store: PageStore,
        options: FindOptions,
        *,
        reader: Reads | None = None,
        features: FeatureSearch | None = None,
    ) -> None:
        """
        reader: of text; None to go by the looks of pages alone.
        features: finds by local features; None where the library has none.
        """
        self.encoder = encoder
        self.reader = reader
        self.features = features
        self.page_finder = page_finder
        self.index = index
        self.store = store
        self._options = options
        # OpenCV and NumPy let go of the interpreter while they compute, so threads use all cores.
        self._threads = ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="whichpage")
        _keep_memory()

    def variant(
        self, *, index: Index | None = None, options: FindOptions | None = None, reads: bool = True
    ) -> Finder:
        """The same finder over another index, with other options, or going by looks alone."""
        twin = copy.copy(self)
        twin.index = self.index if index is None else index
        twin._options = options or self._options
        twin.reader = self.reader if reads else None
        return twin

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
        search = self._search(photo, watch)
        views = self.page_finder.find(photo, looks=0)
        watch.lap("finder")
        for glance in (self._foremost, self._among_rivals):
            if foremost := self._at_a_glance(search, views, glance):
                return foremost
            views = self.page_finder.look_again(photo, views)
            watch.lap("finder")
        aligned: list[Aligned] = []
        # What a first look at a page view leaves to be looked at.
        later: list[Iterator[list[Aligned]]] = []
        for number, view in enumerate(views):
            # A sliver of the next page is worth a look only if there is no answer yet.
            if self._lacks(aligned) or self._is_worth_a_look(view, number, photo):
                found = self._by_features(search, view, number=number)
                aligned.extend(found)
                if self._lacks(found):
                    looks = self._match(search, hypotheses.near(view), view=number)
                    aligned.extend(next(looks))
                    later.append(looks)
        if self._lacks(aligned):
            # A photo so near that no edge is seen, or one of which the page finder makes nothing.
            aligned.extend(self._by_features(search, hypotheses.unseen(photo), number=len(views) + 4))
        if self._lacks(aligned):
            aligned.extend(self._by_text(search, view=len(views) + 3))
        if self.features is None or not self.features.complete:
            self._try_all(search, views, later, aligned)
        return aligned

    def _try_all(
        self,
        search: _Search,
        views: Sequence[PageView],
        later: Sequence[Iterator[list[Aligned]]],
        aligned: list[Aligned],
    ) -> None:
        """Adds to `aligned` what is found in all the places where a page may be, until one is accepted.

        Where all pages have local features, these find in less time whatever is found so.
        """

        def lay(quads: list[Quad], view: int) -> None:
            aligned.extend(chain.from_iterable(self._match(search, quads, view=view)))

        if not _reaches(self._options.sure, aligned):
            aligned.extend(chain.from_iterable(chain.from_iterable(later)))
        if views and self._lacks(aligned):
            for number, quads in enumerate(hypotheses.halves(views[0])):
                lay(quads, len(views) + number)
        cut = next((number for number, view in enumerate(views) if not all(view.seen)), None)
        if cut is not None and self._lacks(aligned):
            lay(hypotheses.far(views[cut], search.photo), cut)
        if self._lacks(aligned):
            # A scan, or a photo so near that no edge is seen: the frame itself may be the page.
            lay(hypotheses.frame(search.photo), len(views) + 2)

    def _lacks(self, aligned: Sequence[Aligned]) -> bool:
        """Whether there is no answer among these."""
        return not _reaches(self._options.accepted, aligned)

    def _search(self, photo: photos.Photo, watch: Stopwatch) -> _Search:
        return _Search(photo, watch, TextWitness(photo, self.reader, self.store, watch.lap))

    def _is_worth_a_look(self, view: PageView, number: int, photo: photos.Photo) -> bool:
        return not number or hypotheses.visible_share(view, photo) > self._options.sliver

    def _at_a_glance(self, search: _Search, views: Sequence[PageView], glance: _Glance) -> list[Aligned]:
        """The pages that the photo shows, each where it most likely lies; nothing unless all are found so.

        Most photos show whole pages the right way up: they need no more than this.
        """
        aligned: list[Aligned] = []
        for number, view in enumerate(views):
            if self._is_worth_a_look(view, number, search.photo):
                found = glance(search, view, number)
                if not found:
                    return []
                aligned += found
        return aligned

    def _foremost(self, search: _Search, view: PageView, number: int) -> list[Aligned]:
        """The page or two that are far ahead of all others, if one of them fits beyond doubt.

        By their codes; or by how they fit at the first level of alignment, where few have codes as near.
        """
        places = hypotheses.near(view)[:1]
        foremost = _nearest(self._retrieve(search, places), by=self._options.ahead)
        if len(foremost) > self._options.glance:
            return []
        coarse = self._align_coarsely(search.photo, places, foremost, {})
        if len(foremost) > self._options.pair:
            coarse, _ = self._rivals(coarse)
            if len(coarse) > self._options.pair:
                return []
        found = self._fit_finely(search, coarse, view=number)
        # Text is asked for only then: reading takes ten times as long as a glance.
        return self._questioned(search, found) if _reaches(self._options.doubtless, found) else []

    def _among_rivals(self, search: _Search, view: PageView, number: int) -> list[Aligned]:
        """The first candidates, if one fits for certain and all that might fit as well were compared."""
        places = hypotheses.near(view)[:4]
        candidates = self._retrieve(search, places[:1])
        if len(_nearest(candidates, by=self._options.upright)) > self._options.pair:
            candidates = self._retrieve(search, places)
        coarse = self._align_coarsely(search.photo, places, candidates[: self._options.glance], {})
        rivals, _ = self._rivals(coarse)
        found = self._align_finely(search, rivals, view=number)
        return found if _reaches(self._options.certain, found) else []

    def align_by_features(self, photo: photos.Photo) -> list[Aligned]:
        """The pages that local features alone lay over the photo's page views."""
        search = self._search(photo, Stopwatch())
        views = self.page_finder.find(photo) or [hypotheses.unseen(photo)]
        each = (self._by_features(search, view, number=number) for number, view in enumerate(views))
        return list(chain.from_iterable(each))

    def propose(self, photo: photos.Photo) -> list[list[int]]:
        """The page ids that retrieval proposes, best first, before anything is verified.

        A list for each page view by looks, one by local features, and one by text, which is read for every
        photo here.
        """
        proposed = []
        search = self._search(photo, Stopwatch())
        for view in self.page_finder.find(photo):
            found = self._retrieve(search, hypotheses.near(view))
            proposed.append([candidate.page_id for candidate in found])
            if self.features is not None:
                local = self.features.propose(photo, view, among=self.index, threads=self._threads)
                proposed.append([proposal.page_id for proposal in local])
        return [*proposed, search.text.pages(among=self.index, top=self._options.read)]

    def _match(self, search: _Search, quads: list[Quad], *, view: int) -> Iterator[list[Aligned]]:
        """Retrieves with all these places of one page, and lays what retrieval proposes over the photo.

        Yields twice, unless the first few candidates are enough: those, then what the others add.
        """
        candidates = self._retrieve(search, quads)
        yield from self._verify(search, quads, candidates, view=view)

    def _retrieve(self, search: _Search, quads: list[Quad]) -> list[Candidate]:
        """The pages whose codes are nearest to those of any of these places."""
        codes, weights = self._encode(search.photo, quads)
        search.watch.lap("encode")
        # The more places are tried, the more pages come near one of them by chance.
        most = self._options.candidates * (1 if len(quads) <= 36 else 2)
        candidates = self.index.search(codes, weights=weights, top=most)
        search.watch.lap("search")
        return candidates

    def _by_features(self, search: _Search, view: PageView, *, number: int) -> list[Aligned]:
        """Lays pages over the photo that have many of its local features, each where those are."""
        if self.features is None:
            return []
        photo = search.photo
        found = self.features.propose(photo, view, among=self.index, threads=self._threads)
        encoded = self.store.encoded_thumbnails([one.page_id for one in found])

        def lay(one: Proposal, thumbnail: bytes) -> Aligned | None:
            alignment = self._laid(photo, verify.Thumbnail(thumbnail), one.quad)
            if alignment is None:
                return None
            sure = verify.confidence(alignment, features=one.agree)
            return Aligned(one.page_id, number, alignment, sure, features=one.agree)

        aligned = [one for one in self._threads.map(lay, found, encoded) if one]
        search.watch.lap("features")
        return self._questioned(search, aligned)

    def _laid(self, photo: photos.Photo, page: verify.Thumbnail, quad: Quad) -> verify.Alignment | None:
        """The page aligned from where it was found by what is printed on it; None if that is no place."""
        if np.abs(quad).max() > _FARTHEST * max(photo.pixels.shape):
            return None
        on = verify.sheet(photo, quad, landscape=page.landscape)
        alignment = verify.align(on, page, *verify.align_coarse(on, page))
        alignment = verify.realign(photo, page, alignment)
        trusted = verify.confidence(alignment) >= _TRUSTED
        return alignment if trusted else replace(alignment, quad=quad)

    def _by_text(self, search: _Search, *, view: int) -> list[Aligned]:
        """Lays pages over the photo that hold the text in it, each where its lines are."""
        photo, lines = search.photo, search.text.lines
        found = search.text.pages(among=self.index, top=self._options.read)
        texts = self.store.printed_lines(found)
        pages = [verify.Thumbnail(encoded) for encoded in self.store.encoded_thumbnails(found)]

        def lay(one: tuple[int, verify.Thumbnail, Sequence[PrintedLine]]) -> Aligned | None:
            page_id, page, printed = one
            placed = textmatch.place(lines, printed, size=page.size)
            alignment = None if placed is None else self._laid(photo, page, placed.quad)
            if placed is None or alignment is None:
                return None
            sure = verify.confidence(alignment, lines=placed.groups)
            return Aligned(page_id, view, alignment, sure, placed.groups)

        aligned = [one for one in self._threads.map(lay, zip(found, pages, texts, strict=True)) if one]
        search.watch.lap("verify")
        return self._questioned(search, aligned)

    def _questioned(self, search: _Search, aligned: Sequence[Aligned]) -> list[Aligned]:
        """The same, but pages are not accepted whose text is not the photo's.

        Two sheets of one form look alike but for the words: by looks, one is taken for the other where the
        library has no better.
        """
        options = self._options

        def is_doubted(one: Aligned) -> bool:
            doubtful = one.lines > 0 or verify.confidence(one.alignment) < options.doubtless
            return (
                doubtful
                and one.confidence >= options.accepted
                and search.text.contradicts(one.page_id, one.alignment.quad)
            )

        return [
            replace(one, confidence=min(one.confidence, options.doubted)) if is_doubted(one) else one
            for one in aligned
        ]

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
        self, search: _Search, quads: list[Quad], candidates: list[Candidate], *, view: int
    ) -> Iterator[list[Aligned]]:
        """Aligns candidates with the photo, all of them coarsely and the best of those finely."""
        sheets: dict[tuple[int, bool], verify.Sheet] = {}
        first, finely = self._options.first, self._options.finely
        photo = search.photo
        rivals, waiting = self._rivals(self._align_coarsely(photo, quads, candidates[:first], sheets))
        aligned = self._align_finely(search, rivals, view=view)
        if _reaches(self._options.certain, aligned):
            yield aligned
            return
        more = max(finely - len(rivals), 0)
        aligned += self._align_finely(search, waiting[:more], view=view)
        yield aligned
        if _reaches(self._options.sure, aligned):
            return
        waiting = waiting[more:] + self._align_coarsely(photo, quads, candidates[first:], sheets)
        waiting.sort(key=lambda coarse: -coarse.score)
        yield self._align_finely(search, waiting[:finely], view=view)

    def _rivals(self, looked_at: list[_Coarse]) -> tuple[list[_Coarse], list[_Coarse]]:
        """The candidates among which the answer is to be found, if they are few, and the others; best first.

        Pages that look alike, as those made from one template do, have codes that are alike, but which of
        them comes first is chance: they must be compared on the photo.
        """
        looked_at = sorted(looked_at, key=lambda one: -one.score)
        nearest = min((one.distance for one in looked_at), default=0.0)

        def is_rival(one: _Coarse) -> bool:
            near = one.distance < nearest + self._options.lead
            return near or one.score >= self._options.alike * looked_at[0].score

        rivals = [one for one in looked_at if is_rival(one)]
        if len(rivals) > self._options.few:
            return [], looked_at
        return rivals, [one for one in looked_at if not is_rival(one)]

    def _align_coarsely(
        self,
        photo: photos.Photo,
        quads: list[Quad],
        candidates: list[Candidate],
        sheets: dict[tuple[int, bool], verify.Sheet],
    ) -> list[_Coarse]:
        """How each candidate fits where its code was found; pages that look exactly the same are one."""
        thumbnails = self.store.encoded_thumbnails([candidate.page_id for candidate in candidates])
        copies: dict[tuple[bytes, int], list[Candidate]] = {}
        for candidate, encoded in zip(candidates, thumbnails, strict=True):
            copies.setdefault((encoded, candidate.view), []).append(candidate)
        pages = list(self._threads.map(verify.Thumbnail, [encoded for encoded, _ in copies]))
        # One page alone is aligned finely next, for which a thread makes it ready meanwhile.
        ready = self._threads.submit(pages[0].prepare) if len(pages) == 1 else None
        # Not on the threads: the steps are so short that handing them over takes longer.
        coarse = []
        for (_, view), page, same in zip(copies, pages, copies.values(), strict=True):
            key = (view, page.landscape)
            if key not in sheets:
                sheets[key] = verify.sheet(photo, quads[view], landscape=page.landscape)
            score, warp = verify.align_coarse(sheets[key], page)
            coarse.append(_Coarse(tuple(same), score, warp, page, sheets[key]))
        if ready:
            ready.result()
        return coarse

    def _align_finely(self, search: _Search, coarse: Sequence[_Coarse], *, view: int) -> list[Aligned]:
        """Aligns candidates finely and asks those that are in doubt for their text."""
        return self._questioned(search, self._fit_finely(search, coarse, view=view))

    def _fit_finely(self, search: _Search, coarse: Sequence[_Coarse], *, view: int) -> list[Aligned]:
        """Aligns candidates finely, the best once more where it is not clear yet."""
        # One candidate has all threads; of several each has one.
        threads = self._threads if len(coarse) == 1 else None

        def align(one: _Coarse) -> verify.Alignment:
            return verify.align(one.sheet, one.page, one.score, one.warp, threads=threads)

        fits = map(align, coarse) if threads else self._threads.map(align, coarse)
        fresh = sorted(zip(fits, coarse, strict=True), key=lambda pair: -pair[0].correlation)
        aligned: list[Aligned] = []
        for place, (alignment, one) in enumerate(fresh):
            # One page alone that fits beyond doubt need not fit better than another.
            is_clear = len(coarse) == 1 and verify.confidence(alignment) >= self._options.doubtless
            if place < self._options.again and not is_clear:
                alignment = verify.realign(search.photo, one.page, alignment)
            sure = verify.confidence(alignment)
            aligned += [Aligned(candidate.page_id, view, alignment, sure) for candidate in one.candidates]
        search.watch.lap("verify")
        return aligned

    def _matches(self, photo: photos.Photo, aligned: list[Aligned], *, top: int) -> list[Match]:
        best: dict[int, Aligned] = {}
        for one in aligned:
            if one.page_id not in best or one.confidence > best[one.page_id].confidence:
                best[one.page_id] = one
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
            verified = one.confidence >= self._options.accepted and not _only_resembles(one, aligned)
            quad = ((one.alignment.quad + 0.5) * photo.scale - 0.5).astype(np.float32)
            matches.append(Match(page.source, page.number, verified, one.confidence, quad))
        matches.sort(key=lambda match: (not match.verified, -match.confidence))
        return matches[: max(top, sum(match.verified for match in matches))]


def _keep_memory() -> None:
    """Has the C library keep freed memory for the next photo.

    Fresh memory, which the kernel must clear first, took more time than decoding a photo. glibc keeps twice
    the largest block that it has seen freed, up to 32 MiB of it (mallopt(3), M_MMAP_THRESHOLD): here it is.
    """
    np.empty(31 << 20, np.uint8)


def _nearest(candidates: Sequence[Candidate], *, by: float) -> list[Candidate]:
    """The first candidate, and those whose codes are further off by less than `by`."""
    return [one for one in candidates if one.distance < candidates[0].distance + by]


def _reaches(confidence: float, aligned: Sequence[Aligned]) -> bool:
    return any(one.confidence >= confidence for one in aligned)


def _only_resembles(one: Aligned, aligned: Sequence[Aligned]) -> bool:
    """Whether another page fits the same place of the photo far better.

    A view is one place, but for those of the text and of local features: they have all pages found by them.
    """
    rivals = [other for other in aligned if other.view == one.view]
    if one.lines or one.features:
        rivals = [other for other in rivals if _overlap(one.alignment.quad, other.alignment.quad) > 0.5]
        for count, most in (
            (one.lines, max(other.lines for other in rivals)),
            (one.features, max(other.features for other in rivals)),
        ):
            if count and count <= 0.7 * most:
                return True
    return one.alignment.correlation <= 0.85 * max(other.alignment.correlation for other in rivals)


def _overlap(one: Quad, other: Quad) -> float:
    """Intersection over union of two convex quadrilaterals."""
    shared, _ = cv2.intersectConvexConvex(one, other)
    areas = float(cv2.contourArea(one)) + float(cv2.contourArea(other))
    return float(shared) / max(areas - float(shared), 1e-6)


def _view_weights(seen: NDArray[np.bool_], views: Sequence[str]) -> list[float]:
    """How much each view's code counts: parts of the page that the photo shows only in part count less."""
    rows = seen.shape[0]
    shares = {
        view: float(seen[rows * VIEW_ROWS[view][0] // 10 : rows * VIEW_ROWS[view][1] // 10].mean())
        for view in views
    }
    return [max(shares[view], 0.02) ** 2 for view in views]
