"""The article's network, and where its weights come from."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest
import torch
from torchvision.models import ResNet18_Weights, resnet18

from whichpage.errors import TrainingError
from whichpage.training.article.network import BACKBONES, GreyPages, HashNet, begin


@pytest.fixture(scope="module")
def imagenet() -> Any:
    """Stands for the ImageNet file: all it has, by its names, of other numbers."""
    torch.manual_seed(5)
    return resnet18(weights=None).state_dict()


def test_numbers_are_tanh_of_a_linear_layer_on_the_average(imagenet: Any) -> None:
    network = HashNet().eval()
    images = torch.randn(2, 3, 96, 64)
    reference = resnet18(weights=None).eval()
    reference.load_state_dict(imagenet)
    network.backbone.load_state_dict({k: v for k, v in imagenet.items() if not k.startswith("fc.")})
    reference.fc = torch.nn.Identity()
    linear = network.hash[0]
    assert (linear.in_features, linear.out_features) == (512, 256)
    with torch.no_grad():
        expected = torch.tanh(reference(images) @ linear.weight.T + linear.bias)
        torch.testing.assert_close(network(images), expected)


def test_weights_come_from_a_file(imagenet: Any, tmp_path: Path) -> None:
    torch.save(imagenet, tmp_path / "resnet18.pth")
    network = begin(tmp_path / "resnet18.pth")
    torch.testing.assert_close(network.backbone.conv1.weight, imagenet["conv1.weight"])
    torch.save({"conv1.weight": torch.zeros(3)}, tmp_path / "other.pth")
    (tmp_path / "text.pth").write_text("no weights")
    for name in ("other.pth", "text.pth"):
        with pytest.raises(TrainingError, match=rf"{name} has no weights of ResNet18\."):
            begin(tmp_path / name)


def test_weights_come_from_the_download(
    imagenet: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(ResNet18_Weights, "get_state_dict", lambda self, **_: imagenet)
    torch.testing.assert_close(begin(None).backbone.conv1.weight, imagenet["conv1.weight"])
    assert caplog.text == ""


def test_download_that_fails_is_said(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def offline(*_: object, **__: object) -> None:
        raise URLError("no route to host")

    monkeypatch.setattr(ResNet18_Weights, "get_state_dict", offline)
    with caplog.at_level(logging.WARNING):
        begin(None)
    assert "ImageNet weights cannot be had (no route to host): this begins from random weights" in caplog.text


def test_efficientnet_begins_with_the_weights_of_its_package() -> None:
    network = begin(None, "efficientnet-lite0").eval()
    assert network.hash[0].in_features == 1280
    ramp = torch.linspace(-1, 1, 224 * 224).reshape(1, 1, 224, 224).expand(1, 3, -1, -1)
    with torch.no_grad():
        features = network.backbone(ramp.contiguous())
    # What the network that the weights were published with computes (efficientnet-lite-pytorch 0.1.0).
    found = torch.stack([features[0, 2], features.max(), features.mean()])
    torch.testing.assert_close(found, torch.tensor([1.0824, 4.8752, 0.0538]), atol=1e-3, rtol=1e-3)
    assert features[0].argmax() == 872


def test_weights_of_another_network_are_refused(imagenet: Any, tmp_path: Path) -> None:
    torch.save(imagenet, tmp_path / "resnet18.pth")
    with pytest.raises(TrainingError, match=r"resnet18\.pth has no weights of EfficientNet-Lite0\."):
        begin(tmp_path / "resnet18.pth", "efficientnet-lite0")
    own = dict(BACKBONES["efficientnet-lite0"].imagenet())
    # As many tensors, of the same shapes, two of which have changed places.
    means = {"_bn0.running_mean": "_bn0.running_var", "_bn0.running_var": "_bn0.running_mean"}
    torch.save({means.get(name, name): value for name, value in own.items()}, tmp_path / "mixed.pth")
    with pytest.raises(TrainingError, match="no weights of EfficientNet-Lite0"):
        begin(tmp_path / "mixed.pth", "efficientnet-lite0")
    torch.save(own, tmp_path / "own.pth")
    network = begin(tmp_path / "own.pth", "efficientnet-lite0")
    torch.testing.assert_close(network.backbone.conv_stem.weight, own["_conv_stem.weight"])


def test_grey_pages_are_normalised_as_the_gallery_is() -> None:
    network = HashNet().eval()
    grey = torch.randint(0, 256, (2, 1, 96, 64)).float()
    with torch.no_grad():
        expected = network((grey.repeat(1, 3, 1, 1) / 255 - 0.5) / 0.5)
        found = GreyPages(network)(grey)
    assert found.shape == (2, 1, 256)
    torch.testing.assert_close(found[:, 0], expected)
