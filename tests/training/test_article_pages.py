"""The article's pages: its file names, its splits, and nothing done twice. Needs poppler's pdftoppm."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from books import make_pdf
from pdf2image import convert_from_path
from PIL import Image

from whichpage.errors import TrainingError
from whichpage.training.article import pages
from whichpage.training.article.pages import Book, convert, name, record, split


def test_names_are_the_articles() -> None:
    digits = hashlib.sha256("本.pdf".encode()).hexdigest()[:5]
    assert name(Path("/shelf/本.pdf"), 12) == f"{digits}_0012.jpg"


def test_pages_are_converted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    books, out = tmp_path / "books", tmp_path / "pages"
    make_pdf(books / "b.pdf", 3, seed=1)
    make_pdf(books / "a.pdf", 2, seed=2)
    (books / "broken.pdf").write_bytes(b"%PDF-1.4 rubbish")
    converted = convert([books], out)
    assert [book.path.name for book in converted] == ["a.pdf", "b.pdf"]
    assert [page.name for page in converted[1].pages] == [name(Path("b.pdf"), n) for n in (1, 2, 3)]
    with Image.open(converted[0].pages[0]) as page:
        # A5 in points, at 200 dots an inch.
        assert list(page.size) == pytest.approx([420 / 72 * 200, 595 / 72 * 200], abs=1)
        assert (page.format, page.mode) == ("JPEG", "RGB")

    # Killed in the middle: what was there stays as it is, what is missing comes back.
    converted[1].pages[1].unlink()
    marked = converted[1].pages[0]
    marked.write_bytes(b"as it was")
    asked: list[int] = []

    def counted(pdf: str, **options: int) -> Any:
        asked.append(options["first_page"])
        assert (options["dpi"], options["thread_count"]) == (200, 8)
        return convert_from_path(pdf, **options)

    monkeypatch.setattr(pages, "convert_from_path", counted)
    assert convert([books], out) == converted
    assert asked == [1]
    assert converted[1].pages[1].exists()
    assert marked.read_bytes() == b"as it was"
    asked.clear()
    convert([books], out)
    assert asked == []


def test_poppler_that_is_missing_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_pdf(tmp_path / "a.pdf", 1)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        TrainingError, match=r"needs poppler's pdftoppm \(Debian: apt-get install poppler-utils"
    ):
        convert([tmp_path], tmp_path / "pages")


def test_books_of_one_name_are_refused(tmp_path: Path) -> None:
    for folder in ("x", "y"):
        make_pdf(tmp_path / folder / "a.pdf", 1)
    with pytest.raises(TrainingError, match="would have pages of the same name"):
        convert([tmp_path], tmp_path / "pages")


def test_first_books_train_and_the_next_validate(tmp_path: Path) -> None:
    books = [Book(Path(f"{letter}.pdf"), (Path(letter),)) for letter in "abcdef"]
    train, val = split(books, learn=3, hold=2)
    assert [book.path.stem for book in train] == ["a", "b", "c"]
    assert [book.path.stem for book in val] == ["d", "e"]
    with pytest.raises(TrainingError, match="There are 6 PDFs, fewer than 5 to learn from and 2 to hold out"):
        split(books, learn=5, hold=2)
    record(tmp_path, train, val)
    assert json.loads((tmp_path / "books.json").read_text())["val"] == ["d.pdf", "e.pdf"]
    record(tmp_path, train, val)
    with pytest.raises(TrainingError, match="holds a training on other books"):
        record(tmp_path, train, books[5:])
