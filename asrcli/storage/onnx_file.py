"""Reads ONNX files without a runtime: metadata, inputs and outputs, and constants.

ONNX is protobuf: a message is a sequence of (field number, wire type, payload). Field numbers are those of onnx.proto3
in the ONNX specification. Files are mapped, so the weights of a large model are not read unless they are asked for.

Engines end their process over a file that lacks an entry of its metadata; so entries are checked here first.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from asrcli.errors import ModelError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

# ModelProto
_GRAPH, _METADATA_PROPS = 7, 14
# GraphProto
_NODE, _INITIALIZER, _INPUT, _OUTPUT = 1, 5, 11, 12
_SIGNATURE = (_INITIALIZER, _INPUT, _OUTPUT)
# NodeProto.output and .attribute; AttributeProto.t and .g (branches of If hold graphs of their own)
_NODE_OUTPUT, _ATTRIBUTE, _TENSOR, _SUBGRAPH = 2, 5, 5, 6
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FLOAT = 1
#: TensorProto.DataType
_TYPES = {
    1: "float",
    2: "uint8",
    3: "int8",
    6: "int32",
    7: "int64",
    8: "string",
    9: "bool",
    10: "float16",
    11: "double",
}


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """An input or output of a graph."""

    name: str
    #: "float", "int64", ...
    type: str
    #: of each dimension its size, or a name where it varies; None: unknown
    sizes: tuple[int | str, ...] | None


@dataclass(frozen=True, slots=True)
class Signature:
    """Inputs and outputs of a graph, in its order."""

    inputs: tuple[TensorInfo, ...]
    outputs: tuple[TensorInfo, ...]


def read_metadata(path: Path) -> dict[str, str]:
    """The custom metadata of a model. Raises ModelError: the file is not an ONNX model, or not all of one."""
    status = path.stat()
    return dict(_metadata(path, status.st_mtime_ns, status.st_size))


def output_size(path: Path) -> int | None:
    """The last dimension of a model's first output, where it is fixed: the number of classes of a recogniser. Raises
    ModelError: the file is not an ONNX model, or not all of one.
    """
    last = next(iter(read_signature(path).outputs), None)
    size = last.sizes[-1] if last is not None and last.sizes else None
    return size if isinstance(size, int) else None


def read_signature(path: Path) -> Signature:
    """The inputs and outputs of a model. Raises OSError: the file cannot be read; ModelError: the file is not an ONNX
    model, or not all of one.
    """
    read_metadata(path)  # checks the whole file
    status = path.stat()
    return _signature(path, status.st_mtime_ns, status.st_size)


def read_float_tensors(path: Path) -> dict[str, npt.NDArray[np.float32]]:
    """All float32 constants of a model, by the name of the value that they define. Raises OSError: the file cannot be
    read; ModelError: the file is not an ONNX model, or not all of one.
    """
    with _graph(path) as graph:
        return dict(_graph_tensors(graph))


# -- files -----------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=64)
def _metadata(path: Path, _mtime: int, _size: int) -> tuple[tuple[str, str], ...]:
    with _model(path) as model:
        entries = [_entry(_message(value)) for number, value in _fields(model) if number == _METADATA_PROPS]
        if not any(number == _GRAPH for number, _ in _fields(model)):
            raise ModelError(f"{path} is not an ONNX model: it holds no graph.", "Check which file the entry names.")
        return tuple(entries)


@lru_cache(maxsize=64)
def _signature(path: Path, _mtime: int, _size: int) -> Signature:
    with _graph(path) as graph:
        fields = [(number, _message(value)) for number, value in _fields(graph) if number in _SIGNATURE]
        values = {kind: [_value(value) for number, value in fields if number == kind] for kind in (_INPUT, _OUTPUT)}
        # Old exports list constants among the inputs.
        constants = {_tensor_name(value) for number, value in fields if number == _INITIALIZER}
        inputs = (value for value in values[_INPUT] if value.name not in constants)
        return Signature(tuple(inputs), tuple(values[_OUTPUT]))


def _value(data: memoryview) -> TensorInfo:
    """ValueInfoProto: name (1), type (2); TypeProto.tensor_type (1): elem_type (1), shape (2), of dim (1)."""
    fields = dict(_fields(data))
    tensor = dict(_fields(_message(dict(_fields(_message(fields[2]))).get(1, data[:0])))) if 2 in fields else {}
    kind, shape = tensor.get(1), tensor.get(2)
    sizes = None if shape is None else tuple(_dimension(_message(dim)) for _, dim in _fields(_message(shape)))
    return TensorInfo(_text(fields.get(1, data[:0])), _TYPES.get(kind, "") if isinstance(kind, int) else "", sizes)


def _dimension(data: memoryview) -> int | str:
    """TensorShapeProto.Dimension: dim_value (1) or dim_param (2)."""
    value = next((payload for number, payload in _fields(data) if number in {1, 2}), data[:0])
    return value if isinstance(value, int) else _text(value)


def _tensor_name(tensor: memoryview) -> str:
    return next((_text(payload) for number, payload in _fields(tensor) if number == 8), "")


class _TruncatedError(ValueError):
    """The file is shorter than its fields claim."""


@contextmanager
def _model(path: Path) -> Iterator[memoryview]:
    """The fields of ModelProto."""
    try:
        with path.open("rb") as file:
            # Closed with the last view of it.
            yield memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except _TruncatedError as error:
        raise ModelError(f"{path} is cut short: fields claim more bytes than it has.", "Download it again.") from error
    except ValueError as error:  # also of mmap, of an empty file
        raise ModelError(f"{path} is not an ONNX model.", "Check which file the entry names.") from error


@contextmanager
def _graph(path: Path) -> Iterator[memoryview]:
    with _model(path) as model:
        for number, payload in _fields(model):
            if number == _GRAPH:
                yield _message(payload)
                return
        raise ValueError("no graph")


def _entry(data: memoryview) -> tuple[str, str]:
    """StringStringEntryProto: key (1) and value (2)."""
    parts = {number: _text(value) for number, value in _fields(data)}
    return parts.get(1, ""), parts.get(2, "")


def _graph_tensors(graph: memoryview) -> Iterator[tuple[str, npt.NDArray[np.float32]]]:
    for number, payload in _fields(graph):
        if number == _NODE:
            yield from _node_tensors(_message(payload))
        elif number == _INITIALIZER:
            yield from _tensor(_message(payload), name="")


def _node_tensors(node: memoryview) -> Iterator[tuple[str, npt.NDArray[np.float32]]]:
    output, attributes = "", []
    for number, payload in _fields(node):
        if number == _NODE_OUTPUT and not output:
            output = _text(payload)
        elif number == _ATTRIBUTE:
            attributes.append(_message(payload))
    for attribute in attributes:
        for number, payload in _fields(attribute):
            if number == _TENSOR:
                yield from _tensor(_message(payload), name=output)
            elif number == _SUBGRAPH:
                yield from _graph_tensors(_message(payload))


def _tensor(tensor: memoryview, name: str) -> Iterator[tuple[str, npt.NDArray[np.float32]]]:
    """TensorProto: dims (1), data_type (2), float_data (4), name (8), raw_data (9); a copy of its numbers."""
    import numpy as np

    shape: list[int] = []
    kind, raw, own_name = 0, None, ""
    for number, payload in _fields(tensor):
        if number == 1:
            shape += [payload] if isinstance(payload, int) else _varints(payload)
        elif number == 2 and isinstance(payload, int):
            kind = payload
        elif number in {4, 9}:  # packed floats, or the same as raw bytes: both little-endian
            raw = bytes(_message(payload))
        elif number == 8:
            own_name = _text(payload)
    if kind == _FLOAT and raw is not None:
        yield name or own_name, np.frombuffer(raw, "<f4").astype(np.float32).reshape(shape)


# -- protobuf --------------------------------------------------------------------------------------------------------


def _fields(data: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """The (field number, payload) pairs of a message: an int for a varint, else the bytes."""
    position = 0
    while position < len(data):
        key, position = _varint(data, position)
        number, wire = key >> 3, key & 7
        if number == 0:
            raise ValueError("field 0")
        if wire == _VARINT:
            value, position = _varint(data, position)
            yield number, value
            continue
        if wire == _BYTES:
            size, position = _varint(data, position)
        elif wire in {_FIXED64, _FIXED32}:
            size = 8 if wire == _FIXED64 else 4
        else:
            raise ValueError(f"wire type {wire}")
        if position + size > len(data):
            raise _TruncatedError
        yield number, data[position : position + size]
        position += size


def _varint(data: memoryview, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(data):
            raise _TruncatedError
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise ValueError("varint of more than ten bytes")


def _varints(data: memoryview) -> list[int]:
    values, position = [], 0
    while position < len(data):
        value, position = _varint(data, position)
        values.append(value)
    return values


def _message(payload: int | memoryview) -> memoryview:
    if isinstance(payload, memoryview):
        return payload
    raise ValueError("a number where a message belongs")


def _text(payload: int | memoryview) -> str:
    return str(_message(payload), "utf-8", "replace")
