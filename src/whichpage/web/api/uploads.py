"""Books by upload: POST /books takes one in, /jobs tell how far its indexing has come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Request
from fastapi import Path as PathParameter
from starlette.responses import StreamingResponse

from whichpage.adding import Content
from whichpage.catalog import Book, Catalog
from whichpage.checking import unchanged_place
from whichpage.errors import SourceError
from whichpage.files import kind_of
from whichpage.web.api import problems
from whichpage.web.bodies import Limits, drain, read_part
from whichpage.web.jobs import Job
from whichpage.web.problems import Overloaded, UnsupportedMedia
from whichpage.web.schema import BASE, JobOut, JobsOut
from whichpage.web.service import Serves, Service
from whichpage.web.uploads import new_id

router = APIRouter()

JobId = Annotated[str, PathParameter(pattern="^[0-9a-f]{16}$")]

# Far more often than a book's chunks of pages come in would tell nothing new.
_LOOK_SECONDS = 0.2
# Proxies and phones drop connections on which nothing is said for long.
_BEAT_SECONDS = 15.0
# A book of so few pages is refused at once if none of them can be read; else indexing tells.
_TRIED_PAGES = 3
_UPLOAD = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "file": {
                            "type": "string",
                            "format": "binary",
                            "description": "A PDF, CBZ or ZIP.",
                        }
                    },
                }
            }
        },
    }
}
_SUFFIXES = {"pdf": (".pdf",), "archive": (".cbz", ".zip")}


class _EventStream(StreamingResponse):
    media_type = "text/event-stream"


@router.post(
    "/books",
    summary="Add a book",
    status_code=202,
    responses=problems(400, 408, 409, 413, 415, 422, 503),
    openapi_extra=_UPLOAD,
)
async def upload(request: Request, service: Serves) -> JobOut:
    """Takes a PDF, CBZ or ZIP in; it is indexed in the background, and `events` tells how far it is."""
    return _out(await _receive(request, service))


@router.get("/jobs", summary="All uploads", responses=problems())
async def jobs(service: Serves) -> JobsOut:
    """The uploads since the server was started, the latest first."""
    return JobsOut(jobs=[_out(job) for job in service.jobs.all()])


@router.get("/jobs/{id}", summary="One upload", responses=problems(404, 422))
async def job(id: JobId, service: Serves) -> JobOut:
    """How far the indexing of an upload is."""
    return _out(service.jobs.get(id))


@router.get(
    "/jobs/{id}/events",
    summary="An upload's progress",
    response_class=_EventStream,
    responses={
        200: {
            "description": "Server-sent events, each with the job as JSON; the stream ends with the job.",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        },
        **problems(404, 422),
    },
)
async def events(id: JobId, service: Serves) -> StreamingResponse:
    """Tells how far the indexing of an upload is, whenever that changes."""
    service.jobs.get(id)
    return _EventStream(_events(service, id), headers={"Cache-Control": "no-store"})


async def _receive(request: Request, service: Service) -> Job:
    """Receives a file, looks whether it is a book, and takes it on."""
    try:
        service.jobs.require_room()
    except Overloaded:
        await drain(request.receive)
        raise
    limits = Limits(service.uploads.most, service.options.idle_seconds)
    with service.uploads.receive() as (file, part):

        async def write(data: bytes) -> None:
            # Away from the event loop: a disk may be slow.
            await asyncio.to_thread(file.write, data)

        name = await read_part(request, "file", write, limits=limits)
        await asyncio.to_thread(file.close)
        if not (await asyncio.to_thread(part.stat)).st_size:
            raise SourceError(Path(name), "is empty")
        kind = await asyncio.to_thread(kind_of, part)
        if kind not in _SUFFIXES:
            raise UnsupportedMedia(f"{_quoted(name)} is no PDF, CBZ or ZIP")
        try:
            content = await service.renderer.inspect(part)
            await _try_pages(service, content)
        except SourceError as error:
            raise SourceError(Path(name), error.reason) from None
        if not name.lower().endswith(_SUFFIXES[kind]):
            name += _SUFFIXES[kind][0]
        same = await service.read(lambda: _kept(service.library.catalog, content.sha256))
        if same is not None:
            return service.jobs.done(name, same)
        id = new_id()
        path = service.uploads.keep(part, name, job=id)
        try:
            return service.jobs.add(path, name, id=id)
        except BaseException:
            service.uploads.remove(path)
            raise


def _kept(catalog: Catalog, sha256: str) -> Book | None:
    """The book of this content, if a file still holds it; None where this upload would be the only one."""
    book = catalog.book_with(sha256)
    return book if book is not None and unchanged_place(catalog, book.id) else None


async def _try_pages(service: Service, content: Content) -> None:
    if content.pages > _TRIED_PAGES:
        return
    for number in range(1, content.pages + 1):
        try:
            await service.renderer.show(content.path, number, width=100)
        except SourceError:
            if number == content.pages:
                raise
        else:
            return


async def _events(service: Service, id: str) -> AsyncIterator[str]:
    told: Job | None = None
    silent = 0.0
    while True:
        now = service.jobs.get(id)
        if now != told:
            told, silent = now, 0.0
            yield f"data: {_out(now).model_dump_json()}\n\n"
        elif silent >= _BEAT_SECONDS:
            silent = 0.0
            yield ": still here\n\n"
        if now.ended or service.closing.is_set():
            return
        await asyncio.sleep(_LOOK_SECONDS)
        silent += _LOOK_SECONDS


def _out(job: Job) -> JobOut:
    return JobOut(
        id=job.id,
        name=job.name,
        state=job.state,
        pages_done=job.pages_done,
        pages_total=job.pages_total,
        seconds_left=job.seconds_left,
        error=job.error,
        book=job.book,
        known=job.known,
        events=f"{BASE}/jobs/{job.id}/events",
    )


def _quoted(name: str) -> str:
    return f"“{name[:100]}”" if name else "the file"
