"""The decoder's attention to the sound, with keys and values in eight bits.

In floats those of a batch would be most of its memory, and each step reads all of them. Keys have a scale for each of
their numbers, whose ranges differ, and values one for each frame: both come from one chunk, whatever others it is
decoded with.
"""

import numpy as np

from asrcli.backends.moonshine.graph import LayerWriter, signed_products_are_exact
from asrcli.backends.moonshine.sizes import HALF, Geometry
from asrcli.backends.moonshine.weights import Weights
from asrcli.storage.onnx_graph import FLOAT, INT8, MICROSOFT, UINT8, Port


def cross_ports(sizes: Geometry) -> list[Port]:
    """Keys and values of each layer as the products take them, and the scales of both."""
    kind, _ = _kind()
    ports: list[Port] = []
    for layer in range(sizes.layers):
        ports += [
            (f"cross.{layer}.key", kind, ("batch", sizes.heads, sizes.head, "frames")),
            (f"cross.{layer}.key_scale", FLOAT, ("batch", sizes.heads, 1, sizes.head)),
            (f"cross.{layer}.value", kind, ("batch", sizes.heads, "frames", sizes.head)),
            (f"cross.{layer}.value_scale", FLOAT, ("batch", sizes.heads, 1, "frames")),
        ]
    return ports


def cross_graph(weights: Weights, sizes: Geometry) -> bytes:
    """From frames (1, time, width) to `cross_ports`."""
    graph = LayerWriter()
    products = [
        weights.product(f"model/decoder/layers.{layer}/encoder_attn/{name}")
        for name in ("k_proj", "v_proj")
        for layer in range(sizes.layers)
    ]
    keys, values = graph.add_split("Split", 2, graph.linear("frames", "cross", products), axis=-1, num_outputs=2)
    quantiser = Quantiser(graph, sizes.layers * sizes.heads, sizes.head)
    wholes = dict(zip(("key", "key_scale"), quantiser.keys(keys), strict=True))
    wholes |= dict(zip(("value", "value_scale"), quantiser.values(values), strict=True))
    made: dict[str, str] = {}
    for name, whole in wholes.items():
        parts = graph.add_split("Split", sizes.layers, whole, axis=1, num_outputs=sizes.layers)
        made |= {f"cross.{layer}.{name}": part for layer, part in enumerate(parts)}
    frames: Port = ("frames", FLOAT, ("batch", "time", sizes.width))
    return graph.model([frames], cross_ports(sizes), made)


class Quantiser:
    """Quantises keys or values of the heads of all layers, (1, time, heads * head)."""

    def __init__(self, graph: LayerWriter, heads: int, head: int) -> None:
        self._graph = graph
        self._heads = heads
        self._head = head

    def keys(self, value: str) -> tuple[str, str]:
        """(1, heads, head, time), and scales (1, heads, 1, head).

        The least and the greatest are the ends of eight bits, with zero between them. So that one zero point serves the
        products, each number of the keys is off by as much in all frames: the weights of the frames do not change.
        """
        graph = self._graph
        by_number = graph.add("Transpose", value, perm=[0, 2, 1])
        rows = graph.add("Reshape", by_number, _form(graph, self._heads * self._head, -1))
        last, zero = graph.constant("last axis", np.array([-1])), graph.constant("zero", np.float32(0))
        low = graph.add("Min", graph.add("ReduceMin", rows, last), zero)
        high = graph.add("Max", graph.add("ReduceMax", rows, last), zero)
        scales = _scales(graph, graph.add("Sub", high, low), 255)
        zeros = graph.add("Round", graph.add("Neg", graph.add("Div", low, scales)))
        kind, middle = _kind()
        if kind == INT8:
            zeros = graph.add("Sub", zeros, graph.constant("half", np.float32(HALF - middle)))
        quantised = _quantise(graph, rows, scales, graph.add("Cast", zeros, to=kind))
        quantised = graph.add("Reshape", quantised, _form(graph, 1, self._heads, self._head, -1))
        return quantised, graph.add("Reshape", scales, _form(graph, 1, self._heads, 1, self._head))

    def values(self, value: str) -> tuple[str, str]:
        """(1, heads, time, head), and scales (1, heads, 1, time)."""
        graph = self._graph
        rows = graph.add("Reshape", value, _form(graph, -1, self._head))
        quantised, scales = _quantise_evenly(graph, rows, _middle(graph))
        quantised = graph.add("Reshape", quantised, _form(graph, 1, -1, self._heads, self._head))
        scales = graph.add("Reshape", scales, _form(graph, 1, -1, self._heads, 1))
        return (
            graph.add("Transpose", quantised, perm=[0, 2, 1, 3]),
            graph.add("Transpose", scales, perm=[0, 2, 3, 1]),
        )


class SoundAttention:
    """Attention of one token of each sequence, in the decoder's graph."""

    def __init__(self, graph: LayerWriter, sizes: Geometry) -> None:
        self._graph = graph
        self._sizes = sizes

    def attend(self, queries: str, layer: int) -> str:
        """Queries and the result are (batch, 1, width)."""
        graph, name = self._graph, f"cross.{layer}"
        scores = self._scores(queries, f"{name}.key", f"{name}.key_scale")
        weights = graph.add("Softmax", graph.add("Add", scores, "mask"), axis=-1)
        return self._mixed(graph.add("Mul", weights, f"{name}.value_scale"), f"{name}.value")

    def _scores(self, queries: str, keys: str, scales: str) -> str:
        """(batch, heads, 1, frames)."""
        graph, sizes = self._graph, self._sizes
        by_head = graph.add("Reshape", queries, _form(graph, 0, sizes.heads, 1, sizes.head))
        rows = graph.add("Reshape", graph.add("Mul", by_head, scales), _form(graph, -1, sizes.head))
        middle = graph.constant("middle", HALF, np.uint8)
        quantised, scale = _quantise_evenly(graph, rows, middle)
        scale = graph.add("Mul", scale, graph.constant("score scale", np.float32(sizes.head**-0.5)))
        return self._product(quantised, keys, middle, scale, _form(graph, -1, sizes.heads, 1, sizes.head))

    def _mixed(self, weights: str, values: str) -> str:
        graph = self._graph
        rows = graph.add("Flatten", weights, axis=2)
        scale = _scales(graph, graph.add("ReduceMax", rows, graph.constant("last axis", np.array([-1]))), 255)
        low = graph.constant("no zero point", np.uint8(0))
        quantised = _quantise(graph, rows, scale, graph.add("Expand", low, graph.add("Shape", scale)))
        mixed = self._product(quantised, values, low, scale, graph.add("Shape", weights))
        return graph.add("Reshape", mixed, _form(graph, -1, 1, self._sizes.width))

    def _product(self, rows: str, columns: str, zero: str, scale: str, shape: str) -> str:
        """Of rows (batch * heads, width), which get their shape back, with columns (batch, heads, width, n)."""
        graph, one = self._graph, self._graph.constant("one", np.float32(1))
        rows = graph.add("Reshape", rows, shape)
        product = graph.add("MatMulIntegerToFloat", rows, columns, one, one, zero, _middle(graph), domain=MICROSOFT)
        return graph.add("Mul", product, graph.add("Reshape", scale, _form(graph, -1, self._sizes.heads, 1, 1)))


def _kind() -> tuple[int, int]:
    """The type of keys and values that this processor multiplies right, and the value between its ends."""
    return (INT8, 0) if signed_products_are_exact() else (UINT8, HALF)


def _middle(graph: LayerWriter) -> str:
    kind, middle = _kind()
    return graph.constant("middle of columns", middle, np.int8 if kind == INT8 else np.uint8)


def _scales(graph: LayerWriter, ranges: str, steps: int) -> str:
    """For ranges of so many steps; of rows without a range, one by which zeros are divided."""
    scale = graph.add("Mul", ranges, graph.constant(f"1/{steps}", np.float32(1 / steps)))
    return graph.add("Max", scale, graph.constant("least scale", np.float32(np.finfo(np.float32).tiny)))


def _quantise(graph: LayerWriter, rows: str, scales: str, zeros: str) -> str:
    """Rows (n, width) in eight bits; scales and zero points are (n, 1)."""
    flat = graph.constant("flat", np.array([-1]))
    scales, zeros = graph.add("Reshape", scales, flat), graph.add("Reshape", zeros, flat)
    return graph.add("QuantizeLinear", rows, scales, zeros, axis=0)


def _quantise_evenly(graph: LayerWriter, rows: str, middle: str) -> tuple[str, str]:
    """Rows (n, width) in eight bits around their middle, and their scales, (n, 1)."""
    last = graph.constant("last axis", np.array([-1]))
    low = graph.add("Neg", graph.add("ReduceMin", rows, last))
    scales = _scales(graph, graph.add("Max", graph.add("ReduceMax", rows, last), low), 127)
    return _quantise(graph, rows, scales, graph.add("Expand", middle, graph.add("Shape", scales))), scales


def _form(graph: LayerWriter, *shape: int) -> str:
    return graph.constant(f"form {shape}", np.array(shape))
