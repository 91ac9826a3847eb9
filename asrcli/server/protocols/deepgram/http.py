"""Deepgram's `POST /v1/listen`: a recording as the body, or its address as JSON."""

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from asrcli.options import AudioOptions, RawFormat, SpeakerOptions, TextOptions, TranscribeOptions
from asrcli.server.bounds import MAX_TEXT_FRAME
from asrcli.server.errors import RequestError
from asrcli.server.http.json_text import json_response, read_object
from asrcli.server.http.upload_sink import Upload
from asrcli.server.http.uploads import capped, save_body
from asrcli.server.http.workspaces import Workspace
from asrcli.server.protocols.deepgram.fields import ListenFields, alternative, metadata, model_info
from asrcli.server.protocols.websocket_frames import LISTEN_QUERY
from asrcli.server.recognition.replies import running_text, warned
from asrcli.server.recognition.transcription import TranscriptionRequest, TranscriptionService
from asrcli.transcript import Transcript

router = APIRouter(tags=["Deepgram"])

_URL = {"type": "object", "properties": {"url": {"type": "string"}}}
_DESCRIPTION: dict[str, Any] = {
    "parameters": [{"name": name, "in": "query", "schema": schema} for name, schema in LISTEN_QUERY.items()],
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {}, "application/json": {"schema": _URL}},
    },
}


@router.post("/v1/listen", summary="Recognise a recording", openapi_extra=_DESCRIPTION)
async def listen(request: Request) -> Response:
    """Recognise the body, or what the `url` in it leads to."""
    service: TranscriptionService = request.app.state.service
    service.admission.refuse_if_full()
    fields = ListenFields(request.query_params)
    fields.check()
    marks = fields.flag("punctuate", default=True) or fields.flag("smart_format")
    form = fields.form
    if form is not None and form.encoding not in {"s16le", "f32le"}:
        raise RequestError("Send mulaw and alaw in a WAV file.", param="encoding")
    raw = (
        None
        if form is None
        else RawFormat(
            encoding="s16le" if form.encoding == "s16le" else "f32le", rate=form.rate, channels=form.channels
        )
    )
    options = TranscribeOptions(
        audio=AudioOptions(raw=raw),
        recognition=await fields.recognition(),
        text=TextOptions(punctuation=None if marks else False, strip_marks=not marks),
        speakers=SpeakerOptions(enabled=fields.flag("diarize")),
    )
    async with service.workspace() as workspace:
        upload = await _recording(request, workspace)
        recording = TranscriptionRequest(path=upload.path, name=upload.name, model=fields.model, options=options)
        transcript = await service.for_request(request, recording)
    facts = metadata(request.state.request_id, transcript.duration)
    return await json_response(_reply(transcript, facts, utterances=fields.flag("utterances")))


async def _recording(request: Request, workspace: Workspace) -> Upload:
    service: TranscriptionService = request.app.state.service
    if not request.headers.get("content-type", "").lower().startswith("application/json"):
        upload = await save_body(request, workspace, service.settings.max_upload)
        if not upload.size:
            raise RequestError("The body is empty.", "Send the recording as the body.")
        return upload
    data = b"".join([piece async for piece in capped(request, MAX_TEXT_FRAME)])
    address = (await read_object(data.decode("utf-8", "replace")) or {}).get("url")
    if not isinstance(address, str):
        raise RequestError("`url` is missing.", "Send the recording itself, or its address.", param="url")
    return await service.fetch(request, address, workspace, "url")


def _reply(transcript: Transcript, facts: dict[str, Any], *, utterances: bool) -> dict[str, Any]:
    segments = transcript.segments
    numbers: dict[str, int] = {}
    words = [word for segment in segments for word in segment.words]
    whole = alternative(running_text(segments), words, numbers)
    channel: dict[str, Any] = {"alternatives": [whole]}
    if transcript.language:
        channel["detected_language"] = transcript.language
    results: dict[str, Any] = {"channels": [channel]}
    if utterances:
        results["utterances"] = [
            alternative(each.text, each.words, numbers)
            | {"start": round(each.start, 3), "end": round(each.end, 3), "channel": 0, "id": str(number)}
            | ({"speaker": numbers.setdefault(each.speaker, len(numbers))} if each.speaker else {})
            for number, each in enumerate(segments)
        ]
    name = transcript.model or ""
    found = {"metadata": facts | {"models": [name], "model_info": {name: model_info(name)}}, "results": results}
    return warned(found, transcript)
