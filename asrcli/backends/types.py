"""What the house and an engine say to each other.

A backend lives in the engine process (`backends.worker`); `backends.host` is its side in ours. Everything here crosses
between them, so it is plain data.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from asrcli.audio.types import Samples
from asrcli.options import RecognitionOptions


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A model resolved to files: everything a backend needs to load it, and what the pipeline must know of it."""

    #: registry name, or the folder's name
    name: str
    #: key of the backend's table ("sense_voice", "moonshine_v2", "zipformer_ctc", ...)
    type: str
    #: logical name -> absolute path ("model", "encoder", "tokens", ...)
    files: Mapping[str, Path]
    #: keyword arguments of the factory (`use_itn`, `decoding_method`, ...)
    options: Mapping[str, Any] = field(default_factory=dict)
    #: ISO codes the model can do; empty: unknown, anything goes
    languages: tuple[str, ...] = ()
    #: longest chunk the model takes well, seconds
    window: float = 30.0
    #: sha256 over the files' digests, for the journal
    digest: str = ""
    #: key of `backends.BACKEND_NAMES` that the user insists on; None: whichever suits best
    backend: str | None = None
    #: what a server wants to see before it works for us; never shown, written or hashed
    secret: str = field(default="", repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of the hypothesis as the model gave it, times in seconds from the chunk's start."""

    #: with its word-boundary mark (SentencePiece's "▁" or a leading space) where the model has one
    text: str
    start: float | None = None
    end: float | None = None
    #: natural logarithm of its probability
    logprob: float | None = None


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """What a backend says of one chunk."""

    text: str
    tokens: tuple[Token, ...] = ()
    language: str | None = None
    emotion: str | None = None
    event: str | None = None

    @property
    def timed(self) -> bool:
        """Whether the model gave its tokens times."""
        return bool(self.tokens) and all(token.start is not None for token in self.tokens)


@dataclass(frozen=True, slots=True)
class DecodeJob:
    """One call of a service: samples (or none) and what is asked of them."""

    samples: Samples
    request: Any = None


class Service(Protocol):
    """Anything that runs in the engine process: a recogniser, a diarizer, a punctuator.

    `run` is called by several threads at once, on batches of at most `batch_size` jobs. An exception fails the whole
    batch; return an exception in a job's place to fail that job alone.

    A service may have `size_class(samples) -> int`: only jobs of the same class make a batch.
    """

    batch_size: int

    def run(self, jobs: Sequence[DecodeJob]) -> Sequence[Any]: ...


class Recognizer(Service, Protocol):
    """A service whose jobs carry `RecognitionOptions` and whose results are `Hypothesis`."""

    def run(self, jobs: Sequence[DecodeJob]) -> Sequence[Hypothesis | Exception]: ...


__all__ = [
    "DecodeJob",
    "Hypothesis",
    "ModelSpec",
    "RecognitionOptions",
    "Recognizer",
    "Service",
    "Token",
]
