"""Is a newly trained encoder better than the one it is to replace? Both look for the same photos."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from whichpage.training import ranking
from whichpage.training.pages import PageCache
from whichpage.training.ranking import Encodes

PHOTOS, PHOTOS_A_PAGE = 1000, 5  # at most
# A difference that chance makes more often than this is none.
_CHANCE = 0.05


@dataclass(frozen=True)
class Verdict:
    """Two encoders on the same photos of held-out books.

    before, after: the shares of photos whose page is first, and among the first 20, of each encoder.
    chance: the probability that so many pages, or more, are found more often by one of them than by the
        other, if both were equally good.
    """

    photos: int
    books: int
    pages: int
    before: tuple[float, float]
    after: tuple[float, float]
    chance: float

    @property
    def kind(self) -> Literal["better", "worse", "alike"]:
        """What the top-1 says, if it is not chance."""
        if self.chance >= _CHANCE or self.before[0] == self.after[0]:
            return "alike"
        return "better" if self.after[0] > self.before[0] else "worse"

    def sentence(self, *, rival: str) -> str:
        """For people; `rival` is what the new encoder is compared with ("the shipped model")."""
        says = {"better": "improves on", "worse": "is worse than", "alike": "is no clear improvement on"}
        top1, top20 = (
            f"{before:.1%} -> {after:.1%}" for before, after in zip(self.before, self.after, strict=True)
        )
        return (
            f"{says[self.kind]} {rival}: {top1} of {self.photos:,} simulated photos have their page first,"
            f" {top20} among the first 20 of {self.pages:,} pages ({self.books} held-out books)"
        )


def compare(before: Encodes, after: Encodes, cache: PageCache, *, seed: int = 99) -> Verdict:
    """Looks for photos of the validation books' pages among them, as a library does, by codes alone."""
    books = cache.books("val")
    rows = np.concatenate(books)
    count = min(PHOTOS, PHOTOS_A_PAGE * len(rows))
    shown = np.resize(np.random.default_rng(seed).permutation(len(rows)), count)
    encoders = (before, after)
    asked = ranking.encode_photos(encoders, cache, rows[shown], seed=seed)
    firsts: list[NDArray[np.bool_]] = []
    shares: list[tuple[float, float]] = []
    for encoder, queries in zip(encoders, asked, strict=True):
        pages = ranking.encode_pages(encoder, cache, rows)
        places = ranking.ranks(ranking.all_views(queries, pages), shown)
        firsts.append(places < 1)
        shares.append((float(np.mean(places < 1)), float(np.mean(places < 20))))
    gained, lost = pages_that_differ(firsts[0], firsts[1], shown)
    return Verdict(len(shown), len(books), len(rows), shares[0], shares[1], sign_test(gained, lost))


def pages_that_differ(
    before: NDArray[np.bool_], after: NDArray[np.bool_], shown: NDArray[np.int64]
) -> tuple[int, int]:
    """How many pages are found more often by the second encoder, and how many by the first.

    Photos of one page succeed and fail together: counted one by one they would make chance look like more.

    Args:
        before, after: (N,) which photos have their page first.
        shown: (N,) the page of each.
    """
    balance = np.bincount(shown, after.astype(np.int64) - before.astype(np.int64))
    return int((balance > 0).sum()), int((balance < 0).sum())


def sign_test(gained: int, lost: int) -> float:
    """Probability that fair coins fall at least as unevenly as `gained` to `lost` (two-sided, exact)."""
    tosses = gained + lost
    tail = sum(math.comb(tosses, k) for k in range(min(gained, lost) + 1)) / 2**tosses
    return min(1.0, 2 * tail)
