"""Offline recognition with sherpa-onnx, for every model type in `model_types.TYPES`. Runs in the engine process.

Several threads decode on one recogniser (measured: threads inside the engine buy nothing). Where the language is a
parameter of the factory, a few recognisers are kept, the least recently used is dropped.

The engine writes to stderr (and some of its parts to stdout): the process it lives in must keep both away from results.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from asrcli.audio.types import SAMPLE_RATE, Samples
from asrcli.backends.checks import check_model, check_request
from asrcli.backends.process import engine_log
from asrcli.backends.process.batches import group_by_request, split_batches
from asrcli.backends.registry import is_streaming
from asrcli.backends.sherpa.check import sherpa_type
from asrcli.backends.sherpa.hotwords import beam_phrases, prompt_phrases
from asrcli.backends.sherpa.lru_cache import LruCache
from asrcli.backends.sherpa.model_types import RULES, SherpaType
from asrcli.backends.sherpa.results import ResultReader
from asrcli.backends.sherpa.token_table import read_tokens
from asrcli.backends.types import DecodeJob, Hypothesis, ModelSpec, Recognizer
from asrcli.errors import AsrcliError, EngineError, ModelError
from asrcli.options import RecognitionOptions
from asrcli.storage.onnx_file import read_metadata

#: recognisers kept for languages, beam search and ITN by rules
_KEPT = 3
#: Jobs decoded at once where the engine really batches. That pays for short chunks; long ones fill a core by
#: themselves, and what one thread has taken another cannot have.
_BATCH_SIZE = 4
#: shorter chunks are padded with silence: convolutions need a few frames (sherpa-onnx issue 3685)
_SHORTEST = SAMPLE_RATE // 2
#: what exceptions of C++ come as
ENGINE_ERRORS = (RuntimeError, ValueError, IndexError, MemoryError)


def load(spec: ModelSpec, threads: int) -> Recognizer:  # noqa: ARG001 - they are the callers of `run`
    """Load a model, for its default language.

    Args:
        spec: the model.
        threads: how many threads will call `run`; each decodes on its own core, so the engine gets one for itself
            unless the model's options say otherwise.

    Raises:
        ModelError: files that the engine could not load; OptionNotSupportedError, LanguageNotSupportedError as
            `validate`.
    """
    if is_streaming(spec.type):
        raise ModelError(
            f"{spec.name} ({spec.type}) is a streaming model.", "Choose one of `asrcli models --kind asr`."
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

    def __init__(self, spec: ModelSpec) -> None:
        self._spec = spec
        self._type = sherpa_type(spec)
        self.batch_size = _BATCH_SIZE if self._type.batches else 1
        self._tokens = read_tokens(spec.files["tokens"]) if "tokens" in spec.files else None
        self._reader = ResultReader(
            tagged=self._type.tagged,
            joins_with_at=spec.type == "paraformer",
            byte_bpe=self._tokens is not None and self._tokens.byte_bpe,
            timed=self._type.timed,
        )
        self._only_language = spec.languages[0] if len(spec.languages) == 1 else None
        #: SenseVoice answers with its tags whatever it hears; no answer at all means that the engine failed
        self._always_answers = self._type.tagged and "Nano" not in read_metadata(spec.files["model"]).get("comment", "")
        self._recognizers: LruCache[_Variant, Any] = LruCache(self._build, _KEPT)
        self._recognizers.prepare(self._variant(RecognitionOptions()))

    def run(self, jobs: Sequence[DecodeJob]) -> Sequence[Hypothesis | Exception]:
        """Decode jobs; one that fails has its error in its place, the others their hypotheses."""
        results: list[Hypothesis | Exception] = [Hypothesis("")] * len(jobs)
        for group in group_by_request(jobs):
            request = jobs[group[0]].request
            try:
                check_request(self._spec, request)
                recognizer = self._recognizers.get(self._variant(request))
            except AsrcliError as error:
                for index in group:
                    results[index] = error
                continue
            for batch in split_batches(group, [len(job.samples) for job in jobs]):
                decoded = self._decode(recognizer, [jobs[index].samples for index in batch], request)
                for index, result in zip(batch, decoded, strict=True):
                    results[index] = result
        return results

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
                f"sherpa-onnx cannot load {self._spec.name}: {error}", f"Is it a model of type {self._spec.type}?"
            ) from error

    def _arguments(self, variant: _Variant) -> dict[str, Any]:
        files = {name: str(path) for name, path in self._spec.files.items()}
        arguments = {**self._type.defaults, **self._spec.options, **self._type.fixed, **files}
        if self._type.language_by == "factory":
            arguments[self._type.language_keys[0]] = variant.language
        if variant.beam:
            arguments["decoding_method"] = "modified_beam_search"
        if not variant.rules:
            for name in RULES[:2]:
                arguments.pop(name, None)
        return arguments

    # -- decoding ----------------------------------------------------------------------------------------------------

    def _decode(
        self, recognizer: Any, samples: Sequence[Samples], request: RecognitionOptions
    ) -> list[Hypothesis | Exception]:
        """Decode chunks together; where that fails, one by one, so that only the guilty fail."""
        if len(samples) > 1:
            try:
                streams = [self._stream(recognizer, chunk, request) for chunk in samples]
                recognizer.decode_streams(streams)
            except ENGINE_ERRORS:
                streams = []
            # On some of its failures the engine prints a line and leaves the whole batch without an answer.
            if any(stream.result.text or stream.result.lang for stream in streams):
                return [self._read(stream, chunk, request) for stream, chunk in zip(streams, samples, strict=True)]
        return [self._decode_one(recognizer, chunk, request) for chunk in samples]

    def _decode_one(self, recognizer: Any, samples: Samples, request: RecognitionOptions) -> Hypothesis | Exception:
        if not len(samples):
            return Hypothesis("")
        log = engine_log.own
        mark = log.mark() if log else 0
        try:
            stream = self._stream(recognizer, samples, request)
            recognizer.decode_stream(stream)
            complaint = log.complaint_since(mark) if log and not stream.result.text else None
            if complaint:
                return EngineError(f"sherpa-onnx failed at a chunk of {len(samples) / SAMPLE_RATE:.2f} s: {complaint}")
            if self._always_answers and not stream.result.lang:
                return EngineError(f"sherpa-onnx gave no answer for a chunk of {len(samples) / SAMPLE_RATE:.2f} s.")
            return self._read(stream, samples, request)
        except IndexError as error:  # its table of tokens has none of that number
            return ModelError(
                f"{self._spec.name} said a token that its tokens.txt lacks ({error}).",
                "It is cut short or belongs to another model: check `files:`, or download the model again.",
            )
        except ENGINE_ERRORS as error:
            return EngineError(f"sherpa-onnx failed at a chunk of {len(samples) / SAMPLE_RATE:.2f} s: {error}")

    def _stream(self, recognizer: Any, samples: Samples, request: RecognitionOptions) -> Any:
        if request.hotwords and self._type.hotwords == "beam":
            assert self._tokens is not None
            stream = recognizer.create_stream(hotwords=beam_phrases(request.hotwords, self._tokens))
        else:
            stream = recognizer.create_stream()
        for name, value in self._stream_options(request):
            stream.set_option(name, value)
        padded = max(_SHORTEST, len(samples) + round(self._type.tail * SAMPLE_RATE))
        stream.accept_waveform(SAMPLE_RATE, as_floats(samples, padded))
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

    def _read(self, stream: Any, samples: Samples, request: RecognitionOptions) -> Hypothesis:
        hypothesis = self._reader.read(stream.result, len(samples) / SAMPLE_RATE)
        if hypothesis.language is None and not self._type.tagged:
            return replace(hypothesis, language=_asked(request) or self._only_language)
        return hypothesis


def needs_beam(row: SherpaType, spec: ModelSpec) -> bool:
    """Whether hotwords take a recogniser of their own: one that searches a beam, where the entry's does not."""
    return row.hotwords == "beam" and spec.options.get("decoding_method") != "modified_beam_search"


def as_floats(samples: Samples, shortest: int = 0) -> array[float]:
    """Samples, (samples,), in the form that the binding converts fastest, without what is no number.

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
