"""Reads the float tensors out of an ONNX file, with nothing but numpy.

ONNX is protobuf: a message is a run of (field number, wire type, payload). Only what leads to constants is followed:
ModelProto.graph (7) -> GraphProto.node (1) and .initializer (5) -> NodeProto.attribute (5) -> AttributeProto.t (5) and
.g (6), the latter because If branches hold graphs of their own. See onnx.proto3 of the ONNX specification.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from asrcli.audio.types import Samples

_FLOAT = 1


def read_input_names(path: Path) -> set[str]:
    """The names of the graph's inputs, GraphProto.input (11), ValueInfoProto.name (1).

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no ONNX file.
    """
    names = set()
    for graph in _graphs(path):
        for number, value in _fields(graph):
            if number == 11:
                names |= {str(_message(name), "utf-8") for field, name in _fields(_message(value)) if field == 1}
    return names


def read_float_tensors(path: Path) -> dict[str, Samples]:
    """All float32 constants of the model at `path`, by the name of the value they define.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no ONNX file.
    """
    return dict(item for graph in _graphs(path) for item in _graph_tensors(graph))


def _graphs(path: Path) -> list[memoryview]:
    data = memoryview(path.read_bytes())
    graphs = [_message(payload) for number, payload in _fields(data) if number == 7]
    if not graphs:
        raise ValueError(f"{path} is no ONNX file")
    return graphs


def _graph_tensors(graph: memoryview) -> Iterator[tuple[str, Samples]]:
    for number, message in _fields(graph):
        if number == 1:
            yield from _node_tensors(_message(message))
        elif number == 5:
            yield from _tensor(_message(message), name="")


def _node_tensors(node: memoryview) -> Iterator[tuple[str, Samples]]:
    output, attributes = "", []
    for number, payload in _fields(node):
        if number == 2 and not output:
            output = str(_message(payload), "utf-8")
        elif number == 5:
            attributes.append(_message(payload))
    for attribute in attributes:
        for number, payload in _fields(attribute):
            if number == 5:
                yield from _tensor(_message(payload), name=output)
            elif number == 6:
                yield from _graph_tensors(_message(payload))


def _tensor(tensor: memoryview, name: str) -> Iterator[tuple[str, Samples]]:
    shape: list[int] = []
    kind, raw, own_name = 0, None, ""
    for number, payload in _fields(tensor):
        if number == 1:
            shape += [payload] if isinstance(payload, int) else _varints(payload)
        elif number == 2 and isinstance(payload, int):
            kind = payload
        elif number in {4, 9}:  # packed floats, or the same as raw bytes: both little-endian
            raw = _message(payload)
        elif number == 8:
            own_name = str(_message(payload), "utf-8")
    if kind == _FLOAT and raw is not None:
        yield name or own_name, np.frombuffer(raw, "<f4").astype(np.float32).reshape(shape)


def _message(payload: int | memoryview) -> memoryview:
    if isinstance(payload, memoryview):
        return payload
    raise ValueError("a number where a message should be: no ONNX file")


def _fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """The (field number, payload) pairs of a message: an int for a varint, else the bytes."""
    position = 0
    while position < len(data):
        key, position = _varint(data, position)
        wire = key & 7
        if wire == 0:
            value, position = _varint(data, position)
            yield key >> 3, value
            continue
        if wire == 2:
            size, position = _varint(data, position)
        elif wire in {1, 5}:
            size = 8 if wire == 1 else 4
        else:
            raise ValueError("an unknown protobuf wire type: no ONNX file")
        if position + size > len(data):
            raise ValueError("the ONNX file is cut short")
        yield key >> 3, data[position : position + size]
        position += size


def _varint(data: memoryview, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if position >= len(data):
            raise ValueError("the ONNX file is cut short")
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7


def _varints(data: memoryview) -> list[int]:
    values, position = [], 0
    while position < len(data):
        value, position = _varint(data, position)
        values.append(value)
    return values
