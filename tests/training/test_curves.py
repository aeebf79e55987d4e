"""Curves are drawn from what the log holds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from whichpage.training import curves, runs


def test_log_is_read_as_points(tmp_path: Path) -> None:
    for row in (
        {"step": 25, "loss": 3.0},
        {"step": 50, "loss": 2.0, "top1": 0.25},
        {"step": 75, "loss": 9.0},
        {"step": 75, "loss": 1.5},  # a killed run did it again
    ):
        runs.log(tmp_path / "log.csv", ("step", "loss", "top1", "top20"), row)
    assert curves.read_log(tmp_path / "log.csv") == {
        "loss": [(25.0, 3.0), (50.0, 2.0), (75.0, 1.5)],
        "top1": [(50.0, 0.25)],
        "top20": [],
    }


def test_picture_has_a_panel_for_what_has_values(tmp_path: Path) -> None:
    for step in (1, 2, 3):
        runs.log(tmp_path / "log.csv", ("step", "loss", "top1", "top20"), {"step": step, "loss": 1 / step})
    widths = []
    for panels in ({"loss": ("loss",)}, {"loss": ("loss", "top1"), "none": ("top20",)}):
        curves.draw(tmp_path / "log.csv", tmp_path / "curves.png", panels, along="steps")
        with Image.open(tmp_path / "curves.png") as picture:
            widths.append(picture.width)
            pixels = np.asarray(picture.convert("RGB")).astype(int)
        coloured = pixels.max(-1) - pixels.min(-1) > 60
        assert coloured.sum() > 200  # the line
    assert widths == [600, 600]
