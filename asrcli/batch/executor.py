"""Runs a plan: feeder threads transcribe, one thread tells.

Feeders take inputs, ask the journal, transcribe, and write results as each is done; how many chunks are in flight is
the backend's business, so feeders only have to keep it fed. Everything that the caller hears of - events, results for
stdout - is told in the thread that called `run`, one after the other. A failure of one input is an event and a count;
only what dooms all inputs (a full disk, a model that cannot be had) ends the batch.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from queue import Empty, SimpleQueue
from threading import Semaphore, Thread

from asrcli.batch.events import BatchFinished, BatchStarted, Event, FileDone, FileFailed, FileSkipped, Notice
from asrcli.batch.journal_pool import Journals
from asrcli.batch.plan import Plan
from asrcli.batch.schedule import Schedule
from asrcli.batch.stop_signal import StopSignal
from asrcli.batch.summary import Summary, SummaryBuilder
from asrcli.batch.worker import Outcome, Processing, Worker
from asrcli.errors import ExitCode

#: messages that may wait for the thread that tells; a slow terminal slows the feeders, it does not fill the memory
_BACKLOG = 256
#: results for stdout that may wait for their turn, for each feeder
_AHEAD = 2
#: seconds that a batch that ends early waits for its feeders
_GRACE = 3.0
_POLL = 0.2


class _Ended:
    """A feeder has nothing left to do."""


class _Wake:
    """Look whether the batch is to end."""


_Message = Event | Outcome | _Ended | _Wake


def _ignore(event: Event) -> None:
    """Stands in where nobody listens."""


class Executor:
    """Runs one plan once."""

    def __init__(
        self,
        work: Processing,
        *,
        jobs: int = 2,
        waiting: int = 0,
        on_event: Callable[[Event], None] = _ignore,
        emit: Callable[[str], None] | None = None,
    ) -> None:
        """Get ready.

        Args:
            work: what to do.
            jobs: inputs that are read at once.
            waiting: inputs that, read to their end, may wait for the engine's last answers while others are read.
            on_event: told everything, in the thread of `run`.
            emit: takes the results for stdout, in the order of the inputs, in the thread of `run`; needed where a plan
                has such.
        """
        self._work = work
        self._jobs = max(1, jobs)
        self._feeders = self._jobs + waiting
        self._on_event = on_event
        self._emit = emit
        self._stop = StopSignal()
        self._interrupted: ExitCode | None = None
        self._deadline: float | None = None
        # SimpleQueue, because `cancel` may run in a signal handler that interrupts its `get`.
        self._messages: SimpleQueue[_Message] = SimpleQueue()
        self._room = Semaphore(_BACKLOG)

    def cancel(self, code: ExitCode = ExitCode.INTERRUPTED) -> None:
        """Drop what is in flight; what is finished stands. Safe in a signal handler and in any thread.

        Args:
            code: what the summary gives as exit code (130 for SIGINT, 143 for SIGTERM).
        """
        self._interrupted = self._interrupted or code
        self._stop.request()
        self._messages.put(_Wake())

    def run(self, plan: Plan) -> Summary:
        """Do everything in the plan.

        An exception in this thread (KeyboardInterrupt; whatever `on_event` and `emit` raise) drops what is in flight
        and goes on to the caller once nothing can be written any more.

        Raises:
            BrokenPipeError: the reader of a pipe among the outputs is gone.
        """
        started = time.monotonic()
        teller = _EventDispatcher(plan, self._on_event, self._emit)
        journals = Journals(on_notice=lambda message: self._post(Notice(message)))
        schedule = Schedule(plan.items, ahead=_AHEAD * self._feeders)
        feeders: list[Thread] = []
        try:
            teller.begin(plan, self._jobs)
            feeder = Worker(self._work, journals, schedule, self._stop, self._post, readers=self._jobs)
            feeders += self._start(feeder, len(plan.items))
            for message in self._until_end(len(feeders)):
                for _ in range(teller.tell(message)):
                    schedule.emitted()
        finally:
            self._end(feeders)
            journals.close()
        if self._stop.broken_pipe is not None:
            raise self._stop.broken_pipe
        summary = teller.tally.summary(time.monotonic() - started, self._stop.error, self._interrupted)
        self._on_event(BatchFinished(summary))
        return summary

    def _start(self, feeder: Worker, items: int) -> Iterator[Thread]:
        for number in range(min(self._feeders, items)):
            # Daemons: one that hangs in the engine must not keep the program from ending.
            thread = Thread(target=self._feed, args=(feeder,), name=f"feeder-{number}", daemon=True)
            thread.start()
            yield thread

    def _feed(self, feeder: Worker) -> None:
        try:
            feeder.run()
        finally:
            self._messages.put(_Ended())

    def _post(self, message: Event | Outcome) -> None:
        """Hand a message to the thread of `run`; waits while that one has too many."""
        while not self._room.acquire(timeout=_POLL):
            if self._stop.requested():
                return
        self._messages.put(message)

    def _until_end(self, running: int) -> Iterator[Event | Outcome]:
        """Yield messages until every feeder has ended, or has hung for too long after the request to stop."""
        while running:
            try:
                message = self._messages.get(timeout=self._patience() if self._stop.requested() else None)
            except Empty:
                return
            if isinstance(message, _Ended):
                running -= 1
            elif not isinstance(message, _Wake):
                self._room.release()
                yield message

    def _end(self, feeders: list[Thread]) -> None:
        """Make sure that nothing is written from here on, whatever a feeder that hangs may do later."""
        self._stop.request()
        for feeder in feeders:
            feeder.join(self._patience())
        self._stop.close(_GRACE)

    def _patience(self) -> float:
        """Seconds that feeders still have to end; they count from when this is asked first."""
        if self._deadline is None:
            self._deadline = time.monotonic() + _GRACE
        return max(0.0, self._deadline - time.monotonic())


class _EventDispatcher:
    """Counts, tells, and keeps the results for stdout in order."""

    def __init__(self, plan: Plan, on_event: Callable[[Event], None], emit: Callable[[str], None] | None) -> None:
        self.tally = SummaryBuilder(len(plan))
        self._on_event = on_event
        self._emit = emit
        self._turns = iter([item.index for item in plan.items if item.stdout is not None])
        self._turn = next(self._turns, None)
        self._held: dict[int, Outcome] = {}

    def begin(self, plan: Plan, jobs: int) -> None:
        self._on_event(BatchStarted(len(plan), sum(item.estimate for item in plan.items), jobs))
        for notice in plan.notices:
            self._on_event(Notice(notice))
        for problem in plan.problems:
            self.tally.failed(problem.name, problem.error)
            self._on_event(FileFailed(-1, problem.name, problem.error))

    def tell(self, message: Event | Outcome) -> int:
        """Tell one message; return how many results for stdout had their turn."""
        if isinstance(message, Event):
            self._on_event(message)
            return 0
        if message.item.stdout is None:
            self._settle(message)
            return 0
        self._held[message.item.index] = message
        count = 0
        while self._turn is not None and self._turn in self._held:
            self._settle(self._held.pop(self._turn))
            self._turn = next(self._turns, None)
            count += 1
        return count

    def _settle(self, outcome: Outcome) -> None:
        if outcome.text is not None and self._emit is not None:
            self._emit(outcome.text)
        match outcome.event:
            case FileDone(duration=duration):
                self.tally.done(duration)
            case FileSkipped():
                self.tally.skipped()
            case FileFailed(name=name, error=error):
                self.tally.failed(name, error)
        self._on_event(outcome.event)
