"""FunASR's runtime WebSocket: offline, online and 2pass, many utterances on a connection.

Servers and clients of that protocol differ from each other; docs/protocols.md lists the rules that suit every client.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from functools import partial
from typing import Any, Self

from asrcli.errors import AsrcliError, InputError, UsageError
from asrcli.script import joint
from asrcli.server.errors import RequestError, problem_of
from asrcli.server.http.connection import EndingError, IdleError
from asrcli.server.http.json_text import read_object
from asrcli.server.http.values import without_nulls
from asrcli.server.live.events import Partial, SentenceEnded
from asrcli.server.live.input import LiveInput
from asrcli.server.live.pcm import PcmForm, recording_in
from asrcli.server.live.recording import SessionRecording, recording_options
from asrcli.server.live.service import SessionContext
from asrcli.server.live.session import LiveSession
from asrcli.server.protocols.funasr.fields import Utterance
from asrcli.server.protocols.funasr.replies import acknowledgement, failure, result, speaker_fields, whole_results
from asrcli.server.recognition.replies import gap_fields, milliseconds

_END = {"is_speaking": False}


class FunasrSession:
    """One connection, with any number of utterances."""

    def __init__(self, context: SessionContext) -> None:
        self._context = context
        self._connection = context.connection
        self._utterance = Utterance()
        #: why the connection ends after the utterance
        self._interrupted: EndingError | IdleError | None = None

    async def run(self) -> None:
        """Serve the connection to its end. Raises GoneError or IdleError: the client has left, or was idle for too
        long; EndingError: the server ends; all results were sent.
        """
        while True:
            await self._serve_utterance()

    async def _serve_utterance(self) -> None:
        """Serve one utterance, from its first frame to its last result."""
        error = None
        sink = _ResultSink(self._context)
        end: dict[str, Any] = {}
        try:
            async with sink:
                while not (end or sink.unreadable or sink.full):
                    end = await self._receive_audio(sink)
                await self._connection.run_while_connected(sink.finish(self._utterance))
            error = sink.refused
        except AsrcliError as problem:
            error = problem_of(problem).message
            await self._connection.send(failure(_label(self._utterance), self._utterance.name, error))
            end = end or sink.ended_by
        if sink.unreadable:
            end = await self._end_after_unreadable()
        while not end:  # ignore the rest of the utterance
            end = await self._skip()
        if self._interrupted is not None:
            raise self._interrupted
        if end.get("is_end"):
            await self._connection.send(acknowledgement(self._utterance.mode, self._utterance.name, error))

    async def _receive_audio(self, sink: _ResultSink) -> dict[str, Any]:
        """Receive a frame. Returns the frame that ends the utterance, {} for others."""
        try:
            frame = await self._connection.receive(sink.sending, timed=sink.opened)
        except (EndingError, IdleError) as end:
            if not sink.opened:
                raise
            self._interrupted = end
            return _END  # send the results of the audio received so far
        if isinstance(frame, bytes):
            try:
                await sink.feed(self._utterance, frame)
            except RequestError as error:
                if sink.sending is None:
                    raise
                sink.full = True
                sink.refuse(error)
            return {}
        body = await read_object(frame)
        if body is None:
            unreadable = UsageError("A text frame is not a JSON object.", "Send audio in binary frames.")
            if not sink.opened:
                raise unreadable
            sink.unreadable = True  # perhaps the end
            sink.refuse(unreadable)
            return {}
        body = without_nulls(body)
        sink.ended_by = body if _ends(body) else {}
        self._utterance = self._utterance.labelled(body)
        try:
            self._utterance = await self._updated(body, opened=sink.opened)
        except AsrcliError as error:
            if not sink.opened:
                raise
            sink.refuse(error)  # the audio received so far has its text nevertheless
        return sink.ended_by

    async def _updated(self, body: dict[str, Any], *, opened: bool) -> Utterance:
        """The utterance with the fields of a frame. Raises AsrcliError: one of them is not valid; after audio and in
        mode offline, also if the model does not support it: recordings are transcribed with the last settings.
        """
        updated = await asyncio.to_thread(self._utterance.updated, body)
        if (opened or updated.mode == "offline") and updated.options != self._utterance.options:
            wanted = recording_options(updated.options)
            await asyncio.to_thread(self._context.files.check, self._context.model, wanted)
        return updated

    async def _skip(self) -> dict[str, Any]:
        """Ignore a frame. Returns the frame that ends the utterance, {} for others."""
        frame = await self._connection.receive()
        body = {} if isinstance(frame, bytes) else await read_object(frame) or {}
        if _flag(body, "is_speaking"):  # the next utterance: the end of this one was not understood
            self._connection.push_back(frame)
            return _END
        return body if _ends(body) else {}

    async def _end_after_unreadable(self) -> dict[str, Any]:
        """The frame that ends an utterance whose end could not be read, if the next one does; others belong to the next
        utterance.
        """
        frame = await self._connection.receive()
        body = {} if isinstance(frame, bytes) else await read_object(frame)
        if body is not None and _ends(body):
            return body
        if body is not None:
            self._connection.push_back(frame)
        return _END


def _ends(frame: dict[str, Any]) -> bool:
    return _flag(frame, "is_speaking") is False or bool(_flag(frame, "is_finished") or _flag(frame, "is_end"))


def _flag(frame: dict[str, Any], name: str) -> bool | None:
    """A flag, also as a number or text, as clients in other languages write it; None: it was not sent."""
    return {"true": True, "1": True, "false": False, "0": False}.get(str(frame.get(name)).lower())


def _label(utterance: Utterance) -> str:
    """The mode of an utterance's final result."""
    return "2pass-offline" if utterance.mode == "2pass" else utterance.mode


class _ResultSink:
    """Receives the audio of an utterance: a live session, or a file that is transcribed at the end."""

    def __init__(self, context: SessionContext) -> None:
        self._context = context
        self._stack = AsyncExitStack()
        self._input: LiveInput | None = None
        self._recording: SessionRecording | None = None
        #: the frame that ended the utterance, even if a field of it was not valid; {}: none
        self.ended_by: dict[str, Any] = {}
        #: whether a text frame could not be read, which perhaps was the end
        self.unreadable = False
        #: whether the session takes no more audio
        self.full = False
        self._sender = _ResultSender(context)

    async def __aenter__(self) -> Self:
        await self._stack.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        if self._input is not None:
            await self._input.close()
        await self._stack.aclose()

    @property
    def sending(self) -> asyncio.Task[None] | None:
        """Sends results; None before the first audio, and for files."""
        return None if self._input is None else self._input.sending

    @property
    def opened(self) -> bool:
        """Whether audio was received."""
        return self._input is not None or self._recording is not None

    @property
    def refused(self) -> str | None:
        """Why settings or audio after the first were refused."""
        return self._sender.error

    def refuse(self, error: AsrcliError) -> None:
        """Report an error with the last result."""
        self._sender.error = self._sender.error or problem_of(error).message

    async def feed(self, utterance: Utterance, data: bytes) -> None:
        """Take some bytes; with the first, the utterance's options decide where they go."""
        if not self.opened:
            await self._open(utterance, data)
        if self._input is not None:
            await self._input.feed(data)
        elif self._recording is not None:
            await self._recording.write(data)

    async def finish(self, utterance: Utterance) -> None:
        """Send all remaining results; the last message is final, even if there is no text."""
        if self._input is not None:
            self._sender.closing = True
            try:
                await self._input.finish()
            except InputError as error:  # the last audio is none
                self.refuse(error)
            await self._sender.finish(utterance)
        elif self._recording is not None:
            transcript = await self._recording.transcribe(utterance.options)
            *others, last = await asyncio.to_thread(whole_results, _label(utterance), utterance.name, transcript)
            for body in others:
                await self._send(body)
            await self._sender.send_last(last)
        else:
            await self._sender.send_last(result(_label(utterance), "", utterance.name, final=True))

    async def _open(self, utterance: Utterance, data: bytes) -> None:
        if utterance.mode == "offline" or not utterance.pcm or recording_in(data):
            self._stack.enter_context(self._context.live.place(self._context.address))
            rate = utterance.rate if utterance.pcm else None
            recording = SessionRecording(self._context.files, self._context.client, self._context.model, rate)
            self._recording = await self._stack.enter_async_context(recording)
            return
        opening = self._context.live.session(utterance.options, self._context.model, self._context.address)
        send = partial(self._sender.send_events, utterance=utterance)
        self._input = await LiveInput.open(opening, send, PcmForm(utterance.rate))

    async def _send(self, body: dict[str, Any]) -> None:
        await self._context.connection.send(body)


class _ResultSender:
    """Sends events of a live session as messages. Texts are deltas, which clients append."""

    def __init__(self, context: SessionContext) -> None:
        self._connection = context.connection
        #: whether the client has ended the utterance; the last message is then held back and marked as final
        self.closing = False
        self._held: dict[str, Any] | None = None
        #: goes with the last message
        self.error: str | None = None
        #: what was sent of ended sentences, and of the growing one
        self._before = self._shown = ""

    async def send_events(self, session: LiveSession, utterance: Utterance) -> None:
        """Send all results, up to the final one."""
        passes = utterance.mode == "2pass"
        name = utterance.name
        async for event in session.events():
            if isinstance(event, Partial):
                text = self._delta(event.stable)
                if text:
                    await self._send_result(result("2pass-online" if passes else "online", text, name, final=False))
            elif isinstance(event, SentenceEnded):
                segments = event.segments if passes else ()
                text = joint(self._before, event.text) + event.text if passes else self._tail(event)
                self._before, self._shown = event.text or self._before, ""
                gaps = gap_fields(event.gaps, milliseconds)
                if text or gaps:
                    body = result(_label(utterance), text, name, final=False, segments=segments)
                    if utterance.options.speakers is not None and event.speaker is not None:
                        body["spk_name"] = event.speaker
                        body |= speaker_fields(event.segments, utterance.options.speakers.numbers)
                    await self._send_result(body | gaps)

    async def finish(self, utterance: Utterance) -> None:
        """Send the last message of a session, once `send_events` has ended."""
        await self.send_last(self._held or result(_label(utterance), "", utterance.name, final=True))

    async def send_last(self, body: dict[str, Any]) -> None:
        """Send the last message of the utterance."""
        errors = {} if self.error is None else {"error": self.error}
        await self._connection.send(body | {"is_final": True} | errors)

    def _delta(self, stable: str) -> str:
        """Stable text that was not sent; separated from the sentence before."""
        fresh = stable[len(self._shown) :]
        lead = joint(self._before, fresh) if not self._shown else ""
        self._shown = stable
        return lead + fresh if fresh else ""

    def _tail(self, event: SentenceEnded) -> str:
        """The part of an ended sentence that its partial results did not contain."""
        return event.rest if self._shown else joint(self._before, event.rest) + event.rest

    async def _send_result(self, body: dict[str, Any]) -> None:
        if self._held is not None:
            await self._connection.send(self._held)
            self._held = None
        if self.closing:
            self._held = body
        else:
            await self._connection.send(body)
