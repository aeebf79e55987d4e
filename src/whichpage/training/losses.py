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


def hardened(soft: Tensor, share: float) -> Tensor:
    """Vectors of `soft_sign` on their way to their signs, of unit length; gradients pass as if they were not.

    Su et al., "Greedy Hash: Towards Fast Optimization for Accurate Hash Coding in CNN", NeurIPS 2018.

    Args:
        soft: (..., D) float, unit length.
        share: of the way, from 0 (as they are) to 1 (each number its sign).
    """
    signs = torch.where(soft < 0, -1.0, 1.0) / soft.shape[-1] ** 0.5
    return F.normalize(soft + share * (signs - soft).detach(), dim=-1)


def info_nce(
    anchors: Tensor, positives: Tensor, *, temperature: float, others: tuple[Tensor, Tensor] | None = None
) -> Tensor:
    """Symmetric InfoNCE (van den Oord et al., 2018) over a batch of pairs.

    Args:
        anchors: (N, D) float, unit length.
        positives: (N, D) float, unit length; row i belongs to row i of `anchors`.
        temperature: divides the cosines.
        others: (M, D) float, unit length, further negatives of the anchors, and (N, M) bool, true where
            one counts for an anchor.

    Returns:
        (N,) float: the mean of both directions' cross entropies, a pair each.
    """
    logits = anchors @ positives.T / temperature
    target = torch.arange(len(anchors), device=anchors.device)
    back = F.cross_entropy(logits.T, target, reduction="none")
    if others is not None:
        vectors, counts = others
        further = (anchors @ vectors.T / temperature).masked_fill(~counts, float("-inf"))
        logits = torch.cat([logits, further], 1)
    forth = F.cross_entropy(logits, target, reduction="none")
    return (forth + back) / 2


class CrossBatchMemory:
    """The clean pages of the last batches as further negatives.

    Wang et al., "Cross-Batch Memory for Embedding Learning", CVPR 2020: late in training the encoder
    drifts so slowly that codes some batches old are as good as new, and cost no second pass.
    """

    def __init__(self, size: int) -> None:
        """size: pages kept at most."""
        self._size = size
        self._vectors: Tensor | None = None
        self._pages: Tensor | None = None

    def others(self, pages: Tensor, *, view: int) -> tuple[Tensor, Tensor] | None:
        """What `info_nce` takes: remembered vectors of a view, (M, D), and (N, M) which are of other pages.

        pages: (N,) int64, what pages the anchors show.
        """
        if self._vectors is None or self._pages is None:
            return None
        return self._vectors[:, view], pages[:, None] != self._pages[None]

    def remember(self, vectors: Tensor, pages: Tensor) -> None:
        """Adds (N, V, D) vectors of (N,) pages; the oldest go."""
        if self._size == 0:
            return
        vectors, pages = vectors.detach(), pages.clone()
        if self._vectors is not None and self._pages is not None:
            vectors = torch.cat([self._vectors, vectors])
            pages = torch.cat([self._pages, pages])
        self._vectors, self._pages = vectors[-self._size :], pages[-self._size :]
