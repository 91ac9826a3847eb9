"""Runs a plan: worker threads transcribe, the calling thread reports.

Workers take inputs, decide by the journal what is left to do, transcribe, and write results as each is done; the
backend bounds how many chunks are in flight. Events and results for stdout are reported in the thread that called
`run`, one after the other. A failure of one input is an event and a count; only an error that every input would meet
(a full disk, a model that is not available) ends the batch.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Semaphore, Thread

from asrcli.batch.decision import SKIPPED_WITHOUT_RESULT
from asrcli.batch.events import BatchFinished, BatchStarted, Event, FileDone, FileFailed, FileSkipped, Notice
from asrcli.batch.journal.pool import JournalPool
from asrcli.batch.plan import Plan
from asrcli.batch.progress_listener import GrowingText, Outcome, TextPart
from asrcli.batch.recording import Item
from asrcli.batch.results.processing import Processing
from asrcli.batch.schedule import Schedule
from asrcli.batch.stop_signal import StopSignal
from asrcli.batch.summary import Summary, SummaryBuilder
from asrcli.batch.worker import Worker, as_asrcli_error
from asrcli.errors import ExitCode

#: messages that may wait for the reporting thread; a slow terminal slows the workers and does not fill the memory
_BACKLOG = 256
#: results for stdout that may wait for their turn, for each worker
_AHEAD = 2
#: seconds that a batch which ends early waits for its workers
_GRACE = 3.0
_POLL = 0.2


class _WorkerEnded:
    """A worker thread has nothing left to do."""


class _Wake:
    """Check whether the batch is to end."""


@dataclass(frozen=True, slots=True)
class _Arrived:
    """Further inputs of a growing batch."""

    count: int


_Message = Event | Outcome | TextPart | GrowingText | _Arrived | _WorkerEnded | _Wake

#: of a growing batch: finds the inputs that have arrived, which get the next indices; events are reported
Arrivals = Callable[[Callable[[Event], None]], Sequence[Item]]

_ENDING = "The recording ends here and is transcribed up to this point. Press Ctrl-C again to drop it."


def _ignore(_report: object) -> None:
    """The default receiver of events."""


class Executor:
    """Runs one plan once."""

    def __init__(
        self,
        work: Processing,
        *,
        jobs: int = 2,
        waiting: int = 0,
        on_event: Callable[[Event], None] = _ignore,
        emit: Callable[[int, str | bytes], None] | None = None,
        on_growing: Callable[[str], None] = _ignore,
    ) -> None:
        """`jobs`: inputs that are read at once; `waiting`: inputs read to their end that may wait for the engine's last
        results meanwhile; `on_event` receives events and `emit` the results for stdout (index of the input, whole or in
        parts, in the order of the inputs), `on_growing` the sentence that is being
        spoken, all in the thread of `run`.
        """
        self._work = work
        self._jobs = max(1, jobs)
        self._workers = self._jobs + waiting
        self._on_event = on_event
        self._emit = emit
        self._on_growing = on_growing
        self._stop = StopSignal()
        self._interrupted: ExitCode | None = None
        self._ending_reported = False
        #: indices of the unfinished inputs that are streams which can be ended; None before `run`
        self._streams: set[int] | None = None
        self._deadline: float | None = None
        # SimpleQueue, because `cancel` may run in a signal handler that interrupts its `get`.
        self._messages: SimpleQueue[_Message] = SimpleQueue()
        self._room = Semaphore(_BACKLOG)

    def cancel(self, code: ExitCode = ExitCode.INTERRUPTED) -> None:
        """End the batch. Safe in a signal handler and in any thread.

        Finished results are kept. Streams that are being read end where they are and are transcribed so far; all other
        inputs are dropped. Without streams, or when called again, everything unfinished is dropped.

        `code` is the summary's exit code if anything was dropped (130 for SIGINT, 143 for SIGTERM).
        """
        first = self._interrupted is None
        self._interrupted = self._interrupted or code
        if not first or self._streams == set():
            self._stop.cancelled = True
            self._stop.request()
        elif self._streams is not None:
            self._stop.end_streams()
        self._messages.put(_Wake())

    @property
    def reports_ending(self) -> bool:
        """Whether streams are being ended, which is not reported yet."""
        return self._stop.ending and not self._ending_reported

    @property
    def stopping(self) -> bool:
        """Whether unfinished inputs are being dropped."""
        return self._stop.cancelled

    def run(self, plan: Plan, arrivals: Arrivals | None = None, *, every: float = 1.0) -> Summary:
        """Do everything in the plan; with `arrivals`, also what arrives until `cancel` or a fatal
        error. `arrivals` is called in a thread of its own, with pauses of `every` seconds.

        An exception in this thread (KeyboardInterrupt; whatever `on_event` and `emit` raise) drops what is in flight
        and goes on to the caller once nothing can be written any more.

        Raises BrokenPipeError: the reader of a pipe among the outputs has closed it.
        """
        started = time.monotonic()
        growing = arrivals is not None
        schedule = Schedule(plan.items, ahead=_AHEAD * self._workers, growing=growing)
        dispatcher = _EventDispatcher(plan, schedule.shown, self._on_event, self._emit, self._on_growing)
        self._streams = {item.index for item in schedule.streams if _can_be_ended(item)}
        if self._interrupted is not None:  # before the run
            code, self._interrupted = self._interrupted, None
            self.cancel(code)
        journals = JournalPool(
            on_notice=lambda message: self._post(Notice(message)),
            keep_open=not growing,
            hash_file=self._work.hash_file,
        )
        threads: list[Thread] = []
        lost = {item.index for item in schedule.streams}
        try:
            dispatcher.begin(plan, schedule.estimate, self._jobs)
            worker = Worker(self._work, journals, schedule, self._stop, self._post, readers=self._jobs)
            threads += self._start(worker, self._workers if growing else len(plan.items))
            if arrivals is not None:
                self._start_thread("arrivals", self._feed, schedule, arrivals, every)
            for message in self._until_end(len(threads)):
                if isinstance(message, Outcome) and message.event is not None:
                    self._streams.discard(message.item.index)
                    lost.discard(message.item.index)
                for _ in range(dispatcher.report(message)):
                    schedule.emitted()
        finally:
            self._end(threads)
            journals.close()
        if self._stop.broken_pipe is not None:
            raise self._stop.broken_pipe
        interrupted = self._interrupted if dispatcher.tally.unfinished else None
        wall = time.monotonic() - started
        summary = dispatcher.tally.summary(wall, self._stop.error, interrupted, resumable=not lost)
        self._on_event(BatchFinished(summary))
        return summary

    def _start(self, worker: Worker, items: int) -> Iterator[Thread]:
        for number in range(min(self._workers, items)):
            yield self._start_thread(f"worker-{number}", self._work_on, worker)

    def _start_thread(self, name: str, target: Callable[..., None], *arguments: object) -> Thread:
        # Daemons: one that hangs in the engine or on a disk must not keep the program from ending.
        thread = Thread(target=target, args=arguments, name=name, daemon=True)
        thread.start()
        return thread

    def _feed(self, schedule: Schedule, arrivals: Arrivals, every: float) -> None:
        """Add what arrives to the schedule until the batch ends."""
        try:
            while not self._stop.requested():
                if items := arrivals(self._post):
                    self._messages.put(_Arrived(len(items)))
                    schedule.add(items)
                self._stop.wait(every)
        except Exception as error:  # noqa: BLE001 -- a batch without its arrivals must end, and not in silence
            self._stop.request(as_asrcli_error("search for recordings", error))
            self._messages.put(_Wake())

    def _work_on(self, worker: Worker) -> None:
        try:
            worker.run()
        finally:
            self._messages.put(_WorkerEnded())

    def _post(self, message: Event | Outcome | TextPart | GrowingText) -> None:
        """Hand a message to the thread of `run`; waits while that one has too many."""
        while not self._room.acquire(timeout=_POLL):
            if self._stop.requested():
                return
        self._messages.put(message)

    def _until_end(self, running: int) -> Iterator[Event | Outcome | TextPart | GrowingText | _Arrived]:
        """Yield messages until every worker has ended, or has hung for too long after the request to stop."""
        while running:
            if self.reports_ending and not self._stop.requested():
                self._ending_reported = True
                yield Notice(_ENDING)
            try:
                message = self._messages.get(timeout=self._grace_left() if self._stop.requested() else None)
            except Empty:
                return
            if isinstance(message, _WorkerEnded):
                running -= 1
            elif not isinstance(message, _Wake):
                if not isinstance(message, _Arrived):
                    self._room.release()
                yield message

    def _end(self, threads: list[Thread]) -> None:
        """Make sure that nothing is written from here on, even by a worker that hangs."""
        self._stop.request()
        for thread in threads:
            thread.join(self._grace_left())
        self._stop.close(_GRACE)

    def _grace_left(self) -> float:
        """Seconds that workers still have to end, counted from the first call."""
        if self._deadline is None:
            self._deadline = time.monotonic() + _GRACE
        return max(0.0, self._deadline - time.monotonic())


def _can_be_ended(item: Item) -> bool:
    """Whether ending an input early loses nothing: not so for a file that is read through stdin."""
    return item.stream and getattr(item.source.stream, "endable", True)


class _EventDispatcher:
    """Counts, reports, and keeps the results for stdout in order."""

    def __init__(
        self,
        plan: Plan,
        shown: Sequence[int],
        on_event: Callable[[Event], None],
        emit: Callable[[int, str | bytes], None] | None,
        on_growing: Callable[[str], None],
    ) -> None:
        self.tally = SummaryBuilder(len(plan))
        self._on_event = on_event
        self._emit = emit
        self._on_growing = on_growing
        self._turns = iter(shown)
        self._turn = next(self._turns, None)
        self._held: dict[int, Outcome] = {}
        self._parts: dict[int, str] = {}

    def begin(self, plan: Plan, estimate: float, jobs: int) -> None:
        self._on_event(BatchStarted(len(plan), estimate, jobs))
        for notice in plan.notices:
            self._on_event(Notice(notice))
        for problem in plan.problems:
            self.tally.failed(problem.name, problem.error)
            self._on_event(FileFailed(-1, problem.name, problem.error))

    def report(self, message: Event | Outcome | TextPart | GrowingText | _Arrived) -> int:
        """Report one message; return how many results for stdout had their turn."""
        if isinstance(message, _Arrived):
            self.tally.added(message.count)
            return 0
        if isinstance(message, Event):
            self._on_event(message)
            return 0
        if isinstance(message, GrowingText):
            self._on_growing(message.text)
            return 0
        if isinstance(message, TextPart):
            index = message.item.index
            self._parts[index] = self._parts.get(index, "") + message.text
            self._flush_parts()
            return 0
        if message.item.stdout is None:
            self._settle(message)
            return 0
        self._held[message.item.index] = message
        count = 0
        while self._turn is not None and self._turn in self._held:
            self._settle(self._held.pop(self._turn))
            self._turn = next(self._turns, None)
            self._flush_parts()
            count += 1
        return count

    def _flush_parts(self) -> None:
        """Write what is there of the input whose turn it is."""
        if self._turn is not None and self._emit is not None and (text := self._parts.pop(self._turn, "")):
            self._emit(self._turn, text)

    def _settle(self, outcome: Outcome) -> None:
        if outcome.text is not None and self._emit is not None:
            self._emit(outcome.item.index, outcome.text)
        if outcome.event is None:
            return
        match outcome.event:
            case FileDone(duration=duration, gaps=gaps, blocked=blocked, warnings=warnings):
                self.tally.done(duration, gaps, complete=not blocked, warned=bool(warnings))
            case FileSkipped(reason=reason, warnings=warnings):
                self.tally.skipped(complete=reason not in SKIPPED_WITHOUT_RESULT, warned=bool(warnings))
            case FileFailed(name=name, error=error):
                self.tally.failed(name, error)
        self._on_event(outcome.event)
