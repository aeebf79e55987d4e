"""Codes -> nearest codes: exhaustive Hamming search with faiss, then a finer ranking of the nearest."""

from __future__ import annotations

from collections.abc import Container
from functools import cached_property
from typing import Any, Protocol

import faiss
import numpy as np
from numpy.typing import NDArray

from whichpage.bits import signs, soft_signs
from whichpage.types import CODE_BITS, Candidate, PageCodes

# So many pages are looked at for those that are twins of one, itself among them.
_TWINS = 100


# A view that the photo does not show at all counts as little as this share of it.
_LEAST_SHOWN = 0.02


def view_weights(shown: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """(...,) float32, how much each view's code counts, by the share of the view that the photo shows."""
    return np.asarray(np.maximum(shown, _LEAST_SHOWN) ** 2, np.float32)


class Index(Protocol):
    """What finding needs of an index; any engine that can do this will serve."""

    def __len__(self) -> int:
        """The number of pages."""
        ...

    def __contains__(self, page_id: object) -> bool:
        """Whether the page is among them."""
        ...

    def search(self, queries: PageCodes, *, weights: NDArray[np.float32], top: int) -> list[Candidate]:
        """The `top` pages nearest to any of the queries, each page once, nearest first."""
        ...

    def twins(self, page_id: int, *, within: int, most: int, besides: Container[int] = ()) -> list[int]:
        """At most so many ids of other pages, nearest first, whose code differs by no more bits.

        besides: pages that are left out.
        """
        ...


class FlatIndex:
    """`faiss.IndexBinaryFlat`, one a view of the page (whole, and with most encoders upper and lower).

    The Hamming distance ranks all pages; the nearest of each view are ranked again by the asymmetric
    distance, in which the query keeps its real numbers and only the library's side is bits: see `bits`.
    """

    def __init__(self, page_ids: NDArray[np.int64], bits: NDArray[np.uint8]) -> None:
        """page_ids: (N,) int64; bits: (N, V, 32) uint8, as the encoder packs them."""
        self._page_ids = page_ids
        self._bits = bits
        self._views = []
        for view in range(bits.shape[1]):
            flat = faiss.IndexBinaryFlat(CODE_BITS)
            if len(page_ids):
                flat.add(np.ascontiguousarray(bits[:, view]))
            self._views.append(flat)

    def __len__(self) -> int:
        return len(self._page_ids)

    def __contains__(self, page_id: object) -> bool:
        return page_id in self._rows

    @cached_property
    def _rows(self) -> dict[int, int]:
        return {page_id: row for row, page_id in enumerate(self._page_ids.tolist())}

    def search(
        self, queries: PageCodes, *, weights: NDArray[np.float32], top: int, shortlist: int = 200
    ) -> list[Candidate]:
        """The `top` pages nearest to any of the queries, each page once, nearest first.

        Args:
            queries: Q encoded images.
            weights: (Q, V) float32, how much each view counts for each query, 0 = leave it out.
            top: number of candidates.
            shortlist: nearest codes a view that are ranked again.
        """
        if not len(self) or not len(queries.bits):
            return []
        # For whichever thread asks: else faiss starts as many as there are cores, each time, in each of them.
        faiss.omp_set_num_threads(1)
        best: dict[int, tuple[float, int]] = {}
        for query in range(len(queries.bits)):
            rows = self._nearest(queries.bits[query], weights[query], shortlist)
            distances = self._asymmetric(queries.vectors[query], weights[query], rows)
            for row, distance in zip(rows.tolist(), distances.tolist(), strict=True):
                if row not in best or distance < best[row][0]:
                    best[row] = (distance, query)
        ranked = sorted(best.items(), key=lambda item: item[1][0])[:top]
        return [Candidate(int(self._page_ids[row]), distance, query) for row, (distance, query) in ranked]

    def twins(self, page_id: int, *, within: int, most: int, besides: Container[int] = ()) -> list[int]:
        """At most so many ids of other pages, nearest first, whose code differs by no more bits.

        besides: pages that are left out. By the code of the whole page; none for a page that is not searched.
        """
        row = self._rows.get(page_id)
        if row is None:
            return []
        faiss.omp_set_num_threads(1)
        distances, rows = self._views[0].search(self._bits[row : row + 1, 0], min(_TWINS, len(self)))
        near = self._page_ids[rows[0][distances[0] <= within]]
        return [one for one in near.tolist() if one != page_id and one not in besides][:most]

    def _nearest(
        self, bits: NDArray[np.uint8], weights: NDArray[np.float32], count: int
    ) -> NDArray[np.int64]:
        found = [
            flat.search(bits[view : view + 1], min(count, len(self)))[1][0]
            for view, flat in enumerate(self._views)
            if weights[view] > 0
        ]
        rows: NDArray[np.int64] = np.unique(np.concatenate([*found, np.empty(0, np.int64)]).astype(np.int64))
        return rows

    def _asymmetric(
        self, vectors: NDArray[np.float32], weights: NDArray[np.float32], rows: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """1 - weighted mean of <tanh(query), signs> / |tanh(query)|_1 over the views; 0 = all bits agree."""
        soft = soft_signs(vectors) * (weights / weights.sum())[:, None]
        distance: NDArray[np.float32] = 1 - np.einsum("nvd,vd->n", signs(self._bits[rows]), soft)
        return distance
