"""OpenAI's realtime transcription, `/v1/realtime?intent=transcription`.

An item of the conversation is a sentence that voice activity detection has found, or the audio that the client commits.
"""

import asyncio
import secrets
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from starlette.datastructures import Headers

from asrcli.errors import AsrcliError, EngineError
from asrcli.options import SpeakerOptions
from asrcli.script import joint
from asrcli.server.errors import RequestError, problem_of
from asrcli.server.http.connection import EndingError, IdleError
from asrcli.server.http.json_text import read_object
from asrcli.server.http.values import decode_base64
from asrcli.server.live.events import Partial, SentenceBegan, SentenceEnded
from asrcli.server.live.input import LiveInput
from asrcli.server.live.service import SessionContext
from asrcli.server.live.session import LiveSession
from asrcli.server.protocols.openai.realtime_config import RealtimeConfig
from asrcli.server.protocols.openai.replies import logprobs
from asrcli.server.recognition.replies import letter_speakers
from asrcli.speakers.live import SpeakerMemory
from asrcli.transcript import Gap, Segment, Transcript

#: seconds of audio that can be committed
_LEAST = 0.1
#: characters of base64 that are decoded on the event loop
_AT_ONCE = 64 << 10


class EmptyBufferError(RequestError, code="input_audio_buffer_commit_empty"):
    """There is no audio to commit."""


@dataclass(slots=True)
class _Item:
    """The item that the audio at present belongs to."""

    id: str = field(default_factory=lambda: f"item_{secrets.token_hex(10)}")
    #: texts in the order in which they are sent
    parts: list[str] = field(default_factory=list)
    text: str = ""
    segments: list[Segment] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    #: the last failure of the engine
    error: AsrcliError | None = None

    def add(self, event: SentenceEnded) -> None:
        """Take a sentence."""
        self.parts.append(joint(self.text, event.text) + event.text)
        self.text += self.parts[-1]
        self.segments += event.segments
        self.gaps += event.gaps
        self.error = event.error or self.error


class OpenAiRealtimeSession:
    def __init__(self, context: SessionContext) -> None:
        self._context = context
        self._connection = context.connection
        self._id = f"sess_{secrets.token_hex(10)}"
        scope = context.connection.websocket.scope
        versions = [Headers(scope=scope).get("openai-beta", ""), *scope.get("subprotocols", ())]
        self._beta = any(each in {"realtime=v1", "openai-beta.realtime-v1"} for each in versions)
        self._config = RealtimeConfig(model=context.model)
        self._speakers = SpeakerMemory(SpeakerOptions(enabled=True))
        self._input: LiveInput | None = None
        self._item = _Item()
        self._previous: str | None = None
        #: whether the sentence that the client ends is dropped, and whether one was sent
        self._clearing = self._committed = False
        #: the failure of the engine that was sent last
        self._failure: AsrcliError | None = None
        #: seconds of audio before the current input
        self._offset = 0.0
        self._event_id: str | None = None

    async def run(self) -> None:
        """Serve the connection to its end. Raises GoneError or IdleError: the client has left, or was idle for too
        long; EndingError: the server ends; all results were sent.
        """
        kind = "transcription_session.created" if self._beta else "session.created"
        await self._send(kind, session=self._config.body(self._id, beta=self._beta))
        try:
            try:
                while True:
                    await self._serve()
            except (EndingError, IdleError):
                if self._input is not None:
                    await self._commit()
                raise
        except AsrcliError as error:  # no session can be opened: each frame would fail
            await self._error(error)
        finally:
            await self._drop()

    async def _serve(self) -> None:
        tasks = () if self._input is None else (self._input.sending,)
        try:
            frame = await self._connection.receive(*tasks, timed=self._input is not None)
        except EngineError as error:
            await self._fail_item(error)
            await self._drop()
            return
        self._event_id = None
        try:
            kind, value = await self._read(frame)
        except AsrcliError as error:
            await self._error(error)
            return
        match kind:
            case "input_audio_buffer.append":
                await self._append(value)
            case "input_audio_buffer.commit":
                await self._commit()
            case "input_audio_buffer.clear":
                await self._clear()
            case _:
                await self._update(kind, value)

    async def _read(self, frame: str | bytes) -> tuple[str, Any]:
        """Type and value of a client's event: samples, settings or None. Raises AsrcliError: it is not valid."""
        event = await read_object(frame) if isinstance(frame, str) else None
        if event is None:
            raise RequestError("An event must be a JSON object of at most 1 MiB.", "Send audio in smaller parts.")
        given = event.get("event_id")
        self._event_id = given[:512] if isinstance(given, str) else None
        match event.get("type"):
            case "input_audio_buffer.append" as kind:
                return kind, await _decoded(event.get("audio"))
            case "input_audio_buffer.commit" as kind:
                if self._input is None or self._input.session.duration < _LEAST:
                    raise EmptyBufferError("The buffer has less than 100 ms of audio.", "Append audio before.")
                return kind, None
            case "input_audio_buffer.clear" as kind:
                return kind, None
            case "session.update" | "transcription_session.update" as kind:
                config = await asyncio.to_thread(self._config.updated, event.get("session"))
                await self._context.live.check(config.live, config.model or self._context.model)
                return kind, config
        raise RequestError(f"The event type {str(event.get('type'))[:60]!r} is not supported here.", param="type")

    async def _update(self, kind: str, config: RealtimeConfig) -> None:
        if self._input is not None and config != self._config:
            await self._commit()
        self._config = config
        self._beta = kind.startswith("transcription_")
        await self._send(f"{kind}d", session=config.body(self._id, beta=self._beta))

    # -- audio -------------------------------------------------------------------------------------------------------

    async def _append(self, data: bytes) -> None:
        if self._input is None:
            live = replace(self._config.live, speakers=self._speakers if self._config.diarizes else None)
            model = self._config.model or self._context.model
            opening = self._context.live.session(live, model, self._context.address)
            self._item, self._committed = _Item(), False
            self._input = await LiveInput.open(opening, self._send_events, self._config.form)
        try:
            await self._input.feed(data)
        except RequestError:
            with suppress(AsrcliError):  # the audio before has its items
                await (self._commit() if self._config.vad is None else self._finish())
            raise

    async def _commit(self) -> None:
        """End the audio so far, and send its last item."""
        if self._config.vad is None:
            await self._send_item(self._item)
        if await self._finish() and not self._committed:
            if self._config.vad is not None:  # no speech: the client waits for an item
                self._item = _Item()
                await self._send_item(self._item)
            await self._send_transcript(self._item, self._input.session.duration if self._input else 0.0)
        await self._drop()

    async def _clear(self) -> None:
        """Drop the audio that is in no item yet."""
        self._clearing = True
        if self._config.vad is not None:
            await self._finish()
        await self._drop()
        self._clearing = False
        await self._send("input_audio_buffer.cleared")

    async def _finish(self) -> bool:
        """Whether all results were sent."""
        if self._input is None:
            return False
        try:
            await self._connection.run_while_connected(self._input.finish())
        except EngineError as error:
            if error is not self._failure:  # else it was sent with the last sentence
                await self._fail_item(error)
                return False
        return True

    async def _drop(self) -> None:
        """End the session; later times count on from its end."""
        found, self._input = self._input, None
        if found is not None:
            await found.close()
            self._offset += found.session.duration

    # -- results -----------------------------------------------------------------------------------------------------

    async def _send_events(self, session: LiveSession) -> None:
        if self._config.vad is None:
            async for event in session.events():
                if isinstance(event, SentenceEnded):
                    self._item.add(event)
            return
        shown = ""
        async for event in session.events():
            match event:
                case SentenceBegan():
                    self._item, shown = _Item(), ""
                    start = self._ms(max(0.0, event.start - self._config.vad.pad_before))
                    await self._send("input_audio_buffer.speech_started", item_id=self._item.id, audio_start_ms=start)
                case Partial():
                    await self._send_delta(event.stable[len(shown) :])
                    shown = event.stable
                case SentenceEnded() if not (self._clearing and event.reason == "stop"):
                    end = self._ms(event.end)
                    await self._send("input_audio_buffer.speech_stopped", item_id=self._item.id, audio_end_ms=end)
                    await self._send_item(self._item)
                    await self._send_delta(event.rest)
                    self._item.add(event)
                    self._item.parts = []
                    await self._send_transcript(self._item, event.end - event.start)
                    self._item, self._committed = _Item(), event.reason == "stop"

    async def _send_item(self, item: _Item) -> None:
        """The item is in the conversation."""
        previous, self._previous = self._previous, item.id
        await self._send("input_audio_buffer.committed", item_id=item.id, previous_item_id=previous)
        content = [{"type": "input_audio", "transcript": None}]
        common = {"id": item.id, "object": "realtime.item", "type": "message", "status": "completed", "role": "user"}
        for kind in ("created",) if self._beta else ("added", "done"):
            body = common | {"content": content}
            await self._send(f"conversation.item.{kind}", previous_item_id=previous, item=body)

    async def _send_delta(self, text: str) -> None:
        if text:
            await self._send_of_item("delta", delta=text)

    async def _send_transcript(self, item: _Item, seconds: float) -> None:
        for part in item.parts:
            await self._send_delta(part)
        if item.gaps and not item.text:
            problem = problem_of(item.error) if item.error else None
            self._failure = item.error
            await self._send_failure(*((problem.message, problem.code) if problem else (item.gaps[0].warning, "gap")))
            return
        for gap in item.gaps:
            error = {"type": "server_error", "code": "gap", "message": gap.warning, "param": item.id, "event_id": None}
            await self._send("error", error=error)
        await self._send_speakers(item)
        found = [each for segment in item.segments for each in logprobs(segment)] if self._config.logprobs else []
        usage = {"type": "duration", "seconds": round(seconds, 3)}
        await self._send_of_item("completed", transcript=item.text, usage=usage, logprobs=found or None)

    async def _send_speakers(self, item: _Item) -> None:
        """The text of each speaker; times count from the start of the stream."""
        labelled = letter_speakers(Transcript("live", 0.0, tuple(item.segments))).segments
        for segment in labelled if self._config.diarizes else ():
            if segment.speaker is not None:
                times = {"start": self._offset + segment.start, "end": self._offset + segment.end}
                fields = {name: round(seconds, 3) for name, seconds in times.items()}
                name = f"seg_{secrets.token_hex(10)}"
                await self._send_of_item("segment", id=name, text=segment.text, speaker=segment.speaker, **fields)

    async def _fail_item(self, error: EngineError) -> None:
        if self._previous != self._item.id:
            await self._send_item(self._item)
        problem = problem_of(error)
        await self._send_failure(problem.message, problem.code)

    async def _send_failure(self, message: str, code: str) -> None:
        error = {"type": "server_error", "code": code, "message": message, "param": None}
        await self._send_of_item("failed", error=error)

    async def _send_of_item(self, kind: str, **fields: Any) -> None:
        name = f"conversation.item.input_audio_transcription.{kind}"
        await self._send(name, item_id=self._item.id, content_index=0, **fields)

    async def _error(self, error: AsrcliError) -> None:
        problem = problem_of(error)
        body = {"type": problem.kind, "code": problem.code, "message": problem.message, "param": problem.param}
        await self._send("error", error=body | {"event_id": self._event_id})

    async def _send(self, kind: str, **fields: Any) -> None:
        await self._connection.send({"type": kind, "event_id": f"event_{secrets.token_hex(10)}", **fields})

    def _ms(self, seconds: float) -> int:
        return round((self._offset + seconds) * 1000)


async def _decoded(audio: Any) -> bytes:
    if not isinstance(audio, str):
        raise RequestError("`audio` must be base64 text.", param="audio")
    return decode_base64(audio) if len(audio) <= _AT_ONCE else await asyncio.to_thread(decode_base64, audio)
