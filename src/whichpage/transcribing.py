"""Reading scans: gives pages whose files hold no text the text that OCR reads off them.

Reading takes two to four seconds a page and core, hundreds of times longer than indexing, so it is a step of
its own, for whoever wants close-ups and crumpled sheets of scans to be found. Pages are written a few at a
time: ended at any moment and run again, it goes on.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from whichpage.catalog import Book, Catalog
from whichpage.checking import unchanged_place
from whichpage.indexing import AddProgress
from whichpage.pool import Done, Lost, Pool
from whichpage.tasks import Failed, Transcribe, Transcript

# Pages of a task: so many are read again at most when the work is cut short.
_CHUNK_PAGES = 4
# A book that has killed so many workers is given up.
_MAX_STRIKES = 3

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ReadReport:
    """What reading scans did.

    pages: that were read now; wordless: those of them on which nothing was found to read.
    failed: books that could not be read, or not to their end, and why.
    incomplete: books that were read but for some pages, and why.
    """

    pages: int = 0
    wordless: int = 0
    failed: tuple[tuple[Path, str], ...] = ()
    incomplete: tuple[tuple[Path, str], ...] = ()
    seconds: float = 0.0


@dataclass(slots=True)
class Transcribing:
    """One run of reading, over some books; `run` tells the story."""

    catalog: Catalog
    pool: Pool
    progress: Callable[[AddProgress], None] | None = None

    _tasks: deque[Transcribe] = field(default_factory=deque)
    _strikes: dict[Path, int] = field(default_factory=dict)
    _unread: dict[Path, list[str]] = field(default_factory=dict)
    _busy: int = 0
    _total: int = 0
    _began: float = field(default_factory=time.monotonic)
    _report: ReadReport = field(default_factory=ReadReport)

    def run(self, books: Iterable[Book]) -> ReadReport:
        """Reads the pages of these books that can be found, and of which no text is known."""
        for book in books:
            self._share_out(book)
        while self._tasks or self._busy:
            while self._tasks and self.pool.free:
                self.pool.give(self._tasks.popleft())
                self._busy += 1
            event = self.pool.wait()
            if isinstance(event, Done):
                self._busy -= 1
                self._take(event)
            elif isinstance(event, Lost):
                self._busy -= 1
                self._lost(event)
        incomplete = tuple((path, _sentence(troubles)) for path, troubles in self._unread.items())
        return replace(self._report, incomplete=incomplete, seconds=time.monotonic() - self._began)

    def _share_out(self, book: Book) -> None:
        numbers = self.catalog.textless(book.id)
        files = self.catalog.files(book.id)
        path = unchanged_place(self.catalog, book.id) or book.path
        self._total += len(numbers)
        for start in range(0, len(numbers), _CHUNK_PAGES):
            chunk = tuple(numbers[start : start + _CHUNK_PAGES])
            self._tasks.append(Transcribe(path, files[path], book.id, chunk))

    def _take(self, done: Done) -> None:
        task = done.task
        assert isinstance(task, Transcribe), "nothing else is given out here"
        if isinstance(done.result, Failed):
            self._give_up(task, done.result.reason, unread=len(task.numbers))
            return
        self._write(task, done.result)

    def _lost(self, lost: Lost) -> None:
        task = lost.task
        assert isinstance(task, Transcribe), "nothing else is given out here"
        strikes = self._strikes[task.path] = self._strikes.get(task.path, 0) + 1
        if lost.page is not None:
            trouble = f"page {lost.page} {lost.reason}"
            self._write(task, [Transcript(lost.page, trouble=trouble)])
        # The worker that died has taken what it read with it.
        left = tuple(number for number in task.numbers if number != lost.page)
        # Other workers that read the same book may be lost after it was given up.
        if lost.page is None or strikes >= _MAX_STRIKES or self._is_given_up(task.path):
            self._give_up(task, lost.reason, unread=len(left))
        elif left:
            self._tasks.appendleft(replace(task, numbers=left))

    def _write(self, task: Transcribe, read: Sequence[Transcript]) -> None:
        done = [one for one in read if one.trouble is None]
        self.catalog.write_text(task.book, [(one.number, one.text, one.places) for one in done])
        self._report = replace(
            self._report,
            pages=self._report.pages + len(done),
            wordless=self._report.wordless + sum(not one.text for one in done),
        )
        if unread := [one for one in read if one.trouble is not None]:
            self._total -= len(unread)
            self.catalog.count_unread(task.book, [one.number for one in unread])
            self._unread.setdefault(task.path, []).extend(one.trouble or "" for one in unread)
        self._tell(task.path)

    def _is_given_up(self, path: Path) -> bool:
        return any(failed == path for failed, _ in self._report.failed)

    def _give_up(self, ended: Transcribe, reason: str, *, unread: int) -> None:
        """Reads no more of the book of a task that has ended, and left so many pages unread."""
        path = ended.path
        _log.info("%s: %s", path, reason)
        self._total -= unread + sum(len(task.numbers) for task in self._tasks if task.path == path)
        self._tasks = deque(task for task in self._tasks if task.path != path)
        if not self._is_given_up(path):
            self._report = replace(self._report, failed=(*self._report.failed, (path, reason)))
        self._tell(path)

    def _tell(self, book: Path) -> None:
        if self.progress is None:
            return
        elapsed, done = time.monotonic() - self._began, self._report.pages
        now = AddProgress.after(elapsed, pages=done, done=done, total=self._total, known=True, book=book)
        self.progress(now)


def _sentence(troubles: Sequence[str]) -> str:
    """Of some pages of a book that could not be read; the first one's reason names its page."""
    pages = "1 page" if len(troubles) == 1 else f"{len(troubles)} pages"
    return f"{pages} could not be read; {troubles[0]}"
