"""whichpage among its peers: what `Library.find` does, over the pages that the others see."""

from __future__ import annotations

from pathlib import Path

import pytest
from shelf import indexed

from whichpage.benchmark.peers.own import OwnPeer
from whichpage.benchmark.peers.protocol import LibraryPage
from whichpage.library import Library

DEMO = Path(__file__).parent.parent.parent / "demo"
TESTMATH, PSEUDO = (DEMO / "library" / name for name in ("testmath.pdf", "pseudo.pdf"))
PHOTO = DEMO / "photos" / "01-flat.jpg"


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("library")
    with Library.open(folder, create=True) as opened:
        opened.add(TESTMATH, PSEUDO)
    return folder


def test_over_all_pages_it_answers_as_the_library_does(library: Path, tmp_path: Path) -> None:
    with Library.open(library) as opened:
        books = opened.books()
        wanted = opened.find(PHOTO).matches
    pages = [LibraryPage(book.path, number) for book in books for number in range(1, book.pages + 1)]
    peer = OwnPeer(library, model=None, seed=0)
    cost = indexed(peer, pages, tmp_path / "cache")
    found = peer.answer(PHOTO)
    assert [(one.page.source, one.page.number, one.accepted) for one in found] == [
        (match.source, match.page, match.verified) for match in wanted
    ]
    assert (found[0].page, found[0].accepted) == (LibraryPage(TESTMATH, 3), True)
    assert cost.pages == len(pages)
    assert 1_000 < cost.bytes_a_page < 40_000  # a small library has much that is not of its pages
    assert indexed(OwnPeer(library, model=None, seed=0), pages, tmp_path / "cache") == cost


def test_among_scans_no_text_is_read(library: Path, tmp_path: Path) -> None:
    pages = [LibraryPage(TESTMATH, number) for number in range(1, 8)]
    for text in (True, False):
        peer = OwnPeer(library, model=None, seed=0, text=text)
        indexed(peer, pages, tmp_path / "cache")
        assert peer._finder is not None
        assert (peer._finder.reader is not None) == text
        assert peer.name == ("whichpage" if text else "whichpage-scans")
        assert peer.answer(PHOTO)[0].accepted


def test_pages_that_the_others_do_not_see_it_does_not_see(library: Path, tmp_path: Path) -> None:
    pages = [LibraryPage(TESTMATH, number) for number in range(4, 12)]
    peer = OwnPeer(library, model=None, seed=0)
    indexed(peer, pages, tmp_path / "cache")
    found = peer.answer(PHOTO)
    assert found
    assert all(one.page in pages and not one.accepted for one in found)
