"""One Wyoming connection (Home Assistant's protocol): a live session for each `audio-start` ... `audio-stop`."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI

from asrcli import __version__
from asrcli.errors import AsrcliError, EngineError
from asrcli.models.entry import ModelEntry
from asrcli.options import RecognitionOptions
from asrcli.script import joint
from asrcli.server.errors import RequestError, SlowClientError
from asrcli.server.http.values import language, parsed_hotwords
from asrcli.server.live.events import SentenceEnded
from asrcli.server.live.input import LiveInput
from asrcli.server.live.pcm import MAX_CHANNELS, RATES, PcmForm
from asrcli.server.live.session import LiveOptions, LiveSession
from asrcli.server.protocols.wyoming.events import WyomingEvent, WyomingStream

#: bytes of a sample -> its encoding
_WIDTHS = {1: "u8", 2: "s16le", 3: "s24le", 4: "s32le"}
_ATTRIBUTION = {"name": "asrcli", "url": ""}


@dataclass(frozen=True, slots=True)
class _Request:
    """What the last `transcribe` asked for."""

    model: str | None = None
    recognition: RecognitionOptions = field(default_factory=RecognitionOptions)


@dataclass(slots=True)
class _Transcript:
    """Text of the current recording, as sent."""

    text: str = ""
    language: str | None = None
    started: bool = False


class WyomingSession:
    def __init__(self, stream: WyomingStream, app: FastAPI, address: str) -> None:
        """`address`: the client's."""
        self._stream = stream
        self._app = app
        self._address = address
        self._request = _Request()
        self._input: LiveInput | None = None
        self._form = PcmForm()
        self._transcript = _Transcript()

    async def run(self) -> None:
        """Serve the connection to its end. It ends after an error: clients wait only for a transcript."""
        try:
            while (event := await self._receive()) is not None:
                await self._handle(event)
        except (AsrcliError, TimeoutError) as error:
            late = isinstance(error, TimeoutError)
            await self._stream.report(SlowClientError("The audio did not arrive in time.") if late else error)
            if self._input is not None and not isinstance(error, EngineError):
                with suppress(AsrcliError):  # the audio before the fault has its transcript
                    await self._finish()
            await self._stream.end()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client has left within a payload
        finally:
            await self._drop()

    async def _receive(self) -> WyomingEvent | None:
        """The next event. None: the client has left, or it is idle for too long or the server ends, and the results of
        the audio received so far were sent.
        """
        reading = asyncio.ensure_future(self._stream.receive())
        tasks: set[asyncio.Future[Any]] = {reading, self._stream.ending}
        timeout = None
        if self._input is not None:
            tasks.add(self._input.sending)
            timeout = self._app.state.settings.idle_timeout or None
        try:
            await asyncio.wait(tasks, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
            if self._input is not None and self._input.sending.done():
                self._input.sending.result()
            if reading.done():
                return reading.result()
        finally:
            reading.cancel()
            await asyncio.wait({reading})  # else what is left of a refused message cannot be read
        if self._input is not None:
            await self._finish()
        return None

    async def _handle(self, event: WyomingEvent) -> None:
        match event.kind:
            case "describe":
                await self._stream.send("info", **await asyncio.to_thread(self._info))
            case "ping":
                await self._stream.send("pong", text=_text(event.data, "text"))
            case "transcribe":
                self._request = await asyncio.to_thread(self._read_request, event.data, await _hotwords(event.data))
            case "audio-start":
                await self._start(_form(event.data))
            case "audio-chunk":
                await self._feed(event)
            case "audio-stop":
                await self._finish()
        # Other events are ignored, as the protocol demands.

    def _read_request(self, data: dict[str, Any], hotwords: Any) -> _Request:
        spoken = language(_text(data, "language"))
        name = _text(data, "name")
        if not name and spoken:  # clients select a language of all that `info` lists
            listed = self._app.state.pool.installed()
            name = next((each.name for each in listed if spoken in each.languages), None)
        return _Request(name, RecognitionOptions(language=spoken, hotwords=hotwords))

    async def _start(self, form: PcmForm) -> None:
        if self._input is not None:  # the client has left out `audio-stop`
            await self._finish()
        options = LiveOptions(recognition=self._request.recognition, partials=False)
        opening = self._app.state.live.session(options, self._request.model, self._address)
        self._form = form
        self._input = await LiveInput.open(opening, self._send_events, form)

    async def _feed(self, event: WyomingEvent) -> None:
        form = _form(event.data)
        if self._input is None:
            await self._start(form)
        assert self._input is not None
        if form != self._form:
            raise RequestError("The form of the audio changed.", "Send audio-stop and audio-start before.")
        async for piece in self._stream.payload():
            await self._input.feed(piece)

    async def _finish(self) -> None:
        """Send the transcript; an empty one without audio, for clients wait for it."""
        if self._input is not None:
            await self._input.finish()
        await self._begin()
        await self._stream.send("transcript", text=self._transcript.text, language=self._transcript.language)
        await self._stream.send("transcript-stop")
        await self._drop()

    async def _drop(self) -> None:
        found, self._input, self._transcript = self._input, None, _Transcript()
        if found is not None:
            await found.close()

    async def _begin(self) -> None:
        if not self._transcript.started:
            self._transcript.started = True
            await self._stream.send("transcript-start", language=self._transcript.language)

    async def _send_events(self, session: LiveSession) -> None:
        transcript = self._transcript
        async for event in session.events():
            if not isinstance(event, SentenceEnded):
                continue
            for gap in event.gaps:
                await self._stream.send("error", text=gap.warning, code="gap")
            transcript.language = transcript.language or event.language
            if event.text:
                await self._begin()
                chunk = joint(transcript.text, event.text) + event.text
                transcript.text += chunk
                await self._stream.send("transcript-chunk", text=chunk)

    def _info(self) -> dict[str, Any]:
        models = [_model(entry) for entry in self._app.state.pool.installed()]
        program = _artifact("asrcli", "Speech to text on your own machine", __version__) | {
            "models": models,
            "supports_transcript_streaming": True,
            "requires_external_vad": True,
        }
        return {"asr": [program]}


def _artifact(name: str, description: str, version: str | None) -> dict[str, Any]:
    common = {"attribution": _ATTRIBUTION, "installed": True}
    return {"name": name, "description": description, "version": version, **common}


def _model(entry: ModelEntry) -> dict[str, Any]:
    return _artifact(entry.name, entry.description or entry.name, None) | {"languages": list(entry.languages)}


def _text(data: dict[str, Any], name: str) -> str | None:
    value = data.get(name)
    if value is not None and not isinstance(value, str):
        raise RequestError(f"`{name}` must be a text.", param=name)
    return value


async def _hotwords(data: dict[str, Any]) -> Any:
    """Names and terms that are likely."""
    given: list[str] = []
    for name in ("transcript_names", "transcript_terms"):
        values = data.get(name) or []
        if not isinstance(values, list) or not all(isinstance(each, str) for each in values):
            raise RequestError(f"`{name}` must be a list of texts.", param=name)
        given += values
    return await parsed_hotwords(given, "transcript_terms")


def _form(data: dict[str, Any]) -> PcmForm:
    rate, width, channels = (data.get(name) for name in ("rate", "width", "channels"))
    if type(rate) is not int or rate not in RATES:
        raise RequestError(f"`rate` must be from {RATES.start} to {RATES.stop - 1}.", param="rate")
    if type(width) is not int or width not in _WIDTHS:
        raise RequestError("`width` must be from 1 to 4 bytes.", param="width")
    if type(channels) is not int or not 1 <= channels <= MAX_CHANNELS:
        raise RequestError(f"`channels` must be from 1 to {MAX_CHANNELS}.", param="channels")
    return PcmForm(rate, channels, _WIDTHS[width])
