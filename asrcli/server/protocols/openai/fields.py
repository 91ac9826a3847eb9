"""The form of `POST /v1/audio/transcriptions`: OpenAI's fields, and those that other servers have added to them.

Lists come as `name`, `name[]` or repeated; objects as `name[key]` or as JSON text; numbers and booleans as text.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any, Literal

from asrcli.errors import UsageError
from asrcli.language_codes import language_code
from asrcli.options import Hotword, RecognitionOptions, SpeakerOptions, TranscribeOptions, VadOptions
from asrcli.server.errors import RequestError
from asrcli.server.http.uploads import Form
from asrcli.text.steps.hotwords import parse_hotwords

ResponseFormat = Literal["json", "text", "srt", "vtt", "verbose_json", "diarized_json"]
RESPONSE_FORMATS: tuple[ResponseFormat, ...] = ("json", "text", "srt", "vtt", "verbose_json", "diarized_json")
_TRANSLATION_FORMATS: tuple[ResponseFormat, ...] = RESPONSE_FORMATS[:-1]

_TRUE, _FALSE = frozenset({"true", "1", "yes", "on"}), frozenset({"false", "0", "no", "off", ""})
_MOST_KNOWN_SPEAKERS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """One request, understood."""

    model: str | None
    response_format: ResponseFormat
    options: TranscribeOptions
    stream: bool
    words: bool
    segments: bool
    logprobs: bool
    #: (name, data URL) of voices that the client knows
    known_speakers: tuple[tuple[str, str], ...] = ()
    audio_address: str | None = None


def read_fields(form: Form, *, translation: bool = False) -> Fields:
    """Understand a form.

    Raises:
        RequestError: a value that cannot be; `param` names the field.
    """
    formats = _TRANSLATION_FORMATS if translation else RESPONSE_FORMATS
    response_format = _choice(form, "response_format", formats)
    granularities = _granularities(form)
    _check_temperature(form)
    asked_for_speakers = any(boolean(form, name) for name in ("enable_speaker_diarization", "diarization", "spk"))
    recognition = RecognitionOptions(
        language=language(form.get("language") or _only(form.all("languages"))),
        hotwords=_hotwords(form),
        prompt=(form.get("prompt") or "")[:10_000],
    )
    options = TranscribeOptions(
        recognition=recognition,
        vad=_vad(form),
        speakers=SpeakerOptions(enabled=asked_for_speakers or response_format == "diarized_json"),
    )
    return Fields(
        model=form.get("model"),
        response_format=response_format,
        options=options,
        stream=bool(boolean(form, "stream")),
        words="word" in granularities or bool(boolean(form, "word_timestamps")),
        segments="segment" in granularities,
        logprobs=_logprobs(form, response_format),
        known_speakers=_known_speakers(form),
        audio_address=form.get("audio_address") or None,
    )


def boolean(form: Form, name: str) -> bool | None:
    """A flag; None where it was not sent.

    Raises:
        RequestError: it is neither true nor false.
    """
    text = form.get(name)
    if text is None:
        return None
    if text.strip().lower() in _TRUE:
        return True
    if text.strip().lower() in _FALSE:
        return False
    raise RequestError(f"`{name}` must be true or false.", param=name)


def number(text: Any, name: str, low: float, high: float) -> float:
    """A number within bounds.

    Raises:
        RequestError: it is none, or out of bounds.
    """
    try:
        value = float(text)
    except (TypeError, ValueError):
        value = math.nan
    if not low <= value <= high:
        raise RequestError(f"`{name}` must be a number from {low:g} to {high:g}.", param=name)
    return value


def language(text: str | None, name: str = "language") -> str | None:
    """The code of a language; None: the model detects it.

    Raises:
        RequestError: it is not a language.
    """
    try:
        return language_code(text)
    except UsageError as error:
        raise RequestError(error.message, error.hint, param=name) from error


def _choice(form: Form, name: str, choices: tuple[ResponseFormat, ...]) -> ResponseFormat:
    text = form.get(name) or choices[0]
    for choice in choices:
        if text == choice:
            return choice
    raise RequestError(f"`{name}` must be one of {', '.join(choices)}.", param=name)


def _granularities(form: Form) -> set[str]:
    asked = form.all("timestamp_granularities")
    for text in asked:
        if text not in {"word", "segment"}:
            raise RequestError(
                "`timestamp_granularities[]` may hold word and segment.", param="timestamp_granularities[]"
            )
    return set(asked) or {"segment"}


def _check_temperature(form: Form) -> None:
    if text := form.get("temperature"):
        number(text, "temperature", 0, 1)  # our decoding is greedy: any temperature gives what 0 gives


def _logprobs(form: Form, response_format: ResponseFormat) -> bool:
    include = form.all("include")
    for text in include:
        if text != "logprobs":
            raise RequestError("`include[]` may hold logprobs.", param="include[]")
    if include and response_format != "json":
        raise RequestError("`include[]=logprobs` needs `response_format=json`.", param="include[]")
    return bool(include)


def _hotwords(form: Form) -> tuple[Hotword, ...]:
    try:
        found = list(parse_hotwords(form.get("hotwords"), spaced=True))
    except UsageError as error:
        raise RequestError(error.message, error.hint, param="hotwords") from error
    found += [Hotword(text=text.strip()) for text in form.all("keywords") if text.strip()]
    return tuple({hotword.text: hotword for hotword in found}.values())


def _only(languages: list[str]) -> str | None:
    """The language of a list of candidates, where it leaves no choice."""
    return languages[0] if len(languages) == 1 else None


def _vad(form: Form) -> VadOptions:
    """`vad_filter` (Speaches) and `chunking_strategy`: "auto", or server_vad with its numbers."""
    default = VadOptions()
    strategy = _object(form, "chunking_strategy")
    filtered = boolean(form, "vad_filter")
    enabled = default.enabled if filtered is None else filtered
    if not strategy or strategy.get("type") == "auto":
        return VadOptions(enabled=enabled)
    if strategy.get("type") != "server_vad":
        raise RequestError("`chunking_strategy` must be auto or of type server_vad.", param="chunking_strategy")
    name = "chunking_strategy"
    return VadOptions(
        enabled=enabled,
        threshold=min(0.99, max(0.01, number(strategy.get("threshold", default.threshold), name, 0, 1))),
        pad_before=number(strategy.get("prefix_padding_ms", 300), name, 0, 10_000) / 1000,
        min_silence=number(strategy.get("silence_duration_ms", 200), name, 0, 60_000) / 1000,
    )


def _object(form: Form, name: str) -> dict[str, Any]:
    members = {key[len(name) + 1 : -1]: value for key, value in form.fields if key.startswith(f"{name}[")}
    text = (form.get(name) or "").strip()
    if members or not text:
        return members
    if not text.startswith("{"):
        return {"type": text}
    try:
        found = json.loads(text)
    except ValueError as error:
        raise RequestError(f"`{name}` is not valid JSON.", param=name) from error
    return found if isinstance(found, dict) else {"type": None}


def _known_speakers(form: Form) -> tuple[tuple[str, str], ...]:
    names, references = form.all("known_speaker_names"), form.all("known_speaker_references")
    if len(names) != len(references):
        raise RequestError(
            "`known_speaker_names[]` and `known_speaker_references[]` must pair up.", param="known_speaker_references[]"
        )
    if len(names) > _MOST_KNOWN_SPEAKERS:
        raise RequestError(f"There may be {_MOST_KNOWN_SPEAKERS} known speakers.", param="known_speaker_names[]")
    return tuple(zip(names, references, strict=True))
