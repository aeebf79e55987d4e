"""The words of the API: what its answers look like in JSON, with an example each for OpenAPI."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

BASE = "/api/v1"
_BOOK = {"id": 3, "title": "The Art of the Page", "name": "art.pdf", "pages": 240, "missing": False}
_PAGE = f"{BASE}/books/3/pages/12"


def _example(example: dict[str, Any]) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [example]})


class BookRef(BaseModel):
    """A book, in short. The title is what its file calls itself, else the file's name.

    Titles may be shared, as by the chapters that one program made; `name` is no other book's.
    """

    id: int
    title: str
    name: str = Field(
        description="The name of its file or folder, with the folders above it where another book has this"
        " name too: the last parts of `path`, as many as tell it from others."
    )
    pages: int
    missing: bool = Field(
        description="Whether its file is gone, and so are its copies: pages are shown as they were indexed."
    )


_MATCH: dict[str, Any] = {
    "source": "/home/ann/books/art.pdf",
    "page": 12,
    "verified": True,
    "confidence": 0.998,
    "quad": [[212.4, 180.0], [2890.1, 201.7], [2861.3, 3902.8], [188.0, 3880.5]],
    "book": _BOOK,
    "image": f"{_PAGE}/image",
    "file": f"{BASE}/books/3/file#page=12",
    "text": f"{_PAGE}/text",
}


class MatchOut(BaseModel):
    """A page that the photo may show; only a verified one is an answer.

    `quad` holds the page's corners in the photo's pixels, top left of the page first, then clockwise.
    """

    model_config = _example(_MATCH)

    source: str
    page: int = Field(description="Counts from 1.")
    verified: bool
    confidence: float = Field(ge=0, le=1)
    quad: list[list[float]]
    book: BookRef
    image: str = Field(description="The page as a picture.")
    file: str | None = Field(description="The book's PDF at this page; null where it is no PDF.")
    text: str | None = Field(description="The page's text; null where the book is no PDF.")
    image_name: str | None = Field(
        default=None, description="Of a page of a folder or an archive of images: the image's name in it."
    )


class FindOut(BaseModel):
    """The answer to a photo. `width` and `height` are the photo's, after its EXIF turn."""

    model_config = _example(
        {
            "photo": "IMG_0001.jpg",
            "status": "found",
            "seconds": 0.21,
            "width": 3024,
            "height": 4032,
            "matches": [_MATCH],
        }
    )

    photo: str
    status: Literal["found", "not_found"]
    seconds: float
    width: int
    height: int
    matches: list[MatchOut]


BookProblem = Literal["missing", "changed", "unreadable", "unfinished", "pages"]


class BookOut(BookRef):
    """A book of the library; `error` says what is amiss with it, null where nothing is.

    `problem` tells it to programs: the file is gone (`missing`), differs from what was indexed (`changed`) or
    cannot be looked at (`unreadable`), indexing was interrupted (`unfinished`), or some pages cannot be read
    (`pages`).
    """

    model_config = _example(
        {
            **_BOOK,
            "path": "/home/ann/books/art.pdf",
            "state": "complete",
            "error": None,
            "problem": None,
            "cover": f"{BASE}/books/3/cover",
            "file": f"{BASE}/books/3/file",
            "added": "2026-01-31T12:00:00Z",
            "uploaded": False,
        }
    )

    path: str
    state: Literal["complete", "unfinished"]
    error: str | None
    problem: BookProblem | None
    cover: str
    file: str | None = Field(description="The book's PDF; null where it is no PDF.")
    added: datetime
    uploaded: bool = Field(
        description="Whether a file of it was uploaded: removing the book deletes that file."
    )


class BooksOut(BaseModel):
    """All books, sorted by path."""

    books: list[BookOut]


class PageOut(BaseModel):
    """A page of a book. Photos of a blank one are not answered; `error` says why one cannot be read."""

    model_config = _example(
        {
            "page": 12,
            "blank": False,
            "error": None,
            "image": f"{_PAGE}/image",
            "text": f"{_PAGE}/text",
        }
    )

    page: int
    blank: bool
    error: str | None
    image: str
    text: str | None


class PagesOut(BaseModel):
    """Some pages of a book; `next` is the first one that is not among them, null at the end."""

    book: BookRef
    pages: list[PageOut]
    next: int | None


class TextOut(BaseModel):
    """A page's text, null where its file has none, as a scan."""

    model_config = _example({"text": "Chapter 2\nOf margins"})

    text: str | None


JobState = Literal["queued", "indexing", "done", "failed"]


class JobOut(BaseModel):
    """How far the indexing of an upload has come. `pages_total` is 0 until the book has been opened."""

    model_config = _example(
        {
            "id": "5f0c1a2b3c4d5e6f",
            "name": "art.pdf",
            "state": "indexing",
            "pages_done": 64,
            "pages_total": 240,
            "seconds_left": 3.5,
            "error": None,
            "book": None,
            "known": False,
            "events": f"{BASE}/jobs/5f0c1a2b3c4d5e6f/events",
        }
    )

    id: str
    name: str
    state: JobState
    pages_done: int
    pages_total: int
    seconds_left: float | None
    error: str | None = Field(description="Why it failed, or which pages could not be read.")
    book: int | None = Field(description="The book's id, once it is done.")
    known: bool = Field(description="Whether the library had this book before, and so nothing was added.")
    events: str


class JobsOut(BaseModel):
    """The uploads since the server was started, the latest first; long finished ones are forgotten.

    Those that an earlier start left to be indexed are among them, by the ids that they had.
    """

    jobs: list[JobOut]


class HealthOut(BaseModel):
    """That the server answers, and how busy it is."""

    model_config = _example({"status": "ok", "version": "0.1.0", "finding": 2, "waiting": 0})

    status: Literal["ok"]
    version: str
    finding: int = Field(description="Photos at the desk, those in line among them.")
    waiting: int = Field(description="Photos in line.")


class ProblemOut(BaseModel):
    """What went wrong (RFC 9457); `type` is for programs, `detail` is a sentence for people."""

    model_config = _example(
        {
            "type": "urn:whichpage:problem:book-not-found",
            "title": "Not Found",
            "status": 404,
            "detail": "The library has no book 3.",
        }
    )

    type: str
    title: str
    status: int
    detail: str
    errors: list[dict[str, str]] = []
