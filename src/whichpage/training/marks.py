"""A bank of handwriting and highlighter, drawn once and sampled by the simulator."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from torch import Tensor


def mark_bank(count: int, *, size: tuple[int, int] = (240, 168), seed: int = 0) -> Tensor:
    """(count, 1, h, w) float in [0, 1]: scribbled lines, underlines, boxes and highlighter bars."""
    rng = np.random.default_rng(seed)
    h, w = size
    bank = np.zeros((count, 1, h, w), np.float32)
    for mark in bank[:, 0]:
        for _ in range(rng.integers(1, 6)):
            if rng.random() < 0.3:
                _highlight(mark, rng)
            else:
                _scribble(mark, rng)
    return torch.from_numpy(bank)


def _scribble(mark: np.ndarray, rng: np.random.Generator) -> None:
    h, w = mark.shape
    steps = int(rng.integers(12, 70))
    x = rng.uniform(0, w * 0.5) + np.cumsum(rng.uniform(0, 3) + rng.normal(0, 1.5, steps))
    y = (
        rng.uniform(0, h)
        + np.cumsum(rng.normal(0, 0.6, steps))
        + rng.uniform(1, 8) * np.sin(np.arange(steps))
    )
    points = np.stack([x, y], -1).round().astype(np.int32)
    cv2.polylines(mark, [points], False, float(rng.uniform(0.6, 1)), int(rng.integers(1, 3)), cv2.LINE_AA)


def _highlight(mark: np.ndarray, rng: np.random.Generator) -> None:
    h, w = mark.shape
    x, y = rng.integers(0, w * 2 // 3), rng.integers(0, h)
    end = (int(x + rng.integers(20, w)), int(y + rng.integers(-6, 7)))
    cv2.line(mark, (int(x), int(y)), end, float(rng.uniform(0.2, 0.5)), int(rng.integers(4, 10)), cv2.LINE_AA)
