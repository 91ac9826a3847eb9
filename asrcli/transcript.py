"""What a recording becomes: words in segments, in file time.

All times are seconds from the start of the recording (float, >= 0, rounded to milliseconds in JSON). Segments are
ordered by start; words inside a segment are ordered and lie inside it. The JSON form is versioned by `SCHEMA`.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, Self

SCHEMA = "asrcli/transcript/1"

#: "model": word times come from the model; "estimated": spread over the speech regions.
Timing = Literal["model", "estimated"]


#: labels of segments; SenseVoice's tags in lower case
EMOTIONS = ("happy", "sad", "angry", "neutral", "fearful", "disgusted", "surprised")
EVENTS = (
    "speech", "bgm", "applause", "laughter", "cry", "sneeze", "breath", "cough", "sing", "speech_noise", "gbg",
)  # fmt: skip

#: Codes of warnings, and what each reports. A warning's message begins with its code and a colon; a message without one
#: has the code "other".
WARNINGS = {
    "gap": "speech that could not be recognised; its times are in `gaps`",
    "truncated": 'the end of the recording is missing, or probably missing ("perhaps truncated")',
    "damaged": "parts of the recording cannot be decoded",
    "header": "sizes or positions in the header were wrong, and what the file has was read",
    "timestamps": "times of the file or of words that are missing, contradict each other, or were estimated",
    "tracks": "audio tracks that were not read",
    "clipped": "many samples are at full scale",
    "scaled": "float samples beyond full scale, which were scaled down",
    "channels": "a channel is inverted; only one of them was read there",
    "speakers": "speakers that could not be determined",
    "no-speech": "no speech was found",
    "loop": "repeated text that was removed",
    "low-confidence": "words of which the model is not sure",
    "punctuation": "punctuation that could not be added",
    "other": "everything else",
}
WARNING_CODES = tuple(WARNINGS)
NO_SPEECH = "no speech"
_CODED = re.compile(rf"(?:perhaps )?({'|'.join(WARNING_CODES)}):")

#: Why a gap has no text: the engine reached a limit of its own; no words, or too few, for the speech that was
#: detected; the engine failed.
GapReason = Literal["limit", "no words", "few words", "engine error"]
_GAP_REASONS: dict[GapReason, str] = {
    "limit": "the engine reached its limit",
    "no words": "no words were recognised in the speech there",
    "few words": "only part of the speech there was recognised",
    "engine error": "the engine failed there",
}


def warning_code(message: str) -> str:
    """The code of a warning."""
    if message == NO_SPEECH:
        return "no-speech"
    match = _CODED.match(message)
    return match[1] if match else "other"


def read_warning_codes(codes: str | Iterable[str]) -> tuple[str, ...]:
    """Codes in any case, "gaps" as well; in text separated by commas. Raises ValueError: one is not a code."""
    names = [name.strip().lower() for name in (codes.split(",") if isinstance(codes, str) else codes)]
    names = ["gap" if name == "gaps" else name for name in names if name]
    for name in names:
        if name not in WARNING_CODES:
            raise ValueError(f"'{name}' is not a code of warnings; choose from {', '.join(WARNING_CODES)}")
    return tuple(names)


def failing_warnings(warnings: Iterable[str], codes: Collection[str]) -> list[str]:
    """The warnings whose code is among `codes`."""
    return [message for message in warnings if warning_code(message) in codes]


def _ms(seconds: float) -> float:
    return round(seconds, 3)


@dataclass(frozen=True, slots=True)
class Word:
    """One word (or one CJK character) with the punctuation that follows it.

    `text` carries no leading space; `space_before` is true if one separates it from the word before (false
    between CJK characters). Confidence is a probability in 0..1, None where the model gives none. `alignment` is for
    the words of a given text (`asrcli align`).
    """

    text: str
    start: float
    end: float
    confidence: float | None = None
    speaker: str | None = None
    space_before: bool = True
    alignment: Literal["matched", "interpolated"] | None = None

    def to_dict(self) -> dict[str, Any]:
        out: dict[str, Any] = {"text": self.text, "start": _ms(self.start), "end": _ms(self.end)}
        if not self.space_before:
            out["space_before"] = False
        if self.confidence is not None:
            out["confidence"] = round(self.confidence, 4)
        if self.speaker is not None:
            out["speaker"] = self.speaker
        if self.alignment is not None:
            out["alignment"] = self.alignment
        return out

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        return cls(
            text=data["text"],
            start=data["start"],
            end=data["end"],
            confidence=data.get("confidence"),
            speaker=data.get("speaker"),
            space_before=data.get("space_before", True),
            alignment=data.get("alignment"),
        )


class SpacedText(Protocol):
    """A word, with or without times."""

    @property
    def text(self) -> str: ...

    @property
    def space_before(self) -> bool: ...


def join_words(words: Iterable[SpacedText]) -> str:
    """The running text of words, spaces only where the language writes them."""
    return "".join((" " if i and w.space_before else "") + w.text for i, w in enumerate(words))


_SEGMENT_LABELS = ("speaker", "channel", "language", "confidence", "emotion", "event")


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of speech of one speaker in one channel, a sentence or so long."""

    id: int
    start: float
    end: float
    text: str
    words: tuple[Word, ...] = ()
    speaker: str | None = None
    #: zero-based channel of the recording under `--channels split`
    channel: int | None = None
    #: ISO 639-1 (639-3 where there is none: "yue")
    language: str | None = None
    confidence: float | None = None
    #: one of `EMOTIONS`
    emotion: str | None = None
    #: one of `EVENTS`
    event: str | None = None

    def to_dict(self) -> dict[str, Any]:
        out: dict[str, Any] = {"id": self.id, "start": _ms(self.start), "end": _ms(self.end), "text": self.text}
        for name in _SEGMENT_LABELS:
            value = getattr(self, name)
            if value is not None:
                out[name] = round(value, 4) if name == "confidence" else value
        out["words"] = [word.to_dict() for word in self.words]
        return out

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        return cls(
            id=data["id"],
            start=data["start"],
            end=data["end"],
            text=data["text"],
            words=tuple(Word.from_dict(word) for word in data.get("words", ())),
            **{name: data[name] for name in _SEGMENT_LABELS if name in data},
        )


@dataclass(frozen=True, slots=True)
class Gap:
    """A span with speech that has no text, or not all of it."""

    start: float
    end: float
    reason: GapReason
    #: zero-based channel of the recording under `--channels split`
    channel: int | None = None

    @property
    def warning(self) -> str:
        return f"gap: {self.start:.1f} to {self.end:.1f} s: {_GAP_REASONS[self.reason]}"

    def to_dict(self) -> dict[str, Any]:
        out = {"start": _ms(self.start), "end": _ms(self.end), "reason": self.reason}
        return out if self.channel is None else {**out, "channel": self.channel}


@dataclass(frozen=True, slots=True)
class Turn:
    """Who spoke when, as diarization found it; turns of different speakers may overlap."""

    start: float
    end: float
    speaker: str

    def to_dict(self) -> dict[str, Any]:
        return {"start": _ms(self.start), "end": _ms(self.end), "speaker": self.speaker}


@dataclass(frozen=True, slots=True)
class Transcript:
    """The result of one input."""

    source: str
    duration: float
    segments: tuple[Segment, ...] = ()
    language: str | None = None
    model: str = ""
    backend: str = ""
    timing: Timing = "estimated"
    warnings: tuple[str, ...] = ()
    #: spans with speech that could not be recognised, in order
    gaps: tuple[Gap, ...] = ()
    #: speaker turns, kept beside the segments because overlapped speech has two of them at a time
    turns: tuple[Turn, ...] = ()
    #: what post-processing changed or noted, by step (phonetic hotword replacements, ...)
    notes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The whole text, one line a segment."""
        return "\n".join(segment.text for segment in self.segments)

    def to_dict(self) -> dict[str, Any]:
        """The versioned JSON form; `asrcli schema` prints its JSON Schema."""
        out: dict[str, Any] = {
            "schema": SCHEMA,
            "source": self.source,
            "duration": _ms(self.duration),
            "language": self.language,
            "model": self.model,
            "backend": self.backend,
            "text": self.text,
            "timing": self.timing,
            "warnings": list(self.warnings),
            "warning_codes": [warning_code(message) for message in self.warnings],
            "gaps": [gap.to_dict() for gap in self.gaps],
            "segments": [segment.to_dict() for segment in self.segments],
        }
        if self.turns:
            out["turns"] = [turn.to_dict() for turn in self.turns]
        if self.notes:
            out["notes"] = dict(self.notes)
        return out

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read the JSON form back. Raises ValueError: the document is of another schema."""
        if data.get("schema") != SCHEMA:
            raise ValueError(f"not a transcript of schema {SCHEMA}: {data.get('schema')!r}")
        return cls(
            source=data["source"],
            duration=data["duration"],
            segments=tuple(Segment.from_dict(segment) for segment in data["segments"]),
            language=data["language"],
            model=data["model"],
            backend=data["backend"],
            timing=data["timing"],
            warnings=tuple(data["warnings"]),
            gaps=tuple(Gap(**gap) for gap in data.get("gaps", ())),
            turns=tuple(Turn(**turn) for turn in data.get("turns", ())),
            notes=data.get("notes", {}),
        )
