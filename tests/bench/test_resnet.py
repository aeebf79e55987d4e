"""The article's network as it is timed: of the size that ResNet18 has."""

from __future__ import annotations

import numpy as np
from onnx import numpy_helper

from whichpage.benchmark.resnet import ArticleNetwork, resnet18


def test_it_has_the_weights_of_resnet18() -> None:
    model = resnet18()
    weights = [numpy_helper.to_array(tensor) for tensor in model.graph.initializer]
    convolutions = sum(w.size for w in weights if w.ndim == 4)
    # torchvision's resnet18 has 11,689,512 parameters: 513,000 in its classifier, 9,600 in batch
    # normalisations (of which folding leaves half), the rest in 20 convolutions.
    assert convolutions == 11_689_512 - 513_000 - 9_600
    assert sum(w.ndim == 4 for w in weights) == 20
    assert sum(w.size for w in weights if w.ndim == 1) == 9_600 // 2 + 256
    assert [w.shape for w in weights if w.ndim == 2] == [(512, 256)]


def test_its_codes_are_packed_signs() -> None:
    network = ArticleNetwork(threads=1)
    images = np.random.default_rng(0).integers(0, 256, (2, 64, 96, 3), np.uint8)
    images[1] = 255 - images[0]
    codes = network.codes(images)
    assert codes.shape == (2, 32)
    assert codes.dtype == np.uint8
    assert np.array_equal(codes[:1], network.codes(images[:1]))
    differing = np.unpackbits(codes[0] ^ codes[1]).sum()
    assert 0 < differing < 256  # random weights still tell pictures apart
