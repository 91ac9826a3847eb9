"""The kinds of quantised product that Moonshine needs, as parts of a graph."""

import platform
from collections.abc import Sequence
from functools import cache

import numpy as np

from asrcli.backends.moonshine.sizes import HALF
from asrcli.backends.moonshine.weights import Array, Quantised
from asrcli.errors import machine_error
from asrcli.storage.onnx_graph import FLOAT, INT32, MICROSOFT, UINT8, GraphWriter
from asrcli.storage.onnx_session import open_session

#: activations with a scale of their own. Of 128, the product of a row changes with their number (onnxruntime 1.32)
_BLOCK = 32


class LayerWriter(GraphWriter):
    """A graph under construction, layer by layer."""

    def norm(self, value: str, name: str, weight: Array) -> str:
        """Layer normalisation over the last axis, without a bias."""
        scale, bias = self.constant(name, weight), self.constant(f"{name}.bias", np.zeros_like(weight))
        return self.add("LayerNormalization", value, scale, bias, axis=-1, epsilon=1e-5)

    def linear(self, value: str, name: str, weights: Sequence[Quantised], bias: Array | None = None) -> str:
        """A product with matrices side by side, activations quantised with one scale for the whole tensor.

        That is what the model was made with, and right for one sequence at a time.
        """
        quantised, scale, zero = self.add_split("DynamicQuantizeLinear", 3, value)
        matrix, scales, zeros, _ = self._matrix(name, weights)
        inputs = [quantised, matrix, scale, scales, zero, zeros]
        inputs += [self.constant(f"{name}.bias", bias)] if bias is not None else []
        return self.add("MatMulIntegerToFloat", *inputs, domain=MICROSOFT)

    def linear_by_row(
        self,
        quantised: tuple[str, str, str],
        name: str,
        weights: Sequence[Quantised],
        less: tuple[str, Array] | None = None,
    ) -> str:
        """The same with a scale for each row, as `quantise_rows` gives them; not yet multiplied by that scale.

        The runtime's product takes one zero point for all rows. So it is given none, and what the rows' own would have
        taken off is taken off afterwards: the row's zero point times the sum of each column. So is `less`: a factor of
        each row, and what it multiplies of each column.
        """
        values, _, zeros = quantised
        matrix, scales, matrix_zeros, sums = self._matrix(name, weights)
        one, none = self.constant("one", np.float32(1)), self.constant("no zero point", np.uint8(0))
        product = self.add("MatMulIntegerToFloat", values, matrix, one, scales, none, matrix_zeros, domain=MICROSOFT)
        if less is None:
            return self.add("Sub", product, self.add("Mul", zeros, sums))
        sums = self.add("Unsqueeze", sums, self.constant("outer axis", np.array([0])))
        columns = self.add("Concat", sums, self.constant(f"{name}.less", less[1][np.newaxis]), axis=0)
        return self.add("Sub", product, self.add("MatMul", self.add("Concat", zeros, less[0], axis=-1), columns))

    def quantise_rows(self, value: str) -> tuple[str, str, str]:
        """Quantise the rows of (n, ..., width), one for each n: values (uint8), scales, zero points (both float).

        The same arithmetic as DynamicQuantizeLinear, of which a row alone would be the whole tensor.
        """
        last, zero = self.constant("last axis", np.array([-1])), self.constant("zero", np.float32(0))
        most = self.constant("255", np.float32(255))
        low = self.add("Min", self.add("ReduceMin", value, last), zero)
        high = self.add("Max", self.add("ReduceMax", value, last), zero)
        scale = self.add("Div", self.add("Sub", high, low), most)
        # Of a row of zeros the scale is zero and its quotients are no numbers.
        scale = self.add("Max", scale, self.constant("least scale", np.float32(np.finfo(np.float32).tiny)))
        zeros = self.add("Round", self.add("Neg", self.add("Div", low, scale)))
        flat = self.constant("flat", np.array([-1]))
        points = self.add("Reshape", self.add("Cast", zeros, to=UINT8), flat)
        return self.add("QuantizeLinear", value, self.add("Reshape", scale, flat), points, axis=0), scale, zeros

    def linear_in_blocks(self, value: str, name: str, weights: Sequence[Quantised], bias: str = "") -> str:
        """The same in one operator, with a scale for each `_BLOCK` activations of a row. Where
        `block_products_are_stable`; `bias` is the name of a value.
        """
        values, zeros, scales, _ = _joined(weights)
        rows, columns = values.shape
        blocks = -(-rows // _BLOCK)
        return self.add(
            "MatMulNBits",
            value,
            self.columns_in_blocks(name, weights),
            self.constant(f"{name}.scale", np.repeat(scales, blocks)),
            self.constant(f"{name}.zero", np.repeat(zeros, blocks), np.uint8),
            *(["", bias] if bias else []),
            domain=MICROSOFT,
            K=rows,
            N=columns,
            bits=8,
            block_size=_BLOCK,
            accuracy_level=4,  # activations in eight bits
        )

    def columns_in_blocks(self, name: str, weights: Sequence[Quantised]) -> str:
        """The matrices of `linear_in_blocks`, (columns, blocks, `_BLOCK`); the last block is padded with zeros."""
        values, zeros, _, _ = _joined(weights)
        rows, columns = values.shape
        blocks = -(-rows // _BLOCK)
        padded = np.repeat(zeros.astype(np.uint8)[:, np.newaxis], blocks * _BLOCK, axis=1)
        padded[:, :rows] = values.T
        return self.constant(name, padded.reshape(columns, blocks, _BLOCK))

    def _matrix(self, name: str, weights: Sequence[Quantised]) -> tuple[str, str, str, str]:
        """Matrices side by side: values, scales, zero points, and what each column sums to."""
        values, zeros, scales, sums = _joined(weights)
        if signed_products_are_exact():
            values, zeros = (values ^ HALF).view(np.int8), zeros - HALF
        if len(weights) == 1:
            zeros, scales = zeros[0], scales[0]
        return (
            self.constant(name, values),
            self.constant(f"{name}.scale", scales),
            self.constant(f"{name}.zero", zeros, values.dtype),
            self.constant(f"{name}.sums", sums, np.float32),
        )


def _joined(weights: Sequence[Quantised]) -> tuple[Array, Array, Array, Array]:
    """Matrices side by side: values, and of each column zero point, scale and sum."""
    widths = [weight.values.shape[1] for weight in weights]
    values = np.concatenate([weight.values for weight in weights], axis=1)
    zeros = np.repeat(np.array([weight.zero for weight in weights]), widths)
    scales = np.repeat(np.array([weight.scale for weight in weights], np.float32), widths)
    sums = (values.sum(axis=0, dtype=np.int64) - len(values) * zeros) * scales.astype(np.float64)
    return values, zeros, scales, sums


@cache
def block_products_are_stable() -> bool:
    """Whether `linear_in_blocks` is to be used: where the runtime has quick code for it (x86-64 with VNNI; elsewhere it
    may convert the weights to float32 in each call), and a row has the same product with whatever others it comes.
    """
    if platform.machine() not in {"x86_64", "AMD64"} or not signed_products_are_exact():
        return False
    random = np.random.default_rng(0)
    weight = Quantised(random.integers(0, 256, (288, 96)).astype(np.uint8), 130, 0.01)
    value = random.normal(size=(8, 1, 288)).astype(np.float32)
    graph = LayerWriter()
    product = graph.linear_in_blocks("a", "b", [weight])
    try:
        loaded = open_session(graph.model([("a", FLOAT, ("n", 1, 288))], [("c", FLOAT, ("n", 1, 96))], {"c": product}))
        batches = [loaded.run(None, {"a": value[:count]})[0] for count in range(1, len(value) + 1)]
    except Exception as error:  # the runtime's exceptions have no common base; old ones lack eight bits
        if (lack := machine_error(error)) is not None:  # not of memory: another graph may give other words
            raise lack from error
        return False
    right = value @ ((weight.values.astype(np.float32) - weight.zero) * np.float32(weight.scale))
    near = np.abs(batches[-1] - right).max() < 0.01 * np.abs(right).max()
    return bool(near and all(np.array_equal(batch, batches[-1][: len(batch)]) for batch in batches))


@cache
def signed_products_are_exact() -> bool:
    """Whether this processor multiplies uint8 by int8 without saturating.

    Where it does (AVX512-VNNI, AVX-VNNI, ARM) that is the quicker form of the same integers. Before VNNI two products
    are added in 16 bits, which the largest overflow.
    """
    values, matrix = np.full((1, 64), 255, np.uint8), np.full((64, 16), 127, np.int8)
    graph = GraphWriter()
    product = graph.add("MatMulInteger", "a", graph.constant("b", matrix))
    loaded = open_session(graph.model([("a", UINT8, values.shape)], [("c", INT32, (1, 16))], {"c": product}))
    found = loaded.run(None, {"a": values})[0]
    return bool((found == values.astype(np.int32) @ matrix.astype(np.int32)).all())
