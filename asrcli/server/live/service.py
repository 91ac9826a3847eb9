"""Live sessions with the models that they need, and what a connection needs of the server."""

import asyncio
import logging
import math
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Self

from asrcli.audio.types import SAMPLE_RATE, Samples
from asrcli.backends.loaded_models import LoadedModel
from asrcli.backends.types import Hypothesis
from asrcli.errors import AsrcliError, EngineClosedError
from asrcli.options import RecognitionOptions, SpeakerOptions, TranscribeOptions
from asrcli.runtime import Session
from asrcli.server.errors import BusyError
from asrcli.server.http.admission import forget
from asrcli.server.http.connection import Connection
from asrcli.server.http.monitoring import Metrics
from asrcli.server.http.uvicorn_protocols import CONNECTIONS
from asrcli.server.live.decode_scheduler import DecodeScheduler, Slot
from asrcli.server.live.partial_decoding import Growing, Recognise, RepeatedDecoder, SentenceDecoder
from asrcli.server.live.session import Label, LiveOptions, LiveSession, Revise
from asrcli.server.live.streaming import StreamingDecoder
from asrcli.server.recognition.model_pool import ModelPool, opened
from asrcli.server.recognition.transcription import TranscriptionService, adapt_request
from asrcli.server.settings import ServerSettings
from asrcli.speakers.live import SpeakerMemory
from asrcli.transcript import Segment, Transcript
from asrcli.vad.gain import level_speech
from asrcli.vad.types import Chunk, Region

_log = logging.getLogger("asrcli.server")

#: priority of live streams in the engine's queue; recordings have 0 and jobs 1
_PRIORITY = -1
#: of all sessions, what one address may hold by default: many clients may share it
_SHARE_OF_ADDRESS = 0.75


class LiveService:
    """Opens live sessions. One a server, at `app.state.live`."""

    def __init__(self, settings: ServerSettings, pool: ModelPool, metrics: Metrics) -> None:
        self._settings = settings
        self._pool = pool
        self._metrics = metrics
        # One place a thread: chunks that the engine has received keep their order.
        self._scheduler = DecodeScheduler(pool.threads)
        # Submitting a chunk blocks while recordings keep the engine busy.
        self._submitters = ThreadPoolExecutor(pool.threads, thread_name_prefix="live-submit")
        self._streamers = ThreadPoolExecutor(pool.threads, thread_name_prefix="live-stream")
        self._open = 0
        #: of those, the ones of each address
        self._of_address: Counter[str] = Counter()
        self._revisers = ThreadPoolExecutor(pool.threads, thread_name_prefix="live-text")

    @asynccontextmanager
    async def session(self, options: LiveOptions, model: str | None, address: str) -> AsyncIterator[LiveSession]:
        """A session with a model, which stays loaded until the session ends. `address`: the client's. Unsupported
        hotwords are dropped. Raises BusyError: too many sessions are open; ModelError: the model is not available;
        LanguageNotSupportedError: the model does not support the language.
        """
        async with AsyncExitStack() as stack:
            stack.enter_context(self.place(address))
            recognition = await asyncio.to_thread(self._adapted, model, options.recognition)
            speakers = options.speakers.options if options.speakers else SpeakerOptions()
            wanted = TranscribeOptions(recognition=recognition, text=options.text, speakers=speakers)
            models = stack.enter_context(await opened(partial(self._pool.session, model, wanted, priority=_PRIORITY)))
            loaded = models.recognizer
            assert isinstance(loaded, LoadedModel)
            nearfield = options.nearfield or self._settings.nearfield_threshold
            options = replace(options, recognition=recognition, nearfield=nearfield)
            recognise = self._recogniser(loaded)
            decoder: SentenceDecoder = RepeatedDecoder(recognise, recognition, loaded.window)
            if self._settings.streaming_model and options.partials:
                streaming = await self._pool.acquire(
                    self._settings.streaming_model, kind="streaming", priority=_PRIORITY
                )
                stack.enter_context(streaming)
                hints, _ = await asyncio.to_thread(
                    adapt_request, streaming.spec, RecognitionOptions(hotwords=recognition.hotwords)
                )
                second = RepeatedDecoder(recognise, recognition, loaded.window) if options.second_pass else None
                decoder = StreamingDecoder(partial(self._stream, streaming), hints, second)
            revise = self._revision(models, options) if models.resources.steps else None
            spoken = loaded.spec.languages if len(loaded.spec.languages) == 1 else (None,)
            session = await asyncio.to_thread(
                LiveSession,
                decoder,
                options,
                language=recognition.language or spoken[0],
                revise=revise,
                label=self._labelling(models, options.speakers),
                longest=self._settings.max_duration,
            )
            stack.push_async_callback(session.close)
            yield session

    @contextmanager
    def place(self, address: str) -> Iterator[None]:
        """Hold a place among the sessions, for live streams and for recordings that arrive through a WebSocket. Raises
        BusyError: too many sessions are open, in all or of this address.
        """
        limit: int | None = self._settings.max_sessions
        if limit and self._open >= limit:
            raise BusyError("Too many live streams.", "Try again later.", retry_after=5)
        limit = self._settings.max_address_sessions
        if limit is None:
            limit = math.ceil(_SHARE_OF_ADDRESS * self._settings.max_sessions)
        if limit and self._of_address[address] >= limit and not CONNECTIONS.is_exempt(address):
            raise BusyError("Too many live streams from this address.", "Try again later.", retry_after=5)
        self._open += 1
        self._of_address[address] += 1
        try:
            yield
        finally:
            self._open -= 1
            self._of_address[address] -= 1
            if not self._of_address[address]:
                del self._of_address[address]

    async def check(self, options: LiveOptions, model: str | None = None) -> None:
        """Check that a model can serve these options, without loading it. Raises AsrcliError: as `session`."""
        await asyncio.to_thread(self._adapted, model, options.recognition)

    def _adapted(self, model: str | None, wanted: RecognitionOptions) -> RecognitionOptions:
        return adapt_request(self._pool.spec(model), wanted, self._pool.hotwords)[0]

    def _revision(self, models: Session, options: LiveOptions) -> Revise:
        """The text steps, in a thread. Where one fails, a sentence stays as it was recognised."""
        loop = asyncio.get_running_loop()

        def revised(transcript: Transcript) -> tuple[Segment, ...]:
            try:
                return models.revise(transcript).segments
            except EngineClosedError:
                raise
            except AsrcliError as error:
                _log.warning("live stream: a sentence as recognised, without text steps: %s", error)
                return transcript.segments

        async def revise(segments: tuple[Segment, ...]) -> tuple[Segment, ...]:
            language = next((each.language for each in segments if each.language), options.recognition.language)
            transcript = Transcript("live", segments[-1].end, segments, language)
            return await loop.run_in_executor(self._revisers, revised, transcript)

        return revise

    def _labelling(self, models: Session, speakers: SpeakerMemory | None) -> Label | None:
        """Speaker labels, in a thread. Where the model of speakers fails, a sentence has none."""
        new_diarizer = models.live_diarizer(speakers) if speakers is not None else None
        if new_diarizer is None:
            return None

        def labelled(segments: tuple[Segment, ...], chunk: Chunk) -> tuple[Segment, ...]:
            diarizer = new_diarizer()
            try:
                diarizer.push(chunk.samples)
                diarizer.finish()
            except EngineClosedError:
                raise
            except AsrcliError as error:
                _log.warning("live stream: no speakers of a sentence: %s", error)
                return segments
            return tuple(diarizer.label(segments, chunk.start / SAMPLE_RATE)[0])

        async def label(segments: tuple[Segment, ...], chunk: Chunk) -> tuple[Segment, ...]:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._revisers, labelled, segments, chunk)

        return label

    def _recogniser(self, loaded: LoadedModel) -> Recognise:
        """Recognition of single chunks, each once its slot is granted."""

        async def recognise(samples: Samples, request: RecognitionOptions, slot: Slot, growing: Growing) -> Hypothesis:
            await self._scheduler.enter(slot)
            loop = asyncio.get_running_loop()

            def submit() -> Future[Hypothesis]:
                leveled = level_speech(samples, [Region(0, len(samples))], 0, offset=loaded.gain_offset)[0]
                return loaded.submit(leveled, request, growing=partial(call_in, loop, growing))

            submitting = asyncio.get_running_loop().run_in_executor(self._submitters, submit)
            # The place is held until the engine is done, even if the result is no longer wanted.
            submitting.add_done_callback(self._leave_after)
            future = await asyncio.shield(submitting)
            decoding = asyncio.wrap_future(future)
            decoding.add_done_callback(forget)  # it may be cancelled here while the engine ends it
            try:
                hypothesis: Hypothesis = await asyncio.shield(decoding)
            except asyncio.CancelledError:
                loaded.cancel(future)
                raise
            self._metrics.audio.labels(loaded.spec.name).inc(len(samples) / SAMPLE_RATE)
            return hypothesis

        return recognise

    def _leave_after(self, submitting: asyncio.Future[Future[Any]]) -> None:
        if submitting.cancelled() or submitting.exception() is not None:
            self._scheduler.leave()
            return
        loop = asyncio.get_running_loop()
        submitting.result().add_done_callback(lambda _: loop.call_soon_threadsafe(self._scheduler.leave))

    async def _stream(self, loaded: LoadedModel, samples: Samples, request: Any) -> Any:
        """One request to the streaming model."""
        submit = partial(loaded.submit, samples, request)
        future = await asyncio.get_running_loop().run_in_executor(self._streamers, submit)
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Stop submitting; sessions that still run fail."""
        self._submitters.shutdown(wait=False, cancel_futures=True)
        self._streamers.shutdown(wait=False, cancel_futures=True)
        self._revisers.shutdown(wait=False, cancel_futures=True)


def call_in(loop: asyncio.AbstractEventLoop, function: Callable[..., None], *arguments: Any) -> None:
    """Call a function in the thread of a loop, unless that has ended."""
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(function, *arguments)


@dataclass(frozen=True, slots=True)
class SessionContext:
    """What the protocol session of one connection needs of the server."""

    connection: Connection
    live: LiveService
    #: for whole recordings
    files: TranscriptionService
    #: for scheduling between clients
    client: str
    #: the client's; "": not known
    address: str
    #: registry name of the model that the client asked for in its URL; None: the default
    model: str | None = None
    authorised: bool = True

    @classmethod
    def of(cls, connection: Connection) -> Self:
        """The context of an accepted WebSocket."""
        websocket = connection.websocket
        state = websocket.app.state
        return cls(
            connection,
            state.live,
            state.service,
            websocket.scope["state"]["client"],
            websocket.client.host if websocket.client else "",
            websocket.query_params.get("model") or None,
            websocket.scope["state"]["authorised"],
        )
