"""Scans get their text from OCR: page by page, whatever happens in between."""

from __future__ import annotations

from collections import deque
from pathlib import Path

import pytest
from books import TINY_MODEL, make_pdf, make_written_pdf
from PIL import Image, ImageDraw, ImageFont

from whichpage import Library
from whichpage.errors import BookNotFound
from whichpage.indexing import AddProgress
from whichpage.pool import Done, Lost
from whichpage.tasks import Failed, Task, Transcribe, Transcript
from whichpage.transcribing import Transcribing

WORDS = ("The quick brown fox", "jumps over the lazy dog", "while seven wizards", "box with quartz")


def scan(path: Path, lines: tuple[str, ...]) -> Path:
    """An image of a page with these lines, 150 pixels apart, the first one's middle 200 below the edge."""
    page = Image.new("L", (1000, 1400), 250)
    pen = ImageDraw.Draw(page)
    for number, line in enumerate(lines):
        pen.text((100, 200 + 150 * number), line, font=ImageFont.load_default(60), fill=20, anchor="lm")
    path.parent.mkdir(parents=True, exist_ok=True)
    page.save(path)
    return path


@pytest.fixture
def library(tmp_path: Path) -> Library:
    """Three books: two scanned pages, drawn bars without a word, and a PDF that holds its text."""
    scan(tmp_path / "scans" / "1.png", WORDS)
    scan(tmp_path / "scans" / "2.png", WORDS[::-1])
    make_pdf(tmp_path / "bars.pdf", 1)
    make_written_pdf(tmp_path / "written.pdf", "/F 30 Tf 40 500 Td (Printed by the file itself) Tj")
    library = Library.open(tmp_path / "library", model=TINY_MODEL, create=True)
    library.add(tmp_path / "scans", tmp_path / "bars.pdf", tmp_path / "written.pdf")
    return library


def page_of(library: Library, book: Path, number: int) -> int:
    return library.catalog.page_id(library.catalog.book_at(book).id, number)


def test_scans_are_read_once_and_then_have_text(library: Library, tmp_path: Path) -> None:
    told: list[AddProgress] = []
    report = library.read(workers=1, progress=told.append)
    assert (report.pages, report.wordless, report.failed) == (3, 1, ())
    assert (told[-1].pages_done, told[-1].pages_total) == (3, 3)
    first = page_of(library, tmp_path / "scans", 1)
    (lines,) = library.catalog.printed_lines([first])
    by_text = {line.text: line for line in lines}
    assert set(by_text) == {"thequickbrownfox", "jumpsoverthelazydog", "whilesevenwizards", "boxwithquartz"}
    for number, text in enumerate(("thequickbrownfox", "jumpsoverthelazydog")):
        line = by_text[text]
        assert line.start[1] == pytest.approx((200 + 150 * number) / 1400, abs=0.01)
        assert line.start[0] == pytest.approx(0.115, abs=0.03)
        assert line.end[0] > line.start[0] + 0.3
    assert first in (library.catalog.pages_with("quickbrown", most=5) or [])
    # What the file itself says is left as it is, and nothing is read twice.
    (written,) = library.catalog.printed_lines([page_of(library, tmp_path / "written.pdf", 1)])
    assert [line.text for line in written] == ["printedbythefileitself"]
    assert library.read(workers=1).pages == 0
    assert library.check().problems == ()


def test_only_the_books_that_are_named_are_read(library: Library, tmp_path: Path) -> None:
    assert library.read("bars", workers=1).pages == 1
    with pytest.raises(BookNotFound):
        library.read("nowhere")
    assert library.read(workers=1).pages == 2


def test_an_unfinished_book_that_is_named_is_not_passed_over_in_silence(
    library: Library, tmp_path: Path
) -> None:
    with library.catalog.database.transaction() as connection:
        connection.execute("UPDATE book SET complete = 0 WHERE title = '' AND pages = 1")
    report = library.read("bars", "scans", workers=1)
    assert report.failed == ((tmp_path / "bars.pdf", "is not finished: add it again first"),)
    assert report.pages == 2
    assert library.read(workers=1).failed == ()


def test_a_file_that_is_gone_or_has_changed_is_named(library: Library, tmp_path: Path) -> None:
    (tmp_path / "bars.pdf").unlink()
    scan(tmp_path / "scans" / "3.png", WORDS)
    report = library.read(workers=1)
    assert report.pages == 0
    assert dict(report.failed) == {
        tmp_path / "bars.pdf": "does not exist",
        tmp_path / "scans": "has changed since it was added: add it again first",
    }


def test_a_copy_is_read_where_the_first_file_is_gone(library: Library, tmp_path: Path) -> None:
    (tmp_path / "copy.pdf").write_bytes((tmp_path / "bars.pdf").read_bytes())
    library.add(tmp_path / "copy.pdf")
    (tmp_path / "bars.pdf").unlink()
    report = library.read("bars", workers=1)
    assert (report.pages, report.failed) == (1, ())


class Told:
    """A pool whose workers' fates are told: for each task one of them, in their order."""

    def __init__(self, *fates: str | int | None) -> None:
        """None: all is read. A page number: the worker dies over it. Words: the task fails with them."""
        self.fates = deque(fates)
        self.given: list[tuple[int, ...]] = []
        self._task: Transcribe | None = None

    @property
    def free(self) -> int:
        return int(self._task is None)

    def give(self, task: Task) -> None:
        assert isinstance(task, Transcribe)
        self.given.append(task.numbers)
        self._task = task

    def wait(self) -> Done | Lost | None:
        task, self._task = self._task, None
        assert task is not None
        fate = self.fates.popleft() if self.fates else None
        if isinstance(fate, int):
            return Lost(task, "crashes the program that reads it", fate or None)
        if isinstance(fate, str):
            return Done(task, Failed(fate))
        return Done(task, tuple(Transcript(number, f"page{number}", bytes(8)) for number in task.numbers))


@pytest.fixture
def ten_pages(tmp_path: Path) -> Library:
    make_pdf(tmp_path / "a.pdf", 10)
    library = Library.open(tmp_path / "library", model=TINY_MODEL, create=True)
    library.add(tmp_path / "a.pdf")
    return library


def read_by(pool: Told, library: Library) -> tuple[int, int, tuple[str, ...]]:
    """Pages read, wordless ones, and why books failed."""
    report = Transcribing(library.catalog, pool).run(library.books())  # type: ignore[arg-type]
    return report.pages, report.wordless, tuple(reason for _, reason in report.failed)


def test_a_page_that_kills_its_worker_is_left_without_text(ten_pages: Library) -> None:
    pool = Told(None, 6)
    assert read_by(pool, ten_pages) == (10, 1, ())
    assert pool.given == [(1, 2, 3, 4), (5, 6, 7, 8), (5, 7, 8), (9, 10)]
    assert ten_pages.read(workers=1).pages == 0  # it is not tried again
    assert ten_pages.check().problems == ()


def test_a_book_that_kills_again_and_again_or_fails_is_given_up(ten_pages: Library) -> None:
    crash = "crashes the program that reads it"
    assert read_by(Told(1, 2, 3), ten_pages) == (2, 2, (crash,))
    assert read_by(Told(0), ten_pages) == (0, 0, (crash,))
    assert read_by(Told("has changed"), ten_pages) == (0, 0, ("has changed",))
    assert read_by(Told(), ten_pages) == (8, 0, ())


def test_a_book_that_is_removed_meanwhile_is_no_trouble(ten_pages: Library) -> None:
    books = ten_pages.books()
    ten_pages.remove("a")
    ten_pages.catalog.write_text(books[0].id, [(1, "late", bytes(8))])
    assert ten_pages.check().problems == ()
    assert not ten_pages.catalog.has_text()
