"""Perceptual hashes (`imagehash`): of the whole photo, and of the page that our page finder cuts out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import faiss
import imagehash
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from whichpage.benchmark.peers.nearest_bits import index_bits
from whichpage.benchmark.peers.protocol import IndexCost, LibraryPage, Progress, Ranked, accept_first
from whichpage.pagefinder import PageFinder
from whichpage.photo import Photo, decode, rectify
from whichpage.sources import Source
from whichpage.types import Grey

Kind = Literal["phash", "dhash"]

# 16 x 16 = 256 bits: the library's default of 64 cannot tell thousands of pages of text apart.
HASH_SIDE = 16
BITS = HASH_SIDE * HASH_SIDE
# A rectified page, (H, W): more than the hashes read.
_RECTIFIED = (480, 336)
_NAMES = {"phash": "pHash", "dhash": "dHash"}


def hash_bits(kind: Kind, grey: Grey) -> NDArray[np.uint8]:
    """(32,) uint8: the 256 bits of imagehash's hash of an image (H, W), packed as `np.packbits` does."""
    compute: Callable[..., Any] = {"phash": imagehash.phash, "dhash": imagehash.dhash}[kind]
    return np.packbits(compute(Image.fromarray(grey), hash_size=HASH_SIDE).hash.ravel())


@dataclass(frozen=True)
class HashPage:
    """Describes a page by its hash."""

    kind: Kind

    def __call__(self, source: Source, number: int) -> bytes:
        return hash_bits(self.kind, source.render(number).grey).tobytes()


class HashPeer:
    """The nearest hash by Hamming distance, the photo tried in its four turns."""

    def __init__(self, kind: Kind, *, page_finder: PageFinder | None, most_bits: int) -> None:
        """most_bits: the largest distance at which it answers."""
        self.name = kind if page_finder is None else f"{kind}-finder"
        seen = "the whole photo" if page_finder is None else "the page that our page finder cuts out"
        self.what = (
            f"imagehash {_NAMES[kind]} of {BITS} bits, of {seen}, in four turns; nearest by Hamming distance"
        )
        self.rule = f"answers at a distance of at most {most_bits} of {BITS} bits"
        self.kept = f"{kind} {BITS}"
        self._kind: Kind = kind
        self._page_finder = page_finder
        self._most_bits = most_bits
        self._pages: list[LibraryPage] = []
        self._index = faiss.IndexBinaryFlat(BITS)

    def index(self, pages: Sequence[LibraryPage], folder: Path, progress: Progress) -> IndexCost:
        self._pages, self._index, cost = index_bits(
            pages, folder / "hashes.sqlite", HashPage(self._kind), progress, bits=BITS
        )
        return cost

    def answer(self, photo: Path) -> list[Ranked]:
        decoded = decode(photo)
        hashes = [hash_bits(self._kind, image) for image in self._looks(decoded)]
        if not hashes or not self._pages:
            return []
        count = min(20, len(self._pages))
        distances, places = self._index.search(np.stack(hashes), count)
        best: dict[int, int] = {}
        for distance, place in zip(distances.ravel().tolist(), places.ravel().tolist(), strict=True):
            best[place] = min(distance, best.get(place, BITS))
        found = [(self._pages[place], float(BITS - distance)) for place, distance in best.items()]
        return accept_first(found, least=float(BITS - self._most_bits))

    def _looks(self, photo: Photo) -> list[Grey]:
        """The images whose hashes are sought: which way up the page is, is not known."""
        if self._page_finder is None:
            return [np.ascontiguousarray(np.rot90(photo.pyramid[0], turn)) for turn in range(4)]
        return [
            rectify(photo, np.roll(view.quad, turn, axis=0), size=_RECTIFIED)[0]
            for view in self._page_finder.find(photo)
            for turn in range(4)
        ]
