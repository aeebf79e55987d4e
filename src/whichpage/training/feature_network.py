"""The network of local features: an image of a page in, a map of descriptors out."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from whichpage.types import FEATURE_BITS

STRIDE = 8


class Separable(nn.Module):
    """A 3x3 convolution of each channel and a 1x1 one of all, around a shortcut: an eighth of the work.

    Chollet, "Xception: Deep learning with depthwise separable convolutions", CVPR 2017. Begins as what it is
    given.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.each = nn.Conv2d(channels, channels, 3, 1, 1, groups=channels, bias=False)
        self.norm1 = nn.BatchNorm2d(channels)
        self.all = nn.Conv2d(channels, channels, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels)
        nn.init.zeros_(self.norm2.weight)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.norm2(self.all(F.relu(self.norm1(self.each(x))))) + x)


class FeatureNetwork(nn.Module):
    """Local contrast of an image -> a real vector for every eighth pixel; the signs of a vector are its code.

    A vector sees a square of 113 pixels: a dozen lines of a page, a third as wide as the page. At the last
    size all is separable: full convolutions would take most of the time of indexing a page.
    """

    def __init__(self, *, bits: int = FEATURE_BITS) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            *_halved(1, 16, kernel=5), *_halved(16, 32, kernel=3), *_halved(32, 64, kernel=3)
        )
        self.stages = nn.Sequential(*(Separable(64) for _ in range(6)))
        self.head = nn.Sequential(nn.Conv2d(64, bits, 1, bias=False), nn.BatchNorm2d(bits))

    def forward(self, contrast: Tensor) -> Tensor:
        """(N, 1, H, W) float, -3 to 3, H and W multiples of 8 -> (N, bits, H / 8, W / 8) float."""
        vectors: Tensor = self.head(self.stages(self.stem(contrast)))
        return vectors


def _halved(given: int, channels: int, *, kernel: int) -> tuple[nn.Module, ...]:
    """A convolution that halves the image."""
    return (
        nn.Conv2d(given, channels, kernel, 2, kernel // 2, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(inplace=True),
    )


def sample(maps: Tensor, points: Tensor) -> Tensor:
    """The vectors at points, bilinear between the map's cells.

    Args:
        maps: (B, D, h, w) float, of images of (8 h, 8 w) pixels.
        points: (B, K, 2) float, x and y in the images' pixels.

    Returns:
        (B, K, D) float.
    """
    size = torch.tensor([maps.shape[3] * STRIDE, maps.shape[2] * STRIDE], device=maps.device)
    grid = (points + 0.5) / size * 2 - 1
    found = F.grid_sample(maps, grid.unsqueeze(1), padding_mode="border", align_corners=False)
    return found[:, :, 0].transpose(1, 2)
