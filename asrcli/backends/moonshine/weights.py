"""Reads the weights of a quantised Moonshine out of its two files in ORT format, by the names of its layers."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

#: onnx.proto, TensorProto.DataType
_TYPES = {1: np.float32, 2: np.uint8, 3: np.int8, 6: np.int32, 7: np.int64}
#: endings of names: a quantised tensor, what is made of it, and its transpose
_QUANTISED, _DEQUANTISED, _TRANSPOSED = "_quantized", "_add_tensor", "_transposed"
#: of layers
_OTHER_NAMES = {"o_proj": "dense", "mlp/fc1": "mlp/up_proj", "mlp/fc2": "mlp/down_proj"}
_OTHER_NAMES |= {ours.replace("/", "."): other.replace("/", ".") for ours, other in _OTHER_NAMES.items()}

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
        while self._operands(f"layers.{count}/mlp/fc1"):
            count += 1
        return count

    def product(self, layer: str) -> Quantised:
        """The matrix of a linear layer, by the layer's path ("layers.0/mlp/fc1"). Raises UnknownGraphError: there is no
        such layer, or it is not quantised as a whole.
        """
        for name in self._operands(layer):
            if name.endswith(_TRANSPOSED):
                table = self.table(name.removesuffix(_TRANSPOSED))
                return replace(table, values=np.ascontiguousarray(table.values.T))
            base = name.removesuffix(_QUANTISED).removesuffix(_DEQUANTISED)
            if base != name and base + _QUANTISED in self._tensors:
                return self._quantised(base)
        raise UnknownGraphError(f"no quantised {layer}")

    def _operands(self, layer: str) -> list[str]:
        nodes = (f"/{path}/{node}" for path in _spellings(layer) for node in ("MatMul_quant", "MatMul"))
        return next((self._inputs[node] for node in nodes if node in self._inputs), [])

    def _quantised(self, base: str) -> Quantised:
        """A matrix of either exporter: uint8 with an integer zero point, or int8 with an offset to its values."""
        values = self.tensor(base + _QUANTISED)
        zero, scale = self.tensor(base + "_zero_point"), self.tensor(base + "_scale")
        if zero.size != 1 or scale.size != 1:
            raise UnknownGraphError(f"{base} is quantised in another way")
        factor = float(scale.reshape(-1)[0])
        if values.dtype == np.int8 and zero.dtype == np.float32 and factor > 0:
            steps = -float(zero.reshape(-1)[0]) / factor
            point = round(steps) + 128
            if abs(steps + 128 - point) < 0.01 and 0 <= point <= 255:
                return Quantised(values.view(np.uint8) ^ np.uint8(128), point, factor)
        if values.dtype != np.uint8:
            raise UnknownGraphError(f"{base} is quantised in another way")
        return Quantised(values, int(zero.reshape(-1)[0]), factor)

    def table(self, name: str) -> Quantised:
        """A quantised matrix by the name of its parameter; what the exporter put behind the name is ignored."""
        found = self._find(name, _QUANTISED)
        if found is None:
            raise UnknownGraphError(f"no quantised {name}")
        return self._quantised(found.removesuffix(_QUANTISED))

    def parameter(self, name: str) -> Array:
        """A parameter by its name; what the exporter put behind the name is ignored."""
        known = next(filter(None, (self._find(spelling, "") for spelling in _spellings(name))), "")
        base = known.rpartition("_")[0] if known.endswith((_QUANTISED, "_scale")) else known.removesuffix("_zero_point")
        if base == known:
            return self.tensor(known)
        found = self._quantised(base)
        return (found.values.astype(np.float32) - np.float32(found.zero)) * np.float32(found.scale)

    def frequencies(self, module: str) -> Array:
        """The frequencies of rotary positions, (n,), by the path of their module."""
        for node in ("Expand", "MatMul"):
            inputs = self._inputs.get(f"/{module}/{node}", [""])
            if inputs[0] in self._tensors:
                return self._tensors[inputs[0]].reshape(-1)
        raise UnknownGraphError(f"no frequencies of {module}")

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

    def _find(self, name: str, ending: str) -> str | None:
        return next((known for known in self._tensors if known.startswith(name) and known.endswith(ending)), None)


def _spellings(name: str) -> Iterator[str]:
    """A layer's or parameter's name, and what the other exporter calls it."""
    yield name
    for ours, other in _OTHER_NAMES.items():
        if ours in name:
            yield name.replace(ours, other)


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
