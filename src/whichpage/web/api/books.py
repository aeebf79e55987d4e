"""The books of the library: list them, look at one, remove one."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query

from whichpage.catalog import Book, PageState
from whichpage.errors import SourceError
from whichpage.files import Stamp, stamp
from whichpage.web import links
from whichpage.web.api import problems
from whichpage.web.schema import BookOut, BooksOut, PageOut, PagesOut
from whichpage.web.service import Serves, Service
from whichpage.web.uploads import Uploads

router = APIRouter()

# As far as SQLite counts.
_LARGEST = 2**63 - 1
BookId = Annotated[int, Path(ge=1, le=_LARGEST)]
PageNumber = Annotated[int, Path(ge=1, le=_LARGEST)]


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
        return _book(found, next(iter(catalog.files(id).values()), None), service.uploads)

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
        found = service.library.catalog.book(id)
        is_pdf = links.is_pdf(found.path)
        states = service.library.catalog.page_states(id, first=first, count=count + 1)
        return PagesOut(
            book=links.book_ref(found),
            pages=[_page(found, state, is_pdf=is_pdf) for state in states[:count]],
            next=states[count].number if len(states) > count else None,
        )

    return await service.read(look)


def _books(service: Service, count: int | None) -> list[BookOut]:
    catalog = service.library.catalog
    known = catalog.known()
    # Cut here: what follows looks at each book's file.
    return [_book(book, known.get(book.path), service.uploads) for book in catalog.books()[:count]]


def _book(book: Book, indexed: Stamp | None, uploads: Uploads) -> BookOut:
    short = links.book_ref(book)
    return BookOut(
        id=short.id,
        title=short.title,
        pages=short.pages,
        path=links.path_text(book.path),
        state=book.state,
        error=_amiss(book, indexed),
        cover=links.cover(book),
        file=links.file(book, is_pdf=links.is_pdf(book.path)),
        added=book.added,
        uploaded=any(uploads.owns(path) for path in (book.path, *book.copies)),
    )


def _amiss(book: Book, indexed: Stamp | None) -> str | None:
    if book.state == "unfinished":
        return f"{book.done} of {book.pages} pages are indexed"
    try:
        if indexed is not None and stamp(book.path) != indexed:
            return "the file may have changed since it was indexed"
    except SourceError as error:
        return f"the file {error.reason}"
    if book.unreadable:
        return f"{book.unreadable} of {book.pages} pages cannot be read"
    return None


def _page(book: Book, state: PageState, *, is_pdf: bool) -> PageOut:
    return PageOut(
        page=state.number,
        blank=state.blank,
        error=state.trouble,
        image=links.image(book, state.number),
        text=links.text(book, state.number, is_pdf=is_pdf),
    )


def _remove(service: Service, id: int) -> None:
    # Asked before, for it is gone with the book.
    places = service.library.catalog.files(id)
    book = service.library.remove(id)
    for path in {book.path, *places}:
        service.uploads.remove(path)
