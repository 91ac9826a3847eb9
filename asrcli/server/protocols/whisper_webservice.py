"""whisper-asr-webservice: `POST /asr` with `audio_file`, and `POST /detect-language` (Bazarr's interface)."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, quote

from fastapi import APIRouter, Request
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, Response
from starlette.types import Scope

from asrcli.formats import FORMATS
from asrcli.language_codes import language_name
from asrcli.options import (
    AudioOptions,
    CueOptions,
    RawFormat,
    RecognitionOptions,
    SpeakerOptions,
    TranscribeOptions,
    VadOptions,
)
from asrcli.options.readers import MAX_TEXT
from asrcli.server.errors import Problem, RequestError
from asrcli.server.http.json_text import json_text
from asrcli.server.http.upload_sink import Upload
from asrcli.server.http.uploads import read_form
from asrcli.server.http.values import flag, is_sent, language, number
from asrcli.server.protocols.openai.replies import form_of, segment_bodies
from asrcli.server.recognition.replies import running_text, warned
from asrcli.server.recognition.samples import holds_samples
from asrcli.server.recognition.transcription import TranscriptionRequest, TranscriptionService
from asrcli.transcript import Transcript

router = APIRouter(tags=["whisper-asr-webservice"])

_OUTPUTS = ("txt", "vtt", "srt", "tsv", "json")
#: the query of `/asr` -> JSON Schema
_SCHEMAS: dict[str, Any] = {
    "output": {"type": "string", "enum": list(_OUTPUTS), "default": "txt"},
    "encode": {"type": "boolean", "default": True},
    "task": {"type": "string", "enum": ["transcribe", "translate"]},
    "language": {"type": "string"},
    "initial_prompt": {"type": "string"},
    **{name: {"type": "boolean"} for name in ("vad_filter", "word_timestamps", "diarize")},
    **{name: {"type": "integer", "minimum": 1} for name in ("min_speakers", "max_speakers")},
}
#: the same for the OpenAPI description
PARAMETERS = [{"name": name, "in": "query", "schema": schema} for name, schema in _SCHEMAS.items()]
#: seconds of audio for language detection
_SAMPLE = 30.0


async def answer(request: Request, upload: Upload) -> Response:
    """A form with `audio_file`; all other parameters are in the query. Raises RequestError: an unknown output, or a
    translation.
    """
    request.state.plain_errors = True
    query = {name: value for name, value in request.query_params.items() if is_sent(value)}
    service: TranscriptionService = request.app.state.service
    output = query.get("output", "txt").lower()
    if output not in _OUTPUTS:
        raise RequestError(f"`output` must be one of {', '.join(_OUTPUTS)}.", param="output")
    task = query.get("task", "transcribe")
    if task not in {"transcribe", "translate"}:
        raise RequestError("`task` must be transcribe or translate.", param="task")
    options = TranscribeOptions(
        audio=await _audio(request, upload),
        vad=VadOptions(enabled=flag(query.get("vad_filter"), "vad_filter") is not False),
        recognition=RecognitionOptions(
            language=language(query.get("language")),
            prompt=query.get("initial_prompt", "")[:MAX_TEXT],
            translate=task == "translate",
        ),
        speakers=_speakers(query),
    )
    recording = TranscriptionRequest(path=upload.path, name=upload.name, options=options)
    transcript = await service.for_request(request, recording)
    words = bool(flag(query.get("word_timestamps"), "word_timestamps"))
    text = await asyncio.to_thread(_render, transcript, output, words=words)
    headers = {
        "asr-engine": transcript.backend,
        "content-disposition": _attachment(f"{upload.name}.{output}"),
    }
    return Response(text, media_type="text/plain; charset=utf-8", headers=headers)


def _speakers(query: Mapping[str, str]) -> SpeakerOptions:
    least, most = (
        round(number(query[name], name, 1, 1000)) if name in query else None
        for name in ("min_speakers", "max_speakers")
    )
    if least is not None and most is not None and least > most:
        raise RequestError("`min_speakers` is greater than `max_speakers`.", param="min_speakers")
    enabled = bool(flag(query.get("diarize"), "diarize"))
    return SpeakerOptions(enabled=enabled, min_speakers=least, max_speakers=most)


def refusal(scope: Scope, problem: Problem, headers: dict[str, str]) -> Response | None:
    """An error as text: clients save a body of JSON as subtitles. None: the request has another protocol.

    Bazarr saves any text, whatever the status: it gets none.
    """
    names = {name for name, _ in parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)}
    if scope["path"] != "/asr" or not (scope["state"].get("plain_errors") or names & _SCHEMAS.keys() - {"language"}):
        return None
    bazarr = Headers(scope=scope).get("user-agent", "").startswith("Subliminal/")
    return PlainTextResponse("" if bazarr else f"{problem.message}\n", problem.status, headers)


@router.post(
    "/detect-language",
    summary="Detect the language of a recording",
    openapi_extra=form_of({"audio_file": {"type": "string", "format": "binary"}}, ["audio_file"])
    | {"parameters": [each for each in PARAMETERS if each["name"] == "encode"]},
)
async def detect_language(request: Request) -> dict[str, Any]:
    """The language of the first 30 s; confidence 0 without speech, or if the model does not detect languages."""
    service: TranscriptionService = request.app.state.service
    service.admission.refuse_if_full()
    async with service.workspace() as workspace:
        form = await read_form(request, workspace, service.settings.max_upload)
        upload = form.file("audio_file", "file")
        if upload is None:
            raise RequestError("`audio_file` is missing.", param="audio_file")
        options = TranscribeOptions(audio=await _audio(request, upload, end=_SAMPLE))
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


async def _audio(request: Request, upload: Upload, end: float | None = None) -> AudioOptions:
    """`encode=false`: the client has decoded already, to 16-bit PCM at 16 kHz, or means to."""
    encode = request.query_params.get("encode", "")
    decoded = is_sent(encode) and not flag(encode, "encode")
    raw = decoded and await asyncio.to_thread(holds_samples, upload.path, announced=True)
    return AudioOptions(end=end, raw=RawFormat() if raw else None)


def _render(transcript: Transcript, output: str, *, words: bool) -> str:
    if output == "json":
        return _json(transcript, words=words)
    if output == "tsv":  # three columns, as Whisper writes them; times in milliseconds
        rows = [("start", "end", "text")]
        rows += [
            (str(round(each.start * 1000)), str(round(each.end * 1000)), " ".join(each.text.split()))
            for each in transcript.segments
        ]
        return "".join("\t".join(row) + "\n" for row in rows)
    return FORMATS[output].render(transcript, CueOptions())


def _json(transcript: Transcript, *, words: bool) -> str:
    segments = segment_bodies(transcript)
    for body, segment in zip(segments, transcript.segments, strict=True):
        if words:
            body["words"] = [
                {"word": word.text, "start": round(word.start, 3), "end": round(word.end, 3)} for word in segment.words
            ]
    text = running_text(transcript.segments)
    return json_text(warned({"text": text, "segments": segments, "language": transcript.language}, transcript))


def _attachment(name: str) -> str:
    """The header that names a file: where ASCII lacks its characters, also in UTF-8 (RFC 6266)."""
    plain = name.encode("ascii", "replace").decode().replace("?", "_")
    whole = "" if plain == name else f" filename*=UTF-8''{quote(name, safe='')};"
    return f'attachment;{whole} filename="{plain}"'
