"""ONNX encoder -> the weights of the network it was exported from, to train on from there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import torch
from torch import Tensor

from whichpage.encoder import open_session
from whichpage.errors import ModelError
from whichpage.training.export import HALF, TOLERANCE
from whichpage.training.network import PageEncoder
from whichpage.types import ENCODER_HEIGHT, ENCODER_WIDTH


def read(path: Path) -> dict[str, Tensor]:
    """The state of the `PageEncoder` that `export` wrote to `path`; both are seen to compute the same.

    Raises:
        ModelError: the file is no ONNX model, or was not exported from a `PageEncoder` with its names kept.
    """
    session = open_session(path, threads=1)
    stored = {
        tensor.name.removesuffix(HALF): onnx.numpy_helper.to_array(tensor)
        for tensor in onnx.load(path).graph.initializer
    }
    model = PageEncoder()
    state: dict[str, Tensor] = {}
    for name, value in model.state_dict().items():
        if not value.is_floating_point():
            state[name] = value  # batches counted so far: no part of the function
        elif name in stored and stored[name].shape == tuple(value.shape):
            state[name] = torch.from_numpy(stored[name].astype(np.float32))
        else:
            raise ModelError(f"{path} cannot be trained on: it has no weights {name} of the right shape.")
    model.load_state_dict(state)
    if not _same(model, session):
        raise ModelError(f"{path} cannot be trained on: it computes otherwise than its weights say.")
    return state


@torch.no_grad()
def _same(model: PageEncoder, session: ort.InferenceSession) -> bool:
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(2, 1, ENCODER_HEIGHT, ENCODER_WIDTH, generator=generator) * 255
    expected = model.eval()(images).numpy()
    (vectors,) = session.run(None, {"grey": images.numpy()})
    return bool(np.allclose(vectors, expected, atol=TOLERANCE, rtol=TOLERANCE))
