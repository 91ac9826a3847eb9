"""The WebSocket of funasr-realtime-server: commands in plain text, results with all sentences so far."""

import asyncio
import re
from collections.abc import Awaitable
from contextlib import suppress
from dataclasses import replace
from typing import Any

from asrcli.errors import AsrcliError, UsageError
from asrcli.options import RecognitionOptions
from asrcli.server.bounds import MAX_HOTWORD_LENGTH, MAX_REPLACEMENTS, MAX_TEXT_FRAME
from asrcli.server.errors import RequestError, problem_of
from asrcli.server.http.connection import EndingError, IdleError
from asrcli.server.http.values import flag, parsed_hotwords
from asrcli.server.live.events import Partial, SentenceBegan, SentenceEnded
from asrcli.server.live.input import LiveInput
from asrcli.server.live.service import SessionContext
from asrcli.server.live.session import LiveOptions, LiveSession
from asrcli.server.recognition.replies import gap_fields
from asrcli.speakers.live import SpeakerMemory

#: the first words by which the protocol is recognised
COMMANDS = frozenset({"START", "STOP", "COMMIT", "HOTWORDS", "LANGUAGE", "POSTPROCESS_HOTWORDS"})


class RealtimeSession:
    def __init__(self, context: SessionContext) -> None:
        self._context = context
        self._connection = context.connection
        self._recognition = RecognitionOptions()
        self._speakers: SpeakerMemory | None = None
        self._replacements: dict[str, str] = {}
        self._active = False
        #: the audio between two COMMIT or STOP commands
        self._utterance: LiveInput | None = None
        self._sentences: list[dict[str, Any]] = []
        self._partial_start = 0
        #: milliseconds before the current utterance
        self._offset = 0

    async def run(self) -> None:
        """Serve the connection to its end. Raises GoneError or IdleError: the client has left, or was idle for too
        long; EndingError: the server ends; all results were sent.
        """
        try:
            while True:
                await self._answer(self._serve())
        except (EndingError, IdleError):
            if self._active:
                await self._answer(self._finish())
            raise
        finally:
            await self._drop()

    async def _answer(self, work: Awaitable[None]) -> None:
        """Wait for some work; the client gets its error."""
        try:
            await work
        except AsrcliError as error:
            await self._drop()
            await self._refuse(error)

    async def _refuse(self, error: AsrcliError) -> None:
        await self._connection.send({"event": "error", "error": problem_of(error).message})

    async def _serve(self) -> None:
        frame = await self._connection.receive(*self._pending(), timed=self._utterance is not None)
        if isinstance(frame, str):
            await self._run_command(frame.strip())
        elif self._active:
            utterance = self._utterance or await self._open()
            try:
                await utterance.feed(frame)
            except RequestError:
                with suppress(AsrcliError):  # the audio before has its result
                    await self._finish()
                raise

    def _pending(self) -> tuple[asyncio.Task[None], ...]:
        return () if self._utterance is None else (self._utterance.sending,)

    async def _run_command(self, command: str) -> None:
        name, _, value = command.partition(":")
        match name.strip()[:40].upper():
            case "START":
                await self._drop()
                self._active, self._offset = True, 0
                await self._connection.send({"event": "started"})
            case "STOP":
                if self._active:
                    await self._answer(self._finish())  # clients wait for a result, even without audio, and for the end
                self._active = False
                await self._connection.send({"event": "stopped"})
            case "COMMIT" if self._active:
                await self._finish()
            case setting:
                try:
                    await self._set(setting, value)
                except AsrcliError as error:  # the audio goes on
                    await self._refuse(error)

    async def _set(self, name: str, value: str) -> None:
        """Change a setting. Raises UsageError or RequestError: it is not valid, or the command is not."""
        if len(value) > MAX_TEXT_FRAME:
            raise UsageError("The command is too long.", f"Send at most {MAX_TEXT_FRAME >> 20} MiB.")
        match name:
            case "COMMIT":
                raise UsageError("No session was started.", "Send START first.")
            case "HOTWORDS":
                hotwords = await parsed_hotwords(value)
                self._recognition = replace(self._recognition, hotwords=hotwords)
                await self._connection.send({"event": "hotwords_set", "hotwords": [word.text for word in hotwords]})
            case "LANGUAGE":
                self._recognition = replace(self._recognition, language=value)
                await self._connection.send({"event": "language_set", "language": value.strip()[:40]})
            case "POSTPROCESS_HOTWORDS":
                self._replacements = _replacements(value)
                pairs = [f"{wrong}=>{right}" for wrong, right in self._replacements.items()]
                await self._connection.send({"event": "postprocess_hotwords_set", "hotwords": pairs})
            case _:
                raise UsageError(f"The command {name!r} is unknown.", f"Commands: {', '.join(sorted(COMMANDS))}.")

    # -- utterances --------------------------------------------------------------------------------------------------

    async def _open(self) -> LiveInput:
        if self._speakers is None:
            asked = flag(self._connection.websocket.query_params.get("spk"), "spk")
            self._speakers = SpeakerMemory.wanted(bool(asked))
        options = LiveOptions(recognition=self._recognition, speakers=self._speakers)
        opening = self._context.live.session(options, self._context.model, self._context.address)
        self._utterance = await LiveInput.open(opening, self._send_events)
        return self._utterance

    async def _finish(self) -> None:
        """Send the last result of the utterance."""
        utterance = self._utterance
        duration = self._offset
        if utterance is not None:
            await self._connection.run_while_connected(utterance.finish())
            duration += round(utterance.session.duration * 1000)
        body = {"sentences": self._sentences, "partial": "", "partial_start_ms": 0, "duration_ms": duration}
        await self._connection.send({**body, "is_final": True})
        await self._drop()

    async def _drop(self) -> None:
        utterance, self._utterance = self._utterance, None
        self._sentences = []
        if utterance is not None:
            await utterance.close()
            self._offset += round(utterance.session.duration * 1000)

    async def _send_events(self, session: LiveSession) -> None:
        async for event in session.events():
            match event:
                case SentenceBegan():
                    self._partial_start = self._ms(event.start)
                case Partial():
                    await self._send_result(session, self._corrected(event.text))
                case SentenceEnded() if event.text or event.gaps:
                    sentence = {"start": self._ms(event.start), "end": self._ms(event.end)}
                    sentence |= gap_fields(event.gaps, self._ms)
                    if self._speakers is not None and event.speaker is not None:
                        sentence["spk"] = self._speakers.numbers[event.speaker]
                    self._sentences.append({"text": self._corrected(event.text)} | sentence)
                    self._partial_start = self._ms(event.end)
                    await self._send_result(session, "")

    async def _send_result(self, session: LiveSession, partial: str) -> None:
        body = {
            "sentences": self._sentences,
            "partial": partial,
            "partial_start_ms": self._partial_start,
            "duration_ms": self._ms(session.duration),
            "is_final": False,
        }
        await self._connection.send(body)

    def _ms(self, seconds: float) -> int:
        return self._offset + round(seconds * 1000)

    def _corrected(self, text: str) -> str:
        """The text with all replacements made in one pass: none is applied to the result of another."""
        if not self._replacements:
            return text
        # Of two that begin at the same place the longer counts.
        wrong = "|".join(map(re.escape, sorted(self._replacements, key=len, reverse=True)))
        return re.sub(wrong, lambda match: self._replacements[match[0]], text)


def _replacements(value: str) -> dict[str, str]:
    """`wrong=>right`, separated by commas."""
    if len(value) > 2 * MAX_REPLACEMENTS * MAX_HOTWORD_LENGTH:
        raise _too_many_replacements()
    found = {}
    for part in filter(str.strip, value.split(",")):
        wrong, arrow, right = (each.strip() for each in part.partition("=>"))
        if not arrow or not wrong:
            raise UsageError("The replacements cannot be read.", "Write them as wrong=>right, separated by commas.")
        found[wrong] = right
    if len(found) > MAX_REPLACEMENTS or any(max(map(len, pair)) > MAX_HOTWORD_LENGTH for pair in found.items()):
        raise _too_many_replacements()
    return found


def _too_many_replacements() -> UsageError:
    return UsageError(f"At most {MAX_REPLACEMENTS} replacements of {MAX_HOTWORD_LENGTH} characters are allowed.")
