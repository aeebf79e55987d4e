"""Perceptual hashes: imagehash's own bits, the nearest page, the rule."""

from __future__ import annotations

from pathlib import Path

import imagehash
import numpy as np
import pytest
from drawn import text_page
from PIL import Image
from shelf import first, indexed, put_pages, put_photo, put_scan

from whichpage.benchmark.peers.hashes import HashPeer, Kind, hash_bits
from whichpage.pagefinder import PageFinder

KINDS: list[Kind] = ["phash", "dhash"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_bits_are_imagehashs(kind: Kind) -> None:
    page = text_page(1)
    wanted = getattr(imagehash, kind)(Image.fromarray(page), hash_size=16)
    assert hash_bits(kind, page).tobytes().hex() == str(wanted)


@pytest.mark.parametrize("kind", KINDS)
def test_a_scan_is_found_whichever_way_up_and_another_page_is_not_answered(
    kind: Kind, tmp_path: Path
) -> None:
    peer = HashPeer(kind, page_finder=None, most_bits=60)
    pages = put_pages(tmp_path / "book")
    cost = indexed(peer, pages, tmp_path / "cache")
    scan = put_scan(tmp_path / "scan.jpg", 3)
    assert first(peer.answer(scan)) == (3, True)
    with Image.open(scan) as image:
        image.rotate(180, expand=True).save(tmp_path / "turned.jpg")
    assert first(peer.answer(tmp_path / "turned.jpg")) == (3, True)
    absent = peer.answer(put_scan(tmp_path / "absent.jpg", 99))
    assert len(absent) == 5
    assert not any(one.accepted for one in absent)
    assert cost.pages == 6
    assert cost.bytes == (tmp_path / "cache" / "hashes.sqlite").stat().st_size


def test_the_score_is_the_number_of_equal_bits(tmp_path: Path) -> None:
    peer = HashPeer("dhash", page_finder=None, most_bits=0)
    indexed(peer, put_pages(tmp_path / "book", 2), tmp_path / "cache")
    Image.fromarray(text_page(2)).save(tmp_path / "same.png")
    (same, other) = peer.answer(tmp_path / "same.png")
    assert (same.page.number, same.score, same.accepted) == (2, 256.0, True)
    turned = [np.ascontiguousarray(np.rot90(text_page(2), turn)) for turn in range(4)]
    page = np.unpackbits(hash_bits("dhash", text_page(1)))
    assert other.score == max(
        256 - np.count_nonzero(np.unpackbits(hash_bits("dhash", image)) != page) for image in turned
    )


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_finder_cuts_the_page_out_of_a_photo(kind: Kind, tmp_path: Path) -> None:
    """On a desk the whole photo's hash is that of the desk; the page's is found, sideways too."""
    whole = HashPeer(kind, page_finder=None, most_bits=60)
    cut = HashPeer(kind, page_finder=PageFinder.load(), most_bits=80)
    pages = put_pages(tmp_path / "book")
    indexed(whole, pages, tmp_path / "cache")
    indexed(cut, pages, tmp_path / "cache")
    photo = put_photo(tmp_path / "photo.jpg", 4, turns=1)
    assert not any(one.accepted for one in whole.answer(photo))
    assert cut.answer(photo)[0].page.number == 4
    assert cut.name == f"{kind}-finder"
