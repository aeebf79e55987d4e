"""Adding end to end below the facade: misbehaving files, killed adders, two adders at once."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from books import TINY_MODEL, contents, image_bytes, make_archive, make_pdf
from PIL import Image

from whichpage.adding import Adder, Content, Work
from whichpage.catalog import Catalog
from whichpage.checking import check
from whichpage.files import scan, sha256, stamp
from whichpage.indexing import CHUNK_PAGES, AddProgress, AddReport, Indexing
from whichpage.library import WORKER_MEMORY, Library
from whichpage.pool import Pool
from whichpage.tasks import Setup

ADD = (
    "import sys; from pathlib import Path; from whichpage.library import Library\n"
    "library, model, *paths = sys.argv[1:]\n"
    "print('ready', flush=True)\n"
    "opened = Library.open(library, model=Path(model), create=True)\n"
    "told = set()\n"
    "def tell(p):\n"
    "    if (now := (p.pages_done, p.pages_total)) not in told:\n"
    "        told.add(now); print(p.pages_done, flush=True)\n"
    "report = opened.add(*paths, workers=2, progress=tell)\n"
    "assert not report.failed, report\n"
)


def add(library: Path, *paths: Path, encoder: str = "whichpage.encoder:Encoder.load") -> AddReport:
    """One add with an encoder of the test's choice."""
    with (
        Catalog.open(library, create=True) as catalog,
        Adder(catalog, "tiny", features="small") as adder,
        Pool(Setup(encoder, TINY_MODEL, WORKER_MEMORY), size=2, seconds=2) as pool,
    ):
        report = Indexing(adder, pool).run(scan(paths), catalog.known(), unread=catalog.has_unread)
        adder.sweep()
        assert check(catalog).damage == ()
    return report


def adder_process(library: Path, *paths: Path) -> subprocess.Popen[bytes]:
    """Another process that adds, about to begin."""
    path = os.pathsep.join(entry for entry in sys.path if entry)
    process = subprocess.Popen(
        [sys.executable, "-c", ADD, str(library), str(TINY_MODEL), *map(str, paths)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    return process


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Books of 1 to 100 pages in three kinds, two of them the same, 211 pages in all."""
    top = tmp_path_factory.mktemp("books")
    for seed, pages in enumerate([100, 33, 1, 1, 5, 64]):
        make_pdf(top / f"日本 {seed}.pdf", pages, seed=seed, blank=[2, 3])
    shutil.copy(top / "日本 1.pdf", top / "copy.pdf")
    make_archive(top / "comic.cbz", ["1.jpg", "2.jpg", "10.jpg"])
    (top / "scans").mkdir()
    for number in range(4):
        (top / "scans" / f"{number}.png").write_bytes(image_bytes(100 + number, "PNG"))
    return top


@pytest.fixture(scope="module")
def undisturbed(books: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[object, ...]]:
    library = tmp_path_factory.mktemp("undisturbed") / "library"
    with Library.open(library, model=TINY_MODEL, create=True) as opened:
        report = opened.add(books)
    assert (report.added, len(report.copies), report.failed) == (8, 1, ())
    assert (report.pages, report.blank) == (211, 8)
    return contents(library)


def test_killed_at_random_moments_loses_nothing(
    books: Path, undisturbed: dict[str, tuple[object, ...]], tmp_path: Path
) -> None:
    chance = random.Random(1)
    library = tmp_path / "library"
    killed = 0
    for _ in range(4):
        process = adder_process(library, books)
        assert process.stdout is not None
        for _ in range(chance.randrange(7)):
            process.stdout.readline()
        time.sleep(chance.uniform(0, 0.05))
        killed += process.poll() is None
        process.kill()
        process.communicate()
    assert killed >= 2
    with Library.open(library, model=TINY_MODEL, create=True) as opened:
        report = opened.add(books)
        assert report.failed == ()
        assert opened.check().problems == ()
    assert contents(library) == undisturbed


def test_two_adders_at_once_make_the_same_library(
    books: Path, undisturbed: dict[str, tuple[object, ...]], tmp_path: Path
) -> None:
    library = tmp_path / "library"
    processes = [adder_process(library, books) for _ in range(2)]
    for process in processes:
        process.communicate(timeout=60)
        assert process.returncode == 0
    assert contents(library) == undisturbed
    assert list(library.glob("*.lock")) == []


def test_interrupted_in_a_book_goes_on_in_it(
    books: Path, undisturbed: dict[str, tuple[object, ...]], tmp_path: Path
) -> None:
    library = tmp_path / "library"

    def stop(progress: AddProgress) -> None:
        if progress.pages_done:
            raise Stop

    with Library.open(library, model=TINY_MODEL, create=True) as opened:
        with pytest.raises(Stop):
            opened.add(books / "日本 0.pdf", progress=stop)
        (book,) = opened.books()
        assert (book.state, book.pages) == ("unfinished", 100)
        assert book.done % CHUNK_PAGES == 0 or book.done % CHUNK_PAGES == 100 % CHUNK_PAGES
        seen: list[AddProgress] = []
        report = opened.add(books, progress=seen.append)
    assert report.pages == 211 - book.done
    assert (seen[-1].pages_done, seen[-1].pages_total, seen[-1].seconds_left) == (211, 211, 0)
    assert contents(library) == undisturbed


class Stop(Exception):
    """What a caller that has had enough raises."""


def test_it_can_be_stopped_while_a_page_takes_long(tmp_path: Path) -> None:
    """And not only once a chunk of pages is done, here after 3.2 seconds."""
    began: list[float] = []

    def stop(progress: AddProgress) -> None:
        if progress.pages_total:
            began.append(began[0] if began else time.monotonic())
        if began and time.monotonic() - began[0] > 0.5:
            raise Stop

    make_pdf(tmp_path / "a.pdf", 32)
    with (
        Catalog.open(tmp_path / "library", create=True) as catalog,
        Adder(catalog, "tiny", features="small") as adder,
        Pool(Setup("misbehaving:slow", None, WORKER_MEMORY), size=1, seconds=60) as pool,
        pytest.raises(Stop),
    ):
        Indexing(adder, pool, stop).run(scan([tmp_path / "a.pdf"]), {})
    assert len(began) > 2
    assert time.monotonic() - began[0] < 3


def test_it_says_whom_it_waits_for_and_can_be_stopped_then(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    book = make_pdf(tmp_path / "a.pdf", 3)
    with (
        Catalog.open(tmp_path / "library", create=True) as catalog,
        Adder(catalog, "tiny", features="small") as first,
        Adder(catalog, "tiny", features="small") as second,
        Pool(Setup(None, None, WORKER_MEMORY), size=1, seconds=60) as pool,
    ):
        first.settle(Content(book, stamp(book), sha256(book), 3, ""))
        calls = []

        def stop(progress: AddProgress) -> None:
            calls.append(progress)
            if len(calls) > 30 or sum("waiting" in record.message for record in caplog.records):
                raise Stop

        with pytest.raises(Stop):
            Indexing(second, pool, stop).run(scan([book]), {})
    assert [record.message for record in caplog.records] == [
        f"waiting for process {os.getpid()}, which is adding {book}"
    ]


def test_it_does_not_say_that_it_waits_for_itself(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """As for a book whose copy it has just indexed."""
    book = make_pdf(tmp_path / "a.pdf", 1)
    content = Content(book, stamp(book), sha256(book), 1, "")
    with (
        Catalog.open(tmp_path / "library", create=True) as catalog,
        Adder(catalog, "tiny", features="small") as adder,
        Pool(Setup("whichpage.encoder:Encoder.load", TINY_MODEL, WORKER_MEMORY), size=1, seconds=60) as pool,
    ):
        work = adder.settle(replace(content, path=tmp_path / "copy.pdf"))
        assert isinstance(work, Work)
        indexing = Indexing(adder, pool)
        indexing._settle(content)
        adder.abandon(work.book)
        assert indexing.run([], {}).added == 1
    assert caplog.records == []


def test_pages_that_kill_or_hang_are_left_out_of_their_book(tmp_path: Path) -> None:
    folder = tmp_path / "books" / "scans"
    folder.mkdir(parents=True)
    for number in (1, 4):
        (folder / f"{number}.png").write_bytes(image_bytes(number, "PNG"))
    for number, grey in ((2, 50), (3, 120)):
        Image.new("L", (40, 60), grey).save(folder / f"{number}.png")
    good = make_pdf(tmp_path / "books" / "good.pdf", 40)
    report = add(tmp_path / "library", tmp_path / "books", encoder="misbehaving:load")
    assert (report.added, report.pages, report.failed) == (2, 44, ())
    assert report.incomplete == (
        (folder, "2 of 4 pages cannot be read; page 2 crashes the program that reads it"),
    )
    with Catalog.open(tmp_path / "library") as catalog:
        assert [(book.path, book.unreadable) for book in catalog.books()] == [(good, 0), (folder, 2)]
        assert len(catalog.codes()[0]) == 42


def test_pages_that_were_lost_are_tried_again_when_their_book_is_named(tmp_path: Path) -> None:
    """Here with an encoder that no page harms, as on a machine with more memory; a walk leaves them."""
    folder, library = tmp_path / "books" / "scans", tmp_path / "library"
    folder.mkdir(parents=True)
    for number, grey in ((1, 255), (2, 50), (3, 120)):
        image = Image.new("L", (400, 600), grey)
        image.paste(255 - grey // 2, (50, 50 * number, 300, 50 * number + 30))
        image.save(folder / f"{number}.png")
    report = add(library, tmp_path / "books", encoder="misbehaving:load")
    assert report.incomplete == (
        (folder, "2 of 3 pages cannot be read; page 2 crashes the program that reads it"),
    )
    report = add(library, tmp_path / "books")
    assert (report.unchanged, report.pages, report.incomplete) == (1, 0, ())

    report = add(library, folder, encoder="misbehaving:load")  # in vain
    assert (report.unchanged, report.added, report.pages) == (1, 0, 2)
    assert report.incomplete == (
        (folder, "2 of 3 pages cannot be read; page 2 crashes the program that reads it"),
    )
    report = add(library, folder)
    assert (report.unchanged, report.added, report.pages, report.incomplete) == (1, 0, 2, ())
    with Catalog.open(library) as catalog:
        assert [page.number for page in catalog.pages(catalog.codes()[0].tolist())] == [1, 2, 3]
        assert check(catalog).problems == ()
    assert add(library, folder).pages == 0


def test_book_that_kills_again_and_again_is_given_up(tmp_path: Path) -> None:
    folder = tmp_path / "scans"
    folder.mkdir()
    for number in range(1, 6):
        Image.new("L", (40, 60), 50).save(folder / f"{number}.png")
    good = make_pdf(tmp_path / "good.pdf", 3)
    report = add(tmp_path / "library", folder, good, encoder="misbehaving:load")
    assert report.failed == ((folder, "page 3 crashes the program that reads it, and so did others"),)
    assert report.added == 1
    assert [book[3] for book in contents(tmp_path / "library").values()] == [[str(good)]]


def test_book_without_a_readable_page_fails(tmp_path: Path) -> None:
    for number in (1, 2):
        (tmp_path / f"{number}.jpg").write_bytes(b"no image")
    report = add(tmp_path / "library", tmp_path)
    reason = "no page can be read; page 1 (1.jpg) is damaged, or no image that can be read"
    assert report.failed == ((tmp_path, reason),)
    assert contents(tmp_path / "library") == {}


def test_archives_that_are_no_books_are_named_only_when_asked_for(tmp_path: Path) -> None:
    other = make_archive(tmp_path / "source.zip", ["main.c"])
    assert add(tmp_path / "library", tmp_path).failed == ()
    assert add(tmp_path / "library", other).failed == ((other, "holds no images"),)
