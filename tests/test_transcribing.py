"""Scans get their text from OCR: page by page, whatever happens in between."""

from __future__ import annotations

import io
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import pytest
from books import TINY_MODEL, make_pdf, make_written_pdf
from PIL import Image, ImageDraw, ImageFont

from whichpage import Library
from whichpage.errors import BookNotFound, SourceError
from whichpage.files import stamp
from whichpage.indexing import AddProgress
from whichpage.photo import Photo
from whichpage.pool import Done, Lost
from whichpage.reading import ReadLine
from whichpage.sources import PdfSource
from whichpage.tasks import Failed, Task, Transcribe, Transcript
from whichpage.transcribing import Transcribing
from whichpage.types import Colour
from whichpage.worker import Worker

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
        """None: all is read. A page number: the worker dies over it. Words: the task fails with them.

        Words that begin with a page and its number: that page cannot be read.
        """
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
        if isinstance(fate, str) and not fate.startswith("page"):
            return Done(task, Failed(fate))
        bad = int(fate.split()[1]) if fate else 0
        return Done(
            task,
            tuple(
                Transcript(number, trouble=fate)
                if number == bad
                else Transcript(number, f"page{number}", bytes(8))
                for number in task.numbers
            ),
        )


class Many:
    """A pool of several workers, each of which dies over the first page of its task.

    fails: whether the first one finds that the book cannot be read, instead.
    """

    def __init__(self, size: int, *, fails: bool = False) -> None:
        self.free = size
        self._fails = fails
        self.given: list[tuple[int, ...]] = []
        self._tasks: deque[Transcribe] = deque()

    def give(self, task: Task) -> None:
        assert isinstance(task, Transcribe)
        self.free -= 1
        self.given.append(task.numbers)
        self._tasks.append(task)

    def wait(self) -> Done | Lost:
        self.free += 1
        task = self._tasks.popleft()
        if self._fails:
            self._fails = False
            return Done(task, Failed("has changed"))
        return Lost(task, CRASH, task.numbers[0])


class Mute:
    """Stands for the models that read, and finds nothing; counts itself, and how often it reads."""

    made = 0
    reads = 0
    fails_at = 0

    def __init__(self, *, threads: int) -> None:
        Mute.made += 1

    def read(self, _: Photo, *, most: int) -> Iterator[ReadLine]:
        Mute.reads += 1
        if Mute.reads == Mute.fails_at:
            raise MemoryError
        yield from ()


@pytest.fixture
def ten_pages(tmp_path: Path) -> Library:
    make_pdf(tmp_path / "a.pdf", 10)
    library = Library.open(tmp_path / "library", model=TINY_MODEL, create=True)
    library.add(tmp_path / "a.pdf")
    return library


def read_by(pool: Told | Many, library: Library) -> tuple[int, int, tuple[str, ...]]:
    """Pages read, wordless ones, and why books, or pages of them, were not."""
    told: list[AddProgress] = []
    report = Transcribing(library.catalog, pool, told.append).run(library.books())  # type: ignore[arg-type]
    if told:
        assert told[-1].pages_done == told[-1].pages_total == report.pages
    return report.pages, report.wordless, tuple(why for _, why in (*report.failed, *report.incomplete))


CRASH = "crashes the program that reads it"


def test_a_page_that_kills_its_worker_is_tried_again_in_the_next_run(ten_pages: Library) -> None:
    pool = Told(None, 6)
    assert read_by(pool, ten_pages) == (9, 0, (f"1 page could not be read; page 6 {CRASH}",))
    assert pool.given == [(1, 2, 3, 4), (5, 6, 7, 8), (5, 7, 8), (9, 10)]
    assert ten_pages.check().problems == ()
    pool = Told()
    assert read_by(pool, ten_pages) == (1, 0, ())
    assert pool.given == [(6,)]
    page = page_of(ten_pages, ten_pages.books()[0].path, 6)
    assert [line.text for line in ten_pages.catalog.printed_lines([page])[0]] == ["page6"]


def test_a_page_that_cannot_be_read_in_three_runs_is_given_up(ten_pages: Library) -> None:
    told = f"2 pages could not be read; page 2 {CRASH}"
    assert read_by(Told(2, None, "page 7 is damaged"), ten_pages) == (8, 0, (told,))
    for _ in range(2):
        assert read_by(Told(2, "page 7 is damaged"), ten_pages) == (0, 0, (told,))
    for _ in range(2):
        pool = Told()
        assert read_by(pool, ten_pages) == (0, 0, ())
        assert pool.given == []
    assert ten_pages.check().problems == ()
    assert ten_pages.catalog.database.query("SELECT COUNT(*) FROM meta WHERE key LIKE 'unread%'") == [(0,)]


def test_runs_of_a_page_that_was_removed_or_read_are_not_noted_any_more(ten_pages: Library) -> None:
    noted = "SELECT value FROM meta WHERE key LIKE 'unread%'"
    for _ in range(2):
        read_by(Told(3), ten_pages)
    assert ten_pages.catalog.database.query(noted) == [(2,)]
    path = ten_pages.books()[0].path
    ten_pages.remove("a")
    ten_pages.add(path)
    read_by(Told(3), ten_pages)
    assert ten_pages.catalog.database.query(noted) == [(1,)]
    read_by(Told(), ten_pages)
    assert ten_pages.catalog.database.query(noted) == []


def test_a_book_that_kills_again_and_again_or_fails_is_given_up(ten_pages: Library) -> None:
    three = f"3 pages could not be read; page 1 {CRASH}"
    assert read_by(Told(1, 2, 3), ten_pages) == (0, 0, (CRASH, three))
    assert read_by(Told(0), ten_pages) == (0, 0, (CRASH,))
    assert read_by(Told("has changed"), ten_pages) == (0, 0, ("has changed",))
    assert read_by(Told(), ten_pages) == (10, 0, ())


def test_a_book_that_was_given_up_is_not_taken_up_again_by_what_was_under_way(ten_pages: Library) -> None:
    """Of four workers at one book, each dies over a page of its own."""
    pool = Many(4)
    assert read_by(pool, ten_pages)[0] == 0
    assert pool.given == [(1, 2, 3, 4), (5, 6, 7, 8), (9, 10), (2, 3, 4), (6, 7, 8)]
    pool = Many(2, fails=True)
    assert read_by(pool, ten_pages)[2] == ("has changed", f"1 page could not be read; page 5 {CRASH}")
    assert pool.given == [(1, 2, 3, 4), (5, 6, 7, 8)]


@pytest.mark.parametrize(
    ("error", "trouble"),
    [
        (SourceError(Path("x"), "page 2 is damaged"), "page 2 is damaged"),
        (MemoryError(), "page 2 needs too much memory"),
        (ZeroDivisionError(), "page 2 cannot be read (unexpected ZeroDivisionError)"),
    ],
)
def test_a_worker_tells_a_page_without_words_from_one_that_it_cannot_read(
    error: Exception, trouble: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = make_pdf(tmp_path / "a.pdf", 3)
    render = PdfSource.render_colour

    def spoiled(self: PdfSource, number: int, **options: int) -> Colour:
        if number == 2:
            raise error
        return render(self, number, **options)

    monkeypatch.setattr(PdfSource, "render_colour", spoiled)
    monkeypatch.setattr("whichpage.reading.TextReader", Mute)
    monkeypatch.setattr(Mute, "made", 0)
    read = Worker(None, io.BytesIO()).do(Transcribe(book, stamp(book), 1, (1, 2, 3)))
    assert read == (Transcript(1), Transcript(2, trouble=trouble), Transcript(3))
    # What may have taken the memory is made anew; what only says that a page is bad is not to blame.
    assert Mute.made == (1 if isinstance(error, SourceError) else 2)


def test_models_that_run_out_of_memory_cost_one_page_and_are_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = make_pdf(tmp_path / "a.pdf", 3)
    monkeypatch.setattr("whichpage.reading.TextReader", Mute)
    for name, value in (("made", 0), ("reads", 0), ("fails_at", 2)):
        monkeypatch.setattr(Mute, name, value)
    read = Worker(None, io.BytesIO()).do(Transcribe(book, stamp(book), 1, (1, 2, 3)))
    trouble = "page 2 needs too much memory"
    assert read == (Transcript(1), Transcript(2, trouble=trouble), Transcript(3))
    assert (Mute.made, Mute.reads) == (2, 3)


def test_a_book_that_is_removed_meanwhile_is_no_trouble(ten_pages: Library) -> None:
    books = ten_pages.books()
    ten_pages.remove("a")
    ten_pages.catalog.write_text(books[0].id, [(1, "late", bytes(8))])
    assert ten_pages.check().problems == ()
    assert not ten_pages.catalog.has_text()
