"""The encoder's network: a small residual network that keeps the page's layout.

Its last feature map is flattened into linear layers instead of being averaged away: on pages of
text it is *where* the ink stands that tells one page from its neighbour.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from whichpage.types import CODE_BITS, ENCODER_HEIGHT, ENCODER_WIDTH, VIEW_ROWS, VIEWS


class LocalContrast(nn.Module):
    """Local contrast normalisation: subtracts the local mean, divides by the local deviation.

    Light and paper colour vary slowly over a photo and ink does not, so this takes out shadows and
    leaves the print (Jarrett et al., "What is the best multi-stage architecture for object
    recognition?", ICCV 2009). The local sums are taken on an 8x8 grid and interpolated back, which
    costs a hundredth of a large sliding window on a CPU and exports to plain ONNX operators.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(N, 1, H, W) float, any scale, H and W multiples of 8 -> the same shape, about in [-4, 4]."""
        mean = self._local_mean(x)
        centred = x - mean
        deviation = self._local_mean(centred * centred).clamp(min=0).sqrt()
        # The floor keeps sensor noise on empty paper from being blown up to the strength of print.
        floor = 0.25 * deviation.mean(dim=(1, 2, 3), keepdim=True) + 1e-3
        return (centred / (deviation + floor)).clamp(-4, 4)

    @staticmethod
    def _local_mean(x: Tensor) -> Tensor:
        coarse = F.avg_pool2d(x, 8)
        coarse = F.avg_pool2d(coarse, 3, stride=1, padding=1, count_include_pad=False)
        return F.interpolate(coarse, scale_factor=8, mode="bilinear", align_corners=False)


class Residual(nn.Module):
    """Two 3x3 convolutions with batch normalisation around a shortcut (He et al., CVPR 2016)."""

    def __init__(self, inputs: int, outputs: int, *, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(outputs)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.norm1(self.conv1(x)))
        return F.relu(self.norm2(self.conv2(y)) + self.shortcut(x))


class PageEncoder(nn.Module):
    """Grey page -> one real vector a view; the signs of a vector are the view's code.

    bits: numbers a view; a library takes 256.
    layout: flatten the last feature map into the linear layers; False averages it over each view first, as
        networks for natural images do, with channels enough to make up for it. For comparison alone.
    """

    def __init__(self, *, bits: int = CODE_BITS, layout: bool = True) -> None:
        super().__init__()
        self.layout = layout
        channels = 32 if layout else 512
        self.contrast = LocalContrast()
        self.stem = nn.Sequential(
            nn.Conv2d(1, 24, 5, 2, 2, bias=False),
            nn.BatchNorm2d(24),
            nn.ReLU(inplace=True),
            nn.Conv2d(24, 32, 3, 2, 1, bias=False),
            nn.BatchNorm2d(32),
            nn.ReLU(inplace=True),
        )
        self.stages = nn.Sequential(
            Residual(32, 32),
            Residual(32, 64, stride=2),
            Residual(64, 64),
            Residual(64, 128, stride=2),
            Residual(128, 128),
            Residual(128, 160, stride=2),
            nn.Conv2d(160, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
        )
        cells = {view: (bottom - top) * (ENCODER_WIDTH // 32) for view, (top, bottom) in VIEW_ROWS.items()}
        self.heads = nn.ModuleList(
            nn.Sequential(
                nn.Linear(channels * (cells[view] if layout else 1), bits, bias=False), nn.BatchNorm1d(bits)
            )
            for view in VIEWS
        )

    def forward(self, grey: Tensor) -> Tensor:
        """(N, 1, 320, 224) float, grey levels 0..255 -> (N, V, bits) float, V in the order of `VIEWS`."""
        assert grey.shape[2:] == (ENCODER_HEIGHT, ENCODER_WIDTH)
        features = self.stages(self.stem(self.contrast(grey)))
        vectors = []
        for view, head in zip(VIEWS, self.heads, strict=True):
            top, bottom = VIEW_ROWS[view]  # the feature map has ten rows
            part = features[:, :, top:bottom]
            vectors.append(head(part.flatten(1) if self.layout else part.mean((2, 3))))
        return torch.stack(vectors, dim=1)
