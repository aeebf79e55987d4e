"""The article's network: ResNet18 without its classifier, averaged to 512, linear to 256, Tanh."""

from __future__ import annotations

import logging
from pathlib import Path
from urllib.error import URLError

import torch
from torch import Tensor, nn
from torchvision.models import ResNet18_Weights, resnet18

from whichpage.errors import TrainingError
from whichpage.training.article.augmentation import DEVIATION, MEAN
from whichpage.types import CODE_BITS

logger = logging.getLogger(__name__)


class HashNet(nn.Module):
    """Pages -> numbers in (-1, 1), whose signs are kept when searching.

    Deep hashing in the manner of DSHSD (Wu et al., "Deep Supervised Hashing Based on Stable
    Distribution", IEEE Access 2019).
    """

    def __init__(self) -> None:
        super().__init__()
        self.backbone = resnet18(weights=None)
        self.backbone.fc = nn.Identity()
        self.hash = nn.Sequential(nn.Linear(512, CODE_BITS), nn.Tanh())

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) float in [-1, 1] -> (N, 256) float in (-1, 1)."""
        return self.hash(self.backbone(images))


def begin(weights: Path | None) -> HashNet:
    """A network whose backbone has ImageNet weights, from a file or torchvision's download.

    When they cannot be had it begins from random weights, and says so.

    Raises:
        TrainingError: the file has no weights of a ResNet18.
    """
    network = HashNet()
    if weights is not None:
        _load(network, torch.load(weights, weights_only=True, map_location="cpu"), str(weights))
        return network
    try:
        state = ResNet18_Weights.IMAGENET1K_V1.get_state_dict(progress=False, check_hash=True)
    except (URLError, OSError, RuntimeError) as error:
        logger.warning(
            "ImageNet weights cannot be had (%s): this begins from random weights, and will do worse;"
            " --weights FILE takes torchvision's resnet18 file",
            getattr(error, "reason", error),
        )
        return network
    _load(network, state, "the download")
    return network


def _load(network: HashNet, state: object, source: str) -> None:
    if not isinstance(state, dict):
        raise TrainingError(f"{source} has no weights of a ResNet18.")
    backbone = {name: value for name, value in state.items() if not name.startswith("fc.")}
    try:
        network.backbone.load_state_dict(backbone)
    except RuntimeError:
        raise TrainingError(f"{source} has no weights of a ResNet18.") from None


class GreyPages(nn.Module):
    """The network behind the input that whichpage's encoders have, with one view: the page."""

    def __init__(self, network: HashNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, grey: Tensor) -> Tensor:
        """(N, 1, H, W) float, grey levels 0..255 -> (N, 1, 256) float in (-1, 1)."""
        images = (grey / 255 - MEAN) / DEVIATION
        return self.network(images.expand(-1, 3, -1, -1)).unsqueeze(1)
