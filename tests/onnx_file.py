"""Writes small ONNX files: one that returns its input, by any names and shapes, an encoder of one view, and a
model of local features.

The package `onnx` is for training alone; a file this small is a few fields of protobuf by hand
(onnx.proto3: ModelProto, GraphProto, NodeProto, AttributeProto, ValueInfoProto, StringStringEntryProto).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

Shape = Sequence[int | str]


def write_identity(path: Path, shape: Shape, *, source: str = "grey", result: str = "vectors") -> Path:
    """Writes a model that maps a float tensor of `shape` (names are free sizes) to itself."""
    return _write(path, [_node("Identity", source, result)], _value(source, shape), _value(result, shape))


def write_one_view(path: Path, *, height: int, width: int, said: str | None = None) -> Path:
    """Writes an encoder of the page alone: the means of 16 x 16 cells, less the page's mean.

    height, width: of the images it reads, multiples of 16.
    said: what the file says of their size, where it does not fix it; None where it does.
    """
    cell = [height // 16, width // 16]
    nodes = [
        _node("ReduceMean", "grey", "mean", axes=[1, 2, 3], keepdims=1),
        _node("Sub", "grey", "mean", "ink"),
        _node("AveragePool", "ink", "cells", kernel_shape=cell, strides=cell),
        _node("Flatten", "cells", "flat", axis=1),
        _node("Unsqueeze", "flat", "vectors", axes=[1]),
    ]
    sides: Shape = (height, width) if said is None else ("height", "width")
    images, vectors = _value("grey", ("n", 1, *sides)), _value("vectors", ("n", 1, 256))
    return _write(path, nodes, images, vectors, opset=11, said={} if said is None else {"size": said})


def write_features(path: Path, *, words: str | None, source: str = "contrast") -> Path:
    """Writes a model of local features: of each cell of 8 x 8 pixels its mean and the negative, 64 times.

    words: what the file says of the visual words; None for nothing. source: what it calls its input.
    """
    nodes = [
        _node("AveragePool", source, "cells", kernel_shape=[8, 8], strides=[8, 8]),
        _node("Neg", "cells", "negatives"),
        _node("Concat", *["cells", "negatives"] * 64, "vectors", axis=1),
    ]
    images, result = _value(source, ("n", 1, "h", "w")), _value("vectors", ("n", 128, "rows", "columns"))
    return _write(path, nodes, images, result, said={} if words is None else {"words": words})


def _write(
    path: Path,
    nodes: Sequence[bytes],
    source: bytes,
    result: bytes,
    *,
    opset: int = 17,
    said: Mapping[str, str] = {},
) -> Path:
    """said: what the file says of itself by name, which ONNX calls its metadata."""
    graph = b"".join(_field(1, node) for node in nodes) + _text(2, "g")
    graph += _field(11, source) + _field(12, result)
    head = _number(1, 8) + _field(7, graph) + _field(8, _text(1, "") + _number(2, opset))
    path.write_bytes(head + b"".join(_field(14, _text(1, k) + _text(2, v)) for k, v in said.items()))
    return path


def _node(kind: str, *names: str, **attributes: int | Sequence[int]) -> bytes:
    """names: the inputs, then the one output."""
    node = b"".join(_text(1, name) for name in names[:-1]) + _text(2, names[-1]) + _text(4, kind)
    for name, value in attributes.items():
        if isinstance(value, int):
            content = _number(3, value) + _number(20, 2)  # of type INT
        else:
            content = b"".join(_number(8, one) for one in value) + _number(20, 7)  # of type INTS
        node += _field(5, _text(1, name) + content)
    return node


def _value(name: str, shape: Shape) -> bytes:
    sizes = (_text(2, size) if isinstance(size, str) else _number(1, size) for size in shape)
    dims = b"".join(_field(1, size) for size in sizes)
    float32 = 1
    return _text(1, name) + _field(2, _field(1, _number(1, float32) + _field(2, dims)))


def _field(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | 2]) + _varint(len(content)) + content


def _text(number: int, content: str) -> bytes:
    return _field(number, content.encode())


def _number(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _varint(value: int) -> bytes:
    head = b""
    while value > 127:
        head += bytes([value & 127 | 128])
        value >>= 7
    return head + bytes([value])
