"""Writes the smallest ONNX file there is: one that returns its input, by any names and shapes.

The package `onnx` is for training alone; a file this small is a few fields of protobuf by hand
(onnx.proto3: ModelProto, GraphProto, NodeProto, ValueInfoProto).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

Shape = Sequence[int | str]


def write_identity(path: Path, shape: Shape, *, source: str = "grey", result: str = "vectors") -> Path:
    """Writes a model that maps a float tensor of `shape` (names are free sizes) to itself."""
    node = _text(1, source) + _text(2, result) + _text(4, "Identity")
    graph = (
        _field(1, node)
        + _text(2, "g")
        + _field(11, _value(source, shape))
        + _field(12, _value(result, shape))
    )
    opset = _text(1, "") + _number(2, 17)
    path.write_bytes(_number(1, 8) + _field(7, graph) + _field(8, opset))
    return path


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
    return bytes([number << 3]) + _varint(value)


def _varint(value: int) -> bytes:
    head = b""
    while value > 127:
        head += bytes([value & 127 | 128])
        value >>= 7
    return head + bytes([value])
