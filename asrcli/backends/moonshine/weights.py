"""Reads the weights of a quantised Moonshine out of its two files in ORT format, by the names of its layers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

#: onnx.proto, TensorProto.DataType
_TYPES = {1: np.float32, 2: np.uint8, 3: np.int8, 6: np.int32, 7: np.int64}
_PRODUCT = "/MatMul_quant"
_QUANTISED = "_quantized"

Array = npt.NDArray[Any]


class UnknownGraphError(Exception):
    """The file is not a Moonshine of the form that is known here."""


@dataclass(frozen=True, slots=True)
class Quantised:
    """A matrix in eight bits: its values are `(values - zero) * scale`."""

    #: (inputs, outputs), uint8
    values: Array
    zero: int
    scale: float


class Weights:
    """One file: its tensors by name, and which node uses which."""

    def __init__(self, path: Path) -> None:
        """Read a file. Raises UnknownGraphError: it is not in ORT format, or holds a type of tensor that a quantised
        Moonshine has not.
        """
        self._tensors: dict[str, Array] = {}
        self._inputs: dict[str, list[str]] = {}
        #: shapes of the graph's inputs; None where a dimension is free
        self.shapes: dict[str, list[int | None]] = {}
        try:
            self._read(path)
        except (ImportError, AttributeError, KeyError, ValueError, TypeError, IndexError) as error:
            raise UnknownGraphError(f"{path.name}: {error}") from error

    def _read(self, path: Path) -> None:
        from onnxruntime.tools.ort_format_model.ort_flatbuffers_py.fbs.InferenceSession import InferenceSession

        data = path.read_bytes()
        if data[4:8] != b"ORTM":
            raise UnknownGraphError(f"{path.name} is not in ORT format")
        main = InferenceSession.GetRootAs(data, 0).Model().Graph()
        names = {main.Inputs(index).decode() for index in range(main.InputsLength())}
        for index in range(main.NodeArgsLength()):
            argument = main.NodeArgs(index)
            if argument.Name().decode() in names:
                self.shapes[argument.Name().decode()] = _shape(argument)
        for graph in _graphs(main):
            for index in range(graph.InitializersLength()):
                tensor = graph.Initializers(index)
                shape = [tensor.Dims(axis) for axis in range(tensor.DimsLength())]
                if tensor.DataType() in _TYPES and tensor.RawDataLength():
                    values = tensor.RawDataAsNumpy().view(_TYPES[tensor.DataType()])
                    self._tensors[tensor.Name().decode()] = values.reshape(shape)
            for index in range(graph.NodesLength()):
                node = graph.Nodes(index)
                inputs = [node.Inputs(number).decode() for number in range(node.InputsLength())]
                self._inputs[node.Name().decode()] = inputs

    @property
    def layers(self) -> int:
        """How many layers an encoder has."""
        count = 0
        while f"/layers.{count}/mlp/fc1{_PRODUCT}" in self._inputs:
            count += 1
        return count

    def product(self, layer: str) -> Quantised:
        """The matrix of a linear layer, by the layer's path ("layers.0/mlp/fc1"). Raises UnknownGraphError: there is no
        such layer, or it is not quantised as a whole.
        """
        for name in self._inputs.get(f"/{layer}{_PRODUCT}", ()):
            base = name.removesuffix(_QUANTISED)
            if base != name and name in self._tensors:
                return self._quantised(base)
        raise UnknownGraphError(f"no quantised {layer}")

    def _quantised(self, base: str) -> Quantised:
        values = self.tensor(base + _QUANTISED)
        zero, scale = self.tensor(base + "_zero_point"), self.tensor(base + "_scale")
        if values.dtype != np.uint8 or values.ndim != 2 or zero.size != 1 or scale.size != 1:
            raise UnknownGraphError(f"{base} is quantised in another way")
        return Quantised(values, int(zero.reshape(-1)[0]), float(scale.reshape(-1)[0]))

    def table(self, name: str) -> Quantised:
        """A quantised matrix by the name of its parameter; what the exporter put behind the name is ignored."""
        return self._quantised(self._named(name, _QUANTISED).removesuffix(_QUANTISED))

    def parameter(self, name: str) -> Array:
        """A parameter by its name; what the exporter put behind the name is ignored."""
        return self.tensor(self._named(name, ""))

    def operand(self, node: str, number: int) -> Array:
        """The constant that a node takes in a given place."""
        inputs = self._inputs.get(node, [])
        if number >= len(inputs):
            raise UnknownGraphError(f"no node {node}")
        return self.tensor(inputs[number])

    def tensor(self, name: str) -> Array:
        if name not in self._tensors:
            raise UnknownGraphError(f"no tensor {name}")
        return self._tensors[name]

    def _named(self, name: str, ending: str) -> str:
        for known in self._tensors:
            if known.startswith(name) and known.endswith(ending):
                return known
        raise UnknownGraphError(f"no parameter {name}")


def _graphs(graph: Any) -> Iterator[Any]:
    """A graph and those inside its nodes."""
    yield graph
    for index in range(graph.NodesLength()):
        node = graph.Nodes(index)
        for number in range(node.AttributesLength()):
            inner = node.Attributes(number).G()
            if inner is not None:
                yield from _graphs(inner)


def _shape(argument: Any) -> list[int | None]:
    from onnxruntime.tools.ort_format_model.ort_flatbuffers_py.fbs.TensorTypeAndShape import TensorTypeAndShape

    kind = TensorTypeAndShape()
    value = argument.Type().Value()
    kind.Init(value.Bytes, value.Pos)
    found: list[int | None] = []
    for axis in range(kind.Shape().DimLength()):
        size = kind.Shape().Dim(axis).Value()
        found.append(size.DimValue() if size.DimType() == 1 else None)
    return found
