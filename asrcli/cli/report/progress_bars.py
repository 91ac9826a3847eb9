"""Progress bars on a terminal: one per file in work and one for the batch, with time left and speed."""

from typing import Any, Self

from rich.console import Console as RichConsole
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Column
from rich.text import Text

from asrcli.batch import events
from asrcli.cli.framework.console import Console, harmless, plain
from asrcli.cli.report.progress import Lines, clock, megabytes, pace, timestamp

#: maximum number of bars: of the files that were started first
_MOST = 8


class _Speed(ProgressColumn):
    """Seconds of audio a second."""

    def render(self, task: Task) -> Text:
        if "bytes" in task.fields:
            return Text()
        elapsed = task.finished_time if task.finished else task.elapsed
        return Text(pace(task.completed / elapsed) if elapsed and task.completed else "", style="cyan")


class _Position(ProgressColumn):
    """As in "1:30 of 12:00"."""

    def render(self, task: Task) -> Text:
        if "bytes" in task.fields:
            return Text()
        return Text(clock(task.completed) + (f" of {clock(task.total)}" if task.total else ""), style="dim")


class Bars(Lines):
    """The lines of `Lines`, above the bars."""

    def __init__(self, console: Console, *, show_segments: bool) -> None:
        super().__init__(console)
        self._show_segments = show_segments
        self._screen = RichConsole(stderr=True, soft_wrap=True, highlight=False, markup=False, emoji=False)
        whole = Column(no_wrap=True)
        self._progress = Progress(
            TextColumn("{task.description}", markup=False, table_column=whole),
            BarColumn(bar_width=None),
            _Position(whole),
            _Speed(whole),
            TimeRemainingColumn(compact=True, table_column=whole),
            console=self._screen,
            transient=True,
        )
        self._files: dict[int, TaskID] = {}
        self._processed: dict[int, float] = {}
        self._expected: dict[int, float] = {}
        self._whole: TaskID | None = None
        self._estimate = 0.0
        self._behind = 0.0

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def say(self, text: str) -> None:
        self._print(plain(text))

    add = say

    def always(self, word: str, text: str, hint: str = "") -> None:
        line = f"{word}{plain(text)}"
        self._print(f"{line}\n  {hint}" if hint else line)

    def _print(self, text: str) -> None:
        self._screen.print(Text.from_ansi(harmless(text)))

    def batch_started(self, event: events.BatchStarted) -> None:
        super().batch_started(event)
        self._estimate = event.estimate
        if event.files > 1:
            self._whole = self._progress.add_task(f"0/{event.files} files", total=event.estimate or None)

    def file_download(self, event: events.FileDownload) -> None:
        if event.index not in self._files:
            self._files[event.index] = self._progress.add_task("", visible=len(self._files) < self._most())
        share = 100 * event.done / event.total if event.total else None
        name = f"{_fit(event.name, self._room())}: {megabytes(event)}"
        total = None if share is None else 100.0
        self._progress.update(
            self._files[event.index], description=name, completed=share or 0.0, total=total, bytes=True
        )

    def file_started(self, event: events.FileStarted) -> None:
        if (download := self._files.pop(event.index, None)) is not None:
            self._progress.remove_task(download)
        self._expected[event.index] = event.estimate
        visible = len(self._files) < self._most()
        self._files[event.index] = self._progress.add_task(
            _fit(event.name, self._room()), total=event.estimate or None, visible=visible
        )

    def file_progress(self, event: events.FileProgress) -> None:
        if event.total is not None:
            self._expect(event.index, event.total)
        self._processed[event.index] = event.done
        if event.index in self._files:
            self._progress.update(self._files[event.index], completed=event.done, total=event.total)
        self._refresh()

    def segment(self, event: events.SegmentReady) -> None:
        if self._show_segments:
            segment = event.segment
            speaker = f"[{segment.speaker}] " if segment.speaker else ""
            line = Text(f"{timestamp(segment.start):>8}  ", style="dim")
            self._screen.print(line.append(plain(f"{speaker}{segment.text}"), style="not dim"))

    def file_done(self, event: events.FileDone) -> None:
        self._close(event.index, event.duration)
        super().file_done(event)
        self._refresh()

    def file_skipped(self, event: events.FileSkipped) -> None:
        self._close(event.index, 0.0)
        self._estimate -= event.duration or 0.0
        super().file_skipped(event)
        self._refresh()

    def file_failed(self, event: events.FileFailed) -> None:
        self._close(event.index, 0.0)
        super().file_failed(event)
        self._refresh()

    def batch_finished(self, event: events.BatchFinished) -> None:
        self._progress.stop()
        super().batch_finished(event)

    def _close(self, index: int, duration: float) -> None:
        """Remove a file's bar; its audio still counts for the batch."""
        task = self._files.pop(index, None)
        if task is not None:
            self._progress.remove_task(task)
            for shown in list(self._files.values())[: self._most()]:
                self._progress.update(shown, visible=True)
        self._expect(index, duration)
        self._expected.pop(index, None)
        self._processed.pop(index, None)
        self._behind += duration

    def _most(self) -> int:
        """As many bars as leave room for messages."""
        return max(1, min(_MOST, self._screen.height // 3))

    def _room(self) -> int:
        """Width of a name: what the numbers and a short bar leave."""
        return max(8, min(32, self._screen.width - 44))

    def _expect(self, index: int, seconds: float) -> None:
        """Replace a file's estimated length by its real one."""
        if index in self._expected:
            self._estimate += seconds - self._expected[index]
            self._expected[index] = seconds

    def _refresh(self) -> None:
        if self._whole is not None:
            completed: Any = self._behind + sum(self._processed.values())
            self._progress.update(
                self._whole,
                description=f"{self._finished}/{self.total} files",
                completed=completed,
                total=max(self._estimate, completed) or None,
            )


def _fit(name: str, width: int) -> str:
    shown = plain(name)
    return shown if len(shown) <= width else "..." + shown[3 - width :]
