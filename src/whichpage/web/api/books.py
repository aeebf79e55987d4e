"""The books of the library: list them, look at one, remove one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi import Path as PathParameter

from whichpage.catalog import Book, PageState
from whichpage.errors import SourceError
from whichpage.files import Stamp, gone, short_names, stamp
from whichpage.web import links
from whichpage.web.api import problems
from whichpage.web.problems import book_sentence, sentence
from whichpage.web.schema import BookOut, BookProblem, BookRef, BooksOut, PageOut, PagesOut
from whichpage.web.service import Serves, Service
from whichpage.web.uploads import Uploads

router = APIRouter()

# As far as SQLite counts.
_LARGEST = 2**63 - 1
BookId = Annotated[int, PathParameter(ge=1, le=_LARGEST)]
PageNumber = Annotated[int, PathParameter(ge=1, le=_LARGEST)]


@router.get("/books", summary="All books", responses=problems(409, 422, 503))
async def books(
    service: Serves,
    count: Annotated[
        int | None, Query(ge=1, le=_LARGEST, description="How many at most; all without it.")
    ] = None,
) -> BooksOut:
    """The books of the library, sorted by path."""
    return BooksOut(books=await service.read(lambda: _books(service, count)))


@router.get("/books/{id}", summary="One book", responses=problems(404, 409, 422, 503))
async def book(id: BookId, service: Serves) -> BookOut:
    """A book of the library."""

    def look() -> BookOut:
        catalog = service.library.catalog
        found = catalog.book(id)
        return _book(found, links.book_ref(found, catalog), catalog.files(id), service.uploads)

    return await service.read(look)


@router.delete(
    "/books/{id}", summary="Remove a book", status_code=204, responses=problems(404, 409, 422, 503)
)
async def remove(id: BookId, service: Serves) -> None:
    """Removes a book from the library. A file that was uploaded is deleted; any other one is left alone."""
    await service.read(lambda: _remove(service, id))


@router.get("/books/{id}/pages", summary="Pages of a book", responses=problems(404, 409, 422, 503))
async def pages(
    id: BookId,
    service: Serves,
    first: Annotated[int, Query(ge=1, le=_LARGEST, description="Page number to begin with.")] = 1,
    count: Annotated[int, Query(ge=1, le=1000, description="How many pages at most.")] = 100,
) -> PagesOut:
    """What indexing found on the pages of a book; an unfinished one lacks those still to come."""

    def look() -> PagesOut:
        catalog = service.library.catalog
        found = catalog.book(id)
        is_pdf = links.is_pdf(found.path)
        states = catalog.page_states(id, first=first, count=count + 1)
        return PagesOut(
            book=links.book_ref(found, catalog),
            pages=[_page(found, state, is_pdf=is_pdf) for state in states[:count]],
            next=states[count].number if len(states) > count else None,
        )

    return await service.read(look)


def _books(service: Service, count: int | None) -> list[BookOut]:
    catalog = service.library.catalog
    known, found = catalog.known(), catalog.books()
    names = short_names(book.path for book in found)
    # Cut here: what follows looks at each book's file.
    return [
        _book(book, links.named_ref(book, names[book.path]), known, service.uploads) for book in found[:count]
    ]


def _book(book: Book, short: BookRef, known: Mapping[Path, Stamp], uploads: Uploads) -> BookOut:
    """known: files of books, this one's among them, and what they were when they were indexed."""
    problem, error = _amiss(book, known, missing=short.missing)
    return BookOut(
        **short.model_dump(),
        path=links.path_text(book.path),
        state=book.state,
        error=error and sentence(error),
        problem=problem,
        cover=links.cover(book),
        file=links.file(book, is_pdf=links.is_pdf(book.path)),
        added=book.added,
        uploaded=any(uploads.owns(path) for path in (book.path, *book.copies)),
    )


def _amiss(
    book: Book, known: Mapping[Path, Stamp], *, missing: bool
) -> tuple[BookProblem, str] | tuple[None, None]:
    if missing:
        return "missing", "the file does not exist"
    if book.state == "unfinished":
        return "unfinished", f"{book.done} of {book.pages} pages are indexed"
    if strayed := _strayed([path for path in (book.path, *book.copies) if path in known], known):
        return strayed
    if book.unreadable:
        return "pages", f"{book.unreadable} of {book.pages} pages cannot be read"
    return None, None


def _strayed(places: Sequence[Path], known: Mapping[Path, Stamp]) -> tuple[BookProblem, str] | None:
    """What is amiss with a book's files; nothing if one of them is as it was, which is shown then."""
    found: list[tuple[BookProblem, str]] = []
    for path in places:
        try:
            if stamp(path) == known[path]:
                return None
            found.append(("changed", "the file may have changed since it was indexed"))
        except SourceError as error:
            if not gone(path):  # that one alone: another place is still worth a word
                found.append(("unreadable", f"the file {error.reason}"))
    return found[0] if found else None


def _page(book: Book, state: PageState, *, is_pdf: bool) -> PageOut:
    return PageOut(
        page=state.number,
        blank=state.blank,
        error=state.trouble and book_sentence(state.trouble),
        image=links.image(book, state.number),
        text=links.text(book, state.number, is_pdf=is_pdf),
    )


def _remove(service: Service, id: int) -> None:
    # Asked before, for it is gone with the book.
    places = service.library.catalog.files(id)
    book = service.library.remove(id)
    for path in {book.path, *places}:
        service.uploads.remove(path)
