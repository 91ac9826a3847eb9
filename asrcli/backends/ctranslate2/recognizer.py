"""Whisper with CTranslate2, in batches. Runs in the engine process.

Chunks come from our VAD, so CTranslate2's own `Whisper` is called, with the tokenizer and the spectrogram of
faster-whisper. On a CPU chunks are encoded one by one (a batch takes more time there: its activations leave the cache)
and decoded together. Nothing is sampled, and int8 products are whole numbers, so a chunk gets the same words in any
batch.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from asrcli.audio.types import SAMPLE_RATE, Samples
from asrcli.backends.certainty import mean_log_probability
from asrcli.backends.checks import check_model, check_request
from asrcli.backends.ctranslate2.check import CONTEXT, encode, previous_text
from asrcli.backends.ctranslate2.results import TokenReader, log_probability, plausible, repeats
from asrcli.backends.device import Device, devices_of, not_available
from asrcli.backends.notes import without_notes
from asrcli.backends.process.batches import Answer, decode_by_request, decode_in_halves, padded
from asrcli.backends.types import DecodeJob, Hypothesis, ModelSpec, Recognizer
from asrcli.distribution import pip_install
from asrcli.errors import AsrcliError, MissingExtraError, ModelError
from asrcli.options import RecognitionOptions
from asrcli.storage.allocator import keep_freed_memory

#: Whisper's window, and the shortest chunk that is not padded, samples
_WINDOW, _SHORTEST = 30 * SAMPLE_RATE, SAMPLE_RATE // 2
#: samples of a frame of the spectrogram, and frames of the window
_HOP = 160
_FRAMES = _WINDOW // _HOP
#: Whisper's spectrogram covers so much below its maximum, and nothing below this
_MEL_RANGE, _MEL_FLOOR = 2.0, -1.5
#: chunks a batch. On a CPU twelve (the queue gives half of them) take half the time of the decoder; large models fewer:
#: the keys and values of a chunk take up to 0.5 GB. Divided by the size of the model's file, bytes.
_BATCH_SIZE = {"cpu": 12, "cuda": 16}
_CPU_BATCH_BYTES = 2_000_000_000
#: greedy search takes 20 to 30 % less time than a beam of five, and made 0.6 % more errors (benchmarks.whisper)
_BEAM_SIZE = 1
#: It is unsure of words where the mean logarithm of their tokens' probabilities is less. With tiny.en, 100 recordings
#: of 20 other languages and of English backwards gave -0.8 at the most, shouted English -0.7, read English -0.2.
_LEAST_CERTAINTY = -0.75
#: exceptions of the library
_ENGINE_ERRORS = (RuntimeError, ValueError, MemoryError)


def load(spec: ModelSpec, threads: int) -> Recognizer:
    """Load a model for `threads` concurrent calls of `run`. Raises ModelError: files that CTranslate2 cannot load;
    MissingExtraError: faster-whisper is not installed; MachineError: the device is not available.
    """
    check_model(spec)
    return CTranslate2Recognizer(spec, threads)


class CTranslate2Recognizer:
    """A loaded Whisper model."""

    def __init__(self, spec: ModelSpec, threads: int) -> None:
        try:
            import ctranslate2
            import tokenizers
            from faster_whisper.feature_extractor import FeatureExtractor
        except ImportError as error:
            raise MissingExtraError(f"faster-whisper cannot be imported: {error}.", pip_install("whisper")) from error
        self._spec = spec
        self._library = ctranslate2
        device = _device(spec, ctranslate2)
        self._on_cpu = device.kind == "cpu"
        most = _BATCH_SIZE[device.kind]
        if self._on_cpu:
            most = min(most, max(2, _CPU_BATCH_BYTES // spec.files["model"].stat().st_size))
        self.batch_size = int(spec.options.get("batch_size", most))
        if self._on_cpu:
            keep_freed_memory()  # every layer of the encoder frees what the next one allocates
        try:
            self._model = ctranslate2.models.Whisper(
                str(spec.files["model"].parent),
                device=device.kind,
                device_index=device.index,
                compute_type=_compute_type(spec, device, ctranslate2),
                inter_threads=threads if self._on_cpu else 1,
                intra_threads=spec.options.get("num_threads") or (1 if threads > 1 else os.cpu_count() or 1),
            )
            self._tokenizer = tokenizers.Tokenizer.from_file(str(spec.files["tokenizer"]))
            self._spectrogram = FeatureExtractor(feature_size=self._model.n_mels)
            if not self._on_cpu:  # CUDA's libraries are loaded at the first call
                self._encode([np.ones(_SHORTEST, np.float32)])
        except Exception as error:  # the tokenizer's exceptions have no class of their own
            raise _loading_error(spec, device, error) from error

    def size_class(self, samples: int) -> int:  # noqa: ARG002 - every chunk is padded to 30 s
        """See `Service.size_class`."""
        return 0

    def run(self, jobs: Sequence[DecodeJob]) -> Sequence[Hypothesis | Exception]:
        """Decode jobs; one that fails has its error in its place."""

        def decode(group: list[int], request: RecognitionOptions) -> Iterator[Answer]:
            # The model invents words for digital silence.
            audible = [index for index in group if np.any(jobs[index].samples)]
            decoded = self._decode([padded(jobs[index].samples, _SHORTEST) for index in audible], request)
            yield from zip(audible, decoded, strict=True)

        return decode_by_request(jobs, partial(check_request, self._spec), decode)

    def _decode(self, chunks: Sequence[Samples], request: RecognitionOptions) -> list[Hypothesis | Exception]:
        decode = partial(self._transcribe, request=request)
        return decode_in_halves(self, chunks, decode, "CTranslate2", _ENGINE_ERRORS)

    def _transcribe(self, chunks: Sequence[Samples], request: RecognitionOptions) -> Sequence[Hypothesis]:
        encoded = self._encode(chunks)
        languages = self._languages(encoded, request)
        results: list[Hypothesis] = [Hypothesis("")] * len(chunks)
        for language in dict.fromkeys(languages):
            same = [index for index, found in enumerate(languages) if found == language]
            seconds = [len(chunks[index]) / SAMPLE_RATE for index in same]
            decoded = self._generate([encoded[index] for index in same], seconds, language, request)
            for index, hypothesis in zip(same, decoded, strict=True):
                results[index] = hypothesis
        return results

    # -- the model's parts -------------------------------------------------------------------------------------------

    def _encode(self, chunks: Sequence[Samples]) -> list[Any]:
        """The encoder's output of each chunk, (positions, width)."""
        spectra = [self._features(chunk) for chunk in chunks]
        batches = [[spectrum] for spectrum in spectra] if self._on_cpu else [spectra]
        return [
            output
            for batch in batches
            for output in np.asarray(self._model.encode(self._view(batch), to_cpu=True), np.float32)
        ]

    def _features(self, chunk: Samples) -> Any:
        """Whisper's spectrogram, (bands, frames); behind the chunk what digital silence gives."""
        found = self._spectrogram(chunk, padding=400)[:, :_FRAMES]
        floor = max(_MEL_FLOOR, float(found.max()) - _MEL_RANGE)
        return np.pad(found, ((0, 0), (0, _FRAMES - found.shape[1])), constant_values=floor)

    def _view(self, arrays: Sequence[Any]) -> Any:
        return self._library.StorageView.from_array(np.ascontiguousarray(np.stack(arrays), np.float32))

    def _languages(self, encoded: Sequence[Any], request: RecognitionOptions) -> list[str]:
        """The language of each chunk: the one asked for, or the most probable of the model's entry."""
        if request.language not in {None, "", "auto"} or not self._model.is_multilingual:
            return [request.language or "en"] * len(encoded)
        found = self._model.detect_language(self._view(encoded))
        allowed = {f"<|{code}|>" for code in self._spec.languages}
        return [
            next((token for token, _ in ranked if not allowed or token in allowed), ranked[0][0])[2:-2]
            for ranked in found
        ]

    def _generate(
        self, encoded: Sequence[Any], seconds: Sequence[float], language: str, request: RecognitionOptions
    ) -> list[Hypothesis]:
        from faster_whisper.tokenizer import Tokenizer

        task = str(self._spec.options.get("task", "transcribe"))
        tokenizer = Tokenizer(self._tokenizer, self._model.is_multilingual, task=task, language=language)
        previous = encode(self._spec.files["tokenizer"], previous_text(request))
        prompt = [*((tokenizer.sot_prev, *previous) if previous else ()), *tokenizer.sot_sequence]
        prompt.append(tokenizer.no_timestamps)
        results = self._model.generate(
            self._view(encoded),
            [prompt] * len(encoded),
            beam_size=int(self._spec.options.get("beam_size", _BEAM_SIZE)),
            max_length=CONTEXT,
            return_scores=True,
            return_no_speech_prob=True,
        )
        reader = TokenReader(tokenizer)
        hypotheses = []
        for result in results:
            ids = result.sequences_ids[0]
            text = tokenizer.decode(ids).strip()
            if not plausible(result.no_speech_prob, log_probability(result.scores[0], len(ids))):
                text = ""
            text, event = without_notes(text)
            full = len(ids) >= CONTEXT // 2 or len(prompt) + len(ids) >= CONTEXT
            hypotheses.append(Hypothesis(text, language=language, event=event, limit=full or repeats(text)))
        for index, hypothesis in enumerate(hypotheses):
            if hypothesis.text:
                ids = reader.text_tokens(results[index].sequences_ids[0])
                # Alone: in a batch, texts are padded to the longest, which changes sums and with them times.
                (aligned,) = self._model.align(
                    self._view([encoded[index]]),
                    tokenizer.sot_sequence,
                    [ids],
                    round(seconds[index] * SAMPLE_RATE / _HOP),
                )
                probabilities = aligned.text_token_probs
                placed = reader.read(ids, aligned.alignments, probabilities, seconds[index])
                unsure = mean_log_probability(ids, probabilities) < _LEAST_CERTAINTY
                hypotheses[index] = replace(hypothesis, tokens=placed, unsure=unsure, unplaced=not placed)
        return hypotheses


def _device(spec: ModelSpec, library: Any) -> Device:
    """The device of the entry. Raises MachineError: it is not available."""
    (device,) = devices_of(spec)
    count = library.get_cuda_device_count()
    if device.kind == "auto":
        return Device("cuda" if count else "cpu")
    if device.kind == "cuda" and device.index >= count:
        raise not_available(
            spec, device, f"CTranslate2 finds {count or 'no'} CUDA devices", "Install the driver of the GPU"
        )
    return device


def _compute_type(spec: ModelSpec, device: Device, library: Any) -> str:
    wanted = str(spec.options.get("compute_type", "auto"))
    if wanted != "auto":
        return wanted
    best = "int8" if device.kind == "cpu" else "float16"
    return best if best in library.get_supported_compute_types(device.kind, device.index) else "default"


def _loading_error(spec: ModelSpec, device: Device, error: Exception) -> AsrcliError:
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    if device.kind == "cuda" and ("Library" in text or "CUDA" in text):
        install = "Install CUDA's libraries (pip install nvidia-cublas-cu12 nvidia-cudnn-cu12)"
        return not_available(spec, device, text.rstrip("."), install)
    return ModelError(f"CTranslate2 cannot load {spec.name}: {text}", "Is it a whole model? Download it again.")
