"""FunASR over HTTP: `POST /recognition` of runtime/python/http, and `POST /asr` of funasr-server."""

import time
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from asrcli.options import RecognitionOptions, SpeakerOptions, TranscribeOptions
from asrcli.server.errors import RequestError
from asrcli.server.http.json_text import json_response
from asrcli.server.http.upload_sink import Upload
from asrcli.server.http.uploads import Form, read_form
from asrcli.server.http.values import flag, parsed_hotwords
from asrcli.server.protocols.openai.replies import form_of
from asrcli.server.recognition.replies import running_text, warned
from asrcli.server.recognition.transcription import TranscriptionRequest, TranscriptionService
from asrcli.transcript import Segment

router = APIRouter(tags=["FunASR"])


@router.post(
    "/recognition",
    summary="Recognise a recording",
    openapi_extra=form_of({"audio": {"type": "string", "format": "binary"}}, ["audio"]),
)
async def recognition(request: Request) -> Response:
    """Recognise one file; times of sentences in milliseconds."""
    service: TranscriptionService = request.app.state.service
    service.admission.refuse_if_full()
    async with service.workspace() as workspace:
        form = await read_form(request, workspace, service.settings.max_upload)
        upload = form.file("audio")
        if upload is None:
            raise RequestError("`audio` is missing.", param="audio")
        transcript = await service.for_request(request, TranscriptionRequest(path=upload.path, name=upload.name))
    sentences = [
        {"text": segment.text, "start": round(segment.start * 1000), "end": round(segment.end * 1000)}
        for segment in transcript.segments
    ]
    body = {"text": running_text(transcript.segments), "sentences": sentences, "code": 0}
    return await json_response(warned(body, transcript))


async def answer_server(request: Request, form: Form, upload: Upload) -> Response:
    """funasr-server's `/asr`: a form with `file`; times in seconds. Raises RequestError: a field is not valid."""
    service: TranscriptionService = request.app.state.service
    started = time.perf_counter()
    hotwords = await parsed_hotwords(form.get("hotwords"), spaced=True)
    options = TranscribeOptions(
        recognition=RecognitionOptions(language=form.get("language"), hotwords=hotwords),
        speakers=SpeakerOptions(enabled=bool(flag(form.get("spk"), "spk"))),
    )
    recording = TranscriptionRequest(path=upload.path, name=upload.name, model=form.get("model"), options=options)
    transcript = await service.for_request(request, recording)
    took = time.perf_counter() - started
    body = {
        "text": running_text(transcript.segments),
        "segments": [_segment(segment) for segment in transcript.segments],
        "duration": round(transcript.duration, 3),
        "processing_time": round(took, 3),
        "rtf": round(took / transcript.duration, 4) if transcript.duration else 0,
    }
    return await json_response(warned(body, transcript))


def _segment(segment: Segment) -> dict[str, Any]:
    words = [{"word": word.text, "start": round(word.start, 3), "end": round(word.end, 3)} for word in segment.words]
    body = {"text": segment.text, "start": round(segment.start, 3), "end": round(segment.end, 3), "words": words}
    return body | ({"speaker": segment.speaker} if segment.speaker else {})
