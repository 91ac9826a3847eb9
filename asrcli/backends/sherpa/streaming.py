"""Streaming recognition with sherpa-onnx. Runs in the engine process; streams are kept here by their names.

A stream lives as long as the process: when the engine dies, `StreamLostError` tells its owner to open another and to
play what it still holds.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from asrcli.audio.types import SAMPLE_RATE, Samples
from asrcli.backends.checks import check_model, check_request
from asrcli.backends.registry import is_streaming
from asrcli.backends.sherpa.check import sherpa_type
from asrcli.backends.sherpa.hotwords import beam_phrases
from asrcli.backends.sherpa.lru_cache import LruCache
from asrcli.backends.sherpa.recognizer import ENGINE_ERRORS, as_floats, needs_beam
from asrcli.backends.sherpa.results import ResultReader
from asrcli.backends.sherpa.token_table import read_tokens
from asrcli.backends.types import DecodeJob, ModelSpec, Service, StreamRequest, StreamSegment, StreamUpdate, Token
from asrcli.errors import AsrcliError, EngineError, ModelError, StreamLostError

#: heard after the last sample: encoders look ahead, and Paraformer holds its last frames back
_TAIL = 0.66
#: streams open at once; a server that forgets to end them hears of it
_MOST = 1024


def load(spec: ModelSpec, threads: int) -> Service:  # noqa: ARG001 - they are the callers of `run`
    """Load a streaming model.

    Jobs carry a `StreamRequest` and are answered with a `StreamUpdate`.

    Raises:
        ModelError, OptionNotSupportedError: as `checks.validate`.
    """
    if not is_streaming(spec.type):
        raise ModelError(
            f"{spec.name} ({spec.type}) is not a streaming model.", "See: asrcli models list --kind streaming"
        )
    check_model(spec)
    return StreamingRecognizer(spec)


class _Stream:
    """One of our streams: a stream of the engine at a time, and where in ours that began."""

    def __init__(self, engine: Any, phrases: str) -> None:
        self.engine = engine
        self._phrases = phrases
        #: keeps two jobs from entering at once
        self.lock = threading.Lock()
        #: samples heard
        self._heard = 0
        #: where the current segment begins, seconds
        self.start = 0.0
        self.renew()

    @property
    def now(self) -> float:
        """Seconds heard."""
        return self._heard / SAMPLE_RATE

    def renew(self) -> None:
        """Go on with a fresh stream of the engine."""
        create = self.engine.create_stream
        self.stream = create(self._phrases) if self._phrases else create()
        self.origin = self.now

    def hear(self, samples: Samples) -> None:
        if len(samples):
            self.stream.accept_waveform(SAMPLE_RATE, as_floats(samples))
            self._heard += len(samples)


class StreamingRecognizer:
    """A streaming model and its open streams."""

    #: each job is of a stream of its own, and threads run several at a time
    batch_size = 1

    def __init__(self, spec: ModelSpec) -> None:
        self._spec = spec
        self._type = sherpa_type(spec)
        self._tokens = read_tokens(spec.files["tokens"])
        self._reader = ResultReader(joins_with_at=spec.type == "online_paraformer", byte_bpe=self._tokens.byte_bpe)
        self._lock = threading.Lock()
        self._streams: dict[str, _Stream] = {}
        #: by whether it searches a beam, as hotwords need
        self._engines: LruCache[bool, Any] = LruCache(self._build, 2)
        self._engines.prepare(False)

    def run(self, jobs: Sequence[DecodeJob]) -> Sequence[StreamUpdate | Exception]:
        """Do what each job's `StreamRequest` says."""
        return [self._run(job.request, job.samples) for job in jobs]

    def _run(self, request: StreamRequest, samples: Samples) -> StreamUpdate | Exception:
        try:
            if request.action == "open":
                self._open(request)
            stream = self._find(request.stream)
            with stream.lock:
                return self._act(stream, request, samples)
        except AsrcliError as error:
            return error
        except ENGINE_ERRORS as error:
            return EngineError(f"sherpa-onnx failed at the stream {request.stream}: {error}")

    def _act(self, stream: _Stream, request: StreamRequest, samples: Samples) -> StreamUpdate:
        if request.action == "drop":
            with self._lock:
                self._streams.pop(request.stream, None)
            return StreamUpdate((), self._segment(stream, ""))
        stream.hear(samples)
        ended = list(self._decode(stream))
        if request.action == "cut":
            ended += self._flush(stream)
            stream.renew()
        return StreamUpdate(tuple(ended), self._current(stream))

    # -- streams -----------------------------------------------------------------------------------------------------

    def _open(self, request: StreamRequest) -> None:
        check_request(self._spec, request.options)
        hotwords = request.options.hotwords
        engine = self._engines.get(bool(hotwords) and needs_beam(self._type, self._spec))
        with self._lock:
            if request.stream in self._streams:
                raise EngineError(f"The stream {request.stream} is open already.")
            if len(self._streams) >= _MOST:
                raise EngineError(f"{_MOST} streams are open.", "End streams that nobody listens to any more.")
            self._streams[request.stream] = _Stream(engine, beam_phrases(hotwords, self._tokens))

    def _find(self, name: str) -> _Stream:
        with self._lock:
            stream = self._streams.get(name)
        if stream is None:
            raise StreamLostError(f"There is no stream {name}.", "Open it, and play again what it should have heard.")
        return stream

    def _build(self, beam: bool) -> Any:
        from sherpa_onnx import OnlineRecognizer as Engine

        files = {name: str(path) for name, path in self._spec.files.items()}
        arguments = {**self._type.defaults, **self._spec.options, **files}
        if beam:
            arguments["decoding_method"] = "modified_beam_search"
        try:
            return getattr(Engine, self._type.factory)(**arguments)
        except (*ENGINE_ERRORS, TypeError, AssertionError) as error:
            raise ModelError(
                f"sherpa-onnx cannot load {self._spec.name}: {error}", f"Is it a model of type {self._spec.type}?"
            ) from error

    # -- decoding ----------------------------------------------------------------------------------------------------

    def _decode(self, stream: _Stream) -> Iterator[StreamSegment]:
        """Decode what is ready; yields segments that the engine's own endpoint rules end (where they are on)."""
        while stream.engine.is_ready(stream.stream):
            stream.engine.decode_stream(stream.stream)
            if stream.engine.is_endpoint(stream.stream):
                yield from self._end(stream)

    def _flush(self, stream: _Stream) -> Iterator[StreamSegment]:
        """Have out what the model holds back, and end the segment. The engine's stream is used up by this."""
        stream.stream.accept_waveform(SAMPLE_RATE, as_floats(np.zeros(round(_TAIL * SAMPLE_RATE), np.float32)))
        # Paraformer decodes a chunk that is not full only when told that it is the last.
        stream.stream.set_option("is_final", "1")
        stream.stream.input_finished()
        yield from self._decode(stream)
        yield from self._end(stream)

    def _end(self, stream: _Stream) -> Iterator[StreamSegment]:
        """Close the current segment; an empty one is no segment."""
        segment = self._current(stream)
        stream.engine.reset(stream.stream)
        stream.start = segment.end
        if segment.text:
            yield segment

    def _current(self, stream: _Stream) -> StreamSegment:
        result = stream.engine.get_result_all(stream.stream)
        hypothesis = self._reader.read(result, math.inf)
        # The engine counts from where it was last reset.
        shift = stream.origin + result.start_time
        tokens = tuple(_shifted(token, shift, stream.now) for token in hypothesis.tokens)
        return replace(self._segment(stream, hypothesis.text), tokens=tokens)

    def _segment(self, stream: _Stream, text: str) -> StreamSegment:
        return StreamSegment(text, stream.start, stream.now)


def _shifted(token: Token, shift: float, end: float) -> Token:
    """A token in the stream's time; the silence that flushes is no part of that."""
    return token if token.start is None else replace(token, start=min(token.start + shift, end))
