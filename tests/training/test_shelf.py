"""The user's books as pages: every kind of book, split so that no book is on both sides."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from books import make_archive, make_pdf

from whichpage.errors import TrainingError
from whichpage.training import shelf
from whichpage.training.pages import split_of
from whichpage.training.shelf import open_or_build, split_books


def test_split_is_by_name_while_both_sides_have_books() -> None:
    names = [f"book {n}.pdf" for n in range(12)]
    assert split_books(names) == {name: split_of(name) for name in names}


def test_a_side_that_would_be_empty_gets_one_book() -> None:
    learned = [f"book {n}.pdf" for n in range(12) if split_of(f"book {n}.pdf") == "train"]
    held = [f"book {n}.pdf" for n in range(12) if split_of(f"book {n}.pdf") == "val"]
    assert sorted(split_books(learned).values()) == ["train"] * (len(learned) - 1) + ["val"]
    assert sorted(split_books(held).values()) == ["train"] + ["val"] * (len(held) - 1)
    assert split_books(learned) == split_books(learned[::-1])
    assert len(split_books(learned[:1])) == 1


@pytest.fixture
def books(tmp_path: Path) -> Path:
    """Two PDFs, one of them twice, a comic, and a file that is none."""
    folder = tmp_path / "books"
    make_pdf(folder / "a.pdf", 9, seed=1)
    make_pdf(folder / "deep" / "b.pdf", 4, seed=2, blank=[2])
    (folder / "copy.pdf").write_bytes((folder / "a.pdf").read_bytes())
    make_archive(folder / "c.cbz", ["1.jpg", "2.jpg"])
    (folder / "broken.pdf").write_bytes(b"%PDF-1.4 rubbish")
    return folder


def test_pages_of_all_books_once(books: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cache = open_or_build([books], tmp_path / "run" / "pages", pages_a_book=5, workers=1)
    pages: dict[str, list[int]] = {}
    for _, book, number in cache.index:
        pages.setdefault(book.split(" (")[0], []).append(number)
    (copied,) = {"a.pdf", "copy.pdf"} & set(pages)
    assert set(pages) == {copied, "b.pdf", "c.cbz"}
    assert pages["b.pdf"] == [1, 3, 4]
    assert pages["c.cbz"] == [1, 2]
    first = pages[copied][0]
    assert pages[copied] == list(range(first, first + 5))
    assert {split for split, _, _ in cache.index} == {"train", "val"}
    assert len({(split, book) for split, book, _ in cache.index}) == 3
    assert "broken.pdf" in caplog.text
    ink = (cache.read(np.arange(len(cache.index))) < 0.5).float().mean((1, 2, 3))
    assert float(ink.min()) > 0.02


def test_what_an_earlier_run_left_is_used(
    books: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = open_or_build([books], tmp_path / "pages", pages_a_book=5, workers=1)
    with monkeypatch.context() as patched:
        patched.setattr(shelf, "_build", lambda *_, **__: pytest.fail("it was built again"))
        again = open_or_build([books], tmp_path / "pages", pages_a_book=5, workers=1)
    assert again.index == first.index
    for other, count in (([books / "a.pdf", books / "c.cbz"], 5), ([books], 6)):
        with pytest.raises(TrainingError, match="holds a training on other books"):
            open_or_build(other, tmp_path / "pages", pages_a_book=count, workers=1)
    (tmp_path / "pages" / "index.json").unlink()  # as a kill leaves it
    assert open_or_build([books], tmp_path / "pages", pages_a_book=5, workers=1).index == first.index


def test_one_book_is_too_few(tmp_path: Path) -> None:
    make_pdf(tmp_path / "a.pdf", 3)
    with pytest.raises(TrainingError, match="two books at least"):
        open_or_build([tmp_path], tmp_path / "pages", pages_a_book=5, workers=1)
    make_pdf(tmp_path / "b.pdf", 2, blank=[1, 2])
    with pytest.raises(TrainingError, match="two books with pages that are not blank"):
        open_or_build([tmp_path], tmp_path / "pages", pages_a_book=5, workers=1)
