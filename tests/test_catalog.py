"""The catalogue's own logic, with rows made by hand: no worker, no image but a thumbnail."""

from __future__ import annotations

import os
import sqlite3
import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from whichpage import database
from whichpage.adding import Adder, Busy, Content, Known, PageRow, Work
from whichpage.catalog import Catalog, PageState
from whichpage.checking import check, lost
from whichpage.errors import (
    BookNotFound,
    LibraryChanged,
    LibraryError,
    LibraryNotFound,
    LibraryOutdated,
    PageNotFound,
    SourceError,
)
from whichpage.features import LocalFeatures
from whichpage.features import pack as pack_features
from whichpage.files import Stamp, sha256, stamp
from whichpage.printed import PrintedLine, pack
from whichpage.types import Page

MODEL = "0123456789abcdef"
FEATURES = "fedcba9876543210"
GREY = np.tile(np.linspace(0, 255, 64, dtype=np.uint8), (96, 1))
JPEG = cv2.imencode(".jpg", GREY)[1].tobytes()


def codes(value: int) -> bytes:
    return bytes([value % 256]) * 96


def row(number: int) -> PageRow:
    return PageRow(number, codes(number), JPEG)


def written(number: int, *lines: str) -> PageRow:
    """A page with lines of text, each a tenth of the page's height below the one before."""
    printed = [PrintedLine(text, (0.1, n / 10), (0.9, n / 10)) for n, text in enumerate(lines, 1)]
    text, places = pack(printed)
    return replace(row(number), text=text, places=places)


def packed(number: int) -> bytes:
    """As long as so many local features are."""
    return bytes([number]) * (4 + 20 * number)


def described(number: int) -> PageRow:
    """A page with local features, as many as its number."""
    return replace(row(number), features=packed(number))


def made_of_format(number: int, tmp_path: Path) -> Path:
    """The folder of a library that holds a book of one page, whose text it knows from format 2 on."""
    folder = tmp_path / f"format {number}"
    folder.mkdir()
    schema = (Path(__file__).parent / f"format_{number}.sql").read_text(encoding="utf-8")
    with closing(sqlite3.connect(folder / "library.sqlite", isolation_level=None)) as connection:
        connection.executescript(schema)
        connection.execute("INSERT INTO book VALUES (1, 'x', 1, 'Old', ?, 1, NULL, 0)", (b"/old.pdf",))
        connection.execute("INSERT INTO file VALUES (1, ?, 1, 1, 1)", (b"/old.pdf",))
        connection.execute("INSERT INTO page VALUES (1, 1, 1, 0, NULL, ?)", (codes(1),))
        connection.execute("INSERT INTO thumbnail VALUES (1, ?)", (JPEG,))
        if number >= 2:
            page = written(1, "anoldpage")
            connection.execute("INSERT INTO text (rowid, lines) VALUES (1, ?)", (page.text,))
            connection.execute("INSERT INTO place VALUES (1, ?)", (page.places,))
    return folder


def schema_of(folder: Path) -> set[tuple[str, str]]:
    """Names and statements of all that a library's file holds, whatever their spaces."""
    with closing(sqlite3.connect(folder / "library.sqlite")) as connection:
        rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
    return {(name, " ".join(sql.split())) for name, sql in rows}


def content(path: Path, what: str, *, pages: int = 2) -> Content:
    """A file that exists and holds `what`."""
    path.write_text(what)
    return Content(path, stamp(path), sha256(path), pages, f"Title {what}")


def index(adder: Adder, book: Content) -> int:
    """Adds a book whose pages are all ordinary."""
    work = adder.settle(book)
    assert isinstance(work, Work)
    assert adder.write(work.book, [row(number) for number in range(1, book.pages + 1)])
    assert adder.finish(work.book, book)
    return work.book


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    return Catalog.open(tmp_path / "library", create=True)


@pytest.fixture
def adder(catalog: Catalog) -> Adder:
    return Adder(catalog, MODEL, features=FEATURES)


def test_pages_are_found_once_the_book_is_complete(tmp_path: Path, catalog: Catalog, adder: Adder) -> None:
    book = content(tmp_path / "a.pdf", "a", pages=4)
    work = adder.settle(book)
    assert work == Work(1, frozenset(), replaces=False)
    assert isinstance(work, Work)
    before = catalog.generation()
    adder.write(work.book, [row(3), row(1)])
    assert catalog.codes()[1].shape == (0, 3, 32)
    assert catalog.generation() == before
    adder.write(work.book, [PageRow(2), PageRow(4, trouble="page 4 is damaged")])
    adder.finish(work.book, book)
    assert catalog.generation() > before

    ids, bits = catalog.codes()
    assert ids.dtype == np.int64
    pages = catalog.pages(list(ids))
    assert pages == [Page(1, 1, tmp_path / "a.pdf", 3), Page(2, 1, tmp_path / "a.pdf", 1)]
    assert [bytes(page.ravel()) for page in bits] == [codes(3), codes(1)]
    assert [page.number for page in catalog.pages([2, 1, 2])] == [1, 3, 1]
    (thumbnail,) = catalog.thumbnails([2])
    assert np.abs(thumbnail.astype(int) - GREY).max() < 8
    assert catalog.encoded_thumbnails([1, 2]) == [JPEG, JPEG]

    (shown,) = catalog.books()
    assert (shown.pages, shown.done, shown.blank, shown.unreadable) == (4, 4, 1, 1)
    assert (shown.state, shown.title, shown.size) == ("complete", "Title a", 1)
    info = catalog.info()
    assert (info.books, info.pages, info.blank, info.unreadable, info.unfinished) == (1, 4, 1, 1, 0)
    assert check(catalog).problems == (
        f"{book.path}: 1 page could not be read (page 4 is damaged); add this path itself to try again",
    )


def test_who_searches_sees_what_another_adds(tmp_path: Path, catalog: Catalog, adder: Adder) -> None:
    with Catalog.open(tmp_path / "library") as reader:
        before = reader.generation()
        with catalog.database.transaction() as connection:
            connection.execute("UPDATE meta SET value = 'written' WHERE key = 'model'")
            assert reader.model() is None  # and does not wait for the writer
            connection.execute("UPDATE meta SET value = NULL WHERE key = 'model'")
        index(adder, content(tmp_path / "a.pdf", "a", pages=3))
        assert reader.generation() > before
        assert [page.number for page in reader.pages(reader.codes()[0].tolist())] == [1, 2, 3]


def test_full_disk_is_one_sentence(catalog: Catalog) -> None:
    catalog.database.query("PRAGMA max_page_count = 20")

    def fill() -> None:
        with catalog.database.transaction() as connection:
            connection.execute("INSERT INTO meta VALUES ('x', zeroblob(1000000))")

    with pytest.raises(LibraryError, match="cannot be used: database or disk is full"):
        fill()
    assert check(catalog).problems == ()


def test_many_pages_keep_their_order(tmp_path: Path, catalog: Catalog, adder: Adder) -> None:
    index(adder, content(tmp_path / "a.pdf", "a", pages=1200))
    asked = list(range(1200, 0, -1))
    assert [page.id for page in catalog.pages(asked)] == asked


def test_interrupted_book_goes_on_where_it_stopped(tmp_path: Path, catalog: Catalog, adder: Adder) -> None:
    book = content(tmp_path / "a.pdf", "a", pages=3)
    work = adder.settle(book)
    assert isinstance(work, Work)
    adder.write(work.book, [row(2)])
    adder._presence._lock.close()  # as the system does when a process is killed
    with Adder(catalog, MODEL, features=FEATURES) as second:
        assert second.settle(book) == Work(work.book, frozenset({2}), replaces=False)
        assert not adder.write(work.book, [row(3)])
        assert second.write(work.book, [row(1), row(3)])
        assert second.finish(work.book, book)
    assert [page.number for page in catalog.pages(list(catalog.codes()[0]))] == [2, 1, 3]


def test_pages_that_could_not_be_read_are_tried_again_when_that_is_asked(
    tmp_path: Path, catalog: Catalog, adder: Adder
) -> None:
    book = content(tmp_path / "a.pdf", "a", pages=4)
    work = adder.settle(book)
    assert isinstance(work, Work)
    failed = [PageRow(n, trouble=f"page {n} needs too much memory") for n in (2, 4)]
    adder.write(work.book, [row(1), failed[0], PageRow(3), failed[1]])
    adder.finish(work.book, book)
    assert check(catalog).unread == ((book.path, 2, "page 2 needs too much memory"),)
    assert catalog.has_unread(book.path)
    assert adder.settle(book) == Known("unchanged", book.path)
    copy = content(tmp_path / "copy.pdf", "a", pages=4)
    assert adder.settle(copy, retry=True) == Known("copy", book.path)
    copy.path.unlink()
    adder.sweep()
    before = catalog.codes()[0].tolist()

    assert adder.settle(book, retry=True) == Work(work.book, frozenset({1, 3}), replaces=False, retried=True)
    assert catalog.codes()[0].tolist() == before  # the others are found meanwhile
    generation = catalog.generation()
    adder.write(work.book, [row(2), PageRow(4, trouble="page 4 is damaged")])
    adder.finish(work.book, book)
    assert catalog.generation() > generation
    assert [page.number for page in catalog.pages(catalog.codes()[0].tolist())] == [1, 2]
    assert catalog.page_states(work.book, first=1, count=9) == [
        PageState(1, blank=False, trouble=None),
        PageState(2, blank=False, trouble=None),
        PageState(3, blank=True, trouble=None),
        PageState(4, blank=False, trouble="page 4 is damaged"),
    ]
    assert check(catalog).unread == ((book.path, 1, "page 4 is damaged"),)

    again = adder.settle(book, retry=True)
    assert again == Work(work.book, frozenset({1, 2, 3}), replaces=False, retried=True)
    adder.abandon(work.book)
    assert [shown.state for shown in catalog.books()] == ["complete"]
    adder.settle(book, retry=True)
    adder.write(work.book, [row(4)])
    adder.finish(work.book, book)
    assert not catalog.has_unread(book.path)
    assert adder.settle(book, retry=True) == Known("unchanged", book.path)
    assert check(catalog).problems == ()


def test_two_adders_share_the_work(tmp_path: Path, catalog: Catalog, adder: Adder) -> None:
    a, b = content(tmp_path / "a.pdf", "a"), content(tmp_path / "b.pdf", "b")
    with Adder(Catalog.open(tmp_path / "library"), MODEL, features=FEATURES) as second:
        work = adder.settle(a)
        assert isinstance(work, Work)
        assert second.settle(a) == Busy(str(os.getpid()))
        assert adder.settle(replace(a, path=tmp_path / "copy of a.pdf")) == Busy()
        assert isinstance(second.settle(b), Work)
        assert adder.settle(b) == Busy(str(os.getpid()))
        adder.write(work.book, [row(1), row(2)])
        adder.finish(work.book, a)
        assert second.settle(a) == Known("unchanged", a.path)
    assert isinstance(adder.settle(b), Work)  # the second one has ended


def test_moved_copied_touched_and_changed(tmp_path: Path, catalog: Catalog, adder: Adder) -> None:
    a = content(tmp_path / "a.pdf", "a")
    book = index(adder, a)
    assert catalog.known() == {a.path: Stamp(1, a.path.stat().st_mtime_ns)}

    copy = content(tmp_path / "copy.pdf", "a")
    assert adder.settle(copy) == Known("copy", a.path)
    assert catalog.books()[0].copies == (copy.path,)
    assert catalog.pages([1])[0].source == a.path

    a.path.unlink()
    moved = content(tmp_path / "moved.pdf", "a")
    assert adder.settle(moved) == Known("moved", a.path)
    assert catalog.pages([1])[0].source == moved.path

    assert adder.settle(moved) == Known("unchanged", copy.path)
    changed = content(moved.path, "c")
    before = catalog.codes()[0].tolist()
    work = adder.settle(changed)
    assert isinstance(work, Work)
    assert work.replaces
    adder.write(work.book, [row(1), row(2)])
    assert catalog.codes()[0].tolist() == before  # the old pages answer until the new ones are there
    adder.finish(work.book, changed)
    assert {page.source for page in catalog.pages(catalog.codes()[0].tolist())} == {copy.path, moved.path}
    copy.path.unlink()
    adder.sweep()
    assert [shown.id for shown in catalog.books()] == [
        book,
        work.book,
    ]  # a missing file is no reason to forget


def test_replaced_book_is_not_found_any_more(tmp_path: Path, catalog: Catalog, adder: Adder) -> None:
    a = content(tmp_path / "a.pdf", "a")
    index(adder, a)
    (old, _) = catalog.codes()
    new = index(adder, content(tmp_path / "a.pdf", "b"))
    with pytest.raises(LibraryChanged):  # by who has begun before: of the old book no file is left
        catalog.pages(old.tolist())
    assert {page.book for page in catalog.pages(catalog.codes()[0].tolist())} == {new}
    assert [book.title for book in catalog.books()] == ["Title b"]
    adder.sweep()
    assert catalog.database.query("SELECT COUNT(*) FROM page") == [(2,)]


def test_files_that_change_places_are_not_indexed_again(
    tmp_path: Path, catalog: Catalog, adder: Adder
) -> None:
    one = index(adder, content(tmp_path / "a.pdf", "a"))
    two = index(adder, content(tmp_path / "b.pdf", "b"))
    assert adder.settle(content(tmp_path / "a.pdf", "b")) == Known("changed", tmp_path / "b.pdf")
    assert isinstance(adder.settle(content(tmp_path / "b.pdf", "a")), Known)
    adder.sweep()
    assert {book.id: book.path.name for book in catalog.books()} == {one: "b.pdf", two: "a.pdf"}
    assert len(catalog.codes()[0]) == 4


def test_sweep_drops_copies_that_are_gone_and_no_book(tmp_path: Path, catalog: Catalog, adder: Adder) -> None:
    a, copy = content(tmp_path / "a.pdf", "a"), content(tmp_path / "copy.pdf", "a")
    index(adder, a)
    adder.settle(copy)
    a.path.unlink()
    with Adder(catalog, MODEL, features=FEATURES) as other:
        other.settle(content(tmp_path / "begun.pdf", "b"))
        other.settle(content(tmp_path / "lost.pdf", "c"))
        (tmp_path / "lost.pdf").unlink()
    adder.sweep()
    listed = {book.path.name: book.copies for book in catalog.books()}
    assert listed == {"begun.pdf": (), "copy.pdf": (), "lost.pdf": ()}
    assert check(catalog).problems == tuple(
        f"{tmp_path / name}: not finished; add it again" for name in ("begun.pdf", "lost.pdf")
    )


def test_remove_by_path_name_and_title(tmp_path: Path, catalog: Catalog, adder: Adder) -> None:
    (tmp_path / "below").mkdir()
    for name in ("a.pdf", "below/a.pdf", "b.pdf", "c.pdf"):
        index(adder, content(tmp_path / name, name))
    two = f"{tmp_path / 'a.pdf'}, {tmp_path / 'below' / 'a.pdf'}"
    with pytest.raises(LibraryError) as refused:
        catalog.remove("a.pdf")
    assert str(refused.value) == f"2 books are called a.pdf: {two}; name one by its path"
    state = catalog.state()
    with pytest.raises(BookNotFound, match="no book of the library is called x"):
        catalog.remove("x")
    before = catalog.generation()
    for name in (str(tmp_path / "a.pdf"), "b", "Title c.pdf", "a"):
        catalog.remove(name)
    assert catalog.generation() == before + 4
    assert catalog.state() != state
    assert catalog.books() == []
    assert catalog.database.query("SELECT COUNT(*) FROM thumbnail") == [(0,)]


def test_removed_pages_are_missed_by_who_still_asks(tmp_path: Path, catalog: Catalog, adder: Adder) -> None:
    index(adder, content(tmp_path / "a.pdf", "a"))
    (ids, _) = catalog.codes()
    catalog.remove("a")
    index(adder, content(tmp_path / "b.pdf", "b"))
    with pytest.raises(LibraryError, match="search again"):
        catalog.pages(ids.tolist())  # and not with pages of another book


def test_check_names_what_is_wrong(tmp_path: Path, catalog: Catalog, adder: Adder) -> None:
    for name in "abcde":
        index(adder, content(tmp_path / f"{name}.pdf", name))
    (tmp_path / "c.pdf").unlink()
    (tmp_path / "d.pdf").write_text("longer")
    os.utime(tmp_path / "e.pdf", ns=(1, 1))  # no change of what it holds
    with catalog.database.transaction() as connection:
        connection.execute("DELETE FROM page WHERE id = 1")
        connection.execute("DELETE FROM thumbnail WHERE page = 3")
        connection.execute("UPDATE page SET codes = x'00' WHERE id = 4")
    report = check(catalog)
    assert not report.whole
    assert report.problems == (
        f"{tmp_path / 'a.pdf'}: 1 of 2 pages are there, numbered 2 to 2",
        "1 pages have a code of the wrong length",
        "1 pages lack their thumbnail",
        f"{tmp_path / 'c.pdf'}: the file is gone",
        f"{tmp_path / 'd.pdf'}: the file has changed; add it again",
    )


def test_check_tells_a_file_that_cannot_be_read_from_one_that_is_gone(
    tmp_path: Path, catalog: Catalog, adder: Adder, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "abc":
        index(adder, content(tmp_path / f"{name}.pdf", name))
    (tmp_path / "a.pdf").unlink()
    (tmp_path / "b.pdf").unlink()
    (tmp_path / "b.pdf").symlink_to(tmp_path / "b.pdf")
    (tmp_path / "c.pdf").write_text("longer")

    def refuse(path: Path) -> str:
        raise SourceError(path, "may not be read")

    monkeypatch.setattr("whichpage.checking.sha256", refuse)
    a, b, c = check(catalog).problems
    assert a == f"{tmp_path / 'a.pdf'}: the file is gone"
    assert b.startswith(f"{tmp_path / 'b.pdf'}: cannot be read (")
    assert c == f"{tmp_path / 'c.pdf'}: may not be read"


def test_a_lock_that_vanishes_while_the_library_is_measured_has_no_size(
    tmp_path: Path, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    glob = Path.glob

    def late(folder: Path, pattern: str) -> list[Path]:
        return [*glob(folder, pattern), folder / "adding-1-00.lock"]

    size = catalog.info().bytes
    monkeypatch.setattr(Path, "glob", late)
    # The lock would have passed for a file just before it was looked at.
    monkeypatch.setattr(Path, "is_file", lambda _: True)
    assert catalog.info().bytes == size > 0


def test_a_book_has_lost_its_files_when_none_is_there(tmp_path: Path, catalog: Catalog, adder: Adder) -> None:
    for name in "abc":
        index(adder, content(tmp_path / f"{name}.pdf", name))
    adder.settle(content(tmp_path / "copy of a.pdf", "a"))
    adder.settle(content(tmp_path / "begun.pdf", "d"))
    for name in ("a", "b", "begun"):
        (tmp_path / f"{name}.pdf").unlink()
    assert [book.path.name for book in lost(catalog)] == ["b.pdf", "begun.pdf"]
    (tmp_path / "copy of a.pdf").unlink()
    assert [book.path.name for book in lost(catalog)] == ["a.pdf", "b.pdf", "begun.pdf"]


def test_many_books_of_one_name_are_not_all_listed(
    tmp_path: Path, catalog: Catalog, adder: Adder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("whichpage.catalog._NAMED", 1)
    for name in "abc":
        (tmp_path / name).mkdir()
        index(adder, content(tmp_path / name / "x.pdf", name))
    with pytest.raises(LibraryError, match=r"^3 books are called x: \S+a.x.pdf and 2 more; name one by its"):
        catalog.remove("x")


def test_codes_may_be_of_the_page_alone(tmp_path: Path, catalog: Catalog, adder: Adder) -> None:
    book = content(tmp_path / "a.pdf", "a")
    work = adder.settle(book)
    assert isinstance(work, Work)
    adder.write(work.book, [PageRow(n, bytes([n] * 32), JPEG) for n in (1, 2)])
    adder.finish(work.book, book)
    _, bits = catalog.codes()
    assert bits.shape == (2, 1, 32)
    assert [page.ravel().tolist() for page in bits] == [[1] * 32, [2] * 32]
    assert check(catalog).problems == ()


def test_codes_of_two_kinds_are_damage(tmp_path: Path, catalog: Catalog, adder: Adder) -> None:
    index(adder, content(tmp_path / "a.pdf", "a"))
    with catalog.database.transaction() as connection:
        connection.execute("UPDATE page SET codes = ? WHERE id = 2", (bytes(32),))
    with pytest.raises(LibraryError, match="is damaged: codes of wrong lengths"):
        catalog.codes()
    assert check(catalog).damage == ("1 pages have a code of the wrong length",)
    with catalog.database.transaction() as connection:
        connection.execute("UPDATE page SET codes = x'00'")
    with pytest.raises(LibraryError, match="is damaged"):
        catalog.codes()


def test_other_model_is_said_and_renewed(tmp_path: Path, catalog: Catalog, adder: Adder) -> None:
    adder.use_models()
    a = content(tmp_path / "a.pdf", "a")
    index(adder, a)
    adder.settle(content(tmp_path / "begun.pdf", "b"))
    adder.end()
    new = Adder(catalog, "f" * 16, features=FEATURES)
    with pytest.raises(LibraryOutdated, match=f"model {MODEL}, this is model f+: .*add --renew"):
        new.use_models()
    with pytest.raises(LibraryOutdated):
        new.settle(a)
    assert new.renew() == [tmp_path / "a.pdf", tmp_path / "begun.pdf"]
    new.use_models()
    assert catalog.model() == "f" * 16
    assert catalog.known() == {}
    assert len(catalog.codes()[0]) == 0
    assert new.settle(a) == Work(1, frozenset(), replaces=False)


def texts(catalog: Catalog) -> dict[tuple[int, int], list[str]]:
    """The lines of text on each page, by book and number."""
    pages = catalog.database.query("SELECT id, book, number FROM page ORDER BY book, number")
    lines = catalog.printed_lines([id for id, _, _ in pages])
    return {(row[1], row[2]): [line.text for line in page] for row, page in zip(pages, lines, strict=True)}


def test_renewing_goes_on_where_it_was_interrupted(tmp_path: Path, catalog: Catalog, adder: Adder) -> None:
    books = [content(tmp_path / f"{name}.pdf", name) for name in "abc"]
    for book in books:
        index(adder, book)
    adder.use_models()
    adder.end()
    paths = [book.path for book in books]
    with Adder(catalog, "f" * 16, features=FEATURES) as first:
        assert first.renew() == paths
        index(first, books[0])
        work = first.settle(books[1])
        assert isinstance(work, Work)
        first.write(work.book, [row(2)])
    with Adder(catalog, "f" * 16, features=FEATURES) as second:
        assert second.renew() == paths[1:]
        assert second.settle(books[0]) == Known("unchanged", paths[0])
        assert second.settle(books[1]) == Work(2, frozenset({2}), replaces=False)
        second.write(2, [row(1)])
        second.finish(2, books[1])
        index(second, books[2])
        second.end_renewal()
        assert (catalog.info().outdated, check(catalog).problems) == (0, ())
        assert second.renew() == paths  # that one had come to its end
    with Adder(catalog, MODEL, features=FEATURES) as other:
        assert other.renew() == paths  # and of other models, everything is to be done


def test_what_was_read_on_a_page_outlives_its_renewal(tmp_path: Path, catalog: Catalog, adder: Adder) -> None:
    """Where its file holds no text; and a page that has none is not read again."""
    book = content(tmp_path / "a.pdf", "a", pages=4)
    work = adder.settle(book)
    assert isinstance(work, Work)
    adder.write(work.book, [written(1, "printed"), row(2), row(3), row(4)])
    adder.finish(work.book, book)
    two = written(2, "readfor", "seconds")
    catalog.write_text(work.book, [(2, two.text, two.places), (3, "", b"")])
    before = texts(catalog)
    assert list(before.values()) == [["printed"], ["readfor", "seconds"], [], []]
    with Adder(catalog, "f" * 16, features=FEATURES) as new:
        new.renew()
        assert texts(catalog) == before
        assert isinstance(new.settle(book), Work)
        new.write(work.book, [written(1, "printedanew"), row(2), row(3), row(4)])
        new.finish(work.book, book)
    assert texts(catalog) == before | {(1, 1): ["printedanew"]}
    assert catalog.pages_with("seconds", most=9) == [2]
    assert catalog.textless(work.book) == [4]
    assert check(catalog).problems == ()


def test_pages_are_found_until_they_are_renewed_if_their_model_is_the_same(
    tmp_path: Path, catalog: Catalog, adder: Adder
) -> None:
    adder.use_models()
    a, gone = content(tmp_path / "a.pdf", "a"), content(tmp_path / "gone.pdf", "b")
    index(adder, a)
    index(adder, gone)
    gone.path.unlink()
    adder.renew()
    assert catalog.codes()[0].tolist() == [1, 2, 3, 4]
    work = adder.settle(a)
    assert isinstance(work, Work)
    generation = catalog.generation()
    adder.write(work.book, [row(1)])
    assert catalog.generation() > generation
    adder.write(work.book, [row(2)])
    adder.finish(work.book, a)
    adder.end_renewal()
    adder.sweep()
    assert catalog.codes()[0].tolist() == [1, 2, 3, 4]  # who searches may still ask for them by these ids
    assert list(catalog.known()) == [a.path]
    assert catalog.info().outdated == 2
    assert check(catalog).problems == (
        f"{gone.path}: the file is gone",
        f"{gone.path}: not indexed anew yet; add it again",
    )

    with Adder(catalog, "f" * 16, features=FEATURES) as new:
        assert set(new.renew()) == {a.path, gone.path}
        # Codes of two models do not go together, nor do their lengths.
        work = new.settle(a)
        assert isinstance(work, Work)
        new.write(work.book, [PageRow(n, bytes([n] * 32), JPEG) for n in (1, 2)])
        new.finish(work.book, a)
        new.sweep()
        assert (catalog.codes()[0].tolist(), catalog.codes()[1].shape) == ([1, 2], (2, 1, 32))
        assert check(catalog).damage == ()
        content(gone.path, "b")
        work = new.settle(gone)
        assert work == Work(2, frozenset(), replaces=False)
        new.write(2, [PageRow(n, bytes([n] * 32), JPEG) for n in (1, 2)])
        new.finish(2, gone)
    assert catalog.codes()[0].tolist() == [1, 2, 3, 4]
    assert check(catalog).problems == ()


def test_a_renewal_that_is_regretted_gives_back_the_pages_it_has_not_come_to(
    tmp_path: Path, catalog: Catalog, adder: Adder
) -> None:
    adder.use_models()
    a, b = content(tmp_path / "a.pdf", "a"), content(tmp_path / "b.pdf", "b")
    index(adder, a)
    index(adder, b)
    with Adder(catalog, "f" * 16, features=FEATURES) as new:
        new.renew()
        index(new, a)
        assert catalog.codes()[0].tolist() == [1, 2]
    adder.renew()
    assert catalog.codes()[0].tolist() == [3, 4]
    assert catalog.info().outdated == 4


def test_a_page_that_can_be_read_no_more_stays_as_it_was(
    tmp_path: Path, catalog: Catalog, adder: Adder
) -> None:
    book = content(tmp_path / "a.pdf", "a", pages=3)
    work = adder.settle(book)
    assert isinstance(work, Work)
    adder.write(work.book, [written(1, "one"), written(2, "two"), PageRow(3, trouble="page 3 is damaged")])
    adder.finish(work.book, book)
    adder.renew()
    assert isinstance(adder.settle(book), Work)
    adder.write(work.book, [row(1), *(PageRow(n, trouble=f"page {n} takes too long") for n in (2, 3))])
    assert adder.outdated(work.book) == 1
    assert adder.troubles(work.book) == ["page 3 takes too long"]
    adder.finish(work.book, book)
    assert list(texts(catalog).values()) == [["one"], ["two"], []]
    assert len(catalog.codes()[0]) == 2

    adder.renew()
    assert isinstance(adder.settle(book), Work)
    adder.abandon(work.book)
    (kept,) = catalog.books()
    assert (kept.state, kept.done) == ("complete", 3)
    with Adder(catalog, MODEL, features=FEATURES) as other:
        assert isinstance(other.settle(book), Work)


def test_local_features_of_another_model_are_forgotten(tmp_path: Path, catalog: Catalog) -> None:
    a = content(tmp_path / "a.pdf", "a", pages=1)
    assert catalog.features_model() is None
    with Adder(catalog, MODEL, features=FEATURES) as adder:
        adder.use_models()
        adder.use_models()
        work = adder.settle(a)
        assert isinstance(work, Work)
        adder.write(work.book, [described(1)])
        adder.finish(work.book, a)
    assert (catalog.model(), catalog.features_model()) == (MODEL, FEATURES)
    generation = catalog.generation()
    (page,) = catalog.codes()[0].tolist()
    assert (catalog.featureless(), catalog.all_described()) == (0, True)
    with Adder(catalog, MODEL, features="e" * 16) as new, Adder(catalog, MODEL, features=FEATURES) as old:
        begun = content(tmp_path / "b.pdf", "b", pages=1)
        work = old.settle(begun)
        assert isinstance(work, Work)
        sentence = f"another whichpage is adding .* other local features .{FEATURES}, not e+.: use one"
        for act in (lambda: new.settle(a), lambda: new.describe([(page, packed(1))])):
            with pytest.raises(LibraryOutdated, match=sentence):
                act()
        new.use_models()
        assert (catalog.model(), catalog.features_model()) == (MODEL, "e" * 16)
        assert catalog.features([page]) == [b""]
        assert (catalog.featureless(), catalog.info().featureless) == (1, 1)
        assert not catalog.all_described()
        assert catalog.generation() == generation + 1
        assert new.settle(a) == Known("unchanged", tmp_path / "a.pdf")
        with pytest.raises(LibraryOutdated, match=f"e+, not {FEATURES}"):
            old.describe([(page, packed(1))])
        assert not old.write(work.book, [described(1)])  # else its features would pass for the new ones
        assert not old.finish(work.book, begun)
        assert new.describe([(page, packed(2)), (99, packed(3))]) == 1
        assert catalog.features([page, 99]) == [packed(2), b""]
        assert not catalog.all_described()
        assert catalog.generation() == generation + 1
        assert new.describe([(page, packed(4))]) == 0  # has its own by now
        with pytest.raises(LibraryOutdated, match=f"e+, not {FEATURES}"):
            old.end_describing()
        new.end_describing()
        assert catalog.features([page]) == [packed(2)]
        assert (catalog.featureless(), catalog.generation()) == (0, generation + 2)
        assert catalog.all_described()
        old.use_models()  # and back: what was noted of it then holds no more
        assert not catalog.all_described()


def test_pages_without_local_features_are_told_with_their_thumbnails(
    catalog: Catalog, adder: Adder, tmp_path: Path
) -> None:
    book = content(tmp_path / "a.pdf", "a", pages=4)
    work = adder.settle(book)
    assert isinstance(work, Work)
    bare = [replace(described(number), features=b"") for number in (1, 3, 4)]
    adder.write(work.book, [bare[0], described(2), *bare[1:]])
    adder.finish(work.book, book)
    ids = catalog.codes()[0].tolist()
    assert catalog.featureless() == 3
    assert catalog.featureless_thumbnails(after=0, most=2) == [(ids[0], JPEG), (ids[2], JPEG)]
    assert catalog.featureless_thumbnails(after=ids[2], most=2) == [(ids[3], JPEG)]
    assert catalog.featureless_thumbnails(after=ids[3], most=2) == []


def test_local_features_are_told_while_their_book_is_there(
    tmp_path: Path, catalog: Catalog, adder: Adder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("whichpage.catalog._PORTION", 2)
    book = content(tmp_path / "a.pdf", "a", pages=5)
    work = adder.settle(book)
    assert isinstance(work, Work)
    adder.write(work.book, [described(3), row(1), PageRow(2), described(4), described(5)])
    assert list(catalog.all_features()) == []  # the book is not complete
    adder.finish(work.book, book)
    adder.settle(content(tmp_path / "copy.pdf", "a"))
    three, four, five = packed(3), packed(4), packed(5)
    assert list(catalog.all_features()) == [(1, three), (4, four), (5, five)]
    assert catalog.features([5, 2, 1, 99, 3, 5]) == [five, b"", three, b"", b"", five]
    assert catalog.features([]) == []

    other = content(tmp_path / "b.pdf", "b", pages=1)
    work = adder.settle(other)
    assert isinstance(work, Work)
    adder.write(work.book, [described(1)])
    adder.finish(work.book, other)
    assert list(catalog.all_features()) == [(1, three), (4, four), (5, five), (6, packed(1))]
    index(adder, content(tmp_path / "b.pdf", "c"))  # no file holds the old book any more
    assert [id for id, _ in catalog.all_features()] == [1, 4, 5]
    adder.sweep()
    assert check(catalog).problems == ()

    catalog.remove("a")
    assert list(catalog.all_features()) == []
    assert catalog.features([1, 4]) == [b"", b""]
    assert catalog.database.query("SELECT COUNT(*) FROM feature") == [(0,)]


def test_many_local_features_keep_their_order(tmp_path: Path, catalog: Catalog, adder: Adder) -> None:
    book = content(tmp_path / "a.pdf", "a", pages=1200)
    work = adder.settle(book)
    assert isinstance(work, Work)
    told = [number.to_bytes(2, "big") * 12 for number in range(1, 1201)]
    rows = [replace(row(number), features=one) for number, one in enumerate(told, 1)]
    adder.write(work.book, rows)
    adder.finish(work.book, book)
    assert catalog.features(list(range(1200, 0, -1))) == told[::-1]
    assert list(catalog.all_features()) == list(enumerate(told, 1))


def test_local_features_are_renewed_with_their_book(tmp_path: Path, catalog: Catalog, adder: Adder) -> None:
    book = content(tmp_path / "a.pdf", "a", pages=1)
    for number in (2, 3):
        work = adder.settle(book)
        assert isinstance(work, Work)
        adder.write(work.book, [replace(described(number), number=1)])
        adder.finish(work.book, book)
        ((_, told),) = catalog.all_features()
        assert told == packed(number)
        assert catalog.database.query("SELECT COUNT(*) FROM feature") == [(1,)]
        adder.renew()


def test_local_features_that_cannot_be_are_damage(tmp_path: Path, catalog: Catalog, adder: Adder) -> None:
    book = content(tmp_path / "a.pdf", "a", pages=4)
    work = adder.settle(book)
    assert isinstance(work, Work)
    adder.write(work.book, [described(1), described(2), PageRow(3), described(4)])
    adder.finish(work.book, book)
    assert check(catalog).problems == ()
    points = np.array([[9, 9], [20, 30], [40, 8]], np.float32)
    vectors, words = np.ones((3, 128), np.float32), np.full((3, 16), 255, np.uint8)
    features = pack_features(LocalFeatures(points, vectors, (96, 64)), words)
    with catalog.database.transaction() as connection:
        connection.execute("UPDATE feature SET packed = ? WHERE page = 1", (features,))
    assert check(catalog).problems == ()
    with catalog.database.transaction() as connection:
        connection.execute("UPDATE feature SET packed = ? WHERE page = 1", (features[1:],))
        connection.execute("INSERT INTO feature VALUES (3, ?)", (features,))
    assert check(catalog).damage == (
        "1 pages have local features of the wrong length",
        "1 local features are of blank pages",
    )


def test_library_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(LibraryNotFound, match=r"there is no library at .*`whichpage add` makes one"):
        Catalog.open(tmp_path / "nowhere")
    (tmp_path / "library.sqlite").write_bytes(b"no database " * 100)
    for create in (False, True):
        with pytest.raises(LibraryError, match="damaged, or no whichpage library"):
            Catalog.open(tmp_path, create=create)
    (tmp_path / "library.sqlite").unlink()
    with sqlite3.connect(tmp_path / "library.sqlite") as connection:
        connection.execute("CREATE TABLE other (x)")
    for create in (False, True):
        with pytest.raises(LibraryError, match="no whichpage library"):
            Catalog.open(tmp_path, create=create)
    with pytest.raises(LibraryError, match="cannot be used: File name too long"):
        Catalog.open(tmp_path / ("x" * 1000))
    (tmp_path / "file").write_text("")
    with pytest.raises(LibraryError, match="no library can be made"):
        Catalog.open(tmp_path / "file" / "library", create=True)


def test_a_library_on_a_disk_that_is_read_only_can_be_searched(
    tmp_path: Path, adder: Adder, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where SQLite cannot make the files that it reads with."""
    index(adder, content(tmp_path / "a.pdf", "a"))
    with adder:  # ends it
        pass
    catalog.close()
    folder = tmp_path / "library"
    assert [file.name for file in folder.iterdir()] == ["library.sqlite"]
    monkeypatch.setattr(database, "_is_read_only", lambda folder: True)
    sealed = Catalog.open(folder)
    assert [book.title for book in sealed.books()] == ["Title a"]
    assert len(sealed.codes()[0]) == 2
    assert [file.name for file in folder.iterdir()] == ["library.sqlite"]
    with pytest.raises(LibraryError, match="readonly"):
        sealed.remove("a")
    sealed.close()
    # Changes in a log are not read past.
    (folder / "library.sqlite-wal").write_bytes(b"")
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    opened = Catalog.open(folder)
    with pytest.raises(LibraryError, match="its folder cannot be written to"), opened.database.transaction():
        raise sqlite3.OperationalError("unable to open database file")


def test_other_format_is_said(tmp_path: Path, catalog: Catalog) -> None:
    with catalog.database.transaction() as connection:
        connection.execute("UPDATE meta SET value = 99 WHERE key = 'format'")
    with pytest.raises(
        LibraryOutdated, match="has format 99, this whichpage knows 4 at most: open it with a"
    ):
        Catalog.open(tmp_path / "library")


def test_text_is_found_while_its_book_is_there(tmp_path: Path, catalog: Catalog, adder: Adder) -> None:
    assert not catalog.has_text()
    book = content(tmp_path / "a.pdf", "a", pages=3)
    work = adder.settle(book)
    assert isinstance(work, Work)
    adder.write(work.book, [written(1, "thewhale", "shallrise"), row(2), written(3, "吾輩は猫である")])
    assert catalog.pages_with("whale", most=9) == []  # the book is not complete
    adder.finish(work.book, book)
    assert catalog.has_text()
    assert catalog.pages_with("thewhale", most=9) == catalog.pages_with("hal", most=9) == [1]
    assert catalog.pages_with("吾輩は", most=9) == [3]
    for absent in ("whaleshall", "whales", 'wh"le', "lines:whale", "the OR whale", "wh*"):
        assert catalog.pages_with(absent, most=9) == []

    adder.settle(content(tmp_path / "copy.pdf", "a"))
    other = content(tmp_path / "b.pdf", "b", pages=1)
    work = adder.settle(other)
    assert isinstance(work, Work)
    adder.write(work.book, [written(1, "nothewhale")])
    adder.finish(work.book, other)
    assert catalog.pages_with("thewhale", most=2) == [1, 4]
    assert catalog.pages_with("thewhale", most=1) is None

    lines = catalog.printed_lines([3, 2, 1, 99, 3])
    assert [[line.text for line in page] for page in lines] == [
        ["吾輩は猫である"],
        [],
        ["thewhale", "shallrise"],
        [],
        ["吾輩は猫である"],
    ]
    assert lines[2][1].start == pytest.approx((0.1, 0.2), abs=1e-4)
    assert lines[2][1].end == pytest.approx((0.9, 0.2), abs=1e-4)

    catalog.remove("a")
    assert catalog.pages_with("whale", most=9) == [4]
    assert catalog.printed_lines([1]) == [()]
    with catalog.database.transaction() as connection:
        connection.execute("DELETE FROM page WHERE id = 4")
    assert catalog.pages_with("whale", most=9) == []
    assert not catalog.has_text()
    for table in ("text", "text_content", "place"):
        assert catalog.database.query(f"SELECT COUNT(*) FROM {table}") == [(0,)]
    assert check(catalog).damage == (f"{tmp_path / 'b.pdf'}: 0 of 1 pages are there, numbered 1 to 1",)


def test_text_is_replaced_and_renewed_with_its_book(tmp_path: Path, catalog: Catalog, adder: Adder) -> None:
    for what in ("oneword", "another"):
        book = content(tmp_path / "a.pdf", what, pages=1)
        work = adder.settle(book)
        assert isinstance(work, Work)
        adder.write(work.book, [written(1, what)])
        adder.finish(work.book, book)
    assert catalog.pages_with("oneword", most=9) == []  # no file holds it any more
    adder.sweep()
    assert catalog.pages_with("another", most=9) == [2]
    adder.renew()
    assert catalog.pages_with("another", most=9) == [2]
    work = adder.settle(book)
    assert isinstance(work, Work)
    adder.write(work.book, [written(1, "thethird")])
    adder.finish(work.book, book)
    assert catalog.pages_with("another", most=9) == []
    assert catalog.pages_with("thethird", most=9) == [2]
    catalog.remove("a")
    assert catalog.database.query("SELECT COUNT(*) FROM text") == [(0,)]
    assert check(catalog).problems == ()


def test_text_that_was_read_outlives_a_change_of_its_file(
    tmp_path: Path, catalog: Catalog, adder: Adder
) -> None:
    """Of a folder of scans that gained one at its start; two pages look the same, one was read in vain."""
    looks = [JPEG + bytes([look]) for look in (1, 2, 3, 3, 4)]
    old = content(tmp_path / "a.pdf", "old", pages=5)
    work = adder.settle(old)
    assert isinstance(work, Work)
    adder.write(work.book, [PageRow(n, codes(n), look) for n, look in enumerate(looks, 1)])
    adder.finish(work.book, old)
    read = {n: written(n, f"readonpage{n}") for n in (1, 3, 4)}
    catalog.write_text(work.book, [(n, page.text, page.places) for n, page in read.items()])
    catalog.write_text(work.book, [(5, "", b"")])

    new = content(old.path, "new", pages=8)
    work = adder.settle(new)
    assert isinstance(work, Work)
    shown = [JPEG, *looks, looks[2], looks[0]]
    rows = [PageRow(n, codes(n), look) for n, look in enumerate(shown, 1)]
    rows[1] = replace(rows[1], text=(own := written(2, "printedbyitself")).text, places=own.places)
    adder.write(work.book, rows)
    adder.finish(work.book, new)
    adder.sweep()
    assert {number: lines for (_, number), lines in texts(catalog).items()} == {
        1: [],
        2: ["printedbyitself"],
        3: [],
        4: ["readonpage3"],
        5: ["readonpage4"],
        6: [],
        7: [],
        8: ["readonpage1"],
    }
    assert catalog.textless(work.book) == [1, 3, 7]  # and the sixth is not read in vain again
    (line,) = catalog.printed_lines([catalog.page_id(work.book, 4)])[0]
    assert line.start == pytest.approx((0.1, 0.1), abs=1e-4)
    assert len(catalog.pages_with("readonpage", most=9) or []) == 3
    assert check(catalog).problems == ()


def test_text_and_places_that_do_not_fit_are_damage(tmp_path: Path, catalog: Catalog, adder: Adder) -> None:
    book = content(tmp_path / "a.pdf", "a", pages=5)
    work = adder.settle(book)
    assert isinstance(work, Work)
    adder.write(work.book, [written(number, "first", "second") for number in range(1, 6)])
    adder.finish(work.book, book)
    assert check(catalog).problems == ()
    with catalog.database.transaction() as connection:
        connection.execute("DELETE FROM text WHERE rowid = 1")
        connection.execute("DELETE FROM place WHERE page = 2")
        connection.execute("UPDATE place SET lines = zeroblob(8) WHERE page = 3")
        connection.execute("INSERT INTO text (rowid, lines) VALUES (99, 'ofnopage')")
    assert check(catalog).damage == ("the text of 4 pages and its places do not belong together",)
    assert len(catalog.printed_lines([5, 4])) == 2
    with pytest.raises(LibraryError, match="is damaged: text of pages"):
        catalog.printed_lines([5, 3])


def test_library_of_format_1_is_brought_up_to_date(tmp_path: Path) -> None:
    folder = made_of_format(1, tmp_path)
    opened: list[Catalog] = []

    def open_it() -> None:
        opened.append(Catalog.open(folder))

    threads = [threading.Thread(target=open_it) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(opened) == 4
    catalog = opened[0]
    assert catalog.database.query("SELECT value FROM meta WHERE key = 'format'") == [(4,)]
    assert (catalog.model(), catalog.generation()) == (MODEL, 3)
    assert catalog.codes()[0].tolist() == [1]
    assert catalog.encoded_thumbnails([1]) == [JPEG]
    assert not catalog.has_text()
    assert catalog.printed_lines([1]) == [()]
    assert catalog.pages_with("whale", most=9) == []
    assert check(catalog).damage == ()
    adder = Adder(catalog, MODEL, features=FEATURES)
    book = content(tmp_path / "b.pdf", "b", pages=1)
    work = adder.settle(book)
    assert isinstance(work, Work)
    adder.write(work.book, [written(1, "thewhale")])
    adder.finish(work.book, book)
    assert catalog.pages_with("whale", most=9) == [2]
    catalog.remove("old")  # whose pages have no text
    assert catalog.pages_with("whale", most=9) == [2]


@pytest.mark.parametrize("number", [1, 2, 3])
def test_an_older_format_becomes_what_a_new_library_is(tmp_path: Path, catalog: Catalog, number: int) -> None:
    folder = made_of_format(number, tmp_path)
    assert schema_of(folder) < schema_of(tmp_path / "library")
    Catalog.open(folder).close()
    assert schema_of(folder) == schema_of(tmp_path / "library")
    Catalog.open(folder).close()  # once more changes nothing
    with Catalog.open(folder) as old:
        noted = dict(old.database.query("SELECT * FROM meta"))
    new = dict(catalog.database.query("SELECT * FROM meta"))
    assert noted.pop("state") != new.pop("state")
    assert new == {
        "features": None,
        "format": 4,
        "generation": 0,
        "model": None,
        "renewing": None,
    }
    assert noted == new | {"generation": 3, "model": MODEL}


def test_library_of_format_2_keeps_its_text_and_gains_local_features(tmp_path: Path) -> None:
    with Catalog.open(made_of_format(2, tmp_path)) as catalog:
        assert catalog.codes()[0].tolist() == [1]
        assert catalog.encoded_thumbnails([1]) == [JPEG]
        assert catalog.pages_with("oldpage", most=9) == [1]
        assert [line.text for line in catalog.printed_lines([1])[0]] == ["anoldpage"]
        assert catalog.features([1]) == [b""]
        assert list(catalog.all_features()) == []
        assert catalog.features_model() is None
        assert not catalog.all_described()
        assert check(catalog).damage == ()

        with Adder(catalog, MODEL, features=FEATURES) as adder:
            adder.use_models()
            assert catalog.features_model() == FEATURES
            book = content(tmp_path / "b.pdf", "b", pages=1)
            work = adder.settle(book)
            assert isinstance(work, Work)
            adder.write(work.book, [described(1)])
            adder.finish(work.book, book)
        assert list(catalog.all_features()) == [(2, packed(1))]
        catalog.remove("old")  # whose page has none
        assert list(catalog.all_features()) == [(2, packed(1))]


def test_format_1_that_is_not_brought_up_to_date_whole_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = made_of_format(1, tmp_path)
    before = schema_of(folder)
    monkeypatch.setattr(database, "_FEATURE_SCHEMA", ["CREATE TABLE page (again)"])
    with pytest.raises(LibraryError, match="cannot be brought up to date: table page already exists"):
        Catalog.open(folder)
    assert schema_of(folder) == before
    monkeypatch.undo()
    assert Catalog.open(folder).codes()[0].tolist() == [1]


def test_format_1_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = made_of_format(1, tmp_path)
    connect: Any = sqlite3.connect

    def read_only(path: Path, **options: Any) -> Any:
        return connect(f"{path.as_uri()}?mode=ro", **{**options, "uri": True})

    monkeypatch.setattr(sqlite3, "connect", read_only)
    with pytest.raises(LibraryError, match=r"older whichpage .* up to date: attempt to write a readonly"):
        Catalog.open(folder)
    monkeypatch.undo()
    assert Catalog.open(folder).codes()[0].tolist() == [1]


@pytest.mark.parametrize("lacking", ["fts9(lines)", "fts5(lines, tokenize='tetragram')"])
def test_sqlite_that_cannot_search_text(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lacking: str
) -> None:
    monkeypatch.setattr(database, "_TEXT_SCHEMA", [f"CREATE VIRTUAL TABLE text USING {lacking}"])
    sentence = r"SQLite [\d.]+ cannot search text: whichpage needs SQLite 3.34 or newer with FTS5$"
    for folder in (tmp_path / "library", made_of_format(1, tmp_path)):
        with pytest.raises(LibraryError, match=sentence):
            Catalog.open(folder, create=True)
    monkeypatch.undo()
    assert Catalog.open(tmp_path / "library", create=True).books() == []


def test_interrupted_transaction_leaves_no_trace(catalog: Catalog) -> None:
    def change() -> None:
        with catalog.database.transaction() as connection:
            connection.execute("UPDATE meta SET value = 'x' WHERE key = 'model'")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        change()
    assert catalog.model() is None


def test_connections_of_threads_that_have_ended_are_closed(catalog: Catalog) -> None:
    for _ in range(5):
        thread = threading.Thread(target=catalog.books)
        thread.start()
        thread.join()
    assert len(catalog.database._open) == 2  # this thread's, and the last one's


def test_a_book_is_looked_up_by_id_place_and_content(tmp_path: Path, catalog: Catalog, adder: Adder) -> None:
    book, other = content(tmp_path / "a.pdf", "a"), content(tmp_path / "b.pdf", "b")
    first, second = index(adder, book), index(adder, other)
    copy = content(tmp_path / "copy.pdf", "a")
    assert isinstance(adder.settle(copy), Known)
    listed = catalog.books()
    assert [catalog.book(id) for id in (first, second)] == listed
    assert catalog.book_at(book.path) == catalog.book_at(copy.path) == catalog.book_with(book.sha256)
    assert catalog.book_at(other.path) == listed[1]
    assert catalog.files(first) == {book.path: book.stamp, copy.path: copy.stamp}
    assert catalog.files(99) == {}
    assert catalog.book_with("0" * 64) is None
    with pytest.raises(BookNotFound, match="has no book 99"):
        catalog.book(99)
    with pytest.raises(BookNotFound, match="has no book at "):
        catalog.book_at(tmp_path / "c.pdf")
    assert catalog.remove(second).id == second
    with pytest.raises(BookNotFound):
        catalog.remove(second)


def test_an_unfinished_book_is_known_by_its_id_alone(tmp_path: Path, catalog: Catalog, adder: Adder) -> None:
    book = content(tmp_path / "a.pdf", "a")
    work = adder.settle(book)
    assert isinstance(work, Work)
    assert adder.write(work.book, [row(1)])
    assert (catalog.book(work.book).state, catalog.book(work.book).done) == ("unfinished", 1)
    assert catalog.book_with(book.sha256) is None
    assert catalog.files(work.book) == {}


def test_pages_of_a_book_are_told_in_portions(tmp_path: Path, catalog: Catalog, adder: Adder) -> None:
    book = content(tmp_path / "a.pdf", "a", pages=4)
    work = adder.settle(book)
    assert isinstance(work, Work)
    assert adder.write(work.book, [row(1), PageRow(2), PageRow(3, trouble="page 3 is damaged"), row(4)])
    assert catalog.page_states(work.book, first=2, count=2) == [
        PageState(2, blank=True, trouble=None),
        PageState(3, blank=False, trouble="page 3 is damaged"),
    ]
    assert [state.number for state in catalog.page_states(work.book, first=4, count=9)] == [4]
    assert catalog.page_id(work.book, 4) == 4
    for missing in ((work.book, 5), (99, 1)):
        with pytest.raises(PageNotFound):
            catalog.page_id(*missing)
