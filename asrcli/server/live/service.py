"""What live protocols need of the server: a session with a model behind it, for as long as the connection lasts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Any

from asrcli.audio.types import SAMPLE_RATE, Samples
from asrcli.backends.types import Hypothesis
from asrcli.options import RecognitionOptions, TranscribeOptions
from asrcli.server.errors import BusyError
from asrcli.server.http.monitoring import Metrics
from asrcli.server.live.decode_scheduler import DecodeScheduler, Slot
from asrcli.server.live.partial_decoding import Follower, Recognise, RepeatedDecoder
from asrcli.server.live.session import LiveOptions, LiveSession, Revise
from asrcli.server.live.streaming import Streaming
from asrcli.server.recognition.companions import Companions, open_companions
from asrcli.server.recognition.model_pool import Loaded, ModelPool
from asrcli.server.recognition.transcription import adapt_request
from asrcli.server.settings import ServerSettings
from asrcli.transcript import Segment, Transcript

#: live streams go before files: somebody is waiting
_PRIORITY = -1


class LiveService:
    """Opens live sessions. One a server."""

    def __init__(self, settings: ServerSettings, pool: ModelPool, metrics: Metrics) -> None:
        self._settings = settings
        self._pool = pool
        self._metrics = metrics
        # No more than there are threads: what is handed to the engine can no longer be overtaken.
        self._turns = DecodeScheduler(pool.threads)
        # Handing a chunk to the engine waits while files keep it busy; that wait must not be the event loop's.
        self._submitters = ThreadPoolExecutor(pool.threads, thread_name_prefix="live-submit")
        self._streamers = ThreadPoolExecutor(pool.threads, thread_name_prefix="live-stream")
        self._open = 0
        self._revisers = ThreadPoolExecutor(pool.threads, thread_name_prefix="live-text")

    @asynccontextmanager
    async def session(self, options: LiveOptions, model: str | None = None) -> AsyncIterator[LiveSession]:
        """A session on a model, which stays loaded for its length.

        Hotwords that the model takes none of are left out.

        Raises:
            BusyError: there are too many already.
            ModelError: there is no such model here.
            LanguageNotSupportedError: it cannot do the language that is asked for.
        """
        limit = self._settings.max_sessions
        if limit and self._open >= limit:
            raise BusyError("The server hears as many streams as it may.", "Try again later.")
        async with AsyncExitStack() as stack:
            self._open += 1
            stack.callback(self._leave)
            loaded = stack.enter_context(await self._pool.acquire(model))
            recognition, _ = adapt_request(loaded.spec, options.recognition)
            nearfield = options.nearfield or self._settings.nearfield_threshold
            options = replace(options, recognition=recognition, nearfield=nearfield)
            recognise = self._recogniser(loaded)
            follower: Follower = RepeatedDecoder(recognise, recognition, loaded.backend.window)
            if self._settings.streaming_model and options.partials:
                streaming = await self._pool.acquire(self._settings.streaming_model, kind="streaming")
                stack.enter_context(streaming)
                hints, _ = adapt_request(streaming.spec, RecognitionOptions(hotwords=recognition.hotwords))
                second = RepeatedDecoder(recognise, recognition, loaded.backend.window) if options.second_pass else None
                follower = Streaming(partial(self._stream, streaming), hints, second)
            revise = await self._revision(stack, loaded, options)
            spoken = loaded.spec.languages if len(loaded.spec.languages) == 1 else (None,)
            session = LiveSession(
                follower,
                options,
                language=recognition.language or spoken[0],
                revise=revise,
                longest=self._settings.max_duration,
            )
            stack.push_async_callback(session.close)
            yield session

    def _leave(self) -> None:
        self._open -= 1

    async def _revision(self, stack: AsyncExitStack, loaded: Loaded, options: LiveOptions) -> Revise | None:
        """The text steps, their models loaded as long as `stack` is open; None where there is nothing to do."""
        loop = asyncio.get_running_loop()
        wanted = TranscribeOptions(recognition=options.recognition, text=options.text)
        opening = loop.run_in_executor(
            self._revisers, partial(open_companions, self._pool, loaded.spec, wanted, priority=_PRIORITY)
        )
        try:
            beside = await asyncio.shield(opening)
        except asyncio.CancelledError:
            opening.add_done_callback(_close_late)
            raise
        stack.callback(beside.close)
        if not beside.steps:
            return None

        async def revise(segments: tuple[Segment, ...]) -> tuple[Segment, ...]:
            language = next((each.language for each in segments if each.language), options.recognition.language)
            said = Transcript("live", segments[-1].end, segments, language)
            return (await loop.run_in_executor(self._revisers, beside.revised, said)).segments

        return revise

    def _recogniser(self, loaded: Loaded) -> Recognise:
        """Recognition of single chunks when it is their turn."""

        async def recognise(samples: Samples, request: RecognitionOptions, turn: Slot) -> Hypothesis:
            await self._turns.enter(turn)
            submit = partial(loaded.host.submit, loaded.spec.name, samples, request, priority=_PRIORITY)
            submitting = asyncio.get_running_loop().run_in_executor(self._submitters, submit)
            # The place is held until the engine is done with it, whoever still waits for the result.
            submitting.add_done_callback(self._leave_after)
            future = await asyncio.shield(submitting)
            try:
                hypothesis: Hypothesis = await asyncio.shield(asyncio.wrap_future(future))
            except asyncio.CancelledError:
                loaded.host.cancel(future)
                raise
            self._metrics.audio.labels(loaded.spec.name).inc(len(samples) / SAMPLE_RATE)
            return hypothesis

        return recognise

    def _leave_after(self, submitting: asyncio.Future[Future[Any]]) -> None:
        if submitting.cancelled() or submitting.exception() is not None:
            self._turns.leave()
            return
        loop = asyncio.get_running_loop()
        submitting.result().add_done_callback(lambda _: loop.call_soon_threadsafe(self._turns.leave))

    async def _stream(self, loaded: Loaded, samples: Samples, request: Any) -> Any:
        """One job of a stream of the streaming model."""
        submit = partial(loaded.host.submit, loaded.spec.name, samples, request, priority=_PRIORITY)
        future = await asyncio.get_running_loop().run_in_executor(self._streamers, submit)
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Stop handing over; sessions that still run fail."""
        self._submitters.shutdown(wait=False, cancel_futures=True)
        self._streamers.shutdown(wait=False, cancel_futures=True)
        self._revisers.shutdown(wait=False, cancel_futures=True)


def _close_late(opening: asyncio.Future[Companions]) -> None:
    """Whoever asked for text steps is gone."""
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()
