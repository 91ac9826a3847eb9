"""`asrcli watch`: recordings to text as they arrive."""

from __future__ import annotations

import shlex
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import typer

from asrcli.cli.framework.command import examples, takes
from asrcli.cli.request.arguments import TranscribeArguments
from asrcli.errors import DiskFullError, ExitCode, RemoteUnavailableError, UsageError
from asrcli.options.declarations import option

if TYPE_CHECKING:
    from asrcli.batch.events import Event
    from asrcli.batch.results.processing import Processing
    from asrcli.batch.summary import Summary
    from asrcli.batch.watch.arrivals import ArrivalMonitor
    from asrcli.cli.framework.console import Console
    from asrcli.cli.request.transcribe_request import TranscribeRequest

_watch: Any = partial(option, panel="Batch", essential=True)
#: seconds to wait where the disk is full or the server of `--remote` does not answer
_PAUSE = 30.0


def _read_command(text: str) -> str:
    """The words of a command in the shell's syntax; stays text."""
    words = shlex.split(text)
    if not words:
        raise ValueError("the command is empty")
    return text


@dataclass(frozen=True, kw_only=True)
class WatchArguments(TranscribeArguments):
    inputs: tuple[str, ...] = option(
        (), "Folders in which recordings arrive, searched with their subfolders.", panel="Input", metavar="DIR",
        positional=True,
    )  # fmt: skip
    settle: float = _watch(
        10.0, "Seconds without a change of size or time after which a recording is complete.", metavar="S", low=0.1,
        high=86_400,
    )  # fmt: skip
    on_done: str | None = _watch(
        None, "Run COMMAND on each finished recording, without a shell; the paths of the recording and of its outputs "
        "follow as arguments.", metavar="COMMAND", read=_read_command,
    )  # fmt: skip


@takes(WatchArguments)
@examples(
    """\
asrcli watch recordings/ --format txt,srt
asrcli watch /mnt/dictation --settle 60 -d transcripts
asrcli watch inbox --on-done ./publish.sh         publish.sh RECORDING TRANSCRIPT"""
)
def watch(ctx: typer.Context, arguments: WatchArguments) -> int:
    """Transcribe recordings as they arrive in folders, until interrupted.

    A recording is complete when its size and times have not changed for --settle seconds, which also works on network
    shares. Results, names and the journal are those of transcribe: after an interruption the same command resumes.
    """
    from asrcli.batch.watch.on_done import OnDone
    from asrcli.cli.commands.transcribe import reporter
    from asrcli.cli.framework.settings import asked_for
    from asrcli.cli.request.lazy_runtime import LazyRuntime
    from asrcli.cli.request.model_choice import choose_models
    from asrcli.cli.request.transcribe_request import parse_request
    from asrcli.runtime import jobs_for

    if arguments.on_done is not None and shutil.which(program := shlex.split(arguments.on_done)[0]) is None:
        raise UsageError(f"--on-done: '{program}' is not a program that can be run.", "Give its path.")
    console: Console = ctx.obj.console
    console.quiet, console.log_json = arguments.quiet, arguments.log_json
    arguments, request = parse_request(arguments, asked_for(ctx))  # type: ignore[assignment]
    monitor = _monitor(arguments, request)
    if arguments.dry_run:
        from asrcli.batch.plan import make_plan
        from asrcli.cli.report.dry_run import show

        return show(ctx, arguments, request, make_plan(request.inputs))
    models = choose_models(ctx, arguments, request.options)
    for notice in models.notices:
        console.notice(notice)
    jobs = arguments.jobs or jobs_for(models.spec)
    on_done = OnDone(tuple(shlex.split(arguments.on_done))) if arguments.on_done else None
    console.notice(f"Watching {', '.join(arguments.inputs)}; Ctrl-C ends it.")
    with LazyRuntime(models, jobs) as engine, reporter(console, single=False, to_stdout=False, bars=False) as report:
        work = replace(request.work(engine.open, models), on_done=on_done)
        return _watch_on(console, monitor, work, jobs, report)


def _monitor(arguments: WatchArguments, request: TranscribeRequest) -> ArrivalMonitor:
    from asrcli.audio.containers.suffixes import MEDIA_SUFFIXES
    from asrcli.batch.watch.arrivals import ArrivalMonitor, check_folders

    if any(name is not None for name in (arguments.output, arguments.files_from, arguments.manifest)):
        raise UsageError("watch takes folders, and writes a file for each recording.", "Use --output-dir.")
    if arguments.partial:
        raise UsageError("--partial shows streams; watch takes folders.", "Leave it out.")
    if arguments.cluster is not None:
        raise UsageError("watch transcribes on this machine.", "Leave out --cluster, or run transcribe at intervals.")
    check_folders(request.inputs)
    return ArrivalMonitor(request.inputs, MEDIA_SUFFIXES, settle=arguments.settle)


def _watch_on(
    console: Console, monitor: ArrivalMonitor, work: Processing, jobs: int, report: Callable[[Event], None]
) -> int:
    """Transcribe what arrives until a signal, or an error that time does not cure."""
    from asrcli.batch.plan import Plan
    from asrcli.cli.commands.transcribe import interruptible, new_executor

    def on_event(event: Event) -> None:
        monitor.observe(event)
        if console.log_json or not _is_idle(event):
            report(event)

    while True:
        executor = new_executor(work, jobs, on_event)
        with interruptible(executor):
            summary = executor.run(Plan(()), monitor.scan, every=monitor.every)
        if not isinstance(summary.error, DiskFullError | RemoteUnavailableError) or executor.stopping:
            return _exit_code(summary, monitor)
        monitor.reset()
        console.warning(f"{summary.error} The next attempt is in {_PAUSE:.0f} s.")
        time.sleep(_PAUSE)


def _is_idle(event: Event) -> bool:
    """Whether an event only repeats that a recording was done before."""
    from asrcli.batch.events import FileSkipped

    return isinstance(event, FileSkipped) and event.reason in {"done", "kept"}


def _exit_code(summary: Summary, monitor: ArrivalMonitor) -> int:
    """That a signal ends the watch is no failure, unless it dropped a recording that was being transcribed."""
    if summary.error is not None or summary.dropped:
        return int(summary.exit_code)
    return int(ExitCode.SOME_FAILED if monitor.failing else ExitCode.OK)
