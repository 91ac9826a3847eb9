"""Aliyun's speech WebSocket: SpeechTranscriber (sentences of a stream) and SpeechRecognizer (one sentence).

See docs/protocols.md, "Aliyun WebSocket". Times are milliseconds of the stream's audio.
"""

import asyncio
import uuid
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

from asrcli.errors import AsrcliError, EngineError
from asrcli.options import RecognitionOptions
from asrcli.script import join
from asrcli.server.errors import problem_of
from asrcli.server.http.connection import EndingError, IdleError
from asrcli.server.http.json_text import read_object
from asrcli.server.http.values import numeric, without_nulls
from asrcli.server.live.compressed import CompressedStream
from asrcli.server.live.endpoint import EndpointOptions
from asrcli.server.live.events import Partial, SentenceBegan, SentenceEnded
from asrcli.server.live.input import finish_stream
from asrcli.server.live.pcm import PcmForm, PcmStream
from asrcli.server.live.service import SessionContext
from asrcli.server.live.session import LiveOptions, LiveSession
from asrcli.server.protocols.aliyun.common import speaker_fields, status_of, text_options, vocabulary
from asrcli.server.recognition.replies import gap_fields, milliseconds
from asrcli.speakers.live import SpeakerMemory
from asrcli.transcript import Gap, Word

OK = 20000000
BAD_TOKEN = 40000001
BAD_MESSAGE = 40000002
BAD_PARAMETER = 40000003
IDLE = 40000004
WRONG_STATE = 40010005
BAD_RATE = 41010101

_RATES = (8000, 16000, 22050, 24000, 32000, 44100, 48000)
_SAMPLES = ("pcm", "wav")
#: decoded by ffmpeg as they arrive
_COMPRESSED = ("opus", "speex", "amr", "mp3", "aac")
_MALFORMED = "Gateway:MESSAGE_INVALID:a directive needs a header object and, if any, a payload object"
_FLAGS = ("enable_inverse_text_normalization", "enable_intermediate_result", "enable_punctuation_prediction")


class ProtocolError(Exception):
    """The client violates the protocol: TaskFailed is sent and the connection closed."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class _ServiceDialect:
    """The names of a namespace's directives and events."""

    namespace: str
    start: str
    stop: str
    started: str
    changed: str
    completed: str
    #: whether each sentence has its own events
    sentences: bool


_TRANSCRIBER = _ServiceDialect(
    "SpeechTranscriber",
    "StartTranscription",
    "StopTranscription",
    "TranscriptionStarted",
    "TranscriptionResultChanged",
    "TranscriptionCompleted",
    sentences=True,
)
_RECOGNIZER = _ServiceDialect(
    "SpeechRecognizer",
    "StartRecognition",
    "StopRecognition",
    "RecognitionStarted",
    "RecognitionResultChanged",
    "RecognitionCompleted",
    sentences=False,
)
_DIALECTS = {dialect.namespace: dialect for dialect in (_TRANSCRIBER, _RECOGNIZER)}


@dataclass(frozen=True, slots=True)
class _RecognitionTask:
    """The start directive of a client."""

    dialect: _ServiceDialect
    id: str
    session: str
    rate: int
    options: LiveOptions
    words: bool
    compressed: bool
    #: ended sentences, for the one result of SpeechRecognizer
    texts: list[str] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)


async def _read_directive(frame: str | bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    """(header, payload) of a text frame."""
    if isinstance(frame, bytes):
        raise ProtocolError(BAD_MESSAGE, "Gateway:MESSAGE_INVALID:audio before the start directive")
    message = await read_object(frame) or {}
    payload = message.get("payload") or {}
    if not isinstance(payload, dict):
        raise ProtocolError(BAD_MESSAGE, _MALFORMED)
    return _header(message), without_nulls(payload)


async def _read_header(frame: str) -> dict[str, Any]:
    """The header of a directive after the first: these have no payload that is read."""
    return _header(await read_object(frame) or {})


def _header(message: dict[str, Any]) -> dict[str, Any]:
    header = message.get("header")
    if not isinstance(header, dict):
        raise ProtocolError(BAD_MESSAGE, _MALFORMED)
    return without_nulls(header)


def _read_start(header: dict[str, Any], payload: dict[str, Any]) -> _RecognitionTask:
    dialect = _DIALECTS.get(str(header.get("namespace")))
    if dialect is None:
        raise ProtocolError(BAD_MESSAGE, f"Gateway:MESSAGE_INVALID:unknown namespace {_shown(header.get('namespace'))}")
    if header.get("name") != dialect.start:
        raise ProtocolError(BAD_MESSAGE, f"Gateway:MESSAGE_INVALID:{_shown(header.get('name'))} before {dialect.start}")
    rate = numeric(payload.get("sample_rate", 16000))
    if isinstance(rate, bool) or rate not in _RATES:
        raise ProtocolError(BAD_RATE, f"Gateway:UNSUPPORTED_SAMPLE_RATE:{_shown(rate)} is none of {_RATES}")
    encoding = str(payload.get("format", "pcm")).lower()
    if encoding not in {*_SAMPLES, *_COMPRESSED}:
        raise ProtocolError(BAD_PARAMETER, f"Gateway:PARAMETER_INVALID:the format {encoding[:40]!r} is unknown")
    # Defaults are Aliyun's for its own clients, which send an appkey, and true for others.
    flag = not header.get("appkey")
    silence = _number(payload, "max_sentence_silence", 800, 200, 6000) / 1000
    itn, partials, marks = (_flag(payload, name, flag) for name in _FLAGS)
    hotwords = vocabulary(payload.get("vocabulary_id"))
    return _RecognitionTask(
        dialect,
        id=str(header.get("task_id") or uuid.uuid4().hex),
        session=str(payload.get("session_id") or uuid.uuid4().hex),
        rate=int(rate),
        options=LiveOptions(
            recognition=RecognitionOptions(language=str(payload.get("language") or ""), hotwords=hotwords, itn=itn),
            text=text_options(marks=marks, disfluency=_flag(payload, "disfluency", False)),
            endpoint=EndpointOptions(silence=silence),
            partials=partials,
            speakers=SpeakerMemory.wanted(_flag(payload, "enable_speaker_diarization", False)),
        ),
        words=_flag(payload, "enable_words", False),
        compressed=encoding in _COMPRESSED,
    )


def _shown(value: Any) -> str:
    """A client's value in a message."""
    return repr(value)[:60]


def _flag(payload: dict[str, Any], name: str, default: bool) -> bool:
    value = payload.get(name, default)
    value = {"true": True, "false": False}.get(value.lower(), value) if isinstance(value, str) else value
    if not isinstance(value, bool):
        raise ProtocolError(BAD_PARAMETER, f"Gateway:PARAMETER_INVALID:{name} must be true or false")
    return value


def _number(payload: dict[str, Any], name: str, default: float, least: float, most: float) -> float:
    value = numeric(payload.get(name, default))
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise ProtocolError(BAD_PARAMETER, f"Gateway:PARAMETER_INVALID:{name} must be from {least} to {most}")
    return float(value)


class AliyunSession:
    def __init__(self, context: SessionContext) -> None:
        self._context = context
        self._connection = context.connection
        self._task_id = uuid.uuid4().hex
        self._namespace = _TRANSCRIBER.namespace

    async def run(self) -> None:
        """Serve the connection to its end. Raises GoneError: the client has left."""
        try:
            await self._serve()
        except ProtocolError as error:
            await self._fail(error.status, str(error))
        except IdleError:
            await self._fail(IDLE, "Gateway:IDLE_TIMEOUT:no data was received for too long")
        except AsrcliError as error:
            problem = problem_of(error)
            await self._fail(status_of(problem)[0], f"Gateway:ERROR:{problem.message}")

    async def _serve(self) -> None:
        header, payload = await _read_directive(await self._connection.receive())
        self._task_id = str(header.get("task_id") or self._task_id)
        if not self._context.authorised:
            raise ProtocolError(BAD_TOKEN, "Gateway:ACCESS_DENIED:The token is invalid!")
        task = await asyncio.to_thread(_read_start, header, payload)
        self._namespace = task.dialect.namespace
        opening = self._context.live.session(task.options, self._context.model, self._context.address)
        async with opening as session:
            await self._event(task.dialect.started, {"session_id": task.session})
            sending = asyncio.create_task(self._send_events(session, task))
            try:
                await self._receive_audio(session, task, sending)
            except (ProtocolError, AsrcliError):
                if task.texts and not task.dialect.sentences:  # what was recognised has no other event
                    await self._event(task.dialect.changed, {"result": join(task.texts)})
                raise
            finally:
                sending.cancel()
                await asyncio.gather(sending, return_exceptions=True)
            await self._complete(session, task)

    async def _receive_audio(self, session: LiveSession, task: _RecognitionTask, sending: asyncio.Task[None]) -> None:
        """Receive audio until the stop directive."""
        async with AsyncExitStack() as stack:
            audio: CompressedStream | PcmStream = PcmStream(session, PcmForm(task.rate))
            if task.compressed:
                audio = await stack.enter_async_context(CompressedStream(session, self._context.files.settings))
            fault: ProtocolError | AsrcliError | None = None
            try:
                await self._receive_frames(session, audio, task, sending)
            except EngineError:
                raise
            except (ProtocolError, AsrcliError) as error:
                fault = error
            except (EndingError, IdleError):
                pass
            # The audio received so far has its results, whatever ended the task.
            try:
                await self._connection.run_while_connected(finish_stream(audio, session, sending))
            except AsrcliError as error:
                fault = fault or error
            if fault is not None:
                raise fault

    async def _receive_frames(
        self,
        session: LiveSession,
        audio: CompressedStream | PcmStream,
        task: _RecognitionTask,
        sending: asyncio.Task[None],
    ) -> None:
        while True:
            frame = await self._connection.receive(sending, timed=session.duration > 0)
            if isinstance(frame, bytes):
                await audio.feed(frame)
                continue
            header = await _read_header(frame)
            if header.get("task_id") not in (None, task.id):
                raise ProtocolError(BAD_MESSAGE, "Gateway:MESSAGE_INVALID:task_id is not that of the started task")
            if header.get("name") == task.dialect.stop:
                return
            if header.get("name") == task.dialect.start:
                raise ProtocolError(WRONG_STATE, "Gateway:STATE_INVALID:the task was already started")
            # ControlTranscriber and other directives are ignored.

    async def _send_events(self, session: LiveSession, task: _RecognitionTask) -> None:
        async for event in session.events():
            match event:
                case SentenceBegan() if task.dialect.sentences:
                    await self._event("SentenceBegin", {"index": event.index, "time": milliseconds(event.start)})
                case Partial():
                    await self._event(task.dialect.changed, self._changed(event, task))
                case SentenceEnded():
                    task.texts.append(event.text)
                    task.gaps.extend(event.gaps)
                    if task.dialect.sentences:
                        await self._event("SentenceEnd", self._ended(event, task))

    def _changed(self, event: Partial, task: _RecognitionTask) -> dict[str, Any]:
        if not task.dialect.sentences:
            return {"result": join([*task.texts, event.text])}
        return {
            "index": event.index,
            "time": milliseconds(event.end),
            "result": event.text,
            **({"words": []} if task.words else {}),
        }

    def _ended(self, event: SentenceEnded, task: _RecognitionTask) -> dict[str, Any]:
        known = [word.confidence for word in event.words if word.confidence is not None]
        return {
            "index": event.index,
            "time": milliseconds(event.end),
            "begin_time": milliseconds(event.start),
            "result": event.text,
            **speaker_fields(event.speaker),
            **({"confidence": round(sum(known) / len(known), 4)} if known else {}),
            "status": 0,
            **({"words": [_word(word) for word in event.words]} if task.words else {}),
            **gap_fields(event.gaps, milliseconds),
        }

    async def _complete(self, session: LiveSession, task: _RecognitionTask) -> None:
        if task.dialect.sentences:
            await self._event(task.dialect.completed, None)
        else:
            result = {"result": join(task.texts), "duration": milliseconds(session.duration)}
            result |= gap_fields(task.gaps, milliseconds)
            await self._event(task.dialect.completed, result)

    async def _event(self, name: str, payload: dict[str, Any] | None) -> None:
        header = self._header(name, OK)
        # Aliyun's two documents disagree about the field's name.
        header |= {"status_text": "Gateway:SUCCESS:Success.", "status_message": "GATEWAY|SUCCESS|Success."}
        await self._connection.send({"header": header} if payload is None else {"header": header, "payload": payload})

    async def _fail(self, status: int, message: str) -> None:
        header = self._header("TaskFailed", status) | {"status_text": message, "status_message": message}
        await self._connection.send({"header": header})

    def _header(self, name: str, status: int) -> dict[str, Any]:
        return {
            "namespace": self._namespace,
            "name": name,
            "status": status,
            "message_id": uuid.uuid4().hex,
            "task_id": self._task_id,
        }


def _word(word: Word) -> dict[str, Any]:
    span = {"startTime": milliseconds(word.start), "endTime": milliseconds(word.end)}
    return {"text": word.text, **span, **speaker_fields(word.speaker)}
