"""What inputs share while they are transcribed: an engine process with a model in it (or a server), and optional steps.

The CLI, the Python API and the server each open one `Runtime` and send their inputs through it.
"""

from __future__ import annotations

from types import TracebackType
from typing import Self

from asrcli import pipeline
from asrcli.audio.types import Source
from asrcli.backends.checks import languages_of, validate
from asrcli.backends.process.engine_client import EngineClient
from asrcli.backends.process.engine_process import PrestartedEngine, default_jobs
from asrcli.backends.recognizer import ChunkRecognizer, load_recognizer
from asrcli.backends.registry import backend_of, is_remote
from asrcli.backends.remote.recognizer import DEFAULT_JOBS, RemoteRecognizer
from asrcli.backends.types import ModelSpec
from asrcli.listener import Listener
from asrcli.model_set import ModelSet
from asrcli.options import RecognitionOptions, TranscribeOptions
from asrcli.pipeline import Resources
from asrcli.transcript import Transcript


class Runtime:
    """An engine process with a model loaded (or a server that has one), and those beside it.

    Thread-safe; a context manager.
    """

    def __init__(
        self,
        models: ModelSet | ModelSpec,
        *,
        recognition: RecognitionOptions | None = None,
        jobs: int | None = None,
        prestarted: PrestartedEngine | None = None,
    ) -> None:
        """Check what is asked against the model, start the engine, and begin to load.

        Args:
            models: what works on the inputs (`ensemble.choose`), or a recogniser alone (`Registry.resolve`).
            recognition: what will be asked of a recogniser alone, where that is known beforehand.
            jobs: decoding threads, or requests at once; None: one a core, or `remote.DEFAULT_JOBS`.
            prestarted: an engine process that was started beforehand for as many threads.

        Raises:
            UsageError: the model does not take the language, hotwords or other options that are asked for.
            ModelError: its files are not what their type needs.
            MissingExtraError: a package that a text step needs is not installed.
        """
        if isinstance(models, ModelSpec):
            options = TranscribeOptions(recognition=recognition or RecognitionOptions())
            validate(models, options.recognition)
            models = ModelSet(spec=models, options=options)
        self.spec = models.spec
        remote = is_remote(self.spec.type)
        self.jobs = jobs or jobs_for(self.spec)
        self._options = models.options
        self.recognizer: ChunkRecognizer | RemoteRecognizer
        #: the engine process; None where a server does all that it would do
        self.host = None if remote and not models.needs_engine else EngineClient(self.jobs, prestarted=prestarted)
        # Segmentation of speakers holds the interpreter of its process: recognition goes on in another.
        self._speaker_host = EngineClient(self.jobs) if models.speakers else None
        try:
            if self.host is None or remote:
                self.recognizer = RemoteRecognizer(self.spec, self.jobs)
            else:
                self.recognizer = load_recognizer(
                    self.host, self.spec, backend_of(self.spec.type, self.spec.backend).kind
                )
            self.resources = self._load_beside(models)
        except BaseException:
            self.close()
            raise

    def _load_beside(self, models: ModelSet) -> Resources:
        """Begin to load what stands beside the recogniser."""
        return Resources(
            self.recognizer,
            models.speakers.start(self._speaker_host) if models.speakers and self._speaker_host else None,
            models.steps(self.host),
            identify=models.identify(self.host) if self.host else None,
            languages=languages_of(self.spec) if models.identification else (),
        )

    def transcribe(
        self,
        source: Source,
        options: TranscribeOptions | None = None,
        *,
        listener: Listener | None = None,
    ) -> Transcript:
        """Transcribe one input; see `pipeline.transcribe`. May be called from many threads at once.

        Args:
            source: what to read.
            options: what is asked for; None: what the ensemble was chosen for.
            listener: receives progress; may cancel.
        """
        return pipeline.transcribe(source, self.resources, options or self._options, listener=listener)

    def close(self) -> None:
        """End the engine processes, or the connections to the server."""
        recognizer = getattr(self, "recognizer", None)
        if isinstance(recognizer, RemoteRecognizer):
            recognizer.close()
        if self.host is not None:
            self.host.close()
        if self._speaker_host is not None:
            self._speaker_host.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def jobs_for(spec: ModelSpec) -> int:
    """How many chunks are at work at once where nobody says."""
    return DEFAULT_JOBS if is_remote(spec.type) else default_jobs()


__all__ = ["Runtime", "default_jobs", "jobs_for"]
