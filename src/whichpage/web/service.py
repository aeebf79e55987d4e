"""What all requests share: the library with its one model in memory, and the desks that work on it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Annotated, TypeVar

from fastapi import Depends, Request

from whichpage.library import Library
from whichpage.web.desk import Desk
from whichpage.web.jobs import Jobs
from whichpage.web.metrics import Metrics
from whichpage.web.options import ServeOptions
from whichpage.web.rendering import Renderer
from whichpage.web.uploads import Uploads

_T = TypeVar("_T")
# Reading the catalogue takes milliseconds, and longer only while a book is being written.
_READERS, _READS_WAITING = 4, 200


class Service:
    """The parts of a running server; made and closed with it.

    closing: set when the server is to stop, for answers that would otherwise go on.
    """

    def __init__(self, library: Library, options: ServeOptions, closing: threading.Event) -> None:
        self.library = library
        self.options = options
        self.closing = closing
        self.finding = Desk(
            "photos", threads=options.finding, waiting=options.waiting, patience=options.patience
        )
        # Threads that stay: each keeps a connection to the catalogue for as long as the library is open.
        self._reading = Desk("library", threads=_READERS, waiting=_READS_WAITING, patience=options.patience)
        self.renderer = Renderer(
            size=options.showing, seconds=options.page_seconds, patience=options.patience
        )
        self.uploads = Uploads(library.catalog.database, most=options.book_bytes)
        self.jobs = Jobs(library, self.uploads, workers=options.indexing)
        self.metrics = Metrics(self.finding, self.jobs)

    async def read(self, work: Callable[[], _T]) -> _T:
        """The result of work with the catalogue, done away from the event loop."""
        async with self._reading.place():
            return await self._reading.do(work)

    async def start(self) -> None:
        """Goes on with uploads that were interrupted.

        Raises:
            LibraryError: the library cannot be used.
        """
        await self.read(self.uploads.begin)
        await self.read(self.jobs.resume)

    async def close(self) -> None:
        """Ends everything; what was being indexed goes on when the server is started again."""
        self.closing.set()
        ends = (self.jobs.close, self.uploads.end, self.renderer.close, self.finding.close)
        for end in (*ends, self._reading.close):
            await asyncio.to_thread(end)


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


Serves = Annotated[Service, Depends(_service)]
