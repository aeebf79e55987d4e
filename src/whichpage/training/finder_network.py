"""The page finder's network: every part of a page votes for where its page's four corners are."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from whichpage.training.network import Residual


class PageFinderNetwork(nn.Module):
    """Photo -> a grid of votes, one a cell of 8x8 pixels.

    Like EAST's geometry maps for words (Zhou et al., CVPR 2017), but each cell votes for a whole
    page. Votes may point outside the photo, so a page the frame cuts still gets four corners; and the
    two pages of a spread are told apart by their votes. Votes reach far and are rough. A second look at
    each page, cut out by its votes, finds its outline, for which the evidence is near and exact.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 16, 5, 2, 2, bias=False),
            nn.BatchNorm2d(16),
            nn.ReLU(inplace=True),
            Residual(16, 32, stride=2),
        )
        self.outline = nn.Sequential(Residual(32, 32), nn.Conv2d(32, 1, 3, padding=1))
        self.up4 = nn.Conv2d(64, 32, 1)
        self.eighth = nn.Sequential(Residual(32, 64, stride=2), Residual(64, 64))
        self.sixteenth = nn.Sequential(Residual(64, 96, stride=2), Residual(96, 96))
        self.coarse = nn.Sequential(Residual(96, 128, stride=2), Residual(128, 128), Residual(128, 128))
        self.up16 = nn.Conv2d(128, 96, 1)
        self.up8 = nn.Conv2d(96, 64, 1)
        self.merge16 = Residual(96, 96)
        self.merge8 = Residual(64, 64)
        self.votes = nn.Conv2d(64, 9, 1)

    def forward(self, photo: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(N, 3, S, S) float, RGB 0..255 -> votes.

        Returns:
            logits (N, S/8, S/8): how likely the cell lies on a page.
            corners (N, S/8, S/8, 4, 2): (x, y) of its page's corners, in photo sides from the top left.
            outline (N, S/4, S/4): on a second look, how likely a cell lies on the page in the middle.
        """
        x = (photo - photo.mean((2, 3), keepdim=True)) / 64
        quarter = self.stem(x)
        eighth = self.eighth(quarter)
        sixteenth = self.sixteenth(eighth)
        coarse = self.coarse(sixteenth)
        sixteenth = self.merge16(sixteenth + F.interpolate(self.up16(coarse), scale_factor=2, mode="nearest"))
        eighth = self.merge8(eighth + F.interpolate(self.up8(sixteenth), scale_factor=2, mode="nearest"))
        outline = self.outline(quarter + F.interpolate(self.up4(eighth), scale_factor=2, mode="nearest"))
        votes = self.votes(eighth)
        rows, columns = votes.shape[2:]
        ys = (torch.arange(rows, device=photo.device) + 0.5) / rows
        xs = (torch.arange(columns, device=photo.device) + 0.5) / columns
        here = torch.stack([xs.view(1, -1).expand(rows, -1), ys.view(-1, 1).expand(-1, columns)], -1)
        offsets = votes[:, 1:].permute(0, 2, 3, 1).reshape(-1, rows, columns, 4, 2)
        return votes[:, 0], offsets + here.view(1, rows, columns, 1, 2), outline[:, 0]
