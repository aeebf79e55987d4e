"""What a peer knows of each page, one row a page: filled by worker processes, resumed after a kill."""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import Protocol

import cv2

from whichpage.benchmark.peers.protocol import LibraryPage, Progress
from whichpage.cores import usable_cores
from whichpage.errors import SourceError, WhichpageError
from whichpage.sources import Source, open_source

logger = logging.getLogger(__name__)

# Pages a task: enough that a book is opened seldom, few enough that little is lost by a kill.
_CHUNK = 16
_SCHEMA = """
CREATE TABLE IF NOT EXISTS page (
    id INTEGER PRIMARY KEY,
    data BLOB NOT NULL,
    trouble INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
INSERT OR IGNORE INTO meta VALUES ('seconds', 0.0);
"""


_Task = tuple[int, LibraryPage]
_Row = tuple[int, bytes | None]  # id, what to keep; None where the page cannot be read


class Describe(Protocol):
    """Says of a page what a peer keeps of it. Sent to worker processes: an instance must pickle."""

    def __call__(self, source: Source, number: int) -> bytes:
        """What to keep of the page `number` (1-based).

        Raises:
            SourceError: the page cannot be read.
        """


class DescribedPages:
    """The rows of one peer on one list of pages; a context manager. A page's id is its place in that list."""

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self.file = file
        self._database = sqlite3.connect(file)
        self._database.executescript(_SCHEMA)

    def fill(
        self,
        pages: Sequence[LibraryPage],
        describe: Describe,
        progress: Progress,
        *,
        workers: int | None = None,
    ) -> None:
        """Describes the pages that have no row yet.

        Args:
            pages: the list; the same one each time.
            describe: run in worker processes, each with one thread.
            progress: called after every few pages.
            workers: how many processes; None for one a core.

        Raises:
            WhichpageError: a worker process died.
        """
        done = {row[0] for row in self._database.execute("SELECT id FROM page")}
        missing = [number for number in range(len(pages)) if number not in done]
        progress(len(done), len(pages))
        if not missing:
            return
        tasks = [
            [(number, pages[number]) for number in missing[at : at + _CHUNK]]
            for at in range(0, len(missing), _CHUNK)
        ]
        count = len(done)
        started = time.perf_counter()
        for rows in _work(tasks, describe, workers=workers or usable_cores()):
            now = time.perf_counter()
            self._write(rows, seconds=now - started)
            started = now
            count += len(rows)
            progress(count, len(pages))

    def _write(self, rows: list[_Row], *, seconds: float) -> None:
        with self._database:
            self._database.executemany(
                "INSERT INTO page VALUES (?, ?, ?)",
                [(number, data or b"", data is None) for number, data in rows],
            )
            self._database.execute("UPDATE meta SET value = value + ? WHERE key = 'seconds'", (seconds,))

    @property
    def seconds(self) -> float:
        """Wall time of filling, all runs together; work that a kill lost is not in it."""
        seconds: float = self._database.execute("SELECT value FROM meta WHERE key = 'seconds'").fetchone()[0]
        return seconds

    @property
    def unreadable(self) -> int:
        """How many pages could not be read."""
        count: int = self._database.execute("SELECT COUNT(*) FROM page WHERE trouble").fetchone()[0]
        return count

    def rows(self) -> Iterator[tuple[int, bytes]]:
        """(id, what was kept) of every page, by id; b"" for those that could not be read."""
        with closing(self._database.execute("SELECT id, data FROM page ORDER BY id")) as rows:
            yield from rows

    def row(self, number: int) -> bytes:
        """What was kept of one page."""
        data: bytes = self._database.execute("SELECT data FROM page WHERE id = ?", (number,)).fetchone()[0]
        return data

    def close(self) -> None:
        self._database.close()

    def __enter__(self) -> DescribedPages:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def bytes_on_disk(folder: Path) -> int:
    """Bytes of all files below a folder."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def _work(tasks: list[list[_Task]], describe: Describe, *, workers: int) -> Iterator[list[_Row]]:
    """What the tasks give, in any order."""
    if len(tasks) == 1:
        # Processes would take longer to start than this takes.
        with _Describer(describe) as describer:
            yield describer(tasks[0])
        return
    # Not forked: PDFium, ONNX Runtime and OpenCV have threads by now.
    pool = ProcessPoolExecutor(min(workers, len(tasks)), get_context("spawn"), _begin, (describe,))
    ahead = iter(tasks)
    waiting: set[Future[list[_Row]]] = set()
    try:
        while True:
            while len(waiting) < 2 * workers and (task := next(ahead, None)) is not None:
                waiting.add(pool.submit(_do, task))
            if not waiting:
                return
            finished, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            for future in finished:
                yield future.result()
    except BrokenProcessPool as error:
        raise WhichpageError("A process that was reading pages died; run it again.") from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


class _Describer:
    """Describes pages, the book that was read last kept open; a context manager."""

    def __init__(self, describe: Describe) -> None:
        self._describe = describe
        self._source: Source | None = None

    def __call__(self, pages: list[_Task]) -> list[_Row]:
        return [(number, self._page(page)) for number, page in pages]

    def _page(self, page: LibraryPage) -> bytes | None:
        try:
            if self._source is None or self._source.path != page.source:
                self.close()
                self._source = open_source(page.source)
            return self._describe(self._source, page.number)
        except SourceError as error:
            logger.warning("%s", error)
            return None

    def close(self) -> None:
        if self._source is not None:
            self._source.close()
            self._source = None

    def __enter__(self) -> _Describer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


_describer: _Describer  # of a worker process


def _begin(describe: Describe) -> None:
    global _describer
    _describer = _Describer(describe)
    cv2.setNumThreads(1)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    # A worker of a killed run would wait for its next task for ever.
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _do(task: list[_Task]) -> list[_Row]:
    return _describer(task)
