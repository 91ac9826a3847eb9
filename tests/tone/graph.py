"""A small hand for writing ONNX graphs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

FLOAT, INT32, INT64, BOOL = TensorProto.FLOAT, TensorProto.INT32, TensorProto.INT64, TensorProto.BOOL

Value = tuple[str, int, Sequence[Any]]


class Graph:
    """Nodes are added by `op`, which names its outputs; constants by `const`."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._count = 0

    def const(self, value: Any, dtype: str = "float32") -> str:
        self._count += 1
        name = f"c{self._count}"
        self._constants.append(numpy_helper.from_array(np.asarray(value, dtype=dtype), name))
        return name

    def ints(self, *values: int) -> str:
        return self.const(values, "int64")

    def op(self, kind: str, *inputs: str, out: str | Sequence[str] | None = None, **attributes: Any) -> str:
        """Add a node; returns its (first) output's name."""
        self._count += 1
        outputs = [out or f"v{self._count}"] if isinstance(out, str) or out is None else list(out)
        self._nodes.append(helper.make_node(kind, list(inputs), outputs, **attributes))
        return outputs[0]

    def slice(self, x: str, axis: int, start: int, end: int = 2**31, *, step: int = 1, out: str | None = None) -> str:
        bounds = [self.ints(value) for value in (start, end, axis, step)]
        return self.op("Slice", x, *bounds, out=out)

    def size(self, x: str, axis: int) -> str:
        """Length of an axis as a tensor of one number."""
        return self.op("Shape", x, start=axis, end=axis + 1)

    def keep(self, x: str, *unused: str, out: str | None = None) -> str:
        """Pass x on, and keep inputs alive that a loader insists on but the graph does not need."""
        total = self.const(0.0)
        for name in unused:
            total = self.op("Add", total, self.op("ReduceSum", self.op("Cast", name, to=FLOAT), keepdims=0))
        return self.op("Add", x, self.op("Mul", total, self.const(0.0)), out=out)

    def save(
        self, path: Path, inputs: Sequence[Value], outputs: Sequence[Value], metadata: Mapping[str, Any] | None = None
    ) -> None:
        graph = helper.make_graph(
            self._nodes,
            path.stem,
            [helper.make_tensor_value_info(*value) for value in inputs],
            [helper.make_tensor_value_info(*value) for value in outputs],
            self._constants,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
        model.ir_version = 9
        helper.set_model_props(model, {key: _text(value) for key, value in (metadata or {}).items()})
        onnx.checker.check_model(model)
        onnx.save(model, str(path))


def _text(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def write_tokens(folder: Path, symbols: Sequence[str]) -> None:
    (folder / "tokens.txt").write_text("".join(f"{symbol} {index}\n" for index, symbol in enumerate(symbols)), "utf-8")


def pieces(words: Sequence[str]) -> list[str]:
    """Words as SentencePiece would have them: Latin ones with the mark of a beginning."""
    return [f"▁{word}" if word.isascii() else word for word in words]
