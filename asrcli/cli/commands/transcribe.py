"""`asrcli transcribe`: recordings to text."""

from __future__ import annotations

import codecs
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import typer

from asrcli.backends.registry import preload_modules
from asrcli.cli.framework.command import examples, rewrites_arguments, takes
from asrcli.cli.request.arguments import TranscribeArguments
from asrcli.errors import DiskFullError, ExitCode, machine_error
from asrcli.formats import encoding_of
from asrcli.storage.hangup import hangup_signal

if TYPE_CHECKING:
    from asrcli.backends.process.engine_process import PrestartedEngine
    from asrcli.batch.events import Event
    from asrcli.batch.executor import Executor
    from asrcli.batch.plan import Plan
    from asrcli.batch.recording import Item
    from asrcli.batch.results.processing import Processing
    from asrcli.cli.framework.console import Console
    from asrcli.cli.report.growing_line import GrowingLine
    from asrcli.cli.request.transcribe_request import TranscribeRequest
    from asrcli.model_set import ModelSet

#: queued inputs per engine thread: short ones fill its batches, those that are decoded and those that follow
WAITING = 13
#: Seconds in which signals are one: `timeout` sends its own twice, programs that start others pass on what the terminal
#: has sent already. Until the first one is reported, no user means a second one.
_TWICE, _UNREPORTED = 0.1, 2.0
#: inputs that are looked at before the model is loaded
_LOOK_AT = 1000


def _accept_whisper_flags(ctx: typer.Context, arguments: list[str]) -> list[str]:
    from asrcli.cli.request.whisper_flags import translate

    arguments, ignored = translate(arguments)
    if ignored:
        ctx.obj.console.notice(f"Flags of whisper without effect here: {', '.join(ignored)}.")
    return arguments


@takes(TranscribeArguments)
@rewrites_arguments(_accept_whisper_flags)
@examples(
    """\
asrcli transcribe interview.mp3                         interview.txt next to it
asrcli transcribe *.mp4 --format srt,json -d subtitles  two files each, in subtitles/
asrcli transcribe archive/ --exclude '*draft*' -j 4     a folder and its subfolders
asrcli transcribe call.wav --channels split             one speaker per channel
asrcli transcribe meeting.wav --diarize --speakers 3    with speakers
asrcli transcribe talk.mkv --start 1:30 --end 5:00 -o -
asrcli transcribe talk.mp3 --remote http://gpu-box:8000/v1
ffmpeg -i in.mkv -f wav - | asrcli transcribe - --format srt > out.srt
arecord -f S16_LE -r 16000 -t raw -d 10 | asrcli transcribe - --raw s16le --rate 16000"""
)
def transcribe(ctx: typer.Context, arguments: TranscribeArguments) -> int:
    """Turn recordings into text, subtitles or JSON.

    Results are written next to each input, atomically; the result of stdin goes to stdout, segment by segment. A second
    run transcribes only new and changed inputs.
    """
    from asrcli.backends.process.engine_process import prestart
    from asrcli.backends.process.resource_limits import default_jobs

    ctx.obj.console.quiet = arguments.quiet
    ctx.obj.console.log_json = arguments.log_json
    if arguments.dry_run:
        from asrcli.cli.report.dry_run import show

        return show(ctx, *_understand(ctx, arguments))
    if arguments.remote is not None or arguments.backend == "remote" or arguments.cluster is not None:
        return _run(ctx, arguments, None)
    if _ran_before(arguments):
        return _run(ctx, arguments, None)  # probably most inputs are done: an engine is started when one is not
    # The engine process loads its modules, as long as it takes us to load ours and to look at the inputs.
    modules = preload_modules(arguments.named, None if arguments.backend == "auto" else arguments.backend)
    with ctx.obj.engine or prestart(arguments.jobs or default_jobs(), modules) as prestarted:
        return _run(ctx, arguments, prestarted)


def _ran_before(arguments: TranscribeArguments) -> bool:
    """Whether there is a journal of an earlier run."""
    from asrcli.batch import journal_of
    from asrcli.storage.places import place_of

    if arguments.overwrite or arguments.output is not None or "-" in arguments.inputs:
        return False
    if arguments.journal is not None:
        return arguments.journal.exists()
    inputs = [Path(name) for name in arguments.inputs]
    folders = {path if path.is_dir() else path.parent for path in inputs}
    return any(
        journal_of(place_of(folder) or folder).exists()
        for folder in ([arguments.output_dir] if arguments.output_dir else folders)
    )


def _understand(
    ctx: typer.Context, arguments: TranscribeArguments
) -> tuple[TranscribeArguments, TranscribeRequest, Plan]:
    from asrcli.audio.live_input import EndableStream
    from asrcli.batch.plan import make_plan
    from asrcli.cli.framework.settings import asked_for
    from asrcli.cli.request.transcribe_request import parse_request

    arguments, request = parse_request(arguments, asked_for(ctx))
    stdin = cast("BinaryIO", EndableStream(0)) if sys.stdin else None
    return arguments, request, make_plan(request.inputs, stdin=stdin)


def _run(ctx: typer.Context, arguments: TranscribeArguments, prestarted: PrestartedEngine | None) -> int:
    from asrcli.cli.framework.console import check_stdout
    from asrcli.cli.report.growing_line import GrowingLine
    from asrcli.cli.request.lazy_runtime import LazyRuntime
    from asrcli.cli.request.model_choice import choose_models
    from asrcli.runtime import jobs_for

    arguments, order, plan = _understand(ctx, arguments)
    check_stdout(order.formats[0], plan.shown)
    ensemble = choose_models(ctx, arguments, order.options)
    for notice in ensemble.notices:
        ctx.obj.console.notice(notice)
    if arguments.cluster is not None:
        return _run_on_cluster(ctx, arguments, order, ensemble, plan)
    jobs = arguments.jobs or jobs_for(ensemble.spec)
    to_stdout = plan.shown > 0
    with (
        LazyRuntime(ensemble, jobs, prestarted) as engine,
        reporter(ctx.obj.console, single=len(plan) == 1, to_stdout=to_stdout, growing=order.partial) as report,
    ):
        emit = _Stdout(order, plan)
        growing = report if isinstance(report, GrowingLine) else None
        if to_stdout or any(map(_is_new, islice(plan.items, _LOOK_AT))):
            engine.open()  # there is work for sure: load the model while the first inputs are read
        work = replace(order.work(engine.open, ensemble), partial=growing is not None)
        executor = new_executor(work, jobs, report, growing.before(emit) if growing else emit, growing)
        with interruptible(executor):
            summary = executor.run(plan)
    return int(summary.exit_code)


def _is_new(item: Item) -> bool:
    """Whether it is certain, without the journal, that an output is missing."""
    from asrcli.batch.naming import awaits_language
    from asrcli.storage.places import is_stored

    outputs = item.outputs.values()
    if awaits_language(item.outputs) or any(map(is_stored, outputs)):
        return False
    return not all(path.exists() for path in outputs)


def _run_on_cluster(
    ctx: typer.Context, arguments: TranscribeArguments, order: TranscribeRequest, models: ModelSet, plan: Plan
) -> int:
    from asrcli.batch.executor import Executor
    from asrcli.cli.request.cluster_batch import check_plan, cluster_processing

    check_plan(plan)
    console, single = ctx.obj.console, len(plan) == 1
    to_stdout = plan.shown > 0
    with (
        cluster_processing(arguments, order, models, segments=single or console.log_json, on_notice=console.notice) as (
            work,
            at_once,
        ),
        reporter(console, single=single, to_stdout=to_stdout) as report,
    ):
        executor = Executor(work, jobs=at_once, on_event=report, emit=_Stdout(order, plan))
        with interruptible(executor):
            return int(executor.run(plan).exit_code)


def reporter(console: Console, *, single: bool, to_stdout: bool, bars: bool = True, growing: bool = False) -> Any:
    """The event listener of this run, as a context manager. The segments of a `single` input are shown as they are
    recognised, but not twice on a terminal if the result goes `to_stdout`. Without `bars` a terminal gets lines,
    with `growing` also the sentence that is being spoken.
    """
    from asrcli.cli.framework.console import is_terminal
    from asrcli.cli.report.progress import JsonLog, Lines

    if console.log_json:
        return nullcontext(JsonLog(console))
    if console.quiet or not bars or not is_terminal(sys.stderr):
        return nullcontext(Lines(console))
    if growing:
        from asrcli.cli.report.growing_line import GrowingLine

        return GrowingLine(console)
    from asrcli.cli.report.progress_bars import Bars

    return Bars(console, show_segments=single and not (to_stdout and sys.stdout.isatty()))


def new_executor(
    work: Processing,
    jobs: int,
    on_event: Callable[[Event], None],
    emit: Callable[[int, str | bytes], None] | None = None,
    growing: GrowingLine | None = None,
) -> Executor:
    """An executor for so many decoding threads."""
    from asrcli.batch.executor import Executor

    # One more reader than there are decoding threads: while one waits for a disk or for ffmpeg, another reads on.
    show = growing.show if growing else lambda _text: None
    return Executor(work, jobs=jobs + 1, waiting=WAITING * jobs, on_event=on_event, emit=emit, on_growing=show)


class _Stdout:
    """Writes results to stdout; of the format txt, an empty line separates the texts of several inputs."""

    def __init__(self, request: TranscribeRequest, plan: Plan) -> None:
        self._request = request
        self._plan = plan
        self._apart = request.formats[0].name == "txt"
        self._encoding = encoding_of(request.formats[0].extension, request.encoding)
        self._encoder = codecs.getincrementalencoder(self._encoding)("replace")
        self._last: int | None = None

    def __call__(self, index: int, text: str | bytes) -> None:
        try:
            self._write(index, text)
        except OSError as error:
            streams = (item.index for item in self._plan.items if item.stream)
            if isinstance(machine_error(error), DiskFullError) and index in streams:
                hint = "What was read of the stream is not kept: free some space, then start the stream again."
                raise DiskFullError("No space left on the disk that stdout is written to.", hint) from error
            raise

    def _write(self, index: int, text: str | bytes) -> None:
        if isinstance(text, bytes):
            sys.stdout.buffer.write(text)
            sys.stdout.flush()
            return
        if self._apart and text and self._last not in {None, index}:
            text = "\n" + text
        if text:
            self._last = index
        text = self._request.text(text)
        if self._encoding == "utf-8":
            sys.stdout.write(text)
        elif text:  # one byte order mark for all results
            sys.stdout.buffer.write(self._encoder.encode(text))
        sys.stdout.flush()


@contextmanager
def interruptible(executor: Executor) -> Iterator[None]:
    """Ctrl-C, SIGTERM and SIGHUP end streams, then the batch in order; one more ends it at once."""
    codes = {signal.SIGINT: ExitCode.INTERRUPTED, signal.SIGTERM: ExitCode.TERMINATED}
    codes |= dict.fromkeys(hangup_signal(), ExitCode.TERMINATED)
    before = {number: signal.getsignal(number) for number in codes}
    last: float | None = None

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def cancel(number: int, _frame: Any) -> None:
        nonlocal last
        now = time.monotonic()
        if last is not None and now - last < (_UNREPORTED if executor.reports_ending else _TWICE):
            return
        last = now
        if executor.stopping:
            restore()
            signal.raise_signal(number)
        executor.cancel(codes[signal.Signals(number)])

    for number in codes:
        signal.signal(number, cancel)
    try:
        yield
    finally:
        restore()
