"""What there is to see of a book: a page as picture and text, the cover, the PDF itself."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import FileResponse, Response

from whichpage.catalog import Catalog
from whichpage.checking import unchanged_place
from whichpage.errors import LibraryChanged, PageNotFound
from whichpage.web import links
from whichpage.web.api import problems
from whichpage.web.api.books import BookId, PageNumber
from whichpage.web.problems import FileChanged, NotFound
from whichpage.web.schema import TextOut
from whichpage.web.service import Serves, Service
from whichpage.web.uploads import safe_name

router = APIRouter()

WIDTH, COVER_WIDTH = 1000, 240
_Responses = dict[int | str, dict[str, Any]]
Width = Annotated[int, Query(ge=16, le=2400, description="Width in pixels, at most.")]
# Asked each time whether it is still this one: in another library, served at the same address, the same id
# means another book.
_CACHED = "private, no-cache"
_JPEG: _Responses = {200: {"description": "The picture.", "content": {"image/jpeg": {}}}}
_PDF: dict[str, Any] = {"application/pdf": {}}
_RANGES: _Responses = {
    200: {"description": "The whole file.", "content": _PDF},
    206: {"description": "The part of it that `Range` names.", "content": _PDF},
    416: {"description": "`Range` names no part of it."},
}


class _Jpeg(Response):
    media_type = "image/jpeg"


class _Pdf(FileResponse):
    media_type = "application/pdf"


@router.get(
    "/books/{id}/pages/{n}/image",
    summary="A page as a picture",
    response_class=_Jpeg,
    responses={**_JPEG, **problems(404, 409, 422, 503)},
)
async def image(
    id: BookId, n: PageNumber, request: Request, service: Serves, width: Width = WIDTH
) -> Response:
    """The page as its file shows it; small and grey, as it was indexed, where the file is gone."""
    return await _image(request, service, id, n, width=width)


@router.get(
    "/books/{id}/cover",
    summary="The cover of a book",
    response_class=_Jpeg,
    responses={**_JPEG, **problems(404, 409, 422, 503)},
)
async def cover(id: BookId, request: Request, service: Serves, width: Width = COVER_WIDTH) -> Response:
    """The first page as a picture."""
    return await _image(request, service, id, 1, width=width)


@router.get(
    "/books/{id}/pages/{n}/text", summary="The text of a page", responses=problems(404, 409, 422, 503)
)
async def text(id: BookId, n: PageNumber, service: Serves) -> TextOut:
    """What the PDF says is written on the page."""
    path = await service.read(lambda: _unchanged_pdf(service.library.catalog, id, n))
    if path is None:
        return TextOut(text=None)
    return TextOut(text=await service.renderer.text(path, n))


@router.get(
    "/books/{id}/file",
    summary="The PDF of a book",
    response_class=_Pdf,
    responses={**_RANGES, **problems(404, 409, 422, 503)},
)
async def file(id: BookId, service: Serves) -> Response:
    """The book's own file, if it is a PDF and still what was indexed; takes range requests."""
    path = await service.read(lambda: _unchanged_pdf(service.library.catalog, id, 1))
    if path is None:
        raise NotFound(f"book {id} is no PDF")
    return _Pdf(
        path,
        filename=safe_name(path.name),
        content_disposition_type="inline",
        # Viewers fetch it in parts, and each time anew: it may be kept, but not used unasked.
        headers={"Cache-Control": "private, no-cache"},
    )


async def _image(request: Request, service: Service, id: int, number: int, *, width: int) -> Response:
    catalog = service.library.catalog
    book, page = await service.read(lambda: (catalog.book(id), catalog.page_id(id, number)))
    name = f"{book.id} {book.added.timestamp()} {number} {width}"
    headers = {"ETag": f'"{hashlib.sha256(name.encode()).hexdigest()[:32]}"', "Cache-Control": _CACHED}
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    try:
        path = await service.read(lambda: _unchanged(catalog, id, number))
    except FileChanged:
        small = await service.read(lambda: _thumbnail(catalog, page))
        if small is None:
            raise
        return _Jpeg(small, headers={"Cache-Control": "no-store"})
    return _Jpeg(await service.renderer.show(path, number, width=width), headers=headers)


def _thumbnail(catalog: Catalog, page: int) -> bytes | None:
    """The page as it was indexed, as JPEG; None where it was blank, of which nothing is kept."""
    try:
        return catalog.encoded_thumbnails([page])[0]
    except LibraryChanged:
        return None


def _unchanged_pdf(catalog: Catalog, id: int, number: int) -> Path | None:
    """The same as of `_unchanged`; None where it is no PDF."""
    path = _unchanged(catalog, id, number)
    return path if links.is_pdf(path) else None


def _unchanged(catalog: Catalog, id: int, number: int) -> Path:
    """A file of the book that is still what was indexed.

    Raises:
        BookNotFound, PageNotFound: there is no such book or page.
        FileChanged: there is no such file any more.
    """
    book = catalog.book(id)
    if number > book.pages:
        raise PageNotFound(f"book {id} has no page {number}")
    # An unfinished book has no file in the catalogue yet, only the one that it is read from.
    path = unchanged_place(catalog, id)
    if path is None:
        raise FileChanged(f"the file of book {id} is gone or has changed since it was indexed")
    return path
