"""Where the API has what belongs to a book, as paths from the server's root."""

from __future__ import annotations

import os
from pathlib import Path

from whichpage.catalog import Book, Catalog
from whichpage.errors import SourceError
from whichpage.files import gone, kind_of, short_names
from whichpage.web.schema import BASE, BookRef


def book_ref(book: Book, catalog: Catalog) -> BookRef:
    """A book in short, named so that it is told from the others of the catalogue.

    Looks for its files, which may take long: never to be asked on the event loop.
    """
    return named_ref(book, short_names([book.path, *catalog.namesakes(book.path)])[book.path])


def named_ref(book: Book, name: Path) -> BookRef:
    """A book in short, by a title that is never empty; `book_ref` for one that has a name already."""
    return BookRef(
        id=book.id,
        title=book.title or path_text(Path(book.path.stem)),
        name=path_text(name),
        pages=book.pages,
        missing=all(gone(path) for path in (book.path, *book.copies)),
    )


def cover(book: Book) -> str:
    """The picture of its first page."""
    return f"{BASE}/books/{book.id}/cover"


def image(book: Book, page: int) -> str:
    """The picture of a page."""
    return f"{BASE}/books/{book.id}/pages/{page}/image"


def text(book: Book, page: int, *, is_pdf: bool) -> str | None:
    """The text of a page; None where the book can have none."""
    return f"{BASE}/books/{book.id}/pages/{page}/text" if is_pdf else None


def file(book: Book, page: int | None = None, *, is_pdf: bool) -> str | None:
    """The book's own PDF, at a page as browsers' viewers understand it; None where it is no PDF."""
    if not is_pdf:
        return None
    return f"{BASE}/books/{book.id}/file" + (f"#page={page}" if page else "")


def path_text(path: Path) -> str:
    """A path as JSON can say it: bytes that are no UTF-8 are shown as signs for what is missing."""
    return os.fsencode(path).decode(errors="replace")


def is_pdf(path: Path) -> bool:
    """Whether a file is a PDF by its first bytes; one that cannot be read is none.

    Opens it, which may take long: never to be asked on the event loop, nor twice of a book.
    """
    try:
        return kind_of(path) == "pdf"
    except (SourceError, OSError):
        return False
