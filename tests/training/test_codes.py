"""Codes alone: which pages are looked among, and the table."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from books import TINY_MODEL, make_pdf

from whichpage.encoder import Encoder
from whichpage.library import Library
from whichpage.training import codes
from whichpage.training.codes import TorchEncoder, distractors, encode_gallery
from whichpage.training.network import PageEncoder
from whichpage.training.pages import PageCache


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    """A library of 4 + 3 pages, and a cache that has the first three of the four, under another root."""
    make_pdf(tmp_path / "books" / "deep" / "a.pdf", 4, seed=1)
    make_pdf(tmp_path / "books" / "b.pdf", 3, seed=2)
    with Library.open(tmp_path / "library", model=TINY_MODEL, create=True) as library:
        library.add(tmp_path / "books")
    (tmp_path / "cache").mkdir()
    index = [("val", "deep/a.pdf", n) for n in (1, 2, 3)]
    np.save(
        tmp_path / "cache" / "cache.npy", np.random.RandomState(1).randint(0, 255, (3, 480, 336), np.uint8)
    )
    (tmp_path / "cache" / "index.json").write_text(json.dumps(index))
    return tmp_path


def test_pages_that_the_cache_has_are_no_distractors(shelf: Path) -> None:
    cache = PageCache.open(shelf / "cache")
    assert len(list(distractors(shelf / "library", cache, count=99, seed=0))) == 1 + 3
    assert len(list(distractors(shelf / "library", cache, count=2, seed=0))) == 2


def test_gallery_begins_with_the_held_out_pages(cache: PageCache) -> None:
    encoder = Encoder.load(TINY_MODEL)
    gallery, held_out = encode_gallery(encoder, cache, library=None, size=20, first=4, seed=3)
    assert len(gallery.bits) == 20
    assert len(set(held_out.tolist())) == 4
    assert {cache.index[row][0] for row in held_out} == {"val"}
    pages = [(cache.read(held_out)[k, 0].numpy() * 255).round().astype(np.uint8) for k in range(4)]
    np.testing.assert_allclose(gallery.vectors[:4], encoder.encode(pages).vectors, atol=0.1)


def test_checkpoint_encodes_as_its_network(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = PageEncoder().eval()
    torch.save({"model": model.state_dict(), "step": 1}, tmp_path / "checkpoint.pt")
    page = np.random.RandomState(0).randint(0, 255, (320, 224)).astype(np.uint8)
    with torch.no_grad():
        expected = model(torch.from_numpy(page)[None, None].float()).numpy()
    np.testing.assert_allclose(TorchEncoder(tmp_path / "checkpoint.pt").encode([page]).vectors, expected)


def test_command_prints_a_row_a_gallery(
    shelf: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pages, library = str(shelf / "cache"), str(shelf / "library")
    options = ["--model", str(TINY_MODEL), "--photos", "2", "--galleries", "6", "2"]
    monkeypatch.setattr("sys.argv", ["codes", "--pages", pages, "--library", library, *options])
    codes.main()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("| pages | Hamming top-1 / top-20 | asymmetric")
    assert [line.split(" | ")[0] for line in lines[2:]] == ["| 2", "| 6"]
    assert all(line.count("100.0% |") == 4 for line in lines[2:])  # all pages are among twenty
