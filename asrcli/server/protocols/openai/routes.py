"""OpenAI's audio interface: `/v1/audio/transcriptions`, `/v1/audio/translations`, `/v1/models`.

Responses have the form that OpenAI's SDKs parse; extensions of other servers (`audio_address`, `hotwords`, speakers in
`verbose_json`) are supported, too.
"""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from asrcli.errors import UnknownModelError
from asrcli.models.entry import ModelEntry
from asrcli.server.errors import RequestError
from asrcli.server.http.uploads import Form, read_form, save_bytes
from asrcli.server.http.values import decode_base64
from asrcli.server.http.workspaces import Workspace
from asrcli.server.protocols.openai.fields import RESPONSE_FORMATS, Fields, read_fields
from asrcli.server.protocols.openai.replies import form_of, reply
from asrcli.server.protocols.openai.stream import stream
from asrcli.server.recognition.replies import letter_speakers
from asrcli.server.recognition.transcription import TranscriptionRequest, TranscriptionService

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
    "label_every_cue": _BOOLEAN,
    "vad_filter": _BOOLEAN,
    "audio_address": _STRING | {"description": "URL of the recording, where the operator allows it."},
}


@router.post("/audio/transcriptions", summary="Recognise a recording", openapi_extra=form_of(_FORM))
async def transcriptions(request: Request) -> Response:
    """Recognise a recording."""
    return await _answer(request, translate=False)


@router.post(
    "/audio/translations",
    summary="Translate a recording into English",
    openapi_extra=form_of(
        {name: _FORM[name] for name in ("file", "model", "prompt", "response_format", "temperature")}
    ),
)
async def translations(request: Request) -> Response:
    """Recognise a recording in English, whatever its language; 400 if the model cannot translate."""
    return await _answer(request, translate=True)


async def _answer(request: Request, *, translate: bool) -> Response:
    service: TranscriptionService = request.app.state.service
    service.admission.refuse_if_full()
    async with AsyncExitStack() as stack:
        workspace = await stack.enter_async_context(service.workspace())
        form = await read_form(request, workspace, service.settings.max_upload)
        fields = await asyncio.to_thread(read_fields, form, translate=translate)
        recording = await _recording_of(request, form, fields, workspace)
        if fields.stream:
            events = await stream(request, service, recording, fields, workspace.close)
            stack.pop_all()  # the folder is deleted after the last event
            return events
        transcript = await service.for_request(request, recording)
    return await asyncio.to_thread(lambda: reply(letter_speakers(transcript), fields))


@router.get("/models", summary="The installed models")
def list_models(request: Request) -> dict[str, Any]:
    """The models that are installed, the default first."""
    pool = request.app.state.pool
    return {"object": "list", "data": [_model(entry, request) for entry in pool.installed()]}


@router.get("/models/{name:path}", summary="One of them")
def get_model(request: Request, name: str) -> dict[str, Any]:
    """One model; aliases are resolved."""
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


async def _recording_of(request: Request, form: Form, fields: Fields, workspace: Workspace) -> TranscriptionRequest:
    service: TranscriptionService = request.app.state.service
    upload = form.file("file", "audio", "audio_file")
    if (upload is None or not upload.size) and fields.audio_address:
        upload = await service.fetch(request, fields.audio_address, workspace, "audio_address")
    if upload is None:
        raise RequestError("`file` is missing.", "Send the recording as a form's file.", param="file")
    if not upload.size:
        raise RequestError("`file` is empty.", "Send the recording's bytes.", param="file")
    voices = tuple([(name, await _reference(data, workspace)) for name, data in fields.known_speakers])
    return TranscriptionRequest(
        path=upload.path, name=upload.name, model=fields.model, options=fields.options, voices=voices
    )  # fmt: skip


async def _reference(data: str, workspace: Workspace) -> Path:
    """The clip of a known speaker, from a data URL."""
    return (await save_bytes(await asyncio.to_thread(decode_base64, data), workspace)).path
