"""What the article does to pages: the augmentation of training and queries, and the gallery's resizing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Dataset
from torchvision import transforms

MEAN, DEVIATION = 0.5, 0.5
CROP = 320
GALLERY = 480  # pixels of the shorter side

_TO_NETWORK = (
    transforms.ToTensor(),
    transforms.Normalize((MEAN, MEAN, MEAN), (DEVIATION, DEVIATION, DEVIATION)),
)


def augmented() -> transforms.Compose:
    """A training view, and a query of validation. No flips: text has but one way to be read."""
    return transforms.Compose(
        [
            transforms.RandomPerspective(),
            transforms.ColorJitter(brightness=0.5, hue=0.3),
            transforms.RandomResizedCrop(CROP, scale=(0.2, 1.0)),
            transforms.RandomApply([transforms.GaussianBlur(5)], p=0.5),
            transforms.RandomApply([transforms.GaussianBlur(11)], p=0.5),
            *_TO_NETWORK,
        ]
    )


def gallery() -> transforms.Compose:
    """An undistorted page."""
    return transforms.Compose([transforms.Resize(GALLERY), *_TO_NETWORK])


class Pages(Dataset[tuple[Tensor, int]]):
    """JPEG files as the network sees them, each a class of its own.

    seed: makes each page's view the same every time; None makes another one each time.
    """

    def __init__(
        self, files: Sequence[Path], transform: transforms.Compose, *, seed: int | None = None
    ) -> None:
        self.files, self.transform, self.seed = tuple(files), transform, seed

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        """(3, H, W) float in [-1, 1] and the page's class."""
        with Image.open(self.files[index]) as image, torch.random.fork_rng([], enabled=self.seed is not None):
            if self.seed is not None:
                torch.manual_seed(self.seed + index)
            return self.transform(image.convert("RGB")), index
