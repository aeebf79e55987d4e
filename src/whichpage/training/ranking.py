"""Where the true page comes among all: simulated photos as queries, codes alone, no verification."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from whichpage.bits import signs, soft_signs
from whichpage.index import view_weights
from whichpage.training.encoder_training import Batches, EncoderRecipe
from whichpage.training.pages import PageCache
from whichpage.types import Grey, PageCodes

_AT_ONCE = 64


class Encodes(Protocol):
    """What ranking needs of an encoder."""

    def encode(self, images: Sequence[Grey]) -> PageCodes:
        """The codes of N images, (H, W) uint8 each."""


@dataclass(frozen=True, eq=False)
class Queries:
    """Simulated photos of Q pages, encoded.

    codes: of the photos. seen: (Q, V) float32, the share of each view that a photo shows.
    """

    codes: PageCodes
    seen: NDArray[np.float32]


def encode_pages(encoder: Encodes, cache: PageCache, rows: NDArray[np.int64]) -> PageCodes:
    """The codes of pages as they are."""
    parts = []
    for start in range(0, len(rows), _AT_ONCE):
        pages = cache.read(rows[start : start + _AT_ONCE])[:, 0].numpy()
        parts.append(encoder.encode(list((pages * 255).round().astype(np.uint8))))
    return joined(parts)


def encode_photos(
    encoders: Sequence[Encodes], cache: PageCache, rows: NDArray[np.int64], *, seed: int
) -> list[Queries]:
    """Photos of the pages in `rows`, rectified with an error, some cut by the frame, to each of the encoders.

    They are the same for a seed.
    """
    codes: list[list[PageCodes]] = [[] for _ in encoders]
    shares = []
    for photos, seen in _photos(cache, rows, seed=seed):
        shares.append(seen)
        for encoder, parts in zip(encoders, codes, strict=True):
            parts.append(encoder.encode(photos))
    return [Queries(joined(parts), np.concatenate(shares)) for parts in codes]


def _photos(
    cache: PageCache, rows: NDArray[np.int64], *, seed: int
) -> Iterator[tuple[list[Grey], NDArray[np.float32]]]:
    batches = Batches(cache, EncoderRecipe(), split="val", seed=seed)
    for start in range(0, len(rows), _AT_ONCE):
        _, photos, seen = batches.pairs(rows[start : start + _AT_ONCE])
        yield list(photos[:, 0].round().numpy().astype(np.uint8)), seen.numpy()


def joined(parts: Sequence[PageCodes]) -> PageCodes:
    """Several sets of codes as one."""
    return PageCodes(np.concatenate([p.bits for p in parts]), np.concatenate([p.vectors for p in parts]))


def ranks(similarity: NDArray[np.float32], truth: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many other pages are at least as similar as the true one: 0 = it comes first, and alone.

    Args:
        similarity: (Q, G) float, of each photo to each page.
        truth: (Q,) the true page's column.
    """
    own = similarity[np.arange(len(truth)), truth]
    return np.asarray((similarity >= own[:, None]).sum(1) - 1, np.int64)


def hamming(queries: Queries, pages: PageCodes) -> NDArray[np.float32]:
    """(Q, G) agreeing less differing bits of the whole page's codes."""
    return signs(queries.codes.bits[:, 0]) @ signs(pages.bits[:, 0]).T


def cosine(queries: Queries, pages: PageCodes) -> NDArray[np.float32]:
    """(Q, G) cosine of the whole page's numbers, as they are before they become bits."""
    return _unit(queries.codes.vectors[:, 0]) @ _unit(pages.vectors[:, 0]).T


def asymmetric(queries: Queries, pages: PageCodes) -> NDArray[np.float32]:
    """(Q, G) similarity of the photo's numbers to the whole page's bits, as `FlatIndex` ranks."""
    return soft_signs(queries.codes.vectors[:, 0]) @ signs(pages.bits[:, 0]).T


def all_views(queries: Queries, pages: PageCodes) -> NDArray[np.float32]:
    """(Q, G) the asymmetric similarity over all views, each weighted by how much of it the photo shows."""
    views = pages.bits.shape[1]
    weights = view_weights(queries.seen[:, :views])
    weights = weights / weights.sum(1, keepdims=True)
    total = np.zeros((len(queries.seen), len(pages.bits)), np.float32)
    for view in range(views):
        soft = soft_signs(queries.codes.vectors[:, view]) * weights[:, view, None]
        total += soft @ signs(pages.bits[:, view]).T
    return total


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True), np.float32)
