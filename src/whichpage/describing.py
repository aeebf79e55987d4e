"""Pages that lack local features get them from their thumbnails: neither their files nor indexing is needed.

So a library that an older whichpage made, with other local features or none, is brought up to date, and the
text that was read off its scans stays. Each portion is written as it comes: ended at any moment and run
again, it goes on.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import cv2
import numpy as np

from whichpage.adding import Adder
from whichpage.catalog import Catalog
from whichpage.features import PACKED_NONE, FeatureExtractor, pack
from whichpage.indexing import AddProgress

_log = logging.getLogger(__name__)

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
        adder: writes; its local features are of this extractor's model. Two adders at once do all twice, and
            what the first one wrote stays.
        extractor: finds and describes them; the threads share it.
        threads: how many work at it.
        progress: called after each portion.

    Raises:
        LibraryError: the library cannot be written.
        LibraryOutdated: another process has begun to use other models.
    """
    total = catalog.featureless()
    began, done, written = time.monotonic(), 0, 0

    def described(page: tuple[int, bytes]) -> tuple[int, bytes]:
        page_id, thumbnail = page
        grey = cv2.imdecode(np.frombuffer(thumbnail, np.uint8), cv2.IMREAD_GRAYSCALE)
        if grey is None:
            # Else nothing could be added to the library any more.
            _log.warning("the thumbnail of page %d is damaged: the page has no local features", page_id)
            return page_id, PACKED_NONE
        return page_id, pack(extractor.extract(np.asarray(grey, np.uint8)), extractor.vocabulary)

    with ThreadPoolExecutor(threads) as pool:
        last = 0
        while portion := catalog.featureless_thumbnails(after=last, most=_PORTION):
            written += adder.describe(list(pool.map(described, portion)))
            done += len(portion)
            last = portion[-1][0]
            if progress:
                elapsed = time.monotonic() - began
                now = AddProgress.after(elapsed, pages=done, done=done, total=total, known=True, book=None)
                progress(replace(now, stage="describing"))
    adder.end_describing()
    return written
