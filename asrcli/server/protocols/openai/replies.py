"""OpenAI's six response formats, and its errors."""

import math
from typing import Any

from starlette.responses import PlainTextResponse, Response

from asrcli.formats import FORMATS
from asrcli.formats.whisper_json import whisper_segments
from asrcli.language_codes import language_name
from asrcli.options import CueOptions
from asrcli.server.errors import Problem
from asrcli.server.http.json_text import json_text
from asrcli.server.protocols.openai.fields import Fields
from asrcli.server.recognition.replies import running_text, warned
from asrcli.server.recognition.transcription import billed_seconds
from asrcli.transcript import Segment, Transcript


def reply(transcript: Transcript, fields: Fields) -> Response:
    """A transcript in the requested format. Long ones take time: call it in a thread."""
    kind = fields.response_format
    if kind == "text":
        return PlainTextResponse(running_text(transcript.segments) + "\n")
    if kind in {"srt", "vtt"}:
        form = FORMATS[kind]
        text = form.render(transcript, CueOptions(label_every_cue=fields.label_every_cue))
        return Response(text, media_type=f"{form.media_type}; charset=utf-8")
    body = {"json": plain, "verbose_json": verbose, "diarized_json": diarized}[kind](transcript, fields)
    return Response(json_text(warned(body, transcript)), media_type="application/json")


def plain(transcript: Transcript, fields: Fields) -> dict[str, Any]:
    """`json`."""
    body: dict[str, Any] = {"text": running_text(transcript.segments)}
    if fields.logprobs and has_confidence(transcript):
        body["logprobs"] = [logprob for segment in transcript.segments for logprob in logprobs(segment)]
    return body | {"usage": _usage(transcript)}


def verbose(transcript: Transcript, fields: Fields) -> dict[str, Any]:
    """`verbose_json`, with every field that strict clients read."""
    body: dict[str, Any] = {
        "task": "translate" if fields.options.recognition.target else "transcribe",
        "language": language_name(transcript.language),
        "language_code": transcript.language,
        "duration": round(transcript.duration, 3),
        "text": running_text(transcript.segments),
        # whether word times come from the model or are estimated
        "timing": transcript.timing,
    }
    if fields.segments:
        body["segments"] = segment_bodies(transcript)
    if fields.words:
        body["words"] = [
            {"word": word.text, "start": round(word.start, 3), "end": round(word.end, 3)}
            for segment in transcript.segments
            for word in segment.words
        ]
    return body | {"usage": _usage(transcript)}


def diarized(transcript: Transcript, fields: Fields) -> dict[str, Any]:
    """`diarized_json`."""
    del fields
    return {
        "task": "transcribe",
        "duration": round(transcript.duration, 3),
        "text": running_text(transcript.segments),
        "segments": [speaker_segment(segment) for segment in transcript.segments],
        "usage": _usage(transcript),
    }


def speaker_segment(segment: Segment) -> dict[str, Any]:
    """A segment of `diarized_json`, and the event of the same form."""
    return {
        "type": "transcript.text.segment",
        "id": f"seg_{segment.id}",
        "start": round(segment.start, 3),
        "end": round(segment.end, 3),
        "speaker": segment.speaker or "A",
        "text": segment.text,
    }


def logprobs(segment: Segment) -> list[dict[str, Any]]:
    """OpenAI's `logprobs`, one a word that the model is more or less sure of."""
    return [
        {"token": word.text, "bytes": list(word.text.encode()), "logprob": round(_log(word.confidence), 4)}
        for word in segment.words
        if word.confidence is not None
    ]


def has_confidence(transcript: Transcript) -> bool:
    """Whether the model reports confidence; without it, none is made up."""
    return any(word.confidence is not None for segment in transcript.segments for word in segment.words)


def segment_bodies(transcript: Transcript) -> list[dict[str, Any]]:
    """The segments of `verbose_json`, which have Whisper's fields. Clients join their texts without a separator."""
    bodies = whisper_segments(transcript)
    for segment, body in zip(transcript.segments, bodies, strict=True):
        extras = {name: getattr(segment, name) for name in ("speaker", "language", "emotion", "event")}
        body.update({name: value for name, value in extras.items() if value is not None})
    return bodies


def _log(probability: float) -> float:
    return math.log(max(probability, 1e-10))


def _usage(transcript: Transcript) -> dict[str, Any]:
    return {"type": "duration", "seconds": billed_seconds(transcript)}


def error_body(problem: Problem) -> dict[str, Any]:
    """OpenAI's error."""
    return {
        "error": {
            "message": problem.message,
            "type": problem.kind,
            "param": problem.param,
            "code": problem.code,
        }
    }


def form_of(properties: dict[str, Any], required: list[str] | None = None) -> dict[str, Any]:
    """A multipart body for the OpenAPI description; the server parses it itself, as a stream."""
    schema = {"type": "object", "properties": properties} | ({"required": required} if required else {})
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}
