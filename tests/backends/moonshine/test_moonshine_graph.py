"""The quantised products: by row what the runtime's own make of each row alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asrcli.backends.moonshine import graph
from asrcli.backends.moonshine.graph import LayerWriter, block_products_are_stable
from asrcli.backends.moonshine.weights import Quantised, UnknownGraphError, Weights
from asrcli.errors import MachineError
from asrcli.storage.onnx_graph import FLOAT
from asrcli.storage.onnx_session import open_session

INPUTS, OUTPUTS = 24, 40


@pytest.fixture(scope="module")
def products() -> list[onnxruntime.InferenceSession]:
    """(by row, of the whole tensor): the same two matrices side by side in both."""
    rng = np.random.default_rng(5)
    weights = [
        Quantised(rng.integers(0, 256, (INPUTS, OUTPUTS // 2), np.uint8), zero, scale)
        for zero, scale in ((127, 0.013), (141, 0.2))
    ]
    by_row, whole = LayerWriter(), LayerWriter()
    rows = by_row.quantise_rows("x")
    product = by_row.add("Mul", by_row.linear_by_row(rows, "w", weights), rows[1])
    ports = [("x", FLOAT, ("n", INPUTS))], [("y", FLOAT, ("n", OUTPUTS))]
    return [
        open_session(by_row.model(*ports, {"y": product})),
        open_session(whole.model(*ports, {"y": whole.linear("x", "w", weights)})),
    ]


rows = st.lists(
    st.tuples(st.integers(0, 2**32 - 1), st.sampled_from([1e-3, 1.0, 300.0]), st.sampled_from([-4.0, 0.0, 2.5])),
    min_size=1,
    max_size=5,
)


@given(rows)
def test_each_row_is_multiplied_as_if_it_were_alone(
    products: list[onnxruntime.InferenceSession], drawn: list[tuple[int, float, float]]
) -> None:
    by_row, whole = products
    values = np.stack(
        [scale * (np.random.default_rng(seed).standard_normal(INPUTS) + shift) for seed, scale, shift in drawn]
    ).astype(np.float32)
    together = by_row.run(None, {"x": values})[0]
    for row, found in zip(values, together, strict=True):
        alone = whole.run(None, {"x": row[np.newaxis]})[0][0]
        assert np.allclose(found, alone, rtol=1e-5, atol=1e-5 * np.abs(alone).max())


def test_a_lack_of_memory_does_not_choose_the_products(monkeypatch: pytest.MonkeyPatch) -> None:
    def lacking(_model: bytes) -> None:
        raise RuntimeError("std::bad_alloc")

    monkeypatch.setattr(graph, "signed_products_are_exact", lambda: True)
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.setattr(graph, "open_session", lacking)
    with pytest.raises(MachineError, match="memory"):
        block_products_are_stable.__wrapped__()
    monkeypatch.setattr(graph, "open_session", lambda _model: None)
    assert block_products_are_stable.__wrapped__() is False


def test_a_row_of_zeros_is_zero(products: list[onnxruntime.InferenceSession]) -> None:
    assert not products[0].run(None, {"x": np.zeros((2, INPUTS), np.float32)})[0].any()


@pytest.mark.parametrize(("inputs", "outputs"), [(288, 864), (1152, 288), (288, 32768), (416, 1248), (1664, 416)])
def test_a_row_in_blocks_is_the_same_among_others_and_near_the_float_product(inputs: int, outputs: int) -> None:
    if not block_products_are_stable():
        pytest.skip("this processor and runtime use products by row")
    random = np.random.default_rng(inputs + outputs)
    weight = Quantised(random.integers(0, 256, (inputs, outputs), np.uint8), 121, 0.003)
    bias = random.standard_normal(outputs).astype(np.float32)
    writer = LayerWriter()
    product = writer.linear_in_blocks("x", "w", [weight], writer.constant("b", bias))
    ports = [("x", FLOAT, ("n", 1, inputs))], [("y", FLOAT, ("n", 1, outputs))]
    session = open_session(writer.model(*ports, {"y": product}))
    values = (random.standard_normal((7, 1, inputs)) * [[[1e-4]], *[[[1.0]]] * 5, [[300.0]]]).astype(np.float32)
    values[2] = 0
    together = session.run(None, {"x": values})[0]
    for first in range(len(values)):
        for count in range(1, len(values) + 1 - first):
            found = session.run(None, {"x": values[first : first + count]})[0]
            assert np.array_equal(found, together[first : first + count])
    exact = values @ ((weight.values.astype(np.float32) - weight.zero) * np.float32(weight.scale)) + bias
    for found, wanted in zip(together, exact, strict=True):
        assert np.abs(found - wanted).max() <= 0.02 * np.abs(wanted).max()


@pytest.mark.parametrize(
    "data", [b"", b"\x08\x07\x12\x00", b"\x00\x00\x00\x00ORTM", b"\x10\x00\x00\x00ORTM" + bytes(99)]
)
def test_an_unknown_file_is_distinguished(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "decoder_model_merged.ort"
    path.write_bytes(data)
    with pytest.raises(UnknownGraphError):
        Weights(path).parameter("model.decoder.norm.weight")
