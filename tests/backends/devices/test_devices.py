"""`--device`: one parsing for every backend, several engine processes, and batches that exceed the memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from asrcli.audio.types import Samples
from asrcli.backends.checks import check_model
from asrcli.backends.device import (
    Device,
    ask_nvidia_driver,
    devices_of,
    gpus_of_process,
    nvidia_gpus,
    with_device,
)
from asrcli.backends.loaded_models import LoadedModels
from asrcli.backends.process.batches import decode_in_halves
from asrcli.backends.registry import BACKENDS, backend_of
from asrcli.backends.sherpa.device import has_cuda, provider_arguments
from asrcli.backends.types import Hypothesis, ModelSpec
from asrcli.backends.vllm.options import prepare_process
from asrcli.errors import EngineError, EngineMemoryError, ExitCode, MachineError, OptionNotSupportedError
from asrcli.models.registry import Registry
from asrcli.models.suitability import automatic_model
from asrcli.options import RecognitionOptions, readers
from tests.tone import tone_audio, tone_spec

LANGUAGE = "asrcli.backends.companions:load_language_identifier"
# A service whose jobs last as long as the file exists that they name.
GATED = """
import os, time

class Gated:
    batch_size = 1

    def run(self, jobs):
        while os.path.exists(jobs[0].request or ""):
            time.sleep(0.01)
        return [None]

def load(spec, threads):
    return Gated()
"""
WHISPER = ModelSpec(name="whisper", type="ctranslate2_whisper", files={})


@pytest.fixture
def spec(tone_models: Callable[[str], Path]) -> Callable[..., ModelSpec]:
    return lambda kind, **fields: tone_spec(kind, tone_models(kind), **fields)


@pytest.mark.parametrize("text", ["auto", "cpu", "cuda", "CUDA:1", "mps", "coreml", "cuda:0, cuda:1"])
def test_devices_are_read(text: str) -> None:
    assert readers.device(text) == text.lower().replace(" ", "")


@pytest.mark.parametrize(
    "text", ["", "gpu", "cuda:", "cuda:x", "auto:1", "cuda,cuda", "cuda,cuda:0", "auto,cuda", "cuda:-1", "0", "cpu;"]
)
def test_what_is_no_device_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="write auto, cpu, cuda"):
        readers.device(text)


@pytest.mark.parametrize("backend", BACKENDS, ids=lambda backend: backend.kind)
def test_each_backend_refuses_the_devices_that_it_does_not_have(backend: Any) -> None:
    spec = ModelSpec(name="m", type=next(iter(backend.model_types)), files={})
    assert with_device(spec, None) is spec
    assert [str(device) for device in devices_of(spec)] == ["auto"]
    for device in ("cpu", "cuda:1", "mps", "coreml", "npu"):
        if device.split(":")[0] in backend.devices:
            assert [str(found) for found in devices_of(with_device(spec, device))] == [device]
        elif backend.devices:
            with pytest.raises(OptionNotSupportedError, match=f"does not run on {device}"):
                with_device(spec, device)
        else:
            with pytest.raises(OptionNotSupportedError, match="runs on a server"):
                with_device(spec, device)


def test_an_entry_s_device_is_checked_in_the_same_way() -> None:
    spec = ModelSpec(name="m", type="ctranslate2_whisper", files={}, options={"device": "gpu"})
    with pytest.raises(OptionNotSupportedError, match="'gpu' is not a device; write auto"):
        devices_of(spec)


def test_several_devices_are_in_order() -> None:
    assert devices_of(with_device(WHISPER, "cuda:1,cuda")) == [Device("cuda", 1), Device("cuda")]


@pytest.mark.skipif(has_cuda(), reason="the installed sherpa-onnx has CUDA")
@pytest.mark.parametrize("options", [{"device": "cuda"}, {"device": "cuda:1"}, {"provider": "cuda"}])
def test_sherpa_onnx_names_its_build_for_cuda(spec: Callable[..., ModelSpec], options: dict[str, str]) -> None:
    with pytest.raises(MachineError, match=r"cuda.*is the build for CPUs") as caught:
        check_model(spec("sense_voice", options=options))
    assert "+cuda12.cudnn9' -f https://k2-fsa.github.io/sherpa/onnx/cuda.html" in caught.value.hint
    assert "--device cpu" in caught.value.hint


@pytest.fixture
def visible(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str | None], None]]:
    """Sets CUDA_VISIBLE_DEVICES as of the start of the process."""

    def start(value: str | None) -> None:
        gpus_of_process.cache_clear()
        monkeypatch.setattr(os, "environ", os.environ.copy())  # what an engine process would set ends with the test
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        if value is not None:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", value)

    yield start
    gpus_of_process.cache_clear()


def test_sherpa_onnx_gets_a_provider_and_sees_one_gpu(
    spec: Callable[..., ModelSpec], visible: Callable[[str | None], None]
) -> None:
    visible("7")
    assert provider_arguments(spec("sense_voice", options={"use_itn": True})) == {"use_itn": True}
    assert provider_arguments(with_device(spec("sense_voice"), "cpu")) == {"provider": "cpu"}
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "7"
    assert provider_arguments(with_device(spec("sense_voice"), "cuda")) == {"provider": "cuda"}
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "7"


@pytest.mark.parametrize(
    ("value", "device", "gpu"),
    [
        (None, "cuda:2", "2"),
        ("7,5", "cuda:1", "5"),
        ("GPU-8932f937, MIG-1", "cuda:1", "MIG-1"),
        ("7,5", "cuda:2", None),
        ("", "cuda", None),
        ("-1", "cuda", None),
    ],
)
def test_numbers_of_gpus_count_those_that_the_user_made_visible(
    spec: Callable[..., ModelSpec],
    visible: Callable[[str | None], None],
    value: str | None,
    device: str,
    gpu: str | None,
) -> None:
    visible(value)
    model = with_device(spec("sense_voice"), device)
    if gpu is None:
        with pytest.raises(MachineError, match="CUDA_VISIBLE_DEVICES is"):
            provider_arguments(model)
        return
    for _ in range(2):  # one recogniser for each language
        provider_arguments(model)
        assert os.environ["CUDA_VISIBLE_DEVICES"] == gpu


@pytest.mark.parametrize(("device", "gpu"), [("cuda:1", "5"), ("cuda", "7"), ("auto", "7,5"), ("cpu", "7,5")])
def test_vllm_sees_the_gpu_of_its_engine_process_alone(
    visible: Callable[[str | None], None], device: str, gpu: str
) -> None:
    visible("7,5")
    model = ModelSpec(name="m", type="qwen_asr", files={}, options={"engine": "vllm", "device": device})
    prepared = prepare_process(model)
    assert os.environ["CUDA_VISIBLE_DEVICES"] == gpu
    assert prepared.options["device"] == ("cuda" if device.startswith("cuda") else device)
    assert os.environ["VLLM_NO_USAGE_STATS"] == "1"


def test_vllm_does_not_get_a_gpu_that_is_hidden(visible: Callable[[str | None], None]) -> None:
    visible("7")
    model = ModelSpec(name="m", type="vllm_whisper", files={}, options={"device": "cuda:1"})
    with pytest.raises(MachineError, match="CUDA_VISIBLE_DEVICES is '7'"):
        prepare_process(model)


def test_a_model_on_several_devices_has_an_engine_process_on_each(spec: Callable[..., ModelSpec]) -> None:
    model = with_device(spec("sense_voice"), "cpu:0,cpu:1")
    loaded = LoadedModels(1)
    try:
        with loaded.acquire(model) as recognizer:
            assert len({engine.process_id for engine in loaded.engines}) == 2
            futures = [recognizer.submit(tone_audio([1, 2]), RecognitionOptions()) for _ in range(8)]
            assert {future.result(timeout=60).text for future in futures} == {"re mi"}
            busy = [engine for engine in loaded.engines if engine.backend(recognizer.service)]
            assert len(busy) == 2
            assert loaded.names == [model.name]
        assert loaded.unload_idle(0.0) == [model.name] * 2
    finally:
        loaded.close()


@pytest.mark.slow
def test_services_of_one_model_on_several_devices_are_apart(spec: Callable[..., ModelSpec]) -> None:
    model = with_device(spec("whisper"), "cpu:0,cpu:1")
    loaded = LoadedModels(1)
    try:
        with loaded.acquire(model), loaded.acquire(model, LANGUAGE, purpose="language") as identifier:
            found = [identifier.submit(tone_audio([1, 2] * 4), None) for _ in range(4)]
            assert {type(future.result(timeout=60)) for future in found} == {str}
            assert len(loaded.engines) == 2
    finally:
        loaded.close()


@pytest.mark.slow
def test_a_job_is_cancelled_on_any_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gated_service.py").write_text(GATED)
    monkeypatch.syspath_prepend(str(tmp_path))
    gate, silence = tmp_path / "gate", np.zeros(0, np.float32)
    gate.touch()
    loaded = LoadedModels(1)
    try:
        with loaded.acquire(with_device(WHISPER, "cpu:0,cpu:1"), "gated_service:load") as model:
            blockers = [model.submit(silence, str(gate)) for _ in range(2)]
            waiting = [model.submit(silence) for _ in range(2)]
            for future in waiting:
                model.cancel(future)
                assert isinstance(future.exception(timeout=30), EngineError)
            gate.unlink()
            assert [future.exception(timeout=30) for future in blockers] == [None, None]
    finally:
        loaded.close()


class _SmallDevice:
    """An engine with room for so many chunks at once; beyond that it fails as the real ones do."""

    batch_size = 16

    def __init__(self, room: int, error: Exception) -> None:
        self.room, self.error = room, error
        self.sizes: list[int] = []

    def run(self, jobs: Sequence[Any]) -> Sequence[Any]:
        return jobs

    def decode(self, chunks: Sequence[Samples]) -> list[Hypothesis]:
        self.sizes.append(len(chunks))
        if len(chunks) > self.room:
            raise self.error
        return [Hypothesis(str(len(chunk))) for chunk in chunks]


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("CUDA failed with error out of memory"),  # CTranslate2
        RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has a total capacity of 4 GiB"),  # torch
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: Error code 12 (Cannot allocate memory)"),
        RuntimeError("std::bad_alloc"),
        RuntimeError("[ONNXRuntimeError] : 6 : Failed to allocate memory for requested buffer of size 9"),
    ],
    ids=["host", "ctranslate2", "torch", "cublas", "cudnn", "torch-cpu", "c++", "onnxruntime"],
)
def test_out_of_memory_halves_the_batch_and_later_ones(error: Exception) -> None:
    engine = _SmallDevice(3, error)
    chunks = [np.zeros(length, np.float32) for length in range(1, 13)]
    found = decode_in_halves(engine, chunks, engine.decode, "The engine", (RuntimeError, MemoryError))
    assert [hypothesis.text for hypothesis in found if isinstance(hypothesis, Hypothesis)] == [
        str(n) for n in range(1, 13)
    ]
    assert engine.sizes == [12, 6, 3, 3, 6, 3, 3]
    assert engine.batch_size == 3


def test_a_chunk_that_does_not_fit_alone_is_an_error_with_a_remedy() -> None:
    engine = _SmallDevice(0, RuntimeError("CUDA out of memory"))
    (found,) = decode_in_halves(engine, [np.zeros(16000, np.float32)], engine.decode, "The engine", (RuntimeError,))
    assert isinstance(found, EngineMemoryError)
    assert found.exit_code is ExitCode.MACHINE
    assert "--device cpu" in found.hint
    assert engine.batch_size == 1


@pytest.mark.parametrize("text", ["", " \n", "bad chunk\nfile.cc, line 3"])
def test_the_error_of_a_chunk_has_the_first_line_of_the_engine_s(text: str) -> None:
    engine = _SmallDevice(0, RuntimeError(text))
    (found,) = decode_in_halves(engine, [np.zeros(1600, np.float32)], engine.decode, "The engine", (RuntimeError,))
    expected = ": ".join(filter(None, ["RuntimeError", text.split("\n", maxsplit=1)[0].strip()]))
    assert str(found) == f"The engine failed at a chunk of 0.10 s: {expected}"


def test_another_failure_leaves_the_batches_as_they_are() -> None:
    engine = _SmallDevice(1, RuntimeError("bad chunk"))
    decode_in_halves(engine, [np.zeros(1, np.float32)] * 4, engine.decode, "The engine", (RuntimeError,))
    assert engine.batch_size == 16


def test_gpus_are_what_the_driver_reports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text(
        "#!/bin/sh\necho 'NVIDIA H200, 570.86.15, 143771, 143000'\necho 'NVIDIA L4, 570.86.15, 23034, 100'\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    first, second = nvidia_gpus()
    assert (first.name, first.driver, first.memory, second.free) == (
        "NVIDIA H200",
        "570.86.15",
        143771 << 20,
        100 << 20,
    )
    assert str(second) == "NVIDIA L4, driver 570.86.15, 24 GB (0 free)"
    program.write_text("#!/bin/sh\necho 'NVIDIA-SMI has failed'\nexit 9\n")
    assert nvidia_gpus() == []


@pytest.mark.parametrize(
    ("script", "names", "problem"),
    [
        # GPUs that use the machine's memory, and parts of one
        ("echo 'NVIDIA GB10, 580.95, [N/A], [N/A]'", ["NVIDIA GB10, driver 580.95"], ""),
        ("echo 'Orin (nvgpu), 540.4, [Not Supported], 12'", ["Orin (nvgpu), driver 540.4"], ""),
        ("echo 'A, 1, 1000, [N/A]'; echo 'B, 1, 2000, 1000'", ["A, driver 1, 1 GB", "B, driver 1, 2 GB (1 free)"], ""),
        ("", [], ""),
        ("echo No devices were found", [], "No devices were found"),
        (
            "echo; echo 'Failed to initialize NVML: Driver/library version mismatch'; exit 18", [],
            "Failed to initialize NVML: Driver/library version mismatch",
        ),
        ("echo 'cannot open shared object file' >&2; exit 127", [], "cannot open shared object file"),
        ("exit 3", [], "nvidia-smi ended with exit status 3"),
    ],
)  # fmt: skip
def test_what_the_driver_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, names: list[str], problem: str
) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    gpus, found = ask_nvidia_driver()
    assert [str(gpu) for gpu in gpus] == names
    assert found == problem


def test_a_driver_that_cannot_be_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_bytes(b"\x7fELF")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    gpus, problem = ask_nvidia_driver()
    assert gpus == []
    assert problem.startswith("nvidia-smi cannot be run: ")


@pytest.mark.parametrize(
    ("memory", "expected"),
    [
        (None, "paraformer-zh"), ("[N/A]", "qwen3-asr-0.6b"), (24576, "qwen3-asr-0.6b"),
        (32607, "qwen3-asr-1.7b-torch"), (81920, "qwen3-asr-1.7b-torch"),
    ],
)  # fmt: skip
def test_automatic_model_depends_on_the_memory_of_the_gpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, memory: int | str | None, expected: str
) -> None:
    """Of installed models: funasr-api's rule."""
    registry = Registry(tmp_path / "models")
    assert automatic_model(registry.entry, registry.missing) is None
    for name in ("paraformer-zh", "qwen3-asr-0.6b", "qwen3-asr-1.7b-torch", "sensevoice-small"):
        entry = registry.entry(name)
        for file in entry.required:
            path = registry.folder(entry) / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("") if path.suffix else path.mkdir(exist_ok=True)
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\necho 'GPU, 570, {memory}, 1'\n" if memory else "#!/bin/sh\nexit 9\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    # Without its package, the model of sherpa-onnx is next.
    able = backend_of("qwen_asr").missing is None
    assert automatic_model(registry.entry, registry.missing) == (
        expected if able or "torch" not in expected else "qwen3-asr-0.6b"
    )
