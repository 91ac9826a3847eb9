"""The form of `POST /v1/audio/transcriptions`: OpenAI's fields and extensions of other servers.

Lists come as `name`, `name[]` or repeated; objects as `name[key]` or as JSON text; numbers and booleans as text.
"""

import json
import re
from dataclasses import dataclass
from typing import Any, Literal

from asrcli.options import AudioOptions, Hotword, RecognitionOptions, SpeakerOptions, TranscribeOptions, VadOptions
from asrcli.options.readers import MAX_TEXT
from asrcli.server.bounds import MAX_HOTWORD_LENGTH, MAX_HOTWORDS
from asrcli.server.errors import RequestError
from asrcli.server.http.uploads import Form
from asrcli.server.http.values import flag, hotwords, is_sent, language, number, without_nulls

ResponseFormat = Literal["json", "text", "srt", "vtt", "verbose_json", "diarized_json"]
RESPONSE_FORMATS: tuple[ResponseFormat, ...] = ("json", "text", "srt", "vtt", "verbose_json", "diarized_json")
_TRANSLATION_FORMATS: tuple[ResponseFormat, ...] = RESPONSE_FORMATS[:-1]

#: brackets and quotes of a list that is sent as one text
_LIST_MARKS = re.compile(r"""[\[\]()"']""")
_MAX_KNOWN_SPEAKERS = 4
#: milliseconds of a year
_MAX_SPAN = 365 * 86_400_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """A parsed request."""

    model: str | None
    response_format: ResponseFormat
    options: TranscribeOptions
    stream: bool
    words: bool
    segments: bool
    logprobs: bool
    label_every_cue: bool
    #: (name, data URL) of known speakers
    known_speakers: tuple[tuple[str, str], ...] = ()
    audio_address: str | None = None


def read_fields(form: Form, *, translate: bool) -> Fields:
    """Parse a form. Takes time with many hotwords: call it in a thread. Raises RequestError: a value is not valid;
    `param` names the field.
    """
    translate = translate or _translates(form)
    formats = _TRANSLATION_FORMATS if translate else RESPONSE_FORMATS
    response_format = _choice(form, "response_format", formats)
    granularities = _granularities(form)
    for text in _items(form, "temperature"):  # decoding is greedy: all give what 0 gives. Whisper's clients send a list
        number(text, "temperature", 0, 1)
    asked_for_speakers = any(
        flag(form.get(name), name) for name in ("enable_speaker_diarization", "diarization", "diarize", "spk")
    )
    recognition = RecognitionOptions(
        language=language(form.get("language") or _only(form.all("languages"))),
        hotwords=_hotwords(form),
        prompt=(form.get("prompt") or "")[:MAX_TEXT],
        translate=translate,
    )
    options = TranscribeOptions(
        audio=_span(form),
        recognition=recognition,
        vad=_vad(form),
        speakers=SpeakerOptions(enabled=asked_for_speakers or response_format == "diarized_json"),
    )
    return Fields(
        model=form.get("model"),
        response_format=response_format,
        options=options,
        stream=bool(flag(form.get("stream"), "stream")),
        words="word" in granularities or bool(flag(form.get("word_timestamps"), "word_timestamps")),
        segments="segment" in granularities,
        logprobs=_logprobs(form, response_format),
        label_every_cue=bool(flag(form.get("label_every_cue"), "label_every_cue")),
        known_speakers=_known_speakers(form),
        audio_address=form.get("audio_address") or None,
    )


def _translates(form: Form) -> bool:
    """Whether a field asks for a translation, as those of whisper.cpp and faster-whisper do."""
    task = form.get("task") or "transcribe"
    if task not in {"transcribe", "translate"}:
        raise RequestError("`task` must be transcribe or translate.", param="task")
    return bool(flag(form.get("translate"), "translate")) or task == "translate"


def _choice(form: Form, name: str, choices: tuple[ResponseFormat, ...]) -> ResponseFormat:
    text = (form.get(name) or choices[0]).strip().lower()
    for choice in choices:
        if text == choice:
            return choice
    raise RequestError(f"`{name}` must be one of {', '.join(choices)}.", param=name)


def _granularities(form: Form) -> set[str]:
    """`timestamp_granularities[]`, also as a JSON list, in the plural, and as one text with commas."""
    name = "timestamp_granularities[]"
    asked = {text.lower().removesuffix("s") for text in _items(form, "timestamp_granularities")}
    if asked - {"word", "segment"}:
        raise RequestError(f"`{name}` must hold `word` or `segment`.", param=name)
    return asked or {"segment"}


def _items(form: Form, name: str) -> list[str]:
    """The items of a list, in each of the ways in which clients send lists."""
    texts = [_LIST_MARKS.sub(" ", text) for text in form.all(name)]
    return [item for text in texts for item in text.replace(",", " ").split() if is_sent(item)]


def _logprobs(form: Form, response_format: ResponseFormat) -> bool:
    include = _items(form, "include")
    if set(include) - {"logprobs"}:
        raise RequestError("`include[]` must hold `logprobs`.", param="include[]")
    if include and response_format != "json":
        raise RequestError("`include[]=logprobs` needs `response_format=json`.", param="include[]")
    return bool(include)


def _hotwords(form: Form) -> tuple[Hotword, ...]:
    """`hotwords`, and the items of `keywords[]`, which have no weights."""
    keywords = [Hotword(text=text.strip()) for text in form.all("keywords") if text.strip()]
    if len(keywords) > MAX_HOTWORDS or any(len(each.text) > MAX_HOTWORD_LENGTH for each in keywords):
        raise RequestError(f"At most {MAX_HOTWORDS} keywords of {MAX_HOTWORD_LENGTH} characters.", param="keywords[]")
    found = (*hotwords(form.get("hotwords"), spaced=True), *keywords)
    return tuple({hotword.text: hotword for hotword in found}.values())


def _span(form: Form) -> AudioOptions:
    """whisper.cpp's `offset_t` and `duration`, milliseconds; a duration of 0 is the whole rest."""
    start, length = (number(form.get(name) or 0, name, 0, _MAX_SPAN) / 1000 for name in ("offset_t", "duration"))
    return AudioOptions(start=start, end=start + length if length else None)


def _only(languages: list[str]) -> str | None:
    """The language of a list with only one."""
    return languages[0] if len(languages) == 1 else None


def _vad(form: Form) -> VadOptions:
    """`vad_filter` (Speaches) and `chunking_strategy`: "auto", or server_vad with its numbers."""
    default = VadOptions()
    strategy = _object(form, "chunking_strategy")
    filtered = flag(form.get("vad_filter"), "vad_filter")
    enabled = default.enabled if filtered is None else filtered
    kind = str(strategy.get("type")).strip().lower()
    if not strategy or kind == "auto":
        return VadOptions(enabled=enabled)
    if kind != "server_vad":
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
    if not text.startswith(("{", '"')):
        return {"type": text}
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RequestError(f"`{name}` is not valid JSON.", param=name) from error
    return without_nulls(found) if isinstance(found, dict) else {"type": found}


def _known_speakers(form: Form) -> tuple[tuple[str, str], ...]:
    names, references = form.all("known_speaker_names"), form.all("known_speaker_references")
    if len(names) != len(references):
        raise RequestError(
            "`known_speaker_names[]` and `known_speaker_references[]` must pair up.", param="known_speaker_references[]"
        )
    if len(names) > _MAX_KNOWN_SPEAKERS:
        raise RequestError(f"At most {_MAX_KNOWN_SPEAKERS} known speakers are allowed.", param="known_speaker_names[]")
    return tuple(zip(names, references, strict=True))
