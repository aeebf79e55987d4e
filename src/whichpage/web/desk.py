"""A desk with a few clerks and a short queue: bounded work on threads of its own, never on the event loop."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TypeVar

from whichpage.web.problems import Overloaded

_T = TypeVar("_T")


class Desk:
    """Does work on `threads` threads; at most `waiting` more may stand in line, `patience` seconds each."""

    def __init__(self, name: str, *, threads: int, waiting: int, patience: float) -> None:
        self.inside = 0  # those being served and those in line
        self._name = name
        self._threads = threads
        self._most = threads + waiting
        self._patience = patience
        self._turn = asyncio.Semaphore(threads)
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix=f"whichpage-{name}")
        self._mean = 1.0  # seconds of one piece of work, as of late

    @property
    def waiting(self) -> int:
        """How many stand in line."""
        return max(0, self.inside - self._threads)

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """A place at the desk, taken before what is worked on is even received.

        Raises:
            Overloaded: all places are taken.
        """
        if self.inside >= self._most:
            raise self._overloaded()
        self.inside += 1
        try:
            yield
        finally:
            self.inside -= 1

    async def do(self, work: Callable[[], _T]) -> _T:
        """The result of the work, once it is its turn; to be called with a place.

        Raises:
            Overloaded: its turn does not come.
        """
        try:
            async with asyncio.timeout(self._patience):
                await self._turn.acquire()
        except TimeoutError:
            raise self._overloaded() from None
        began = time.monotonic()
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, work)
        finally:
            self._turn.release()
            self._mean += (time.monotonic() - began - self._mean) / 8

    def close(self) -> None:
        """Lets what is being done end, and does no more."""
        self._executor.shutdown(wait=True, cancel_futures=True)

    def _overloaded(self) -> Overloaded:
        seconds = round(self._mean * self.inside / self._threads)
        return Overloaded(
            f"too many requests at once ({self._name}); try again soon", retry_after=min(max(seconds, 1), 60)
        )
