"""`asrcli journal`: what a batch has done, failed and left open."""

import json
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import MISSING, dataclass
from pathlib import Path
from typing import Any, Literal

import typer

from asrcli.cli.framework.command import examples, takes
from asrcli.cli.request.arguments import JsonArguments
from asrcli.errors import ExitCode, UsageError
from asrcli.options import readers
from asrcli.options.declarations import option

app = typer.Typer(
    help="Show and export what a batch has done, and merge the journals of several machines.", no_args_is_help=True
)


@dataclass(frozen=True, kw_only=True)
class JournalShowArguments(JsonArguments):
    journal: Path = option(
        Path(), "Journal, or the folder of the outputs that it is in.", metavar="PATH", positional=True,
        show_default=False,
    )  # fmt: skip
    state: Literal["all", "done", "failed", "open"] = option("all", "Show only recordings in this state.")


@app.command()
@takes(JournalShowArguments)
@examples("asrcli journal show transcripts/\nasrcli journal show --state failed\nasrcli journal show run.jsonl --json")
def show(ctx: typer.Context, arguments: JournalShowArguments) -> None:
    """List the recordings of a journal: done, failed, or open because an output is missing.

    A journal has the recordings that a run has finished or failed. 'asrcli transcribe --dry-run' also shows those that
    no run has started, and whether recordings have changed since.
    """
    from asrcli.batch.inputs.paths import printable
    from asrcli.batch.journal import Journal
    from asrcli.batch.journal.inspection import entries
    from asrcli.cli.framework.console import plain

    journal = Journal(_existing(arguments.journal), read_only=True)
    try:
        found = entries(journal)
    finally:
        journal.close()
    for notice in journal.notices:
        ctx.obj.console.notice(notice)
    shown = [entry for entry in found if arguments.state in {"all", entry.state}]
    counts: Any = Counter(entry.state for entry in found)
    if arguments.as_json:
        summary = {state: counts[state] for state in ("done", "failed", "open")}
        print(json.dumps({"summary": summary, "recordings": [entry.to_dict() for entry in shown]}, indent=2))
        return
    for entry in shown:
        reason = f"  ({entry.reason})" if entry.reason else ""
        print(plain(f"{entry.state:6}  {printable(entry.recording)}{reason}"))
    ctx.obj.console.notice(f"{counts['done']} done, {counts['failed']} failed, {counts['open']} open.")


@dataclass(frozen=True, kw_only=True)
class MergeArguments:
    into: Path = option(MISSING, "Journal that gets the records; created if missing.", metavar="INTO", positional=True)
    journals: tuple[Path, ...] = option(MISSING, "Journals to read.", metavar="JOURNAL", positional=True)


@app.command()
@takes(MergeArguments)
@examples("asrcli journal merge text/.asrcli-journal.jsonl shard1.jsonl shard2.jsonl")
def merge(ctx: typer.Context, arguments: MergeArguments) -> None:
    """Add the records of journals to one, for example those of shards. Records that it has already are left out.

    Paths below a journal's folder are relative to that folder, so each journal must lie where its run wrote it, or
    where that folder is mounted on this machine.
    """
    from asrcli.batch import journal_of
    from asrcli.batch.journal import Journal
    from asrcli.storage.places import place_of

    place = place_of(arguments.into)
    sources = [_existing(path) for path in arguments.journals]
    into = journal_of(place or arguments.into) if place or arguments.into.is_dir() else arguments.into
    journal = Journal(into)
    try:
        for path in sources:
            added, damaged = journal.merge(path)
            note = f"; {damaged} damaged lines were passed over" if damaged else ""
            ctx.obj.console.notice(f"{path}: {added} records added{note}.")
    finally:
        journal.close()


@dataclass(frozen=True, kw_only=True)
class JournalExportArguments:
    journal: Path = option(
        MISSING, "Journal, or the folder of the outputs that it is in.", metavar="PATH", positional=True
    )
    folder: str = option(MISSING, "New folder, also in a store; - is stdout.", metavar="FOLDER", positional=True)
    format: Literal["jsonl", "parquet"] = option("jsonl", "A line of JSON, or a row of Parquet, for each result.")
    shard_size: int = option(
        256 << 20, "Size of the results in a file, as JSON: 64MB, 1GB.", metavar="SIZE", read=readers.size,
        low=1, high=1 << 50,
    )  # fmt: skip


@app.command()
@takes(JournalExportArguments)
@examples(
    "asrcli journal export transcripts/ shards --format parquet\n"
    "asrcli journal export s3://recordings/text s3://recordings/shards --format parquet\n"
    "asrcli journal export transcripts/ - | jq .text"
)
def export(ctx: typer.Context, arguments: JournalExportArguments) -> int:
    """Write the results of a batch to few files: JSON lines or Parquet shards.

    Reads the outputs in the format json that the journal records. Recordings without one, and those that have failed,
    are reported, and the exit status is then 1.
    """
    from asrcli.batch.export import MissingResult, ResultRow, results
    from asrcli.batch.export.shards import line_of, write_shards
    from asrcli.batch.inputs.paths import printable
    from asrcli.batch.journal import Journal
    from asrcli.storage.places import output_place

    if arguments.folder == "-" and arguments.format == "parquet":
        raise UsageError("Parquet is not written to stdout.", "Name a folder.")
    journal = Journal(_existing(arguments.journal), read_only=True)
    counts: Any = Counter()

    def rows() -> Iterator[ResultRow]:
        for found in results(journal):
            counts[type(found)] += 1
            if isinstance(found, MissingResult):
                ctx.obj.console.warning(f"{found.recording}: {found.reason}.")
            else:
                yield found

    try:
        if arguments.folder == "-":
            for row in rows():
                sys.stdout.buffer.write(line_of(row))
            where = ""
        else:
            folder = output_place(arguments.folder)
            files = write_shards(rows(), folder, arguments.format, arguments.shard_size)
            where = f" in {len(files)} {'file' if len(files) == 1 else 'files'} of {printable(folder)}"
    finally:
        journal.close()
    ctx.obj.console.notice(f"{counts[ResultRow]} results{where}; {counts[MissingResult]} recordings without one.")
    return ExitCode.SOME_FAILED if counts[MissingResult] else ExitCode.OK


def _existing(path: Path) -> Path:
    """The journal that a path means. Raises UsageError: there is none."""
    from asrcli.batch import journal_of
    from asrcli.storage.places import place_of

    place = place_of(path)
    file = journal_of(place or path) if place or path.is_dir() else path
    if not file.is_file():
        hint = "Name the journal, or the folder of the outputs; --journal of asrcli transcribe writes it elsewhere."
        raise UsageError(f"{file} is not a journal, or does not exist.", hint)
    return file
