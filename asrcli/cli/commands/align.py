"""`asrcli align`: a given text on the times of a recording."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, replace
from pathlib import Path
from typing import Any

import typer

from asrcli.cli.framework.command import examples, more_options, takes
from asrcli.cli.request.arguments import ModelArguments, QuietArguments
from asrcli.errors import UsageError
from asrcli.formats import FORMATS, Format, format_of
from asrcli.options import (
    AudioOptions,
    CueOptions,
    RawFormat,
    RecognitionOptions,
    ShorthandOptions,
    TranscribeOptions,
    VadOptions,
)
from asrcli.options.declarations import option
from asrcli.options.values import cue_options, transcribe_options
from asrcli.transcript import Transcript

_CUE_FILES = {".srt": "srt", ".vtt": "vtt"}


@dataclass(frozen=True, kw_only=True)
class AlignArguments(QuietArguments, ModelArguments):
    audio: Path = option(MISSING, "Recording.", metavar="AUDIO", positional=True)
    text: Path = option(
        MISSING, "What is spoken: a .txt, a line for each segment, or an .srt or .vtt whose times are replaced.",
        metavar="TEXT", positional=True,
    )  # fmt: skip
    format: str | None = option(
        None, "Output format; by default the suffix of -o, else that of TEXT, and srt for a .txt.", short="-f",
        panel="Output", choices=tuple(FORMATS), essential=True,
    )  # fmt: skip
    output: Path | None = option(
        None,
        "Write the result to FILE; - is stdout, the default.",
        short="-o",
        panel="Output",
        metavar="FILE",
        essential=True,
    )
    jobs: int | None = option(
        None, "Decoding threads; by default one per core.", short="-j", panel="Batch", metavar="N", low=1, high=4096
    )
    values: Mapping[str, Any] = more_options(
        ShorthandOptions, RecognitionOptions, RawFormat, AudioOptions, VadOptions, CueOptions
    )


@takes(AlignArguments)
@examples(
    """\
asrcli align talk.mp3 script.txt -o talk.srt
asrcli align film.mkv film.srt -o film.timed.srt   the same cues at the right times
asrcli align talk.mp3 script.txt -f json           each word: matched or interpolated"""
)
def align(ctx: typer.Context, arguments: AlignArguments) -> int:
    """Place a given text on the times of a recording.

    The recording is transcribed; words of the text that are recognised get their times, the words between are placed by
    their length. Cues of an srt or vtt keep their text, numbers and settings if the result has the same format.
    """
    from asrcli.alignment.cues import read_cues, retime
    from asrcli.alignment.placing import align_lines
    from asrcli.api import check_recording
    from asrcli.cli.framework.console import check_stdout
    from asrcli.cli.framework.settings import asked_for
    from asrcli.cli.request.conflicts import FLAG, RANKS, settle
    from asrcli.storage.atomic import check_writable
    from asrcli.storage.places import output_place
    from asrcli.storage.text import read_text

    ctx.obj.console.quiet = arguments.quiet
    levels = asked_for(ctx)
    arguments, (options, cues) = settle(arguments, levels, _options)
    output = arguments.output
    arguments = replace(arguments, output=None if output in {None, Path("-")} else output_place(output))
    for one in (arguments.audio, arguments.text):
        check_recording(str(one))
    form = _format(arguments, asked="format" in levels and RANKS[levels["format"]] == FLAG)
    form.check_installed()
    if arguments.output is None:
        check_stdout(form)
    else:
        check_writable(arguments.output)
    text = read_text(arguments.text, keep_line_ends=True)
    cue_file = _CUE_FILES.get(arguments.text.suffix.lower())
    lines = [cue.text for cue in read_cues(text)] if cue_file else [line.strip() for line in text.splitlines()]
    recognised = _transcribe(ctx, arguments, options)
    aligned = align_lines(recognised, lines if cue_file else [line for line in lines if line], options.audio.start)
    for warning in aligned.warnings:
        ctx.obj.console.warning(f"{arguments.audio}: {warning}")
    if form.name == cue_file:
        result: str | bytes = retime(text, aligned.segments, aligned.duration, vtt=cue_file == "vtt")
    else:
        kept = tuple(segment for segment in aligned.segments if segment.words)
        for segment in aligned.segments:
            if segment.text and not segment.words:
                ctx.obj.console.warning(f"{arguments.text}: a line has no words and is left out: {segment.text}")
        result = form.contents(replace(aligned, segments=kept), cues)
    _write(arguments.output, result)
    return 0


def _options(arguments: AlignArguments, _ranks: Mapping[str, int]) -> tuple[TranscribeOptions, CueOptions]:
    from asrcli.cli.request.conflicts import check_model
    from asrcli.cli.request.transcribe_request import read_all_hotwords

    check_model(arguments.values)
    hotwords = read_all_hotwords(arguments.values.get("hotwords", ()))
    return transcribe_options(arguments.values, hotwords), cue_options(arguments.values)


def _format(arguments: AlignArguments, *, asked: bool) -> Format:
    """`asked`: by a flag. What `-o` ends in overrides a format of the config file or a variable."""
    for one in (arguments.audio, arguments.text):
        if arguments.output is not None and arguments.output.exists() and arguments.output.samefile(one):
            raise UsageError(f"-o {arguments.output} is an input itself.", "Give the output another name.")
    named = format_of(arguments.output) if arguments.output is not None else None
    if arguments.format is not None and (asked or named is None):
        return FORMATS[arguments.format]
    if arguments.output is not None and named is None:
        raise UsageError(f"-o {arguments.output}: the format is unknown.", "Choose it with --format.")
    return named or FORMATS[_CUE_FILES.get(arguments.text.suffix.lower(), "srt")]


def _transcribe(ctx: typer.Context, arguments: AlignArguments, options: TranscribeOptions) -> Transcript:
    from asrcli.api import transcribe_file
    from asrcli.cli.request.model_choice import choose_models
    from asrcli.runtime import Runtime

    models = choose_models(ctx, arguments, options)
    with Runtime(models, jobs=arguments.jobs) as runtime:
        return transcribe_file(runtime, str(arguments.audio))


def _write(output: Path | None, contents: str | bytes) -> None:
    from asrcli.storage.atomic import staging

    data = contents if isinstance(contents, bytes) else contents.encode()
    if output is None:
        sys.stdout.buffer.write(data)
        return
    with staging() as outputs:
        outputs.add(output, data)
        outputs.commit()
