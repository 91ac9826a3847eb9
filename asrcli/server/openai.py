"""OpenAI's audio interface: `/v1/audio/transcriptions`, `/v1/audio/translations`, `/v1/models`.

Shapes are those that OpenAI's own SDKs parse; what other servers have added (`audio_address`, `hotwords`, speakers in
`verbose_json`) is added too.
"""

from __future__ import annotations

import json
import math
import zlib
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from asrcli.errors import UnknownModelError
from asrcli.formats import FORMATS
from asrcli.models.entry import ModelEntry
from asrcli.options import CueOptions
from asrcli.server.errors import Problem, RequestError
from asrcli.server.languages import language_name
from asrcli.server.openai_fields import RESPONSE_FORMATS, Fields, read_fields
from asrcli.server.replies import lettered, running_text
from asrcli.server.transcription import Ask, Service, billed_seconds
from asrcli.server.uploads import Form, read_form
from asrcli.transcript import Segment, Transcript

router = APIRouter(prefix="/v1", tags=["OpenAI"])

_STRING = {"type": "string"}
_BOOLEAN = {"type": "boolean"}
_STRINGS = {"type": "array", "items": _STRING}
_FORM: dict[str, Any] = {
    "file": {"type": "string", "format": "binary", "description": "The recording, in any container."},
    "model": _STRING | {"description": "A name of GET /v1/models; OpenAI's own names mean the default."},
    "language": _STRING | {"description": "ISO 639-1; empty or auto: detect."},
    "prompt": _STRING,
    "response_format": {"type": "string", "enum": list(RESPONSE_FORMATS), "default": "json"},
    "temperature": {"type": "number", "minimum": 0, "maximum": 1},
    "timestamp_granularities[]": {"type": "array", "items": {"type": "string", "enum": ["word", "segment"]}},
    "stream": _BOOLEAN | {"description": "Server-sent events, a delta for each segment as it is recognised."},
    "include[]": {"type": "array", "items": {"type": "string", "enum": ["logprobs"]}},
    "chunking_strategy": _STRING,
    "keywords[]": _STRINGS,
    "hotwords": _STRING,
    "known_speaker_names[]": _STRINGS,
    "known_speaker_references[]": _STRINGS,
    "enable_speaker_diarization": _BOOLEAN,
    "word_timestamps": _BOOLEAN,
    "vad_filter": _BOOLEAN,
    "audio_address": _STRING | {"description": "URL of the recording, where the operator allows it."},
}


def form_of(properties: dict[str, Any], required: list[str] | None = None) -> dict[str, Any]:
    """A multipart body for the OpenAPI description: it is read by hand, as it comes."""
    schema = {"type": "object", "properties": properties} | ({"required": required} if required else {})
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


@router.post("/audio/transcriptions", openapi_extra=form_of(_FORM))
async def transcriptions(request: Request) -> Response:
    """Recognise a recording."""
    service: Service = request.app.state.service
    service.admission.refuse_if_full()
    with service.workspace() as workspace:
        form = await read_form(request, workspace, service.settings.max_upload)
        fields = read_fields(form)
        ask = _ask(form, fields)
        transcript = await service.for_request(request, ask)
    return _reply(lettered(transcript), fields)


@router.post("/audio/translations", openapi_extra=form_of({name: _FORM[name] for name in ("file", "model", "prompt")}))
async def translations(request: Request) -> Response:
    """Recognise a recording and say it in English, which none of the models here can: always 400."""
    service: Service = request.app.state.service
    with service.workspace() as workspace:
        form = await read_form(request, workspace, service.settings.max_upload)
    name = service.pool.name_of(read_fields(form, translation=True).model)
    raise RequestError(
        f"The model `{name}` cannot translate.", "Use /v1/audio/transcriptions and translate the text.", param="model"
    )


@router.get("/models")
def list_models(request: Request) -> dict[str, Any]:
    """The models that are installed, the default first."""
    pool = request.app.state.pool
    return {"object": "list", "data": [_model(entry, request) for entry in pool.installed()]}


@router.get("/models/{name:path}")
def get_model(request: Request, name: str) -> dict[str, Any]:
    """One model; names that stand for the default give it."""
    pool = request.app.state.pool
    wanted = pool.name_of(name)
    for entry in pool.installed():
        if entry.name == wanted:
            return _model(entry, request)
    raise UnknownModelError(f"The model `{name[:200]}` does not exist.", "See GET /v1/models.")


def _model(entry: ModelEntry, request: Request) -> dict[str, Any]:
    return {
        "id": entry.name,
        "object": "model",
        "created": request.app.state.started,
        "owned_by": "local",
        "shutdown_date": None,
        "languages": list(entry.languages),
        "description": entry.description,
    }


def _ask(form: Form, fields: Fields) -> Ask:
    upload = form.file("file", "audio", "audio_file")
    if upload is None:
        raise RequestError("`file` is missing.", "Send the recording as a form's file.", param="file")
    if not upload.size:
        raise RequestError("`file` is empty.", "Send the recording's bytes.", param="file")
    return Ask(path=upload.path, name=upload.name, model=fields.model, options=fields.options)


# -- replies ---------------------------------------------------------------------------------------------------------


def _reply(transcript: Transcript, fields: Fields) -> Response:
    kind = fields.response_format
    if kind == "text":
        return PlainTextResponse(running_text(transcript.segments) + "\n")
    if kind in {"srt", "vtt"}:
        form = FORMATS[kind]
        return Response(form.render(transcript, CueOptions()), media_type=f"{form.media_type}; charset=utf-8")
    body = {"json": plain, "verbose_json": verbose, "diarized_json": diarized}[kind](transcript, fields)
    return JSONResponse(body)


def plain(transcript: Transcript, fields: Fields) -> dict[str, Any]:
    """`json`."""
    body: dict[str, Any] = {"text": running_text(transcript.segments)}
    if fields.logprobs:
        body["logprobs"] = [logprob for segment in transcript.segments for logprob in logprobs(segment)]
    return body | {"usage": _usage(transcript)}


def verbose(transcript: Transcript, fields: Fields) -> dict[str, Any]:
    """`verbose_json`, with every field that strict clients read."""
    body: dict[str, Any] = {
        "task": "transcribe",
        "language": language_name(transcript.language),
        "language_code": transcript.language,
        "duration": round(transcript.duration, 3),
        "text": running_text(transcript.segments),
    }
    if fields.segments:
        body["segments"] = [_segment(segment) for segment in transcript.segments]
    if fields.words:
        body["words"] = [
            {"word": word.text, "start": round(word.start, 3), "end": round(word.end, 3)}
            for segment in transcript.segments
            for word in segment.words
        ]
    if transcript.warnings:
        body["warnings"] = list(transcript.warnings)
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
    """OpenAI's `logprobs`, a word a token."""
    return [
        {"token": word.text, "bytes": list(word.text.encode()), "logprob": round(_log(word.confidence), 4)}
        for word in segment.words
    ]


def _segment(segment: Segment) -> dict[str, Any]:
    raw = segment.text.encode()
    body: dict[str, Any] = {
        "id": segment.id,
        "seek": round(segment.start * 100),
        "start": round(segment.start, 3),
        "end": round(segment.end, 3),
        "text": segment.text,
        "tokens": [],
        "temperature": 0.0,
        "avg_logprob": round(_log(segment.confidence), 4),
        "compression_ratio": round(len(raw) / len(zlib.compress(raw)), 3) if raw else 0.0,
        "no_speech_prob": 0.0,
    }
    extras = {name: getattr(segment, name) for name in ("speaker", "language", "emotion", "event")}
    return body | {name: value for name, value in extras.items() if value is not None}


def _log(probability: float | None) -> float:
    """0 where the model says nothing of its confidence."""
    return 0.0 if probability is None else math.log(max(probability, 1e-10))


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


def event(data: Any) -> str:
    """One server-sent event."""
    return f"data: {data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)}\n\n"
