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
    chance: the probability of a difference at least this large if both were equally good.
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
    firsts: list[NDArray[np.bool_]] = []
    shares: list[tuple[float, float]] = []
    for encoder in (before, after):
        pages = ranking.encode_pages(encoder, cache, rows)
        queries = ranking.encode_photos(encoder, cache, rows[shown], seed=seed)
        places = ranking.ranks(ranking.all_views(queries, pages), shown)
        firsts.append(places < 1)
        shares.append((float(np.mean(places < 1)), float(np.mean(places < 20))))
    gained, lost = int((firsts[1] & ~firsts[0]).sum()), int((firsts[0] & ~firsts[1]).sum())
    chance = sign_test(gained, lost)
    return Verdict(len(shown), len(books), len(rows), shares[0], shares[1], chance)


def sign_test(gained: int, lost: int) -> float:
    """Probability that fair coins fall at least as unevenly as `gained` to `lost` (two-sided, exact)."""
    tosses = gained + lost
    tail = sum(math.comb(tosses, k) for k in range(min(gained, lost) + 1)) / 2**tosses
    return min(1.0, 2 * tail)
