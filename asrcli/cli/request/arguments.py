"""Groups of options that commands are put together from. Defaults are those of `asrcli.options`."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from asrcli.cli.framework import option_types
from asrcli.options import AudioOptions, CueOptions, RawFormat, VadOptions

_audio, _vad, _cues, _raw = AudioOptions(), VadOptions(), CueOptions(), RawFormat()

#: `FILE` and `DIR` as placeholders make the completion scripts offer files and folders, `a|b` offers a and b
_file = "FILE"

_Input: Any = partial(typer.Option, rich_help_panel="Input")
_Audio: Any = partial(typer.Option, rich_help_panel="Which part is heard")
_Model: Any = partial(typer.Option, rich_help_panel="Recognition")
_Speech: Any = partial(typer.Option, rich_help_panel="Finding speech")
_Speakers: Any = partial(typer.Option, rich_help_panel="Speakers")
_Text: Any = partial(typer.Option, rich_help_panel="Text")
_Output: Any = partial(typer.Option, rich_help_panel="Output")
_Batch: Any = partial(typer.Option, rich_help_panel="Batches")
_Cues: Any = partial(typer.Option, rich_help_panel="Subtitles")
_Report: Any = partial(typer.Option, rich_help_panel="Messages")


@dataclass(frozen=True, kw_only=True)
class InputArguments:
    """What is transcribed."""

    inputs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="INPUT", help="Files, folders (searched for audio and video), or - for stdin.", show_default=False
        ),
    ] = None
    files_from: Annotated[
        str | None,
        _Input(metavar=_file, help="Read more inputs from FILE (- is stdin), one a line or separated by NUL."),
    ] = None
    recursive: Annotated[bool, _Input(help="Search folders within folders.")] = True
    include: Annotated[
        list[str], _Input(metavar="GLOB", help="In folders, take only files that match; may be repeated.")
    ] = field(default_factory=list)
    exclude: Annotated[
        list[str], _Input(metavar="GLOB", help="In folders, leave out files that match; may be repeated.")
    ] = field(default_factory=list)
    raw: Annotated[
        Literal["s16le", "f32le"] | None,
        _Input(metavar="s16le|f32le", help="The inputs are PCM without a header, in this encoding."),
    ] = None
    rate: Annotated[int, _Input(metavar="HZ", min=1000, max=384000, help="Sample rate of --raw.")] = _raw.rate
    raw_channels: Annotated[
        int | None,
        _Input(
            metavar="N", min=1, max=64, show_default=False,
            help="Interleaved channels of --raw; without it, the number that --channels gives, else 1.",
        ),
    ] = None  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class AudioArguments:
    """Which part of each input is heard."""

    audio_track: Annotated[
        int | None, _Audio(metavar="N", min=0, help="Audio track of a video, from 0; without it, the default track.")
    ] = None
    channels: Annotated[
        str,
        _Audio(
            metavar="mix|split|N", parser=option_types.channels,
            help="Mix all channels, transcribe each as a speaker of its own, or take one, counted from 0.",
        ),
    ] = "mix"  # fmt: skip
    start: Annotated[
        float,
        _Audio(metavar="TIME", parser=option_types.time, show_default=False, help="Begin here: seconds or h:m:s."),
    ] = _audio.start
    end: Annotated[
        float | None, _Audio(metavar="TIME", parser=option_types.time, help="Stop here: seconds or h:m:s.")
    ] = None


@dataclass(frozen=True, kw_only=True)
class ModelArguments:
    """Which model, and what is asked of it."""

    model: Annotated[
        str | None,
        _Model("--model", "-m", metavar="MODEL", help="Name or folder of a model; 'asrcli models' lists them."),
    ] = None
    backend: Annotated[
        Literal["auto", "sherpa-onnx", "funasr", "remote"],
        _Model(
            metavar="auto|sherpa-onnx|funasr|remote",
            help="What runs the model; auto: what it is made for. Without --model, the first model for that backend.",
        ),
    ] = "auto"
    remote: Annotated[
        str | None,
        _Model(
            metavar="URL",
            help="Have speech recognised by this server (OpenAI's interface, http://host:8000/v1); --model is its "
            "name for the model.",
        ),
    ] = None
    remote_api_key: Annotated[
        str | None, _Model(metavar="KEY", help="What the server wants to see; a file is safer on a shared machine.")
    ] = None
    remote_api_key_file: Annotated[Path | None, _Model(metavar=_file, help="A file with the server's key.")] = None
    model_dir: Annotated[
        Path | None, _Model(metavar="DIR", help="Where models are kept; without it, the user's data folder.")
    ] = None
    offline: Annotated[bool, _Model("--offline", help="Never fetch a model; fail if one is missing.")] = False
    language: Annotated[
        str | None,
        _Model(
            "--language",
            "-l",
            metavar="CODE",
            parser=option_types.language,
            help="Spoken language (en, zh, yue, ...), or auto to find it out.",
        ),
    ] = None
    language_per_chunk: Annotated[
        bool,
        _Model("--language-per-chunk", help="With --language auto, find out the language again every few sentences."),
    ] = False
    language_id_model: Annotated[
        str | None,
        _Model(
            metavar="MODEL",
            help="What tells languages where the model cannot; without it, the catalogue's.",
        ),
    ] = None
    hotwords: Annotated[
        list[str],
        _Model(metavar="WORDS", help="Phrases to favour, weights 1-100: 'Hedy Lamarr:30, Zvon'; or @FILE, one a line."),
    ] = field(default_factory=list)
    prompt: Annotated[
        str,
        _Model(metavar="TEXT", show_default=False, help="What the recording is about, for models that take a prompt."),
    ] = ""
    itn: Annotated[bool, _Model(help="Write numbers as digits, where the model can.")] = True


@dataclass(frozen=True, kw_only=True)
class SpeechArguments:
    """How speech is found and cut."""

    vad: Annotated[bool, _Speech(help="Find speech first; --no-vad decodes everything.")] = _vad.enabled
    vad_model: Annotated[
        Path | None, _Speech(metavar=_file, help="A silero_vad.onnx to use in place of the embedded one.")
    ] = None
    vad_threshold: Annotated[
        float, _Speech(metavar="P", min=0.01, max=0.99, help="Speech begins at this probability.")
    ] = _vad.threshold
    vad_end_threshold: Annotated[
        float | None,
        _Speech(
            metavar="P", min=0.001, max=0.99, help="Speech ends below it; without it, 0.15 less than --vad-threshold."
        ),
    ] = None
    min_speech: Annotated[float, _Speech(metavar="S", min=0, help="Drop speech shorter than S seconds.")] = (
        _vad.min_speech
    )
    min_silence: Annotated[float, _Speech(metavar="S", min=0, help="A pause shorter than S ends nothing.")] = (
        _vad.min_silence
    )
    pad_before: Annotated[float, _Speech(metavar="S", min=0, help="Seconds kept before speech.")] = _vad.pad_before
    pad_after: Annotated[float, _Speech(metavar="S", min=0, help="Seconds kept after speech.")] = _vad.pad_after
    max_chunk: Annotated[
        float | None,
        _Speech(metavar="S", min=1, help="Longest piece decoded at once; without it, what the model takes."),
    ] = None
    max_gap: Annotated[
        float | None,
        _Speech(metavar="S", min=0, help="Never decode across a silence longer than S. [default: the model's]"),
    ] = _vad.max_gap


@dataclass(frozen=True, kw_only=True)
class SpeakerArguments:
    """Who speaks when."""

    diarize: Annotated[bool, _Speakers(help="Tell speakers apart; enrolled ones are called by name.")] = False
    speakers: Annotated[int | None, _Speakers(metavar="N", min=1, help="There are exactly N.")] = None
    min_speakers: Annotated[int | None, _Speakers(metavar="N", min=1, help="There are at least N.")] = None
    max_speakers: Annotated[int | None, _Speakers(metavar="N", min=1, help="There are at most N.")] = None
    cluster_threshold: Annotated[
        float | None,
        _Speakers(
            metavar="D", help="How far apart two voices are, 0-2; higher finds fewer. Without it, the model's own."
        ),
    ] = None
    diarization_model: Annotated[
        str | None, _Speakers(metavar="MODEL", help="Finds who is heard when: a model's name or path.")
    ] = None
    embedding_model: Annotated[
        str | None, _Speakers(metavar="MODEL", help="Knows what voices sound like: a model's name or path.")
    ] = None


@dataclass(frozen=True, kw_only=True)
class TextArguments:
    """What is done to the text after recognition."""

    punctuation: Annotated[
        bool | None,
        _Text(
            "--punctuation/--no-punctuation",
            help="Add marks to a text without any; without it, if a model for that is installed.",
        ),
    ] = None
    punctuation_model: Annotated[str | None, _Text(metavar="MODEL", help="Adds the marks: a model's name or path.")] = (
        None
    )
    correct_hotwords: Annotated[
        bool, _Text("--correct-hotwords", help="Write hotwords where the text sounds like them; JSON tells where.")
    ] = False
    drop_fillers: Annotated[
        bool, _Text("--drop-fillers", help="Leave out filler words (um, uh, ...); JSON tells which.")
    ] = False
    strip_marks: Annotated[bool, _Text("--strip-marks", help="Leave out all punctuation.")] = False
    rich_text: Annotated[
        bool, _Text("--rich-text", help="Show emotions and sounds as emoji, for models that hear them (SenseVoice).")
    ] = False


@dataclass(frozen=True, kw_only=True)
class OutputArguments:
    """Where results go and in which form."""

    format: Annotated[
        list[str],
        _Output(
            "--format", "-f", metavar="FORMATS", parser=option_types.formats,
            help="One or several, separated by commas or repeated: txt, json, jsonl, srt, vtt, ass, lrc, tsv, csv, md, "
            "rttm, ctm, textgrid.",
        ),
    ] = field(default_factory=lambda: ["txt"])  # fmt: skip
    output: Annotated[
        str | None, _Output("--output", "-o", metavar=_file, help="Write the one result to FILE; - is stdout.")
    ] = None
    output_dir: Annotated[
        Path | None,
        _Output(
            "--output-dir",
            "-d",
            metavar="DIR",
            help="Write under DIR, mirroring the inputs' folders; without it, beside each input.",
        ),
    ] = None


@dataclass(frozen=True, kw_only=True)
class CueArguments:
    """How subtitles are shaped."""

    subtitle_style: Annotated[
        Literal["netflix", "bbc", "youtube", "short"] | None,
        _Cues(metavar="netflix|bbc|youtube|short", help="Rules of a house; an option set on its own goes before them."),
    ] = None
    max_line_width: Annotated[int, _Cues(metavar="N", min=8, help="Characters a line.")] = _cues.max_line_width
    max_line_width_cjk: Annotated[int, _Cues(metavar="N", min=4, help="Full-width characters a line.")] = (
        _cues.max_line_width_cjk
    )
    max_lines: Annotated[int, _Cues(metavar="N", min=1, help="Lines a cue.")] = _cues.max_lines
    max_words: Annotated[int | None, _Cues(metavar="N", min=1, help="Words a cue; without it, as many as fit.")] = None
    min_cue: Annotated[float, _Cues(metavar="S", min=0, help="Shortest cue, seconds.")] = _cues.min_cue
    max_cue: Annotated[float, _Cues(metavar="S", min=0.5, help="Longest cue, seconds.")] = _cues.max_cue
    max_cps: Annotated[float, _Cues(metavar="N", min=1, help="Fastest reading, characters a second.")] = _cues.max_cps
    cue_gap: Annotated[int, _Cues(metavar="N", min=0, help="Least distance of two cues, frames of 1/24 s.")] = (
        _cues.cue_gap
    )
    dialogue: Annotated[bool, _Cues(help="Let two voices share a cue, a line each.")] = _cues.dialogue
    highlight_words: Annotated[bool, _Cues("--highlight-words", help="Mark each word while it is spoken.")] = False


@dataclass(frozen=True, kw_only=True)
class BatchArguments:
    """How many at once, and what is done again."""

    jobs: Annotated[
        int | None, _Batch("--jobs", "-j", metavar="N", min=1, help="Threads that decode; without it, one a core.")
    ] = None
    journal: Annotated[
        Path | None, _Batch(metavar=_file, help="Keep the record of what is done in FILE, not beside the outputs.")
    ] = None
    overwrite: Annotated[bool, _Batch("--overwrite", help="Replace outputs, even those edited since or not ours.")] = (
        False
    )
    skip_existing: Annotated[
        bool, _Batch("--skip-existing", help="Leave out inputs whose outputs exist, even if input or options changed.")
    ] = False
    dry_run: Annotated[
        bool, _Batch("--dry-run", "-n", help="Only show inputs, outputs, what would be skipped and why.")
    ] = False


@dataclass(frozen=True, kw_only=True)
class ReportArguments:
    """What is said on stderr."""

    quiet: Annotated[bool, _Report("--quiet", "-q", help="Say nothing but warnings and errors.")] = False
    log_json: Annotated[bool, _Report("--log-json", help="Report as JSON, one event a line.")] = False
