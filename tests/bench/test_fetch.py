"""Fetching: packages are unpacked to their PDFs, and nothing that is done is done again. No network."""

from __future__ import annotations

import csv
import io
import tarfile
from pathlib import Path

import pytest
from books import make_pdf, pdf_bytes

from whichpage.benchmark import fetch
from whichpage.benchmark.fetch import FetchError, chosen, download, map_duplicates, run, unpack


def deb(path: Path, files: dict[str, bytes], links: dict[str, str]) -> Path:
    """A Debian package: an ar archive of a version and two tar archives."""

    def tar(entries: dict[str, bytes], targets: dict[str, str]) -> bytes:
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w:gz") as archive:
            for name, data in entries.items():
                info = tarfile.TarInfo(f"./{name}")
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
            for name, target in targets.items():
                info = tarfile.TarInfo(f"./{name}")
                info.type, info.linkname = tarfile.SYMTYPE, target
                archive.addfile(info)
        return out.getvalue()

    control = (
        b"Package: x\nVersion: 1\nArchitecture: all\nMaintainer: t <t@example.invalid>\nDescription: x\n"
    )
    members = {
        "debian-binary": b"2.0\n",
        "control.tar.gz": tar({"control": control}, {}),
        "data.tar.gz": tar(files, links),
    }
    body = b"!<arch>\n"
    for name, data in members.items():
        body += f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data):<10}`\n".encode()
        body += data + b"\n" * (len(data) % 2)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(body)
    return path


PDF = pdf_bytes(12, seed=3)
FILES = {
    "usr/doc/a.pdf": PDF,
    "usr/doc/sub/b.pdf": pdf_bytes(2, seed=4),
    "usr/doc/c.txt": b"text",
    "etc/x": b"x",
}


def test_a_package_leaves_its_pdfs(tmp_path: Path) -> None:
    package = deb(tmp_path / "x_1.deb", FILES, {"usr/doc/link.pdf": "a.pdf"})
    (tmp_path / "pdf" / "x.part").mkdir(parents=True)  # of a run that was ended
    (tmp_path / "pdf" / "x.part" / "half.pdf").touch()
    unpack(package, tmp_path / "pdf" / "x")
    left = sorted(path.relative_to(tmp_path / "pdf").as_posix() for path in (tmp_path / "pdf").rglob("*"))
    assert left == ["x", "x/usr", "x/usr/doc", "x/usr/doc/a.pdf", "x/usr/doc/sub", "x/usr/doc/sub/b.pdf"]
    assert (tmp_path / "pdf/x/usr/doc/a.pdf").read_bytes() == PDF


def test_what_is_no_package(tmp_path: Path) -> None:
    (tmp_path / "x_1.deb").write_bytes(b"no archive")
    with pytest.raises(FetchError, match=r"`dpkg-deb -x .*x_1\.deb` failed: dpkg-deb: error: .*"):
        unpack(tmp_path / "x_1.deb", tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_a_package_that_is_there_is_not_fetched_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    package = deb(tmp_path / "x_1.deb", {}, {})
    assert download("x", tmp_path) == package
    with pytest.raises(FetchError, match=r"there is no apt-get here"):
        download("y", tmp_path)


def test_the_whole_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "PACKAGES", ("x",))
    deb(tmp_path / "deb" / "x_1.deb", FILES, {})
    make_pdf(tmp_path / "pdf" / "own" / "copy.pdf", 12, seed=3)  # one's own book, the same pages
    found = run(tmp_path, truths=(), update=False)
    assert (found.books, found.scans) == (3, 2)  # of 10 pages and more
    assert sorted(
        path.relative_to(tmp_path).as_posix() for path in (tmp_path / "scanned").rglob("*.pdf")
    ) == [
        "scanned/own/copy.pdf",
        "scanned/x/usr/doc/a.pdf",
    ]
    with found.duplicates.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 24
    assert rows[:2] == [
        {"group": "1", "pdf": "own/copy.pdf", "page": "1"},
        {"group": "1", "pdf": "x/usr/doc/a.pdf", "page": "1"},
    ]
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    assert run(tmp_path, truths=(), update=False) == found
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_new_book_makes_a_new_map(tmp_path: Path) -> None:
    books = [make_pdf(tmp_path / "pdf" / "a.pdf", 1, seed=1)]
    path = map_duplicates(tmp_path, books)
    assert path.read_text(encoding="utf-8") == "group,pdf,page\n"
    books.append(make_pdf(tmp_path / "pdf" / "b.pdf", 1, seed=1))
    map_duplicates(tmp_path, books)
    assert path.read_text(encoding="utf-8") == "group,pdf,page\n1,a.pdf,1\n1,b.pdf,1\n"


def test_the_books_of_a_truth_file_are_scanned(tmp_path: Path) -> None:
    books = [make_pdf(tmp_path / "pdf" / name, 1) for name in ("sub/a.pdf", "nota.pdf", "b.pdf")]
    (tmp_path / "1.jpg").touch()
    truth = tmp_path / "truth.csv"
    truth.write_text("photo,pdf,page,stratum\n1.jpg,a.pdf,1,flat\n", encoding="ascii")
    assert chosen(tmp_path / "pdf", books, [truth]) == [tmp_path / "pdf/sub/a.pdf"]
