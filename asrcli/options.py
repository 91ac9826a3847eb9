"""What the user asked for, as frozen dataclasses. The CLI, the server and the Python API fill the same ones.

Layers (defaults < config file < `ASRCLI_*` < flags) are resolved in `cli`; nothing below reads the environment.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from asrcli.language_codes import language_code


@dataclass(frozen=True, slots=True, kw_only=True)
class RawFormat:
    """Headerless PCM: `--raw s16le|f32le --rate N --channels N` (interleaved)."""

    encoding: Literal["s16le", "f32le"] = "s16le"
    rate: int = 16000
    channels: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioOptions:
    """Which part of an input is heard."""

    #: audio track of a container, zero-based; None: the container's default
    track: int | None = None
    #: seconds of the recording; times in the result stay those of the whole recording
    start: float = 0.0
    end: float | None = None
    #: "mix" all channels to one, "split" each to a lane of its own, or one channel by number, zero-based
    channels: Literal["mix", "split"] | int = "mix"
    raw: RawFormat | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VadOptions:
    """How speech is found and cut. Seconds, except the threshold (a probability)."""

    enabled: bool = True
    #: path of a `silero_vad.onnx` for sherpa-onnx; None: the embedded Silero
    model: Path | None = None
    threshold: float = 0.5
    #: below this a region ends (hysteresis); None: threshold - 0.15
    end_threshold: float | None = None
    min_speech: float = 0.25
    min_silence: float = 0.3
    #: kept around each region, so that onsets and releases are not clipped
    pad_before: float = 0.2
    pad_after: float = 0.2
    #: longest chunk; None: the model's own window
    max_chunk: float | None = None
    #: regions further apart than this are never packed into one chunk; None: the model type's own (3.0, Whisper 0.7)
    max_gap: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Hotword:
    """A phrase to favour and its weight (FunASR's scale, 1..100)."""

    text: str
    weight: float = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RecognitionOptions:
    """What is asked of the backend for each chunk."""

    #: the language in any spelling that `language_code` reads, kept as a code; None: the model detects it
    language: str | None = None
    hotwords: tuple[Hotword, ...] = ()
    itn: bool = True
    #: context text, for models that take a prompt
    prompt: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "language", language_code(self.language))


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentificationOptions:
    """Finding out the spoken language with a model of its own, for recognisers that do not tell it themselves."""

    enabled: bool = False
    #: registry name or path; None: the registry's default
    model: str | None = None
    #: each chunk by itself rather than a recording (or channel) as a whole
    per_chunk: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeakerOptions:
    """Diarization; nothing is loaded unless `enabled`."""

    enabled: bool = False
    #: registry names or paths; None: the registry's defaults
    segmentation_model: str | None = None
    embedding_model: str | None = None
    speakers: int | None = None
    min_speakers: int | None = None
    max_speakers: int | None = None
    #: None: the embedding model's own, from its catalogue entry
    cluster_threshold: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TextOptions:
    """What is done to the text after recognition."""

    #: None: where the recogniser gives no marks and a model for it is installed
    punctuation: bool | None = None
    #: registry name or path; None: the registry's default
    punctuation_model: str | None = None
    #: digits for spoken numbers by WeTextProcessing; None: for recognisers that write words only, if it is installed
    itn: bool | None = None
    #: what is written where something sounds like it
    corrections: tuple[Hotword, ...] = ()
    #: leave filler words out ("um", "嗯")
    drop_fillers: bool = False
    #: leave all punctuation out
    strip_marks: bool = False
    #: SenseVoice's emotions and events as emoji
    rich: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CueOptions:
    """How subtitles are shaped."""

    #: characters a line for Latin-like scripts; full-width characters for CJK
    max_line_width: int = 42
    max_line_width_cjk: int = 16
    max_lines: int = 2
    max_words: int | None = None
    min_cue: float = 0.833
    max_cue: float = 7.0
    max_cps: float = 20.0
    #: least distance of two cues, in frames of 24 a second
    cue_gap: int = 2
    #: whether a short exchange of two voices may share a cue, a line each behind "- "
    dialogue: bool = True
    highlight_words: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TranscribeOptions:
    """Everything that decides what a transcript says: the journal's fingerprint is made of this."""

    audio: AudioOptions = field(default_factory=AudioOptions)
    vad: VadOptions = field(default_factory=VadOptions)
    recognition: RecognitionOptions = field(default_factory=RecognitionOptions)
    identification: IdentificationOptions = field(default_factory=IdentificationOptions)
    speakers: SpeakerOptions = field(default_factory=SpeakerOptions)
    text: TextOptions = field(default_factory=TextOptions)
