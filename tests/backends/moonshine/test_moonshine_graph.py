"""The quantised products: by row what the runtime's own make of each row alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asrcli.backends.moonshine.graph import LayerWriter
from asrcli.backends.moonshine.weights import Quantised, UnknownGraphError, Weights
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


def test_a_row_of_zeros_is_zero(products: list[onnxruntime.InferenceSession]) -> None:
    assert not products[0].run(None, {"x": np.zeros((2, INPUTS), np.float32)})[0].any()


@pytest.mark.parametrize(
    "data", [b"", b"\x08\x07\x12\x00", b"\x00\x00\x00\x00ORTM", b"\x10\x00\x00\x00ORTM" + bytes(99)]
)
def test_an_unknown_file_is_distinguished(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "decoder_model_merged.ort"
    path.write_bytes(data)
    with pytest.raises(UnknownGraphError):
        Weights(path).parameter("model.decoder.norm.weight")
