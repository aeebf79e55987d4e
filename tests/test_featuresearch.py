"""Finding by local features, with the shipped model: which page, where, and nothing where there is none."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from drawn import corner_errors, photo_of, text_page
from numpy.typing import NDArray

from whichpage import featuresearch, hypotheses
from whichpage.features import FeatureExtractor, pack
from whichpage.featuresearch import FeatureSearch, Proposal
from whichpage.photo import decode
from whichpage.sources import thumbnail
from whichpage.types import Colour, Grey, PageView
from whichpage.verify import PAGE_SIZE
from whichpage.warps import Placement

Corners = NDArray[np.float32]

PAGES = range(101, 108)
CORNERS = np.array([[95, 75], [365, 90], [400, 530], [55, 510]], np.float32)
# A third of the page, no edge in sight.
CLOSE = np.array([[-175, -210], [650, -190], [710, 995], [-240, 970]], np.float32)
PHOTO = (600, 450)


class Kept:
    """A catalogue in memory, by page id; counts how often it is read."""

    def __init__(self, pages: dict[int, bytes]) -> None:
        self.pages = pages
        self.read = 0
        self.asked: list[int] = []

    def features(self, page_ids: Sequence[int]) -> list[bytes]:
        self.asked += page_ids
        return [self.pages.get(page_id, b"") for page_id in page_ids]

    def all_features(self) -> Iterable[tuple[int, bytes]]:
        self.read += 1
        return list(self.pages.items())


@pytest.fixture(scope="module")
def extractor() -> FeatureExtractor:
    return FeatureExtractor.load()


@pytest.fixture(scope="module")
def packed(extractor: FeatureExtractor) -> dict[int, bytes]:
    return {page: pack(extractor.extract(thumbnail(text_page(page))), extractor.vocabulary) for page in PAGES}


@pytest.fixture
def kept(packed: dict[int, bytes]) -> Kept:
    return Kept(dict(packed))


@pytest.fixture
def search(extractor: FeatureExtractor, kept: Kept) -> FeatureSearch:
    return FeatureSearch(extractor, kept)


@pytest.fixture(scope="module")
def threads() -> Iterator[Executor]:
    with ThreadPoolExecutor(2) as executor:
        yield executor


@pytest.fixture
def ask(search: FeatureSearch, threads: Executor) -> Asks:
    return Asks(search, threads)


class Asks:
    """Asks for the pages of a photo."""

    def __init__(self, search: FeatureSearch, threads: Executor) -> None:
        self.search = search
        self.threads = threads

    def __call__(
        self, pixels: Colour | Grey, view: PageView, *, among: Iterable[int] = PAGES
    ) -> list[Proposal]:
        return self.search.propose(decode(pixels), view, among=set(among), threads=self.threads)


def in_sight(corners: Corners) -> PageView:
    return PageView(corners, 0.9)


def unseen(pixels: Colour | Grey) -> PageView:
    return hypotheses.unseen(decode(pixels))


def assert_first(found: list[Proposal], page: int, corners: Corners, *, off: float = 0.015) -> None:
    """The page has by far the most features, and no corner is further off than this share of a side."""
    assert found[0].page_id == page
    assert corner_errors(found[0].quad, corners).max() < off
    agree = [one.agree for one in found]
    assert agree == sorted(agree, reverse=True)
    assert all(2 * other < agree[0] for other in agree[1:])


@pytest.mark.parametrize("page", [101, 104])
def test_page_in_full_sight_comes_first(page: int, ask: Asks) -> None:
    found = ask(photo_of([(text_page(page), CORNERS)], size=PHOTO, shade=0.4), in_sight(CORNERS))
    assert_first(found, page, CORNERS)
    assert found[0].agree > 100
    assert len(found) <= 5


def test_page_upside_down_comes_first(ask: Asks) -> None:
    """Its corners begin where its print does."""
    pixels = np.ascontiguousarray(photo_of([(text_page(103), CORNERS)], size=PHOTO)[::-1, ::-1])
    turned = np.array([449, 599], np.float32) - CORNERS
    assert_first(ask(pixels, in_sight(turned)), 103, turned)


def test_page_that_the_frame_cuts_comes_first(ask: Asks) -> None:
    """Two thirds of it: its foot is beyond the frame, and nobody knows how far."""
    pixels = photo_of([(text_page(105), CORNERS)], size=PHOTO)[:380]
    foot = np.array([[388, 379], [67, 379]], np.float32)
    view = PageView(np.concatenate([CORNERS[:2], foot]), 0.9, (True, True, False, True))
    assert_first(ask(pixels, view), 105, CORNERS, off=0.03)


def test_close_up_without_an_edge_comes_first(ask: Asks) -> None:
    pixels = photo_of([(text_page(102), CLOSE)], size=PHOTO, shade=0.3)
    assert_first(ask(pixels, unseen(pixels)), 102, CLOSE, off=0.05)


def test_close_up_on_its_side_comes_first(ask: Asks) -> None:
    pixels = np.ascontiguousarray(np.rot90(photo_of([(text_page(102), CLOSE)], size=PHOTO)))
    x, y = CLOSE.T
    turned = np.stack([y, PHOTO[1] - 1 - x], -1)
    assert_first(ask(pixels, unseen(pixels)), 102, turned, off=0.05)


def test_pages_that_are_not_searched_are_not_proposed(ask: Asks, kept: Kept) -> None:
    pixels = photo_of([(text_page(104), CORNERS)], size=PHOTO)
    assert ask(pixels, in_sight(CORNERS), among=[104])[0].page_id == 104
    kept.asked.clear()
    found = ask(pixels, in_sight(CORNERS), among=[101, 102])
    assert {one.page_id for one in found} <= {101, 102}
    assert set(kept.asked) <= {101, 102}
    assert ask(pixels, in_sight(CORNERS), among=[]) == []


def test_page_of_no_book_has_few_features_that_agree(ask: Asks) -> None:
    """Far fewer than a page of the library has in a photo like it."""
    known = ask(photo_of([(text_page(101), CORNERS)], size=PHOTO), in_sight(CORNERS))
    strange = ask(photo_of([(text_page(77), CORNERS)], size=PHOTO), in_sight(CORNERS))
    assert 4 * max((one.agree for one in strange), default=0) < known[0].agree


def test_blank_paper_proposes_nothing(ask: Asks) -> None:
    blank = np.full((960, 672), 255, np.uint8)
    assert ask(photo_of([(blank, CORNERS)], size=PHOTO), in_sight(CORNERS)) == []
    assert ask(np.full(PHOTO, 128, np.uint8), unseen(np.full(PHOTO, 128, np.uint8))) == []


def test_what_the_photo_does_not_show_has_no_features(search: FeatureSearch) -> None:
    """Half of what is looked at is beyond the frame, where it is filled up."""
    photo = decode(photo_of([(text_page(101), CORNERS)], size=PHOTO)[:, :230])
    (look,) = hypotheses.looks(in_sight(CORNERS), photo, turns=(0,))
    found = search._describe(photo, look)
    assert found.size == (600, 230)
    assert len(found.points) == len(found.vectors) > 100
    assert 200 < float(found.points[:, 0].max()) < 229


def test_index_is_made_when_it_is_first_needed_and_once(ask: Asks, kept: Kept, threads: Executor) -> None:
    assert kept.read == 0
    begin = threading.Barrier(2)

    def first(_: int) -> int:
        begin.wait()
        return len(ask.search.index)

    assert list(threads.map(first, range(2))) == [sum(len(page) // 20 for page in kept.pages.values())] * 2
    assert kept.read == 1
    pixels = photo_of([(text_page(106), CORNERS)], size=PHOTO)
    for _ in range(2):
        assert ask(pixels, in_sight(CORNERS))[0].page_id == 106
    assert kept.read == 1


def test_pages_that_a_book_repeats_are_all_proposed(
    extractor: FeatureExtractor, packed: dict[int, bytes], threads: Executor
) -> None:
    """More than the first eight; where a page is clear ahead, no more than those are laid."""
    repeated = Kept({**packed, **dict.fromkeys(range(201, 218), packed[106])})
    pixels = photo_of([(text_page(106), CORNERS)], size=PHOTO)
    asks = Asks(FeatureSearch(extractor, repeated), threads)
    found = asks(pixels, in_sight(CORNERS), among=repeated.pages)
    assert 8 < len(found) <= 16
    assert {one.page_id for one in found} <= {106, *range(201, 218)}
    more = {
        page: pack(extractor.extract(thumbnail(text_page(page))), extractor.vocabulary)
        for page in range(1, 30)
    }
    alone = Kept({**packed, **more})
    found = Asks(FeatureSearch(extractor, alone), threads)(pixels, in_sight(CORNERS), among=alone.pages)
    assert found[0].page_id == 106
    assert len(alone.asked) == 8
    assert len(found) <= 5


def lower(page: int, *, by: int = 208) -> Grey:
    """The page so many pixels further down, under text of its own: another page that repeats it."""
    return np.vstack([text_page(page + 50)[75 : 75 + by], text_page(page)[:-by]])


def test_pages_that_repeat_what_a_photo_shows_of_one_are_found_where_they_have_it(
    extractor: FeatureExtractor, packed: dict[int, bytes], threads: Executor
) -> None:
    """By what the library keeps of them: a close-up of the upper half, which one of them has further down."""
    repeated = pack(extractor.extract(thumbnail(lower(104))), extractor.vocabulary)
    search = FeatureSearch(extractor, Kept({**packed, 201: repeated}))
    corners = np.array([[30, -60], [430, -60], [430, 1200], [30, 1200]], np.float32)
    photo = decode(photo_of([(text_page(104), corners)], size=PHOTO))

    def repeating(page: int, corners: Corners, among: Iterable[int]) -> list[Proposal]:
        placement = Placement.flat(corners, size=PAGE_SIZE)
        return search.repeating(page, placement, photo, among=set(among), threads=threads)

    (found,) = repeating(104, corners, [*PAGES, 201])
    assert found.page_id == 201
    height = text_page(104).shape[0]
    above = corners - np.array([0, 1260 * 208 / height], np.float32)
    assert corner_errors(found.quad, above).max() < 0.015
    assert repeating(104, corners, PAGES) == []
    assert repeating(105, corners, [*PAGES, 201]) == []
    assert (
        search.repeating(
            104, Placement.flat(corners, size=PAGE_SIZE), photo, among={201}, besides=[201], threads=threads
        )
        == []
    )
    # A page that was removed meanwhile has no features.
    assert repeating(999, corners, [*PAGES, 201]) == []
    # Of what the photo shows, the other page has nothing.
    foot = corners - np.array([0, 1100], np.float32)
    assert repeating(104, foot, [*PAGES, 201]) == []


def test_empty_library_proposes_nothing(extractor: FeatureExtractor, threads: Executor) -> None:
    blank = pack(extractor.extract(np.full((480, 336), 255, np.uint8)), extractor.vocabulary)
    pages: dict[int, bytes]
    for pages in ({}, {1: b"", 2: blank}):
        empty = Kept(pages)
        pixels = photo_of([(text_page(106), CORNERS)], size=PHOTO)
        assert Asks(FeatureSearch(extractor, empty), threads)(pixels, in_sight(CORNERS)) == []
        assert empty.asked == []


def test_page_that_was_removed_meanwhile_is_not_proposed(ask: Asks, kept: Kept) -> None:
    """The index still knows it; its features are gone."""
    pixels = photo_of([(text_page(106), CORNERS)], size=PHOTO)
    assert ask(pixels, in_sight(CORNERS))[0].page_id == 106
    del kept.pages[106]
    found = ask(pixels, in_sight(CORNERS))
    assert kept.asked.count(106) >= 2
    assert 106 not in {one.page_id for one in found}


def test_index_of_a_large_library_is_kept_in_a_file(
    extractor: FeatureExtractor, kept: Kept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Made once for each state of the library; that of the state before goes."""
    first, second = (tmp_path / f"features.0f-{state}.faiss" for state in (1, 2))
    monkeypatch.setattr(featuresearch, "_WORTH_KEEPING", 1)
    count = len(FeatureSearch(extractor, kept, kept=first).index)
    assert len(FeatureSearch(extractor, kept, kept=first).index) == count > 500
    assert kept.read == 1
    del kept.pages[101]
    assert len(FeatureSearch(extractor, kept, kept=second).index) < count
    assert kept.read == 2
    assert list(tmp_path.iterdir()) == [second]


def test_files_that_killed_processes_left_go_with_the_old_index(
    extractor: FeatureExtractor, kept: Kept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(featuresearch, "_WORTH_KEEPING", 1)
    left, written, other = (
        tmp_path / name for name in ("features.0f-1.faiss.7.part", "features.0f-1.faiss.8.part", "x.part")
    )
    for path, age in ((left, 4000), (written, 10), (other, 4000)):
        path.write_bytes(b"half")
        os.utime(path, (time.time() - age,) * 2)
    index = tmp_path / "features.0f-2.faiss"
    assert len(FeatureSearch(extractor, kept, kept=index).index) > 500
    assert sorted(tmp_path.iterdir()) == sorted([index, written, other])


def test_index_that_cannot_be_kept_is_used_all_the_same(
    extractor: FeatureExtractor, kept: Kept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a folder that cannot be written; and a small one is not worth a file."""
    assert len(FeatureSearch(extractor, kept, kept=tmp_path / "features.0f-1.faiss").index) > 500
    monkeypatch.setattr(featuresearch, "_WORTH_KEEPING", 1)
    assert len(FeatureSearch(extractor, kept, kept=tmp_path / "nowhere" / "features.0f-1.faiss").index) > 500
    assert list(tmp_path.iterdir()) == []
