"""Recognition with vLLM's own engine: each chunk is a request that is answered by itself. Runs in the engine process.

Prompts are those of the model's class in vLLM (`SupportsTranscription`), as its server writes them.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from asrcli.audio.types import SAMPLE_RATE, Samples
from asrcli.backends.checks import check_model, check_request, model_type
from asrcli.backends.ctranslate2.results import repeats
from asrcli.backends.device import devices_of, not_available
from asrcli.backends.notes import without_notes
from asrcli.backends.process.batches import first_line, padded
from asrcli.backends.process.offline_hubs import keep_hubs_offline
from asrcli.backends.types import Answer, DecodeJob, Hypothesis, ModelSpec, SchedulingService
from asrcli.backends.vllm.check import WHISPER
from asrcli.backends.vllm.engine import Output, VllmEngine
from asrcli.backends.vllm.options import BATCH, LIMITS, prepare_process
from asrcli.errors import (
    EngineError,
    LanguageNotSupportedError,
    MissingExtraError,
    ModelError,
    OptionNotSupportedError,
)
from asrcli.options import RecognitionOptions

#: shorter chunks are padded with silence
_SHORTEST = SAMPLE_RATE // 2
#: tokens of an answer where the entry sets no `max_new_tokens`
_MOST_TOKENS = 512
_DTYPES = {"fp32": "float32", "fp16": "float16", "bf16": "bfloat16"}

#: reads a hypothesis from the text of an answer and the language that was asked for or detected
ReadText = Callable[[str, str | None], Hypothesis]


def load(spec: ModelSpec, threads: int) -> SchedulingService:  # noqa: ARG001 - vLLM has a thread of its own
    """Load a model. Raises ModelError: vLLM cannot load it; MissingExtraError: vLLM is not installed; MachineError: the
    device is not available.
    """
    check_model(spec)
    return VllmRecognizer(prepare_process(spec))


class VllmRecognizer:
    """A loaded model."""

    def __init__(self, spec: ModelSpec, read: ReadText | None = None) -> None:
        """A model on the device of `prepare_process`; `read` None: as its class in vLLM reads its text."""
        self._spec = spec
        self._names = model_type(spec).language_names
        llm = _start(spec)
        self.batch_size = int(spec.options.get("batch_size", spec.options.get("max_num_seqs", BATCH)))
        self._prompts = _Prompts(spec, llm)
        self._read = read or self._prompts.read
        self._most_tokens = int(spec.options.get("max_new_tokens", _MOST_TOKENS))
        self._engine = VllmEngine(llm.llm_engine)

    def start(self, key: int, job: DecodeJob, answer: Answer, growing: Answer | None) -> None:
        """See `SchedulingService.start`."""
        request: RecognitionOptions = job.request
        check_request(self._spec, request)
        if not np.any(job.samples):  # models invent words for digital silence
            answer(Hypothesis(""))
            return
        samples = padded(job.samples, _SHORTEST)
        submit = partial(self._engine.submit, str(key), priority=job.priority)
        language = self._prompts.only_language if request.language in {None, "", "auto"} else request.language

        def decode(language: str | None) -> None:
            named = None if language is None else self._names.get(language, language)
            prompt = self._prompts.of_chunk(samples, named, request)
            grow = None if growing is None else lambda found: growing(self._hypothesis(found, language))
            take = partial(self._answer, answer, language)
            submit(prompt, {"max_tokens": self._most_tokens}, take, growing=grow)

        if language is None and (detection := self._prompts.of_language(samples)) is not None:
            prompt, parameters = detection
            submit(prompt, parameters, partial(self._take_language, answer, decode))
        else:
            decode(language)

    def abort(self, key: int) -> None:
        """See `SchedulingService.abort`."""
        self._engine.abort(str(key))

    def close(self) -> None:
        """See `SchedulingService.close`."""
        self._engine.close()

    # -- answers -----------------------------------------------------------------------------------------------------

    def _take_language(self, answer: Answer, decode: Callable[[str], None], found: Output | Exception) -> None:
        if isinstance(found, Exception):
            answer(found)
            return
        try:
            decode(self._prompts.read_language(found.tokens))
        except Exception as error:  # noqa: BLE001 - of this job
            answer(error)

    def _answer(self, answer: Answer, language: str | None, found: Output | Exception) -> None:
        answer(found if isinstance(found, Exception) else self._hypothesis(found, language))

    def _hypothesis(self, found: Output | Exception, language: str | None) -> Hypothesis:
        assert isinstance(found, Output)
        hypothesis = self._read(found.text, language)
        return replace(hypothesis, limit=found.limit or hypothesis.limit)


class _Prompts:
    """Prompts of one model, and what its answers mean."""

    def __init__(self, spec: ModelSpec, llm: Any) -> None:
        from vllm.model_executor.model_loader import get_model_cls

        self._spec = spec
        self._config: Any = llm.llm_engine.model_config
        self._class: Any = get_model_cls(self._config)
        if not getattr(self._class, "supports_transcription", False):
            raise ModelError(f"{spec.name}: vLLM does not transcribe with models of this class.")
        self._task = str(spec.options.get("task", "transcribe"))
        self._speech: Any = self._class.get_speech_to_text_config(self._config, self._task)
        self._tokenizer: Any = llm.get_tokenizer()
        #: the language of a chunk is asked for before its words
        self._detects = bool(getattr(self._class, "supports_explicit_language_detection", False))
        languages = spec.languages
        self.only_language = languages[0] if self._detects and len(languages) == 1 else None
        self._checked: set[tuple[str | None, str]] = set()

    def of_chunk(self, samples: Samples, language: str | None, request: RecognitionOptions) -> Any:
        """The prompt of a chunk. Raises OptionNotSupportedError: the model ignores the hotwords and the prompt;
        LanguageNotSupportedError: it ignores the language, or needs one; EngineError: the chunk is too long for it.
        """
        longest = self._speech.max_audio_clip_s
        if longest is not None and len(samples) > longest * SAMPLE_RATE:
            raise EngineError(
                f"{self._spec.name} reads at most {longest} s, not {len(samples) / SAMPLE_RATE:.1f} s.",
                "Set window: in its entry.",
            )
        context = _context(request)
        self._check(language, context)
        return self._prompt(samples, language, context)

    def of_language(self, samples: Samples) -> tuple[Any, dict[str, Any]] | None:
        """The prompt that asks for the language of a chunk, and parameters of its answer; None: an answer itself names
        the language.
        """
        if not self._detects:
            return None
        tokens = self._class.get_language_token_ids(self._tokenizer)
        own = self._spec.languages or tuple(self._class.supported_languages)
        allowed = [token for code, token in zip(self._class.supported_languages, tokens, strict=True) if code in own]
        prompt = self._class.get_language_detection_prompt(samples, self._speech)
        return prompt, {"max_tokens": 1, "allowed_token_ids": allowed or tokens}

    def read_language(self, tokens: Sequence[int]) -> str:
        """The language that a detection's answer names."""
        found: str = self._class.parse_language_detection_output(list(tokens), self._tokenizer)
        return found

    def read(self, text: str, language: str | None) -> Hypothesis:
        """The hypothesis of an answer."""
        text = self._class.post_process_output(text).strip()
        if self._spec.type != WHISPER:
            return Hypothesis(text, language=language)
        text, event = without_notes(text)
        return Hypothesis(text, language=language, event=event, limit=repeats(text))

    def _check(self, language: str | None, context: str) -> None:
        if (language, context) in self._checked:
            return
        silence = np.zeros(_SHORTEST, np.float32)
        written = _written(self._prompt(silence, language, context))
        if context and written == _written(self._prompt(silence, language, "")):
            raise OptionNotSupportedError(
                f"{self._spec.name} takes no hotwords and no prompt in vLLM.",
                "--correct-hotwords corrects words that sound like them.",
            )
        if language is not None and written == self._without_language(silence, context):
            raise LanguageNotSupportedError(
                f"{self._spec.name} cannot be asked for a language in vLLM: it detects it.", "Leave out --language."
            )
        self._checked.add((language, context))

    def _without_language(self, samples: Samples, context: str) -> Any:
        try:
            return _written(self._prompt(samples, None, context))
        except LanguageNotSupportedError:
            return None

    def _prompt(self, samples: Samples, language: str | None, context: str) -> Any:
        from vllm.config.speech_to_text import SpeechToTextParams

        asked = SpeechToTextParams(
            audio=samples,
            stt_config=self._speech,
            model_config=self._config,
            language=language,
            hotwords=context or None,
            task_type=self._task,
            request_prompt=context,
            to_language="en" if self._task == "translate" else None,
        )
        try:
            return self._class.get_generation_prompt(asked)
        except ValueError as error:
            if language is None:
                raise LanguageNotSupportedError(f"{self._spec.name} needs the language to be named: {error}") from error
            raise


def _context(request: RecognitionOptions) -> str:
    phrases = ", ".join(hotword.text for hotword in request.hotwords)
    return ", ".join(filter(None, (phrases, request.prompt)))


def _written(prompt: Any) -> Any:
    """A prompt without its sound."""
    if isinstance(prompt, dict):
        return {key: _written(value) for key, value in prompt.items() if key != "multi_modal_data"}
    return prompt


def _start(spec: ModelSpec) -> Any:
    """Start `vllm.LLM`. Raises MachineError: its build is for other devices; ModelError: it does not start."""
    keep_hubs_offline()
    try:
        import vllm
        from vllm.config.speech_to_text import SpeechToTextParams  # noqa: F401 - older versions have none
        from vllm.platforms import current_platform
    except ImportError as error:
        raise MissingExtraError(
            f"vLLM cannot be imported: {first_line(error)}.", "pip install --upgrade vllm"
        ) from error
    (device,) = devices_of(spec)
    built: str = current_platform.device_type
    if device.kind not in {"auto", built}:
        raise not_available(spec, device, f"the installed vLLM is built for {built or 'no device'}", "Install another")
    limits = {name: spec.options[name] for name in (*LIMITS, "max_model_len") if name in spec.options}
    try:
        return vllm.LLM(
            str(spec.files["config"].parent),
            dtype=_DTYPES.get(str(spec.options.get("dtype", "auto")), "float32" if built == "cpu" else "auto"),
            limit_mm_per_prompt={"audio": 1},
            scheduling_policy="priority",
            **limits,
        )
    except Exception as error:
        raise ModelError(
            f"vLLM cannot load {spec.name}: {first_line(error)}",
            "Is it a whole model, and the GPU's memory free? See gpu_memory_utilization and max_model_len.",
        ) from error
