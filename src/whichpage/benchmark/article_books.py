"""The books of the article's protocol: some to train on, others to validate on, chosen by no one.

Books of at least 100 pages in the order of the SHA-256 of their file's name, until there are about as many
pages as the article had. One that repeats another, by its name or by its bytes, is skipped, and so is one
so long that it would spoil the page count.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pypdfium2 as pdfium

from whichpage.files import sha256

LEAST_PAGES = 100
TRAIN_PAGES, VALIDATE_PAGES = 5_655, 2_309
# "About": a split ends at 95 % of its pages, and takes no book that would bring it beyond 110 %.
_ENOUGH, _TOO_MANY = 0.95, 1.10
# Nor is one book half of a split.
_LARGEST = 0.5

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LongBook:
    """A PDF of at least 100 pages."""

    path: Path
    pages: int


@dataclass(frozen=True, slots=True)
class Split:
    """The books of the protocol; no book is on both sides."""

    train: tuple[LongBook, ...]
    validate: tuple[LongBook, ...]


def split_books(
    folder: Path, *, train_pages: int = TRAIN_PAGES, validate_pages: int = VALIDATE_PAGES
) -> Split:
    """Chooses among the PDFs below a folder."""
    books = list(_new_books(_long_books(folder)))
    train = _take(books, train_pages)
    validate = _take([book for book in books if book not in train], validate_pages)
    return Split(train, validate)


def _take(books: Iterable[LongBook], wanted: int) -> tuple[LongBook, ...]:
    """The first books that have about the pages wanted."""
    taken: list[LongBook] = []
    pages = 0
    for book in books:
        if pages >= _ENOUGH * wanted:
            break
        if book.pages <= _LARGEST * wanted and pages + book.pages <= _TOO_MANY * wanted:
            taken.append(book)
            pages += book.pages
    return tuple(taken)


def _new_books(books: Iterable[LongBook]) -> Iterator[LongBook]:
    """The books that repeat none before them."""
    taken: set[str] = set()
    for book in books:
        names = {book.path.name, sha256(book.path)}
        if taken & names:
            _log.info("%s repeats another book", book.path)
        else:
            taken |= names
            yield book


def _long_books(folder: Path) -> list[LongBook]:
    found = []
    for path in folder.rglob("*.pdf"):
        try:
            document = pdfium.PdfDocument(path)
        except pdfium.PdfiumError as error:
            _log.info("%s is left out: %s", path, error)
            continue
        if len(document) >= LEAST_PAGES:
            found.append(LongBook(path, len(document)))
        document.close()
    # Books of one name in several folders follow each other in the order of the folders.
    return sorted(
        found, key=lambda book: (hashlib.sha256(book.path.name.encode()).hexdigest(), book.path.as_posix())
    )
