"""Settings of a realtime transcription session, in the shapes of OpenAI's beta and of its present interface."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from asrcli.options import Hotword, RecognitionOptions
from asrcli.server.errors import RequestError
from asrcli.server.http.values import hotwords, language, number, without_nulls
from asrcli.server.live.endpoint import EndpointOptions
from asrcli.server.live.pcm import PcmForm
from asrcli.server.live.session import LiveOptions

#: the beta's name of a format -> its present name, and the samples
_FORMATS = {
    "pcm16": ("audio/pcm", PcmForm(24000)),
    "g711_ulaw": ("audio/pcmu", PcmForm(8000, encoding="mulaw")),
    "g711_alaw": ("audio/pcma", PcmForm(8000, encoding="alaw")),
}
#: seconds of silence that end a turn of `semantic_vad`, which is not a model here
_EAGERNESS = {"low": 2.0, "medium": 1.0, "auto": 1.0, "high": 0.6}
_DIARIZING = "gpt-4o-transcribe-diarize"
LOGPROBS = "item.input_audio_transcription.logprobs"
#: a field of the beta -> its present name
_BETA = {
    "input_audio_format": "format",
    "input_audio_transcription": "transcription",
    "turn_detection": "turn_detection",
}


@dataclass(frozen=True, slots=True)
class RealtimeConfig:
    """What the client has set."""

    format: str = "pcm16"
    model: str | None = None
    language: str | None = None
    prompt: str = ""
    keywords: tuple[Hotword, ...] = ()
    #: None: the client commits the audio
    vad: EndpointOptions | None = EndpointOptions(silence=0.5)
    logprobs: bool = False

    @property
    def form(self) -> PcmForm:
        return _FORMATS[self.format][1]

    @property
    def live(self) -> LiveOptions:
        """Options of the session."""
        recognition = RecognitionOptions(language=self.language, prompt=self.prompt, hotwords=self.keywords)
        return LiveOptions(
            recognition=recognition, endpoint=self.vad or EndpointOptions(), partials=self.vad is not None
        )

    @property
    def diarizes(self) -> bool:
        """Whether speakers are asked for, by OpenAI's name of the model that labels them."""
        return self.model == _DIARIZING

    def updated(self, session: Any) -> RealtimeConfig:
        """With the fields of an update, in either shape; others are kept. Hotwords take time: call it in a thread.
        Raises RequestError: a field is not valid.
        """
        given = _object(session, "session")
        if given.get("type", "transcription") != "transcription":
            raise RequestError("Only transcription sessions are served.", param="session.type")
        audio = _object(given.get("audio"), "session.audio")
        fields = {new: given[old] for old, new in _BETA.items() if old in given}
        fields |= _object(audio.get("input"), "session.audio.input")
        found = self
        if fields.get("format") is not None:
            found = replace(found, format=_format(fields["format"]))
        if "transcription" in fields:
            found = _transcribing(found, _object(fields["transcription"], "transcription"))
        if "turn_detection" in fields:
            found = replace(found, vad=_vad(fields["turn_detection"]))
        if "include" in given:
            found = replace(found, logprobs=_include(given["include"]))
        return found

    def body(self, name: str, *, beta: bool) -> dict[str, Any]:
        """The session as the client receives it."""
        include = [LOGPROBS] if self.logprobs else None
        transcription = {"model": self.model, "language": self.language, "prompt": self.prompt}
        vad = self.vad and {
            "type": "server_vad",
            "threshold": self.vad.threshold,
            "prefix_padding_ms": round(self.vad.pad_before * 1000),
            "silence_duration_ms": round(self.vad.silence * 1000),
        }
        common = {"id": name, "object": "realtime.transcription_session", "expires_at": None, "include": include}
        if beta:
            flat = {"input_audio_format": self.format, "input_audio_transcription": transcription}
            return common | flat | {"turn_detection": vad, "input_audio_noise_reduction": None}
        kind, form = _FORMATS[self.format]
        shown = {"type": kind} | ({"rate": form.rate} if kind == "audio/pcm" else {})
        sound = {"format": shown, "transcription": transcription, "noise_reduction": None, "turn_detection": vad}
        return common | {"type": "transcription", "audio": {"input": sound}}


def _transcribing(config: RealtimeConfig, given: dict[str, Any]) -> RealtimeConfig:
    texts = {name: given.get(name) for name in ("model", "language", "prompt")}
    for name, value in texts.items():
        if value is not None and not isinstance(value, str):
            raise RequestError(f"`transcription.{name}` must be a text.", param=name)
    several = given.get("languages") or []
    keywords = given.get("keywords") or []
    for name, values in (("languages", several), ("keywords", keywords)):
        if not isinstance(values, list) or not all(isinstance(each, str) for each in values):
            raise RequestError(f"`transcription.{name}` must be a list of texts.", param=name)
    spoken = texts["language"] or (several[0] if len(several) == 1 else None)
    return replace(
        config,
        model=texts["model"] or None,
        language=language(spoken),
        prompt=texts["prompt"] or "",
        keywords=hotwords(keywords, "keywords"),
    )


def _object(value: Any, name: str) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise RequestError(f"`{name}` must be an object.", param=name)
    return value


def _format(value: Any) -> str:
    kind = value.get("type", "audio/pcm") if isinstance(value, dict) else value
    rate = value.get("rate") if isinstance(value, dict) else None
    for name, (present, form) in _FORMATS.items():
        if isinstance(kind, str) and kind in {name, present} and rate in (None, form.rate):
            return name
    expected = "pcm16 (audio/pcm at 24000 Hz), g711_ulaw (audio/pcmu) or g711_alaw (audio/pcma)"
    raise RequestError(f"The audio format must be {expected}.", param="format")


def _vad(value: Any) -> EndpointOptions | None:
    if value is None:
        return None
    given = without_nulls(_object(value, "turn_detection"))
    match given.get("type", "server_vad"):
        case "server_vad":
            silence = number(given.get("silence_duration_ms", 500), "silence_duration_ms", 100, 10_000) / 1000
        case "semantic_vad":
            eagerness = given.get("eagerness", "auto")
            if not isinstance(eagerness, str) or eagerness not in _EAGERNESS:
                raise RequestError(f"`eagerness` must be one of {', '.join(_EAGERNESS)}.", param="eagerness")
            silence = _EAGERNESS[eagerness]
        case _:
            raise RequestError("`turn_detection.type` must be server_vad or semantic_vad.", param="turn_detection")
    return EndpointOptions(
        silence=silence,
        threshold=number(given.get("threshold", 0.5), "threshold", 0, 1),
        pad_before=number(given.get("prefix_padding_ms", 300), "prefix_padding_ms", 0, 2000) / 1000,
    )


def _include(value: Any) -> bool:
    if value is not None and (not isinstance(value, list) or any(each != LOGPROBS for each in value)):
        raise RequestError(f"`include` may hold {LOGPROBS}.", param="include")
    return bool(value)
