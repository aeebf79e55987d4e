"""A shelf of drawn pages, and photos of them, for the tests of the peers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from drawn import photo_of, text_page
from PIL import Image

from whichpage.benchmark.peers.protocol import IndexCost, LibraryPage, Peer, Ranked

# A page held a little askew, its four corners within the photo.
ASKEW = np.array([[140, 120], [760, 150], [790, 1060], [110, 1040]], np.float32)


def put_pages(folder: Path, count: int = 6) -> list[LibraryPage]:
    """A folder of `count` drawn pages, page k of seed k."""
    folder.mkdir(parents=True)
    for number in range(1, count + 1):
        Image.fromarray(text_page(number)).save(folder / f"{number:02}.png")
    return [LibraryPage(folder, number) for number in range(1, count + 1)]


def put_photo(file: Path, seed: int, *, turns: int = 0) -> Path:
    """A photo of the drawn page of this seed, turned by so many quarters."""
    pixels = np.rot90(photo_of([(text_page(seed), ASKEW)]), turns)
    Image.fromarray(pixels).save(file, quality=90)
    return file


def put_scan(file: Path, seed: int) -> Path:
    """The page of this seed from edge to edge, a little darker, as a flatbed gives it."""
    Image.fromarray((text_page(seed) * 0.9).astype(np.uint8)).save(file, quality=80)
    return file


def indexed(peer: Peer, pages: Sequence[LibraryPage], folder: Path) -> IndexCost:
    """Indexes the pages, and tells nobody how far it is."""
    folder.mkdir(exist_ok=True)
    return peer.index(pages, folder, lambda done, total: None)


def first(ranked: Sequence[Ranked]) -> tuple[int, bool]:
    """The page that is ranked first, and whether it is the answer."""
    return ranked[0].page.number, ranked[0].accepted
