"""The forms in which a chunk is sent, and which are tried after a refusal: servers differ in what they accept."""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Self

from asrcli.backends.remote.replies import error_field


@dataclass(frozen=True, slots=True)
class ServerDialect:
    """How much of the interface is used. Servers differ in what they refuse."""

    response_format: str
    words: bool = False
    #: fields that are not OpenAI's: `hotwords`, and no second search for speech
    extras: bool = False


DIALECTS = (
    ServerDialect("verbose_json", words=True, extras=True),
    ServerDialect("verbose_json", words=True),
    ServerDialect("verbose_json"),
    ServerDialect("json"),
    ServerDialect("text"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedChunk:
    """One chunk as it is sent."""

    data: bytes
    #: "flac" or "wav"
    form: str
    seconds: float
    #: makes the chunk in WAV, for servers that read no FLAC; None: it is not to be sent
    as_wav: Callable[[], Self] | None = None


@dataclass(frozen=True, slots=True)
class RequestAttempt:
    """In which form a chunk is sent."""

    form: str
    dialect: int
    #: the server has not accepted this form yet: where it fails, another form is tried before this one is repeated
    probe: bool = False


class ChunkRefusedError(Exception):
    """The server does not accept the request in this form."""

    def __init__(self, status: int = 0, body: bytes = b"", *, failed: bool = False) -> None:
        super().__init__(str(status))
        self.status, self.body, self.failed = status, body, failed


def plan_attempts(
    refusal: ChunkRefusedError,
    attempt: RequestAttempt,
    untried: deque[RequestAttempt],
    refusals: Mapping[RequestAttempt, ChunkRefusedError],
) -> None:
    """Add attempts in WAV where the server failed, or refused every request, with FLAC."""
    if attempt.form == "wav":
        if not refusal.failed and attempt.dialect + 1 < len(DIALECTS):
            untried.appendleft(replace(attempt, dialect=attempt.dialect + 1))
        return
    wav = replace(attempt, form="wav", probe=True)
    wav_is_new = not any(each.form == "wav" for each in [*refusals, *untried])
    if refusal.failed:
        untried.appendleft(replace(attempt, probe=False))
        if wav_is_new:
            untried.appendleft(wav)
    elif wav_is_new and not untried and not error_field(refusal.body, "param"):
        untried.append(replace(wav, dialect=0))


def in_form(chunk: EncodedChunk, form: str) -> EncodedChunk:
    return chunk.as_wav() if form != chunk.form and chunk.as_wav is not None else chunk
