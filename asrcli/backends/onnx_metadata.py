"""Reading what an ONNX file says of itself without a runtime, and without reading the weights.

sherpa-onnx ends its process when an entry of the metadata is missing, which is what happens with models that were
exported for something else; so we look first. Layout: onnx.proto, message ModelProto (field 7: graph, field 14:
metadata_props).
"""

from __future__ import annotations

from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from asrcli.errors import ModelError

_METADATA_PROPS = 14
_GRAPH = 7
#: GraphProto.output, and the way from there to its sizes: ValueInfoProto.type, TypeProto.tensor_type, .shape, .dim,
#: .dim_value
_OUTPUT = 12
_TO_DIMENSION = (2, 1, 2, 1)
_DIMENSION = 1
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5


def read_metadata(path: Path) -> dict[str, str]:
    """The custom metadata of a model.

    Raises:
        ModelError: the file is no ONNX model, or not all of one.
    """
    status = path.stat()
    return dict(_read(path, status.st_mtime_ns, status.st_size))


@lru_cache(maxsize=64)
def _read(path: Path, _mtime: int, size: int) -> tuple[tuple[str, str], ...]:
    entries: list[tuple[str, str]] = []
    graph = False
    with path.open("rb") as file:
        try:
            while file.tell() < size:
                number, length = _field(file)
                if file.tell() + length > size:
                    raise ModelError(
                        f"{path} is cut short: it says that more follows than there is.", "Download the model again."
                    )
                graph = graph or number == _GRAPH
                if number == _METADATA_PROPS:
                    entries.append(_entry(file.read(length)))
                else:
                    file.seek(length, 1)
        except (ValueError, IndexError) as error:
            raise ModelError(f"{path} is not an ONNX model.", "Check which file the entry names.") from error
    if not graph:
        raise ModelError(f"{path} is not an ONNX model: it holds no graph.", "Check which file the entry names.")
    return tuple(entries)


def classes(path: Path) -> int | None:
    """How many classes a model tells apart: the last size of its first output, where it is fixed.

    Raises:
        ModelError: the file is no ONNX model, or not all of one.
    """
    read_metadata(path)  # which sees that the file is sound
    status = path.stat()
    return _classes(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=64)
def _classes(path: Path, _mtime: int, size: int) -> int | None:
    try:
        with path.open("rb") as file:
            graph = _find(file, size, _GRAPH)
            output = _find(file, file.tell() + graph, _OUTPUT) if graph else None
            return _last_dimension(file.read(output)) if output else None
    except (ValueError, IndexError):
        return None


def _find(file: BinaryIO, end: int, wanted: int) -> int | None:
    """Go to the value of the first field of that number before `end`; gives its length."""
    while file.tell() < end:
        number, length = _field(file)
        if number == wanted:
            return length
        file.seek(length, 1)
    return None


def _last_dimension(data: bytes) -> int | None:
    """ValueInfoProto to the value of its last dimension, None where that has a name or none."""
    for wanted in _TO_DIMENSION:
        file, found = BytesIO(data), b""
        while file.tell() < len(data):
            number, length = _field(file)
            value = file.read(length)
            found = value if number == wanted else found
        data = found
    if len(data) < 2 or data[0] != _DIMENSION << 3:
        return None
    return _varint(BytesIO(data[1:]))


def _field(file: BinaryIO) -> tuple[int, int]:
    """Number of the next field and how many bytes its value still takes."""
    key = _varint(file)
    number, wire = key >> 3, key & 7
    if number == 0:
        raise ValueError("field 0")
    if wire == _VARINT:
        _varint(file)
        return number, 0
    lengths = {_FIXED64: 8, _FIXED32: 4}
    if wire == _BYTES:
        return number, _varint(file)
    if wire not in lengths:
        raise ValueError(f"wire type {wire}")
    return number, lengths[wire]


def _varint(file: BinaryIO) -> int:
    value = 0
    for shift in range(0, 70, 7):
        byte = file.read(1)[0]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value
    raise ValueError("varint of more than ten bytes")


def _entry(data: bytes) -> tuple[str, str]:
    """StringStringEntryProto: key (1) and value (2)."""
    parts = {1: "", 2: ""}
    file = BytesIO(data)
    while file.tell() < len(data):
        number, length = _field(file)
        parts[number] = file.read(length).decode("utf-8", "replace")
    return parts[1], parts[2]
