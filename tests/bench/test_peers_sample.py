"""Which pages the peers see: the true ones always, their neighbours, and others by the seed alone."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import pytest

from whichpage.benchmark.peers.protocol import LibraryPage
from whichpage.benchmark.peers.sample import RUN, fingerprint, pages_of, sample, shown_pages
from whichpage.catalog import Book
from whichpage.errors import WhichpageError


def book(
    name: str,
    pages: int,
    state: Literal["complete", "unfinished"] = "complete",
    copies: tuple[Path, ...] = (),
) -> Book:
    return Book(1, Path("/b") / name, "", pages, pages, 0, 0, state, 1, datetime.now(UTC), copies)


BOOKS = [book("a/one.pdf", 100), book("b/two.pdf", 30, copies=(Path("/b/c/three.pdf"),))]


def test_pages_of_complete_books() -> None:
    pages = pages_of([*BOOKS, book("half.pdf", 5, "unfinished")])
    assert len(pages) == 130
    assert pages[0] == LibraryPage(Path("/b/a/one.pdf"), 1)
    assert pages[-1] == LibraryPage(Path("/b/b/two.pdf"), 30)


def test_shown_pages_are_found_by_the_end_of_a_path_and_under_the_name_of_a_copy() -> None:
    assert shown_pages(BOOKS, [("one.pdf", 7), ("c/three.pdf", 30)]) == [
        LibraryPage(Path("/b/a/one.pdf"), 7),
        LibraryPage(Path("/b/b/two.pdf"), 30),
    ]


@pytest.mark.parametrize("shown", [("wo.pdf", 1), ("two.pdf", 31), ("two.pdf", 0)])
def test_a_page_that_the_library_lacks_is_an_error(shown: tuple[str, int]) -> None:
    with pytest.raises(WhichpageError, match="has no page"):
        shown_pages(BOOKS, [shown])


def test_a_sample_keeps_the_run_around_a_page_and_fills_up_with_other_runs() -> None:
    pages = pages_of(BOOKS)
    keep = LibraryPage(Path("/b/a/one.pdf"), 20)
    chosen = sample(pages, [keep], count=3 * RUN, seed=1)
    numbers = [page.number for page in chosen if page.source == keep.source]
    assert set(range(17, 25)) <= set(numbers)
    assert len(chosen) in range(3 * RUN, 4 * RUN)
    assert chosen == sorted(chosen, key=pages.index)
    assert chosen == sample(pages, [keep], count=3 * RUN, seed=1)
    assert chosen != sample(pages, [keep], count=3 * RUN, seed=2)


def test_pages_to_keep_are_never_cut_off() -> None:
    keep = [LibraryPage(Path("/b/a/one.pdf"), number) for number in (1, 9, 100)]
    chosen = sample(pages_of(BOOKS), keep, count=1, seed=0)
    assert [page.number for page in chosen] == [*range(1, 17), *range(97, 101)]


@pytest.mark.parametrize("count", [None, 130, 1000])
def test_all_pages(count: int | None) -> None:
    pages = pages_of(BOOKS)
    assert sample(pages, [], count=count, seed=0) == pages


def test_the_fingerprint_is_of_the_pages_and_of_the_files_sizes(tmp_path: Path) -> None:
    file = tmp_path / "a.pdf"
    file.write_bytes(b"1")
    one = fingerprint([LibraryPage(file, 1)])
    assert one == fingerprint([LibraryPage(file, 1)])
    assert one != fingerprint([LibraryPage(file, 2)])
    file.write_bytes(b"12")
    assert one != fingerprint([LibraryPage(file, 1)])
