"""Candidate pages -> pages laid over the photo: all of them coarsely, those that may be the answer finely.

A first level of alignment tells which candidates are rivals; these are compared on the photo, as their codes
alone do not tell pages apart that look alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

import numpy as np

from whichpage import verify
from whichpage.findoptions import FindOptions
from whichpage.photo import Photo
from whichpage.query import Query
from whichpage.resemblance import Encodes, resemblances
from whichpage.types import Candidate, Quad
from whichpage.warps import Placement, Warp

# An alignment that is less sure than this has not found the page's place better than its text did.
_TRUSTED = 0.5
# A close-up of a few lines shows a tenth of a page's height; corners that lie further away are no page's.
_FARTHEST = 10


class ThumbnailStore(Protocol):
    """What aligning needs of the catalogue."""

    def encoded_thumbnails(self, page_ids: Sequence[int]) -> list[bytes]:
        """The pages' thumbnails as stored (JPEG), in their order."""
        ...


@dataclass(frozen=True, eq=False)
class Aligned:
    """A candidate page laid over a place of the photo.

    place: the name of the place that was tried, or of what proposed one: see `matching` for what are rivals.
    lines: how many lines of text that were read off the photo agree; 0 where none was read.
    features: how many local features agree; 0 where none were compared.
    resemblance: how much alike the encoder finds the two; None where it was not asked, or cannot tell.
    """

    page_id: int
    place: str
    alignment: verify.Alignment
    confidence: float
    lines: int = 0
    features: int = 0
    resemblance: float | None = None

    @property
    def otherwise(self) -> float:
        """The confidence without the resemblance, and whatever the text speaks against."""
        return verify.confidence(self.alignment, lines=self.lines, features=self.features)


@dataclass(frozen=True, eq=False)
class Coarse:
    """A candidate page after the first level of alignment, with those that look exactly the same.

    candidates: one page, and its copies in other books; nearest first.
    """

    candidates: tuple[Candidate, ...]
    score: float
    warp: Warp
    page: verify.Thumbnail
    sheet: verify.Sheet

    @property
    def distance(self) -> float:
        """That of the nearest one's code."""
        return self.candidates[0].distance


def reaches(confidence: float, aligned: Sequence[Aligned]) -> bool:
    """Whether one of the pages is so sure."""
    return any(one.confidence >= confidence for one in aligned)


def settles(confidence: float, aligned: Sequence[Aligned]) -> bool:
    """Whether one of the pages is so sure, and not by the encoder's opinion, so that others need no look.

    To the encoder pages that look alike are alike: where one resembles the photo, another one may as well.
    """
    return any(one.confidence >= confidence and one.otherwise >= confidence for one in aligned)


class Aligner:
    """Lays candidates over a photo and says how sure they are."""

    def __init__(
        self,
        store: ThumbnailStore,
        options: FindOptions,
        threads: ThreadPoolExecutor,
        *,
        encoder: Encodes | None = None,
    ) -> None:
        """
        encoder: whose opinion of pages that are in doubt is asked, the shipped one; None to do without, as
            confidence was learned from no other.
        """
        self._encoder = encoder
        self._store = store
        self._options = options
        self._threads = threads

    def compare(
        self, query: Query, quads: list[Quad], candidates: list[Candidate], *, place: str
    ) -> Iterator[list[Aligned]]:
        """Aligns candidates with the photo, all of them coarsely and the best of those finely.

        Yields twice, unless the first few candidates are enough: those, then what the others add.
        """
        sheets: dict[tuple[int, bool], verify.Sheet] = {}
        first, finely = self._options.first, self._options.finely
        photo = query.photo
        rivals, waiting = self.rivals(self.coarsely(photo, quads, candidates[:first], sheets))
        aligned = self.finely(query, rivals, place=place)
        if settles(self._options.certain, aligned):
            yield aligned
            return
        more = max(finely - len(rivals), 0)
        aligned += self.finely(query, waiting[:more], place=place)
        yield aligned
        if settles(self._options.sure, aligned):
            return
        waiting = waiting[more:] + self.coarsely(photo, quads, candidates[first:], sheets)
        waiting.sort(key=lambda coarse: -coarse.score)
        yield self.finely(query, waiting[:finely], place=place)

    def coarsely(
        self,
        photo: Photo,
        quads: list[Quad],
        candidates: list[Candidate],
        sheets: dict[tuple[int, bool], verify.Sheet],
    ) -> list[Coarse]:
        """How each candidate fits where its code was found; pages that look exactly the same are one."""
        thumbnails = self._store.encoded_thumbnails([candidate.page_id for candidate in candidates])
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
            coarse.append(Coarse(tuple(same), score, warp, page, sheets[key]))
        if ready:
            ready.result()
        return coarse

    def rivals(self, looked_at: list[Coarse]) -> tuple[list[Coarse], list[Coarse]]:
        """The candidates among which the answer is to be found, if they are few, and the others; best first.

        Pages that look alike, as those made from one template do, have codes that are alike, but which of
        them comes first is chance: they must be compared on the photo.
        """
        looked_at = sorted(looked_at, key=lambda one: -one.score)
        nearest = min((one.distance for one in looked_at), default=0.0)

        def is_rival(one: Coarse) -> bool:
            near = one.distance < nearest + self._options.lead
            return near or one.score >= self._options.alike * looked_at[0].score

        rivals = [one for one in looked_at if is_rival(one)]
        if len(rivals) > self._options.few:
            return [], looked_at
        return rivals, [one for one in looked_at if not is_rival(one)]

    def finely(self, query: Query, coarse: Sequence[Coarse], *, place: str) -> list[Aligned]:
        """Aligns candidates finely, and asks the encoder and the text about those that are in doubt."""
        return self.questioned(query, self.fits(query, coarse, place=place))

    def fits(self, query: Query, coarse: Sequence[Coarse], *, place: str) -> list[Aligned]:
        """Aligns candidates finely, the best once more where it is not clear yet."""
        # One candidate has all threads; of several each has one.
        threads = self._threads if len(coarse) == 1 else None

        def align(one: Coarse) -> verify.Alignment:
            return verify.align(one.sheet, one.page, one.score, one.warp, threads=threads)

        fits = map(align, coarse) if threads else self._threads.map(align, coarse)
        fresh = sorted(zip(fits, coarse, strict=True), key=lambda pair: -pair[0].correlation)
        # One page alone that fits beyond doubt need not fit better than another.
        is_clear = len(fresh) == 1 and verify.confidence(fresh[0][0]) >= self._options.doubtless
        again = [] if is_clear else fresh[: self._options.again]

        def realign(pair: tuple[verify.Alignment, Coarse]) -> verify.Alignment:
            return verify.realign(query.photo, pair[1].page, pair[0], threads=threads)

        better = map(realign, again) if threads else self._threads.map(realign, again)
        alignments = [*better, *(alignment for alignment, _ in fresh[len(again) :])]
        aligned: list[Aligned] = []
        for alignment, (_, one) in zip(alignments, fresh, strict=True):
            sure = verify.confidence(alignment)
            aligned += [Aligned(candidate.page_id, place, alignment, sure) for candidate in one.candidates]
        query.watch.lap("verify")
        return aligned

    def beside(self, query: Query, one: Aligned, pages: Sequence[tuple[int, Quad]]) -> list[Aligned]:
        """Pages that print what another one does, aligned where that is; those that are accepted there.

        Where that one is beyond doubt by its looks, so must they be: then nothing else is asked about any.

        pages: ids, and the (4, 2) corners of each in working pixels, about.
        """
        if not pages:
            return []
        quads = {quad.tobytes(): quad for _, quad in pages}
        copies: dict[tuple[bytes, bytes], list[int]] = {}
        encoded = self._store.encoded_thumbnails([page_id for page_id, _ in pages])
        for thumbnail, (page_id, quad) in zip(encoded, pages, strict=True):
            copies.setdefault((thumbnail, quad.tobytes()), []).append(page_id)
        different = list(self._threads.map(verify.Thumbnail, [thumbnail for thumbnail, _ in copies]))
        # Most lie in one place, whose sheet they share.
        places = [(quad, page.landscape) for page, (_, quad) in zip(different, copies, strict=True)]
        sheets = {
            (quad, landscape): verify.sheet(query.photo, quads[quad], landscape=landscape)
            for quad, landscape in set(places)
        }
        on = [sheets[place] for place in places]
        alignments = self._threads.map(partial(_aligned, query.photo), on, different)
        aligned = [
            Aligned(page_id, one.place, alignment, verify.confidence(alignment))
            for same, alignment in zip(copies.values(), alignments, strict=True)
            for page_id in same
        ]
        query.watch.lap("verify")
        if one.otherwise >= self._options.doubtless:
            return [some for some in aligned if some.confidence >= self._options.doubtless]
        least = self._options.accepted
        accepted = [some for some in self._compared(query, aligned) if some.confidence >= least]
        return [some for some in self._read(query, accepted) if some.confidence >= least]

    def laid(self, photo: Photo, page: verify.Thumbnail, quad: Quad) -> verify.Alignment | None:
        """The page aligned from where it was found by what is printed on it; None if that is no place."""
        if np.abs(quad).max() > _FARTHEST * max(photo.pixels.shape):
            return None
        alignment = _aligned(photo, verify.sheet(photo, quad, landscape=page.landscape), page)
        trusted = verify.confidence(alignment) >= _TRUSTED
        return alignment if trusted else replace(alignment, placement=Placement.flat(quad, size=page.size))

    def questioned(self, query: Query, aligned: Sequence[Aligned]) -> list[Aligned]:
        """The same, those in doubt as sure as the encoder makes them, none accepted that has other text."""
        return self._read(query, self._compared(query, aligned))

    def _read(self, query: Query, aligned: Sequence[Aligned]) -> list[Aligned]:
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
                and query.text.contradicts(one.page_id, one.alignment.quad)
            )

        return [
            replace(one, confidence=min(one.confidence, options.doubted)) if is_doubted(one) else one
            for one in aligned
        ]

    def _compared(self, query: Query, aligned: Sequence[Aligned]) -> list[Aligned]:
        """The same; those that are in doubt with what the encoder says of them where they lie."""
        options = self._options
        # Where looks leave no doubt of one page, the others have lost already.
        settled = {
            one.place
            for one in aligned
            if one.confidence >= options.doubtless and not (one.lines or one.features)
        }
        doubted = [
            number
            for number, one in enumerate(aligned)
            if options.hopeless <= one.confidence < options.doubtless
            and one.resemblance is None
            and one.place not in settled
        ]
        if self._encoder is None or not doubted:
            return list(aligned)
        encoded = self._store.encoded_thumbnails([aligned[number].page_id for number in doubted])
        # Pages that look exactly the same were aligned as one.
        laid: dict[tuple[bytes, bytes], list[int]] = {}
        for number, page in zip(doubted, encoded, strict=True):
            laid.setdefault((page, aligned[number].alignment.quad.tobytes()), []).append(number)
        pages = [
            (verify.Thumbnail(page), aligned[same[0]].alignment.quad) for (page, _), same in laid.items()
        ]
        compared = list(aligned)
        for same, alike in zip(laid.values(), resemblances(self._encoder, query.photo, pages), strict=True):
            for number in same:
                one = aligned[number]
                sure = verify.confidence(
                    one.alignment, lines=one.lines, features=one.features, resemblance=alike
                )
                compared[number] = replace(one, confidence=sure, resemblance=alike)
        query.watch.lap("verify")
        return compared


def _aligned(photo: Photo, sheet: verify.Sheet, page: verify.Thumbnail) -> verify.Alignment:
    """A page aligned from about where it lies, which the sheet shows."""
    return verify.realign(photo, page, verify.align(sheet, page, *verify.align_coarse(sheet, page)))
