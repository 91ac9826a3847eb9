"""`asrcli speakers`: enrol voices, so that `--diarize` calls them by name."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import MISSING, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from asrcli.cli.framework.command import examples, takes
from asrcli.cli.request.arguments import JsonArguments, ModelDirArguments
from asrcli.errors import InputError, UsageError
from asrcli.options import AudioOptions, SpeakerOptions, VadOptions
from asrcli.options.declarations import option

if TYPE_CHECKING:
    from asrcli.audio.types import Samples
    from asrcli.vad.types import Chunk

#: seconds of speech that are held at a time, and of which there must be some
_LONGEST_CHUNK, _LEAST_SPEECH = 30.0, 1.0

app = typer.Typer(
    help="""Enrol voices, so that --diarize labels them by name.

    Voice prints are stored on this machine, readable only by you, until you remove them. Enrol only people who agreed.
    """,
    no_args_is_help=True,
)


@dataclass(frozen=True, kw_only=True)
class EnrollArguments(ModelDirArguments):
    name: str = option(MISSING, "Name of the person.", metavar="NAME", positional=True)
    clips: tuple[Path, ...] = option(
        MISSING, "Recordings in which only this person speaks; 10 to 30 s are enough.", metavar="CLIP", positional=True
    )
    replace: bool = option(False, "Replace the voice print of the same name.")
    diarization_model: str | None = option(
        None, "Speaker segmentation model: a name or path.", metavar="MODEL", models="segmentation"
    )
    embedding_model: str | None = option(
        None, "Speaker embedding model: a name or path. Voice prints depend on it.", metavar="MODEL", models="embedding"
    )
    vad: bool = option(True, "Refuse clips without speech; --no-vad accepts any.")


@app.command()
@takes(EnrollArguments)
@examples(
    """\
asrcli speakers enroll Ada ada.wav
asrcli speakers enroll "Grace Hopper" talk1.mp3 talk2.mp3
asrcli speakers enroll Ada better.wav --replace"""
)
def enroll(ctx: typer.Context, arguments: EnrollArguments) -> None:
    """Make a voice print of NAME from recordings."""
    from asrcli.backends.process.engine_client import EngineClient
    from asrcli.models.registry import Registry
    from asrcli.speakers.enrol import VoiceStore, check_name, default_folder, enrol
    from asrcli.speakers.loading import set_up, thresholds

    check_name(arguments.name)
    options = SpeakerOptions(
        enabled=True, segmentation_model=arguments.diarization_model, embedding_model=arguments.embedding_model
    )
    with EngineClient(1) as host:
        diarization = set_up(host, Registry(arguments.model_dir), options)
        voice = enrol(
            arguments.name,
            [(str(clip), _speech(clip, vad=arguments.vad)) for clip in arguments.clips],
            diarization.new,
            model=diarization.embedding.name,
            digest=diarization.embedding.digest,
            voice_threshold=thresholds(diarization.spec).voice,
        )
    VoiceStore(default_folder()).save(voice, replace=arguments.replace)
    ctx.obj.console.notice(f"enrolled {voice.name} from {voice.seconds:.0f} s of speech ({voice.model}).")


@app.command("list")
@takes(JsonArguments)
@examples("asrcli speakers list\nasrcli speakers list --json")
def list_(ctx: typer.Context, arguments: JsonArguments) -> None:
    """List the enrolled voices."""
    from asrcli.speakers.enrol import VoiceStore, default_folder

    prints = [print_.to_dict() for print_ in VoiceStore(default_folder()).prints()]
    if arguments.as_json:
        hidden = {"embedding", "schema"}
        voices = [{key: value for key, value in print_.items() if key not in hidden} for print_ in prints]
        print(json.dumps({"voices": voices}, indent=2, ensure_ascii=False))
        return
    if not prints:
        ctx.obj.console.notice("no voice is enrolled; see 'asrcli speakers enroll --help'.")
    for print_ in prints:
        print(f"{print_['name']:24} {print_['model']:28} {print_['seconds']:6.1f} s  {print_['created'][:10]}")


@dataclass(frozen=True, kw_only=True)
class RemoveArguments:
    name: str = option(MISSING, "Name, as printed by 'asrcli speakers list'.", metavar="NAME", positional=True)


@app.command()
@takes(RemoveArguments)
@examples("asrcli speakers remove Ada")
def remove(ctx: typer.Context, arguments: RemoveArguments) -> None:
    """Delete every voice print of NAME."""
    from asrcli.speakers.enrol import VoiceStore, default_folder

    name = arguments.name
    count = VoiceStore(default_folder()).remove(name)
    if not count:
        raise UsageError(f"No voice is enrolled as {name!r}.", "List them with: asrcli speakers list")
    ctx.obj.console.notice(f"deleted {count} voice print{'s' if count > 1 else ''} of {name}.")


def _speech(path: Path, *, vad: bool) -> Iterator[Samples]:
    """The clip, if there is speech in it: noise may resemble a voice to segmentation."""
    from asrcli.audio.types import SAMPLE_RATE
    from asrcli.vad import Segmenter

    segmenter = Segmenter(VadOptions(enabled=vad), _LONGEST_CHUNK)
    spoken = 0
    for block in _blocks(path):
        spoken += _length(segmenter.push(block))
        yield block
    if spoken + _length(segmenter.finish()) < _LEAST_SPEECH * SAMPLE_RATE:
        raise InputError(f"{path} contains no speech.", "Enrol with a clip of the person speaking.")


def _length(chunks: list[Chunk]) -> int:
    return sum(region.end - region.start for chunk in chunks for region in chunk.regions)


def _blocks(path: Path) -> Iterator[Samples]:
    from asrcli.audio import open_audio
    from asrcli.audio.types import Source

    try:
        with open_audio(Source(str(path), path), AudioOptions()) as stream:
            for block in stream.blocks():
                yield block[:, 0]
    except InputError as error:
        raise type(error)(f"{path}: {error.message}", error.hint) from error
