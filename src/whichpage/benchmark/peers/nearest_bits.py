"""Pages described by as many bits each, and an exhaustive search by Hamming distance over them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import faiss
import numpy as np

from whichpage.benchmark.peers.protocol import IndexCost, LibraryPage, Progress
from whichpage.benchmark.peers.store import Describe, DescribedPages, bytes_on_disk


def index_bits(
    pages: Sequence[LibraryPage], file: Path, describe: Describe, progress: Progress, *, bits: int
) -> tuple[list[LibraryPage], faiss.IndexBinaryFlat, IndexCost]:
    """Describes pages, or goes on with it, in a file that has its folder to itself.

    describe: gives bits / 8 bytes a page.

    Returns:
        The pages that could be read, the index over them in that order, and what it cost.
    """
    with DescribedPages(file) as described:
        described.fill(pages, describe, progress)
        rows = [(number, data) for number, data in described.rows() if data]
        seconds, unreadable = described.seconds, described.unreadable
    index = faiss.IndexBinaryFlat(bits)
    index.add(np.frombuffer(b"".join(data for _, data in rows), np.uint8).reshape(len(rows), bits // 8))
    cost = IndexCost(len(pages), seconds, bytes_on_disk(file.parent), unreadable)
    return [pages[number] for number, _ in rows], index, cost
