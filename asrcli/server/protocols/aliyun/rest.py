"""Aliyun's one-request recognition, `POST /stream/v1/asr`, with funasr-api's extensions.

One body serves both kinds of client; only `status` differs (docs/protocols.md). Errors carry the keys of both. Word
times count from the start of the recording, not of the segment.
"""

import asyncio
import secrets
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from asrcli import __version__
from asrcli.options import AudioOptions, RawFormat, RecognitionOptions, SpeakerOptions, TranscribeOptions
from asrcli.server.errors import Problem, RequestError
from asrcli.server.http.json_text import json_response
from asrcli.server.http.upload_sink import Upload
from asrcli.server.http.uploads import read_form, save_body
from asrcli.server.http.workspaces import Workspace
from asrcli.server.protocols.aliyun.common import (
    SUCCESS,
    speaker_fields,
    status_of,
    text_options,
    vocabulary,
    word_tokens,
)
from asrcli.server.recognition.replies import warned
from asrcli.server.recognition.samples import holds_samples
from asrcli.server.recognition.transcription import TranscriptionRequest, TranscriptionService
from asrcli.transcript import Segment, Transcript

router = APIRouter(prefix="/stream/v1", tags=["Aliyun"])

#: sample rates of PCM
_RATES = (8000, 16000, 22050, 24000)


class EmptyAudioError(RequestError, code="empty_audio"):
    """The request has no body."""


class RateError(RequestError, code="unsupported_sample_rate"):
    """PCM of a sample rate that the protocol does not have."""


@router.post(
    "/asr",
    summary="Recognise a recording",
    openapi_extra={"requestBody": {"content": {"application/octet-stream": {}}}},
)
async def recognise(
    request: Request,
    *,
    appkey: str | None = None,
    audio_format: Annotated[str | None, Query(alias="format")] = None,
    sample_rate: int = 16000,
    vocabulary_id: Annotated[str, Query(max_length=512)] = "",
    audio_address: Annotated[str | None, Query(max_length=512)] = None,
    model_id: str | None = None,
    enable_speaker_diarization: bool | None = None,
    enable_inverse_text_normalization: bool | None = None,
    enable_punctuation_prediction: bool | None = None,
    disfluency: bool = False,
    word_timestamps: bool | None = None,
) -> Response:
    """Recognise the body: a recording in any container, or raw 16-bit PCM."""
    service: TranscriptionService = request.app.state.service
    service.admission.refuse_if_full()
    started = time.perf_counter()
    # Aliyun's defaults for its own clients, which send an appkey; funasr-api's for others.
    theirs = appkey is None
    itn = theirs if enable_inverse_text_normalization is None else enable_inverse_text_normalization
    marks = theirs if enable_punctuation_prediction is None else enable_punctuation_prediction
    speakers = enable_speaker_diarization
    if speakers is None:
        speakers = theirs and await asyncio.to_thread(service.pool.can_diarize)
    recognition = RecognitionOptions(hotwords=await asyncio.to_thread(vocabulary, vocabulary_id), itn=itn)
    async with service.workspace() as workspace:
        upload = await _body(request, service, workspace, audio_address)
        raw = await asyncio.to_thread(_raw_format, upload.path, audio_format, sample_rate)
        options = TranscribeOptions(
            audio=AudioOptions(raw=raw),
            recognition=recognition,
            speakers=SpeakerOptions(enabled=speakers),
            text=text_options(marks=marks, disfluency=disfluency),
        )
        recording = TranscriptionRequest(path=upload.path, name=upload.name, model=model_id, options=options)
        transcript = await service.for_request(request, recording)
    words = word_timestamps is not False
    body = await asyncio.to_thread(_success, transcript, words=words) | {
        "processing_time": round(time.perf_counter() - started, 3)
    }
    status = service.settings.aliyun_status
    body["status"] = (200 if theirs else SUCCESS) if status == "auto" else int(status)
    return await json_response(body, headers={"task_id": body["task_id"]})


async def _body(request: Request, service: TranscriptionService, workspace: Workspace, address: str | None) -> Upload:
    """The recording: the body, a file in a form, or a file at an address."""
    limit = service.settings.max_upload
    upload: Upload | None
    if request.headers.get("content-type", "").lower().startswith("multipart/"):
        upload = (await read_form(request, workspace, limit)).file("file", "audio", "audio_file")
    else:
        upload = await save_body(request, workspace, limit)
    if upload is not None and upload.size:
        return upload
    if address:
        return await service.fetch(request, address, workspace, "audio_address")
    raise EmptyAudioError("The request has no audio.", "Send the recording as the body.")


def _raw_format(path: Path, announced: str | None, rate: int) -> RawFormat | None:
    """How to read a body of samples in the client's `format` and `sample_rate`; None: it is in a container."""
    if (announced or "pcm").lower() != "pcm" or not holds_samples(path, announced=announced is not None):
        return None
    if rate not in _RATES:
        raise RateError(f"The sample rate {rate} is none of {', '.join(map(str, _RATES))}.", param="sample_rate")
    return RawFormat(encoding="s16le", rate=rate)


def _success(transcript: Transcript, *, words: bool) -> dict[str, Any]:
    body = {
        "task_id": secrets.token_hex(16),
        "result": transcript.text,
        "status": SUCCESS,
        "message": "SUCCESS",
        "duration": round(transcript.duration, 3),
        "segments": [_segment(segment, words=words) for segment in transcript.segments],
    }
    return warned(body, transcript)


def _segment(segment: Segment, *, words: bool) -> dict[str, Any]:
    body: dict[str, Any] = {
        "text": segment.text,
        "start_time": round(segment.start, 3),
        "end_time": round(segment.end, 3),
    }
    body |= speaker_fields(segment.speaker)
    if words:
        body["word_tokens"] = word_tokens(segment.words)
    return body


def error_body(problem: Problem) -> dict[str, Any]:
    """Aliyun's keys and funasr-api's."""
    status, code = status_of(problem)
    return {
        "task_id": secrets.token_hex(16),
        "result": "",
        "status": status,
        "message": problem.message,
        "error_code": code,
        "timestamp": datetime.now(UTC).isoformat(timespec="seconds"),
        "details": {"param": problem.param} if problem.param else {},
    }


@router.get("/asr/models", summary="The installed models")
def models(request: Request) -> dict[str, Any]:
    """The installed models, in the forms of both versions of funasr-api."""
    pool = request.app.state.pool
    loaded = pool.models.names
    live = pool.settings.streaming_model
    entries = [
        {
            "id": entry.name,
            "kind": "model",
            "name": entry.name,
            "engine": "sherpa-onnx",
            "description": entry.description,
            "languages": list(entry.languages),
            "default": entry.name == pool.default,
            "loaded": entry.name in loaded,
            "supports_realtime": True,
            "offline_model": {"path": entry.name, "exists": not pool.registry.missing(entry)},
            "realtime_model": {"path": live, "exists": True} if live else None,
            "asr_model_mode": "all",
        }
        for entry in pool.installed()
    ]
    return {
        "models": entries,
        "total": len(entries),
        "loaded_count": len(loaded),
        "asr_model_mode": "all",
        "declared_entries": entries,
        "declared_count": len(entries),
        "runtime": {
            "loaded_model_ids": loaded,
            "loaded_count": len(loaded),
            "default_offline_model_id": pool.default,
        },
    }


@router.get("/asr/health", summary="Health, with a key")
def health(request: Request) -> dict[str, Any]:
    """funasr-api's health; needs the key, unlike `/health`."""
    loaded = request.app.state.pool.models.names
    return {
        "status": "healthy",
        "model_loaded": bool(loaded),
        "device": "cpu",
        "version": __version__,
        "message": "ok",
        "loaded_models": loaded,
        "memory_usage": None,
    }
