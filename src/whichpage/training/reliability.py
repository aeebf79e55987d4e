"""What a learned confidence is worth: confidences of photos that it was not learned from, in bins, drawn."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from numpy.typing import NDArray

# Finer towards the ends: what matters is whether 0.99 is right once in a hundred less than 0.999.
EDGES = (0.0, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99, 0.999, 1.0)
FOLDS = 5


@dataclass(frozen=True, slots=True)
class Bin:
    """The alignments whose confidence is in [low, high), the last bin's in [low, high].

    count: how many. mean: their mean confidence. right: how many show the right page.
    """

    low: float
    high: float
    count: int
    mean: float
    right: int


def held_out(
    photos: Sequence[str], answer: Callable[[NDArray[np.bool_], NDArray[np.bool_]], NDArray[np.float64]]
) -> NDArray[np.float64]:
    """Confidences by cross-validation: each photo's alignments weighed by what the other photos teach.

    Args:
        photos: of each alignment its photo; those of one photo are held out together.
        answer: learns from the alignments of the first mask, and returns the confidences of the second's.

    Returns:
        (N,) confidences.
    """
    folds = np.array([int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) % FOLDS for name in photos])
    confidence = np.empty(len(folds))
    for fold in np.unique(folds):
        confidence[folds == fold] = answer(folds != fold, folds == fold)
    return confidence


def bins(confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> list[Bin]:
    """The alignments by confidence; bins that hold none are left out."""
    place = np.clip(np.searchsorted(EDGES, confidence, side="right") - 1, 0, len(EDGES) - 2)
    found = []
    for number, (low, high) in enumerate(pairwise(EDGES)):
        here = place == number
        if here.any():
            mean = float(confidence[here].mean())
            found.append(Bin(low, high, int(here.sum()), mean, int(right[here].sum())))
    return found


def wilson(right: int, count: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927)."""
    z = 1.96
    share, spread = right / count, z * z / count
    middle = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * np.sqrt(share * (1 - share) / count + spread / (4 * count))
    return float(middle - half), float(middle + half)


def draw(found: Sequence[Bin], picture: Path, *, confidence: str) -> None:
    """The reliability diagram, a PNG: the share that is right over the mean confidence, on logit axes.

    confidence: what it is called, below its axis.
    """
    figure, axis = plt.subplots(figsize=(5.5, 5.0))
    line = np.array([0.001, 0.999])
    axis.plot(line, line, color="#BBBBBB", linestyle="--", label="as sure as right")
    for one in found:
        low, high = wilson(one.right, one.count)
        at = float(np.clip(one.mean, 0.0005, 0.9995))
        axis.plot([at, at], [max(low, 0.0005), min(high, 0.9995)], color="#0072B2")
        share = float(np.clip(one.right / one.count, 0.0005, 0.9995))
        axis.plot(
            at, share, "o", color="#0072B2", label="measured, 95 % interval" if one is found[0] else None
        )
        axis.annotate(f"{one.count:,}", (at, share), xytext=(6, -11), textcoords="offset points", fontsize=8)
    axis.set_xscale("logit")
    axis.set_yscale("logit")
    axis.set_xlim(0.0004, 0.9996)
    axis.set_ylim(0.0004, 0.9996)
    ticks = (0.001, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999)
    for one_axis in (axis.xaxis, axis.yaxis):
        one_axis.set_ticks(ticks, [f"{tick:g}" for tick in ticks])
        one_axis.set_ticks([], minor=True)
    axis.set_xlabel(confidence)
    axis.set_ylabel("share of alignments that are right")
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(alpha=0.25)
    axis.legend(frameon=False, loc="upper left")
    figure.tight_layout()
    figure.savefig(picture, dpi=120)
    plt.close(figure)
