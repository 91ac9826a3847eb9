"""What inputs share while they are transcribed: the engine process with a model in it, and the optional steps.

The CLI, the Python API and the server each open one `Runtime` and send their inputs through it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from types import TracebackType

from asrcli import pipeline
from asrcli.audio.types import Source
from asrcli.backends import backend_of
from asrcli.backends.host import EngineHost
from asrcli.backends.recognizer import load_recognizer
from asrcli.backends.sherpa_check import validate
from asrcli.backends.types import ModelSpec
from asrcli.options import RecognitionOptions, TranscribeOptions
from asrcli.pipeline import Listener, Resources, SpeakerTracker
from asrcli.transcript import Transcript


def default_jobs() -> int:
    """One decoding thread for each core this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS has no affinity
        return os.cpu_count() or 1


class Runtime:
    """An engine process with one model loaded. Thread-safe; a context manager."""

    def __init__(
        self,
        spec: ModelSpec,
        *,
        recognition: RecognitionOptions | None = None,
        jobs: int | None = None,
        steps: tuple[Callable[[Transcript], Transcript], ...] = (),
    ) -> None:
        """Check what is asked against the model, start the engine, and begin to load.

        Args:
            spec: the model (`models.registry.Registry.resolve`).
            recognition: what will be asked of it, where that is known beforehand.
            jobs: decoding threads; None: one a core.
            steps: text steps, in order.

        Raises:
            UsageError: the model does not take the language, hotwords or other options that are asked for.
            ModelError: its files are not what their type needs.
        """
        validate(spec, recognition or RecognitionOptions())
        self.spec = spec
        self.jobs = jobs or default_jobs()
        self.host = EngineHost(self.jobs)
        self.recognizer = load_recognizer(self.host, spec, backend_of(spec.type))
        self._steps = steps
        self._new_tracker: Callable[[], SpeakerTracker] | None = None

    @property
    def resources(self) -> Resources:
        return Resources(self.recognizer, self._new_tracker, self._steps)

    def transcribe(
        self,
        source: Source,
        options: TranscribeOptions | None = None,
        *,
        listener: Listener | None = None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Transcript:
        """Transcribe one input; see `pipeline.transcribe`. May be called from many threads at once."""
        return pipeline.transcribe(
            source, self.resources, options or TranscribeOptions(), listener=listener, cancelled=cancelled
        )

    def close(self) -> None:
        """End the engine process."""
        self.host.close()

    def __enter__(self) -> Runtime:  # noqa: PYI034 - typing.Self is 3.11's
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
