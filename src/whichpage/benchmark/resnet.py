"""ResNet18 as the article used it, as an ONNX graph with random weights: to be timed, not to be believed.

He et al., "Deep residual learning for image recognition", CVPR 2016, in torchvision's arrangement, without
the classifier, average-pooled to 512, a linear layer to 256 and Tanh. Batch normalisation is folded into
the convolutions, as an inference engine does, which makes it faster than it is in PyTorch.
"""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from whichpage.bits import sign_bits

BITS = 256
_WIDTHS = (64, 128, 256, 512)
_BLOCKS = 2


class _Graph:
    """Nodes and weights as they come."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self._chance = np.random.default_rng(0)

    def node(self, kind: str, *inputs: str, **attributes: object) -> str:
        name = f"{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def weight(self, *shape: int, scale: float) -> str:
        name = f"weight_{len(self.weights)}"
        values = self._chance.normal(0, scale, shape).astype(np.float32)
        self.weights.append(numpy_helper.from_array(values, name))
        return name

    def conv(self, source: str, *, channels: tuple[int, int], kernel: int, stride: int) -> str:
        inside, outside = channels
        # He et al., "Delving deep into rectifiers", ICCV 2015: numbers stay within float32 to the end.
        weight = self.weight(outside, inside, kernel, kernel, scale=(2 / (inside * kernel**2)) ** 0.5)
        bias = self.weight(outside, scale=0.01)
        edge = kernel // 2
        return self.node(
            "Conv", source, weight, bias, kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=[edge] * 4
        )

    def block(self, source: str, *, channels: tuple[int, int], stride: int) -> str:
        outside = channels[1]
        first = self.node("Relu", self.conv(source, channels=channels, kernel=3, stride=stride))
        second = self.conv(first, channels=(outside, outside), kernel=3, stride=1)
        if stride != 1:
            source = self.conv(source, channels=channels, kernel=1, stride=stride)
        return self.node("Relu", self.node("Add", second, source))


def resnet18() -> onnx.ModelProto:
    """images (N, 3, H, W) float32, normalised -> vectors (N, 256) float32 in (-1, 1)."""
    graph = _Graph()
    x = graph.node("Relu", graph.conv("images", channels=(3, 64), kernel=7, stride=2))
    x = graph.node("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    inside = 64
    for width in _WIDTHS:
        for number in range(_BLOCKS):
            stride = 2 if width != inside and number == 0 else 1
            x = graph.block(x, channels=(inside, width), stride=stride)
            inside = width
    x = graph.node("Flatten", graph.node("GlobalAveragePool", x))
    x = graph.node("Gemm", x, graph.weight(inside, BITS, scale=0.05), graph.weight(BITS, scale=0.01))
    graph.nodes.append(helper.make_node("Tanh", [x], ["vectors"]))
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, ["N", 3, "H", "W"])
    vectors = helper.make_tensor_value_info("vectors", TensorProto.FLOAT, ["N", BITS])
    whole = helper.make_graph(graph.nodes, "resnet18", [images], [vectors], graph.weights)
    model = helper.make_model(whole, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    return model


class ArticleNetwork:
    """The article's network, ready to be timed."""

    def __init__(self, *, threads: int) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        # Else its threads spin on, after it has answered, on the cores on which the next way is timed:
        # whichpage took 1.4 times as long after it.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        model = resnet18().SerializeToString()
        self._session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def codes(self, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """(N, H, W, 3) uint8 RGB -> (N, 32) uint8: normalised by mean .5 and deviation .5, signs packed."""
        normal = (images.astype(np.float32) / 255 - 0.5) / 0.5
        vectors = self._session.run(None, {"images": np.ascontiguousarray(normal.transpose(0, 3, 1, 2))})[0]
        return sign_bits(vectors)
