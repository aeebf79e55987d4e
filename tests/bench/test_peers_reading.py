"""OCR of a photo, then full text: a real reader on the demo's photos and books."""

from __future__ import annotations

from pathlib import Path

import pytest
from shelf import first, indexed, put_pages, put_scan

from whichpage.benchmark.peers.protocol import LibraryPage
from whichpage.benchmark.peers.reading import OwnText, ReadingPeer
from whichpage.errors import PhotoError
from whichpage.sources import open_source

DEMO = Path(__file__).parent.parent.parent / "demo"
TESTMATH = DEMO / "library" / "testmath.pdf"
PHOTO, ABSENT = DEMO / "photos" / "01-flat.jpg", DEMO / "photos" / "09-absent.jpg"


def test_the_pdfs_own_text() -> None:
    with open_source(TESTMATH) as source:
        text = OwnText()(source, 3).decode()
    assert "Note that all basic properties of determinants are direct consequences of" in text
    assert len(text) > 500


def test_images_have_no_text_of_their_own(tmp_path: Path) -> None:
    put_pages(tmp_path / "book", 1)
    with open_source(tmp_path / "book") as source:
        assert OwnText()(source, 1) == b""


def test_the_page_is_found_by_its_text_and_an_absent_one_is_not_answered(tmp_path: Path) -> None:
    peer = ReadingPeer("own", least_votes=5)
    pages = [LibraryPage(TESTMATH, number) for number in range(1, 11)]
    cost = indexed(peer, pages, tmp_path / "cache")
    assert first(peer.answer(PHOTO)) == (3, True)
    assert not any(one.accepted for one in peer.answer(ABSENT))
    assert cost.bytes == (tmp_path / "cache" / "text.sqlite").stat().st_size
    with pytest.raises(PhotoError):
        peer.answer(tmp_path / "none.jpg")


def test_pages_without_text_are_read_and_only_once(tmp_path: Path) -> None:
    pages = [LibraryPage(TESTMATH, number) for number in (2, 3)]
    once = indexed(ReadingPeer("scanned", least_votes=5), pages, tmp_path / "cache")
    peer = ReadingPeer("scanned", least_votes=5)
    assert indexed(peer, pages, tmp_path / "cache") == once
    assert once.seconds_a_page > 0.1
    assert first(peer.answer(PHOTO)) == (3, True)


def test_two_pages_with_the_same_text_share_its_votes(tmp_path: Path) -> None:
    """Which of the two the photo shows, text cannot tell."""
    copy = tmp_path / "copy.pdf"
    copy.write_bytes(TESTMATH.read_bytes())
    peer = ReadingPeer("own", least_votes=1)
    indexed(peer, [LibraryPage(TESTMATH, 3), LibraryPage(copy, 3)], tmp_path / "cache")
    one, other = peer.answer(PHOTO)
    assert one.score == other.score > 1
    alone = ReadingPeer("own", least_votes=1)
    indexed(alone, [LibraryPage(TESTMATH, 3)], tmp_path / "alone")
    assert alone.answer(PHOTO)[0].score == pytest.approx(2 * one.score)


def test_a_photo_without_text_has_no_answer(tmp_path: Path) -> None:
    """Drawn pages have letters of no script."""
    peer = ReadingPeer("own", least_votes=1)
    indexed(peer, put_pages(tmp_path / "book", 2), tmp_path / "cache")
    assert peer.answer(put_scan(tmp_path / "scan.jpg", 1)) == []
