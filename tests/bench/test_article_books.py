"""Which books the article's protocol takes."""

from __future__ import annotations

import hashlib
from pathlib import Path

from books import make_pdf

from whichpage.benchmark.article_books import split_books


def order(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def shelf(folder: Path) -> list[str]:
    """Ten long books in the order of the protocol, and what must be passed over."""
    names = sorted((f"book{number}.pdf" for number in range(10)), key=order)
    for seed, name in enumerate(names):
        make_pdf(folder / name, 100, seed=seed)
    make_pdf(folder / "short.pdf", 99, seed=90)
    (folder / "again.pdf").write_bytes((folder / names[0]).read_bytes())  # the same bytes
    make_pdf(folder / "zz" / names[1], 110, seed=91)  # the same name
    (folder / "damaged.pdf").write_bytes(b"%PDF-1.4")
    return names


def test_books_in_the_order_of_their_names_digests(tmp_path: Path) -> None:
    names = shelf(tmp_path)
    first = min((names[0], "again.pdf"), key=order)  # the copy may come first; then the book repeats it
    expected = sorted([*names[1:], first], key=order)
    split = split_books(tmp_path, train_pages=300, validate_pages=200)
    assert [book.path.name for book in split.train] == expected[:3]
    assert [book.path.name for book in split.validate] == expected[3:5]
    assert {book.pages for book in (*split.train, *split.validate)} == {100}
    assert all(book.path.parent == tmp_path for book in split.train)


def test_enough_is_95_percent_and_too_much_110(tmp_path: Path) -> None:
    shelf(tmp_path)
    assert len(split_books(tmp_path, train_pages=210, validate_pages=200).train) == 2  # 200 are 95.2 % of 210
    assert len(split_books(tmp_path, train_pages=212, validate_pages=200).train) == 2  # 300 would be too many
    assert len(split_books(tmp_path, train_pages=273, validate_pages=200).train) == 3  # 300 are 109.9 %
    assert split_books(tmp_path, train_pages=199, validate_pages=200).train == ()  # each is over half of it


def test_a_book_too_long_for_one_side_is_there_for_the_other(tmp_path: Path) -> None:
    names = shelf(tmp_path)
    make_pdf(tmp_path / names[0], 160, seed=99)
    split = split_books(tmp_path, train_pages=300, validate_pages=330)
    assert names[0] not in [book.path.name for book in split.train]
    assert split.validate[0].path.name == names[0]


def test_without_books_to_train_on_the_first_ones_validate(tmp_path: Path) -> None:
    shelf(tmp_path)
    both = split_books(tmp_path, train_pages=200, validate_pages=200)
    alone = split_books(tmp_path, train_pages=0, validate_pages=200)
    assert (alone.train, alone.validate) == ((), both.train)


def test_a_folder_without_long_books(tmp_path: Path) -> None:
    make_pdf(tmp_path / "short.pdf", 3)
    split = split_books(tmp_path)
    assert split.train == split.validate == ()
