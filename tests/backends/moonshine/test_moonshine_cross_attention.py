"""Attention to the sound in eight bits: near that in floats, and of each sequence as if it were alone."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest

from asrcli.backends.moonshine import cross_attention
from asrcli.backends.moonshine.cross_attention import Quantiser, SoundAttention, cross_ports
from asrcli.backends.moonshine.graph import LayerWriter, signed_products_are_exact
from asrcli.backends.moonshine.sizes import Geometry
from asrcli.storage.onnx_graph import FLOAT
from asrcli.storage.onnx_session import open_session

SIZES = Geometry(layers=1, heads=3, head=20)
FRAMES = (130, 7, 1, 94)


@pytest.fixture(params=[True, False], ids=["signed", "unsigned"])
def graphs(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> tuple[onnxruntime.InferenceSession, onnxruntime.InferenceSession]:
    """(floats to eight bits, the attention), in the form for this processor or for those without VNNI."""
    if request.param and not signed_products_are_exact():
        pytest.skip("this processor does not multiply uint8 by int8 right")
    monkeypatch.setattr(cross_attention, "signed_products_are_exact", lambda: request.param)
    writer = LayerWriter()
    quantiser = Quantiser(writer, SIZES.heads, SIZES.head)
    made = [*quantiser.keys("keys"), *quantiser.values("values")]
    ports = cross_ports(SIZES)
    floats = [(name, FLOAT, (1, "frames", SIZES.width)) for name in ("keys", "values")]
    names = dict(zip([name for name, _, _ in ports], made, strict=True))
    quantise = open_session(writer.model(floats, ports, names))
    writer = LayerWriter()
    heard = SoundAttention(writer, SIZES).attend("queries", 0)
    inputs = [("queries", FLOAT, ("batch", 1, SIZES.width)), ("mask", FLOAT, ("batch", 1, 1, "frames")), *ports]
    output = [("heard", FLOAT, ("batch", 1, SIZES.width))]
    return quantise, open_session(writer.model(inputs, output, {"heard": heard}))


def test_it_is_near_attention_in_floats_and_the_same_in_every_batch(
    graphs: tuple[onnxruntime.InferenceSession, onnxruntime.InferenceSession],
) -> None:
    quantise, attention = graphs
    rng = np.random.default_rng(1)
    whole = {
        port.name: np.zeros(
            [max(FRAMES) if size == "frames" else size for size in (len(FRAMES), *port.shape[1:])],
            np.float32 if port.type == "tensor(float)" else port.type[7:-1],
        )
        for port in quantise.get_outputs()
    }
    whole["queries"] = (2 * rng.standard_normal((len(FRAMES), 1, SIZES.width))).astype(np.float32)
    whole["queries"][3, 0, : SIZES.head] = 0
    whole["mask"] = np.full((len(FRAMES), 1, 1, max(FRAMES)), -1e9, np.float32)
    wanted = []
    for row, frames in enumerate(FRAMES):
        # Numbers of keys differ in range, and some are far from zero; frames differ in the range of their values.
        keys = rng.standard_normal((frames, SIZES.width)) * rng.uniform(0.1, 2, SIZES.width)
        keys += rng.choice([0, 0, 5], SIZES.width)
        values = rng.standard_normal((frames, SIZES.width)) * rng.uniform(0.1, 3, (frames, 1))
        keys[:, 5] = 0
        if frames > 1:
            values[0] = 0
        wanted.append(attend(whole["queries"][row, 0], keys, values))
        floats = {"keys": keys[np.newaxis].astype(np.float32), "values": values[np.newaxis].astype(np.float32)}
        for port, part in zip(quantise.get_outputs(), quantise.run(None, floats), strict=True):
            whole[port.name][row][tuple(map(slice, part.shape[1:]))] = part[0]
        whole["mask"][row, ..., :frames] = 0
    together = attention.run(None, whole)[0]
    for found, exact in zip(together[:, 0], wanted, strict=True):
        assert np.abs(found - exact).max() < 0.05 * np.abs(exact).max()
    for rows in ([0], [2], [3, 1], [1, 2, 3, 0]):
        assert np.array_equal(
            attention.run(None, {name: value[rows] for name, value in whole.items()})[0], together[rows]
        )


def attend(queries: np.ndarray, keys: np.ndarray, values: np.ndarray) -> np.ndarray:
    """(width,) of queries (width,), keys and values (frames, width)."""
    parts = []
    for first in range(0, SIZES.width, SIZES.head):
        head = slice(first, first + SIZES.head)
        scores = keys[:, head] @ queries[head] * SIZES.head**-0.5
        weights = np.exp(scores - scores.max())
        parts.append(weights / weights.sum() @ values[:, head])
    return np.concatenate(parts)
