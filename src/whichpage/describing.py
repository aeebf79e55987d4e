"""Pages that lack local features get them from their thumbnails: neither their files nor indexing is needed.

So a library that an older whichpage made, with other local features or none, is brought up to date, and the
text that was read off its scans stays. Each portion is written as it comes: ended at any moment and run
again, it goes on.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np

from whichpage.adding import Adder
from whichpage.catalog import Catalog
from whichpage.errors import LibraryError
from whichpage.features import FeatureExtractor, pack
from whichpage.indexing import AddProgress

# Pages that are written together.
_PORTION = 64


def describe_pages(
    catalog: Catalog,
    adder: Adder,
    extractor: FeatureExtractor,
    *,
    threads: int,
    progress: Callable[[AddProgress], None] | None = None,
) -> int:
    """Gives all pages local features that have codes but none of those; returns how many got them.

    Args:
        catalog: of the library.
        adder: writes; its local features are of this extractor's model.
        extractor: finds and describes them; the threads share it.
        threads: how many work at it.
        progress: called after each portion.

    Raises:
        LibraryError: a thumbnail is damaged, or the library cannot be written.
        LibraryOutdated: another process has renewed the library for other models.
    """
    total = catalog.featureless()
    began, done = time.monotonic(), 0

    def described(thumbnail: bytes) -> bytes:
        grey = cv2.imdecode(np.frombuffer(thumbnail, np.uint8), cv2.IMREAD_GRAYSCALE)
        if grey is None:
            raise LibraryError("the library is damaged: a page's thumbnail cannot be decoded")
        return pack(extractor.extract(np.asarray(grey, np.uint8)), extractor.vocabulary)

    with ThreadPoolExecutor(threads) as pool:
        portion = catalog.featureless_thumbnails(after=0, most=_PORTION)
        while portion:
            page_ids, thumbnails = zip(*portion, strict=True)
            found = list(zip(page_ids, pool.map(described, thumbnails), strict=True))
            portion = catalog.featureless_thumbnails(after=page_ids[-1], most=_PORTION)
            adder.describe(found, last=not portion)
            done += len(found)
            if progress:
                elapsed = time.monotonic() - began
                progress(
                    AddProgress.after(elapsed, pages=done, done=done, total=total, known=True, book=None)
                )
    return done
