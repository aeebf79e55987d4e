"""Scans: what a home scanner does to a page, in numbers."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pypdfium2 as pdfium
import pytest
from books import make_pdf
from drawn import text_page

from whichpage.benchmark.scanned import Scanner, scan_book, scan_page, scanner

PLAIN = Scanner((0.02, 0.03, 0.04, 0.05), 0.0, (230.0, 225.0, 210.0), 40.0, 0.1, 0.0, 70)


def colour(seed: int) -> np.ndarray:
    return np.repeat(text_page(seed)[..., None], 3, axis=2)


def test_trim_paper_and_ink() -> None:
    page = colour(1)
    scan = scan_page(page, PLAIN, np.random.default_rng(0))
    height, width = page.shape[:2]
    assert scan.shape == (
        height - round(0.03 * height) - round(0.05 * height),
        width - round(0.02 * width) - round(0.04 * width),
        3,
    )
    # Paper is the scanner's grey, a little yellow, within the lamp's unevenness; ink is dark, not black.
    assert np.median(scan[..., 0]) == pytest.approx(230, abs=8)
    assert np.median(scan[..., 2]) == pytest.approx(210, abs=8)
    assert 25 < np.percentile(scan, 1) < 110


def test_pages_lie_askew() -> None:
    page = np.full((900, 600, 3), 255, np.uint8)
    page[450:454, 60:540] = 0
    askew = Scanner(PLAIN.trim, 2.0, PLAIN.paper, 40.0, 0.1, 0.0, 70)
    turns = []
    for seed in range(12):
        rows, columns = np.nonzero(scan_page(page, askew, np.random.default_rng(seed))[..., 0] < 130)
        turns.append(np.degrees(np.arctan(np.polyfit(columns, rows, 1)[0])))
    assert 1.0 < np.std(turns) < 2.0  # a deviation of 2 degrees, cut at 2
    assert np.abs(turns).max() < 2.1
    rows, columns = np.nonzero(scan_page(page, PLAIN, np.random.default_rng(0))[..., 0] < 130)
    assert np.polyfit(columns, rows, 1)[0] == pytest.approx(0, abs=3e-3)  # 0.2 degrees


def test_scanners_differ_by_book_and_are_the_same_every_time() -> None:
    assert scanner("a.pdf") == scanner("a.pdf")
    made = [scanner(f"{number}.pdf") for number in range(50)]
    assert len({one.paper for one in made}) == 50
    assert all(0.01 <= cut <= 0.05 for one in made for cut in one.trim)
    assert all(one.paper[0] >= one.paper[1] >= one.paper[2] * 0.99 for one in made)


def test_a_scanned_book_has_images_alone(tmp_path: Path) -> None:
    source = make_pdf(tmp_path / "a.pdf", 3, seed=4)
    target = tmp_path / "scanned" / "sub" / "a.pdf"
    assert scan_book(source, target, name="a.pdf") == 3
    assert [path.name for path in target.parent.iterdir()] == ["a.pdf"]
    clean, scan = pdfium.PdfDocument(source), pdfium.PdfDocument(target)
    assert len(scan) == 3
    trim = scanner("a.pdf").trim
    for number in range(3):
        page = scan[number]
        assert page.get_textpage().get_text_bounded() == ""
        kinds = [type(thing).__name__ for thing in page.get_objects()]
        assert kinds == ["PdfImage"]
        # 200 dpi: the scan is as large as what is left of the paper.
        assert page.get_width() == pytest.approx(420 * (1 - trim[0] - trim[2]), abs=1)
        assert page.get_height() == pytest.approx(595 * (1 - trim[1] - trim[3]), abs=1)
    # The same page, and no other, is on it: prints agree once the trim is undone.
    prints = [_print(scan[n], (0.0, 0.0, 0.0, 0.0)) for n in range(3)]
    originals = [_print(clean[n], trim) for n in range(3)]
    likeness = np.array([[np.corrcoef(a.ravel(), b.ravel())[0, 1] for b in originals] for a in prints])
    assert likeness.argmax(1).tolist() == [0, 1, 2]
    assert likeness.diagonal().min() > 0.5


def _print(page: pdfium.PdfPage, trim: tuple[float, float, float, float]) -> np.ndarray:
    """A page as 60 x 42 soft pixels, cut as a scanner cuts it."""
    grey = page.render(scale=1, grayscale=True).to_numpy().squeeze().astype(np.float32)
    h, w = grey.shape
    cut = grey[round(trim[1] * h) : h - round(trim[3] * h), round(trim[0] * w) : w - round(trim[2] * w)]
    return np.asarray(cv2.resize(cv2.GaussianBlur(cut, (0, 0), 6), (42, 60), interpolation=cv2.INTER_AREA))
