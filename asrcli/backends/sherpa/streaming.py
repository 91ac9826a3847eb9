"""Streaming recognition with sherpa-onnx. Runs in the engine process; streams are kept here by their names.

A stream ends with the process: after a crash, `StreamLostError` asks its owner to open another and to send what it has
kept.
"""

import math
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from asrcli.audio.types import SAMPLE_RATE, Samples
from asrcli.backends.checks import check_model, check_request, explain_failure
from asrcli.backends.process.batches import engine_error
from asrcli.backends.process.synchronization import LruCache
from asrcli.backends.registry import is_streaming
from asrcli.backends.sherpa.check import sherpa_type
from asrcli.backends.sherpa.device import provider_arguments
from asrcli.backends.sherpa.hotwords import beam_phrases
from asrcli.backends.sherpa.recognizer import ENGINE_ERRORS, as_floats, needs_beam
from asrcli.backends.sherpa.results import ResultReader
from asrcli.backends.sherpa.token_table import read_tokens
from asrcli.backends.types import DecodeJob, ModelSpec, Service, StreamRequest, StreamSegment, StreamUpdate, Token
from asrcli.errors import AsrcliError, EngineError, ModelError, StreamLostError

#: silence after the last sample, seconds: encoders look ahead, and Paraformer holds its last frames back
_TAIL = 0.66
#: streams open at once; a server that does not end them gets an error
_MOST = 1024


def load(spec: ModelSpec, threads: int) -> Service:  # noqa: ARG001 - they are the callers of `run`
    """Load a streaming model.

    Jobs carry a `StreamRequest` and are answered with a `StreamUpdate`.

    Raises ModelError or OptionNotSupportedError: as `checks.validate`.
    """
    if not is_streaming(spec.type):
        raise ModelError(
            f"{spec.name} ({spec.type}) is not a streaming model.", "See: asrcli models list --kind streaming"
        )
    check_model(spec)
    return StreamingRecognizer(spec)


class _Stream:
    """A stream of a client: the current stream of the engine, and where it started."""

    def __init__(self, engine: Any, phrases: str) -> None:
        self.engine = engine
        self._phrases = phrases
        #: one job at a time
        self.lock = threading.Lock()
        #: samples decoded
        self._position = 0
        #: where the current segment begins, seconds
        self.start = 0.0
        self.renew()

    @property
    def now(self) -> float:
        """Seconds decoded."""
        return self._position / SAMPLE_RATE

    def renew(self) -> None:
        """Continue with a new stream of the engine."""
        create = self.engine.create_stream
        self.stream = create(self._phrases) if self._phrases else create()
        self.origin = self.now

    def accept(self, samples: Samples) -> None:
        if len(samples):
            self.stream.accept_waveform(SAMPLE_RATE, as_floats(samples))
            self._position += len(samples)


class StreamingRecognizer:
    """A streaming model and its open streams."""

    #: jobs belong to different streams, which threads run in parallel
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
        """Execute each job's `StreamRequest`."""
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
            message = f"sherpa-onnx failed at the stream {request.stream}: {error}"
            return engine_error(message, error, self._explanation)

    @cached_property
    def _explanation(self) -> str:
        return explain_failure(self._spec)

    def _act(self, stream: _Stream, request: StreamRequest, samples: Samples) -> StreamUpdate:
        if request.action == "drop":
            with self._lock:
                self._streams.pop(request.stream, None)
            return StreamUpdate((), self._segment(stream, ""))
        stream.accept(samples)
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
                raise EngineError(f"{_MOST} streams are open.", "End streams that are no longer used.")
            self._streams[request.stream] = _Stream(engine, beam_phrases(hotwords, self._tokens))

    def _find(self, name: str) -> _Stream:
        with self._lock:
            stream = self._streams.get(name)
        if stream is None:
            raise StreamLostError(f"Unknown stream {name}.", "Open it, and send its audio again.")
        return stream

    def _build(self, beam: bool) -> Any:
        from sherpa_onnx import OnlineRecognizer as Engine

        files = {name: str(path) for name, path in self._spec.files.items()}
        arguments = {**self._type.defaults, **provider_arguments(self._spec), **files}
        if beam:
            arguments["decoding_method"] = "modified_beam_search"
        try:
            return getattr(Engine, self._type.factory)(**arguments)
        except (*ENGINE_ERRORS, TypeError, AssertionError) as error:
            raise ModelError(
                f"sherpa-onnx cannot load {self._spec.name}: {error}",
                self._explanation or f"Is it a model of type {self._spec.type}?",
            ) from error

    # -- decoding ----------------------------------------------------------------------------------------------------

    def _decode(self, stream: _Stream) -> Iterator[StreamSegment]:
        """Decode what is ready; yields segments that the engine's own endpoint rules end (where they are on)."""
        while stream.engine.is_ready(stream.stream):
            stream.engine.decode_stream(stream.stream)
            if stream.engine.is_endpoint(stream.stream):
                yield from self._end(stream)

    def _flush(self, stream: _Stream) -> Iterator[StreamSegment]:
        """Flush the model and end the segment; the engine's stream cannot be used afterwards."""
        stream.stream.accept_waveform(SAMPLE_RATE, as_floats(np.zeros(round(_TAIL * SAMPLE_RATE), np.float32)))
        # Paraformer decodes an incomplete chunk only if it is marked as the last.
        stream.stream.set_option("is_final", "1")
        stream.stream.input_finished()
        yield from self._decode(stream)
        yield from self._end(stream)

    def _end(self, stream: _Stream) -> Iterator[StreamSegment]:
        """Close the current segment; yields it unless it is empty."""
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
    """A token in the time of the stream, without the silence that flushes."""
    return token if token.start is None else replace(token, start=min(token.start + shift, end))
