"""FunASR's runtime WebSocket: offline, online and 2pass, many utterances on a connection.

Its servers disagree with each other and its clients with all of them; the five rules of the protocol contract, 4.4,
are what every client takes.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any, Self

from asrcli.errors import AsrcliError, UsageError
from asrcli.script import join, joint
from asrcli.server.errors import problem_of
from asrcli.server.http.connection import EndingError
from asrcli.server.http.json_text import read_object
from asrcli.server.live.recording import SessionRecording
from asrcli.server.live.session import LiveSession, Partial, PcmStream, SentenceEnded
from asrcli.server.protocols.funasr.fields import Utterance
from asrcli.server.protocols.funasr.replies import acknowledgement, failure, result
from asrcli.server.recognition.session_context import SessionContext

_END = {"is_speaking": False}


class FunasrSession:
    """One connection: utterance after utterance, until the client leaves."""

    def __init__(self, context: SessionContext) -> None:
        self._context = context
        self._connection = context.connection
        self._utterance = Utterance()

    async def run(self) -> None:
        """Serve the connection to its end.

        Raises:
            GoneError, IdleError: the client has left, or fallen silent.
            EndingError: the server ends, and all has been said.
        """
        while True:
            await self._serve_utterance()

    async def _serve_utterance(self) -> None:
        """From the first frame of an utterance to its last result."""
        error = None
        sink = _ResultSink(self._context)
        end: dict[str, Any] = {}
        try:
            async with sink:
                while not end:
                    end = await self._hear(sink)
                await self._connection.run_while_connected(sink.finish(self._utterance))
        except AsrcliError as problem:
            error = problem_of(problem).message
            await self._connection.send(failure(_label(self._utterance), self._utterance.name, error))
            while not end:  # what is left of the utterance is of no use
                end = await self._skip()
        if end.get("is_end"):
            await self._connection.send(acknowledgement(self._utterance.mode, self._utterance.name, error))

    async def _hear(self, sink: _ResultSink) -> dict[str, Any]:
        """Take a frame; the frame that ends the utterance is returned, {} is for the others.

        Raises:
            AsrcliError: the client asks for what makes no sense, or recognition failed.
        """
        try:
            frame = await self._connection.receive(sink.telling)
        except EndingError:
            if not sink.opened:
                raise
            return _END  # what has been heard is all there is
        if isinstance(frame, bytes):
            await sink.feed(self._utterance, frame)
            return {}
        body = await read_object(frame)
        if body is None:
            raise UsageError("A text frame holds no JSON object.", "Send audio as binary frames.")
        self._utterance = await asyncio.to_thread(self._utterance.updated, body)
        return body if _ends(body) else {}

    async def _skip(self) -> dict[str, Any]:
        frame = await self._connection.receive()
        body = {} if isinstance(frame, bytes) else await read_object(frame) or {}
        return body if _ends(body) else {}


def _ends(frame: dict[str, Any]) -> bool:
    return frame.get("is_speaking") is False or frame.get("is_finished") is True


def _label(utterance: Utterance) -> str:
    """The mode of an utterance's final result."""
    return "2pass-offline" if utterance.mode == "2pass" else utterance.mode


class _ResultSink:
    """Where an utterance's audio goes: a live session, or a file that is transcribed at the end."""

    def __init__(self, context: SessionContext) -> None:
        self._context = context
        self._stack = AsyncExitStack()
        self._session: LiveSession | None = None
        self._recording: SessionRecording | None = None
        self._ear: PcmStream | None = None
        #: tells of what is recognised; None before there is audio, and for files
        self.telling: asyncio.Task[None] | None = None
        self._teller = _ResultSender(context)

    async def __aenter__(self) -> Self:
        await self._stack.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        if self.telling is not None:
            self.telling.cancel()
            await asyncio.gather(self.telling, return_exceptions=True)
        await self._stack.aclose()

    @property
    def opened(self) -> bool:
        """Whether there is audio."""
        return self._ear is not None or self._recording is not None

    async def feed(self, utterance: Utterance, data: bytes) -> None:
        """Hear some bytes; the first decide, with what is known of the utterance, where all go."""
        if not self.opened:
            await self._open(utterance)
        if self._ear is not None:
            await self._ear.hear(data)
        elif self._recording is not None:
            await self._recording.write(data)

    async def finish(self, utterance: Utterance) -> None:
        """Tell of all that has not been told; one message is the last, even if nothing was said."""
        if self._session is not None and self._ear is not None and self.telling is not None:
            self._teller.closing = True
            await self._ear.finish()
            self._session.finish()
            await self.telling
        elif self._recording is not None:
            segments = await self._recording.transcribe(utterance.options)
            text = join(segment.text for segment in segments)
            await self._send(result(_label(utterance), text, utterance.name, final=True, segments=segments))
        else:
            await self._send(result(_label(utterance), "", utterance.name, final=True))

    async def _open(self, utterance: Utterance) -> None:
        if utterance.mode == "offline" or not utterance.pcm:
            rate = utterance.rate if utterance.pcm else None
            recording = SessionRecording(self._context.files, self._context.client, self._context.model, rate)
            self._recording = self._stack.enter_context(recording)
            return
        opening = self._context.live.session(utterance.options, self._context.model)
        self._session = await self._stack.enter_async_context(opening)
        self._ear = PcmStream(self._session, utterance.rate)
        self.telling = asyncio.create_task(self._teller.tell(self._session, utterance))

    async def _send(self, body: dict[str, Any]) -> None:
        await self._context.connection.send(body)


class _ResultSender:
    """Events of a live session as messages. Texts are deltas: clients append them."""

    def __init__(self, context: SessionContext) -> None:
        self._connection = context.connection
        #: whether the speaker has stopped: the last message is held back, to be marked as such
        self.closing = False
        self._held: dict[str, Any] | None = None
        #: what clients have of all sentences that have ended, and of the one that is growing
        self._before = self._shown = ""

    async def tell(self, session: LiveSession, utterance: Utterance) -> None:
        """Tell of everything, to the final result."""
        passes = utterance.mode == "2pass"
        name = utterance.name
        async for event in session.events():
            if isinstance(event, Partial):
                text = self._delta(event.stable)
                if text:
                    await self._say(result("2pass-online" if passes else "online", text, name, final=False))
            elif isinstance(event, SentenceEnded):
                segments = event.segments if passes else ()
                text = joint(self._before, event.text) + event.text if passes else self._tail(event)
                self._before, self._shown = event.text or self._before, ""
                if text:
                    await self._say(result(_label(utterance), text, name, final=False, segments=segments))
        await self._connection.send(
            (self._held or result(_label(utterance), "", name, final=True)) | {"is_final": True}
        )

    def _delta(self, stable: str) -> str:
        """What stands now and has not been said; sentences are kept apart."""
        fresh = stable[len(self._shown) :]
        lead = joint(self._before, fresh) if not self._shown else ""
        self._shown = stable
        return lead + fresh if fresh else ""

    def _tail(self, event: SentenceEnded) -> str:
        """What of an ended sentence its partial results have not said."""
        return event.rest if self._shown else joint(self._before, event.rest) + event.rest

    async def _say(self, body: dict[str, Any]) -> None:
        if self._held is not None:
            await self._connection.send(self._held)
            self._held = None
        if self.closing:
            self._held = body
        else:
            await self._connection.send(body)
