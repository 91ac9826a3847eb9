"""The form of `POST /v1/jobs`: the options of `asrcli transcribe` under their own names.

Options that name files of this machine (`--vad-model`, `--diarization-model`, ...) are the operator's, not a client's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from asrcli.options import (
    AudioOptions,
    CueOptions,
    IdentificationOptions,
    RawFormat,
    RecognitionOptions,
    SpeakerOptions,
    TextOptions,
    TranscribeOptions,
    VadOptions,
)
from asrcli.server.errors import RequestError
from asrcli.server.http.values import hotwords, language, number
from asrcli.speakers.loading import check_options
from asrcli.text.subtitles.presets import PRESETS

_TRUE, _FALSE = frozenset({"true", "1", "yes", "on"}), frozenset({"false", "0", "no", "off", ""})
_DAY = 86400.0

_Encoding = Literal["s16le", "f32le"]
#: turns a field's text into an option's value
_Read = Callable[[str, str], Any]


@dataclass(frozen=True, slots=True)
class JobRequest:
    """What a job's client asked for."""

    model: str | None
    options: TranscribeOptions
    cues: CueOptions


def _flag(text: str, name: str) -> bool:
    if text.strip().lower() in _TRUE:
        return True
    if text.strip().lower() in _FALSE:
        return False
    raise RequestError(f"`{name}` must be true or false.", param=name)


def _between(low: float, high: float) -> _Read:
    return lambda text, name: number(text, name, low, high)


def _whole(low: int, high: int) -> _Read:
    def read(text: str, name: str) -> int:
        value = number(text, name, low, high)
        if value != int(value):
            raise RequestError(f"`{name}` must be a whole number.", param=name)
        return int(value)

    return read


def _channels(text: str, name: str) -> Any:
    return text if text in {"mix", "split"} else _whole(0, 63)(text, name)


def _text(text: str, name: str) -> str:
    del name
    return text[:10_000]


_AUDIO: Mapping[str, tuple[str, _Read]] = {
    "audio_track": ("track", _whole(0, 1000)),
    "channels": ("channels", _channels),
    "start": ("start", _between(0, 365 * _DAY)),
    "end": ("end", _between(0, 365 * _DAY)),
}
_RECOGNITION: Mapping[str, tuple[str, _Read]] = {
    "language": ("language", language),
    "hotwords": ("hotwords", hotwords),
    "prompt": ("prompt", _text),
    "itn": ("itn", _flag),
}
_VAD: Mapping[str, tuple[str, _Read]] = {
    "vad": ("enabled", _flag),
    "vad_threshold": ("threshold", _between(0.01, 0.99)),
    "vad_end_threshold": ("end_threshold", _between(0.001, 0.99)),
    "min_speech": ("min_speech", _between(0, 60)),
    "min_silence": ("min_silence", _between(0, 60)),
    "pad_before": ("pad_before", _between(0, 60)),
    "pad_after": ("pad_after", _between(0, 60)),
    "max_chunk": ("max_chunk", _between(1, 3600)),
    "max_gap": ("max_gap", _between(0, 3600)),
}
_TEXT: Mapping[str, tuple[str, _Read]] = {
    "punctuation": ("punctuation", _flag),
    "drop_fillers": ("drop_fillers", _flag),
    "strip_marks": ("strip_marks", _flag),
    "rich_text": ("rich", _flag),
}
_SPEAKERS: Mapping[str, tuple[str, _Read]] = {
    "diarize": ("enabled", _flag),
    "speakers": ("speakers", _whole(1, 1000)),
    "min_speakers": ("min_speakers", _whole(1, 1000)),
    "max_speakers": ("max_speakers", _whole(1, 1000)),
    "cluster_threshold": ("cluster_threshold", _between(0, 2)),
}
_CUES: Mapping[str, tuple[str, _Read]] = {
    "max_line_width": ("max_line_width", _whole(8, 200)),
    "max_line_width_cjk": ("max_line_width_cjk", _whole(4, 100)),
    "max_lines": ("max_lines", _whole(1, 10)),
    "max_words": ("max_words", _whole(1, 1000)),
    "min_cue": ("min_cue", _between(0, 60)),
    "max_cue": ("max_cue", _between(0.5, 60)),
    "max_cps": ("max_cps", _between(1, 1000)),
    "cue_gap": ("cue_gap", _whole(0, 240)),
    "dialogue": ("dialogue", _flag),
    "highlight_words": ("highlight_words", _flag),
}
_RAW: Mapping[str, tuple[str, _Read]] = {
    "rate": ("rate", _whole(1000, 384000)),
    "raw_channels": ("channels", _whole(1, 64)),
}

#: every field that is an option, for the OpenAPI description
NAMES = (
    "model",
    "raw",
    "subtitle_style",
    "language_per_chunk",
    *_AUDIO,
    *_RECOGNITION,
    *_VAD,
    "correct_hotwords",
    *_TEXT,
    *_SPEAKERS,
    *_CUES,
    *_RAW,
)


def read_job_request(form: Mapping[str, str]) -> JobRequest:
    """Understand a job's options.

    Raises:
        RequestError: a value that cannot be; `param` names the field.
        UsageError: counts of speakers that contradict each other.
    """
    audio = AudioOptions(**_taken(form, _AUDIO), raw=_raw(form))
    if audio.end is not None and audio.end <= audio.start:
        raise RequestError("`end` must be after `start`.", param="end")
    vad = VadOptions(**_taken(form, _VAD))
    if vad.end_threshold is not None and vad.end_threshold > vad.threshold:
        raise RequestError("`vad_end_threshold` must not be above `vad_threshold`.", param="vad_end_threshold")
    speakers = SpeakerOptions(**_taken(form, _SPEAKERS))
    check_options(speakers)
    recognition = RecognitionOptions(**_taken(form, _RECOGNITION))
    text = TextOptions(**_taken(form, _TEXT))
    if form.get("correct_hotwords") and _flag(form["correct_hotwords"], "correct_hotwords"):
        text = replace(text, corrections=recognition.hotwords)
    options = TranscribeOptions(
        audio=audio,
        vad=vad,
        recognition=recognition,
        identification=_identification(form),
        speakers=speakers,
        text=text,
    )
    return JobRequest(form.get("model"), options, _cues(form))


def _identification(form: Mapping[str, str]) -> IdentificationOptions:
    per_chunk = _flag(form.get("language_per_chunk", ""), "language_per_chunk")
    asked = form.get("language", "").strip().lower() == "auto"
    return IdentificationOptions(enabled=asked or per_chunk, per_chunk=per_chunk)


def _taken(form: Mapping[str, str], table: Mapping[str, tuple[str, _Read]]) -> dict[str, Any]:
    return {option: read(form[name], name) for name, (option, read) in table.items() if form.get(name)}


def _raw(form: Mapping[str, str]) -> RawFormat | None:
    encoding = form.get("raw")
    if not encoding:
        return None
    for known in get_args(_Encoding):
        if encoding == known:
            return RawFormat(encoding=known, **_taken(form, _RAW))
    raise RequestError("`raw` must be s16le or f32le.", param="raw")


def _cues(form: Mapping[str, str]) -> CueOptions:
    style = form.get("subtitle_style")
    if style and style not in PRESETS:
        raise RequestError(f"`subtitle_style` must be one of {', '.join(PRESETS)}.", param="subtitle_style")
    cues = replace(PRESETS[style] if style else CueOptions(), **_taken(form, _CUES))
    if cues.min_cue > cues.max_cue:
        raise RequestError("`min_cue` must not be above `max_cue`.", param="min_cue")
    return cues
