"""Options of commands that are not part of a transcript's options: inputs, outputs, models, the batch, messages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from asrcli.backends.registry import BACKEND_NAMES
from asrcli.cli.framework.command import more_options
from asrcli.errors import UsageError
from asrcli.formats import FORMATS
from asrcli.options import readers
from asrcli.options.declarations import option
from asrcli.options.values import GROUPS
from asrcli.transcript import WARNING_CODES, read_warning_codes

if TYPE_CHECKING:
    from asrcli.batch.decision import SkipRule

_input: Any = partial(option, panel="Input")
_output: Any = partial(option, panel="Output")
_model: Any = partial(option, panel="Recognition")
_batch: Any = partial(option, panel="Batch")
_messages: Any = partial(option, panel="Messages")


def _read_formats(text: str) -> str:
    """Names of output formats in any case, separated by commas; stays text, `split_list` takes it apart."""
    names = readers.split_list([text.lower()])
    for name in names:
        if name not in FORMATS:
            raise ValueError(f"'{name}' is not a format; choose from {', '.join(FORMATS)}")
    return ",".join(names)


def _read_template(text: str) -> str:
    from asrcli.batch.naming import NameTemplate

    NameTemplate(text).check()
    return text


def skip_rule(text: str) -> SkipRule:
    """A rule of `--skip-if`. Raises ValueError: it is none."""
    from asrcli.batch.decision import SkipRule

    kind, colon, language = text.partition(":")
    code = readers.language(language) if colon else None
    if kind not in {"subtitles", "audio"} or (kind == "audio" and not colon) or code == "auto":
        raise ValueError(f"'{text}' is not a rule; write subtitles, subtitles:LANG or audio:LANG")
    return SkipRule("audio" if kind == "audio" else "subtitles", code)


def _read_rules(text: str) -> str:
    """Rules separated by commas; stays text."""
    names = readers.split_list([text.lower()])
    for name in names:
        skip_rule(name)
    return ",".join(names)


def _read_codes(text: str) -> str:
    """Codes of warnings; stays text, as formats do."""
    return ",".join(read_warning_codes(text))


@dataclass(frozen=True, kw_only=True)
class InputArguments:
    """What is transcribed."""

    inputs: tuple[str, ...] = _input(
        (),
        "Files, folders (searched for audio and video), https:// addresses, s3://, gs://, az:// and sftp:// files and "
        "folders, or - for stdin.",
        metavar="INPUT",
        positional=True,
    )
    files_from: str | None = _input(
        None, "Read more inputs from FILE (- is stdin), one per line or separated by NUL.", metavar="FILE"
    )
    manifest: str | None = _input(
        None, "Read more inputs from FILE (- is stdin), a JSON object per line: input, output, offset, duration, "
        "channel, language, id, or the fields of NeMo and Lhotse.", metavar="FILE",
    )  # fmt: skip
    recursive: bool = _input(True, "Search subfolders.")
    include: tuple[str, ...] = _input((), "In folders, take only files that match; repeatable.", metavar="GLOB")
    exclude: tuple[str, ...] = _input((), "In folders, skip files that match; repeatable.", metavar="GLOB")
    fetch_networks: tuple[str, ...] = _input(
        (), "Private network that https:// inputs may be fetched from; repeatable.", name="fetch_network",
        metavar="CIDR", read=readers.network,
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class OutputArguments:
    """Where results go and in which formats."""

    format: tuple[str, ...] = _output(
        ("txt",),
        f"Output formats, separated by commas or repeated: {', '.join(FORMATS)}.",
        short="-f", metavar="FORMATS", read=_read_formats, essential=True,
    )  # fmt: skip
    output: str | None = _output(
        None, "Write the result of one input to FILE; - is stdout.", short="-o", metavar="FILE", essential=True
    )
    output_dir: Path | None = _output(
        None, "Write below DIR, mirroring the folders of the inputs; by default next to each input. Also s3://, gs://, "
        "az:// or sftp://.", short="-d",
        metavar="DIR", essential=True,
    )  # fmt: skip
    name: str | None = _output(
        None, "Name of the outputs without the format's suffix, as '{stem}.{language}'; fields: "
        "{stem}, {suffix}, {language}, {model}, {date}.", metavar="TEMPLATE", read=_read_template,
    )  # fmt: skip
    encoding: Literal["utf-8", "utf-8-sig", "utf-16", "gb18030"] = _output(
        "utf-8", "Encoding of the outputs; utf-8-sig and utf-16 begin with a byte order mark. JSON and WebVTT are "
        "always UTF-8.",
    )  # fmt: skip
    embed_audio: bool = _output(
        False, "Put the sound (MP3, about 27 MB an hour) into the pages of --format html, which can then be sent alone."
    )
    newline: Literal["lf", "crlf"] = _output("lf", "Line ends of the outputs; csv always has CRLF.")


@dataclass(frozen=True, kw_only=True)
class ModelDirArguments:
    """Where models are stored."""

    model_dir: Path | None = _model(None, "Folder of the models; by default in the user's data folder.", metavar="DIR")


@dataclass(frozen=True, kw_only=True)
class ModelArguments(ModelDirArguments):
    """Which model recognises speech."""

    model: str | None = _model(
        None, "Model name or folder; 'asrcli models' lists the names.", short="-m", metavar="MODEL", essential=True
    )
    fast: bool = _model(
        False, "Recognise with the small embedded English model: half the time, more errors.", negatable=False,
        essential=True,
    )  # fmt: skip
    backend: str = _model(
        "auto",
        "Backend that runs the model; auto: the one for its type. Without --model, the default model of the backend.",
        choices=("auto", *BACKEND_NAMES),
    )
    device: str | None = _model(
        None,
        "Device that runs the model: auto, cpu, cuda, cuda:1, mps or coreml; several GPUs with an engine process each, "
        "as cuda:0,cuda:1. By default that of the model's entry, else auto.",
        metavar="DEVICE", read=readers.device,
    )  # fmt: skip
    remote: str | None = _model(
        None,
        "Recognise speech on this server (OpenAI API, http://host:8000/v1); --model is the server's model name.",
        metavar="URL",
    )
    remote_audio: str | None = _model(
        None,
        "Audio format for the server; auto: FLAC, or WAV if the server does not read FLAC.",
        choices=("auto", "flac", "wav"),
    )
    remote_api_key: str | None = _model(None, "API key of the server; on a shared machine use a file.", metavar="KEY")
    remote_api_key_file: Path | None = _model(None, "File that contains the server's API key.", metavar="FILE")
    offline: bool = _model(False, "Never download a model; fail if one is missing.")

    @property
    def named(self) -> str | None:
        """The name of the model that is asked for; None: the default. Raises UsageError: `--fast` with another one."""
        if not self.fast:
            return self.model
        from asrcli.models import builtin

        if self.model is not None or self.remote is not None:
            raise UsageError("--fast excludes --model and --remote.", f"Use one of them; --fast is {builtin.NAME}.")
        return builtin.NAME


@dataclass(frozen=True, kw_only=True)
class BatchArguments:
    """Parallelism, and which inputs are transcribed again."""

    jobs: int | None = _batch(
        None, "Decoding threads; by default one per core.", short="-j", metavar="N", low=1, high=4096, essential=True
    )
    journal: Path | None = _batch(
        None, "Journal of finished inputs; by default a file next to the outputs.", metavar="FILE"
    )
    overwrite: bool = _batch(
        False, "Replace existing outputs, even if they were edited or not written by asrcli.", essential=True
    )
    skip_existing: bool = _batch(False, "Skip inputs whose outputs exist, even if the input or the options changed.")
    shard: str | None = _batch(
        None, "Transcribe only part I of N of the inputs, for runs on N machines; auto: the part of this task of a "
        "Slurm array, auto/N: of an indexed job of Kubernetes.", metavar="I/N|auto", read=readers.shard,
    )  # fmt: skip
    cluster: str | None = _batch(
        None, "Transcribe on the nodes of a Ray cluster, which share the folders: ray://HOST:10001, auto (the cluster "
        "of this machine) or local (starts one). --jobs is then the number of CPUs per engine.", metavar="ADDRESS",
        read=readers.cluster,
    )  # fmt: skip
    split_after: float = _batch(
        3600.0, "Recordings longer than this are recognised by several engines of the cluster, as soon as some are "
        "idle; seconds or hours:minutes:seconds.", metavar="TIME", read=readers.time,
        low=0, high=1e7,
    )  # fmt: skip
    ship_model: bool = _batch(False, "Send the models to nodes of the cluster that lack them.")
    skip_if: tuple[str, ...] = _batch(
        (), "Skip recordings: subtitles, subtitles:LANG (in a track or a file beside them), audio:LANG.",
        metavar="RULES", read=_read_rules,
    )  # fmt: skip
    fail_on: tuple[str, ...] = _batch(
        (), f"Warnings that fail a file (exit status 1): {', '.join(WARNING_CODES)}.", metavar="CODES",
        read=_read_codes,
    )  # fmt: skip
    dry_run: bool = _batch(
        False, "Only show inputs, outputs, and what would be skipped and why.", short="-n", negatable=False,
        essential=True,
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class QuietArguments:
    """How much is reported."""

    quiet: bool = _messages(False, "Report only warnings and errors.", short="-q", essential=True)


@dataclass(frozen=True, kw_only=True)
class ReportArguments(QuietArguments):
    """What is reported on stderr."""

    log_json: bool = _messages(False, "Report events as JSON, one per line.")


@dataclass(frozen=True, kw_only=True)
class JsonArguments:
    """The form of a command's result."""

    as_json: bool = option(False, "Print JSON.", name="json", negatable=False)


@dataclass(frozen=True, kw_only=True)
class TranscribeArguments(ReportArguments, BatchArguments, ModelArguments, OutputArguments, InputArguments):
    partial: bool = _messages(
        False, "Show the sentence that is being spoken on the terminal, while its text may still change (streams)."
    )
    #: set options by name: those above and those of a transcript
    values: Mapping[str, Any] = more_options(*GROUPS)
