"""Reads ONNX files without a runtime: metadata, input names, sizes of outputs, and constants.

ONNX is protobuf: a message is a sequence of (field number, wire type, payload). Field numbers are those of onnx.proto3
in the ONNX specification. Files are mapped, so the weights of a large model are not read unless they are asked for.

Engines end their process over a file that lacks an entry of its metadata; so entries are checked here first.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from contextlib import contextmanager
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
# NodeProto.output and .attribute; AttributeProto.t and .g (branches of If hold graphs of their own)
_NODE_OUTPUT, _ATTRIBUTE, _TENSOR, _SUBGRAPH = 2, 5, 5, 6
#: from ValueInfoProto to its sizes: .type, TypeProto.tensor_type, .shape, .dim
_TO_DIMENSION = (2, 1, 2, 1)
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FLOAT = 1


def read_metadata(path: Path) -> dict[str, str]:
    """The custom metadata of a model. Raises ModelError: the file is not an ONNX model, or not all of one."""
    status = path.stat()
    return dict(_metadata(path, status.st_mtime_ns, status.st_size))


def output_size(path: Path) -> int | None:
    """The last dimension of a model's first output, where it is fixed: the number of classes of a recogniser. Raises
    ModelError: the file is not an ONNX model, or not all of one.
    """
    read_metadata(path)  # checks the whole file
    status = path.stat()
    return _output_size(path, status.st_mtime_ns, status.st_size)


def read_input_names(path: Path) -> set[str]:
    """The names of a model's inputs. Raises OSError: the file cannot be read; ModelError: the file is not an ONNX
    model, or not all of one.
    """
    with _graph(path) as graph:
        values = [_message(value) for number, value in _fields(graph) if number == _INPUT]
        return {_text(name) for value in values for field, name in _fields(value) if field == 1}


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
def _output_size(path: Path, _mtime: int, _size: int) -> int | None:
    with _graph(path) as graph:
        value = next((_message(value) for number, value in _fields(graph) if number == _OUTPUT), graph[:0])
        for wanted in _TO_DIMENSION:
            found = [_message(inner) for number, inner in _fields(value) if number == wanted]
            value = found[-1] if found else value[:0]
        return next((size for number, size in _fields(value) if number == 1 and isinstance(size, int)), None)


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
