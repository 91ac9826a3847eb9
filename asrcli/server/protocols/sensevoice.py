"""SenseVoice's two HTTP interfaces: base64 in JSON at `/asr`, and files in a form at `/api/v1/asr`.

Three servers define `/asr` (docs/protocols.md); the form of the body decides between them.
"""

import asyncio
import json
import secrets
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from asrcli.errors import AsrcliError
from asrcli.options import RecognitionOptions, TranscribeOptions
from asrcli.server.bounds import MAX_JSON
from asrcli.server.errors import Problem, RequestError, problem_of
from asrcli.server.http.json_text import json_response
from asrcli.server.http.upload_sink import Upload
from asrcli.server.http.uploads import read_form, save_body, save_bytes
from asrcli.server.http.values import decode_base64, flag
from asrcli.server.http.workspaces import Workspace
from asrcli.server.protocols import whisper_webservice
from asrcli.server.protocols.funasr import http as funasr_http
from asrcli.server.protocols.openai.replies import form_of
from asrcli.server.recognition.replies import running_text, warned
from asrcli.server.recognition.transcription import TranscriptionRequest, TranscriptionService
from asrcli.text.steps.rich import rich_text, to_raw
from asrcli.transcript import Transcript

router = APIRouter(tags=["SenseVoice"])

#: strings of more bytes are not parsed as JSON, and bytes of all the rest
_LONG, _MAX_SHORT = 1024, 64 << 10
_FILES: dict[str, Any] = {
    "files": {"type": "array", "items": {"type": "string", "format": "binary"}},
    "keys": {"type": "string", "description": "Names of the files, separated by commas."},
    "lang": {"type": "string", "enum": ["auto", "zh", "en", "yue", "ja", "ko", "nospeech", ""], "default": "auto"},
    "use_itn": {"type": "boolean", "default": False},
}
_ANY_BODY = {
    "parameters": whisper_webservice.PARAMETERS,
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"type": "object", "properties": {"wav": {"type": "string"}}, "required": ["wav"]}
            },
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "file": {"type": "string", "format": "binary"},
                        "audio_file": {"type": "string", "format": "binary"},
                        **{name: {"type": "string"} for name in ("language", "hotwords", "model")},
                        "spk": {"type": "boolean"},
                    },
                }
            },
        },
    },
}


@router.post("/asr", summary="Recognise a recording, in three protocols", openapi_extra=_ANY_BODY)
async def asr(request: Request) -> Response:
    """JSON with `wav` (SenseVoice), a form with `file` (funasr-server) or `audio_file` (whisper-asr-webservice)."""
    service: TranscriptionService = request.app.state.service
    service.admission.refuse_if_full()
    async with service.workspace() as workspace:
        if request.headers.get("content-type", "").lower().startswith("multipart/"):
            form = await read_form(request, workspace, service.settings.max_upload)
            if upload := form.file("audio_file"):
                return await whisper_webservice.answer(request, upload)
            if upload := form.file("file"):
                return await funasr_http.answer_server(request, form, upload)
            raise RequestError("The form has neither `file` nor `audio_file`.", param="file")
        return await json_response(await _base64(request, workspace))


async def _base64(request: Request, workspace: Workspace) -> dict[str, Any]:
    """Clients of this protocol read `code`, not the HTTP status."""
    service: TranscriptionService = request.app.state.service
    try:
        body = await save_body(request, workspace, min(MAX_JSON, service.settings.max_upload))
        async with service.in_memory:
            upload = await save_bytes(await asyncio.to_thread(_wav_of, body.path), workspace)
        transcript = await service.for_request(request, TranscriptionRequest(path=upload.path))
    except AsrcliError as error:
        return {"code": 1, "msg": problem_of(error).message}
    return warned({"code": 0, "msg": "ok", "res": running_text(rich_text(transcript).segments)}, transcript)


def _wav_of(path: Path) -> bytes:
    """The recording in the body. Only what is beside long strings is parsed as JSON."""
    short, strings = _without_long_strings(path.read_bytes())
    try:
        document = json.loads(short)
    except (ValueError, RecursionError) as error:
        raise RequestError("The body is not valid JSON.") from error
    text = document.get("wav") if isinstance(document, dict) else None
    if not isinstance(text, str) or not text:
        raise RequestError("`wav` is missing: it must contain the recording as base64.")
    payload = strings.get(text, text.encode("ascii", "replace"))
    for escaped, character in ((b"\\/", b"/"), (b"\\n", b""), (b"\\r", b"")):
        payload = payload.replace(escaped, character)
    return decode_base64(payload)


def _without_long_strings(body: bytes) -> tuple[bytes, dict[str, bytes]]:
    """The JSON text with a name in place of each long string, and these strings by their names."""
    parts: list[bytes] = []
    strings: dict[str, bytes] = {}
    if body.count(b'\\"') > _MAX_SHORT // 2:  # base64 has none, and each takes a step of its own
        raise _too_much()
    position = size = 0
    while (start := body.find(b'"', position)) >= 0 and (end := _end_of_string(body, start + 1)) >= 0:
        parts += body[position:start], body[start : end + 1]
        if end - start > _LONG:
            name = f"string {len(strings)} {secrets.token_hex(8)}"
            strings[name], parts[-1] = body[start + 1 : end], f'"{name}"'.encode()
        size += len(parts[-1]) + len(parts[-2])
        if size > _MAX_SHORT:
            break
        position = end + 1
    parts.append(body[position:])
    if size + len(parts[-1]) > _MAX_SHORT:
        raise _too_much()
    return b"".join(parts), strings


def _too_much() -> RequestError:
    return RequestError("The body holds too much besides `wav`.")


def _end_of_string(body: bytes, start: int) -> int:
    """The index of the quote that ends a string; -1 if it has no end."""
    end = body.find(b'"', start)
    while end > start and body[end - 1] == ord("\\"):
        head = body[max(start, end - _LONG) : end]
        if (len(head) - len(head.rstrip(b"\\"))) % 2 == 0:
            break
        end = body.find(b'"', end + 1)
    return end


@router.post("/api/v1/asr", summary="Recognise several recordings", openapi_extra=form_of(_FILES, ["files"]))
async def api(request: Request) -> Response:
    """SenseVoice's api.py: several files, with tags, with emoji and without."""
    service: TranscriptionService = request.app.state.service
    service.admission.refuse_if_full()
    async with service.workspace() as workspace:
        form = await read_form(request, workspace, service.settings.max_upload)
        uploads = form.all_files("files")
        if not uploads:
            raise RequestError("`files` is missing.", param="files")
        lang = form.get("lang")
        itn = bool(flag(form.get("use_itn"), "use_itn"))
        language = None if lang == "nospeech" else lang
        options = TranscribeOptions(recognition=RecognitionOptions(language=language, itn=itn))
        keys = _keys(form.get("keys"), uploads)
        found = []
        for key, upload in zip(keys, uploads, strict=True):
            recording = TranscriptionRequest(path=upload.path, name=upload.name, options=options)
            found.append(_result(key, await service.for_request(request, recording), itn=itn))
    return await json_response({"result": found if any(entry["clean_text"] for entry in found) else []})


def _keys(text: str | None, uploads: list[Upload]) -> list[str]:
    given = [key.strip() for key in (text or "").split(",", len(uploads))]
    return [
        given[number] if number < len(given) and given[number] else upload.name for number, upload in enumerate(uploads)
    ]


def _result(key: str, transcript: Transcript, *, itn: bool) -> dict[str, Any]:
    raw = "".join(to_raw(segment, itn=itn) for segment in transcript.segments)
    text = running_text(rich_text(transcript).segments)
    body = {"key": key, "text": text, "raw_text": raw, "clean_text": running_text(transcript.segments)}
    return warned(body, transcript)


def error_body(problem: Problem) -> dict[str, Any]:
    """The keys that clients of `/asr`, `/api/v1/asr` and `/recognition` read."""
    return {"code": 1, "msg": problem.message, "detail": problem.message}
