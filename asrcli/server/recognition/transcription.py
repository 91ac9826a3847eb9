"""From an uploaded recording to a transcript: what all protocols that take whole recordings share."""

import asyncio
import ipaddress
import math
import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from starlette.requests import Request

from asrcli.audio.types import Source
from asrcli.backends.checks import check_request, languages_of, model_type, weights_notice
from asrcli.backends.loaded_models import LoadedModel
from asrcli.backends.types import ModelSpec
from asrcli.errors import AsrcliError, CancelledError, FetchError, OptionNotSupportedError
from asrcli.listener import Listener
from asrcli.options import Hotword, RecognitionOptions, TranscribeOptions, VadOptions
from asrcli.server.bounds import MAX_ADDRESS, MAX_FETCHES, MAX_IN_MEMORY
from asrcli.server.errors import ForbiddenError, RequestError, TooLargeError, UnavailableError
from asrcli.server.http.admission import Admission, Admitted
from asrcli.server.http.monitoring import Metrics
from asrcli.server.http.outside_calls import OutsideCalls
from asrcli.server.http.upload_sink import Upload
from asrcli.server.http.uploads import shown_name
from asrcli.server.http.workspaces import Workspace
from asrcli.server.logs import add_fields
from asrcli.server.recognition.model_pool import ModelPool
from asrcli.server.recognition.voices import voice_of
from asrcli.server.settings import ServerSettings
from asrcli.storage.fetch import Guard, check_url, fetch
from asrcli.transcript import Segment, Transcript

if TYPE_CHECKING:
    from asrcli.cluster.server_nodes import ServerNodes

Result = TypeVar("Result")

#: seconds to fetch a recording from an address
_FETCH_TIMEOUT = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscriptionRequest:
    """A recording and the options of its transcription."""

    path: Path
    #: in the transcript
    name: str = "audio"
    #: name that the client sent; None: the default model
    model: str | None = None
    options: TranscribeOptions = field(default_factory=TranscribeOptions)
    #: (name, clip) of known speakers
    voices: tuple[tuple[str, Path], ...] = ()
    #: priority of its chunks in the engine's queue; lower goes first
    priority: int = 0
    #: called with each segment, in a worker thread
    on_segment: Callable[[Segment], None] | None = None
    #: called with the seconds done and the duration, in a worker thread
    on_progress: Callable[[float, float | None], None] | None = None


class TranscriptionService:
    """Transcribes recordings. One a server, at `app.state.service`."""

    def __init__(self, settings: ServerSettings, pool: ModelPool, admission: Admission, metrics: Metrics) -> None:
        self.settings = settings
        self.pool = pool
        self.admission = admission
        self.metrics = metrics
        #: bounds the bodies that are held in memory rather than on disk
        self.in_memory = asyncio.Semaphore(MAX_IN_MEMORY)
        self._fetches = OutsideCalls(MAX_FETCHES, "fetch", "The server fetches too many recordings.")
        self._lookups = OutsideCalls(MAX_FETCHES, "lookup", "The server looks up too many addresses.")
        #: engines on the nodes of a cluster; set when the server starts
        self.nodes: ServerNodes | None = None

    async def transcribe(
        self, client: str, request: TranscriptionRequest, *, timeout: float | None = None
    ) -> Transcript:
        """Transcribe a recording once a worker is free for the client (`scope["state"]["client"]`); `timeout` in
        seconds, None: that of the settings. Raises BusyError: the queue is full; TookTooLongError: the time is over;
        ModelError, UsageError, InputError, EngineError: the transcription failed.
        """
        limit = self.settings.request_timeout if timeout is None else timeout
        arrived = time.perf_counter()
        started = arrived

        def work(admitted: Admitted) -> Transcript:
            nonlocal started
            started = time.perf_counter()
            return self._work(request, admitted)

        try:
            transcript = await self.admission.run(client, work, timeout=limit)
        except AsrcliError as error:
            self.metrics.failures.labels(error.code).inc()
            raise
        except asyncio.CancelledError:
            self.metrics.failures.labels(CancelledError.code).inc()
            raise
        add_fields(
            model=transcript.model,
            audio_seconds=round(transcript.duration, 3),
            queue_seconds=round(started - arrived, 3),
            work_seconds=round(time.perf_counter() - started, 3),
        )
        return transcript

    def language_of(self, model: str | None) -> str | None:
        """The first language of a model."""
        return next(iter(languages_of(self.pool.spec(model))), None)

    def detects_language(self, model: str | None) -> bool:
        """Whether a model, or a model for language identification, detects the spoken language."""
        spec = self.pool.spec(model)
        return len(spec.languages) != 1 and (
            model_type(spec).detects_language or self.pool.registry.available("language-id") is not None
        )

    async def for_request(self, request: Request, recording: TranscriptionRequest) -> Transcript:
        """`transcribe` for an HTTP request; cancelled if its client leaves."""
        transcript = await while_connected(request, self.transcribe(request.state.client, recording))
        request.state.warnings = transcript.warnings  # for the header: not all replies have a place for them
        return transcript

    def _work(self, request: TranscriptionRequest, admitted: Admitted) -> Transcript:
        spec = self.pool.spec(request.model)
        recognition, dropped = self._adapt(spec, request.options)
        options = replace(request.options, recognition=recognition, vad=self._bounded(request.options.vad))
        with self.pool.session(request.model, options, priority=request.priority) as session:
            if self.nodes is not None and isinstance(session.recognizer, LoadedModel):
                self.nodes.share(session.recognizer, self.pool.path_or_name(spec), self.settings.device)
            new_diarizer = session.new_diarizer()
            if new_diarizer is not None and request.voices:
                session.add_voices([voice_of(name, path, new_diarizer()) for name, path in request.voices])
            listener = _Progress(request, self.settings.max_duration, admitted)
            source = Source(name=request.name, path=request.path, untrusted=True)
            started = time.perf_counter()
            transcript = session.transcribe(source, listener=listener)
        self.metrics.recognised(spec.name, transcript.duration, time.perf_counter() - started)
        return replace(transcript, warnings=(*transcript.warnings, *dropped))

    def _adapt(self, spec: ModelSpec, options: TranscribeOptions) -> tuple[RecognitionOptions, list[str]]:
        identified = self.pool.registry.available("language-id") is not None
        return adapt_request(spec, options.recognition, self.pool.hotwords, identified=identified)

    def _bounded(self, vad: VadOptions) -> VadOptions:
        """With the server's own limit of chunks."""
        limits = [limit for limit in (self.settings.max_chunk, vad.max_chunk) if limit is not None]
        return replace(vad, max_chunk=min(limits)) if limits else vad

    async def fetch(self, request: Request, address: str, workspace: Workspace, param: str) -> Upload:
        """The recording at an address, where the operator allows it. Raises ForbiddenError: they do not;
        FetchError: not there, or it is not available. `param`: the field that holds the address, for errors.
        """
        stop = threading.Event()
        self._may_fetch(param)
        try:
            path = workspace.new_file()
            with _address_of(param):
                size = await while_connected(request, self.fetch_into(address, path, stop.is_set))
        finally:
            stop.set()
        workspace.store(size)
        return Upload(path, shown_name(urlsplit(address).path), size)

    async def fetch_into(self, address: str, path: Path, cancelled: Callable[[], bool]) -> int:
        """`fetch_now`, in a thread. Raises BusyError: too many recordings are being fetched."""
        return await self._fetches.run(self.fetch_now, address, path, cancelled)

    def fetch_now(self, address: str, path: Path, cancelled: Callable[[], bool]) -> int:
        """`fetch`, in a thread."""
        self._may_fetch("url")  # also of a job that was accepted when that was allowed
        seconds = min(_FETCH_TIMEOUT, self.settings.request_timeout or _FETCH_TIMEOUT)
        return fetch(address, path, self.guard(seconds), cancelled)

    def guard(self, seconds: float) -> Guard:
        """Which addresses may be reached."""
        networks = tuple(map(ipaddress.ip_network, self.settings.fetch_networks))
        return Guard(self.settings.max_upload, seconds, networks)

    async def check_address(self, address: str) -> None:
        """Refuse an address before anything is promised. Raises ForbiddenError or FetchError: as `fetch`; BusyError:
        too many are being looked up.
        """
        self._may_fetch("url")
        await self.look_up(address, "url")

    async def look_up(self, address: str, param: str) -> None:
        """Check that an address may be reached. Raises RequestError: it is too long; FetchError: it does not exist, or
        may not be reached; BusyError: too many are being looked up.
        """
        if len(address) > MAX_ADDRESS:
            raise RequestError(f"`{param}` has more than {MAX_ADDRESS} characters.", param=param)
        with _address_of(param):
            await self._lookups.run(check_url, address, self.guard(_FETCH_TIMEOUT))

    def _may_fetch(self, param: str) -> None:
        if not self.settings.allow_url_fetch:
            raise ForbiddenError(
                "This server does not fetch recordings from addresses.",
                "Send the recording itself; the operator can allow addresses with --allow-url-fetch.",
                param=param,
            )

    def check(self, model: str | None, options: TranscribeOptions) -> None:
        """Refuse what the model cannot do, before anything is promised. Loads nothing. Raises ModelError or UsageError:
        as `transcribe`.
        """
        self._adapt(self.pool.spec(model), options)
        if options.speakers.enabled:
            self.pool.check_speakers(options.speakers)

    def workspace(self) -> Workspace:
        """A folder for one request's files."""
        return Workspace(self.workspace_root, self.settings.max_disk)

    #: where requests' folders lie; set when the server starts
    workspace_root: Path | None = None


@contextmanager
def _address_of(param: str) -> Iterator[None]:
    """Errors of an address name the field that holds it."""
    try:
        yield
    except FetchError as error:
        error.param = param
        raise


class _Progress(Listener):
    """Reports progress, and stops recordings that are too long."""

    def __init__(self, request: TranscriptionRequest, max_duration: float, admitted: Admitted) -> None:
        self._request = request
        self._admitted = admitted
        self._limit = max_duration
        self._duration: float | None = None

    def opened(self, duration: float | None) -> None:
        self._duration = duration
        self._check(duration or 0.0)
        self.heard(0.0)

    def read(self) -> None:
        self._admitted.read()

    def heard(self, seconds: float) -> None:
        self._check(seconds)
        if self._request.on_progress:
            self._request.on_progress(seconds, self._duration)

    def recognised(self, segment: Segment) -> None:
        if self._request.on_segment:
            self._request.on_segment(segment)

    def cancelled(self) -> bool:
        return self._admitted.cancelled()

    def _check(self, seconds: float) -> None:
        if seconds > self._limit:
            raise TooLargeError(
                f"The recording is longer than {self._limit:g} s.", "Send it in parts, or request the operator."
            )


def adapt_request(
    spec: ModelSpec, wanted: RecognitionOptions, common: tuple[Hotword, ...] = (), *, identified: bool = False
) -> tuple[RecognitionOptions, list[str]]:
    """The options that the model supports, and warnings about the others.

    Clients of most protocols send hotwords and prompts to every model. These are hints, so a model that does not
    support them still transcribes. A language is required. Many hotwords take time: call it in a thread.

    `common`: hotwords of the server, which come before those of the client. `identified`: a language identification
    model serves models that need a language. Raises LanguageNotSupportedError: the model does not support the
    language, or needs one.
    """
    takes = model_type(spec).hotwords
    warnings = []
    if wanted.prompt and takes != "prompt":
        wanted = replace(wanted, prompt="")  # OpenAI's clients always send one
    if wanted.hotwords and takes == "none":
        warnings.append(f"hotwords ignored: {spec.name} does not support them")
    hotwords = {word.text: word for word in (*common, *wanted.hotwords)} if takes != "none" else {}
    wanted = replace(wanted, hotwords=tuple(hotwords.values()))
    language = wanted.language or (next(iter(languages_of(spec)), None) if identified else None)
    check_request(spec, replace(wanted, hotwords=(), language=language))
    weights = weights_notice(spec, wanted.hotwords)
    warnings += [weights] if weights else []
    named = replace(wanted, language=language)
    kept = tuple(word for word in wanted.hotwords if _takes(spec, named, word))
    if len(kept) < len(wanted.hotwords):
        warnings.append(f"{len(wanted.hotwords) - len(kept)} hotwords ignored: {spec.name} cannot spell them")
    numbers = range(1, len(kept) + 1)
    room = bisect_left(numbers, True, key=lambda number: not _takes(spec, named, *kept[:number]))
    if room < len(kept):
        warnings.append(f"{len(kept) - room} hotwords ignored: the context of {spec.name} has no room for them")
    return replace(wanted, hotwords=kept[:room]), warnings


def _takes(spec: ModelSpec, wanted: RecognitionOptions, *words: Hotword) -> bool:
    try:
        check_request(spec, replace(wanted, hotwords=words))
    except OptionNotSupportedError:
        return False
    return True


async def while_connected(request: Request, work: Coroutine[Any, Any, Result]) -> Result:
    """Run some work unless the client leaves. The body must have been read. Raises CancelledError: the client has left;
    UnavailableError: the server ends, and the work took longer than it waits.
    """
    working = asyncio.ensure_future(work)
    watching = asyncio.ensure_future(_disconnected(request))
    try:
        await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise CancelledError("The client has left.")
        return working.result()
    except asyncio.CancelledError:
        if request.scope["state"].get("ending"):
            raise UnavailableError("The server ends.", "Send the request again later.", retry_after=5) from None
        raise
    finally:
        for task in (working, watching):
            task.cancel()
        await asyncio.gather(working, watching, return_exceptions=True)


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def billed_seconds(transcript: Transcript) -> int:
    """Whole seconds of audio, as in OpenAI's `usage`."""
    return math.ceil(transcript.duration)
