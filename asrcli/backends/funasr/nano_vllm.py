"""Fun-ASR-Nano with its language model on vLLM, through FunASR's `AutoModelVLLM`. Runs in the engine process.

The encoder stays on torch. FunASR writes the language model's weights beside the folder's own (`Qwen3-0.6B-vllm`). Its
`generate` encodes the sound, calls vLLM and reads the answer. Each chunk has a call and a thread of its own, and vLLM
decodes the chunks of all calls together (`VllmEngine`). Checked with funasr 1.4.16 and vLLM 0.32.0's build for CPUs.
"""

import json
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

from asrcli.audio.types import SAMPLE_RATE, Samples
from asrcli.backends.checks import check_request
from asrcli.backends.device import torch_device
from asrcli.backends.funasr.check import folder_of
from asrcli.backends.funasr.importing import import_toolkit
from asrcli.backends.funasr.requests import arguments_of, hypothesis_of
from asrcli.backends.process.batches import engine_error, first_line, padded
from asrcli.backends.types import Answer, DecodeJob, Hypothesis, ModelSpec
from asrcli.backends.vllm.engine import Output, VllmEngine
from asrcli.backends.vllm.options import BATCH
from asrcli.errors import AsrcliError, MissingExtraError, ModelError

#: shorter chunks are padded with silence: the encoder needs a few frames
_SHORTEST = SAMPLE_RATE // 2


class NanoOnVllm:
    """A loaded model. Raises ModelError: it cannot be loaded, or there is no device for vLLM; MissingExtraError: a
    package cannot be imported.
    """

    def __init__(self, spec: ModelSpec) -> None:
        torch, _ = import_toolkit()
        device = torch_device(spec, torch)
        _check_platform(device)
        check_code(spec)
        from funasr.auto.auto_model_vllm import AutoModelVLLM

        self._spec = spec
        self.batch_size = int(spec.options.get("batch_size", spec.options.get("max_num_seqs", BATCH)))
        try:
            bf16 = device != "cpu" and torch.cuda.is_bf16_supported()
            self._model: Any = AutoModelVLLM(**arguments(spec, device, bf16=bf16))
        except Exception as error:
            raise ModelError(
                f"FunASR cannot load {spec.name} for vLLM: {first_line(error)}",
                "Is the folder whole and writable, and the GPU's memory free? Or set engine: torch.",
            ) from error
        nano = self._model._engine  # noqa: SLF001 - the model itself has no way to its engine
        self._engine = VllmEngine(nano.vllm_engine.llm_engine)
        self._threads = ThreadPoolExecutor(self.batch_size, thread_name_prefix="nano")
        #: held where torch is used: calls of all threads share its modules
        self._torch = threading.Lock()
        self._call = threading.local()
        nano.vllm_engine = SimpleNamespace(generate=self._generate)

    def start(self, key: int, job: DecodeJob, answer: Answer, growing: Answer | None) -> None:
        """See `SchedulingService.start`."""
        check_request(self._spec, job.request)
        if not len(job.samples):
            answer(Hypothesis(""))
            return
        call = _Call(str(key), padded(job.samples, _SHORTEST), job, growing)
        self._threads.submit(self._decode, call, answer)

    def abort(self, key: int) -> None:
        """See `SchedulingService.abort`."""
        self._engine.abort(str(key))

    def close(self) -> None:
        """See `SchedulingService.close`."""
        self._threads.shutdown(wait=False)
        self._engine.close()

    # -- calls of FunASR ---------------------------------------------------------------------------------------------

    def _decode(self, call: "_Call", answer: Answer) -> None:
        try:
            answer(self._recognise(call))
        except AsrcliError as error:
            answer(error)
        except Exception as error:  # noqa: BLE001 - FunASR's, of whatever kind: of this chunk alone
            answer(engine_error(f"FunASR failed at a chunk: {first_line(error)}", error))

    def _recognise(self, call: "_Call") -> Hypothesis:
        asked = arguments_of(self._spec, call.job.request)
        named: dict[str, Any] = {name: asked[name] for name in ("language", "hotwords", "itn") if name in asked}
        if "max_length" in asked:
            named["max_new_tokens"] = asked["max_length"]
        self._call.now = call
        with self._torch:
            (result,) = self._model.generate([call.samples], **named)
        found = hypothesis_of(self._spec, result, len(call.job.samples) / SAMPLE_RATE, call.job.request)
        return replace(found, limit=call.limit)

    def _generate(self, prompts: Sequence[Any], parameters: Any, **_: Any) -> list[Any]:
        """In place of `vllm.LLM.generate`: the outputs of prompts, which are decoded with those of other threads."""
        call: _Call = self._call.now
        (prompt,) = prompts
        self._torch.release()  # other calls encode while this one waits
        try:
            output = self._output(call, prompt, {"max_tokens": parameters.max_tokens})
        finally:
            self._torch.acquire()
        call.limit = output.limit
        return [SimpleNamespace(outputs=[SimpleNamespace(text=output.text, token_ids=output.tokens)])]

    def _output(self, call: "_Call", prompt: Any, parameters: Mapping[str, Any]) -> Output:
        growing = call.growing

        def grow(found: Output | Exception) -> None:
            if growing is not None and isinstance(found, Output):
                growing(Hypothesis(found.text))

        done: Future[Output | Exception] = Future()
        self._engine.submit(
            call.key,
            prompt,
            parameters,
            done.set_result,
            priority=call.job.priority,
            growing=None if growing is None else grow,
        )
        output = done.result()
        if isinstance(output, Exception):
            raise output
        return output


@dataclass(slots=True)
class _Call:
    """One call of FunASR's `generate`."""

    key: str
    samples: Samples
    job: DecodeJob
    growing: Answer | None
    #: whether the answer has the most tokens
    limit: bool = False


def arguments(spec: ModelSpec, device: str, *, bf16: bool) -> dict[str, Any]:
    """Arguments of `AutoModelVLLM` for a model."""
    found: dict[str, Any] = {
        "model": str(spec.files["config"].parent), "device": device, "dtype": "bf16" if bf16 else "fp32",
    }  # fmt: skip
    if "gpu_memory_utilization" in spec.options:
        found["gpu_memory_utilization"] = float(spec.options["gpu_memory_utilization"])
    if "enforce_eager" in spec.options:
        found["enforce_eager"] = bool(spec.options["enforce_eager"])
    found["vllm_kwargs"] = {"scheduling_policy": "priority"}
    if "max_num_seqs" in spec.options:
        found["vllm_kwargs"]["max_num_seqs"] = spec.options["max_num_seqs"]
    return found


def _check_platform(device: str) -> None:
    try:
        from vllm.platforms import current_platform
    except ImportError as error:
        raise MissingExtraError(f"vLLM cannot be imported: {first_line(error)}.", "pip install vllm") from error
    built = current_platform.device_type or "no device here"
    if device.partition(":")[0] != built:
        raise ModelError(f"The installed vLLM is built for {built}, not for {device}.", "Set engine: torch.")


def check_code(spec: ModelSpec) -> None:
    """FunASR lets vLLM run code of the folder, so there must be none."""
    language_model = folder_of(spec).root / "Qwen3-0.6B"
    for folder in (language_model, language_model.with_name("Qwen3-0.6B-vllm")):
        for path in folder.glob("*.json"):
            try:
                named = "auto_map" in json.loads(path.read_bytes())
            except ValueError as error:
                raise ModelError(f"{path} cannot be read: {error}.", "Download the model again.") from error
            if named:
                raise ModelError(f"{path} names code, which asrcli does not run.", "Use the published model.")
