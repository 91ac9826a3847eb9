"""Batches that exceed the memory, with the errors that the libraries themselves raise or state."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from asrcli.audio.types import Samples
from asrcli.backends.process.batches import decode_in_halves
from asrcli.backends.process.worker import _answer_to
from asrcli.backends.types import DecodeJob, Hypothesis
from asrcli.errors import EngineMemoryError

#: more than any machine has, bytes
_HUGE = 1 << 50
#: chunks that fit
_ROOM = 3


class Engine:
    """An engine that asks a library for memory for its whole batch."""

    batch_size = 16

    def __init__(self, allocate: Callable[[int], Any]) -> None:
        self._allocate = allocate
        self.sizes: list[int] = []

    def decode(self, chunks: Sequence[Samples]) -> list[Hypothesis]:
        self.sizes.append(len(chunks))
        self._allocate(_HUGE if len(chunks) > _ROOM else 1024)
        return [Hypothesis(str(len(chunk))) for chunk in chunks]

    def run(self, jobs: Sequence[DecodeJob]) -> list[Hypothesis]:
        return self.decode([job.samples for job in jobs])


def check(allocate: Callable[[int], Any]) -> None:
    """All chunks are decoded, in order, and later batches are small."""
    engine = Engine(allocate)
    chunks = [np.zeros(length, np.float32) for length in range(1, 11)]
    found = decode_in_halves(engine, chunks, engine.decode, "The engine", (Exception,))
    assert [getattr(hypothesis, "text", hypothesis) for hypothesis in found] == [str(n) for n in range(1, 11)]
    assert engine.sizes[0] == 10
    assert engine.batch_size <= _ROOM


def test_the_allocator_of_torch() -> None:
    torch = pytest.importorskip("torch", exc_type=ImportError)
    check(lambda size: torch.empty(size, dtype=torch.uint8))


def test_torch_reports_that_a_gpu_is_full() -> None:
    torch = pytest.importorskip("torch", exc_type=ImportError)

    def allocate(size: int) -> None:
        if size == _HUGE:  # the text of c10's allocator for CUDA
            raise torch.OutOfMemoryError(
                "CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 23.52 GiB of which "
                "1.13 GiB is free."
            )

    check(allocate)


def test_onnxruntime() -> None:
    onnxruntime = pytest.importorskip("onnxruntime", exc_type=ImportError)
    onnx = pytest.importorskip("onnx", exc_type=ImportError)
    helper, kinds = onnx.helper, onnx.TensorProto
    graph = helper.make_graph(
        [
            helper.make_node("ConstantOfShape", ["shape"], ["filled"]),
            helper.make_node("Size", ["filled"], ["size"]),
        ],
        "fills",
        [helper.make_tensor_value_info("shape", kinds.INT64, [1])],
        [helper.make_tensor_value_info("size", kinds.INT64, [])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    check(lambda size: session.run(None, {"shape": np.array([size // 4], np.int64)}))


def test_numpy() -> None:
    check(lambda size: np.empty(size, np.uint8))


def test_a_service_that_handles_no_errors_itself() -> None:
    with pytest.raises(MemoryError) as caught:
        np.empty(_HUGE, np.uint8)
    (_, _, error) = _answer_to(1, caught.value)
    assert isinstance(error, EngineMemoryError)


@pytest.mark.parametrize(
    ("package", "pattern", "text"),
    [
        ("ctranslate2", "**/libctranslate2*.so*", b"CUDA failed with error "),
        ("ctranslate2", "**/libctranslate2*.so*", b"cuBLAS failed with status "),
        ("sherpa_onnx", "**/libonnxruntime.so*", b"Failed to allocate memory for requested buffer of size "),
        ("torch", "**/libc10_cuda.so", b"CUDA out of memory. "),
    ],
)
def test_texts_are_those_of_the_installed_library(package: str, pattern: str, text: bytes) -> None:
    """What CTranslate2 adds is the name of CUDA's error, "out of memory", or cuBLAS's, "CUBLAS_STATUS_ALLOC_FAILED"."""
    found = find_spec(package)
    places = [Path(place) for place in found.submodule_search_locations or ()] if found else []
    roots = [*places, *(place.with_name(f"{package}.libs") for place in places)]
    files = [file for root in roots for file in root.glob(pattern)]
    if not files:
        pytest.skip(f"needs {package} with {pattern}")
    assert any(text in file.read_bytes() for file in files)
