"""A bag of visual words: a vocabulary of local features, and an inverted file ranked by tf-idf.

Sivic and Zisserman, "Video Google: a text retrieval approach to object matching in videos", ICCV 2003; counts
are damped by their square root against bursts (Jégou et al., "On the burstiness of visual elements", CVPR
2009), of which print, the same letters over and over, has more than any other picture.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

# k-means sees this many features a word, which is what faiss asks for. A small library has fewer words: with
# a word for fewer features than this, the same letter would be another word on each page.
_MOST_A_WORD = 40
_FEATURES_A_WORD = 100
_ITERATIONS = 8


class Vocabulary:
    """Visual words; make one with `train` or `load`.

    centres: (W, 32) uint8 words of binary features, or (W, 128) float32 words of SIFT features.
    """

    def __init__(self, centres: NDArray[Any]) -> None:
        self.centres = centres
        self._binary = centres.dtype == np.uint8
        width = centres.shape[1]
        self._index = faiss.IndexBinaryFlat(8 * width) if self._binary else faiss.IndexFlatL2(width)
        self._index.add(np.ascontiguousarray(centres))

    @classmethod
    def train(cls, features: NDArray[np.uint8], *, words: int, binary: bool, seed: int) -> Vocabulary:
        """k-means over features (N, D) uint8; of their bits, rounded to bits again, if they are binary.

        There are at most `words` words, fewer if there are too few features for them.
        """
        words = max(1, min(words, len(features) // _FEATURES_A_WORD))
        dice = np.random.default_rng(seed)
        most = words * _MOST_A_WORD
        chosen = features[np.sort(dice.permutation(len(features))[:most])]
        points = np.unpackbits(chosen, axis=1).astype(np.float32) if binary else chosen.astype(np.float32)
        means = faiss.Kmeans(points.shape[1], words, niter=_ITERATIONS, seed=seed, min_points_per_centroid=1)
        means.train(np.ascontiguousarray(points))
        centres = np.asarray(means.centroids, np.float32)
        return cls(np.packbits(centres > 0.5, axis=1) if binary else centres)

    @classmethod
    def load(cls, file: Path) -> Vocabulary:
        return cls(np.load(file))

    def save(self, file: Path) -> None:
        np.save(file, self.centres)

    def __len__(self) -> int:
        return len(self.centres)

    def words(self, features: NDArray[np.uint8]) -> NDArray[np.int64]:
        """(N,) int64, the nearest word of each feature (N, D) uint8."""
        if not len(features):
            return np.empty(0, np.int64)
        points = features if self._binary else features.astype(np.float32)
        nearest: NDArray[np.int64] = self._index.search(np.ascontiguousarray(points), 1)[1][:, 0]
        return nearest.astype(np.int64)


class InvertedFile:
    """For each word the pages it is on, with its weight there: tf-idf, of unit length a page.

    starts: (W + 1,) int64, where each word's postings begin.
    pages: (P,) int32 page ids; weights: (P,) float32.
    idf: (W,) float32.
    """

    def __init__(
        self,
        starts: NDArray[np.int64],
        pages: NDArray[np.int32],
        weights: NDArray[np.float32],
        idf: NDArray[np.float32],
        *,
        count: int,
    ) -> None:
        self._starts, self._pages, self._weights, self._idf = starts, pages, weights, idf
        self._count = count

    @classmethod
    def build(cls, pages: Iterable[tuple[int, NDArray[np.int64]]], *, words: int, count: int) -> InvertedFile:
        """From (page id, words of its features (N,)) of every page, `count` pages in all."""
        ids, terms, counts = [], [], []
        for page, seen in pages:
            distinct, times = np.unique(seen, return_counts=True)
            ids.append(np.full(len(distinct), page, np.int32))
            terms.append(distinct)
            counts.append(times)
        page_ids = np.concatenate([*ids, np.empty(0, np.int32)])
        term = np.concatenate([*terms, np.empty(0, np.int64)]).astype(np.int64)
        frequency = np.concatenate([*counts, np.empty(0, np.int64)])
        documents = np.bincount(term, minlength=words)
        # Smoothed: in a small library a word that is on every page must not leave a photo without any.
        idf = np.log1p(count / np.maximum(documents, 1)).astype(np.float32)
        weights = np.sqrt(frequency).astype(np.float32) * idf[term]
        lengths = np.sqrt(np.bincount(page_ids, weights.astype(np.float64) ** 2, minlength=count))
        weights /= np.maximum(lengths, 1e-9)[page_ids].astype(np.float32)
        order = np.argsort(term, kind="stable")
        starts = np.concatenate([[0], np.cumsum(documents)]).astype(np.int64)
        return cls(starts, page_ids[order], weights[order], idf, count=count)

    @classmethod
    def load(cls, file: Path) -> InvertedFile:
        with np.load(file) as kept:
            return cls(kept["starts"], kept["pages"], kept["weights"], kept["idf"], count=int(kept["count"]))

    def save(self, file: Path) -> None:
        np.savez(
            file,
            starts=self._starts,
            pages=self._pages,
            weights=self._weights,
            idf=self._idf,
            count=self._count,
        )

    def search(self, words: NDArray[np.int64], *, top: int) -> list[tuple[int, float]]:
        """The (page id, cosine) of the `top` pages nearest to a photo with these words (N,), best first."""
        distinct, times = np.unique(words, return_counts=True)
        query = np.sqrt(times) * self._idf[distinct]
        length = float(np.linalg.norm(query))
        if length == 0:
            return []
        scores = np.zeros(self._count)
        for word, weight in zip(distinct.tolist(), (query / length).tolist(), strict=True):
            postings = slice(self._starts[word], self._starts[word + 1])
            scores[self._pages[postings]] += weight * self._weights[postings]
        best = np.argsort(-scores, kind="stable")[:top]
        return [(int(page), float(scores[page])) for page in best if scores[page] > 0]
