"""Simulated photos on disk: what is written as their truth is where the page is."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from drawn import text_page
from PIL import Image

from whichpage import verify
from whichpage.photo import decode
from whichpage.training import photos
from whichpage.training.marks import mark_bank
from whichpage.training.photos import draw_corners, simulate, visible_share
from whichpage.training.simulator import SimulatorOptions


@pytest.mark.parametrize(
    ("shift", "share"), [((0, 0), 1.0), ((50, 0), 0.5), ((50, 25), 0.375), ((200, 0), 0.0)]
)
def test_visible_share_is_an_area(shift: tuple[int, int], share: float) -> None:
    corners = torch.tensor([[0.0, 0.0], [100, 0], [100, 100], [0, 100]]) + torch.tensor(shift)
    assert visible_share(corners, (100, 100)) == pytest.approx(share, abs=1e-3)


@pytest.mark.parametrize("visible", [(0.8, 1.0), (0.4, 0.6)])
def test_corners_show_as_much_of_the_page_as_asked(visible: tuple[float, float]) -> None:
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        corners = draw_corners(generator, (400, 300), width=0.7, visible=visible)
        assert visible[0] <= visible_share(corners, (400, 300)) <= visible[1]
        assert cv2.isContourConvex(corners.numpy())


def test_truth_is_where_the_page_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Verification, started at the truth, finds the page there: corners, their order, the pixels' raster."""
    path = tmp_path / "book.pdf"
    drawn = [Image.fromarray(text_page(seed)) for seed in (1, 2)]
    drawn[0].save(path, "PDF", save_all=True, append_images=drawn[1:], resolution=100)
    calm = SimulatorOptions(curl=0.5, trim=0, marks=0.3, fingers=0, defocus=1.0, noise=0.02)
    monkeypatch.setattr(photos, "FULL_SIZE", calm)
    marks = mark_bank(4)
    for seed in (2, 3):
        pixels, corners, stratum = simulate(path, 1, 2, seed=seed, marks=marks)
        assert pixels.shape == ((1600, 1200, 3) if seed % 3 else (1200, 1600, 3))
        assert pixels.dtype == np.uint8
        visible = visible_share(torch.from_numpy(corners), pixels.shape[:2])
        assert stratum == ("whole" if visible > 0.9 else "partial")
        scores = []
        for number in (1, 2):
            page = verify.Thumbnail(cv2.imencode(".jpg", text_page(number))[1].tobytes())
            on = verify.sheet(decode(pixels), corners.astype(np.float32), landscape=False)
            scores.append(verify.align(on, page, *verify.align_coarse(on, page)).correlation)
        assert scores[0] > 0.5
        assert scores[1] < 0.4
    again = simulate(path, 1, 2, seed=3, marks=marks)
    np.testing.assert_array_equal(again[0], pixels)
    np.testing.assert_array_equal(again[1], corners)
