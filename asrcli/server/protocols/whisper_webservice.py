"""whisper-asr-webservice: `POST /asr` with `audio_file`, and `POST /detect-language` (Bazarr's interface)."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import PurePath
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from asrcli.formats import FORMATS
from asrcli.language_codes import language_name
from asrcli.options import AudioOptions, CueOptions, RawFormat, RecognitionOptions, TranscribeOptions, VadOptions
from asrcli.server.errors import RequestError
from asrcli.server.http.json_text import json_text
from asrcli.server.http.uploads import Upload, read_form
from asrcli.server.protocols.openai.replies import form_of, segment_body
from asrcli.server.recognition.replies import running_text
from asrcli.server.recognition.transcription import TranscriptionRequest, TranscriptionService
from asrcli.transcript import Transcript

router = APIRouter(tags=["whisper-asr-webservice"])

_OUTPUTS = ("txt", "vtt", "srt", "tsv", "json")
#: seconds of audio for language detection
_SAMPLE = 30.0


async def answer(request: Request, upload: Upload) -> Response:
    """A form with `audio_file`; all other parameters are in the query. Raises RequestError: an unknown output, or a
    translation.
    """
    query = request.query_params
    service: TranscriptionService = request.app.state.service
    output = query.get("output") or "txt"
    if output not in _OUTPUTS:
        raise RequestError(f"`output` must be one of {', '.join(_OUTPUTS)}.", param="output")
    if query.get("task", "transcribe") != "transcribe":
        raise RequestError("This server does not translate.", "Ask for task=transcribe.", param="task")
    options = TranscribeOptions(
        audio=_audio(request),
        vad=VadOptions(enabled=query.get("vad_filter", "true").lower() != "false"),
        recognition=RecognitionOptions(language=query.get("language"), prompt=query.get("initial_prompt", "")),
    )
    recording = TranscriptionRequest(path=upload.path, name=upload.name, options=options)
    transcript = await service.for_request(request, recording)
    words = query.get("word_timestamps", "false").lower() == "true"
    text = await asyncio.to_thread(_render, transcript, output, words=words)
    headers = {
        "asr-engine": transcript.backend,
        "content-disposition": f'attachment; filename="{_ascii(upload.name)}.{output}"',
    }
    return Response(text, media_type="text/plain; charset=utf-8", headers=headers)


@router.post(
    "/detect-language",
    summary="Detect the language of a recording",
    openapi_extra=form_of({"audio_file": {"type": "string", "format": "binary"}}, ["audio_file"]),
)
async def detect_language(request: Request) -> dict[str, Any]:
    """The language of the first 30 s; confidence 0 without speech, or if the model does not detect languages."""
    service: TranscriptionService = request.app.state.service
    service.admission.refuse_if_full()
    with service.workspace() as workspace:
        form = await read_form(request, workspace, service.settings.max_upload)
        upload = form.file("audio_file", "file")
        if upload is None:
            raise RequestError("`audio_file` is missing.", param="audio_file")
        options = TranscribeOptions(audio=_audio(request, end=_SAMPLE))
        transcript = await service.for_request(
            request, TranscriptionRequest(path=upload.path, name=upload.name, options=options)
        )
    detected = Counter(segment.language for segment in transcript.segments if segment.language)
    # Models report a language, not a confidence: the share of the segments with it takes its place.
    code = transcript.language or next(iter(detected), None) or await asyncio.to_thread(service.language_of, None)
    detects = await asyncio.to_thread(service.detects_language, None)
    code = code or "en"
    confidence = detected[code] / detected.total() if detected and detects else 0.0
    return {
        "detected_language": language_name(code),
        "language_code": code,
        "confidence": round(confidence, 2),
    }


def _audio(request: Request, end: float | None = None) -> AudioOptions:
    """`encode=false`: the client has decoded already, to 16-bit PCM at 16 kHz."""
    raw = RawFormat() if request.query_params.get("encode", "true").lower() == "false" else None
    return AudioOptions(end=end, raw=raw)


def _render(transcript: Transcript, output: str, *, words: bool) -> str:
    return _json(transcript, words=words) if output == "json" else FORMATS[output].render(transcript, CueOptions())


def _json(transcript: Transcript, *, words: bool) -> str:
    segments = []
    for segment in transcript.segments:
        body = segment_body(segment)
        if words:
            body["words"] = [
                {"word": word.text, "start": round(word.start, 3), "end": round(word.end, 3)} for word in segment.words
            ]
        segments.append(body)
    text = running_text(transcript.segments)
    return json_text({"text": text, "segments": segments, "language": transcript.language})


def _ascii(name: str) -> str:
    """A file name that a header can carry."""
    return PurePath(name).stem.encode("ascii", "replace").decode().replace("?", "_") or "audio"
