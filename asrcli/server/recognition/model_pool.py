"""The models of the server: loaded when first asked for, shared by all requests, and released when idle."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from asrcli.backends.checks import check_model
from asrcli.backends.device import with_device
from asrcli.backends.loaded_models import LoadedModel, LoadedModels
from asrcli.backends.process.resource_limits import default_jobs
from asrcli.backends.registry import backend_of, is_remote
from asrcli.backends.types import ModelSpec
from asrcli.errors import ModelError, ModelNotInstalledError, OptionNotSupportedError, UnknownModelError
from asrcli.model_names import DEFAULT_NAMES
from asrcli.model_set import choose
from asrcli.models.entry import Kind, ModelEntry
from asrcli.models.registry import Registry
from asrcli.options import SpeakerOptions, TranscribeOptions, VadOptions
from asrcli.runtime import Session
from asrcli.server.bounds import MAX_NAME
from asrcli.server.errors import RequestError
from asrcli.server.recognition.model_downloads import ModelDownloads
from asrcli.server.settings import ServerSettings
from asrcli.text.steps.hotwords import read_hotwords
from asrcli.vad.detector import new_detector


class ModelPool:
    """The models that clients may name, loaded when first asked for. Thread-safe.

    `open` and `session` take as long as a model takes to load: call them from a worker thread.
    """

    def __init__(self, settings: ServerSettings) -> None:
        """Start the engine process; models are loaded later. Raises ModelError: the default model is unknown, not
        installed or damaged; MachineError: the engine process cannot be started.
        """
        self.settings = settings
        #: of all requests
        self.hotwords = read_hotwords(settings.hotword) if settings.hotword else ()
        self.registry = Registry(settings.model_dir, settings.models_file)
        default = with_device(self.registry.resolve(settings.model), settings.device)
        check_servable(default)
        self.default = default.name
        self.threads = settings.num_threads or self.registry.num_threads or default_jobs()
        self.models = LoadedModels(self.threads)
        #: name -> model and the kind of its service
        self._served = {default.name: (default, backend_of(default.type).kind)}
        _ = self.models.engine
        self._downloads = ModelDownloads(self.registry) if settings.fetch_models else None

    # -- names -------------------------------------------------------------------------------------------------------

    def name_of(self, asked: str | None) -> str:
        """The model that a client means.

        Names of hosted services, and `whisper-*` if no such model is known, mean the default model; names of other
        servers' models mean the like of them here.

        Raises UnknownModelError: the name is unknown.
        """
        name = (asked or "").strip()
        if name in DEFAULT_NAMES:
            return self.default
        if len(name) <= MAX_NAME:
            found = name if name in self._served else self._recognizer(name)
            if found is not None and self._enabled(found):
                return found
        if name.rpartition("/")[2].startswith("whisper-"):
            return self.default
        # The hint of the command line names commands that a client does not have.
        raise UnknownModelError(f"The model `{name[:MAX_NAME]}` does not exist.", "See GET /v1/models.")

    def _enabled(self, name: str) -> bool:
        return not self.settings.enabled_models or name in (self.default, *self.settings.enabled_models)

    def _recognizer(self, name: str) -> str | None:
        try:
            entry = self.registry.meant(name)
        except UnknownModelError:
            return None
        return entry.name if entry.kind == "asr" else None

    def installed(self, kind: Kind = "asr") -> list[ModelEntry]:
        """The models that can be asked for, the default first; also those that can be downloaded, if they may be."""
        found = [
            entry
            for entry in self.registry.entries(kind)
            if not is_remote(entry.type)
            and (kind != "asr" or self._enabled(entry.name))
            and (not self.registry.missing(entry) or (self._downloads is not None and entry.download.available))
        ]
        if kind == "asr" and self.default not in {entry.name for entry in found}:
            spec, _ = self._served[self.default]
            found.append(ModelEntry(name=spec.name, type=spec.type, dir="", files={}, languages=spec.languages))
        return sorted(found, key=lambda entry: entry.name != self.default)

    # -- loading -----------------------------------------------------------------------------------------------------

    async def acquire(self, name: str | None, *, kind: Kind = "asr", priority: int = 0) -> LoadedModel:
        """`open`, for the event loop."""
        return await opened(partial(self.open, name, kind=kind, priority=priority))

    def open(self, name: str | None, *, kind: Kind = "asr", priority: int = 0) -> LoadedModel:
        """The model of this name (None: the default), loaded once for all clients. Jobs of lower `priority` go first.
        Raises UnknownModelError: there is no such model; ModelNotInstalledError: its files are not on this machine;
        ModelError: they are damaged; EngineError: the engine could not load it.
        """
        return self.models.acquire(*self._find(name, kind), priority=priority)

    def session(self, name: str | None, options: TranscribeOptions, *, priority: int = 0) -> Session:
        """A model (None: the default) with the companion models of `options` (adapted to it), loaded. Jobs of lower
        `priority` go first. Raises ModelError or EngineError: as `open`; RequestError: diarization is asked for, and
        its models are not installed; MissingExtraError: a package that a text step needs is not installed.
        """
        spec, kind = self._find(name, "asr")
        try:
            models = choose(spec, options, self.registry, self._companion)
        except OptionNotSupportedError as error:
            raise RequestError(error.message, error.hint, param="model") from error
        return Session(models, self.models, kind=kind, priority=priority, wait=True)

    def spec(self, name: str | None) -> ModelSpec:
        """A model of this name, which is not loaded. Raises UnknownModelError, ModelNotInstalledError, ModelError: as
        `open`.
        """
        return self._find(name, "asr")[0]

    def path_or_name(self, spec: ModelSpec) -> str:
        """What a registry resolves to this model: its name, or the folder of a default model."""
        return self.settings.model or spec.name if spec.name == self.default else spec.name

    def serve(self, spec: ModelSpec, kind: str) -> None:
        """Let clients name a model that a service of this kind runs."""
        self._served.setdefault(spec.name, (spec, kind))

    def _find(self, name: str | None, kind: Kind) -> tuple[ModelSpec, str]:
        name = self.name_of(name) if kind == "asr" else str(name)
        if name not in self._served:
            try:
                spec = self.registry.resolve(name, kind=kind)
                if kind in {"asr", "streaming"}:
                    spec = with_device(spec, self.settings.device)
            except ModelError as error:
                absent = kind == "asr" and self.registry.missing(self.registry.entry(name))  # also an embedded one
                if not isinstance(error, ModelNotInstalledError) and not absent:
                    raise
                if self._downloads is not None:
                    self._downloads.request(name)
                raise ModelNotInstalledError(
                    f"The model `{name}` is not installed on this server. Its operator can install it: "
                    f"asrcli download-model {name}"
                ) from error
            check_servable(spec)
            self.serve(spec, backend_of(spec.type).kind)
            name = spec.name
        return self._served[name]

    def _companion(self, name: str | None, kind: Kind) -> ModelSpec:
        try:
            return self.registry.resolve(name, kind=kind)
        except (ModelNotInstalledError, UnknownModelError) as error:
            if kind not in {"segmentation", "embedding"}:
                raise
            names = f"{self.registry.default_name('segmentation')} {self.registry.default_name('embedding')}"
            raise RequestError(
                "The diarization models are not installed on this server.",
                f"Send the request without diarization. The operator can run: asrcli download-model {names}",
                param="diarization",
            ) from error

    def preload(self) -> None:
        """Load what the settings name, so that the first request need not wait. Then what would hold up all clients at
        its first use: importing VAD's runtime, and searching a library for its networks, hold the interpreter lock.
        """
        for name in self.settings.preload:
            self.open(name).close()
        if self.settings.preload and self.settings.streaming_model:
            self.open(self.settings.streaming_model, kind="streaming").close()
        if self.settings.preload:
            new_detector(VadOptions())
            self.can_diarize()

    def drop_idle(self) -> list[str]:
        """Unload models that were not in use for `model_ttl`; their names."""
        return self.models.unload_idle(self.settings.model_ttl) if self.settings.model_ttl else []

    # -- speakers ----------------------------------------------------------------------------------------------------

    def check_speakers(self, options: SpeakerOptions) -> None:
        """Check that diarization models are installed. Raises RequestError: they are not."""
        self._companion(options.segmentation_model, "segmentation")
        self._companion(options.embedding_model, "embedding")

    def can_diarize(self) -> bool:
        """Whether diarization models are installed."""
        return all(
            not self.registry.missing(self.registry.entry(self.registry.default_name(kind)))
            for kind in ("segmentation", "embedding")
        )

    def close(self) -> None:
        """End the engine processes; requests in flight fail."""
        if self._downloads is not None:
            self._downloads.close()
        self.models.close()


def check_servable(spec: ModelSpec) -> None:
    """See that this server can load a model. Raises ModelError: its files are damaged, or it is at work on another
    server; MissingExtraError: a package that runs it is not installed.
    """
    if is_remote(spec.type):
        raise ModelError(f"{spec.name} runs on another server.", "Clients can use that server directly.")
    check_model(spec)


_Opened = TypeVar("_Opened", LoadedModel, Session)


async def opened(open_: Callable[[], _Opened]) -> _Opened:
    """What `open_` returns, called in a thread. If the caller is cancelled, it is closed as soon as it is open."""
    opening = asyncio.get_running_loop().run_in_executor(None, open_)
    try:
        return await asyncio.shield(opening)
    except asyncio.CancelledError:
        opening.add_done_callback(_close_late)
        raise


def _close_late(opening: asyncio.Future[Any]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()
