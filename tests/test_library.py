"""The facade: what a user does with a library, from the first add on."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from books import TINY_MODEL, contents, image_bytes, make_archive, make_pdf, pdf_bytes
from drawn import corner_errors, photo_of, text_page
from onnx_file import write_one_view
from PIL import Image

from whichpage import sources
from whichpage.cores import usable_cores
from whichpage.encoder import model_id
from whichpage.errors import (
    BookNotFound,
    LibraryChanged,
    LibraryNotFound,
    LibraryOutdated,
    ModelError,
)
from whichpage.featureindex import FeatureIndex
from whichpage.features import PACKED_NONE, SHIPPED_FEATURES, FeatureExtractor, pack, unpack
from whichpage.library import AddProgress, Library, default_path
from whichpage.types import Answer, Match


@pytest.fixture
def books(tmp_path: Path) -> Path:
    """A PDF of 5 pages, one blank, and a comic of 2."""
    make_pdf(tmp_path / "books" / "a.pdf", 5, blank=[4])
    make_archive(tmp_path / "books" / "b.cbz", ["1.jpg", "2.jpg"])
    return tmp_path / "books"


@pytest.fixture
def library(tmp_path: Path) -> Library:
    return Library.open(tmp_path / "library", model=TINY_MODEL, create=True)


def test_a_library_lives(books: Path, library: Library, tmp_path: Path) -> None:
    report = library.add(books)
    assert (report.added, report.pages, report.blank, report.failed) == (2, 7, 1, ())
    before = contents(tmp_path / "library")

    again = library.add(str(books), books / "a.pdf")
    assert (again.unchanged, again.added, again.pages) == (2, 0, 0)

    os.utime(books / "a.pdf", ns=(1, 1))
    touched = library.add(books)
    assert (touched.unchanged, touched.pages) == (2, 0)

    (books / "deep").mkdir()
    (books / "a.pdf").rename(books / "deep" / "neu.pdf")
    moved = library.add(books)
    assert (moved.moved, moved.unchanged, moved.pages) == (1, 1, 0)
    assert [book.path.name for book in library.books()] == ["b.cbz", "neu.pdf"]

    shutil.copy(books / "b.cbz", books / "c.cbz")
    copied = library.add(books)
    assert copied.copies == ((books / "c.cbz", books / "b.cbz"),)
    assert (copied.unchanged, copied.pages) == (2, 0)
    assert library.add(books).unchanged == 3

    make_pdf(books / "deep" / "neu.pdf", 2, seed=9)
    changed = library.add(books)
    assert (changed.changed, changed.pages) == (1, 2)
    info = library.info()
    assert (info.books, info.copies, info.pages, info.blank, info.unfinished) == (2, 1, 4, 0, 0)
    assert library.check().problems == ()
    assert set(contents(tmp_path / "library")) - set(before) != set()

    assert library.remove("neu").path == books / "deep" / "neu.pdf"
    with pytest.raises(BookNotFound):
        library.remove("neu")
    assert (books / "deep" / "neu.pdf").exists()


def test_bad_files_are_named_and_the_rest_goes_on(books: Path, library: Library) -> None:
    (books / "0 empty.pdf").write_bytes(b"")
    (books / "1 locked.pdf").write_bytes(pdf_bytes(2, encrypted=True))
    (books / "2 html.pdf").write_text("<html>")
    (books / "3 cut.cbz").write_bytes((books / "b.cbz").read_bytes()[:400])
    (books / "4 jpeg.pdf").write_bytes(image_bytes(1))
    report = library.add(books, books / "nowhere.pdf")
    assert sorted((path.name, reason) for path, reason in report.failed) == [
        ("0 empty.pdf", "is empty"),
        ("1 locked.pdf", "is encrypted"),
        ("2 html.pdf", "is not really a PDF"),
        ("3 cut.cbz", "is a damaged archive"),
        ("nowhere.pdf", "does not exist"),
    ]
    assert report.added == 3


@pytest.mark.skipif(os.name != "posix", reason="elsewhere locks outlive another closing of their file")
def test_a_library_among_the_books_keeps_its_locks_while_it_is_added_to(books: Path) -> None:
    """Another process still sees that the adder lives, and that the library is open, links or no links."""
    folder = books / "my library"
    with Library.open(folder, model=TINY_MODEL, create=True) as library:
        file = folder / "library.sqlite"
        (books / "link.txt").symlink_to(file)
        (books / "twin.txt").hardlink_to(folder / "library.sqlite-shm")
        make_pdf(books / "library.sqlite-old", 1)  # by its name, of another library
        make_pdf(books / "really.dat", 1)
        (books / "again.dat").symlink_to(books / "really.dat")
        before = held_locks(folder)
        program = (
            "import sys; from pathlib import Path; from whichpage.database import _locked\n"
            f"print([_locked(path) for path in Path({str(folder)!r}).glob('adding-*.lock')])"
        )
        told: list[str] = []
        kept: list[set[str]] = []

        def look(_: AddProgress) -> None:
            if not told:
                told.append(subprocess.check_output([sys.executable, "-c", program], text=True))
                kept.append(held_locks(folder))

        report = library.add(books, progress=look)
    assert told == ["[True]\n"]
    assert before <= kept[0]
    if Path("/proc/locks").exists():
        assert {"library.sqlite", "library.sqlite-shm"} <= before
        assert len(kept[0]) == len(before) + 1  # the adder's own
    assert (report.added, len(report.copies), report.failed) == (3, 1, ())


def held_locks(folder: Path) -> set[str]:
    """The files of a folder that this process has locked, where the system tells."""
    if not (locks := Path("/proc/locks")).exists():
        return set()
    held = {
        line.split()[5].rpartition(":")[2]
        for line in locks.read_text().splitlines()
        if line.split()[4] == str(os.getpid())
    }
    return {file.name for file in folder.iterdir() if str(file.stat().st_ino) in held}


def test_pages_keep_their_small_footprint(library: Library, tmp_path: Path) -> None:
    library.add(make_pdf(tmp_path / "a.pdf", 200))
    assert library.info().bytes / 200 < 20_000


def test_renewing_makes_the_same_library_anew(books: Path, library: Library, tmp_path: Path) -> None:
    library.add(books)
    before = contents(tmp_path / "library")
    other = tmp_path / "other.onnx"
    # A field that ONNX does not know changes the file, and so the model's id, but not what it does.
    other.write_bytes(TINY_MODEL.read_bytes() + b"\xca\x3e\x00")
    with Library.open(tmp_path / "library", model=other) as renewed:
        with pytest.raises(
            LibraryOutdated, match=r"was made with model .* renew it with `whichpage add --renew`"
        ):
            renewed.add(books)
        assert len(renewed.books()) == 2  # looking needs no model
        report = renewed.add(renew=True)
        assert (report.added, report.pages) == (2, 7)
        assert renewed.check().problems == ()
    assert contents(tmp_path / "library") == before
    with pytest.raises(LibraryOutdated):
        library.add(books)


def test_a_model_that_cannot_be_loaded_renews_nothing(books: Path, library: Library, tmp_path: Path) -> None:
    library.add(books)
    before = contents(tmp_path / "library")
    rubbish = tmp_path / "rubbish.onnx"
    rubbish.write_bytes(b"no model")
    broken = Library.open(tmp_path / "library", model=rubbish)
    with broken, pytest.raises(ModelError, match="is not a model that ONNX Runtime can load"):
        broken.add(renew=True)
    assert contents(tmp_path / "library") == before
    scan = sources.render_colour(books / "a.pdf", 2, long_side=1200)
    assert library.find(scan).matches[0].page == 2
    assert library.add(books).unchanged == 2


def test_a_model_that_cannot_be_loaded_leaves_an_empty_library_free(books: Path, tmp_path: Path) -> None:
    rubbish = tmp_path / "rubbish.onnx"
    rubbish.write_bytes(b"no model")
    broken = Library.open(tmp_path / "library", model=rubbish, create=True)
    with broken, pytest.raises(ModelError):
        broken.add(books)
    with Library.open(tmp_path / "library", model=TINY_MODEL) as library:
        assert library.add(books).added == 2


def test_an_interrupted_renewal_goes_on(books: Path, library: Library, tmp_path: Path) -> None:
    library.add(books)
    before = contents(tmp_path / "library")
    other = tmp_path / "other.onnx"
    other.write_bytes(TINY_MODEL.read_bytes() + b"\xca\x3e\x00")

    def stop(progress: AddProgress) -> None:
        if progress.pages_done:
            raise KeyboardInterrupt

    with Library.open(tmp_path / "library", model=other) as renewed:
        with pytest.raises(KeyboardInterrupt):
            renewed.add(renew=True, workers=1, progress=stop)
        done = 7 - renewed.info().outdated
        assert 0 < done < 7
        assert len(renewed.books()) == 2
        assert renewed.add(renew=True).pages == 7 - done
        assert renewed.check().problems == ()
    assert contents(tmp_path / "library") == before


def test_renewing_forgets_no_book_whose_file_is_away(books: Path, library: Library, tmp_path: Path) -> None:
    library.add(books)
    catalog = library.catalog
    catalog.write_text(1, [(number, f"page{number}text", b"\0" * 8) for number in catalog.textless(1)])
    scan = sources.render_colour(books / "a.pdf", 2, long_side=1200)
    (books / "a.pdf").rename(tmp_path / "away.pdf")
    report = library.add(renew=True)
    assert (report.added, report.failed) == (1, ((books / "a.pdf", "does not exist"),))
    assert [(book.path.name, book.state) for book in library.books()] == [
        ("a.pdf", "complete"),
        ("b.cbz", "complete"),
    ]
    assert library.find(scan).matches[0].page == 2  # by the codes that it had
    (tmp_path / "away.pdf").rename(books / "a.pdf")
    report = library.add(books)  # and without `renew`
    assert (report.added, report.unchanged, report.pages) == (1, 1, 5)
    assert library.find(scan).matches[0].page == 2
    assert catalog.pages_with("page2text", most=9) == [catalog.page_id(1, 2)]
    assert library.check().problems == ()


def test_renewing_adds_no_book_that_is_not_there(library: Library, tmp_path: Path) -> None:
    """Not even below a folder whose images are one: books that were removed, or never added."""
    folder = tmp_path / "scans"
    removed = make_pdf(folder / "removed.pdf", 1)
    make_archive(folder / "below" / "c.cbz", ["1.jpg"])
    (folder / "1.png").write_bytes(image_bytes(7, "PNG"))
    library.add(folder)
    library.remove("removed")
    library.remove("c")
    make_pdf(folder / "never.pdf", 1, seed=3)
    report = library.add(renew=True)
    assert (report.added, report.pages, report.failed) == (1, 1, ())
    assert [book.path for book in library.books()] == [folder]
    report = library.add(removed, renew=True)
    assert (report.added, [book.path for book in library.books()]) == (2, [folder, removed])


def test_pages_of_folders_and_archives_have_the_names_of_their_images(
    library: Library, tmp_path: Path
) -> None:
    folder, frames = tmp_path / "scans", tmp_path / "frames.tif"
    folder.mkdir()
    for number in (2, 10):
        (folder / f"page{number}.png").write_bytes(image_bytes(number, "PNG"))
    archive = make_archive(tmp_path / "b.cbz", ["deep/1.jpg", "deep/2.jpg"])
    make_pdf(tmp_path / "c.pdf", 2)
    frames.write_bytes(image_bytes(3, "TIFF"))
    books = {folder: "page10.png", archive: "deep/2.jpg", tmp_path / "c.pdf": None, frames: None}
    library.add(*books)
    quad = np.zeros((4, 2), np.float32)
    found = tuple(Match(path, 2 if path != frames else 1, True, 1.0, quad) for path in books)
    named = library.with_image_names(Answer("x", "found", 0, found))
    assert [match.image_name for match in named.matches] == list(books.values())
    # Of a folder that has changed since it was indexed the page may be another image.
    (folder / "page1.png").write_bytes(image_bytes(4, "PNG"))
    assert library.with_image_names(Answer("x", "found", 0, found[:1])).matches == found[:1]


def test_what_was_read_on_scans_stays_when_one_joins_them(library: Library, tmp_path: Path) -> None:
    folder = tmp_path / "scans"
    folder.mkdir()
    for number in (2, 3):
        (folder / f"{number}.png").write_bytes(image_bytes(number, "PNG"))
    library.add(folder)
    book = library.catalog.book_at(folder).id
    library.catalog.write_text(book, [(1, "readontwo", bytes(8)), (2, "readonthree", bytes(8))])
    (folder / "1.png").write_bytes(image_bytes(1, "PNG"))
    report = library.add(folder)
    assert (report.changed, report.pages) == (1, 3)
    book = library.catalog.book_at(folder).id
    assert library.catalog.textless(book) == [1]
    for number, text in ((2, "readontwo"), (3, "readonthree")):
        assert library.catalog.pages_with(text, most=9) == [library.catalog.page_id(book, number)]
    assert library.check().problems == ()


def test_pages_have_the_local_features_of_their_thumbnails(books: Path, library: Library) -> None:
    library.add(books, workers=2)
    catalog = library.catalog
    assert catalog.features_model() == model_id(SHIPPED_FEATURES)
    ids = catalog.codes()[0].tolist()
    extractor = FeatureExtractor.load()
    expected = []
    for page in catalog.pages(ids):
        with sources.open_source(page.source) as source:
            grey = sources.thumbnail(source.render(page.number).grey)
        expected.append(pack(extractor.extract(grey), extractor.vocabulary))
    assert len(set(expected)) == len(ids) == 6
    assert catalog.features(ids) == expected
    assert list(catalog.all_features()) == list(zip(ids, expected, strict=True))


def stored_features(library: Library) -> list[bytes]:
    catalog = library.catalog
    return catalog.features(catalog.codes()[0].tolist())


def test_local_features_of_another_model_are_made_anew_from_thumbnails(
    books: Path, library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With no need of the books' files; what was read on them stays; and a killed run is gone on with."""
    monkeypatch.setattr("whichpage.describing._PORTION", 2)
    library.add(books)
    catalog = library.catalog
    before = stored_features(library)
    catalog.write_text(1, [(number, f"page{number}text", b"\0" * 8) for number in catalog.textless(1)])
    with catalog.database.transaction() as connection:
        connection.execute("UPDATE meta SET value = 'another' WHERE key = 'features'")
        texts = connection.execute("SELECT rowid, lines FROM text").fetchall()
    scan = sources.render_colour(books / "a.pdf", 2, long_side=1200)
    match = library.find(scan).matches[0]
    assert (match.source, match.page, match.verified) == (books / "a.pdf", 2, True)

    def killed(progress: AddProgress) -> None:
        if progress.stage == "describing":
            told.append((progress.pages_done, progress.pages_total))
        if len(told) == 2:
            raise KeyboardInterrupt

    told: list[tuple[int, int]] = []
    (books / "a.pdf").rename(tmp_path / "away.pdf")
    other = tmp_path / "other.png"
    Image.fromarray(text_page(7)).save(other)
    with pytest.raises(KeyboardInterrupt):
        library.add(other, progress=killed)
    assert told == [(2, 6), (4, 6)]
    assert library.info().featureless == 2
    assert [book.path.name for book in library.books()] == ["a.pdf", "b.cbz", "other.png"]
    assert catalog.features_model() == model_id(SHIPPED_FEATURES)

    report = library.add(other)
    assert (report.described, report.unchanged, report.pages) == (2, 1, 0)
    assert library.info().featureless == 0
    after = stored_features(library)[:6]
    for old, new in zip(before, after, strict=True):
        # The thumbnails are JPEG, which moves a point now and then.
        shared = {tuple(point) for point in unpack(old).points} & {tuple(p) for p in unpack(new).points}
        assert len(shared) > 0.8 * len(unpack(old).points)
    with catalog.database.transaction() as connection:
        assert connection.execute("SELECT rowid, lines FROM text").fetchall()[: len(texts)] == texts
    assert library.check().damage == ()
    assert library.find(scan).matches[0].page == 2
    assert library.add(other).described == 0


def test_pages_of_an_older_format_gain_local_features_at_the_next_add(
    books: Path, library: Library, tmp_path: Path
) -> None:
    library.add(books)
    new = contents(tmp_path / "library")
    library.close()
    with sqlite3.connect(tmp_path / "library" / "library.sqlite") as connection:
        connection.execute("DROP TABLE feature")
        connection.execute("DROP TABLE stale")
        connection.execute("DELETE FROM meta WHERE key NOT IN ('format', 'generation', 'model')")
        connection.execute("UPDATE meta SET value = 2 WHERE key = 'format'")
    connection.close()
    with Library.open(tmp_path / "library", model=TINY_MODEL) as old:
        assert list(old.catalog.all_features()) == []
        assert old.info().featureless == 6
        scan = sources.render_colour(books / "a.pdf", 2, long_side=1200)
        assert old.find(scan).matches[0].page == 2
        report = old.add(books)
        assert (report.unchanged, report.described) == (2, 6)
        assert all(stored_features(old))
        assert old.find(scan).matches[0].page == 2
        assert old.add(renew=True).added == 2
    assert contents(tmp_path / "library") == new


def test_that_all_pages_have_local_features_is_noted_once_it_is_seen(books: Path, library: Library) -> None:
    library.add(books)
    before = stored_features(library)
    with library.catalog.database.transaction() as connection:
        connection.execute("DELETE FROM meta WHERE key = 'described'")
    assert not library.catalog.all_described()
    assert library.add(books).described == 0
    assert library.catalog.all_described()
    assert stored_features(library) == before


def test_page_whose_thumbnail_is_damaged_has_no_local_features_and_hinders_no_add(
    books: Path, library: Library
) -> None:
    library.add(books)
    before = stored_features(library)
    with library.catalog.database.transaction() as connection:
        connection.execute("DELETE FROM feature")
        connection.execute("DELETE FROM meta WHERE key = 'described'")
        connection.execute("UPDATE thumbnail SET image = x'00' WHERE page = 3")
    assert library.add(books).described == 6
    assert [len(packed) for packed in stored_features(library)] == [
        len(PACKED_NONE) if page == 3 else pytest.approx(len(packed), rel=0.1)
        for page, packed in zip(library.catalog.codes()[0].tolist(), before, strict=True)
    ]
    assert library.info().featureless == 0
    assert library.check().damage == ()


@pytest.mark.parametrize("complete", [True, False])
def test_index_of_local_features_is_kept_only_when_all_pages_have_theirs(
    complete: bool, books: Path, library: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its file is named for the library's state, which says nothing of a part of them."""
    monkeypatch.setattr("whichpage.featuresearch._WORTH_KEEPING", 1)
    library.add(books)
    if not complete:
        with library.catalog.database.transaction() as connection:
            connection.execute("DELETE FROM feature WHERE page = 2")
            connection.execute("DELETE FROM meta WHERE key = 'described'")
    features = library.finder().features
    assert features is not None
    assert features.complete is complete
    assert len(features.index) > 0
    assert bool(list((tmp_path / "library").glob("features.*.faiss"))) is complete


def test_index_of_local_features_is_not_taken_for_that_of_a_restored_backup(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which had other books added, as many times: page ids and the count of changes are the same."""
    monkeypatch.setattr("whichpage.featuresearch._WORTH_KEEPING", 1)
    file = tmp_path / "library" / "library.sqlite"
    with Library.open(file.parent, model=TINY_MODEL, create=True) as library:
        library.add(make_pdf(tmp_path / "a.pdf", 1))
    backup = file.read_bytes()
    generations = []
    for pages in (1, 3):
        file.write_bytes(backup)
        with Library.open(file.parent, model=TINY_MODEL) as library:
            library.add(make_pdf(tmp_path / "b.pdf", pages, seed=pages))
            generations.append(library.catalog.generation())
            search = library.finder().features
            assert search is not None
            made = FeatureIndex.build(library.catalog.all_features(), search.extractor.vocabulary)
            assert len(search.index) == len(made) > 0
    assert generations[0] == generations[1]
    assert len(list(file.parent.glob("features.*.faiss"))) == 1


def test_close_up_is_found_by_its_local_features(tmp_path: Path) -> None:
    """A quarter of a page, no edge in sight: without them it is not found."""
    corners = np.array([[-262, -315], [975, -285], [1065, 1492], [-360, 1455]], np.float32)
    (tmp_path / "drawn").mkdir()
    for page in range(1, 9):
        Image.fromarray(text_page(page)).save(tmp_path / "drawn" / f"{page}.png")
    with Library.open(tmp_path / "library", create=True, text=False) as library:
        assert library.add(tmp_path / "drawn", workers=1).pages == 8
        answer = library.find(photo_of([(text_page(3), corners)], size=(900, 675), shade=0.3))
    assert [match.page for match in answer.matches if match.verified] == [3]
    assert corner_errors(answer.matches[0].quad, corners).max() < 0.05
    assert "features" in answer.timings
    assert "read" not in answer.timings


def test_library_of_a_one_view_model(books: Path, library: Library, tmp_path: Path) -> None:
    """Codes of another length: a library is renewed to them, and answers."""
    library.add(books)
    model = write_one_view(tmp_path / "one.onnx", height=160, width=112)
    with Library.open(tmp_path / "library", model=model) as renewed:
        assert renewed.add(renew=True).added == 2
        assert renewed.check().problems == ()
        assert {len(page[3]) for page in renewed_pages(tmp_path / "library")} == {32}
        scan = sources.render_colour(books / "a.pdf", 2, long_side=1200)
        (match, *_) = renewed.find(scan).matches
        assert (match.source, match.page, match.verified) == (books / "a.pdf", 2, True)


def renewed_pages(library: Path) -> list[tuple[object, object, object, bytes]]:
    """Number, blank, trouble and codes of the pages that have codes."""
    with sqlite3.connect(library / "library.sqlite") as connection:
        return connection.execute(
            "SELECT number, blank, trouble, codes FROM page WHERE codes IS NOT NULL"
        ).fetchall()


def test_model_that_is_missing(books: Path, tmp_path: Path) -> None:
    library = Library.open(tmp_path / "library", model=tmp_path / "no.onnx", create=True)
    with pytest.raises(ModelError):
        library.add(books)
    (tmp_path / "no.onnx").write_bytes(b"rubbish")
    with pytest.raises(ModelError):
        library.add(books)
    assert library.check().problems == ()


def test_library_is_where_it_is_said_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WHICHPAGE_LIBRARY", str(tmp_path / "here"))
    assert default_path() == tmp_path / "here"
    with pytest.raises(LibraryNotFound, match=str(tmp_path / "here")):
        Library.open()
    Library.open(create=True).close()
    assert Library.open(tmp_path / "here").books() == []
    monkeypatch.delenv("WHICHPAGE_LIBRARY")
    assert default_path().name == "whichpage"


def test_listing_loads_neither_models_nor_images(books: Path, library: Library, tmp_path: Path) -> None:
    library.add(books)
    program = (
        "import sys; from whichpage import Library\n"
        f"with Library.open({str(tmp_path / 'library')!r}) as library:\n"
        "    library.info(); print(len(library.books())); print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    count, modules = done.stdout.splitlines()
    assert count == "2"
    assert not {"cv2", "faiss", "onnxruntime", "PIL", "pypdfium2"} & set(modules.split())


@pytest.mark.skipif(os.name != "posix", reason="sends a signal")
def test_ctrl_c_stops_soon_and_keeps_what_is_done(library: Library, tmp_path: Path) -> None:
    make_pdf(tmp_path / "books" / "a.pdf", 1500)
    program = (
        # Whoever starts the tests in the background may have them ignore Ctrl-C.
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from pathlib import Path; from whichpage import Library\n"
        f"with Library.open({str(tmp_path / 'library')!r}, model=Path({str(TINY_MODEL)!r})) as library:\n"
        f"    library.add({str(tmp_path / 'books')!r}, progress=lambda p: print(p.pages_done, flush=True))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    while int(process.stdout.readline()) < 64:
        pass
    process.send_signal(signal.SIGINT)
    began = time.monotonic()
    _, errors = process.communicate(timeout=20)
    assert time.monotonic() - began < 5
    assert errors.strip().endswith("KeyboardInterrupt")
    (book,) = library.books()
    assert book.state == "unfinished"
    assert 64 <= book.done < 1500
    assert library.check().whole
    assert not list((tmp_path / "library").glob("*.lock"))


def test_searching_a_library_that_grows_takes_no_more_threads_or_connections(
    library: Library, tmp_path: Path
) -> None:
    for number in range(1, 5):
        (tmp_path / f"{number}.jpg").write_bytes(image_bytes(number))
    before = set(threading.enumerate())
    counts = []
    for number in range(1, 5):
        library.add(tmp_path / f"{number}.jpg", workers=1)
        assert library.find(tmp_path / "1.jpg").matches[0].source == tmp_path / "1.jpg"
        more = set(threading.enumerate()) - before
        searching = [thread for thread in more if thread.name.startswith("whichpage_")]
        counts.append((len(searching), len(library.catalog.database._open)))
    assert 1 <= counts[-1][0] <= usable_cores()
    assert counts[-1][1] <= 1 + usable_cores()
    library.close()
    assert not [thread for thread in searching if thread.is_alive()]


def test_an_answer_names_a_file_that_is_as_it_was(books: Path, library: Library, tmp_path: Path) -> None:
    copy = books / "copy.pdf"
    shutil.copy(books / "a.pdf", copy)
    library.add(books / "a.pdf")
    library.add(copy)
    answer = library.find(sources.render_colour(books / "a.pdf", 2, long_side=1200))
    assert answer.matches[0].source == books / "a.pdf"
    assert library.at_hand(answer).matches[0].source == books / "a.pdf"
    make_pdf(books / "a.pdf", 2, seed=7)
    assert library.at_hand(answer).matches[0].source == copy
    (books / "a.pdf").unlink()
    assert library.at_hand(answer).matches[0].source == copy
    copy.unlink()
    assert library.at_hand(answer).matches[0].source == books / "a.pdf"
    library.remove("a")
    assert library.at_hand(answer).matches[0].source == books / "a.pdf"


def test_a_search_that_loses_its_pages_is_done_again(
    library: Library, books: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library.add(books)
    asked: list[int] = []
    finder = library.finder()

    class Changing:
        """Stands for a finder whose pages are removed under its first `changes` searches."""

        def __init__(self, changes: int) -> None:
            self.changes = changes

        def find(self, photo: bytes, *, name: str, top: int) -> Answer:
            asked.append(top)
            if len(asked) <= self.changes:
                raise LibraryChanged
            return finder.find(photo, name=name, top=top)

    monkeypatch.setattr(library, "finder", lambda: Changing(2))
    answer = library.find(image_bytes(1), top=3)
    assert (asked, answer.width, answer.height) == ([3, 3, 3], 420, 600)
    asked.clear()
    monkeypatch.setattr(library, "finder", lambda: Changing(3))
    with pytest.raises(LibraryChanged):
        library.find(image_bytes(1))
    assert len(asked) == 3
