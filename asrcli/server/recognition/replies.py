"""Pieces of text and time that several protocols write down alike."""

import string
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from asrcli.script import join
from asrcli.transcript import Gap, Segment, Transcript


def running_text(segments: Iterable[Segment]) -> str:
    """All segments as one paragraph."""
    return join(segment.text for segment in segments)


def warned(body: dict[str, Any], transcript: Transcript) -> dict[str, Any]:
    """A reply in JSON that states what is missing from the text; clients ignore keys that they do not know."""
    return body | {"warnings": list(transcript.warnings)} if transcript.warnings else body


def milliseconds(seconds: float) -> int:
    """Seconds as whole milliseconds."""
    return round(seconds * 1000)


def gap_fields(gaps: Iterable[Gap], time: Callable[[float], float]) -> dict[str, Any]:
    """The spans of a live sentence without text, in the protocol's unit of time; {}: none."""
    found = [{"start": time(gap.start), "end": time(gap.end), "reason": gap.reason} for gap in gaps]
    return {"gaps": found} if found else {}


def letter_speakers(transcript: Transcript) -> Transcript:
    """Speakers as OpenAI names them: A, B, ...; voices known by name keep it."""
    names: dict[str, str] = {}
    for segment in transcript.segments:
        speaker = segment.speaker
        if speaker is not None and speaker not in names:
            unknown = speaker.startswith("Speaker ") and speaker[8:].isdecimal()
            names[speaker] = _letters(int(speaker[8:]) - 1) if unknown else speaker
    if not names:
        return transcript
    return replace(transcript, segments=tuple(_renamed(segment, names) for segment in transcript.segments))


def _renamed(segment: Segment, names: dict[str, str]) -> Segment:
    words = tuple(replace(word, speaker=names.get(word.speaker or "", word.speaker)) for word in segment.words)
    return replace(segment, speaker=names.get(segment.speaker or "", segment.speaker), words=words)


def _letters(number: int) -> str:
    """0 -> A, 25 -> Z, 26 -> AA."""
    text = ""
    number += 1
    while number > 0:
        number, digit = divmod(number - 1, 26)
        text = string.ascii_uppercase[digit] + text
    return text
