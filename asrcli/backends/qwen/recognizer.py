"""Recognition with Qwen3-ASR, on torch or vLLM. Runs in the engine process.

The package's `transcribe` shortens repeats that it takes for loops; so its parts are called: inference, and the forced
aligner where the entry names one. Checked with qwen-asr 0.0.6 and vLLM 0.14.0, which it pins. Newer versions of vLLM
have Qwen3-ASR themselves, and need no qwen-asr.
"""

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from asrcli.audio.types import SAMPLE_RATE, Samples
from asrcli.backends.checks import check_model, check_request
from asrcli.backends.device import torch_device
from asrcli.backends.process.batches import (
    Answer,
    decode_by_request,
    decode_in_halves,
    is_out_of_memory,
    padded,
    split_batches,
)
from asrcli.backends.process.offline_hubs import keep_hubs_offline
from asrcli.backends.qwen.check import ALIGNED_LANGUAGES, aligner_of
from asrcli.backends.sherpa.model_types import QWEN3_LANGUAGES
from asrcli.backends.types import DecodeJob, Hypothesis, ModelSpec, Recognizer, SchedulingService, Token
from asrcli.backends.vllm.options import (
    BATCH,
    LIMITS,
    not_started,
    prepare_process,
    record_limits,
    transcribes_natively,
    uses_vllm,
)
from asrcli.backends.vllm.recognizer import VllmRecognizer
from asrcli.errors import MissingExtraError, ModelError
from asrcli.options import RecognitionOptions

#: shorter chunks are padded with silence
_SHORTEST = SAMPLE_RATE // 2
_MARK = "<asr_text>"
_CODES = {name: code for code, name in QWEN3_LANGUAGES.items()}
#: part of the model's tensors that its files must hold; tied ones are written once
_LEAST_LOADED = 0.9
#: tokens of an answer, and the part of them that counts as cut short
_MOST_TOKENS, _FULL = 512, 0.95


def load(spec: ModelSpec, threads: int) -> Recognizer | SchedulingService:  # noqa: ARG001 - calls are made one by one
    """Load a model, on torch with a notice where vLLM does not start. Raises ModelError: files that are damaged or
    incomplete; MissingExtraError: qwen-asr is not installed; MachineError: the device is not available.
    """
    check_model(spec)
    if not uses_vllm(spec):
        return QwenRecognizer(spec)
    spec = prepare_process(spec)
    try:
        return _on_vllm(spec)
    except (ModelError, MissingExtraError) as error:
        if find_spec("qwen_asr") is None:
            raise
        on_torch = QwenRecognizer(replace(spec, options={**spec.options, "engine": "torch"}))
        on_torch.notices = (not_started(spec, error),)
        return on_torch


def _on_vllm(spec: ModelSpec) -> Recognizer | SchedulingService:
    if spec.options.get("aligner") or not transcribes_natively():
        return QwenRecognizer(spec)
    return VllmRecognizer(spec, _read_native)


def _read_native(text: str, language: str | None) -> Hypothesis:
    name, text = read_answer(text, None if language is None else QWEN3_LANGUAGES[language])
    return Hypothesis(text, language=_CODES.get(name))


class QwenRecognizer:
    """A loaded model."""

    #: what the user should know of how it was loaded
    notices: tuple[str, ...] = ()

    def __init__(self, spec: ModelSpec) -> None:
        try:
            keep_hubs_offline()
            import torch
            from qwen_asr import Qwen3ASRModel
        except ImportError as error:
            raise MissingExtraError(f"qwen-asr cannot be imported: {error}.", "pip install qwen-asr") from error
        self._spec = spec
        self._lock = threading.Lock()
        self._vllm = vllm = uses_vllm(spec)
        # vLLM schedules what it gets by itself; torch pads a batch to its longest.
        usual = int(spec.options.get("max_num_seqs", BATCH)) if vllm else 1
        self.batch_size = int(spec.options.get("batch_size", usual))
        self._most_tokens = int(spec.options.get("max_new_tokens", _MOST_TOKENS))
        device = torch_device(spec, torch)
        self._on_cpu = device == "cpu"
        dtype = _dtype(spec, device, torch)
        folder = str(spec.files["config"].parent)
        aligner = aligner_of(spec)
        common: dict[str, Any] = {
            "forced_aligner": str(aligner) if aligner else None,
            "forced_aligner_kwargs": {"dtype": dtype, "device_map": device} if aligner else None,
            "max_inference_batch_size": -1,
            "max_new_tokens": self._most_tokens,
        }
        try:
            if vllm:
                limits = {name: spec.options[name] for name in LIMITS if name in spec.options}
                self._model = Qwen3ASRModel.LLM(folder, dtype=str(dtype).removeprefix("torch."), **limits, **common)
            else:
                self._model = Qwen3ASRModel.from_pretrained(folder, dtype=dtype, device_map=device, **common)
                _check_weights(spec.files["config"].parent, self._model.model)
            if aligner:
                _check_weights(aligner, self._model.forced_aligner.model)
        except ModelError:
            raise
        except Exception as error:
            raise ModelError(f"qwen-asr cannot load {spec.name}: {error}", "Is it a whole model?") from error

        self._infer = self._model._infer_asr  # noqa: SLF001 - see the top
        self._limits = record_limits(self._model.model) if vllm else None
        named = self._model.forced_aligner.get_supported_languages() if aligner else None
        self._aligned = frozenset(named or (QWEN3_LANGUAGES[code].lower() for code in ALIGNED_LANGUAGES))

    def run(self, jobs: Sequence[DecodeJob]) -> Sequence[Hypothesis | Exception]:
        """Decode jobs; one that fails has its error in its place."""

        def decode(group: list[int], request: RecognitionOptions) -> Iterator[Answer]:
            transcribe = partial(self._transcribe, request=request)
            # vLLM pads nothing.
            lengths = [len(job.samples) for job in jobs]
            for batch in [group] if self._vllm else split_batches(group, lengths, bounded=self._on_cpu):
                chunks = [jobs[index].samples for index in batch]
                yield from zip(batch, decode_in_halves(self, chunks, transcribe, "qwen-asr", (Exception,)), strict=True)

        return decode_by_request(jobs, partial(check_request, self._spec), decode)

    def _transcribe(self, chunks: Sequence[Samples], request: RecognitionOptions) -> list[Hypothesis]:
        language = QWEN3_LANGUAGES.get(str(request.language))
        context = ", ".join(
            [hotword.text for hotword in request.hotwords] + ([request.prompt] if request.prompt else [])
        )
        sounds = [padded(chunk, _SHORTEST) for chunk in chunks]
        # Tokenizers and vLLM's generate are not for several threads.
        with self._lock:
            if self._limits is not None:
                self._limits.clear()
            raw = self._infer([context] * len(sounds), sounds, [language] * len(sounds))
            limits = [*map(self._is_full, raw)] if self._limits is None else [*self._limits]
            found = [read_answer(text, language) for text in raw]
            tokens = self._align_or_not(sounds, found)
        return [
            Hypothesis(text, timed or (), language=_CODES.get(name), limit=limit, unplaced=timed is None)
            for (name, text), timed, limit in zip(found, tokens, limits, strict=True)
        ]

    def _align_or_not(
        self, sounds: Sequence[Samples], found: Sequence[tuple[str, str]]
    ) -> Sequence[tuple[Token, ...] | None]:
        """As `_align`; None for a chunk at which the aligner fails: it keeps its text, without times."""
        try:
            return self._align(sounds, found)
        except Exception as error:
            if len(sounds) > 1 or is_out_of_memory(error):
                raise  # in halves
            return [None]

    def _align(self, sounds: Sequence[Samples], found: Sequence[tuple[str, str]]) -> list[tuple[Token, ...]]:
        """The words of each chunk in time, seconds; none without an aligner, or in a language that it was not trained
        for.
        """
        tokens: list[tuple[Token, ...]] = [()] * len(sounds)
        spoken = [
            index for index, (name, text) in enumerate(found) if text and (not name or name.lower() in self._aligned)
        ]
        if self._model.forced_aligner is None or not spoken:
            return tokens
        aligned = self._model.forced_aligner.align(
            audio=[(sounds[index], SAMPLE_RATE) for index in spoken],
            text=[found[index][1] for index in spoken],
            language=[found[index][0] or "English" for index in spoken],
        )
        for index, result in zip(spoken, aligned, strict=True):
            most = len(sounds[index]) / SAMPLE_RATE
            tokens[index] = tuple(
                Token(item.text, min(item.start_time, most), min(max(item.start_time, item.end_time), most))
                for item in result.items
            )
        return tokens

    def _is_full(self, answer: str) -> bool:
        return len(self._model.processor.tokenizer.encode(answer)) >= _FULL * self._most_tokens


def read_answer(raw: str, language: str | None) -> tuple[str, str]:
    """Qwen's name of the language ("" if unknown) and the text of an answer. Where a language was asked for, the answer
    is text alone; else it is "language English<asr_text>...".
    """
    if language is not None:
        return language, raw.strip()
    head, mark, text = raw.partition(_MARK)
    if not mark:
        return "", raw.strip()
    name = head.strip().removeprefix("language").strip()
    return name if name in _CODES else "", text.strip()


def _dtype(spec: ModelSpec, device: str, torch: Any) -> Any:
    named = spec.options.get("dtype", "auto")
    if named == "auto":
        named = "fp32" if device == "cpu" else "bf16"
    return {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}[named]


def _check_weights(folder: Path, module: Any) -> None:
    """Transformers gives tensors that the files lack random values."""
    from safetensors import safe_open

    held: set[str] = set()
    for path in folder.glob("*.safetensors"):
        with safe_open(str(path), "pt") as file:
            held |= set(file.keys())
    wanted = set(module.state_dict())
    share = len(wanted & held) / max(1, len(wanted))
    if share < _LEAST_LOADED:
        raise ModelError(
            f"{folder} holds only {share:.0%} of the weights that config.json describes.",
            "A part is missing or belongs to another model: download the model again.",
        )
