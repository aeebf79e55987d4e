"""The cache of pages to train on: rendering, splitting by book, reading."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from books import make_pdf

from whichpage.training import pages
from whichpage.training.pages import (
    CACHE_SIZE,
    CacheWriter,
    PageCache,
    build,
    build_forms,
    build_vertical,
    split_of,
)


def test_split_is_by_name_and_for_good() -> None:
    """A book that changed sides would spoil every comparison with an earlier run."""
    assert [n for n in range(12) if split_of(f"book {n}.pdf") == "val"] == [0, 2, 3]
    shares = [split_of(f"shelf/{n}.pdf") == "val" for n in range(5000)]
    assert np.mean(shares) == pytest.approx(0.2, abs=0.02)


def test_books_of_the_splits_share_nothing(cache: PageCache) -> None:
    train, val = cache.books("train"), cache.books("val")
    assert [len(book) for book in train] == [12, 12, 12]
    assert [len(book) for book in val] == [6]
    rows = np.concatenate(train + val)
    assert sorted(rows.tolist()) == list(range(42))
    assert {cache.index[row][1] for row in np.concatenate(train)}.isdisjoint(
        {cache.index[row][1] for row in val[0]}
    )


def test_pages_of_a_book_are_in_order() -> None:
    index = (("train", "a", 3), ("train", "b", 9), ("train", "a", 1), ("val", "c", 1), ("train", "a", 2))
    cache = PageCache((np.zeros((5, *CACHE_SIZE), np.uint8),), index)
    assert [book.tolist() for book in cache.books("train")] == [[2, 4, 0], [1]]


def test_two_caches_are_one(tmp_path: Path) -> None:
    for folder, grey, count in (("a", 50, 2), ("b", 100, 3)):
        (tmp_path / folder).mkdir()
        # The file is made before it is known how many pages are blank: it may be longer than its index.
        np.save(tmp_path / folder / "cache.npy", np.full((count + 4, *CACHE_SIZE), grey, np.uint8))
        rows = [("train", folder, n + 1) for n in range(count)]
        (tmp_path / folder / "index.json").write_text(json.dumps(rows))
    cache = PageCache.open(tmp_path / "a", tmp_path / "b")
    assert len(cache.index) == 5
    read = cache.read(np.array([1, 2, 4, 0]))
    assert read.shape == (4, 1, *CACHE_SIZE)
    assert read[:, 0, 0, 0].tolist() == pytest.approx([50 / 255, 100 / 255, 100 / 255, 50 / 255])


def test_pages_kept_on_a_device_are_the_same(cache: PageCache, monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache.on(torch.device("cpu")) is cache
    rows = np.array([3, 0, len(cache.index) - 1])
    monkeypatch.setattr(pages, "_AT_ONCE", 3)
    kept = replace(cache, resident=cache._carried(torch.device("cpu")))
    torch.testing.assert_close(kept.read(rows), cache.read(rows))
    assert kept.on(torch.device("meta")) is kept  # not carried there twice


def test_build_renders_each_book_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At most so many pages a book, no blank ones, no copy, none left out, none damaged."""
    monkeypatch.setattr(pages, "PAGES_A_BOOK", 6)
    shelf = tmp_path / "books"
    make_pdf(shelf / "a.pdf", 9, seed=1)
    make_pdf(shelf / "deep" / "b.pdf", 4, seed=2, blank=[2])
    make_pdf(shelf / "left out.pdf", 3, seed=3)
    (shelf / "z copy.pdf").write_bytes((shelf / "a.pdf").read_bytes())
    (shelf / "left out again.pdf").write_bytes((shelf / "left out.pdf").read_bytes())
    (shelf / "damaged.pdf").write_bytes(b"%PDF-1.4 rubbish")
    count = build(shelf, tmp_path / "cache", leave_out=frozenset({"left out.pdf"}), workers=1)
    cache = PageCache.open(tmp_path / "cache")
    assert count == len(cache.index) == 6 + 3
    numbers = {name: [n for _, book, n in cache.index if book == name] for _, name, _ in cache.index}
    assert set(numbers) == {"a.pdf", "deep/b.pdf"}
    assert numbers["deep/b.pdf"] == [1, 3, 4]
    first = numbers["a.pdf"][0]
    assert numbers["a.pdf"] == list(range(first, first + 6))
    assert 1 <= first <= 4
    assert {split for split, book, _ in cache.index if book == "a.pdf"} == {split_of("a.pdf")}
    read = cache.read(np.arange(9))
    ink = (read < 0.5).float().mean((1, 2, 3))
    assert 0.02 < float(ink.min()) < float(ink.max()) < 0.3


def test_a_cache_that_is_made_anew_is_none_until_it_is_finished(tmp_path: Path) -> None:
    """Else a build that was killed would have left the pages of one and the index of the other."""
    page = np.tile(np.linspace(0, 255, 336, dtype=np.uint8), (480, 1))
    for finished in (True, False):
        cache = CacheWriter(tmp_path, most=3)
        for number, image in enumerate((page, page * 0, 255 - page), 1):  # the second one is blank
            cache.add("a.pdf", number, image)
        assert not CacheWriter.is_finished(tmp_path)
        if finished:
            assert cache.finish(split_of) == 2
            assert PageCache.open(tmp_path).index == tuple((split_of("a.pdf"), "a.pdf", n) for n in (1, 3))
    with pytest.raises(FileNotFoundError):
        PageCache.open(tmp_path)


def test_vertical_books_are_drawn_for_both_splits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import matplotlib

    monkeypatch.setattr(pages, "PAGES_A_SYNTHETIC_BOOK", 2)
    font = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    assert build_vertical([font], tmp_path, books=3) == 6
    cache = PageCache.open(tmp_path)
    assert cache.index == (
        ("val", "vertical-0", 1),
        ("val", "vertical-0", 2),
        ("train", "vertical-1", 1),
        ("train", "vertical-1", 2),
        ("train", "vertical-2", 1),
        ("train", "vertical-2", 2),
    )


def test_forms_are_drawn_for_both_splits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import matplotlib

    monkeypatch.setattr(pages, "SHEETS_A_FIRM", 3)
    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    fonts = [(folder / "DejaVuSans.ttf", folder / "DejaVuSans-Bold.ttf")]
    assert build_forms(fonts, tmp_path, firms=2) == 6
    cache = PageCache.open(tmp_path)
    assert cache.index == tuple(
        (split, name, number)
        for split, name in (("val", "form-0"), ("train", "form-1"))
        for number in (1, 2, 3)
    )
    ink = 1 - cache.read(np.arange(6)).mean((1, 2, 3))
    assert 0.005 < float(ink.min()) < float(ink.max()) < 0.2
