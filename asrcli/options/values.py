"""Option values, by name, to the frozen classes of `options`: the same rules for the command line and for jobs."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from asrcli.errors import UsageError
from asrcli.options import (
    SUBTITLE_STYLES,
    AudioOptions,
    CueOptions,
    Hotword,
    IdentificationOptions,
    RawFormat,
    RecognitionOptions,
    ShorthandOptions,
    SpeakerOptions,
    TextOptions,
    TranscribeOptions,
    VadOptions,
)
from asrcli.options.declarations import from_values

#: values that some level sets, by option name; an option that is not there has its default
Values = Mapping[str, Any]
#: an option's name as the user writes it: "--max-cue", "`max_cue`"
Spell = Callable[[str], str]

#: the classes whose declarations make up the options of a transcript and its subtitles
GROUPS: tuple[type[Any], ...] = (
    ShorthandOptions,
    RecognitionOptions,
    IdentificationOptions,
    SpeakerOptions,
    RawFormat,
    AudioOptions,
    VadOptions,
    TextOptions,
    CueOptions,
)


class OptionConflictError(UsageError):
    """Options that contradict each other, or one that needs another.

    Attributes:
        options: their names; one name where another option is missing.
    """

    def __init__(self, message: str, hint: str = "", options: tuple[str, ...] = ()) -> None:
        super().__init__(message, hint)
        self.options = options


def flag(name: str) -> str:
    """The option as the command line spells it."""
    return "--" + name.replace("_", "-")


def transcribe_options(values: Values, hotwords: tuple[Hotword, ...] = (), *, spell: Spell = flag) -> TranscribeOptions:
    """Build the options of a transcript. `hotwords` are parsed; `spell` writes an option's name in messages. Raises
    OptionConflictError: options that do not go together.
    """
    language = values.get("language")
    detect = language == "auto"
    per_chunk = bool(values.get("language_per_chunk"))
    if per_chunk and language not in {None, "auto"}:
        message = f"{spell('language_per_chunk')} detects the language, but {spell('language')} sets it."
        raise OptionConflictError(message, "Use one of them.", ("language_per_chunk", "language"))
    return TranscribeOptions(
        audio=_audio(values, spell),
        vad=_vad(values, spell),
        recognition=from_values(RecognitionOptions, values, hotwords=hotwords),
        identification=from_values(IdentificationOptions, values, enabled=detect or per_chunk),
        speakers=_speakers(values, spell),
        text=_text(values, hotwords, spell),
    )


def cue_options(values: Values, *, spell: Spell = flag) -> CueOptions:
    """Build the layout of subtitles: a preset, overridden by explicit options. Raises OptionConflictError: the minimum
    duration is above the maximum.
    """
    style = values.get("subtitle_style")
    cues = from_values(CueOptions, {**(asdict(SUBTITLE_STYLES[style]) if style else {}), **values})
    if cues.min_cue > cues.max_cue:
        message = f"{spell('min_cue')} ({cues.min_cue:g}) is above {spell('max_cue')} ({cues.max_cue:g})."
        raise OptionConflictError(message, "Swap or correct them.", ("min_cue", "max_cue"))
    return cues


def _audio(values: Values, spell: Spell) -> AudioOptions:
    """Without `raw_channels`, a number in `channels` is how many channels raw PCM interleaves; they are mixed."""
    audio = from_values(AudioOptions, values)
    if audio.end is not None and audio.end <= audio.start:
        message = f"{spell('end')} ({audio.end:g} s) is not after {spell('start')} ({audio.start:g} s)."
        raise OptionConflictError(message, "Swap or correct them.", ("start", "end"))
    if audio.track == "all" and audio.channels != "mix":
        message = f"{spell('audio_track')} all gives one channel for each track, which {spell('channels')} excludes."
        raise OptionConflictError(message, "Leave one of them out.", ("audio_track", "channels"))
    if values.get("raw") is None:
        for name in ("raw_channels", "rate"):
            if values.get(name) is not None:
                hint = f"Add {spell('raw')} s16le or {spell('raw')} f32le, or leave it out."
                raise OptionConflictError(f"{spell(name)} describes headerless PCM.", hint, (name,))
        return audio
    if audio.track:
        message = f"{spell('audio_track')} and {spell('raw')} exclude each other: raw PCM has one track."
        raise OptionConflictError(message, "Leave one of them out.", ("audio_track", "raw"))
    derived: dict[str, Any] = {}
    if values.get("raw_channels") is None and isinstance(audio.channels, int):
        if audio.channels < 1:
            hint = f"With {spell('raw')}, {spell('channels')} N is the number of interleaved channels."
            raise OptionConflictError("Raw PCM needs at least one channel.", hint, ("channels", "raw"))
        derived = {"channels": audio.channels}
    raw = from_values(RawFormat, values, **derived)
    chosen = "mix" if derived else audio.channels
    if isinstance(chosen, int) and chosen >= raw.channels:
        message = f"{spell('channels')} {chosen}: the raw input has channels 0 to {raw.channels - 1}."
        raise OptionConflictError(message, "Choose one of these.", ("channels", "raw_channels"))
    return from_values(AudioOptions, values, channels=chosen, raw=raw)


def _vad(values: Values, spell: Spell) -> VadOptions:
    vad = from_values(VadOptions, values)
    if vad.end_threshold is not None and vad.end_threshold > vad.threshold:
        message = (
            f"{spell('vad_end_threshold')} ({vad.end_threshold:g}) is above "
            f"{spell('vad_threshold')} ({vad.threshold:g})."
        )
        raise OptionConflictError(message, "Swap or correct them.", ("vad_end_threshold", "vad_threshold"))
    return vad


def _speakers(values: Values, spell: Spell) -> SpeakerOptions:
    options = from_values(SpeakerOptions, values)
    bounds = [name for name in ("min_speakers", "max_speakers") if values.get(name) is not None]
    if values.get("speakers") is not None and bounds:
        message = f"{spell('speakers')} and {spell(bounds[0])} exclude each other."
        raise OptionConflictError(message, "Use one of them.", ("speakers", *bounds))
    if options.min_speakers and options.max_speakers and options.min_speakers > options.max_speakers:
        message = (
            f"{spell('min_speakers')} ({options.min_speakers}) is above {spell('max_speakers')} "
            f"({options.max_speakers})."
        )
        raise OptionConflictError(message, "Swap or correct them.", ("min_speakers", "max_speakers"))
    for name in ("speakers", *bounds):
        if values.get(name) is not None and "diarize" not in values:
            raise OptionConflictError(f"{spell(name)} needs {spell('diarize')}.", f"Add {spell('diarize')}.", (name,))
    return options


def _text(values: Values, hotwords: tuple[Hotword, ...], spell: Spell) -> TextOptions:
    correct = bool(values.get("correct_hotwords"))
    if correct and not hotwords:
        message = f"{spell('correct_hotwords')} needs {spell('hotwords')}."
        raise OptionConflictError(message, f"Add {spell('hotwords')}.", ("correct_hotwords",))
    return from_values(TextOptions, values, itn=values.get("itn"), corrections=hotwords if correct else ())
