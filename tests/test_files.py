"""Walking, telling kinds, order, stamps and content hashes."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from books import image_bytes, make_archive, make_pdf, pdf_bytes

from whichpage.errors import SourceError
from whichpage.files import (
    Found,
    ends_with,
    gone,
    kind_of,
    natural_key,
    safe_stem,
    scan,
    sha256,
    short_names,
    stamp,
)

POSIX = pytest.mark.skipif(os.name != "posix", reason="needs pipes, links and bytes in names")


def paths(top: Path) -> list[str]:
    return [found.path.relative_to(top).as_posix() for found in scan([top]) if isinstance(found, Found)]


def test_names_are_ordered_as_people_count() -> None:
    names = [
        "p10.png",
        "p9.png",
        "P1.png",
        "第12章/1.png",
        "第3章/20.png",
        "第３章/3.png",
        "p٤.png",
        "p" + "9" * 9000,
    ]
    assert sorted(names, key=natural_key) == [
        "P1.png",
        "p٤.png",
        "p9.png",
        "p10.png",
        "p" + "9" * 9000,
        "第3章/20.png",
        "第３章/3.png",
        "第12章/1.png",
    ]


def test_walk_finds_books_of_every_kind_in_order(tmp_path: Path) -> None:
    make_pdf(tmp_path / "b10.pdf", 1)
    make_pdf(tmp_path / "b9.PDF", 1)
    make_archive(tmp_path / "c.cbz", ["1.jpg"])
    (tmp_path / "scans").mkdir()
    (tmp_path / "scans" / "1.tif").write_bytes(image_bytes(1, "TIFF"))
    (tmp_path / "really.dat").write_bytes(pdf_bytes(1))
    (tmp_path / "notes.txt").write_text("no book")
    assert paths(tmp_path) == ["b9.PDF", "b10.pdf", "c.cbz", "really.dat", "scans"]


def test_hidden_files_and_waste_are_passed_over(tmp_path: Path) -> None:
    for name in (".a.pdf", ".git/b.pdf", "__MACOSX/c.pdf", "@eaDir/d.pdf", "e.pdf"):
        make_pdf(tmp_path / name, 1)
    assert paths(tmp_path) == ["e.pdf"]
    named = list(scan([tmp_path / ".a.pdf"]))
    assert [found.path for found in named if isinstance(found, Found) and found.named] == [
        tmp_path / ".a.pdf"
    ]


def test_each_path_once_however_it_is_named(tmp_path: Path) -> None:
    book = make_pdf(tmp_path / "a" / "b.pdf", 1)
    assert len(list(scan([tmp_path, book, tmp_path / "a" / ".." / "a"]))) == 1


def test_a_book_that_is_named_is_so_wherever_else_it_was_found(tmp_path: Path) -> None:
    book, scans = make_pdf(tmp_path / "a" / "b.pdf", 1), tmp_path / "scans"
    other = make_pdf(tmp_path / "a" / "c.pdf", 1)
    scans.mkdir()
    (scans / "1.jpg").write_bytes(image_bytes(1))
    for asked in ([tmp_path, book, scans], [scans, book, tmp_path]):
        named = {found.path: found.named for found in scan(asked) if isinstance(found, Found)}
        assert named == {book: True, scans: True, other: False}


@POSIX
def test_links_in_a_circle_end(tmp_path: Path) -> None:
    make_pdf(tmp_path / "a" / "b.pdf", 1)
    (tmp_path / "a" / "up").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "a" / "self").symlink_to(tmp_path / "a" / "self")
    (tmp_path / "a" / "gone.pdf").symlink_to(tmp_path / "nowhere.pdf")
    found = list(scan([tmp_path]))
    assert [str(entry) for entry in found if isinstance(entry, SourceError)] == [
        f"{tmp_path / 'a' / 'gone.pdf'}: does not exist"
    ]
    assert paths(tmp_path) == ["a/b.pdf"]


@POSIX
def test_pipes_are_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.pdf")
    os.mkfifo(tmp_path / "pipe.txt")
    errors = [str(entry) for entry in scan([tmp_path])]
    assert errors == [f"{tmp_path / 'pipe.pdf'}: is neither a file nor a folder"]


@POSIX
def test_names_of_any_bytes(tmp_path: Path) -> None:
    names = ["日本語.pdf", "עברית.pdf", "a\nb.pdf", os.fsdecode(b"\xff\xfe.pdf")]
    for name in names:
        make_pdf(tmp_path / name, 1)
    assert sorted(paths(tmp_path)) == sorted(names)


def test_of_a_folder_that_is_known_as_a_book_only_its_own_images_are_one(tmp_path: Path) -> None:
    folder = tmp_path / "scans"
    make_pdf(folder / "a.pdf", 1)
    make_archive(folder / "below" / "b.cbz", ["1.jpg"])
    (folder / "1.jpg").write_bytes(image_bytes(1))
    book, gone = make_pdf(tmp_path / "c.pdf", 1), tmp_path / "gone.pdf"
    *found, error = scan([book], books=[folder, book, gone])
    assert found == [Found(book, stamp(book), named=True), Found(folder, stamp(folder), named=True)]
    assert str(error) == f"{gone}: does not exist"
    assert paths(folder) == [".", "a.pdf", "below/b.cbz"]


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("写真 1", "写真 1"),
        ("a:b?*%20", "a_b___20"),
        ("x\ny\x1b", "x_y_"),
        (os.fsdecode(b"\xff"), "_"),
        ("con", "con_"),
        (" . ", "photo"),
        ("あ" * 80, "あ" * 60),
    ],
)
def test_safe_stem(name: str, stem: str) -> None:
    assert safe_stem(name, otherwise="photo") == stem


def test_paths_are_told_apart_by_as_few_of_their_last_parts_as_can_be() -> None:
    paths = ["/a/b/01.pdf", "/c/b/01.pdf", "/c/d/01.pdf", "/c/02.pdf", "/01.pdf", "/c/d/01.pdf"]
    assert short_names(map(Path, paths)) == {
        Path("/a/b/01.pdf"): Path("a/b/01.pdf"),
        Path("/c/b/01.pdf"): Path("c/b/01.pdf"),
        Path("/c/d/01.pdf"): Path("d/01.pdf"),
        Path("/c/02.pdf"): Path("02.pdf"),
        Path("/01.pdf"): Path("/01.pdf"),
    }
    assert short_names([]) == {}


@pytest.mark.parametrize(
    ("ending", "is_end"),
    [("guide.pdf", True), ("sub/guide.pdf", True), ("uide.pdf", False), ("b/guide.pdf", False), ("", False)],
)
def test_a_path_ends_with_whole_parts(ending: str, is_end: bool) -> None:
    assert ends_with(Path("/books/sub/guide.pdf"), ending) is is_end


def test_a_folder_of_images_is_named_by_its_own_path(tmp_path: Path) -> None:
    for name in ("1.jpg", "below/1.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(image_bytes(1))
    named = {found.path: found.named for found in scan([tmp_path]) if isinstance(found, Found)}
    assert named == {tmp_path: True, tmp_path / "below": False}


def test_missing_path_is_said() -> None:
    (error,) = scan([Path("/nowhere/at/all")])
    assert str(error) == "/nowhere/at/all: does not exist"


@POSIX
def test_a_path_that_may_not_be_looked_at_is_an_error_and_the_others_are_found(tmp_path: Path) -> None:
    """Longer than any name may be, as one that the system answers with an error of its own."""
    long = tmp_path / ("x" * 300)
    book = make_pdf(tmp_path / "a.pdf", 1)
    error, found = scan([long, book])
    assert str(error) == f"{long}: cannot be read (file name too long)"
    assert isinstance(found, Found)
    assert found.path == book
    for ask in (kind_of, sha256, stamp):
        with pytest.raises(SourceError, match="file name too long"):
            ask(long)


def test_kind_is_told_by_content(tmp_path: Path) -> None:
    cases = {
        "a.png": (image_bytes(1), "image"),
        "b.jpg": (pdf_bytes(1), "pdf"),
        "c.pdf": (b"PK\3\4 and so on", "archive"),
        "d.pdf": (b"rubbish " * 10 + pdf_bytes(1), "pdf"),
        "e.pdf": (b"<html>", None),
        "f.webp": (image_bytes(1, "WEBP"), "image"),
        "g.heic": (b"\0\0\0\x18ftypheic\0\0\0\0", "image"),
        "h.pdf": (b"", None),
    }
    for name, (content, kind) in cases.items():
        (tmp_path / name).write_bytes(content)
        assert kind_of(tmp_path / name) == kind, name
    assert kind_of(tmp_path) == "folder"


def test_sha256_of_a_file_is_that_of_its_bytes(tmp_path: Path) -> None:
    book = make_pdf(tmp_path / "a.pdf", 3)
    assert sha256(book) == hashlib.sha256(book.read_bytes()).hexdigest()


def test_a_folder_is_known_by_its_images_in_order(tmp_path: Path) -> None:
    def folder(name: str, seeds: list[int]) -> Path:
        (tmp_path / name).mkdir()
        for number, seed in enumerate(seeds):
            (tmp_path / name / f"{number}.jpg").write_bytes(image_bytes(seed))
        return tmp_path / name

    first, same, turned = folder("a", [1, 2, 3]), folder("b", [1, 2, 3]), folder("c", [3, 2, 1])
    assert sha256(first) == sha256(same) != sha256(turned)
    before = stamp(first)
    assert before.size == sum(len(image_bytes(seed)) for seed in (1, 2, 3))
    (first / "notes.txt").write_text("not a page")
    assert stamp(first) == before
    (first / "2.jpg").rename(first / "10.jpg")
    assert stamp(first) != before


@POSIX
def test_only_what_is_not_there_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, circle = tmp_path / "a.pdf", tmp_path / "circle"
    file.write_bytes(b"")
    circle.symlink_to(circle)
    assert [gone(path) for path in (file, tmp_path, tmp_path / "no", file / "x")] == [
        False,
        False,
        True,
        True,
    ]
    assert not gone(circle)

    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(Path, "stat", refuse)
    assert not gone(file)
