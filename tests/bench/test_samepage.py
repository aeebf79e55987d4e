"""Which pages are the same page: by name, by look, by a duplicate map."""

from __future__ import annotations

from pathlib import Path

import pytest
from books import make_pdf, pdf_bytes

from whichpage.benchmark.duplicates import duplicate_groups, write_duplicates
from whichpage.benchmark.samepage import SamePage, books_by_ending, read_duplicates
from whichpage.benchmark.truth import TruthError


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    """a.pdf and its copy under another name, b.pdf of other pages; page 2 of both is blank."""
    make_pdf(tmp_path / "sub" / "a.pdf", 3, seed=1, blank=(2,))
    (tmp_path / "copy.pdf").write_bytes(pdf_bytes(3, seed=1, blank=(2,), title="a copy"))
    make_pdf(tmp_path / "b.pdf", 3, seed=2, blank=(2,))
    return tmp_path


def test_by_name_no_file_is_opened() -> None:
    same = SamePage(lambda _: None)
    assert same("/gone/sub/a.pdf", 3, "sub/a.pdf", 3)
    assert not same("/gone/sub/a.pdf", 2, "sub/a.pdf", 3)


def test_a_copy_is_right_under_its_name(shelf: Path) -> None:
    same = SamePage(books_by_ending([], shelf))
    assert same(str(shelf / "copy.pdf"), 3, "sub/a.pdf", 3)
    assert not same(str(shelf / "copy.pdf"), 1, "sub/a.pdf", 3)
    assert not same(str(shelf / "b.pdf"), 3, "sub/a.pdf", 3)
    assert same(str(shelf / "b.pdf"), 2, "sub/a.pdf", 2)  # both are blank


def test_what_cannot_be_opened_is_another_page(shelf: Path) -> None:
    (shelf / "damaged.pdf").write_bytes(b"%PDF-1.4 no more")
    same = SamePage(books_by_ending([], shelf))
    assert not same(str(shelf / "damaged.pdf"), 1, "sub/a.pdf", 3)
    assert not same(str(shelf / "copy.pdf"), 99, "sub/a.pdf", 3)
    assert not same(str(shelf / "copy.pdf"), 3, "gone.pdf", 3)


def test_books_are_known_by_the_end_of_their_path() -> None:
    locate = books_by_ending([Path("/x/sub/a.pdf"), Path("/x/b.pdf")])
    assert locate("sub/a.pdf") == Path("/x/sub/a.pdf")
    assert locate("c.pdf") is None
    locate = books_by_ending([Path("/x/userguide.pdf"), Path("/x/guide.pdf")])
    assert locate("guide.pdf") == Path("/x/guide.pdf")
    same = SamePage(lambda _: None)
    assert not same("/x/userguide.pdf", 3, "guide.pdf", 3)


def test_the_duplicate_map_says_what_rendering_says(shelf: Path) -> None:
    pdfs = sorted(shelf.rglob("*.pdf"))
    groups = duplicate_groups(shelf, pdfs, workers=1)
    assert groups == [
        [("b.pdf", 2), ("copy.pdf", 2), ("sub/a.pdf", 2)],
        [("copy.pdf", 1), ("sub/a.pdf", 1)],
        [("copy.pdf", 3), ("sub/a.pdf", 3)],
    ]
    write_duplicates(shelf / "duplicates.csv", groups)
    written = read_duplicates(shelf / "duplicates.csv")
    assert len(written) == 7
    mapped, rendered = SamePage(lambda _: None, written), SamePage(books_by_ending([], shelf))
    for pdf in pdfs:
        for page in (1, 2, 3):
            for true in (1, 2, 3):
                asked = (str(pdf), page, "sub/a.pdf", true)
                assert mapped(*asked) == rendered(*asked), asked


def test_a_file_that_is_no_duplicate_map(tmp_path: Path) -> None:
    (tmp_path / "map.csv").write_text("pdf,page\na.pdf,1\n", encoding="utf-8")
    with pytest.raises(TruthError, match=r"is no duplicate map"):
        read_duplicates(tmp_path / "map.csv")
    with pytest.raises(TruthError, match=r"cannot be read: No such file"):
        read_duplicates(tmp_path / "gone.csv")
