"""Photo -> answer: the stages of finding, one after the other: codes, local features, text.

Retrieval proposes, verification decides. A candidate that is far ahead of all others is verified alone, the
few that retrieval puts first before the rest, so that an easy photo is answered at once and only a hard
one, or one of no page in the library, pays for all of them.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from whichpage import hypotheses, matching, placing, textmatch, verify
from whichpage import photo as photos
from whichpage.aligning import Aligned, Aligner, reaches, settles
from whichpage.cores import usable_cores
from whichpage.encoder import Encoder
from whichpage.featuresearch import FeatureSearch, Proposal
from whichpage.findoptions import FindOptions
from whichpage.index import Index, view_weights
from whichpage.pagefinder import PageFinder
from whichpage.printed import PrintedLine
from whichpage.query import Query, Stopwatch
from whichpage.types import (
    VIEW_ROWS,
    Answer,
    Candidate,
    Colour,
    Grey,
    PageCodes,
    PageView,
    Quad,
    Status,
)
from whichpage.witness import Reads, TextWitness

# Rectified so much larger than the encoder reads pages, its own scaling smooths them.
_LARGER = 1.25


class PageStore(textmatch.TextStore, matching.PageLookup, Protocol):
    """What finding needs of the catalogue."""


# A place straight on, (H, W) uint8, and (H, W), 0 where the photo did not see it.
_Rectified = tuple[Grey, NDArray[Any]]
_IsFound = Callable[[Sequence[Candidate]], bool]
# What a page view is looked at with, and the place's name: gives the pages found there, none unless certain.
_Glance = Callable[[Query, PageView, str], list[Aligned]]


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
        threads: ThreadPoolExecutor | None = None,
    ) -> None:
        """
        reader: of text; None to go by the looks of pages alone.
        features: finds by local features; None where the library has none.
        threads: share the work; None for some of its own. Each keeps a connection to the library.
        """
        self.encoder = encoder
        self.reader = reader
        self.features = features
        self.page_finder = page_finder
        self.index = index
        self.store = store
        self._options = options
        self._threads = threads or search_threads()
        self._aligner = self._new_aligner()
        _keep_memory()

    def variant(
        self,
        *,
        index: Index | None = None,
        features: FeatureSearch | None = None,
        options: FindOptions | None = None,
        reads: bool = True,
    ) -> Finder:
        """The same finder over other indexes, with other options, or going by looks alone."""
        twin = copy.copy(self)
        twin.index = self.index if index is None else index
        twin.features = self.features if features is None else features
        if options is not None:
            twin._options = options
            twin._aligner = twin._new_aligner()
        twin.reader = self.reader if reads else None
        return twin

    def _new_aligner(self) -> Aligner:
        is_known = self.encoder.model_id == verify.RESEMBLANCE_ENCODER
        return Aligner(self.store, self._options, self._threads, encoder=self.encoder if is_known else None)

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
        options = self._options
        matches = matching.matches(
            photo, aligned, self.store, top=top, accepted=options.accepted, doubted=options.doubted
        )
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
        """The pages that were laid over the photo's page views, however badly they fit.

        Those of a glance alone, where that answers the photo. Else those, and what was laid later over the
        page views that no glance answers. And pages that print nearly what one of them does that is accepted.
        """
        watch = watch or Stopwatch()
        query = self._query(photo, watch)
        aligned = self._aligned(query)
        return aligned + self._alike(query, aligned)

    def _alike(self, query: Query, aligned: Sequence[Aligned]) -> list[Aligned]:
        """Accepted pages that print nearly what one does that is accepted by its looks, or what shows of it.

        Of many such pages some are never looked at otherwise, as the search ends where one fits.
        """
        by_looks = [
            one
            for one in sorted(aligned, key=lambda one: -one.confidence)
            if one.confidence >= self._options.accepted and not one.lines and not one.features
        ]
        found = self._twins(query, by_looks, aligned)
        return found + self._repeating(query, by_looks, [*aligned, *found])

    def _twins(self, query: Query, by_looks: Sequence[Aligned], aligned: Sequence[Aligned]) -> list[Aligned]:
        """Accepted pages whose codes are nearly those of one that is, in its place."""
        within, most = self._options.twins
        laid = [(one.page_id, one.alignment.quad) for one in aligned]
        found: list[Aligned] = []
        for one in by_looks:
            quad = one.alignment.quad
            here = {page for page, at in laid if matching.at_one_place(at, quad, seen_by=query.photo)}
            twins = self.index.twins(one.page_id, within=within, most=most, besides=here)
            found += self._aligner.beside(query, one, [(twin, quad) for twin in twins])
            laid += [(twin, quad) for twin in twins]
        return found

    def _repeating(
        self, query: Query, by_looks: Sequence[Aligned], aligned: Sequence[Aligned]
    ) -> list[Aligned]:
        """Accepted pages that repeat what the photo shows of one that is, higher or lower than that does.

        Manuals repeat passages. A photo that shows one of them alone, or not well, is like each page that has
        it; and as those differ in what else they print, their codes tell nothing of it.
        """
        photo, options = query.photo, self._options
        # Their index, if it must be made for this photo alone, takes longer than all else.
        if self.features is None or not self.features.complete:
            return []

        def is_here(quad: Quad, other: Quad) -> bool:
            return matching.at_one_place(quad, other, seen_by=photo)

        found: list[Aligned] = []
        seen: list[Quad] = []
        for one in by_looks:
            quad = one.alignment.quad
            if any(is_here(quad, other) for other in seen):
                continue
            seen.append(quad)
            is_whole = hypotheses.visible_share(quad, photo) > options.part
            if is_whole and one.otherwise >= options.doubtless:
                continue
            here = [
                other.page_id
                for other in aligned
                if other.confidence >= options.accepted and is_here(quad, other.alignment.quad)
            ]
            repeating = self.features.repeating(
                one.page_id,
                one.alignment.placement,
                photo,
                among=self.index,
                besides=here,
                threads=self._threads,
            )
            query.watch.lap("features")
            # One that has no more than a part of it would be answered besides, as if it lay there, too.
            others = [(other.page_id, other.quad) for other in repeating if is_here(quad, other.quad)]
            found += self._aligner.beside(query, one, others)
        return found

    def _aligned(self, query: Query) -> list[Aligned]:
        photo, watch = query.photo, query.watch
        views = query.text.views = self.page_finder.find(photo, looks=0)
        watch.lap("finder")
        aligned: list[Aligned] = []
        for look, glance in enumerate((self._foremost, self._among_rivals), start=1):
            every = True
            for number, view in self._unanswered(photo, views, aligned):
                found = glance(query, view, f"{_view(number)}, look {look}")
                aligned += found
                every &= bool(found)
                # Where not even the surest page is told at a glance, the others seldom are.
                if not aligned:
                    break
            if aligned and every:
                return aligned
            views = query.text.views = self.page_finder.look_again(photo, views)
            watch.lap("finder")
        answered = list(aligned)
        # What a first look at a page view leaves to be looked at.
        later: list[Iterator[list[Aligned]]] = []
        # Of a page of which no side is seen the whole photo is looked through, whatever its view says.
        through = False
        for number, view in enumerate(views):
            if self._is_answered(view, answered):
                continue
            # A sliver of the next page is worth a look only if there is no answer yet.
            if self._lacks(aligned) or self._is_worth_a_look(view, number, photo):
                edgeless = not any(view.seen)
                found = [] if edgeless and through else self._by_features(query, view, place=_view(number))
                through |= edgeless
                aligned.extend(found)
                if self._lacks(found):
                    looks = self._match(query, hypotheses.near(view), place=_view(number))
                    aligned.extend(next(looks))
                    later.append(looks)
        if self._lacks(aligned) and not through:
            # A photo so near that no edge is seen, or one of which the page finder makes nothing.
            aligned.extend(self._by_features(query, hypotheses.unseen(photo), place="photo"))
        if self._lacks(aligned):
            aligned.extend(self._by_text(query))
        if self._options.exhaustive or self.features is None or not self.features.complete:
            self._try_all(query, views, later, aligned)
        return aligned

    def _try_all(
        self,
        query: Query,
        views: Sequence[PageView],
        later: Sequence[Iterator[list[Aligned]]],
        aligned: list[Aligned],
    ) -> None:
        """Adds to `aligned` what is found in all the places where a page may be, until one is accepted.

        Where all pages have local features, these find in less time whatever is found so.
        """

        def lay(quads: list[Quad], place: str) -> None:
            aligned.extend(chain.from_iterable(self._match(query, quads, place=place)))

        if not settles(self._options.sure, aligned):
            aligned.extend(chain.from_iterable(chain.from_iterable(later)))
        if views and self._lacks(aligned):
            for number, quads in enumerate(hypotheses.halves(views[0])):
                lay(quads, f"half {number}")
        cut = next((number for number, view in enumerate(views) if not all(view.seen)), None)
        if cut is not None and self._lacks(aligned):
            lay(hypotheses.far(views[cut], query.photo), _view(cut))
        if self._lacks(aligned):
            # A scan, or a photo so near that no edge is seen: the frame itself may be the page.
            lay(hypotheses.frame(query.photo), "frame")

    def _lacks(self, aligned: Sequence[Aligned]) -> bool:
        """Whether there is no answer among these."""
        return not reaches(self._options.accepted, aligned)

    def _query(self, photo: photos.Photo, watch: Stopwatch) -> Query:
        return Query(photo, watch, TextWitness(photo, self.reader, self.store, watch.lap))

    def _is_worth_a_look(self, view: PageView, number: int, photo: photos.Photo) -> bool:
        return not number or hypotheses.visible_share(view.quad, photo) > self._options.sliver

    def _unanswered(
        self, photo: photos.Photo, views: Sequence[PageView], aligned: Sequence[Aligned]
    ) -> list[tuple[int, PageView]]:
        """The page views that are worth a look and have no answer yet, with their numbers."""
        return [
            (number, view)
            for number, view in enumerate(views)
            if self._is_worth_a_look(view, number, photo) and not self._is_answered(view, aligned)
        ]

    def _is_answered(self, view: PageView, aligned: Sequence[Aligned]) -> bool:
        """Whether an accepted page lies where the page finder sees one."""
        return any(
            matching.at_one_place(view.quad, one.alignment.quad)
            for one in aligned
            if one.confidence >= self._options.accepted
        )

    def _foremost(self, query: Query, view: PageView, place: str) -> list[Aligned]:
        """The page or two that are far ahead of all others, if one of them fits beyond doubt.

        By their codes; or by how they fit at the first level of alignment, where few have codes as near.
        """
        places = hypotheses.near(view)[:4]
        sheet, lies = _straight(query.photo, places[0])
        # A thread makes it ready for what it is to be compared with, once that is known.
        ready = self._threads.submit(sheet.prepare)
        candidates = self._retrieve_turned(query, places, sheet, is_found=self._is_near)
        foremost = _nearest(candidates, by=self._options.ahead)
        if len(foremost) > self._options.glance:
            return []
        if any(candidate.view == 0 for candidate in foremost):
            ready.result()
        coarse = self._aligner.coarsely(query.photo, places, foremost, {(0, lies): sheet})
        if len(foremost) > self._options.pair:
            coarse, _ = self._aligner.rivals(coarse)
            if len(coarse) > self._options.pair:
                return []
        found = self._aligner.fits(query, coarse, place=place)
        # Text is asked for only then: reading takes ten times as long as a glance.
        return self._aligner.questioned(query, found) if reaches(self._options.doubtless, found) else []

    def _among_rivals(self, query: Query, view: PageView, place: str) -> list[Aligned]:
        """The first candidates, if one fits for certain and all that might fit as well were compared."""
        places = hypotheses.near(view)[:4]
        sheet, lies = _straight(query.photo, places[0])
        candidates = self._retrieve_turned(query, places, sheet, is_found=self._is_upright)
        first = candidates[: self._options.glance]
        coarse = self._aligner.coarsely(query.photo, places, first, {(0, lies): sheet})
        rivals, _ = self._aligner.rivals(coarse)
        found = self._aligner.fits(query, rivals, place=place)
        if not reaches(self._options.certain, found):
            return []
        found = self._aligner.questioned(query, found)
        return found if reaches(self._options.certain, found) else []

    def align_by_features(self, photo: photos.Photo) -> list[Aligned]:
        """The pages that local features alone lay over the photo's page views."""
        query = self._query(photo, Stopwatch())
        views = self.page_finder.find(photo) or [hypotheses.unseen(photo)]
        each = (self._by_features(query, view, place=_view(number)) for number, view in enumerate(views))
        return list(chain.from_iterable(each))

    def propose(self, photo: photos.Photo) -> list[list[int]]:
        """The page ids that retrieval proposes, best first, before anything is verified.

        A list for each page view by looks, one by local features, and one by text, which is read for every
        photo here.
        """
        proposed = []
        query = self._query(photo, Stopwatch())
        query.text.views = self.page_finder.find(photo)
        for view in query.text.views:
            found = self._retrieve(query, hypotheses.near(view))
            proposed.append([candidate.page_id for candidate in found])
            if self.features is not None:
                local = self.features.propose(photo, view, among=self.index, threads=self._threads)
                proposed.append([proposal.page_id for proposal in local])
        return [*proposed, self._holding_text(query)]

    def _match(self, query: Query, quads: list[Quad], *, place: str) -> Iterator[list[Aligned]]:
        """Retrieves with all these places of one page, and compares what is proposed with the photo."""
        return self._aligner.compare(query, quads, self._retrieve(query, quads), place=place)

    def _retrieve(self, query: Query, quads: list[Quad]) -> list[Candidate]:
        """The pages whose codes are nearest to those of any of these places."""
        return self._search(query, self._encode_places(query.photo, quads))

    def _retrieve_turned(
        self, query: Query, quads: list[Quad], upright: verify.Sheet, *, is_found: _IsFound
    ) -> list[Candidate]:
        """The pages nearest to any of a place's four turns; to the first alone, if one is found so.

        upright: the first one, straight on.
        """
        # An encoder that reads larger images needs more of the photo than the sheet has.
        is_enough = all(have >= read for have, read in zip(verify.PAGE_SIZE, self.encoder.size, strict=True))
        coded = self._encode([upright.page]) if is_enough else self._encode_places(query.photo, quads[:1])
        candidates = self._search(query, coded)
        if is_found(candidates):
            return candidates
        return self._search(query, coded.with_more(self._encode_places(query.photo, quads[1:])))

    def _is_near(self, candidates: Sequence[Candidate]) -> bool:
        """Whether the nearest page is so near that it need not be sought at other turns at once."""
        return bool(candidates) and candidates[0].distance <= self._options.near

    def _is_upright(self, candidates: Sequence[Candidate]) -> bool:
        """Whether the nearest page is near, and no more than a few are about as near."""
        alike = len(_nearest(candidates, by=self._options.upright))
        return self._is_near(candidates) and alike <= self._options.pair

    def _search(self, query: Query, coded: _Coded) -> list[Candidate]:
        query.watch.lap("encode")
        # The more places are tried, the more pages come near one of them by chance.
        most = self._options.candidates * (1 if len(coded.weights) <= 36 else 2)
        candidates = self.index.search(coded.codes, weights=coded.weights, top=most)
        query.watch.lap("search")
        return candidates

    def _by_features(self, query: Query, view: PageView, *, place: str) -> list[Aligned]:
        """Lays pages over the photo that have many of its local features, each where those are."""
        if self.features is None:
            return []
        found = self.features.propose(query.photo, view, among=self.index, threads=self._threads)
        query.watch.lap("features")

        def lay(some: Sequence[Proposal]) -> list[Aligned]:
            encoded = self.store.encoded_thumbnails([one.page_id for one in some])
            proposed = [
                _Proposed(one.page_id, page, one.quad, features=one.agree)
                for one, page in zip(some, self._threads.map(verify.Thumbnail, encoded), strict=True)
            ]
            return self._lay(query, proposed, place=place, stage="features")

        foremost = [one for one in found if placing.agrees_enough(one.agree, found[0].agree)]
        aligned = lay(foremost)
        # Of so many fewer features no page is answered in the place of one that is found; it could but show
        # that this one is not the page, of which there is no doubt.
        taken = [one.alignment.quad for one in aligned if settles(self._options.doubtless, [one])]
        others = found[len(foremost) :]
        return aligned + lay(
            [one for one in others if not any(matching.at_one_place(one.quad, quad) for quad in taken)]
        )

    def _by_text(self, query: Query) -> list[Aligned]:
        """Lays pages over the photo that hold the text in it, each where its lines are."""
        found = self._holding_text(query)
        lines = query.text.lines

        def propose(page: tuple[int, bytes, Sequence[PrintedLine]]) -> _Proposed | None:
            page_id, encoded, printed = page
            thumbnail = verify.Thumbnail(encoded)
            placed = textmatch.place(lines, printed, size=thumbnail.shape)
            return None if placed is None else _Proposed(page_id, thumbnail, placed.quad, lines=placed.groups)

        encoded, printed = self.store.encoded_thumbnails(found), self.store.printed_lines(found)
        pages = zip(found, encoded, printed, strict=True)
        proposed = [one for one in self._threads.map(propose, pages) if one]
        return self._lay(query, proposed, place="text", stage="verify")

    def _lay(self, query: Query, proposed: Sequence[_Proposed], *, place: str, stage: str) -> list[Aligned]:
        """The pages laid over the photo where they are proposed, those that can be.

        stage: what the time goes to.
        """

        def lay(one: _Proposed) -> Aligned | None:
            alignment = self._aligner.laid(query.photo, one.page, one.quad)
            if alignment is None:
                return None
            sure = verify.confidence(alignment, lines=one.lines, features=one.features)
            return Aligned(one.page_id, place, alignment, sure, one.lines, one.features)

        aligned = [one for one in self._threads.map(lay, proposed) if one]
        query.watch.lap(stage)
        return self._aligner.questioned(query, aligned)

    def _holding_text(self, query: Query) -> list[int]:
        """The ids of the pages that hold the text in the photo, best first."""
        return query.text.pages(among=self.index, top=self._options.read, threads=self._threads)

    def _encode_places(self, photo: photos.Photo, quads: list[Quad]) -> _Coded:
        height, width = self.encoder.size
        size = (round(height * _LARGER), round(width * _LARGER))

        def look(quad: Quad) -> _Rectified:
            return photos.rectify(photo, quad, size=size)

        return self._encode(list(self._threads.map(look, quads) if len(quads) > 1 else map(look, quads)))

    def _encode(self, looks: Sequence[_Rectified]) -> _Coded:
        codes = self.encoder.encode([grey for grey, _ in looks])
        return _Coded(codes, np.stack([_view_weights(seen, self.encoder.views) for _, seen in looks]))


@dataclass(frozen=True, eq=False)
class _Proposed:
    """A page that what is printed on it proposes.

    page: its thumbnail. quad: (4, 2) its corners in working pixels.
    lines, features: how many of them agree on that.
    """

    page_id: int
    page: verify.Thumbnail
    quad: Quad
    lines: int = 0
    features: int = 0


@dataclass(frozen=True, eq=False)
class _Coded:
    """The codes of looks at a photo, and (N, V) float32, how much each counts."""

    codes: PageCodes
    weights: NDArray[np.float32]

    def with_more(self, other: _Coded) -> _Coded:
        """Both, these first."""
        codes = PageCodes(
            np.concatenate([self.codes.bits, other.codes.bits]),
            np.concatenate([self.codes.vectors, other.codes.vectors]),
        )
        return _Coded(codes, np.concatenate([self.weights, other.weights]))


def search_threads() -> ThreadPoolExecutor:
    """Threads for a finder, or for one after the other.

    OpenCV and NumPy let go of the interpreter while they compute, so threads use all cores.
    """
    return ThreadPoolExecutor(usable_cores(), thread_name_prefix="whichpage")


def _keep_memory() -> None:
    """Has the C library keep freed memory for the next photo.

    Fresh memory, which the kernel must clear first, took more time than decoding a photo. glibc keeps twice
    the largest block that it has seen freed, up to 32 MiB of it (mallopt(3), M_MMAP_THRESHOLD): here it is.
    """
    np.empty(31 << 20, np.uint8)


def _view(number: int) -> str:
    """What the place is called where the page finder sees a page."""
    return f"view {number}"


def _straight(photo: photos.Photo, quad: Quad) -> tuple[verify.Sheet, bool]:
    """A place straight on, and whether it is wider than high: so lies what is compared with a page there."""
    width, height = photos.side_lengths(quad)
    lies = width > height
    return verify.sheet(photo, quad, landscape=lies), lies


def _nearest(candidates: Sequence[Candidate], *, by: float) -> list[Candidate]:
    """The first candidate, and those whose codes are further off by less than `by`."""
    return [one for one in candidates if one.distance < candidates[0].distance + by]


def _view_weights(seen: NDArray[Any], views: Sequence[str]) -> NDArray[np.float32]:
    """(V,) how much each view's code counts: those of which the photo shows but a part count less."""
    bands = (slice(*(len(seen) * tenths // 10 for tenths in VIEW_ROWS[view])) for view in views)
    return view_weights(np.array([float(seen[band].mean()) for band in bands]))
