"""A loaded model as the pipeline sees it: chunks go in, hypotheses come out, whichever process does the work."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass

from asrcli.audio.types import Samples
from asrcli.backends.checks import model_type, window_of
from asrcli.backends.process.engine_client import EngineClient
from asrcli.backends.types import Hypothesis, ModelSpec
from asrcli.options import RecognitionOptions


@dataclass(frozen=True, slots=True)
class ChunkRecognizer:
    """A recogniser in the engine process."""

    host: EngineClient
    spec: ModelSpec
    #: of the backend
    kind: str
    #: of this backend's jobs among all; lower goes first
    priority: int = 0

    @property
    def model(self) -> str:
        return self.spec.name

    @property
    def backend(self) -> str:
        """The engine: what the kind stands for, or what runs the model in its stead."""
        return self.host.backend(self.spec.name) or self.kind

    @property
    def window(self) -> float:
        """Longest chunk without hotwords and prompt, seconds."""
        return window_of(self.spec)

    def window_for(self, request: RecognitionOptions) -> float:
        """Longest chunk for a request, seconds."""
        return window_of(self.spec, request)

    @property
    def max_gap(self) -> float:
        """Longest pause inside a chunk where the user sets none, seconds."""
        return model_type(self.spec).max_gap

    def submit(self, samples: Samples, request: RecognitionOptions) -> Future[Hypothesis]:
        """Hand over one chunk, (samples,) at 16 kHz; waits while the engine has enough to do.

        Raises:
            EngineError: the engine is closed, or the model could not be loaded.
        """
        return self.host.submit(self.spec.name, samples, request, priority=self.priority)


def load_recognizer(host: EngineClient, spec: ModelSpec, backend: str) -> ChunkRecognizer:
    """Begin to load a model in the engine process; chunks may be submitted at once."""
    host.load(spec.name, backend, spec)
    return ChunkRecognizer(host, spec, backend)
