"""Local features -> pages that have many like them: an inverted file over the features of all pages.

Each feature of a page is kept under its nearest visual word; those of a photo are compared with what stands
under the words nearest to them, and each votes for the pages of the features nearest to it (Jegou, Douze and
Schmid, "Hamming embedding and weak geometric consistency for large scale image search", ECCV 2008).
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Container, Iterable, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Self

import faiss
import numpy as np
from numpy.typing import NDArray

from whichpage.features import LocalFeatures, unpack_many
from whichpage.types import FEATURE_BITS

_log = logging.getLogger(__name__)
_io: Any = faiss  # whose types know nothing of reading and writing through Python

# Words under which a photo's feature looks, features that it votes for, and how many of 128 bits may differ.
_PROBES, _NEAREST, _FARTHEST = 8, 12, 40
# So many features of an image vote, evenly spread: more find no other page, but take longer.
_VOTERS = 300
# Pages that are filed at once: so many are in memory twice.
_PORTION = 4000
# What the name of a file that is being written ends with; one so many seconds old is of a killed process.
_PART, _ABANDONED = ".part", 3600


class FeatureIndex:
    """`faiss.IndexBinaryIVF` over the features of all pages, each known by its page."""

    def __init__(self, file: faiss.IndexBinaryIVF) -> None:
        """file: the inverted file; make an index with `FeatureIndex.build` or `load`."""
        self._file = file
        self._file.nprobe = min(_PROBES, file.nlist)

    @classmethod
    def build(cls, pages: Iterable[tuple[int, bytes]], vocabulary: NDArray[np.uint8]) -> Self:
        """Files the features of pages.

        pages: page ids and their features, as `features.pack` makes them.
        vocabulary: (W, 16) uint8, the visual words as packed bits.
        """
        quantiser = faiss.IndexBinaryFlat(FEATURE_BITS)
        quantiser.add(vocabulary)
        index = cls(faiss.IndexBinaryIVF(quantiser, FEATURE_BITS, len(vocabulary)))
        pages = iter(pages)
        while portion := list(islice(pages, _PORTION)):
            index._add(portion)
        return index

    @classmethod
    def load(cls, path: Path, vocabulary: NDArray[np.uint8]) -> Self | None:
        """The index that `save` wrote to a file; None where there is none that can be read."""
        try:
            # Opened here: faiss takes no path that is not UTF-8.
            with path.open("rb") as file:
                read = faiss.read_index_binary(_io.PyCallbackIOReader(file.read))
        except FileNotFoundError:
            return None
        except (OSError, RuntimeError):
            read = None
        if not isinstance(read, faiss.IndexBinaryIVF) or read.nlist != len(vocabulary):
            _log.warning("%s cannot be read and is made anew", path)
            return None
        return cls(read)

    def save(self, path: Path) -> None:
        """Writes the index to a file, whole or not at all.

        Raises:
            OSError: it cannot be written.
        """
        part = path.with_name(f"{path.name}.{os.getpid()}{_PART}")
        try:
            with part.open("wb") as file:
                faiss.write_index_binary(self._file, _io.PyCallbackIOWriter(file.write))
            part.replace(path)
        except RuntimeError as error:
            raise OSError(str(error)) from error
        finally:
            part.unlink(missing_ok=True)

    def supersede(self, path: Path) -> None:
        """Saves the index, and removes those of other states of its library.

        Their names differ from that of `path` in the last but one part. What a killed process left of a half
        written one goes, too.

        Raises:
            OSError: it cannot be written.
        """
        self.save(path)
        states = f"{path.stem.rpartition('.')[0]}.*{path.suffix}"
        for old in path.parent.glob(states):
            if old != path:
                old.unlink(missing_ok=True)
        for part in path.parent.glob(f"{states}.*{_PART}"):
            with suppress(FileNotFoundError):
                if time.time() - part.stat().st_mtime > _ABANDONED:
                    part.unlink()

    def _add(self, portion: Sequence[tuple[int, bytes]]) -> None:
        """Files the features of some pages under their words, which are known: nothing is searched."""
        of, codes, words = unpack_many([packed for _, packed in portion])
        order = np.argsort(words, kind="stable")
        ids = np.array([page_id for page_id, _ in portion], np.int64)[of[order]]
        bits = codes[order]
        lists, starts = np.unique(words[order], return_index=True)
        ends = np.append(starts, len(order))[1:]
        for word, start, end in zip(lists.tolist(), starts.tolist(), ends.tolist(), strict=True):
            some = slice(start, end)
            self._file.invlists.add_entries(
                word, end - start, faiss.swig_ptr(ids[some]), faiss.swig_ptr(bits[some])
            )
        self._file.ntotal += len(order)

    def __len__(self) -> int:
        """The number of features."""
        return int(self._file.ntotal)

    def votes(
        self,
        images: Sequence[LocalFeatures],
        *,
        among: Container[int],
        top: int,
        threads: Executor,
        nearest: int = _NEAREST,
    ) -> list[tuple[int, float]]:
        """(page id, votes) of the pages with most features like an image's, best first.

        images: the features of one photo, seen at several sizes or turns: a page's votes are those of the
            image that has most for it.
        among: the ids of the pages that are searched.
        threads: share the work.
        nearest: how many features each of an image's votes for.
        """
        each = list(threads.map(partial(self._votes, nearest=nearest), images))
        if not each:
            return []
        page_ids, votes = (np.concatenate(part) for part in zip(*each, strict=True))
        best: dict[int, float] = {}
        for row in np.lexsort((page_ids, -votes)).tolist():
            if len(best) == top:
                break
            page_id = int(page_ids[row])
            # What comes first is the most that a page has.
            if page_id not in best and page_id in among:
                best[page_id] = float(votes[row])
        return list(best.items())

    def _votes(self, image: LocalFeatures, *, nearest: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """(P,) page ids, and (P,) votes: of each feature one for a page, the less the further off it is."""
        if not len(image.points):
            return np.empty(0, np.int64), np.empty(0, np.float64)
        faiss.omp_set_num_threads(1)  # of this thread, as in `FlatIndex.search`
        distances, page_ids = self._file.search(image.codes[:_VOTERS], nearest)
        weights = np.clip(1 - distances / _FARTHEST, 0, 1) ** 2 * (page_ids >= 0)
        voters, place = np.nonzero(weights)
        # The nearest first: what a page has further off is left out.
        pairs, first = np.unique(page_ids[voters, place] * _VOTERS + voters, return_index=True)
        found, of = np.unique(pairs // _VOTERS, return_inverse=True)
        votes = np.bincount(of, weights[voters, place][first], minlength=len(found))
        return np.asarray(found, np.int64), np.asarray(votes, np.float64)
