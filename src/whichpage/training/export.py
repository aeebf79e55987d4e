"""Trained networks -> ONNX files, with the codes of both asserted equal.

usage: python -m whichpage.training.export {encoder,features,finder} CHECKPOINT.pt OUT.onnx
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
import onnx
import onnxruntime as ort
import torch
from torch import nn

from whichpage.training import runs
from whichpage.training.feature_network import FeatureNetwork
from whichpage.training.finder_network import PageFinderNetwork
from whichpage.training.finder_training import SIDE
from whichpage.training.network import PageEncoder
from whichpage.types import ENCODER_HEIGHT, ENCODER_WIDTH

# The file keeps weights in half precision; a number this near 0 may fall on either side of it.
TOLERANCE = 1e-2
HALF = ".half"  # ends the name of a weight that is stored in half precision


def export(
    model: nn.Module,
    example: torch.Tensor,
    names: tuple[str, list[str]],
    out: Path,
    *,
    half: bool = True,
    any_size: bool = False,
    notes: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Writes `model` to `out` with a free batch size, and checks that ONNX Runtime computes the same.

    half: keeps the weights in half precision, which makes the file half as large.
    any_size: images may have another height and width than the example's, which the file's metadata tells.
    notes: what else the metadata tells.

    Raises:
        AssertionError: the exported model's outputs differ from torch's by more than rounding.
    """
    model.cpu().eval().float()
    source, results = names
    sides = {2: "height", 3: "width"} if any_size else {}
    axes = {name: {0: "batch", **sides} for name in (source, *results)}
    torch.onnx.export(
        model,
        (example,),
        str(out),
        input_names=[source],
        output_names=results,
        dynamic_axes=axes,
        dynamo=False,
        # Nothing folded, so that each number keeps its name and `weights.read` can train on; ONNX Runtime
        # folds when it loads the file.
        do_constant_folding=False,
        training=torch.onnx.TrainingMode.PRESERVE,
    )
    _keep_all(model, out)
    if half:
        _halve_weights(out)
    size = {"size": "{}x{}".format(*example.shape[2:])} if any_size else {}
    if notes or size:
        _note({**notes, **size}, out)
    with torch.no_grad():
        expected = model(example)
    expected = expected if isinstance(expected, tuple) else (expected,)
    session = ort.InferenceSession(str(out), providers=["CPUExecutionProvider"])
    for wanted, got in zip(expected, session.run(None, {source: example.numpy()}), strict=True):
        np.testing.assert_allclose(got, wanted.numpy(), atol=TOLERANCE, rtol=TOLERANCE)
        certain = np.abs(wanted.numpy()) > TOLERANCE
        assert ((got > 0) == (wanted.numpy() > 0))[certain].all()


def _keep_all(model: nn.Module, path: Path) -> None:
    """Gives numbers of their own to what the exporter made an alias, having the same as something else.

    Two biases that are added up are alike, as they begin and learn alike; `weights.read` wants both.
    """
    exported = onnx.load(path)
    graph, state = exported.graph, model.state_dict()
    aliases = [node for node in graph.node if node.op_type == "Identity" and node.output[0] in state]
    for node in aliases:
        name = node.output[0]
        graph.initializer.append(onnx.numpy_helper.from_array(state[name].numpy(), name))
        graph.node.remove(node)
    onnx.save(exported, path)


def _note(notes: dict[str, str], path: Path) -> None:
    """Puts notes into the file's metadata; "size" is which height and width images are meant to have."""
    model = onnx.load(path)
    onnx.helper.set_model_props(model, notes)
    onnx.save(model, path)


def _halve_weights(path: Path) -> None:
    """Stores the large weights as float16, cast back when the model is loaded: half the file."""
    model = onnx.load(path)
    casts = []
    for tensor in model.graph.initializer:
        weights = onnx.numpy_helper.to_array(tensor)
        if weights.dtype == np.float32 and weights.size > 1000:
            stored = tensor.name + HALF
            casts.append(onnx.helper.make_node("Cast", [stored], [tensor.name], to=onnx.TensorProto.FLOAT))
            tensor.CopyFrom(onnx.numpy_helper.from_array(weights.astype(np.float16), stored))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    onnx.checker.check_model(model)
    onnx.save(model, path)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("kind", choices=["encoder", "features", "finder"])
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    state = runs.kept_weights(arguments.checkpoint)
    torch.manual_seed(0)
    if arguments.kind == "encoder":
        model: nn.Module = PageEncoder()
        example = torch.rand(3, 1, ENCODER_HEIGHT, ENCODER_WIDTH) * 255
        names = ("grey", ["vectors"])
    elif arguments.kind == "features":
        model = FeatureNetwork()
        example = torch.rand(2, 1, 160, 112) * 6 - 3
        names = ("contrast", ["vectors"])
    else:
        model = PageFinderNetwork()
        example = torch.rand(2, 3, SIDE, SIDE) * 255
        names = ("photo", ["logits", "corners", "outline"])
    model.load_state_dict(state)
    export(model, example, names, arguments.out, any_size=arguments.kind == "features")


if __name__ == "__main__":
    main()
