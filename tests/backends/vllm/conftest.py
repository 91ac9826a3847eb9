"""Tiny models for vLLM, and engine processes that have loaded them. All skip where vLLM is not installed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from asrcli.backends.process.engine_client import EngineClient
from asrcli.backends.registry import backend_of
from asrcli.backends.types import ModelSpec
from asrcli.models.detect import detect

# FunASR's models that recognise tones.
from tests.backends.funasr.conftest import run, toolkit, words  # noqa: F401

#: tiny models need little of the machine's memory, and take longer to compile than to run
LIMITS = {"gpu_memory_utilization": 0.05, "max_num_seqs": 8, "enforce_eager": True}


@pytest.fixture(scope="session")
def vllm() -> None:
    """Skips where vLLM is not installed."""
    pytest.importorskip("vllm", reason="needs vllm", exc_type=ImportError)


@pytest.fixture(scope="session")
def qwen(vllm: None) -> Path:
    """Qwen3-ASR with random weights, written by qwen-asr in another environment (.ci/suites/vllm.sh)."""
    folder = os.environ.get("ASRCLI_TINY_QWEN3_ASR")
    if not folder:
        pytest.skip("needs ASRCLI_TINY_QWEN3_ASR: the folder that tests/backends/qwen/tiny_model.py writes")
    return Path(folder)


@pytest.fixture(scope="session")
def whisper(vllm: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Whisper with random weights and the vocabulary of the multilingual models, as on Hugging Face."""
    from tests.backends.vllm.tiny_whisper import build

    return build(tmp_path_factory.mktemp("whisper"))


@pytest.fixture(scope="session")
def glm_asr(vllm: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """GLM-ASR with random weights."""
    from tests.backends.vllm.tiny_glm_asr import build

    return build(tmp_path_factory.mktemp("glm-asr"))


@pytest.fixture(scope="session")
def nano(vllm: None, toolkit: Callable[[str], Path]) -> Path:  # noqa: F811
    """Fun-ASR-Nano that recognises tones."""
    return toolkit("FunASRNano")


@pytest.fixture(scope="session")
def engine() -> Iterator[Callable[..., tuple[EngineClient, ModelSpec]]]:
    """`engine(folder, **options)`: an engine process that has loaded a model, and its spec; one for each model."""
    running: dict[str, tuple[EngineClient, ModelSpec]] = {}

    def start(folder: Path, **options: Any) -> tuple[EngineClient, ModelSpec]:
        type_, files = detect(folder)
        spec = ModelSpec(name=folder.name, type=type_, files=files, options=LIMITS | options)
        key = json.dumps([str(folder), options], sort_keys=True)
        if key not in running:
            client = EngineClient(threads=2)
            running[key] = client, spec
            client.load(spec.name, backend_of(spec.type).kind, spec).result(timeout=600)
        return running[key]

    yield start
    for client, _ in running.values():
        client.close()
