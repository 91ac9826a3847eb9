"""Messages between the program and an engine.

Engines run in the engine process (`process.worker`); `process.engine_client` is the client. Everything here crosses
between the two processes, so it is plain data.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from asrcli.audio.types import Samples
from asrcli.backends.model_type import ModelType, OptionCheck
from asrcli.errors import ModelError, ModelNotInstalledError, OptionNotSupportedError
from asrcli.options import Hotword, RecognitionOptions
from asrcli.transcript import EMOTIONS, EVENTS


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A model resolved to files: what a backend needs to load it, and what the pipeline needs for chunking."""

    #: registry name, or the folder's name
    name: str
    #: key of the backend's table ("sense_voice", "moonshine_v2", "zipformer_ctc", ...)
    type: str
    #: logical name -> absolute path ("model", "encoder", "tokens", ...)
    files: Mapping[str, Path]
    #: keyword arguments of the factory (`use_itn`, `decoding_method`, ...)
    options: Mapping[str, Any] = field(default_factory=dict)
    #: ISO codes of its languages; empty: unknown, any is accepted
    languages: tuple[str, ...] = ()
    #: longest chunk, seconds
    window: float = 30.0
    #: sha256 over the files' digests, for the journal
    digest: str = ""
    #: value of `--backend` that the user gave; None: none
    backend: str | None = None
    #: API key of a server; never shown, written or hashed
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
    """What a backend recognised in one chunk."""

    text: str
    tokens: tuple[Token, ...] = ()
    language: str | None = None
    emotion: str | None = None
    event: str | None = None
    #: the engine stopped at a limit of its own (tokens, positions of its cache) and may have left out the rest
    limit: bool = False
    #: up to where the engine accounts for the sound, seconds from the chunk's start; None: unknown
    end: float | None = None
    #: by their probabilities, the words are probably not what was said; False also where the engine gives none
    unsure: bool = False
    #: the engine was to place the words in time, and failed
    unplaced: bool = False

    def __post_init__(self) -> None:
        # Labels beyond those of the JSON Schema (a server may send any) are dropped.
        for name, known in (("emotion", EMOTIONS), ("event", EVENTS)):
            value = getattr(self, name)
            if value is not None and value not in known:
                object.__setattr__(self, name, None)

    @property
    def timed(self) -> bool:
        """Whether the model gave its tokens times."""
        return bool(self.tokens) and all(token.start is not None for token in self.tokens)


#: gets what is recognised so far; None: nothing does
Growing = Callable[[Hypothesis], None] | None


@dataclass(frozen=True, slots=True)
class DecodeJob:
    """One call of a service: samples (or none) and a request."""

    samples: Samples
    request: Any = None
    #: lower goes first, where a service orders its jobs itself
    priority: int = 0


@dataclass(frozen=True, slots=True)
class StreamRequest:
    """What a job does to a stream. One job of a stream at a time: the next is submitted when the last is answered.

    - "open": start a stream; `options` may carry hotwords. The job's samples are decoded.
    - "feed": decode the job's samples.
    - "cut": the same, then flush the model and end the segment: the speaker has paused.
    - "drop": end the stream without a result.
    """

    #: chosen by the caller; unique in the engine process
    stream: str
    action: Literal["open", "feed", "cut", "drop"]
    options: RecognitionOptions = field(default_factory=RecognitionOptions)


@dataclass(frozen=True, slots=True)
class StreamSegment:
    """Text between two segment ends; times in seconds from the start of the stream."""

    text: str
    start: float
    #: how much of the stream had been decoded
    end: float
    tokens: tuple[Token, ...] = ()


@dataclass(frozen=True, slots=True)
class StreamUpdate:
    """The answer to a job: segments that ended in it, and the current one so far."""

    ended: tuple[StreamSegment, ...]
    current: StreamSegment


class Service(Protocol):
    """Anything that runs in the engine process: a recogniser, a diarizer, a punctuator.

    `run` is called by several threads at once, on batches of at most `batch_size` jobs. An exception fails the whole
    batch; return an exception in a job's place to fail that job alone.

    A service may have `size_class(samples) -> int`: only jobs of the same class make a batch.
    """

    batch_size: int

    def run(self, jobs: Sequence[DecodeJob]) -> Sequence[Any]: ...


#: takes the result of a job, or the exception with which it failed
Answer = Callable[[Any], None]


class SchedulingService(Protocol):
    """In place of a `Service`, one that forms its batches itself: jobs are handed to it as they come, and each is
    answered once it is done. Methods return at once; answers come from a thread of its own.
    """

    batch_size: int

    def start(self, key: int, job: DecodeJob, answer: Answer, growing: Answer | None) -> None:
        """Take a job; its samples are valid until it is answered. `growing` gets what is recognised so far."""

    def abort(self, key: int) -> None:
        """End a job, which is answered with EngineClosedError; nothing where it has been answered."""

    def close(self) -> None:
        """Release the engine once all jobs are answered; no more are handed over."""


class Recognizer(Service, Protocol):
    """A service whose jobs carry `RecognitionOptions` and whose results are `Hypothesis`."""

    def run(self, jobs: Sequence[DecodeJob]) -> Sequence[Hypothesis | Exception]: ...


class Checks:
    """A backend's own checks."""

    def check_model(self, spec: ModelSpec) -> None:
        """Check the entry and its files. Raises ModelError: files are missing, empty, damaged, or of another type;
        OptionNotSupportedError: the type takes no such option.
        """
        raise NotImplementedError

    def check_device(self, spec: ModelSpec) -> None:
        """Check that the installed packages can use the devices of an entry, as far as that is quickly known. Raises
        OptionNotSupportedError, MachineError: they cannot.
        """

    def check_hotwords(self, spec: ModelSpec, hotwords: Sequence[Hotword]) -> None:
        """Check that the model can spell hotwords. Raises OptionNotSupportedError: it cannot."""

    def notices(self, spec: ModelSpec) -> tuple[str, ...]:  # noqa: ARG002 - of backends that have some
        """What the user should be informed of before the model is loaded."""
        return ()

    def check_prompt(self, spec: ModelSpec, request: RecognitionOptions) -> None:
        """Check that hotwords and a prompt leave room for audio. Raises OptionNotSupportedError: they do not."""

    def longest_chunk(self, spec: ModelSpec, row: ModelType, request: RecognitionOptions) -> float:
        """The longest chunk that the engine reads with a request's hotwords and prompt, seconds."""
        del spec, request
        return row.limit

    def explain_failure(self, spec: ModelSpec) -> str:  # noqa: ARG002 - of backends that can
        """A hint: what may be wrong with a model at which the engine fails; "" where nothing is known."""
        return ""

    def engine_languages(self, spec: ModelSpec, row: ModelType) -> tuple[str, ...]:
        """Codes that the engine accepts; empty: any."""
        del spec
        return row.languages or tuple(row.language_names)


def check_files(spec: ModelSpec, paths: Iterable[Path], *, folders: bool = False) -> None:
    """Check that files are there, or `folders` in their place. Raises ModelNotInstalledError: one is missing;
    ModelError: one is empty.
    """
    again = f"Run `asrcli download-model {spec.name}`, or correct models.yaml."
    for path in paths:
        if not path.is_file() and not (folders and path.is_dir()):
            raise ModelNotInstalledError(f"{spec.name}: {path} is missing.", again)
        if path.is_file() and path.stat().st_size == 0:
            raise ModelError(f"{spec.name}: {path} is empty.", again)


def check_options(spec: ModelSpec, options: Mapping[str, OptionCheck]) -> None:
    """Check the options of an entry. Raises OptionNotSupportedError: one is not in the table, or has another value."""
    for name, value in spec.options.items():
        if name not in options:
            raise OptionNotSupportedError(
                f"{spec.name}: a model of type {spec.type} takes no option {name!r}.",
                f"It takes: {', '.join(sorted(options))}.",
            )
        fits, allowed = options[name]
        if not fits(value):
            raise OptionNotSupportedError(f"{spec.name}: {name} must be {allowed}, not {value!r}.")


TAG = re.compile(r"<\|([^|<>]*)\|>")
#: SenseVoice's labels for "unknown"
_UNKNOWN = frozenset({"", "nospeech", "emo_unknown", "event_unk", "auto"})
_LANGUAGES = frozenset({"zh", "en", "yue", "ja", "ko", "nospeech"})
_EMOTIONS = frozenset({"happy", "sad", "angry", "neutral", "fearful", "disgusted", "surprised", "emo_unknown"})


@dataclass(frozen=True, slots=True)
class Tagged:
    """A text and the tags before it."""

    text: str
    language: str | None = None
    emotion: str | None = None
    event: str | None = None


def tag_name(tag: str) -> str | None:
    """The meaning of one tag, with or without its brackets; None where it is unknown."""
    name = tag.strip().removeprefix("<|").removesuffix("|>").lower()
    return None if name in _UNKNOWN else name


def without_tags(text: str) -> str:
    return TAG.sub("", text).strip()


def read_tagged(raw: str) -> Tagged:
    """Remove a text's tags; the first of each sort counts, unknown ones (`<|withitn|>`) do not."""
    found: dict[str, str] = {}
    sorts = {"language": _LANGUAGES, "emotion": _EMOTIONS, "event": EVENTS}
    for name in TAG.findall(raw):
        lower = name.strip().lower()
        for sort, names in sorts.items():
            if lower in names:
                found.setdefault(sort, lower)
    return Tagged(without_tags(raw), **{sort: tag_name(name) for sort, name in found.items()})
