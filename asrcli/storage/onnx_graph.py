"""Writes ONNX graphs operator by operator."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper

#: the domain of onnxruntime's own operators
MICROSOFT = "com.microsoft"
_OPSET, _IR_VERSION = 18, 9

#: (name, element type, shape)
Port = tuple[str, int, Sequence[int | str]]
FLOAT, UINT8, INT8 = TensorProto.FLOAT, TensorProto.UINT8, TensorProto.INT8
INT32, INT64 = TensorProto.INT32, TensorProto.INT64


class GraphWriter:
    """A graph under construction. Values are names; each call adds a node and returns the name of its output."""

    def __init__(self) -> None:
        self._nodes: list[Any] = []
        self._constants: dict[str, Any] = {}
        self._count = 0

    def constant(self, name: str, value: Any, dtype: Any = None) -> str:
        """A constant under a name of the caller's; the same name again is the same constant."""
        if name not in self._constants:
            self._constants[name] = numpy_helper.from_array(
                np.ascontiguousarray(value, dtype).reshape(np.shape(value)), name
            )
        return name

    def add(self, operator: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """Add a node with one output."""
        return self.add_split(operator, 1, *inputs, domain=domain, **attributes)[0]

    def add_split(self, operator: str, outputs: int, *inputs: str, domain: str = "", **attributes: Any) -> list[str]:
        """Add a node with several outputs."""
        names = [f"v{self._count + number}" for number in range(outputs)]
        self._count += outputs
        self._nodes.append(helper.make_node(operator, inputs, names, domain=domain, **attributes))
        return names

    def model(self, inputs: Sequence[Port], outputs: Sequence[Port], values: Mapping[str, str]) -> bytes:
        """The graph in ONNX format; `values` names the value behind each output. The writer is empty afterwards: a
        weight is dropped as soon as it is copied, so that a model takes no more memory to load than it must.
        """
        renamed = {value: name for name, value in values.items()}
        for node in self._nodes:
            for names in (node.input, node.output):
                names[:] = [renamed.get(name, name) for name in names]
        model = ModelProto(ir_version=_IR_VERSION)
        model.opset_import.extend([helper.make_opsetid("", _OPSET), helper.make_opsetid(MICROSOFT, 1)])
        model.graph.name = "graph"
        model.graph.node.extend(self._nodes)
        model.graph.input.extend(helper.make_tensor_value_info(*port) for port in inputs)
        model.graph.output.extend(helper.make_tensor_value_info(*port) for port in outputs)
        self._nodes.clear()
        while self._constants:
            model.graph.initializer.append(self._constants.popitem()[1])
        data: bytes = model.SerializeToString()
        return data
