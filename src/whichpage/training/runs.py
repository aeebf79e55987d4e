"""What every training run does alike: it resumes from its checkpoint, keeps one, and logs to a CSV."""

from __future__ import annotations

import csv
import ctypes
import logging
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, OneCycleLR

logger = logging.getLogger(__name__)


def device() -> torch.device:
    """Where training computes: on a GPU when there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def keep_freed_memory() -> None:
    """Has glibc keep what is freed, tensors of many megabytes too, instead of giving it back at once.

    Else every step asks the kernel for the same pages again, cleared: half of the time on a CPU.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # another C library; it has its own ways
        return
    mmap_threshold, trim_threshold = -3, -1  # M_MMAP_THRESHOLD, M_TRIM_THRESHOLD of malloc.h
    mallopt(mmap_threshold, 1 << 30)
    mallopt(trim_threshold, -1)


def begin(
    model: nn.Module, checkpoint: Path, *, steps: int, learning_rate: float, weight_decay: float
) -> tuple[Optimizer, LRScheduler, int]:
    """AdamW, its one-cycle schedule, and the step last done: 0, or the checkpoint's, with its weights."""
    optimiser = torch.optim.AdamW(model.parameters(), lr=learning_rate, weight_decay=weight_decay)
    first = 0
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True, map_location=next(model.parameters()).device)
        model.load_state_dict(state["model"])
        optimiser.load_state_dict(state["optimiser"])
        first = state["step"]
    # Made from the step, not restored: a resumed run may be given another number of steps.
    schedule = OneCycleLR(
        optimiser, learning_rate, total_steps=steps + 1, pct_start=0.08, last_epoch=first - 1
    )
    return optimiser, schedule, first


def keep(model: nn.Module, optimiser: Optimizer, step: int, checkpoint: Path) -> None:
    """Writes the checkpoint whole or not at all."""
    state = {"model": model.state_dict(), "optimiser": optimiser.state_dict(), "step": step}
    torch.save(state, checkpoint.with_suffix(".part"))
    checkpoint.with_suffix(".part").replace(checkpoint)


def log(path: Path, columns: Sequence[str], row: dict[str, float]) -> None:
    """Appends a row to a CSV, with its heading if the file is new, and tells the logger."""
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, columns)
        if new:
            writer.writeheader()
        writer.writerow({key: f"{value:.4g}" for key, value in row.items()})
    logger.info(" ".join(f"{key} {value:.4g}" for key, value in row.items()))
