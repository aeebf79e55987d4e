"""Networks become ONNX files that compute the same, and that whichpage takes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from torch import nn

from whichpage.bits import sign_bits
from whichpage.encoder import Encoder
from whichpage.pagefinder import PageFinder
from whichpage.photo import decode
from whichpage.training import export as exporting
from whichpage.training.export import export
from whichpage.training.feature_network import FeatureNetwork, Separable
from whichpage.training.finder_network import PageFinderNetwork
from whichpage.training.network import PageEncoder


def shaken(model: nn.Module) -> nn.Module:
    """Untrained, but with normalisation that is not the identity."""
    generator = torch.Generator().manual_seed(1)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d | nn.BatchNorm1d):
            module.running_mean.copy_(0.1 * torch.randn(module.running_mean.shape, generator=generator))
            module.running_var.copy_(0.5 + torch.rand(module.running_var.shape, generator=generator))
    return model


@pytest.fixture(scope="module")
def encoder_file(tmp_path_factory: pytest.TempPathFactory) -> tuple[PageEncoder, Path]:
    torch.manual_seed(0)
    model = shaken(PageEncoder())
    out = tmp_path_factory.mktemp("export") / "encoder.onnx"
    export(model, torch.rand(2, 1, 320, 224) * 255, ("grey", ["vectors"]), out)
    return model, out


def test_encoder_is_the_same_in_onnx(encoder_file: tuple[PageEncoder, Path]) -> None:
    model, path = encoder_file
    pages = np.random.RandomState(2).randint(0, 256, (5, 320, 224)).astype(np.uint8)
    codes = Encoder.load(path).encode(list(pages))
    with torch.no_grad():
        expected = model(torch.from_numpy(pages)[:, None].float()).numpy()
    np.testing.assert_allclose(codes.vectors, expected, atol=5e-3)
    differing = np.unpackbits(codes.bits ^ sign_bits(expected), axis=-1).sum(-1)
    assert differing.max() <= 4
    assert np.abs(expected).max() > 0.1


def test_weights_are_stored_by_half(encoder_file: tuple[PageEncoder, Path]) -> None:
    model, path = encoder_file
    numbers = sum(parameter.numel() for parameter in model.parameters())
    assert path.stat().st_size < 2.1 * numbers
    large = [t for t in onnx.load(path).graph.initializer if np.prod(t.dims) > 1000]
    assert {t.data_type for t in large} == {onnx.TensorProto.FLOAT16}


def test_finder_is_the_same_in_onnx(tmp_path: Path) -> None:
    torch.manual_seed(3)
    model, out = shaken(PageFinderNetwork()), tmp_path / "finder.onnx"
    export(model, torch.rand(2, 3, 192, 192) * 255, ("photo", ["logits", "corners", "outline"]), out)
    photos = torch.rand(3, 3, 192, 192) * 255
    found = ort.InferenceSession(str(out)).run(None, {"photo": photos.numpy()})
    with torch.no_grad():
        expected = model(photos)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other.numpy(), atol=5e-3, rtol=5e-3)
    assert isinstance(PageFinder.load(out).find(decode(np.full((400, 300), 99, np.uint8))), list)


def test_features_are_the_same_in_onnx_at_any_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command exports them so; without `any_size` a file takes the example's size alone."""
    torch.manual_seed(6)
    model, out = shaken(FeatureNetwork()), tmp_path / "features.onnx"
    for module in model.modules():
        if isinstance(module, Separable):
            nn.init.ones_(module.norm2.weight)  # else they would be the identity
    torch.save({"model": model.state_dict(), "step": 1}, tmp_path / "checkpoint.pt")
    monkeypatch.setattr("sys.argv", ["export", "features", str(tmp_path / "checkpoint.pt"), str(out)])
    exporting.main()
    session = ort.InferenceSession(str(out))
    model.eval()
    for size in ((160, 112), (64, 200), (480, 336)):
        contrast = torch.rand(3, 1, *size) * 6 - 3
        (found,) = session.run(None, {"contrast": contrast.numpy()})
        with torch.no_grad():
            expected = model(contrast).numpy()
        assert found.shape == (3, 128, size[0] // 8, size[1] // 8)
        np.testing.assert_allclose(found, expected, atol=5e-3, rtol=5e-3)
        assert np.abs(expected).max() > 0.5
    export(model, torch.rand(2, 1, 160, 112) * 6 - 3, ("contrast", ["vectors"]), out)
    with pytest.raises(Exception, match="invalid dimensions"):
        ort.InferenceSession(str(out)).run(None, {"contrast": np.zeros((1, 1, 64, 200), np.float32)})


def test_file_that_computes_otherwise_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def spoil(path: Path) -> None:
        model = onnx.load(path)
        for tensor in model.graph.initializer:
            if tensor.name.startswith("votes"):
                weights = onnx.numpy_helper.to_array(tensor)
                tensor.CopyFrom(onnx.numpy_helper.from_array(weights + np.float32(0.05), tensor.name))
        onnx.save(model, path)

    monkeypatch.setattr(exporting, "_halve_weights", spoil)
    torch.manual_seed(4)
    names = ("photo", ["logits", "corners", "outline"])
    with pytest.raises(AssertionError):
        export(PageFinderNetwork(), torch.rand(1, 3, 192, 192) * 255, names, tmp_path / "finder.onnx")


def test_command_line_exports_a_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(5)
    torch.save({"model": PageFinderNetwork().state_dict(), "step": 1}, tmp_path / "checkpoint.pt")
    out = tmp_path / "finder.onnx"
    monkeypatch.setattr("sys.argv", ["export", "finder", str(tmp_path / "checkpoint.pt"), str(out)])
    exporting.main()
    outputs = [output.name for output in ort.InferenceSession(str(out)).get_outputs()]
    assert outputs == ["logits", "corners", "outline"]
