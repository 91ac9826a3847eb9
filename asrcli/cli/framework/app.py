"""The table of commands. A command's module is imported when the command runs, never for `asrcli --help`."""

from collections.abc import Iterator, MutableMapping
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperGroup

from asrcli.cli.framework.command import CONTEXT_SETTINGS, PanelGroup, examples, load, prepare


class Entry(NamedTuple):
    """One line of the table."""

    #: module of `asrcli.cli.commands`: has `app` (a Typer with subcommands) or a function named like the module
    module: str
    #: for the list in `asrcli --help`
    summary: str


#: In the order of `asrcli --help`. To add a command, write its module and add a line here.
COMMANDS = {
    "transcribe": Entry("transcribe", "Turn recordings into text, subtitles or JSON."),
    "watch": Entry("watch", "Transcribe recordings as they arrive in folders."),
    "align": Entry("align", "Place a given text on the times of a recording."),
    "serve": Entry("serve", "Serve OpenAI, Aliyun, FunASR, Deepgram and Wyoming clients."),
    "mcp": Entry("mcp", "Serve transcription as tools of the Model Context Protocol."),
    "models": Entry("models", "List, inspect, verify and remove models."),
    "download-model": Entry("download_model", "Download models of the catalogue."),
    "journal": Entry("journal", "Show and export what a batch has done, merge journals."),
    "speakers": Entry("speakers", "Enrol voices, so that --diarize labels them by name."),
    "evaluate": Entry("evaluate", "Score results: word and speaker errors, subtitles."),
    "config": Entry("config", "Show the settings in use and where each comes from."),
    "doctor": Entry("doctor", "Check the installation: engine, ffmpeg, models, disk, speed."),
    "bench": Entry("bench", "Measure the speed and memory of models."),
    "schema": Entry("schema", "Print the JSON Schema of transcripts or events."),
    "completion": Entry("completion", "Print the completion script of a shell."),
}


#: key of `ctx.meta`: the word in the place of a command
COMMAND_WORD = "asrcli.command-word"


class Commands(MutableMapping[str, Any]):
    """The commands by name, each built on first access."""

    def __init__(self) -> None:
        self._built: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self._built:
            self._built[name] = load(name, COMMANDS[name].module)
        return self._built[name]

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)

    def __setitem__(self, name: str, command: Any) -> None:
        self._built[name] = command

    def __delitem__(self, name: str) -> None:
        del self._built[name]


class LazyGroup(PanelGroup):
    """The program itself."""

    def __init__(self, **attributes: Any) -> None:
        attributes["commands"] = Commands()
        super().__init__(**attributes)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Keep the word for the error: a recording named in place of a command is met with the right command."""
        ctx.meta[COMMAND_WORD] = args[0]
        return super().resolve_command(ctx, args)

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 -- Click's signature
        """Names only: the inherited method builds every command."""
        return list(COMMANDS)

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 -- Click's signature
        """Take the summaries from the table, for the same reason."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.summary) for name, entry in COMMANDS.items()])


def _print_version(value: bool) -> None:
    if value:
        from asrcli import __version__

        print(f"asrcli {__version__}")
        raise typer.Exit


@examples(
    """\
asrcli transcribe interview.mp3                 text next to the recording
asrcli transcribe recordings/ --format txt,srt  a whole folder
ffmpeg -i talk.mkv -f wav - | asrcli transcribe -
asrcli download-model sensevoice-small          a better model
asrcli doctor                                   check the installation"""
)
def asrcli(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Transcribe speech on this machine: files, folders and pipes. Nothing is sent elsewhere unless you ask for it."""


def build() -> TyperGroup:
    """The program as a command tree, commands unloaded."""
    app = typer.Typer(cls=LazyGroup, rich_markup_mode=None, add_completion=False, context_settings=CONTEXT_SETTINGS)
    app.callback(no_args_is_help=True)(asrcli)
    group = typer.main.get_command(app)
    prepare(group)
    assert isinstance(group, TyperGroup)
    return group
