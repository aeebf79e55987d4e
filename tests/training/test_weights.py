"""From the ONNX file back to the network: what ships can be trained on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx_file import write_identity
from torch import nn

from whichpage.encoder import SHIPPED_ENCODER, Encoder
from whichpage.errors import ModelError
from whichpage.training import weights
from whichpage.training.export import export
from whichpage.training.network import PageEncoder

FINDER = SHIPPED_ENCODER.with_name("finder.onnx")


def test_shipped_encoder_is_read_back() -> None:
    """What the network computes from what was read is what ONNX Runtime computes from the file."""
    model = PageEncoder().eval()
    model.load_state_dict(weights.read(SHIPPED_ENCODER))
    pages = np.random.RandomState(1).randint(0, 256, (3, 320, 224)).astype(np.uint8)
    with torch.no_grad():
        vectors = model(torch.from_numpy(pages)[:, None].float()).numpy()
    expected = Encoder.load().encode(list(pages)).vectors
    np.testing.assert_allclose(vectors, expected, atol=2e-3)
    assert np.abs(expected).max() > 0.1


def test_every_number_comes_back(tmp_path: Path) -> None:
    """Those too that something else has alike, as biases of a new network are, and running statistics."""
    torch.manual_seed(0)
    model = PageEncoder()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d | nn.BatchNorm1d):
            module.running_var.uniform_(0.5, 1.5)
    kept = {name: value.clone() for name, value in model.state_dict().items()}
    export(model, torch.rand(2, 1, 320, 224) * 255, ("grey", ["vectors"]), tmp_path / "encoder.onnx")
    state = weights.read(tmp_path / "encoder.onnx")
    assert set(state) == set(kept)
    for name, value in state.items():
        torch.testing.assert_close(value, kept[name], rtol=1e-3, atol=1e-4)


def test_other_models_are_refused(tmp_path: Path) -> None:
    identity = write_identity(tmp_path / "identity.onnx", ("n", 1, 320, 224))
    for path in (identity, FINDER):
        with pytest.raises(ModelError, match="cannot be trained on: it has no weights"):
            weights.read(path)
    with pytest.raises(ModelError, match="There is no model file"):
        weights.read(tmp_path / "none.onnx")


def test_file_that_computes_otherwise_is_refused(tmp_path: Path) -> None:
    model = onnx.load(SHIPPED_ENCODER)
    # One more step after the last: the names are all there, the numbers are not what they say.
    model.graph.node[-1].output[0] = "before"
    model.graph.node.append(onnx.helper.make_node("Neg", ["before"], ["vectors"]))
    onnx.save(model, tmp_path / "negated.onnx")
    with pytest.raises(ModelError, match="computes otherwise than its weights say"):
        weights.read(tmp_path / "negated.onnx")
