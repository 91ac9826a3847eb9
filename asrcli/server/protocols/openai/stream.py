"""`stream=true`: server-sent events that carry each segment as it is recognised.

The answer starts when the recording has been opened: errors before that have an HTTP status, later ones are events.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from asrcli.script import joint
from asrcli.server.errors import problem_of
from asrcli.server.http.json_text import json_text
from asrcli.server.protocols.openai.fields import Fields
from asrcli.server.protocols.openai.replies import error_body, has_confidence, logprobs, speaker_segment
from asrcli.server.recognition.replies import letter_speakers, running_text, warned
from asrcli.server.recognition.transcription import TranscriptionRequest, TranscriptionService, while_connected
from asrcli.transcript import Segment, Transcript

#: a comment is sent after this many seconds without an event: proxies close idle answers
KEEP_ALIVE, COMMENT = 15.0, ": keep-alive\n\n"
#: OpenAI counts audio as ten tokens a second
_TOKENS_PER_SECOND = 10


class EventStream(StreamingResponse):
    """Server-sent events; `close` is called at their end, even if they were never read."""

    def __init__(self, events: AsyncIterator[str], close: Callable[[], Awaitable[None]]) -> None:
        headers = {"cache-control": "no-cache", "x-accel-buffering": "no"}
        super().__init__(events, media_type="text/event-stream", headers=headers)
        self._close = close

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._close()


def event(data: Any, name: str = "") -> str:
    """One server-sent event."""
    text = data if isinstance(data, str) else json_text(data)
    return f"event: {name}\ndata: {text}\n\n" if name else f"data: {text}\n\n"


class TranscriptionStream:
    """A running transcription and its segments."""

    def __init__(self, service: TranscriptionService, client: str, wanted: TranscriptionRequest) -> None:
        self._loop = asyncio.get_running_loop()
        self._queue: asyncio.Queue[Segment | None] = asyncio.Queue()
        self._opened = asyncio.Event()
        wanted = replace(wanted, on_segment=self._on_segment, on_progress=self._on_progress)
        self.work = asyncio.ensure_future(service.transcribe(client, wanted))
        self.work.add_done_callback(lambda _: self._end())

    async def opened(self) -> None:
        """Wait until the recording is open. Raises AsrcliError: as `TranscriptionService.transcribe`."""
        await self._opened.wait()
        if self.work.done():
            self.work.result()

    async def segments(self) -> AsyncIterator[Segment | None]:
        """The segments as they are recognised; None after a while without one."""
        while True:
            try:
                segment = await asyncio.wait_for(self._queue.get(), KEEP_ALIVE)
            except TimeoutError:
                yield None
                continue
            if segment is None:
                return
            yield segment

    def close(self) -> None:
        """Cancel the transcription if it runs."""
        self.work.cancel()

    def _on_segment(self, segment: Segment) -> None:
        self._loop.call_soon_threadsafe(self._queue.put_nowait, segment)

    def _on_progress(self, seconds: float, duration: float | None) -> None:
        del seconds, duration
        self._loop.call_soon_threadsafe(self._opened.set)

    def _end(self) -> None:
        self._opened.set()
        self._queue.put_nowait(None)
        if not self.work.cancelled():
            self.work.exception()  # marks it as retrieved: `opened` or an event reports it


async def stream(
    request: Request,
    service: TranscriptionService,
    wanted: TranscriptionRequest,
    fields: Fields,
    close: Callable[[], Awaitable[None]],
) -> EventStream:
    """Answer with events. `fields` is their form; `close` is called at their end. Raises AsrcliError: an error before
    the recording is open; the caller then closes.
    """
    transcription = TranscriptionStream(service, request.state.client, wanted)
    try:
        await while_connected(request, transcription.opened())
    except BaseException:
        transcription.close()
        raise

    async def end() -> None:
        transcription.close()
        await close()

    return EventStream(_events(transcription, fields), end)


async def _events(transcription: TranscriptionStream, fields: Fields) -> AsyncIterator[str]:
    text = ""
    async for segment in transcription.segments():
        if segment is None:
            yield COMMENT
            continue
        delta = joint(text, segment.text) + segment.text
        text += delta
        yield event(_delta(delta, segment, fields))
    try:
        whole = transcription.work.result()
    except Exception as error:  # noqa: BLE001 -- the status was sent: errors are events
        yield event(error_body(problem_of(error)), "error")
        return
    transcript = await asyncio.to_thread(letter_speakers, whole)
    if fields.response_format == "diarized_json":
        for segment in transcript.segments:
            yield event(speaker_segment(segment))
    yield await asyncio.to_thread(_last_event, whole, transcript, fields)
    yield event("[DONE]")


def _last_event(whole: Transcript, transcript: Transcript, fields: Fields) -> str:
    done = warned(_done(transcript, fields), transcript)
    if fields.response_format == "verbose_json":
        done["transcript"] = whole.to_dict()
    return event(done)


def _delta(delta: str, segment: Segment, fields: Fields) -> dict[str, Any]:
    body: dict[str, Any] = {"type": "transcript.text.delta", "delta": delta}
    if fields.logprobs and (known := logprobs(segment)):
        body["logprobs"] = known
    if fields.response_format == "verbose_json":
        body["segment"] = segment.to_dict()  # ours: OpenAI does not stream verbose_json
    return body


def _done(transcript: Transcript, fields: Fields) -> dict[str, Any]:
    audio_tokens = round(transcript.duration * _TOKENS_PER_SECOND)
    text_tokens = sum(len(segment.words) or 1 for segment in transcript.segments)
    body: dict[str, Any] = {
        "type": "transcript.text.done",
        "text": running_text(transcript.segments),
        "duration": round(transcript.duration, 2),
        "language": transcript.language,
        "usage": {
            "type": "tokens",
            "input_tokens": audio_tokens,
            "input_token_details": {"audio_tokens": audio_tokens, "text_tokens": 0},
            "output_tokens": text_tokens,
            "total_tokens": audio_tokens + text_tokens,
        },
    }
    if transcript.language:
        body["languages"] = [{"code": transcript.language}]
    if fields.logprobs and has_confidence(transcript):
        body["logprobs"] = [logprob for segment in transcript.segments for logprob in logprobs(segment)]
    return body
