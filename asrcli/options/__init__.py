"""What to transcribe and how, as frozen dataclasses. The CLI, the server and the Python API fill the same ones.

Options are declared here, once, with `option` (see `declarations`); `values` builds these classes from
option values. Nothing below `cli` reads the environment.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from asrcli.language_codes import language_code
from asrcli.options import readers
from asrcli.options.declarations import option

_DAY = 86400.0

_audio: Any = partial(option, panel="Audio selection", job=True)
_vad: Any = partial(option, panel="Speech detection", job=True)
_recognition: Any = partial(option, panel="Recognition", job=True)
_speakers: Any = partial(option, panel="Speakers", job=True)
_text: Any = partial(option, panel="Text", job=True)
_cues: Any = partial(option, panel="Subtitles", job=True)
_raw: Any = partial(option, panel="Input", job=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class RawFormat:
    """Headerless PCM (interleaved)."""

    encoding: Literal["s16le", "s24le", "s32le", "f32le", "u8", "mulaw", "alaw"] = _raw(
        "s16le", "Inputs are headerless PCM in this encoding.", name="raw", show_default=False
    )
    rate: int = _raw(16000, "Sample rate of --raw.", metavar="HZ", low=1000, high=384000)
    channels: int = _raw(
        1, "Interleaved channels of --raw; by default the number given by --channels, else 1.", name="raw_channels",
        metavar="N", low=1, high=64,
        show_default=False,
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioOptions:
    """Which part of an input is transcribed."""

    track: str | int | None = _audio(
        None, "Audio track of a container: number from 0, language, or all (each a separate speaker). By default the "
        "container's default track.", name="audio_track", metavar="N|LANG|all", read=readers.track,
    )  # fmt: skip
    #: seconds of the recording; times in the result stay those of the whole recording
    start: float = _audio(
        0.0, "Start time: seconds or h:m:s.", metavar="TIME", read=readers.time, high=365 * _DAY, low=0,
        show_default=False,
    )  # fmt: skip
    end: float | None = _audio(
        None, "End time: seconds or h:m:s.", metavar="TIME", read=readers.time, low=0, high=365 * _DAY
    )
    channels: Literal["mix", "split"] | int = _audio(
        "mix", "Mix all channels, transcribe each as a separate speaker, or take one, counted from 0.",
        metavar="mix|split|N", read=readers.channels,
    )  # fmt: skip
    raw: RawFormat | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VadOptions:
    """Voice activity detection and chunking. Seconds, except the thresholds (probabilities)."""

    enabled: bool = _vad(True, "Detect speech first; --no-vad decodes everything.", name="vad")
    model: Path | None = option(
        None, "Silero VAD model (ONNX) to use instead of the embedded one.", name="vad_model", metavar="FILE",
        panel="Speech detection",
    )  # fmt: skip
    threshold: float = _vad(
        0.5, "Probability at which speech starts.", name="vad_threshold", metavar="P", low=0.01, high=0.99
    )
    end_threshold: float | None = _vad(
        None, "Probability below which speech ends; by default 0.15 less than --vad-threshold.",
        name="vad_end_threshold", metavar="P", low=0.001, high=0.99,
    )  # fmt: skip
    min_speech: float = _vad(0.25, "Minimum length of speech, in seconds.", metavar="S", low=0, high=60)
    min_silence: float = _vad(0.3, "Minimum pause that splits speech, in seconds.", metavar="S", low=0, high=60)
    pad_before: float = _vad(0.2, "Seconds kept before speech.", metavar="S", low=0, high=60)
    pad_after: float = _vad(0.4, "Seconds kept after speech.", metavar="S", low=0, high=60)
    level: bool = _vad(True, "Amplify quiet speech before it is recognised.")
    max_chunk: float | None = _vad(
        None, "Maximum length of a chunk, in seconds; by default the model's window.", metavar="S", low=1, high=3600
    )
    #: None: the model type's own (3.0, Whisper 0.7)
    max_gap: float | None = _vad(
        None, "Maximum silence inside a chunk, in seconds; by default the model's.", metavar="S", low=0, high=3600
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Hotword:
    """A phrase to favour and its weight (FunASR's scale, 1..100)."""

    text: str
    weight: float = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RecognitionOptions:
    """What is asked of the backend for each chunk."""

    #: the language in any spelling that `language_code` reads, kept as a code; None: the model detects it
    language: str | None = _recognition(
        None, "Spoken language (en, zh, yue, ...), or auto to detect it.", short="-l", metavar="CODE",
        read=readers.language, essential=True,
    )  # fmt: skip
    hotwords: tuple[Hotword, ...] = ()
    itn: bool = _recognition(True, "Write numbers as digits, if the model supports it.")
    prompt: str = _recognition(
        "", "Context for models that take a prompt.", metavar="TEXT", show_default=False,
        read=readers.bounded_text,
    )  # fmt: skip
    translate: bool = _recognition(False, "Translate into English, for models that can (Whisper, Canary).")
    #: any spelling of a language, kept as a code
    translate_to: str | None = _recognition(
        None, "Translate English speech into this language, for models that can (Canary); en: as --translate.",
        metavar="CODE", read=readers.target_language,
    )  # fmt: skip

    def __post_init__(self) -> None:
        object.__setattr__(self, "language", language_code(self.language))
        object.__setattr__(self, "translate_to", language_code(self.translate_to))

    @property
    def target(self) -> str | None:
        """The language that the text is translated into; None: it is that of the speech."""
        return self.translate_to or ("en" if self.translate else None)


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentificationOptions:
    """Spoken language identification with a separate model, for recognisers that do not detect the language."""

    enabled: bool = False
    #: registry name or path; None: the registry's default
    model: str | None = option(
        None, "Language identification model: a name or path.", name="language_id_model", metavar="MODEL",
        models="language-id", panel="Recognition",
    )  # fmt: skip
    #: each chunk by itself rather than a recording (or channel) as a whole
    per_chunk: bool = _recognition(
        False, "With --language auto, detect the language again every few sentences.", name="language_per_chunk"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeakerOptions:
    """Diarization; nothing is loaded unless `enabled`."""

    enabled: bool = _speakers(
        False, "Label speakers; enrolled speakers get their names.", name="diarize", essential=True
    )
    #: registry names or paths; None: the registry's defaults
    segmentation_model: str | None = option(
        None, "Speaker segmentation model: a name or path.", name="diarization_model", metavar="MODEL",
        models="segmentation", panel="Speakers",
    )  # fmt: skip
    embedding_model: str | None = option(
        None, "Speaker embedding model: a name or path.", metavar="MODEL", models="embedding", panel="Speakers"
    )
    speakers: int | None = _speakers(
        None,
        "Number of speakers; fewer where more would divide a voice.",
        metavar="N",
        low=1,
        high=1000,
        essential=True,
    )
    min_speakers: int | None = _speakers(None, "Minimum number of speakers.", metavar="N", low=1, high=1000)
    max_speakers: int | None = _speakers(None, "Maximum number of speakers.", metavar="N", low=1, high=1000)
    #: None: the embedding model's own, from its catalogue entry
    cluster_threshold: float | None = _speakers(
        None, "Cosine distance that separates two speakers; higher finds fewer. By default the embedding model's own.",
        metavar="D", low=0.01, high=1.99,
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class TextOptions:
    """What is done to the text after recognition."""

    #: None: where the recogniser gives no marks and a model for it is installed
    punctuation: bool | None = _text(
        None, "Add punctuation to text without any; by default if a punctuation model is installed."
    )
    #: registry name or path; None: the registry's default
    punctuation_model: str | None = option(
        None, "Punctuation model: a name or path.", metavar="MODEL", models="punctuation", panel="Text"
    )
    #: digits for spoken numbers by WeTextProcessing; None: for recognisers that write words only, if it is installed
    itn: bool | None = None
    #: what is written where something sounds like it
    corrections: tuple[Hotword, ...] = ()
    drop_fillers: bool = _text(False, "Remove filler words (um, uh, ...); JSON lists them.")
    strip_marks: bool = _text(False, "Remove all punctuation.")
    rich: bool = _text(
        False, "Show emotions and sound events as emoji, for models that detect them (SenseVoice).", name="rich_text"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CueOptions:
    """Layout and timing of subtitles."""

    max_line_width: int = _cues(42, "Characters per line.", metavar="N", low=8, high=200)
    max_line_width_cjk: int = _cues(16, "Full-width characters per line.", metavar="N", low=4, high=100)
    max_lines: int = _cues(2, "Lines per cue.", metavar="N", low=1, high=10)
    max_words: int | None = _cues(None, "Words per cue; by default as many as fit.", metavar="N", low=1, high=1000)
    min_cue: float = _cues(0.833, "Minimum duration of a cue, in seconds.", metavar="S", low=0, high=60)
    max_cue: float = _cues(7.0, "Maximum duration of a cue, in seconds.", metavar="S", low=0.5, high=60)
    max_cps: float = _cues(20.0, "Maximum reading speed, in characters per second.", metavar="N", low=1, high=1000)
    cue_gap: int = _cues(2, "Minimum gap between cues, in frames of 1/24 s.", metavar="N", low=0, high=240)
    #: whether a short exchange of two voices may share a cue, a line each behind "- "
    dialogue: bool = _cues(True, "Allow two speakers in a cue, one line each.")
    label_every_cue: bool = _cues(False, "Name the speaker in every SRT cue, not only where a turn starts.")
    highlight_words: bool = _cues(False, "Highlight each word while it is spoken.")
    rtl_marks: bool = _cues(False, "Mark Arabic and Hebrew lines, for players that misplace their full stops.")


#: values of `--subtitle-style`; explicit options override them.
#: netflix: Timed Text Style Guide, general requirements and timing (42 characters, 2 lines, 5/6 to 7 s, 2 frames);
#: bbc: Subtitle Guidelines (37 characters, 160 to 180 words a minute, about 15 to 17 characters a second);
#: youtube: the 32 columns of its caption window (CEA-608), 6 s; short: one line of a few words, for upright video.
SUBTITLE_STYLES: Mapping[str, CueOptions] = MappingProxyType(
    {
        "netflix": CueOptions(max_line_width=42, min_cue=0.833, max_cue=7.0, max_cps=20.0, cue_gap=2),
        "bbc": CueOptions(max_line_width=37, min_cue=1.0, max_cue=7.0, max_cps=17.0, cue_gap=1),
        "youtube": CueOptions(max_line_width=32, min_cue=0.7, max_cue=6.0, max_cps=21.0, cue_gap=1),
        "short": CueOptions(
            max_line_width=20,
            max_line_width_cjk=9,
            max_lines=1,
            max_words=4,
            min_cue=0.3,
            max_cue=2.5,
            max_cps=30.0,
            cue_gap=0,
            dialogue=False,
        ),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscribeOptions:
    """Everything that decides the content of a transcript; the journal's cache key is made of it."""

    audio: AudioOptions = field(default_factory=AudioOptions)
    vad: VadOptions = field(default_factory=VadOptions)
    recognition: RecognitionOptions = field(default_factory=RecognitionOptions)
    identification: IdentificationOptions = field(default_factory=IdentificationOptions)
    speakers: SpeakerOptions = field(default_factory=SpeakerOptions)
    text: TextOptions = field(default_factory=TextOptions)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShorthandOptions:
    """Options whose value becomes that of other fields: see `options.values`."""

    #: repeatable on the command line, where a value may be @FILE; one text in a job
    hotwords: tuple[str, ...] = _recognition(
        (), "Phrases to favour, weights 1-100: 'Hedy Lamarr:30, Zvon'; or @FILE, one per line.", metavar="WORDS"
    )
    correct_hotwords: bool = _text(False, "Replace words that sound like a hotword by it; JSON lists the changes.")
    subtitle_style: str | None = _cues(
        None, "Subtitle style preset; explicit options override it.", choices=tuple(SUBTITLE_STYLES)
    )
