"""Photos answered as if the pages that they show were in no book: whatever is verified then is wrong."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from whichpage.benchmark.scoring import Compares
from whichpage.benchmark.truth import TruthPhoto
from whichpage.files import ends_with
from whichpage.finding import Finder
from whichpage.index import FlatIndex
from whichpage.library import Library
from whichpage.types import Answer


class Struck:
    """Finds in a library from which the pages of each photo are struck out, wherever it has them."""

    def __init__(self, library: Library, *, same: Compares) -> None:
        self._finder = library.finder()
        self._page_ids, self._bits = library.catalog.codes()
        self._same = same
        pages = library.catalog.pages(self._page_ids.tolist())
        self._places = {(page.source, page.number): page.id for page in pages}

    def find(self, photo: Path, *, truth: TruthPhoto) -> Answer:
        """The answer to a photo without the pages that its truth names.

        Other books' copies of them are struck out as they are answered, and the photo is looked for again.

        Raises:
            PhotoError: the photo cannot be read.
        """
        own = {
            page_id
            for (source, number), page_id in self._places.items()
            if number in truth.seen and ends_with(source, truth.pdf)
        }
        while True:
            answer = self._without(own).find(photo, name=str(photo), top=5)
            copies = {
                self._places[match.source, match.page]
                for match in answer.matches
                if match.verified and self._is_own(str(match.source), match.page, truth)
            }
            if not copies:
                return answer
            own |= copies

    def _is_own(self, source: str, page: int, truth: TruthPhoto) -> bool:
        return any(self._same(source, page, truth.pdf, number) for number in truth.seen)

    def _without(self, page_ids: Iterable[int]) -> Finder:
        kept = ~np.isin(self._page_ids, list(page_ids))
        return self._finder.variant(index=FlatIndex(self._page_ids[kept], self._bits[kept]))
