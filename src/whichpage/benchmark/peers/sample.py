"""Which pages of the library the peers index: all, or a sample that has every page the photos show."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable, Sequence
from pathlib import Path

from whichpage.benchmark.peers.protocol import LibraryPage
from whichpage.catalog import Book
from whichpage.errors import WhichpageError
from whichpage.files import ends_with

# A sample is drawn in runs of neighbouring pages: those of the same book are the hardest to tell apart.
RUN = 8


def pages_of(books: Iterable[Book]) -> list[LibraryPage]:
    """All pages of the complete books, in the library's order."""
    return [
        LibraryPage(book.path, number)
        for book in books
        if book.state == "complete"
        for number in range(1, book.pages + 1)
    ]


def shown_pages(books: Iterable[Book], shown: Iterable[tuple[str, int]]) -> list[LibraryPage]:
    """The library's pages that photos show.

    Args:
        shown: the book's path, or the end of it, and the 1-based page number, as a truth file has them.

    Raises:
        WhichpageError: the library has no such book or page.
    """
    places = [(path, book) for book in books for path in (book.path, *book.copies)]
    found = []
    for name, number in shown:
        book = next((book for path, book in places if ends_with(path, name)), None)
        if book is None or not 1 <= number <= book.pages:
            raise WhichpageError(f"The library has no page {number} of {name}, which a photo shows.")
        found.append(LibraryPage(book.path, number))
    return found


def sample(
    pages: Sequence[LibraryPage], keep: Iterable[LibraryPage], *, count: int | None, seed: int
) -> list[LibraryPage]:
    """At least `count` of the pages, in their order, in runs of neighbours; all pages if `count` is None.

    First the runs that hold the pages to keep, then runs drawn at random until there are `count` pages: a
    few more than `count` where the last run goes beyond it, and many more where the runs to keep do.
    """
    if count is None or count >= len(pages):
        return list(pages)
    runs: dict[tuple[Path, int], list[LibraryPage]] = {}
    for page in pages:
        runs.setdefault((page.source, (page.number - 1) // RUN), []).append(page)
    chosen = {(page.source, (page.number - 1) // RUN) for page in keep}
    others = [run for run in runs if run not in chosen]
    random.Random(seed).shuffle(others)
    total = sum(len(runs[run]) for run in chosen)
    while total < count:
        run = others.pop()
        chosen.add(run)
        total += len(runs[run])
    return [page for run, members in runs.items() if run in chosen for page in members]


def fingerprint(pages: Sequence[LibraryPage]) -> str:
    """12 hex digits that tell one list of pages from another: paths, sizes of the files and page numbers."""
    digest = hashlib.sha256()
    sizes: dict[Path, int] = {}
    for page in pages:
        if page.source not in sizes:
            sizes[page.source] = page.source.stat().st_size if page.source.exists() else -1
        digest.update(
            f"{page.source}\0{sizes[page.source]}\0{page.number}\n".encode("utf-8", "surrogateescape")
        )
    return digest.hexdigest()[:12]
