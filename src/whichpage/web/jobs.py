"""Uploads on their way into the library: indexed one after the other, in the background."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from whichpage.catalog import Book
from whichpage.errors import BookNotFound, WhichpageError
from whichpage.indexing import AddProgress, AddReport
from whichpage.library import Library
from whichpage.web.problems import NotFound, Overloaded, book_sentence, sentence
from whichpage.web.uploads import Uploads, new_id

# Ended jobs that can still be asked for, and open ones that are taken on.
_KEPT, _OPEN = 100, 50
# About what a book of some hundred pages takes.
_RETRY_SECONDS = 30

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """An upload and how far its indexing has come.

    name: the file's name, as its sender called it.
    error: why it failed, or why some of its pages cannot be found.
    book: the id of the book that it became.
    known: whether the library had its content before.
    """

    id: str
    name: str
    path: Path
    state: Literal["queued", "indexing", "done", "failed"] = "queued"
    pages_done: int = 0
    pages_total: int = 0
    seconds_left: float | None = None
    error: str | None = None
    book: int | None = None
    known: bool = False

    @property
    def ended(self) -> bool:
        return self.state in ("done", "failed")


class _Stopped(Exception):
    """The server ends: the book is gone on with another time."""


class Jobs:
    """Indexes uploads on one thread, with `workers` processes; threads may ask how far it is."""

    def __init__(self, library: Library, uploads: Uploads, *, workers: int) -> None:
        self._library = library
        self._uploads = uploads
        self._workers = workers
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="whichpage-jobs")

    def add(self, path: Path, name: str, *, id: str) -> Job:
        """Takes on a file of the uploads as the job of this id.

        Raises:
            Overloaded: too many are waiting.
        """
        with self._lock:
            self._require_room()
            return self._take(path, name, id)

    def require_room(self) -> None:
        """Makes sure that another upload would be taken on; before it is even received.

        Raises:
            Overloaded: too many are waiting.
        """
        with self._lock:
            self._require_room()

    def done(self, name: str, book: Book) -> Job:
        """A job that has nothing left to do: the library has this content."""
        job = Job(
            new_id(),
            name,
            book.path,
            state="done",
            pages_done=book.pages,
            pages_total=book.pages,
            seconds_left=0.0,
            book=book.id,
            known=True,
        )
        with self._lock:
            self._keep(job)
        return job

    def resume(self) -> None:
        """Takes on what was uploaded, but not indexed, before another server stopped; however much it is."""
        known = self._library.catalog.known()
        for path, id in self._uploads.take_over():
            if path in known:
                self._uploads.settle(path)
                continue
            _log.info("going on with %s", path.name)
            with self._lock:
                self._take(path, path.name, id)

    def get(self, id: str) -> Job:
        """The job of this id.

        Raises:
            NotFound: there is none, or it has been forgotten.
        """
        with self._lock:
            job = self._jobs.get(id)
        if job is None:
            raise NotFound(f"there is no job {id}")
        return job

    def all(self) -> list[Job]:
        """All jobs, the latest first."""
        with self._lock:
            return list(reversed(self._jobs.values()))

    def close(self) -> None:
        """Stops soon; raises nothing."""
        self._stopping.set()
        self._thread.shutdown(wait=True, cancel_futures=True)

    def _run(self, job: Job) -> None:
        def progress(now: AddProgress) -> None:
            if self._stopping.is_set():
                raise _Stopped
            if now.stage == "describing":
                return  # of pages of other books, after this one's
            self._note(
                job.id,
                pages_done=now.pages_done,
                pages_total=now.pages_total,
                seconds_left=now.seconds_left,
            )

        if self._stopping.is_set():
            return
        self._note(job.id, state="indexing")
        try:
            report = self._library.add(job.path, workers=self._workers, progress=progress)
            self._end(job, report)
        except _Stopped:
            return
        except WhichpageError as error:
            self._fail(job, sentence(str(error)))
        except Exception:
            _log.exception("indexing %s", job.path.name)
            self._fail(job, "Indexing ended with an unexpected error; the log says more.")

    def _end(self, job: Job, report: AddReport) -> None:
        if report.failed:
            self._fail(job, book_sentence(report.failed[0][1]))
            return
        try:
            book = self._library.catalog.book_at(job.path)
        except BookNotFound:
            self._fail(job, "The book was removed meanwhile.")
            return
        self._uploads.settle(job.path)
        self._note(
            job.id,
            state="done",
            pages_done=book.pages,
            pages_total=book.pages,
            seconds_left=0.0,
            error=book_sentence(report.incomplete[0][1]) if report.incomplete else None,
            book=book.id,
            known=bool(report.unchanged or report.copies),
        )

    def _fail(self, job: Job, why: str) -> None:
        # The sender is told, and may send it again: it must not lie there for good.
        self._uploads.remove(job.path)
        self._note(job.id, state="failed", seconds_left=None, error=why)

    def _require_room(self) -> None:
        if sum(not job.ended for job in self._jobs.values()) >= _OPEN:
            raise Overloaded("too many books are waiting to be indexed", retry_after=_RETRY_SECONDS)

    def _take(self, path: Path, name: str, id: str) -> Job:
        job = Job(id, name, path)
        self._keep(job)
        self._thread.submit(self._run, job)
        return job

    def _keep(self, job: Job) -> None:
        self._jobs[job.id] = job
        for id in [id for id, old in self._jobs.items() if old.ended][:-_KEPT]:
            del self._jobs[id]

    def _note(self, id: str, **changes: object) -> None:
        with self._lock:
            self._jobs[id] = replace(self._jobs[id], **changes)  # type: ignore[arg-type]
