"""Deepgram's live `/v1/listen`: audio in, `Results` out, settings in the query."""

from contextlib import suppress
from dataclasses import replace
from typing import Any

from asrcli.errors import AsrcliError, EngineError
from asrcli.options import TextOptions
from asrcli.server.errors import RequestError, problem_of
from asrcli.server.http.connection import EndingError, IdleError
from asrcli.server.http.json_text import read_object
from asrcli.server.live.endpoint import EndpointOptions
from asrcli.server.live.events import Partial, SentenceBegan, SentenceEnded
from asrcli.server.live.input import LiveInput
from asrcli.server.live.service import SessionContext
from asrcli.server.live.session import LiveOptions, LiveSession
from asrcli.server.protocols.deepgram.fields import ListenFields, alternative, metadata, model_info
from asrcli.server.recognition.replies import gap_fields
from asrcli.speakers.live import SpeakerMemory

_CLOSE = {"type": "CloseStream"}
_CHANNEL = [0, 1]


class DeepgramSession:
    def __init__(self, context: SessionContext) -> None:
        self._context = context
        self._connection = context.connection
        websocket = context.connection.websocket
        self._fields = ListenFields(websocket.query_params)
        self._request_id = websocket.scope["state"]["request_id"]
        self._options = LiveOptions()
        self._input: LiveInput | None = None
        #: seconds of audio before the current input, and whether the client has sent Finalize
        self._offset = 0.0
        self._finalizing = False
        self._start = 0.0

    async def run(self) -> None:
        """Serve the connection to its end. Raises GoneError or IdleError: the client has left, or was idle for too
        long; EndingError: the server ends; all results were sent.
        """
        try:
            self._options = await self._read_options()
            await self._context.live.check(self._options, self._fields.model)
            try:
                while await self._serve():
                    pass
            except (EndingError, IdleError):
                await self._finish()
                raise
        except AsrcliError as error:
            if not isinstance(error, EngineError):
                with suppress(AsrcliError):  # the audio before the fault has its results
                    await self._finish()
            await self._error(error)
        finally:
            await self._drop()

    async def _read_options(self) -> LiveOptions:
        fields = self._fields
        fields.check()
        marks = fields.flag("punctuate", default=True) or fields.flag("smart_format")
        return LiveOptions(
            recognition=await fields.recognition(),
            text=TextOptions(punctuation=None if marks else False, strip_marks=not marks),
            endpoint=EndpointOptions(silence=fields.silence),
            partials=fields.flag("interim_results") or fields.flag("vad_events"),
            speakers=SpeakerMemory.wanted(fields.flag("diarize")),
        )

    async def _serve(self) -> bool:
        """Take a frame; whether the connection remains open."""
        tasks = () if self._input is None else (self._input.sending,)
        frame = await self._connection.receive(*tasks, timed=self._input is not None)
        if frame and isinstance(frame, bytes):
            await (self._input or await self._open()).feed(frame)
            return True
        message = _CLOSE if not frame else await read_object(frame)
        match (message or {}).get("type"):
            case "CloseStream":
                await self._finish()
                await self._connection.send({"type": "Metadata", **metadata(self._request_id, self._offset)})
                return False
            case "Finalize" if self._fields.form is None:
                await self._error(RequestError("Finalize needs raw samples: set `encoding` and `sample_rate`."))
            case "Finalize":
                self._finalizing = True
                await self._finish()
                if self._finalizing:  # clients wait for a result
                    self._finalizing = False
                    await self._send_results("", [], self._offset, self._offset, is_final=True, from_finalize=True)
            case "KeepAlive":
                pass
            case kind:
                await self._error(RequestError(f"The message type {str(kind)[:40]!r} is not supported."))
        return True

    async def _open(self) -> LiveInput:
        opening = self._context.live.session(self._options, self._fields.model, self._context.address)
        bounds = self._context.files.settings
        self._input = await LiveInput.open(opening, self._send_events, self._fields.form, compressed=bounds)
        return self._input

    async def _finish(self) -> None:
        """Send the results of the audio so far."""
        if self._input is not None:
            await self._connection.run_while_connected(self._input.finish())
        await self._drop()

    async def _drop(self) -> None:
        found, self._input = self._input, None
        if found is not None:
            await found.close()
            self._offset += found.session.duration

    async def _send_events(self, session: LiveSession) -> None:
        async for event in session.events():
            match event:
                case SentenceBegan():
                    self._start = self._offset + event.start
                    if self._fields.flag("vad_events"):
                        await self._send("SpeechStarted", channel=_CHANNEL, timestamp=round(self._start, 3))
                case Partial() if self._fields.flag("interim_results"):
                    await self._send_results(event.text, [], self._start, self._offset + event.end, is_final=False)
                case SentenceEnded():
                    await self._send_sentence(event)

    async def _send_sentence(self, event: SentenceEnded) -> None:
        words = [replace(word, start=self._offset + word.start, end=self._offset + word.end) for word in event.words]
        flags = {"speech_final": event.reason == "pause", "is_final": True}
        if self._finalizing and event.reason == "stop":
            self._finalizing, flags["from_finalize"] = False, True
        fields = flags | gap_fields(event.gaps, lambda seconds: round(self._offset + seconds, 3))
        await self._send_results(event.text, words, self._start, self._offset + event.end, **fields)
        if event.reason == "pause" and "utterance_end_ms" in self._connection.websocket.query_params and words:
            await self._send("UtteranceEnd", channel=_CHANNEL, last_word_end=round(words[-1].end, 3))

    async def _send_results(self, text: str, words: list[Any], start: float, end: float, **fields: Any) -> None:
        name = self._context.files.pool.name_of(self._fields.model)
        span = {"start": round(start, 3), "duration": round(end - start, 3), "channel_index": _CHANNEL}
        facts = {"request_id": self._request_id, "model_info": model_info(name), "model_uuid": name}
        speakers = self._options.speakers
        # Clients of streams need a number.
        best = alternative(text, words, speakers.numbers if speakers else {}, unknown=0.0)
        channel = {"alternatives": [best]}
        fields = {"speech_final": False, "from_finalize": False} | fields
        await self._send("Results", **span, **fields, channel=channel, metadata=facts)

    async def _error(self, error: AsrcliError) -> None:
        problem = problem_of(error)
        await self._send("Error", variant=problem.code, description=problem.message, message=problem.message)

    async def _send(self, kind: str, **fields: Any) -> None:
        await self._connection.send({"type": kind, **fields})
