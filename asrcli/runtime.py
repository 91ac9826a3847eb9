"""From the models of a request to a transcript: the one place where `pipeline.Resources` are put together.

The command line and the Python API open a `Runtime`; the server opens a `Session` for each request, on models that all
of its requests share.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from asrcli import pipeline
from asrcli.audio.types import Source
from asrcli.backends.checks import languages_of, validate
from asrcli.backends.loaded_models import LoadedModel, LoadedModels
from asrcli.backends.process.engine_process import PrestartedEngine
from asrcli.backends.process.resource_limits import default_jobs
from asrcli.backends.registry import is_remote
from asrcli.backends.types import ModelSpec
from asrcli.listener import Listener
from asrcli.model_set import ModelSet, Step, in_order
from asrcli.options import RecognitionOptions, TranscribeOptions
from asrcli.pipeline import Resources
from asrcli.transcript import Transcript

if TYPE_CHECKING:
    from asrcli.backends.remote.recognizer import RemoteRecognizer
    from asrcli.speakers.diarizer import Diarizer, Voice
    from asrcli.speakers.live import SpeakerMemory

_LANGUAGE_SERVICE = "asrcli.backends.companions:load_language_identifier"
_VAD_SERVICE = "asrcli.backends.funasr.companions:load_vad"
_NO_SAMPLES = np.zeros(0, np.float32)


class Session:
    """The models of one run or request, in use until `close`. Thread-safe; a context manager."""

    def __init__(
        self, models: ModelSet, loaded: LoadedModels, *, kind: str | None = None, priority: int = 0, wait: bool = False
    ) -> None:
        """Load the models (`model_set.choose`) that are not loaded. Jobs of lower `priority` go first. Without `wait`,
        a failure to load fails the inputs. Raises ModelError or EngineError: a model cannot be loaded (with `wait`);
        MissingExtraError: a package that a text step needs is not installed; MachineError: an engine process cannot be
        started.
        """
        self.models = models
        self.spec = models.spec
        self._loaded, self._priority, self._wait = loaded, priority, wait
        self._stack = ExitStack()
        self._lock = threading.Lock()
        self._punctuation: LoadedModel | None = None
        self._speakers: LoadedModel | None = None
        try:
            self.recognizer = self._open_recognizer(kind)
            if models.speakers is not None:
                self._speakers = self._acquire(models.speakers.spec, models.speakers.service, "speakers")
            self.resources = Resources(
                self.recognizer,
                self.new_diarizer(),
                self._steps(),
                new_stream_tracker=self.new_diarizer(stream=True),
                identify=self._identify(),
                languages=languages_of(self.spec) if models.identification else (),
                detect=self._acquire(models.vad, _VAD_SERVICE, "vad").submit if models.vad else None,
            )
        except BaseException:
            self._stack.close()
            raise

    def transcribe(
        self,
        source: Source,
        options: TranscribeOptions | None = None,
        *,
        listener: Listener | None = None,
        order: int = 0,
    ) -> Transcript:
        """Transcribe one input, see `pipeline.transcribe`; `options` None: those that the models were chosen for.
        Thread-safe.
        """
        options = options or self.models.options
        return pipeline.transcribe(source, self.resources, options, listener=listener, order=order)

    def revise(self, transcript: Transcript) -> Transcript:
        """The transcript after the text steps."""
        for step in self.resources.steps:
            transcript = step(transcript)
        return transcript

    @property
    def shareable(self) -> dict[str, LoadedModel]:
        """The models whose jobs engines on other machines may do, by what they are for."""
        models = {"speech": self.recognizer, "speakers": self._speakers}
        return {purpose: model for purpose, model in models.items() if isinstance(model, LoadedModel)}

    def add_voices(self, voices: Sequence[Voice]) -> None:
        """Let diarization recognise further voices by name. They override enrolled voices of the same name."""
        new, stream = self.new_diarizer(voices), self.new_diarizer(voices, stream=True)
        self.resources = replace(self.resources, new_tracker=new, new_stream_tracker=stream)

    def close(self) -> None:
        """Release the models, or end the connections to the server."""
        if not sys.is_finalizing():  # else threads are stopped that may hold the models' lock
            self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- models ------------------------------------------------------------------------------------------------------

    def _open_recognizer(self, kind: str | None) -> LoadedModel | RemoteRecognizer:
        if is_remote(self.spec.type):
            from asrcli.backends.remote.recognizer import RemoteRecognizer

            return self._stack.enter_context(RemoteRecognizer(self.spec, self._loaded.threads))
        return self._acquire(self.spec, kind, "")

    def _acquire(self, spec: ModelSpec, kind: str | None, purpose: str) -> LoadedModel:
        engine = self._loaded.speaker_engine if purpose == "speakers" else None
        model = self._loaded.acquire(
            spec, kind, purpose=purpose, engine=engine, priority=self._priority, wait=self._wait
        )
        return self._stack.enter_context(model)

    def new_diarizer(self, voices: Sequence[Voice] = (), *, stream: bool = False) -> Callable[[], Any] | None:
        """A factory of diarizers of recordings, or of streams, which know these voices besides the enrolled ones; None
        without diarization.
        """
        if self.models.speakers is None or self._speakers is None:
            return None
        return self.models.speakers.diarizers(self._speakers.submit, voices, stream=stream)

    def live_diarizer(self, memory: SpeakerMemory) -> Callable[[], Diarizer] | None:
        """A factory of diarizers of the sentences of a live stream; None without diarization."""
        if self.models.speakers is None or self._speakers is None:
            return None
        return self.models.speakers.live_diarizers(self._speakers.submit, memory)

    def _identify(self) -> Callable[..., Future[str]] | None:
        if self.models.identification is None:
            return None
        return self._acquire(self.models.identification, _LANGUAGE_SERVICE, "language").submit

    def _punctuate(self, text: str) -> Future[Any]:
        """Punctuation; the model is loaded with the first text that needs it."""
        from asrcli.text.steps.punctuation import SERVICE

        assert self.models.punctuation is not None
        with self._lock:
            if self._punctuation is None:
                self._punctuation = self._acquire(self.models.punctuation, SERVICE, "punctuation")
        return self._punctuation.submit(_NO_SAMPLES, text)

    def _steps(self) -> tuple[Step, ...]:
        models = self.models
        punctuate: Step | None = None
        if models.punctuation is not None:
            from asrcli.text.steps.punctuation import PunctuationStep

            # On request in any language; by default only in the languages of the model.
            languages = () if models.options.text.punctuation else models.punctuation.languages
            punctuate = PunctuationStep(self._punctuate, languages)
        digits = _itn_step(models.itn_cache) if models.itn_cache is not None else None
        steps = in_order(models.options.text, marks=punctuate, digits=digits)
        target = models.options.recognition.target
        return (partial(_translated, target), *steps) if target else steps


def _translated(target: str, transcript: Transcript) -> Transcript:
    """A translation with its language in place of that of the speech."""
    segments = tuple(replace(segment, language=target) for segment in transcript.segments)
    return replace(transcript, language=target, segments=segments)


@lru_cache(maxsize=4)
def _itn_step(cache: Path) -> Step:
    """Kept from one request to the next, because grammars take long to load."""
    from asrcli.text.steps.itn import ItnStep

    return ItnStep(cache)


class Runtime(Session):
    """A session with an engine process of its own, or with a server."""

    def __init__(
        self,
        models: ModelSet | ModelSpec,
        *,
        recognition: RecognitionOptions | None = None,
        jobs: int | None = None,
        prestarted: PrestartedEngine | None = None,
    ) -> None:
        """Check the request against the models (`model_set.choose`) or a recogniser alone (`Registry.resolve`), start
        the engine, and start to load. `recognition`: what will be asked of a recogniser alone; `jobs`: decoding
        threads, or concurrent requests to a server (None: `jobs_for`); `prestarted`: an engine process of as many
        threads. Raises UsageError: the model does not support the language, hotwords or other options; ModelError: its
        files are not what their type needs; MissingExtraError: a package that a text step needs is not installed;
        MachineError: an engine process cannot be started.
        """
        if isinstance(models, ModelSpec):
            options = TranscribeOptions(recognition=recognition or RecognitionOptions())
            validate(models, options.recognition)
            models = ModelSet(spec=models, options=options)
        self.jobs = jobs or jobs_for(models.spec)
        self.loaded = LoadedModels(self.jobs, prestarted=prestarted)
        try:
            super().__init__(models, self.loaded)
        except BaseException:
            self.loaded.close()
            raise

    def close(self) -> None:
        """End the engine processes, or the connections to the server."""
        super().close()
        self.loaded.close()


def jobs_for(spec: ModelSpec) -> int:
    """Chunks that are decoded at once by default."""
    if not is_remote(spec.type):
        return default_jobs()
    from asrcli.backends.remote.recognizer import DEFAULT_JOBS

    return DEFAULT_JOBS
