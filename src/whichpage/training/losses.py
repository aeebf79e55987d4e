"""Losses of the encoder's training."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def soft_sign(vectors: Tensor, *, sharpness: float) -> Tensor:
    """tanh(sharpness * x), L2-normalised: near its sign code, yet differentiable.

    Cao et al., "HashNet: Deep Learning to Hash by Continuation", ICCV 2017.
    """
    return F.normalize(torch.tanh(sharpness * vectors), dim=-1)


def info_nce(anchors: Tensor, positives: Tensor, *, temperature: float) -> Tensor:
    """Symmetric InfoNCE (van den Oord et al., 2018) over a batch of pairs.

    Args:
        anchors: (N, D) float, unit length.
        positives: (N, D) float, unit length; row i belongs to row i of `anchors`.
        temperature: divides the cosines.

    Returns:
        (N,) float: the mean of both directions' cross entropies, a pair each.
    """
    logits = anchors @ positives.T / temperature
    target = torch.arange(len(anchors), device=anchors.device)
    forth = F.cross_entropy(logits, target, reduction="none")
    back = F.cross_entropy(logits.T, target, reduction="none")
    return (forth + back) / 2
