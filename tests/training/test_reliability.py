"""What a learned confidence is worth: cross-validation, bins, intervals, the diagram."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from whichpage.training.reliability import Bin, bins, draw, held_out, wilson


def test_no_photo_teaches_its_own_confidence() -> None:
    photos = [f"{number // 3}.jpg" for number in range(60)]
    rounds: list[NDArray[np.bool_]] = []

    def answer(taught: NDArray[np.bool_], asked: NDArray[np.bool_]) -> NDArray[np.float64]:
        assert (taught ^ asked).all()
        rounds.append(taught)
        assert not {photos[k] for k in np.flatnonzero(taught)} & {photos[k] for k in np.flatnonzero(asked)}
        return np.flatnonzero(asked).astype(float)

    assert held_out(photos, answer).tolist() == list(range(60))
    assert 2 <= len(rounds) <= 5


def test_bins_take_their_lower_edge_and_the_last_one_both() -> None:
    confidence = np.array([0.0, 0.01, 0.9, 0.95, 0.999, 1.0])
    right = np.array([False, False, True, False, True, True])
    assert bins(confidence, right) == [
        Bin(0.0, 0.01, 1, 0.0, 0),
        Bin(0.01, 0.1, 1, pytest.approx(0.01), 0),  # type: ignore[arg-type]
        Bin(0.9, 0.99, 2, pytest.approx(0.925), 1),  # type: ignore[arg-type]
        Bin(0.999, 1.0, 2, pytest.approx(0.9995), 2),  # type: ignore[arg-type]
    ]


def test_wilson_interval() -> None:
    """Newcombe, Statistics in Medicine 17 (1998), method 3: 81 of 263 and 0 of 20."""
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=1e-4)


def test_the_diagram_shows_every_bin(tmp_path: Path) -> None:
    def blue(found: list[Bin]) -> int:
        draw(found, tmp_path / "a.png", confidence="how sure")
        with Image.open(tmp_path / "a.png") as image:
            pixels = np.asarray(image.convert("RGB")).astype(int)
        return int((np.abs(pixels - [0, 0x72, 0xB2]).sum(2) < 30).sum())

    one = [Bin(0.9, 0.99, 40, 0.95, 38)]
    assert 20 < blue(one) < blue([*one, Bin(0.0, 0.01, 4000, 0.002, 8)])
