"""JSON as OpenAI's `whisper` command writes it, for programs that read its files.

What only Whisper's decoder has (tokens, temperature, the probability of no speech) has the value of a plain decoding.
The probabilities of a model that reports none are left out.
"""

import math
import zlib
from typing import Any

from asrcli.formats.json import dump
from asrcli.options import CueOptions
from asrcli.script import joint
from asrcli.transcript import Segment, Transcript, Word


def render(transcript: Transcript, options: CueOptions) -> str:  # noqa: ARG001 - every writer has this signature
    bodies = whisper_segments(transcript)
    for segment, body in zip(transcript.segments, bodies, strict=True):
        body["words"] = [
            _word(word, spaced=word.space_before and number > 0) for number, word in enumerate(segment.words)
        ]
        if segment.words and body["text"].startswith(" "):
            body["words"][0]["word"] = f" {segment.words[0].text}"
        if segment.speaker is not None:
            body["speaker"] = segment.speaker
    text = "".join(body["text"] for body in bodies)
    return dump({"text": text, "segments": bodies, "language": transcript.language}) + "\n"


def whisper_segments(transcript: Transcript) -> list[dict[str, Any]]:
    """Segments with the fields of Whisper's, times in seconds. The texts join without a separator.

    `avg_logprob` is there only if the model reports confidence.
    """
    bodies = []
    before = next((segment.text for segment in transcript.segments if segment.text), "")
    for segment in transcript.segments:
        bodies.append(_segment(segment, joint(before, segment.text)))
        before = segment.text or before
    return bodies


def _segment(segment: Segment, space: str) -> dict[str, Any]:
    raw = segment.text.encode("utf-8", "replace")
    body: dict[str, Any] = {
        "id": segment.id,
        "seek": round(segment.start * 100),
        "start": round(segment.start, 3),
        "end": round(segment.end, 3),
        "text": space + segment.text,
        "tokens": [],
        "temperature": 0.0,
        "compression_ratio": round(len(raw) / len(zlib.compress(raw)), 3) if raw else 0.0,
        "no_speech_prob": 0.0,
    }
    if segment.confidence is not None:
        body["avg_logprob"] = round(math.log(max(segment.confidence, 1e-10)), 4)
    return body


def _word(word: Word, *, spaced: bool) -> dict[str, Any]:
    body = {"word": " " * spaced + word.text, "start": round(word.start, 3), "end": round(word.end, 3)}
    return body if word.confidence is None else body | {"probability": round(word.confidence, 4)}
