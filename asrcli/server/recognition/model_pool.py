"""The models of the server: one engine process, each model loaded once, when first asked for, and dropped when idle."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from types import TracebackType
from typing import Self

from asrcli.backends.checks import check_model
from asrcli.backends.process.engine_client import EngineClient
from asrcli.backends.recognizer import ChunkRecognizer
from asrcli.backends.registry import backend_of, is_remote
from asrcli.backends.types import ModelSpec
from asrcli.errors import ModelError, ModelNotInstalledError, UnknownModelError
from asrcli.models.entry import Kind, ModelEntry
from asrcli.models.registry import Registry
from asrcli.options import SpeakerOptions
from asrcli.runtime import default_jobs
from asrcli.server.errors import RequestError
from asrcli.server.settings import ServerSettings
from asrcli.speakers.diarizer import Diarizer, Voice
from asrcli.speakers.enrol import VoiceStore, default_folder
from asrcli.speakers.loading import SERVICE, diarization_spec, diarizers

#: names that clients send without meaning a model of ours (protocols: OpenAI's own, FastAPI's example value)
ALIASES = frozenset({
    "", "string", "default", "auto", "whisper-1", "gpt-transcribe", "gpt-4o-transcribe", "gpt-4o-mini-transcribe",
    "gpt-4o-mini-transcribe-2025-12-15", "gpt-4o-transcribe-diarize",
})  # fmt: skip


@dataclass(slots=True)
class _Entry:
    """A service of the engine process and who uses it."""

    spec: ModelSpec
    kind: str
    host: EngineClient
    #: whether it stands beside recognisers, and cannot be asked for itself
    beside: bool = False
    ready: bool = False
    users: int = 0
    used: float = field(default_factory=time.monotonic)
    loading: threading.Lock = field(default_factory=threading.Lock)


@dataclass(slots=True)
class Loaded:
    """A model in use: it stays loaded until `release` (or the end of the `with`)."""

    host: EngineClient
    spec: ModelSpec
    backend: ChunkRecognizer
    _release: Callable[[], None]

    def release(self) -> None:
        """Give it back; further calls do nothing."""
        give_back, self._release = self._release, _nothing
        give_back()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def _nothing() -> None:
    """What the second release of a model does."""


class ModelPool:
    """Thread-safe. `open` and `trackers` may take as long as a model takes to load: call them from a worker thread."""

    def __init__(self, settings: ServerSettings) -> None:
        """Start the engine process; models come later.

        Raises:
            ModelError: the default model is unknown, not installed or damaged.
        """
        self.settings = settings
        self.registry = Registry(settings.model_dir)
        default = self.registry.resolve(settings.model)
        check_servable(default)
        self.default = default.name
        self._lock = threading.Lock()
        self.threads = settings.num_threads or default_jobs()
        self.host = EngineClient(self.threads)
        self._entries = {default.name: _Entry(default, backend_of(default.type).kind, self.host)}
        self._speaker_host: EngineClient | None = None

    # -- names -------------------------------------------------------------------------------------------------------

    def name_of(self, asked: str | None) -> str:
        """The model that a client means.

        `whisper-*` and the other names of hosted services mean the default, unless a model here is called so.

        Raises:
            UnknownModelError: nothing is called so.
        """
        name = (asked or "").strip()
        if name in ALIASES:
            return self.default
        known = self._entries.get(name)
        if known is not None and not known.beside:
            return name
        try:
            entry = self.registry.entry(name)
        except UnknownModelError:
            entry = None
        if entry is not None and entry.kind == "asr":
            return entry.name
        if name.startswith("whisper-"):
            return self.default
        # The hint of the command line names commands that a client does not have.
        raise UnknownModelError(f"The model `{name[:200]}` does not exist.", "See GET /v1/models.")

    def installed(self, kind: Kind = "asr") -> list[ModelEntry]:
        """The models that can be asked for, the default first."""
        found = [
            entry
            for entry in self.registry.entries(kind)
            if not self.registry.missing(entry) and not is_remote(entry.type)
        ]
        if kind == "asr" and self.default not in {entry.name for entry in found}:
            spec = self._entries[self.default].spec
            found.append(ModelEntry(name=spec.name, type=spec.type, dir="", files={}, languages=spec.languages))
        return sorted(found, key=lambda entry: entry.name != self.default)

    @property
    def restarts(self) -> int:
        """Times that an engine process had to be started again."""
        return sum(host.restarts for host in (self.host, self._speaker_host) if host is not None)

    @property
    def loaded(self) -> list[str]:
        """Names of the models in memory."""
        with self._lock:
            return [name for name, entry in self._entries.items() if entry.ready]

    # -- loading -----------------------------------------------------------------------------------------------------

    async def acquire(self, name: str | None, *, kind: Kind = "asr") -> Loaded:
        """`open`, for the event loop."""
        opening = asyncio.get_running_loop().run_in_executor(None, partial(self.open, name, kind=kind))
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:
            opening.add_done_callback(_release_late)
            raise

    def open(self, name: str | None, *, kind: Kind = "asr") -> Loaded:
        """The model of this name, loaded: once, however many ask.

        Args:
            name: as a client said it; None: the default.
            kind: what it is wanted for: "asr", or "streaming".

        Raises:
            UnknownModelError: there is no such model.
            ModelNotInstalledError: its files are not on this machine.
            ModelError: they are damaged.
            EngineError: the engine could not load it.
        """
        return self._load(self._entry(self.name_of(name) if kind == "asr" else str(name), kind))

    def spec(self, name: str | None) -> ModelSpec:
        """What is known of a model, without loading it.

        Raises:
            UnknownModelError, ModelNotInstalledError, ModelError: as `open`.
        """
        return self._entry(self.name_of(name), "asr").spec

    def _entry(self, name: str, kind: Kind) -> _Entry:
        with self._lock:
            entry = self._entries.get(name)
        if entry is None:
            try:
                spec = self.registry.resolve(name, kind=kind)
            except ModelNotInstalledError as error:
                raise ModelNotInstalledError(f"The model `{name}` is not installed on this server.") from error
            check_servable(spec)
            entry = self._add(spec, backend_of(spec.type).kind, self.host)
        return entry

    def _add(self, spec: ModelSpec, kind: str, host: EngineClient, *, beside: bool = False) -> _Entry:
        with self._lock:
            return self._entries.setdefault(spec.name, _Entry(spec, kind, host, beside))

    def _load(self, entry: _Entry) -> Loaded:
        with self._lock:
            entry.users += 1  # from here on it is not dropped
        try:
            with entry.loading:
                if not entry.ready or not entry.host.has(entry.spec.name):
                    entry.host.load(entry.spec.name, entry.kind, entry.spec).result()
                    entry.ready = True
        except BaseException:
            self._release(entry)
            raise
        backend = ChunkRecognizer(entry.host, entry.spec, entry.kind)
        return Loaded(entry.host, entry.spec, backend, partial(self._release, entry))

    def _release(self, entry: _Entry) -> None:
        with self._lock:
            entry.users -= 1
            entry.used = time.monotonic()

    def preload(self) -> None:
        """Load what the settings name, so that the first request need not wait."""
        for name in self.settings.preload:
            self.open(name).release()
        if self.settings.preload and self.settings.streaming_model:
            self.open(self.settings.streaming_model, kind="streaming").release()

    def drop_idle(self) -> list[str]:
        """Take out of memory what nobody has used for `model_ttl`; the names."""
        ttl = self.settings.model_ttl
        if not ttl:
            return []
        dropped = []
        with self._lock:
            for name, entry in self._entries.items():
                if entry.ready and not entry.users and time.monotonic() - entry.used >= ttl:
                    entry.ready = False
                    entry.host.unload(name)
                    dropped.append(name)
        return dropped

    # -- speakers ----------------------------------------------------------------------------------------------------

    def speakers(self, options: SpeakerOptions, known: Sequence[Voice] = ()) -> tuple[Loaded, Callable[[], Diarizer]]:
        """Diarization for one request: what to release afterwards, and the factory of trackers.

        Args:
            options: of the request.
            known: voices that the request brings along; people enrolled on this machine are known besides.

        Raises:
            RequestError: no diarization models are installed.
            InputError: a stored voice print is damaged.
        """
        spec = self.speaker_spec(options)
        voices = self._known(options, known)
        loaded = self._load(self._add(spec, SERVICE, self._host_of_speakers(), beside=True))
        return loaded, diarizers(partial(loaded.host.submit, spec.name), spec, options, voices)

    def beside(self, spec: ModelSpec, kind: str) -> Loaded:
        """A model that stands beside the recogniser (punctuation, languages), loaded and shared like one.

        Args:
            spec: the model.
            kind: of the service, as `EngineHost.load` takes it.

        Raises:
            EngineError: the engine could not load it.
        """
        # One model may have two services: a Whisper that recognises, and that tells languages.
        spec = replace(spec, name=f"{spec.name} ({kind.partition(':')[0].rpartition('.')[2]})")
        return self._load(self._add(spec, kind, self.host, beside=True))

    def _host_of_speakers(self) -> EngineClient:
        """An engine process of its own: segmentation holds the interpreter, and recognition must go on beside it."""
        with self._lock:
            if self._speaker_host is None:
                self._speaker_host = EngineClient(self.threads)
            return self._speaker_host

    def _known(self, options: SpeakerOptions, brought: Sequence[Voice]) -> list[Voice]:
        embedding = self.registry.resolve(options.embedding_model, kind="embedding")
        enrolled, _ = VoiceStore(default_folder()).voices(embedding.digest)
        named = {voice.name for voice in brought}
        return [*brought, *(voice for voice in enrolled if voice.name not in named)]

    def speaker_spec(self, options: SpeakerOptions) -> ModelSpec:
        """The diarization models.

        Raises:
            RequestError: they are not installed.
        """
        try:
            segmentation = self.registry.resolve(options.segmentation_model, kind="segmentation")
            embedding = self.registry.resolve(options.embedding_model, kind="embedding")
        except (ModelNotInstalledError, UnknownModelError) as error:
            raise RequestError(
                "This server cannot tell speakers apart: its diarization models are not installed.",
                "Ask without diarization, or let the operator run: asrcli download-model --kind segmentation.",
                param="diarization",
            ) from error
        return diarization_spec(segmentation, embedding)

    def can_diarize(self) -> bool:
        """Whether diarization models are installed."""
        return all(
            not self.registry.missing(self.registry.entry(self.registry.default_name(kind)))
            for kind in ("segmentation", "embedding")
        )

    def close(self) -> None:
        """End the engine process; requests in flight fail."""
        self.host.close()
        if self._speaker_host is not None:
            self._speaker_host.close()


def check_servable(spec: ModelSpec) -> None:
    """See that this server can load a model.

    Raises:
        ModelError: its files are damaged, or it is at work on another server.
        MissingExtraError: a package that runs it is not installed.
    """
    if is_remote(spec.type):
        raise ModelError(
            f"{spec.name} is a model of another server.", "Clients can ask that one; this one runs models of its own."
        )
    check_model(spec)


def _release_late(opening: asyncio.Future[Loaded]) -> None:
    """Whoever asked is gone; what was loaded for them stays in memory, but not in use."""
    if not opening.cancelled() and opening.exception() is None:
        opening.result().release()
