"""Pages of books as pictures and as text, made by worker processes that a hostile file may crash."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from whichpage.adding import Content
from whichpage.errors import SourceError
from whichpage.library import WORKER_MEMORY
from whichpage.pool import Lost, Pool
from whichpage.tasks import Failed, Inspect, Read, Setup, Show, Task
from whichpage.web.desk import Desk

# A screen of covers asks for dozens at once.
_WAITING = 200


class Renderer:
    """Shows, reads and inspects books; `size` of them at once, `seconds` for a page at most."""

    def __init__(self, *, size: int, seconds: float, patience: float) -> None:
        self._setup = Setup(encoder=None, model=None, memory=WORKER_MEMORY)
        self._seconds = seconds
        self._desk = Desk("pages", threads=size, waiting=_WAITING, patience=patience)
        self._pools = ExitStack()
        self._local = threading.local()
        self._lock = threading.Lock()

    async def show(self, path: Path, number: int, *, width: int) -> bytes:
        """A page as JPEG.

        Raises:
            SourceError: the book or the page cannot be read.
            Overloaded: too many ask at once.
        """
        image: bytes = await self._result(Show(path, number, width))
        return image

    async def text(self, path: Path, number: int) -> str | None:
        """A page's text; None where its file has none. Raises as `show` does."""
        text: str | None = await self._result(Read(path, number))
        return text

    async def inspect(self, path: Path) -> Content:
        """What a file holds. Raises as `show` does."""
        content: Content = await self._result(Inspect(path))
        return content

    def close(self) -> None:
        """Ends the workers, whatever they are at."""
        with self._lock:
            self._pools.close()
        self._desk.close()

    async def _result(self, task: Task) -> Any:
        async with self._desk.place():
            return await self._desk.do(lambda: self._do(task))

    def _do(self, task: Task) -> Any:
        pool = self._pool()
        pool.give(task)
        while (event := pool.wait()) is None:
            pass
        if isinstance(event, Lost):
            raise SourceError(task.path, event.reason)
        if isinstance(event.result, Failed):
            raise SourceError(task.path, event.result.reason)
        return event.result

    def _pool(self) -> Pool:
        """The worker of this thread: a pool of one, so that an answer wakes the one who waits for it."""
        pool: Pool | None = getattr(self._local, "pool", None)
        if pool is None:
            pool = Pool(self._setup, size=1, seconds=self._seconds)
            with self._lock:
                self._local.pool = self._pools.enter_context(pool)
        return pool
