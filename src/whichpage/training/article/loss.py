"""Additive angular margin loss (Deng et al., "ArcFace", CVPR 2019)."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ArcFace(nn.Module):
    """Softmax over cosines to one weight a class, the own class's angle made larger by a margin.

    margin: radians. scale: what the cosines are multiplied by.
    """

    def __init__(self, features: int, classes: int, *, margin: float, scale: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(classes, features))
        nn.init.xavier_uniform_(self.weight)
        self.margin, self.scale = margin, scale

    def forward(self, vectors: Tensor, classes: Tensor) -> Tensor:
        """(N, D) float and (N,) int64 -> the mean loss."""
        cosines = F.linear(F.normalize(vectors), F.normalize(self.weight))
        own = cosines.gather(1, classes[:, None]).squeeze(1)
        # cos(a + m); the angle's sine is kept off 0, where its slope has no end.
        sine = (1 - own * own).clamp(min=1e-7).sqrt()
        moved = own * math.cos(self.margin) - sine * math.sin(self.margin)
        # Beyond pi - m the sum of the angles would come round: go on in a line there.
        line = own - math.sin(self.margin) * self.margin
        target = torch.where(own > math.cos(math.pi - self.margin), moved, line)
        logits = cosines.scatter(1, classes[:, None], target[:, None])
        return F.cross_entropy(self.scale * logits, classes)
