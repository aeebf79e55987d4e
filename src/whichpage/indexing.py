"""Adding books: inspects files, shares their pages out to the workers, and writes what comes back.

One thread, one loop: only this process writes to the catalogue, and it waits for the workers, so no
more than a chunk of pages a worker is ever in memory.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Self

from whichpage.adding import Adder, Busy, Content, Known, PageRow, Work
from whichpage.errors import SourceError
from whichpage.files import Found, Stamp
from whichpage.pool import Done, Lost, Pool
from whichpage.tasks import Failed, Index, Inspect, Task

# Pages of a task. A chunk always holds the same pages of a book, however often the work is cut short:
# the codes of a page may differ in a bit when it is encoded in other company.
CHUNK_PAGES = 32

# A book that has killed so many workers is given up.
_MAX_STRIKES = 3
# Files are hashed and opened ahead of the indexing, so that the time left can be told, but not without end.
_PAGES_AHEAD = 50_000
_PATIENCE = 0.5

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AddProgress:
    """How far an add has come.

    pages_total: of the files that have been opened so far.
    pages_per_second: pages indexed a second since the first one.
    seconds_left: None while files are still to be opened.
    book: the book whose pages were written last.
    stage: what is being done: the books named are indexed; or pages of an older whichpage, which all numbers
        are of then, get their local features.
    """

    pages_done: int
    pages_total: int
    pages_per_second: float
    seconds_left: float | None
    book: Path | None
    stage: Literal["indexing", "describing"] = "indexing"

    @classmethod
    def after(
        cls, elapsed: float, *, pages: int, done: int, total: int, known: bool, book: Path | None
    ) -> Self:
        """How far it has come after so many seconds, in which `pages` pages were done.

        known: whether `total` is all that there will be.
        """
        speed = pages / elapsed if elapsed > 0 else 0.0
        left = (total - done) / speed if known and speed > 0 else None
        return cls(done, total, speed, left, book)


@dataclass(frozen=True, slots=True)
class AddReport:
    """What an add did.

    added, unchanged, moved, changed: numbers of books; one is unchanged also where pages of it that could not
        be read before were tried again.
    copies: files that hold what another file of the library holds, and that file; indexed once.
    failed: files that could not be indexed, and why.
    incomplete: books that were indexed but for some pages, and why.
    pages, blank: pages of these books that were indexed now, and how many of them are blank.
    described: pages of an older whichpage that got local features.
    """

    added: int = 0
    unchanged: int = 0
    moved: int = 0
    changed: int = 0
    copies: tuple[tuple[Path, Path], ...] = ()
    failed: tuple[tuple[Path, str], ...] = ()
    incomplete: tuple[tuple[Path, str], ...] = ()
    pages: int = 0
    blank: int = 0
    seconds: float = 0.0
    described: int = 0


@dataclass(slots=True)
class _Book:
    """A book that is being indexed.

    what: under which of the report's numbers it counts.
    missing: pages that are still to come. pages, blank: those that have come in this run.
    strikes: workers that it has killed.
    """

    id: int
    content: Content
    what: Literal["added", "changed", "unchanged"]
    missing: int
    pages: int = 0
    blank: int = 0
    strikes: int = 0


@dataclass(slots=True)
class Indexing:
    """One run of adding, over all files; `run` tells the story."""

    adder: Adder
    pool: Pool
    progress: Callable[[AddProgress], None] | None = None

    _named: set[Path] = field(default_factory=set)
    _to_inspect: deque[Path] = field(default_factory=deque)
    _to_settle: deque[Content] = field(default_factory=deque)
    _busy_elsewhere: deque[tuple[Content, Busy]] = field(default_factory=deque)
    _awaited: set[Path] = field(default_factory=set)
    _to_index: deque[Index] = field(default_factory=deque)
    _books: dict[Path, _Book] = field(default_factory=dict)
    _pages_ahead: int = 0
    _inspecting: int = 0
    _indexing: int = 0
    _pages_done: int = 0
    _pages_now: int = 0
    _pages_total: int = 0
    _started: float | None = None
    _last: Path | None = None
    _report: AddReport = field(default_factory=AddReport)

    def run(
        self,
        found: Iterable[Found | SourceError],
        known: dict[Path, Stamp],
        *,
        unread: Callable[[Path], bool] = lambda _: False,
    ) -> AddReport:
        """Indexes what was found and is not known; returns what became of it all.

        unread: whether pages of the book at a path could not be read. These are tried again if that path was
            named: a walk through many books is not to meet time and again what is damaged for good.
        `progress` is called after each task, and several times a second while there is none to be told of:
        what it raises ends the run.
        """
        began = time.monotonic()
        for file in found:
            if isinstance(file, SourceError):
                self._fail(file.path, file.reason)
            elif known.get(file.path) == file.stamp and not (file.named and unread(file.path)):
                self._note(unchanged=1)
            else:
                self._to_inspect.append(file.path)
                if file.named:
                    self._named.add(file.path)
        while self._give_out():
            event = self.pool.wait()
            if isinstance(event, Done):
                self._done(event)
            elif isinstance(event, Lost):
                self._lost(event)
            else:
                self._tell(self._last)
        if self._started is not None:
            self._tell(self._last)
        return replace(self._report, seconds=time.monotonic() - began)

    def _give_out(self) -> bool:
        """Keeps every worker at work; False when all is done."""
        while True:
            while len(self._to_index) < self.pool.free and self._to_settle:
                content = self._to_settle.popleft()
                self._pages_ahead -= content.pages
                self._settle(content)
            while self.pool.free and (task := self._next_task()):
                self.pool.give(task)
            if self._inspecting or self._indexing:
                return True
            if self._to_settle:
                continue
            if not self._busy_elsewhere:
                return False
            # Nothing else is left to do: wait for the other adder, or for its death.
            self._say_who_is_awaited()
            self._tell(self._last)
            time.sleep(_PATIENCE)
            self._retry_busy()

    def _next_task(self) -> Task | None:
        # Files are opened by half of the workers, while the others already index.
        inspectors = max(1, (self._inspecting + self._indexing + self.pool.free) // 2)
        if self._to_inspect and (
            not self._to_index or (self._inspecting < inspectors and self._pages_ahead < _PAGES_AHEAD)
        ):
            self._inspecting += 1
            return Inspect(self._to_inspect.popleft())
        if self._to_index:
            self._indexing += 1
            return self._to_index.popleft()
        return None

    def _done(self, done: Done) -> None:
        task, result = done.task, done.result
        if isinstance(task, Inspect):
            self._inspecting -= 1
            if isinstance(result, Content):
                self._pages_total += result.pages
                self._pages_ahead += result.pages
                self._to_settle.append(result)
            else:
                self._uninspected(task.path, result)
        else:
            self._indexing -= 1
            if book := self._books.get(task.path):
                if isinstance(result, Failed):
                    self._give_up(book, result.reason)
                else:
                    self._write(book, result)
        self._last = task.path
        self._tell(task.path)

    def _lost(self, lost: Lost) -> None:
        task = lost.task
        if isinstance(task, Inspect):
            self._inspecting -= 1
            self._fail(task.path, lost.reason)
            return
        assert isinstance(task, Index), "nothing else is given out here"
        self._indexing -= 1
        book = self._books.get(task.path)
        if book is None:
            return
        book.strikes += 1
        if lost.page is None:
            self._give_up(book, lost.reason)
        elif book.strikes == _MAX_STRIKES:
            self._give_up(book, f"page {lost.page} {lost.reason}, and so did others")
        else:
            trouble = f"page {lost.page} {lost.reason}"
            self._to_index.appendleft(replace(task, skip={**task.skip, lost.page: trouble}))

    def _uninspected(self, path: Path, failed: Failed) -> None:
        if failed.no_book and path not in self._named:
            _log.info("%s: %s", path, failed.reason)  # a walk comes by many archives that are no books
        else:
            self._fail(path, failed.reason)

    def _settle(self, content: Content) -> None:
        settled = self.adder.settle(content, retry=content.path in self._named)
        if isinstance(settled, Busy):
            self._busy_elsewhere.append((content, settled))
        elif isinstance(settled, Known):
            self._pages_total -= content.pages
            if settled.what == "copy":
                self._note(copies=((content.path, settled.original),))
            else:
                self._note(**{settled.what: 1})
        else:
            self._begin(content, settled)

    def _begin(self, content: Content, work: Work) -> None:
        missing = [number for number in range(1, content.pages + 1) if number not in work.done]
        what: Literal["added", "changed", "unchanged"] = "changed" if work.replaces else "added"
        book = _Book(work.book, content, "unchanged" if work.retried else what, len(missing))
        self._books[content.path] = book
        self._pages_done += len(work.done)
        if self._started is None:
            self._started = time.monotonic()
        chunks: dict[int, list[int]] = {}
        for number in missing:
            chunks.setdefault((number - 1) // CHUNK_PAGES, []).append(number)
        for numbers in chunks.values():
            self._to_index.append(Index(content.path, content.stamp, tuple(numbers)))
        if not missing:
            self._finish(book)

    def _retry_busy(self) -> None:
        waiting, self._busy_elsewhere = self._busy_elsewhere, deque()
        for content, _ in waiting:
            self._settle(content)

    def _say_who_is_awaited(self) -> None:
        for content, busy in self._busy_elsewhere:
            # None: this adder was, and is done with it by now.
            if busy.process is not None and content.path not in self._awaited:
                self._awaited.add(content.path)
                _log.warning("waiting for process %s, which is adding %s", busy.process, content.path)

    def _write(self, book: _Book, rows: list[PageRow]) -> None:
        if not self.adder.write(book.id, rows):
            self._give_up(book, "was removed from the library while it was added")
            return
        book.pages += len(rows)
        book.blank += sum(row.codes is None and row.trouble is None for row in rows)
        book.missing -= len(rows)
        self._pages_done += len(rows)
        self._pages_now += len(rows)
        if not book.missing:
            self._finish(book)

    def _finish(self, book: _Book) -> None:
        path, pages = book.content.path, book.content.pages
        troubles = self.adder.troubles(book.id)
        if len(troubles) == pages:
            self._give_up(book, troubles[0] if pages == 1 else f"no page can be read; {troubles[0]}")
            return
        if not self.adder.finish(book.id, book.content):
            self._give_up(book, "was removed from the library while it was added")
            return
        del self._books[path]
        if troubles:
            reason = f"{len(troubles)} of {pages} pages cannot be read; {troubles[0]}"
            self._note(incomplete=((path, reason),))
        if outdated := self.adder.outdated(book.id):
            reason = f"{outdated} of {pages} pages cannot be read any more; they stay as they were"
            self._note(incomplete=((path, reason),))
        self._note(**{book.what: 1}, pages=book.pages, blank=book.blank)

    def _give_up(self, book: _Book, reason: str) -> None:
        path = book.content.path
        del self._books[path]
        self._to_index = deque(task for task in self._to_index if task.path != path)
        self._pages_total -= book.missing
        self.adder.abandon(book.id)
        self._fail(path, reason)

    def _fail(self, path: Path, reason: str) -> None:
        _log.info("%s: %s", path, reason)
        self._note(failed=((path, reason),))

    def _note(self, **more: Any) -> None:
        """Adds to the report's numbers and lists."""
        self._report = replace(
            self._report, **{name: getattr(self._report, name) + value for name, value in more.items()}
        )

    def _tell(self, book: Path | None) -> None:
        if self.progress is None:
            return
        now = AddProgress.after(
            time.monotonic() - self._started if self._started else 0.0,
            pages=self._pages_now,
            done=self._pages_done,
            total=self._pages_total,
            known=not (self._to_inspect or self._inspecting),
            book=book,
        )
        self.progress(now)
