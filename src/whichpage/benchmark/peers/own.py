"""whichpage itself: what `Library.find` does, over the same pages as the other peers."""

from __future__ import annotations

import itertools
import json
import random
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from whichpage.benchmark.peers.protocol import RANKED, IndexCost, LibraryPage, Progress, Ranked
from whichpage.catalog import Catalog
from whichpage.encoder import model_id
from whichpage.finding import Finder
from whichpage.index import FlatIndex
from whichpage.library import Library
from whichpage.verify import ACCEPTED

# Indexing is timed on whole books, drawn until they have this many pages: that is what `add` does.
TIMED_PAGES = 2000


class OwnPeer:
    """The `Finder` of a library, its index cut down to the pages that the peers see."""

    rule = f"answers at a confidence of at least {ACCEPTED:g}, a threshold learned on simulated photos"

    def __init__(self, library: Path, *, model: Path | None, seed: int, text: bool = True) -> None:
        """text: find photos by their text too; else by looks alone, as where the PDFs hold no text."""
        self.name = "whichpage" if text else "whichpage-scans"
        self.what = (
            f"what `Library.find` does{'' if text else ' by looks alone, as among scans without text'};"
            " indexing is timed by a real `Library.add` of whole books of the library"
        )
        self._text = text
        self._folder = library
        self._model = model
        self._seed = seed
        self._finder: Finder | None = None
        self.kept = f"{model_id(model)} {seed} {TIMED_PAGES}"

    def index(self, pages: Sequence[LibraryPage], folder: Path, progress: Progress) -> IndexCost:
        cost = self._time_adding(pages, folder, progress)
        library = Library.open(self._folder, model=self._model)  # stays open: the finder reads from it
        wanted = set(pages)
        page_ids, bits = library.catalog.codes()
        places = library.catalog.pages(page_ids.tolist())
        chosen = np.array([LibraryPage(page.source, page.number) in wanted for page in places], bool)
        index = FlatIndex(page_ids[chosen], bits[chosen])
        self._finder = library.finder().variant(index=index, reads=self._text)
        return cost

    def answer(self, photo: Path) -> list[Ranked]:
        assert self._finder is not None, "index first"
        matches = self._finder.find(photo, name=str(photo), top=RANKED).matches
        return [
            Ranked(LibraryPage(match.source, match.page), match.confidence, match.verified)
            for match in matches
        ]

    def _time_adding(self, pages: Sequence[LibraryPage], folder: Path, progress: Progress) -> IndexCost:
        """Adds whole books to a new library; begun again after a kill, so that the time is of all."""
        result = folder / "added.json"
        if result.exists():
            return IndexCost(**json.loads(result.read_text()))
        with Catalog.open(self._folder) as catalog:
            lengths = {book.path: book.pages for book in catalog.books()}
        books = sorted({page.source for page in pages})
        random.Random(self._seed).shuffle(books)
        before = [0, *itertools.accumulate(lengths[book] for book in books)]
        chosen = [book for book, count in zip(books, before, strict=False) if count < TIMED_PAGES]
        new = folder / "library"
        shutil.rmtree(new, ignore_errors=True)
        started = time.perf_counter()
        with Library.open(new, model=self._model, create=True) as library:
            library.add(*chosen, progress=lambda now: progress(now.pages_done, now.pages_total))
            seconds = time.perf_counter() - started
        with Catalog.open(new) as catalog:  # closed before: what lay in SQLite's journal counts once
            info = catalog.info()
        cost = IndexCost(info.pages, seconds, info.bytes, info.unreadable)
        shutil.rmtree(new)
        result.write_text(json.dumps(asdict(cost)))
        return cost
