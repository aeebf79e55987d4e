"""Finding by local features: parts of a photo are seen, vote for pages, and have those laid over them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Container, Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from whichpage import featurematch, hypotheses, placing
from whichpage.featureindex import FeatureIndex
from whichpage.featurematch import PhotoFeatures
from whichpage.features import OF_PHOTO, FeatureExtractor, LocalFeatures, unpack
from whichpage.hypotheses import Look
from whichpage.photo import Photo, rectify
from whichpage.types import PageView, Quad
from whichpage.warps import Placement

_log = logging.getLogger(__name__)

# Pages that are laid over the photo, of those with most votes, and those of them that are answered.
_LAID, _ANSWERED = 8, 5
# While one more of the last `_LAID` pages agrees nearly as much as the best one, as pages do that a book
# repeats, as many more are laid, up to so many; so many of such pages are answered.
_MOST_LAID, _MOST_ANSWERED = 32, 16
# A page repeats what a photo shows of another one if it has so much of the features that this shows of it.
# Each of those is sought among so many that are like it, as manuals repeat some passages dozens of times.
_REPEATS, _REPEATED = 0.4, 64
# With so many features that agree, other turns of the page are not tried.
_CLEAR = 30
# Features of an index that is kept in a file: fewer are filed in half a second.
_WORTH_KEEPING = 1_000_000
# The turns of a page that are tried together: upright in the photo, then any other.
_UPRIGHT, _TURNED = (0,), (1, 2, 3)
# Points so near to what the photo does not show, in pixels, are of its frame.
_EDGE = 6


class FeatureStore(Protocol):
    """What finding by local features needs of the catalogue."""

    def features(self, page_ids: Sequence[int]) -> list[bytes]:
        """The pages' features as `features.pack` makes them, in the ids' order; b"" where there are none."""
        ...

    def all_features(self) -> Iterable[tuple[int, bytes]]:
        """The id and the features of each page that can be found."""
        ...


@dataclass(frozen=True, eq=False)
class Proposal:
    """A page that local features propose.

    quad: (4, 2) float32, its corners in working pixels. agree: how many features do on that.
    """

    page_id: int
    quad: Quad
    agree: int


class FeatureSearch:
    """Finds pages by the local features of a photo; the index is made when it is first needed."""

    def __init__(
        self,
        extractor: FeatureExtractor,
        store: FeatureStore,
        *,
        complete: bool = True,
        kept: Path | None = None,
    ) -> None:
        """
        complete: whether all pages have their features; else other ways of finding must be tried as well.
        kept: a file for the index of a large library, which takes seconds to make; None for none. Its name
            must tell the state of the library: files beside it that differ in the last but one part of the
            name alone are of other states, and are removed.
        """
        self.complete = complete
        self.extractor = extractor
        self._store = store
        self._kept = kept
        self._index: FeatureIndex | None = None
        self._making = threading.Lock()

    @property
    def index(self) -> FeatureIndex:
        """Over the features of all pages."""
        with self._making:
            if self._index is None:
                vocabulary = self.extractor.vocabulary
                kept = FeatureIndex.load(self._kept, vocabulary) if self._kept else None
                self._index = kept or FeatureIndex.build(self._store.all_features(), vocabulary)
                if self._kept and not kept and len(self._index) >= _WORTH_KEEPING:
                    try:
                        self._index.supersede(self._kept)
                    except OSError as error:  # the folder may be read-only
                        _log.info("the index of local features is not kept: %s", error)
            return self._index

    def propose(
        self,
        photo: Photo,
        view: PageView,
        *,
        among: Container[int],
        threads: Executor,
    ) -> list[Proposal]:
        """The pages whose features agree most on where they lie in the photo, best first.

        Args:
            photo: the photo.
            view: where the page finder sees a page.
            among: the ids of the pages that are searched.
            threads: share the work.
        """
        if not len(self.index):
            return []
        best: dict[int, Proposal] = {}
        for turns in (_UPRIGHT, _TURNED):
            looks = hypotheses.looks(view, photo, turns=turns, squeezed=turns == _UPRIGHT)
            images = list(threads.map(lambda look: self._describe(photo, look), looks))
            voted = self.index.votes(images, among=among, top=_MOST_LAID, threads=threads)
            found = [page for page, _ in voted]
            pooled = featurematch.pooled(images)
            for first in range(0, len(found), _LAID):
                laid = self._laid(found[first : first + _LAID], pooled, threads)
                for one in laid:
                    if one.page_id not in best or one.agree > best[one.page_id].agree:
                        best[one.page_id] = one
                # The best one may be among the first.
                if len(_nearly_best(laid, best)) <= (first == 0):
                    break
            if _most(best) >= _CLEAR:
                break
        ranked = sorted(best.values(), key=lambda one: -one.agree)
        return ranked[: min(max(_ANSWERED, len(_nearly_best(ranked, best))), _MOST_ANSWERED)]

    def _laid(self, page_ids: Sequence[int], photo: PhotoFeatures, threads: Executor) -> list[Proposal]:
        """The pages laid over a photo's features, in their order, those that can be."""

        def lay(page_id: int, packed: bytes) -> Proposal | None:
            placed = featurematch.place(photo, unpack(packed))
            return None if placed is None else Proposal(page_id, placed.quad, placed.groups)

        return [one for one in threads.map(lay, page_ids, self._store.features(page_ids)) if one]

    def repeating(
        self,
        page_id: int,
        placement: Placement,
        photo: Photo,
        *,
        among: Container[int],
        besides: Iterable[int] = (),
        threads: Executor,
    ) -> list[Proposal]:
        """Other pages that print much of what a photo shows of one, most of it first, each where that lies.

        Nothing of the photo is looked at: they are found by the features that the library keeps of the page.

        Args:
            page_id: the page that the photo shows, or one that prints the same.
            placement: where it lies in the photo.
            photo: the photo.
            among: the ids of the pages that are searched.
            besides: ids of pages that are left out.
            threads: share the work.
        """
        (packed,) = self._store.features([page_id])
        shown = featurematch.shown(unpack(packed), placement, photo=photo.pixels.shape[:2])
        left_out = {page_id, *besides}
        most = _MOST_LAID + len(left_out)
        voted = self.index.votes([shown], among=among, top=most, threads=threads, nearest=_REPEATED)
        others = [other for other, _ in voted if other not in left_out]
        laid = self._laid(others, featurematch.pooled([shown]), threads)
        repeating = [one for one in laid if one.agree >= _REPEATS * len(shown.points)]
        return sorted(repeating, key=lambda one: -one.agree)[:_MOST_ANSWERED]

    def _describe(self, photo: Photo, look: Look) -> LocalFeatures:
        """The features of a part of the photo, with points in working pixels."""
        grey, seen = rectify(photo, look.quad, size=look.size)
        features = self.extractor.extract(grey, most=OF_PHOTO)
        inner = cv2.erode(
            seen.astype(np.uint8), np.ones((2 * _EDGE + 1, 2 * _EDGE + 1)), borderType=cv2.BORDER_REPLICATE
        )
        x, y = features.points.astype(int).T
        kept = inner[y, x] > 0
        inside = LocalFeatures(features.points[kept], features.vectors[kept], features.size)
        return featurematch.on_photo(inside, look.quad, photo=photo.pixels.shape[:2])


def _nearly_best(some: Iterable[Proposal], found: Mapping[int, Proposal]) -> list[Proposal]:
    """Those on which nearly as many features agree as on the best one; none where that is not clear."""
    most = _most(found)
    return [one for one in some if most >= _CLEAR and placing.agrees_enough(one.agree, most)]


def _most(found: Mapping[int, Proposal]) -> int:
    """How many features agree on the best of some pages; 0 where there is none."""
    return max((one.agree for one in found.values()), default=0)
