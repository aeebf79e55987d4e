"""POST /find: a photo in, the pages that it shows out."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from whichpage.answers import answer_object
from whichpage.catalog import Catalog
from whichpage.errors import BookNotFound, LibraryChanged, PhotoError
from whichpage.library import SEARCHES, Library
from whichpage.types import Answer, Match
from whichpage.web import links
from whichpage.web.api import problems
from whichpage.web.bodies import Limits, read_part, read_raw
from whichpage.web.problems import UnsupportedMedia
from whichpage.web.schema import FindOut
from whichpage.web.service import Serves

router = APIRouter()

_RAW = ("image/jpeg", "image/png", "image/webp", "image/heic", "application/octet-stream")
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_PHOTO = {
    "requestBody": {
        "required": True,
        "description": "A photo (JPEG, PNG, WebP, HEIC, TIFF, BMP, GIF), as a form or as it is.",
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["photo"],
                    "properties": {"photo": {"type": "string", "format": "binary"}},
                }
            },
            **dict.fromkeys(_RAW, _BINARY),
        },
    }
}


@router.post(
    "/find",
    summary="Find the page that a photo shows",
    response_model=FindOut,
    responses=problems(400, 408, 409, 413, 415, 422, 503),
    openapi_extra=_PHOTO,
)
async def find(
    request: Request,
    service: Serves,
    top: Annotated[
        int, Query(ge=1, le=100, description="How many pages at most; verified ones are never cut off.")
    ] = 5,
) -> dict[str, Any]:
    """Looks for the page of a photo; with status `not_found`, the matches are near misses."""
    # A place first: what cannot be worked on soon must not fill the memory meanwhile.
    async with service.finding.place():
        name, photo = await _photo(request, Limits(service.options.photo_bytes, service.options.idle_seconds))
        answer, linked = await service.finding.do(lambda: _find(service.library, photo, top=top))
    service.metrics.answered(answer)
    return _answer(answer, linked, name=name)


async def _photo(request: Request, limits: Limits) -> tuple[str, bytes]:
    """The photo's name ("-" where it has none) and its bytes."""
    photo = bytearray()

    async def write(data: bytes) -> None:
        photo.extend(data)

    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "multipart/form-data":
        name = await read_part(request, "photo", write, limits=limits)
    elif not kind or kind == "application/octet-stream" or kind.startswith("image/"):
        name = ""
        await read_raw(request, write, limits=limits)
    else:
        raise UnsupportedMedia("send the photo as image/jpeg, or as multipart/form-data in the field 'photo'")
    if not photo:
        raise PhotoError("The photo is empty.")
    return name or "-", bytes(photo)


def _find(library: Library, photo: bytes, *, top: int) -> tuple[Answer, list[dict[str, Any]]]:
    """The answer, and where each of its matches has what belongs to it.

    Raises:
        LibraryChanged: books are being removed faster than one photo can be looked for.
    """
    for _ in range(SEARCHES):
        answer = library.with_image_names(library.find(photo, top=top))
        with suppress(BookNotFound):  # one that was found has been removed
            return answer, [_links(match, library.catalog) for match in answer.matches]
    raise LibraryChanged


def _answer(answer: Answer, linked: list[dict[str, Any]], *, name: str) -> dict[str, Any]:
    found = answer_object(answer)
    return {
        **found,
        "photo": name,
        "width": answer.width,
        "height": answer.height,
        "matches": [plain | more for plain, more in zip(found["matches"], linked, strict=True)],
    }


def _links(match: Match, catalog: Catalog) -> dict[str, Any]:
    book = catalog.book_at(match.source)
    is_pdf = links.is_pdf(book.path)
    return {
        "source": links.path_text(match.source),
        "image_name": match.image_name and links.path_text(Path(match.image_name)),
        "book": links.book_ref(book, catalog),
        "image": links.image(book, match.page),
        "file": links.file(book, match.page, is_pdf=is_pdf),
        "text": links.text(book, match.page, is_pdf=is_pdf),
    }
