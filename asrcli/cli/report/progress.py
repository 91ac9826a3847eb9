"""Reports of batch events: lines of text, or JSON. `progress_bars` has those of a terminal.

A report is called with each event, in the thread that runs the batch.
"""

import json
import time
from pathlib import Path

from asrcli.batch import events
from asrcli.batch.inputs.paths import printable
from asrcli.batch.summary import Summary
from asrcli.cli.framework.console import Console, plain
from asrcli.errors import ExitCode
from asrcli.transcript import NO_SPEECH

#: interval of progress lines without a progress bar, seconds
_LINE_EVERY = 30.0

_ENDINGS = {ExitCode.INTERRUPTED: "interrupted", ExitCode.TERMINATED: "terminated"}


class JsonLog:
    """`--log-json`: each event as an object on a line of its own, with the time it happened (Unix seconds)."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def __call__(self, event: events.Event) -> None:
        body = event.to_dict()
        if self._console.debug and isinstance(event, events.FileFailed) and (trace := traceback_of(event)):
            body["error"]["traceback"] = trace
        line = json.dumps(
            {"schema": body.pop("schema"), "event": body.pop("event"), "time": round(time.time(), 3), **body}
        )
        self._console.line(line)


class Lines:
    """Lines of text: done, skipped and failed inputs. With `--quiet` only warnings and errors."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.total = 0
        self._finished = 0
        self._reported: dict[int, float] = {}

    def __call__(self, event: events.Event) -> None:
        handler = getattr(self, event.kind, None)
        if handler is not None:
            handler(event)

    def say(self, text: str) -> None:
        """A line that `--quiet` suppresses."""
        self.console.notice(text)

    def add(self, text: str) -> None:
        """A further line of the same message."""
        if not self.console.quiet:
            self.console.line(plain(text))

    def always(self, word: str, text: str, hint: str = "") -> None:
        """A line that `--quiet` does not suppress, and a hint."""
        self.console.line(f"asrcli: {word}{plain(text)}")
        if hint:
            self.console.line(f"  {hint}")

    def batch_started(self, event: events.BatchStarted) -> None:
        self.total = event.files

    def file_progress(self, event: events.FileProgress) -> None:
        of = f" of {clock(event.total)}" if event.total else ""
        self._report(event.index, f"{event.name}: {clock(event.done)}{of}")

    def file_download(self, event: events.FileDownload) -> None:
        self._report(event.index, f"{event.name}: downloaded {megabytes(event)}")

    def _report(self, index: int, text: str) -> None:
        """A line about a file in work, now and then."""
        now = time.monotonic()
        if now - self._reported.setdefault(index, now) >= _LINE_EVERY:
            self._reported[index] = now
            self.say(text)

    def file_done(self, event: events.FileDone) -> None:
        self._finished += 1
        for warning in event.warnings:
            if warning == NO_SPEECH:
                continue  # the line below contains it
            self.always(self.console.style("warning: ", "yellow"), f"{event.name}: {warning}")
        self.say(f"{self._place()}{done_text(event)}")

    def file_skipped(self, event: events.FileSkipped) -> None:
        from asrcli.batch.decision import SKIPPED_WITHOUT_RESULT

        self._finished += 1
        if event.reason in SKIPPED_WITHOUT_RESULT:
            self.always(self.console.style("warning: ", "yellow"), f"{event.name}: skipped: {event.explanation}")
        else:
            warnings = f", with warnings: {'; '.join(event.warnings)}" if event.warnings else ""
            self.say(f"{self._place()}{event.name}: skipped: {event.explanation}{warnings}")

    def file_failed(self, event: events.FileFailed) -> None:
        self._finished += 1
        text = failure_text(event.name, event.error.message)
        self.always(self.console.style("error: ", "red"), text, event.error.hint)
        if self.console.debug and (trace := traceback_of(event)):
            self.console.line(trace)

    def notice(self, event: events.Notice) -> None:
        self.say(event.message)

    def batch_finished(self, event: events.BatchFinished) -> None:
        first, *details = summary_lines(event.summary)
        self.say(first)
        for line in details:
            self.add(line)
        ending = _ENDINGS.get(event.summary.exit_code)
        if ending is not None:
            rest = "The same command transcribes the rest." if event.summary.resumable else "The stream was dropped."
            self.always("", f"{ending}.", f"Finished results are kept. {rest}")

    def _place(self) -> str:
        return f"[{self._finished}/{self.total}] " if self.total > 1 else ""


def megabytes(event: events.FileDownload) -> str:
    """As in "12 of 40 MB"."""
    return f"{event.done / 1e6:.0f}{f' of {event.total / 1e6:.0f}' if event.total else ''} MB"


def traceback_of(event: events.FileFailed) -> str:
    """The traceback of an internal error; "" for errors that need none."""
    import traceback

    cause = event.error.__cause__
    return "" if cause is None else "".join(traceback.format_exception(cause))


def done_text(event: events.FileDone) -> str:
    """As in "talk.mp3: 44 s at 82 x -> talk.txt, talk.srt"."""
    where = ", ".join(_short(path) for path in event.outputs.values())
    speed = f" at {pace(event.duration / event.wall)}" if event.wall > 0 else ""
    nothing = "" if event.segments else ", no speech"
    return f"{event.name}: {clock(event.duration)}{speed}{nothing}" + (f" -> {where}" if where else "")


def failure_text(name: str, message: str) -> str:
    """The message, with the input's name before it unless it is there already."""
    return message if name in message else f"{name}: {message}"


def summary_lines(summary: Summary) -> list[str]:
    """The closing lines: files, hours, speed, failures with reasons."""
    counts = [f"{summary.done} of {summary.total} {'file' if summary.total == 1 else 'files'} done"]
    counts += [f"{count} {word}" for count, word in ((summary.skipped, "skipped"), (summary.failed, "failed")) if count]
    if summary.without_result:
        counts.append(f"{summary.without_result} without a result")
    if summary.with_warnings:
        counts.append(f"{summary.with_warnings} with warnings")
    if summary.dropped:
        counts.append(f"{summary.dropped} not finished")
    if summary.gaps:
        counts.append(f"{summary.gaps} {'gap' if summary.gaps == 1 else 'gaps'} without text")
    text = ", ".join(counts)
    if summary.done:
        text += f"; {length(summary.audio_seconds)} of audio in {clock(summary.wall_seconds)}"
        text += f" ({pace(summary.speed)} real time)"
    lines = [text]
    if summary.failed and summary.total > 1:
        lines += [f"  failed: {failure_text(name, error.message)}" for name, error in summary.failures]
        if summary.failed > len(summary.failures):
            lines.append(f"  ... and {summary.failed - len(summary.failures)} more")
    return lines


def clock(seconds: float) -> str:
    """As in "12 s", "3:05", "1:02:03"."""
    if seconds >= 59.5:
        return timestamp(seconds)
    return f"{seconds:.0f} s" if seconds >= 9.95 or not seconds else f"{seconds:.1f} s"


def pace(ratio: float) -> str:
    """As in "82 x", "3.4 x"."""
    return f"{ratio:.0f} x" if ratio >= 9.95 else f"{ratio:.1f} x"


def length(seconds: float) -> str:
    """As in "44 s", "5:10", "12.50 hours"."""
    return f"{seconds / 3600:.2f} hours" if seconds >= 3600 else clock(seconds)


def timestamp(seconds: float) -> str:
    """As in "0:12", "3:05", "1:02:03"."""
    whole = round(seconds)
    hours, minutes = whole // 3600, whole // 60 % 60
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"


def _short(path: Path) -> str:
    here = Path.cwd()
    # In the root folder, where services run, nothing would show that the path is not absolute.
    return printable(path.relative_to(here) if path.is_relative_to(here) and here != here.parent else path)
