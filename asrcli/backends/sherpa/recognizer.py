"""Offline recognition with sherpa-onnx, for every model type in `model_types.TYPES`. Runs in the engine process.

Several threads decode on one recogniser (measured: threads inside the engine are of no use). Where the language is a
parameter of the factory, a few recognisers are kept and the least recently used is dropped.

Chunks are decoded one by one. In a batch the engine pads all chunks to the longest, and models with int8 weights
quantise activations over the whole batch: the words of a chunk would depend on which others it is decoded with.

The engine writes to stderr (and some of its parts to stdout): its process must keep both away from results.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from asrcli.audio.types import SAMPLE_RATE, Samples
from asrcli.backends.checks import check_model, check_request, explain_failure, languages_of
from asrcli.backends.process import engine_log
from asrcli.backends.process.batches import engine_error
from asrcli.backends.process.resource_limits import default_jobs
from asrcli.backends.process.synchronization import LruCache, SharedLock
from asrcli.backends.registry import is_streaming
from asrcli.backends.sherpa.check import context_size, sherpa_type
from asrcli.backends.sherpa.device import provider_arguments
from asrcli.backends.sherpa.hotwords import beam_phrases, prompt_phrases
from asrcli.backends.sherpa.model_types import RULES, SherpaType
from asrcli.backends.sherpa.prompt import prompt_tokens
from asrcli.backends.sherpa.results import ResultReader, token_count
from asrcli.backends.sherpa.token_table import read_tokens
from asrcli.backends.types import DecodeJob, Hypothesis, ModelSpec, Recognizer
from asrcli.errors import AsrcliError, EngineError, ModelError
from asrcli.options import RecognitionOptions
from asrcli.storage.onnx_file import read_metadata

#: recognisers kept for languages, beam search and ITN by rules
_KEPT = 3
#: shorter chunks are padded with silence: convolutions need a few frames (sherpa-onnx issue 3685)
_SHORTEST = SAMPLE_RATE // 2
#: a chunk that reached the limit of tokens a second is padded to this many times its length, and at least this length
_STRETCH, _LEAST_STRETCHED = 3, 30 * SAMPLE_RATE
#: exceptions of C++ as the binding raises them
ENGINE_ERRORS = (RuntimeError, ValueError, IndexError, MemoryError)


def load(spec: ModelSpec, threads: int) -> Recognizer:  # noqa: ARG001 - they are the callers of `run`
    """Load a model, for its default language. Each of `threads` callers of `run` decodes on its own core, so the engine
    gets one thread unless the model's options set another number. Raises ModelError: files that the engine could not
    load; OptionNotSupportedError, LanguageNotSupportedError as `validate`.
    """
    if is_streaming(spec.type):
        raise ModelError(
            f"{spec.name} ({spec.type}) is a streaming model.", "Choose one of `asrcli models list --kind asr`."
        )
    check_model(spec)
    return SherpaRecognizer(spec)


@dataclass(frozen=True, slots=True)
class _Variant:
    """What is settled when a recogniser is built."""

    language: str = ""
    beam: bool = False
    rules: bool = True


class SherpaRecognizer:
    """A model, and the recognisers made of it."""

    backend = "sherpa_onnx"
    batch_size = 1

    def __init__(self, spec: ModelSpec) -> None:
        self._spec = spec
        self._type = sherpa_type(spec)
        self._tokens = read_tokens(spec.files["tokens"]) if "tokens" in spec.files else None
        self._reader = ResultReader(
            tagged=self._type.tagged,
            joins_with_at=spec.type == "paraformer",
            byte_bpe=self._tokens is not None and self._tokens.byte_bpe,
            timed=self._type.timed,
            notes=self._type.notes,
        )
        languages = languages_of(spec)
        self._only_language = languages[0] if len(languages) == 1 else None
        self._decoding = SharedLock()
        self._most_tokens = _most_tokens(spec, self._type)
        #: SenseVoice answers with its tags to any sound; no answer at all means that the engine failed
        self._always_answers = self._type.tagged and "Nano" not in read_metadata(spec.files["model"]).get("comment", "")
        self._recognizers: LruCache[_Variant, Any] = LruCache(self._build, _KEPT)
        self._recognizers.prepare(self._variant(RecognitionOptions()))

    def run(self, jobs: Sequence[DecodeJob]) -> Sequence[Hypothesis | Exception]:
        """Decode jobs; one that fails has its error in its place."""
        return [self._answer(job.samples, job.request) for job in jobs]

    def _answer(self, samples: Samples, request: RecognitionOptions) -> Hypothesis | Exception:
        try:
            check_request(self._spec, request)
            recognizer = self._recognizers.get(self._variant(request))
            return self._decode(recognizer, samples, request) if len(samples) else Hypothesis("")
        except AsrcliError as error:
            return error
        except IndexError as error:  # its table of tokens has none of that number
            return EngineError(
                f"{self._spec.name} emitted a token that its tokens.txt lacks ({error}).",
                "It is cut short or belongs to another model: check `files:`, or download the model again.",
            )
        except ENGINE_ERRORS as error:
            message = f"sherpa-onnx failed at a chunk of {len(samples) / SAMPLE_RATE:.2f} s: {error}"
            return engine_error(message, error, self._explanation)

    @cached_property
    def _explanation(self) -> str:
        return explain_failure(self._spec)

    # -- building ----------------------------------------------------------------------------------------------------

    def _variant(self, request: RecognitionOptions) -> _Variant:
        language = ""
        if self._type.language_by == "factory":
            language = _asked(request) or str(self._spec.options.get(self._type.language_keys[0], ""))
        return _Variant(
            language=language,
            beam=bool(request.hotwords) and needs_beam(self._type, self._spec),
            rules=request.itn or not self._has_itn_rules(),
        )

    def _has_itn_rules(self) -> bool:
        return any(self._spec.files.get(name) or self._spec.options.get(name) for name in ("rule_fsts", "rule_fars"))

    def _build(self, variant: _Variant) -> Any:
        from sherpa_onnx import OfflineRecognizer

        factory = getattr(OfflineRecognizer, self._type.factory)
        try:
            return factory(**self._arguments(variant))
        except (RuntimeError, ValueError, TypeError, AssertionError) as error:
            raise ModelError(
                f"sherpa-onnx cannot load {self._spec.name}: {error}",
                self._explanation or f"Is it a model of type {self._spec.type}?",
            ) from error

    def _arguments(self, variant: _Variant) -> dict[str, Any]:
        files = {name: str(path) for name, path in self._spec.files.items()}
        arguments = {**self._type.defaults, **provider_arguments(self._spec), **self._type.fixed, **files}
        if self._type.serial:
            arguments.setdefault("num_threads", default_jobs())
        if self._type.language_by == "factory":
            arguments[self._type.language_keys[0]] = variant.language
        for key in self._type.language_keys:
            if key in arguments:
                arguments[key] = self._type.language_names.get(arguments[key], arguments[key])
        if variant.beam:
            arguments["decoding_method"] = "modified_beam_search"
        if not variant.rules:
            for name in RULES[:2]:
                arguments.pop(name, None)
        return arguments

    # -- decoding ----------------------------------------------------------------------------------------------------

    def _decode(self, recognizer: Any, samples: Samples, request: RecognitionOptions) -> Hypothesis:
        """Decode a chunk; once more with silence behind it where it reached the engine's limit of tokens."""
        length = max(_SHORTEST, len(samples) + round(self._type.tail * SAMPLE_RATE))
        result, cut = self._run(recognizer, samples, request, length)
        longest = min(round(self._type.padded * SAMPLE_RATE), max(_STRETCH * length, _LEAST_STRETCHED))
        if cut and longest > length:
            result, cut = self._run(recognizer, samples, request, longest)
        hypothesis = replace(self._reader.read(result, len(samples) / SAMPLE_RATE), limit=cut)
        if hypothesis.language is None and not self._type.tagged:
            return replace(hypothesis, language=_asked(request) or self._only_language)
        return hypothesis

    def _run(self, recognizer: Any, samples: Samples, request: RecognitionOptions, length: int) -> tuple[Any, bool]:
        """The engine's result for a chunk padded to `length` samples, and whether a limit cut it short.

        What the engine reports on stderr may be of another thread's chunk: then the chunk is decoded again while no
        other thread decodes.
        """
        log = engine_log.own
        alone = self._decoding.exclusive
        for lock in (alone if self._type.serial else self._decoding.shared, alone):
            with lock():
                mark = log.mark() if log else 0
                stream = self._stream(recognizer, samples, request, length)
                recognizer.decode_stream(stream)
                failure = log.complaint_since(mark) if log and not stream.result.text else None
                truncated = log is not None and log.truncated_since(mark)
            if not failure and not truncated:
                break
        chunk = f"a chunk of {len(samples) / SAMPLE_RATE:.2f} s"
        if failure:
            raise EngineError(f"sherpa-onnx failed at {chunk}: {failure}", self._explanation)
        if self._always_answers and not stream.result.lang:
            raise EngineError(f"sherpa-onnx gave no answer for {chunk}.", self._explanation)
        return stream.result, truncated or self._is_full(stream.result, request, length / SAMPLE_RATE)

    def _is_full(self, result: Any, request: RecognitionOptions, seconds: float) -> bool:
        """Whether the engine stopped at a limit of its own that it does not report."""
        row, count = self._type, token_count(result)
        limit = min(row.token_rate * seconds, self._most_tokens)
        if row.context is None:
            return count + 2 > limit
        prompt = prompt_tokens(self._spec, request)
        return count >= limit or row.context.is_full(context_size(self._spec), prompt, seconds, count)

    def _stream(self, recognizer: Any, samples: Samples, request: RecognitionOptions, length: int) -> Any:
        if request.hotwords and self._type.hotwords == "beam":
            assert self._tokens is not None
            stream = recognizer.create_stream(hotwords=beam_phrases(request.hotwords, self._tokens))
        else:
            stream = recognizer.create_stream()
        for name, value in (*self._type.stream_options.items(), *self._stream_options(request)):
            stream.set_option(name, value)
        stream.accept_waveform(SAMPLE_RATE, as_floats(samples, length))
        return stream

    def _stream_options(self, request: RecognitionOptions) -> Iterator[tuple[str, str]]:
        row = self._type
        language = _asked(request)
        if language and row.language_by == "stream":
            for key in row.language_keys:
                # A target that the model's entry names is a translation that its user wants.
                if key != "tgt_lang" or not self._spec.options.get(key):
                    yield key, row.language_names.get(language, language)
        if row.itn_option:
            yield row.itn_option, str(int(request.itn and self._spec.options.get(row.itn_option, True)))
        if row.hotwords == "prompt" and (request.hotwords or request.prompt):
            yield "hotwords", prompt_phrases(request.hotwords, request.prompt)


def needs_beam(row: SherpaType, spec: ModelSpec) -> bool:
    """Whether hotwords take a recogniser of their own: one that searches a beam, where the entry's does not."""
    return row.hotwords == "beam" and spec.options.get("decoding_method") != "modified_beam_search"


def _most_tokens(spec: ModelSpec, row: SherpaType) -> float:
    """The most tokens that the engine emits for a chunk of any length."""
    if row.context is not None:
        return float(spec.options.get("max_new_tokens", row.defaults.get("max_new_tokens", row.context.size)))
    # Whisper: half of its context; FireRedASR: half of its longest text.
    encoder = spec.files.get("encoder")
    metadata = read_metadata(encoder) if encoder is not None and encoder.suffix == ".onnx" else {}
    found = metadata.get("n_text_ctx") or metadata.get("max_len") or ""
    return int(found) // 2 if found.isdigit() else math.inf


def as_floats(samples: Samples, shortest: int = 0) -> array[float]:
    """Samples, (samples,), in the form that the binding converts fastest, with NaN and infinity replaced.

    Fewer than `shortest` are filled up with silence.

    It reads any sequence item by item, holding the interpreter's lock: 0.3 ms a second of audio from an `array`, three
    times that from numpy.
    """
    clean = samples if np.isfinite(samples).all() else np.nan_to_num(samples, nan=0.0, posinf=1.0, neginf=-1.0)
    floats = array("f", np.ascontiguousarray(clean, dtype=np.float32).tobytes())
    floats.frombytes(bytes(floats.itemsize * max(0, shortest - len(floats))))
    return floats


def _asked(request: RecognitionOptions) -> str:
    """The language asked for; "" where the model is to find out."""
    return "" if request.language in {None, "auto"} else str(request.language)
