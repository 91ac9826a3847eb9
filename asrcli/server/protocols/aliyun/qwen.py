"""funasr-api's own WebSocket protocol, named after its Qwen models (docs/protocols.md)."""

import time
import uuid
from dataclasses import dataclass
from typing import Any

from asrcli.errors import AsrcliError
from asrcli.options import RecognitionOptions
from asrcli.server.errors import RequestError, problem_of
from asrcli.server.http.connection import EndingError, IdleError
from asrcli.server.http.json_text import read_object
from asrcli.server.http.values import numeric, without_nulls
from asrcli.server.live.endpoint import EndpointOptions, Reason
from asrcli.server.live.events import Partial, SentenceEnded
from asrcli.server.live.input import LiveInput
from asrcli.server.live.pcm import PcmForm
from asrcli.server.live.service import SessionContext
from asrcli.server.live.session import LiveOptions, LiveSession
from asrcli.server.protocols.aliyun.common import word_tokens
from asrcli.server.recognition.replies import gap_fields

INVALID_STATE = "INVALID_STATE"
INVALID_MESSAGE = "INVALID_MESSAGE"
INVALID_PARAMETER = "INVALID_PARAMETER"
SERVER_ERROR = "DEFAULT_SERVER_ERROR"

_REASONS: dict[Reason | None, str] = {"pause": "silence", "length": "max_duration", "stop": "final"}
_DEFAULTS: dict[str, Any] = {
    "format": "pcm",
    "sample_rate": 16000,
    "language": None,
    "context": "",
    "chunk_size_sec": 2.0,
    "unfixed_chunk_num": 2,
    "unfixed_token_num": 5,
    "enable_inverse_text_normalization": True,
    "word_timestamps": False,
}
#: funasr-api's pause and length that end a segment, seconds
_SILENCE, _LONGEST = 2.0, 60.0
#: seconds between partial results
_INTERVAL = 0.4
_RATES = range(4000, 192001)


class RefusedError(Exception):
    """A message is refused; the connection continues."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(slots=True)
class _Segment:
    index: int
    text: str
    language: str | None
    reason: str
    #: `word_tokens`, if the client wants them, and `gaps`, if there are any
    extras: dict[str, Any]

    def body(self) -> dict[str, Any]:
        body = {"index": self.index, "text": self.text, "language": self.language, "reason": self.reason}
        return body | self.extras


class QwenSession:
    def __init__(self, context: SessionContext) -> None:
        self._context = context
        self._connection = context.connection
        self._task_id = context.connection.websocket.query_params.get("task_id") or uuid.uuid4().hex[:8]
        self._segments: list[_Segment] = []
        #: the one that the end of the stream has ended
        self._last: _Segment | None = None
        self._chunks = 0
        self._words = False

    async def run(self) -> None:
        """Serve the connection to its end. Raises GoneError or IdleError: the client has left, or was idle for too
        long.
        """
        try:
            params = await self._wait_for_start()
            if params is None:
                return
            opening = self._context.live.session(_options(params), self._context.model, self._context.address)
            audio = await LiveInput.open(opening, self._send_events, PcmForm(int(params["sample_rate"])))
            try:
                self._words = params["word_timestamps"] is True
                await self._send("started", params=params)
                try:
                    await self._receive_audio(audio)
                except RequestError:  # the audio before the fault has its segments
                    await self._connection.run_while_connected(audio.finish())
                    if self._last is not None:
                        await self._send_segment(self._last)
                    raise
                await self._connection.run_while_connected(audio.finish())
            finally:
                await audio.close()
            await self._send("final", result=self._final())
        except AsrcliError as error:
            problem = problem_of(error)
            await self._fail(INVALID_PARAMETER if problem.status < 500 else SERVER_ERROR, problem.message)

    async def _wait_for_start(self) -> dict[str, Any] | None:
        """Parameters of the start message; None after a stop message."""
        while True:
            try:
                kind, payload = await _read(await self._connection.receive())
                if kind == "start":
                    return _params(payload)
            except RefusedError as refusal:
                await self._fail(refusal.code, str(refusal))
            else:
                await self._fail(INVALID_STATE, "No task was started.")
                return None

    async def _receive_audio(self, audio: LiveInput) -> None:
        """Receive audio until the client stops."""
        while True:
            try:
                frame = await self._connection.receive(audio.sending, timed=audio.session.duration > 0)
            except (EndingError, IdleError):  # send the results of the audio received so far
                frame = '{"type": "stop"}'
            if isinstance(frame, bytes):
                await audio.feed(frame)
                continue
            try:
                kind, _ = await _read(frame)
            except RefusedError as refusal:
                await self._fail(refusal.code, str(refusal))
                continue
            if kind == "stop":
                return
            await self._fail(INVALID_STATE, "The task was already started.")

    async def _send_events(self, session: LiveSession) -> None:
        async for event in session.events():
            if isinstance(event, Partial):
                await self._send_partial(event)
            elif isinstance(event, SentenceEnded) and (event.text or event.gaps):
                await self._send_sentence(event)

    async def _send_partial(self, event: Partial) -> None:
        self._chunks += 1
        result = {
            "text": "\n".join([*self._texts, event.text]),
            "current_segment_text": event.text,
            "language": None,
            "chunk_id": self._chunks,
            "is_partial": True,
            "segment_index": len(self._segments),
        }
        count = len(self._segments)
        await self._send("result", results=[result], segment_index=count, confirmed_segments_count=count)

    async def _send_sentence(self, event: SentenceEnded) -> None:
        extras = {"word_tokens": word_tokens(event.words)} if self._words else {}
        extras |= gap_fields(event.gaps, lambda seconds: round(seconds, 3))
        segment = _Segment(len(self._segments), event.text, event.language, _REASONS[event.reason], extras)
        self._segments.append(segment)
        if event.reason == "stop":
            self._last = segment  # it is in `final`
        else:
            await self._send_segment(segment)

    async def _send_segment(self, segment: _Segment) -> None:
        result = {"text": "\n".join(self._texts), "segment_text": segment.text, "language": segment.language}
        result |= segment.extras
        await self._send(
            "segment_end",
            segment_index=segment.index,
            reason=segment.reason,
            result=result,
            confirmed_texts=self._texts,
        )
        await self._send("segment_start", segment_index=len(self._segments))

    def _final(self) -> dict[str, Any]:
        last = self._segments[-1] if self._segments else _Segment(0, "", None, "final", {})
        return {
            "text": last.text,
            "full_text": "\n".join(self._texts),
            "language": last.language,
            "total_chunks": self._chunks,
            "total_segments": len(self._segments),
            "segments": [segment.body() for segment in self._segments],
        }

    @property
    def _texts(self) -> list[str]:
        return [segment.text for segment in self._segments]

    async def _send(self, kind: str, **fields: Any) -> None:
        await self._connection.send({"type": kind, "task_id": self._task_id, **fields})

    async def _fail(self, code: str, message: str) -> None:
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        await self._send("error", error_code=code, message=message, timestamp=now, details={})


async def _read(frame: str | bytes) -> tuple[str, dict[str, Any]]:
    if isinstance(frame, bytes):
        raise RefusedError(INVALID_STATE, "Send start before audio.")
    body = await read_object(frame)
    kind = body.get("type") if body is not None else None
    payload = (body or {}).get("payload") or {}
    if kind == "stop":
        return kind, {}  # whatever is in it
    if kind not in ("start", "stop") or not isinstance(payload, dict):
        raise RefusedError(INVALID_MESSAGE, f"The message type {str(kind)[:40]!r} is unknown.")
    return str(kind), without_nulls(payload)


def _params(payload: dict[str, Any]) -> dict[str, Any]:
    params = {name: payload.get(name, default) for name, default in _DEFAULTS.items()}
    params |= {name: numeric(params[name]) for name in ("sample_rate", "chunk_size_sec")}
    rate, chunk = params["sample_rate"], params["chunk_size_sec"]
    if isinstance(rate, bool) or not isinstance(rate, int) or rate not in _RATES:
        raise RefusedError(INVALID_PARAMETER, f"The sample rate {rate!r} is not supported.")
    if isinstance(chunk, bool) or not isinstance(chunk, int | float) or not 0 < chunk <= _LONGEST:
        raise RefusedError(INVALID_PARAMETER, f"chunk_size_sec {chunk!r} is not valid.")
    if params["format"] not in ("pcm", "wav"):
        raise RefusedError(INVALID_PARAMETER, "The format must be pcm or wav.")
    return params


def _options(params: dict[str, Any]) -> LiveOptions:
    # Clients send 2 s, which suits funasr-api's model; partial results come earlier here.
    return LiveOptions(
        recognition=RecognitionOptions(
            language=str(params["language"] or ""),
            prompt=str(params["context"] or ""),
            itn=params["enable_inverse_text_normalization"] is not False,
        ),
        endpoint=EndpointOptions(silence=_SILENCE, longest=_LONGEST),
        interval=min(float(params["chunk_size_sec"]), _INTERVAL),
    )
