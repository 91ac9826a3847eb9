"""The part of a batch that runs on a node: one engine, which transcribes several files at once."""

import contextlib
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Lock, Semaphore
from typing import Any

from asrcli import __version__
from asrcli.audio.types import Samples
from asrcli.backends.loaded_models import LoadedModel
from asrcli.batch.events import Event, FileProgress, SegmentReady
from asrcli.batch.journal.records import OutputRecord
from asrcli.batch.progress_listener import GrowingText, Outcome, ProgressListener, Reading, TextPart
from asrcli.batch.recording import Item, Recording, hash_file
from asrcli.batch.results import LocalResult, ResultFacts
from asrcli.batch.results.processing import Processing, produce
from asrcli.batch.stop_signal import StopSignal
from asrcli.batch.worker import as_asrcli_error
from asrcli.cluster.calls import Call, CallRunner, Replies
from asrcli.cluster.node_engines import NodeEngines
from asrcli.cluster.shipping import ShippedModels
from asrcli.errors import AsrcliError, ClusterError, InputUnreadableError
from asrcli.storage.places import is_stored


@dataclass(frozen=True, slots=True)
class NodeWork:
    """The processing of a node, and the models whose jobs it does for other nodes, by what they are for."""

    #: None: the node only does jobs
    processing: Processing | None
    models: Mapping[Any, LoadedModel] = field(default_factory=dict)


#: opens the engine of a node with so many decoding threads; `shipped`: with these `ShippedModels`
WorkFactory = Callable[..., AbstractContextManager[NodeWork]]


@dataclass(frozen=True, slots=True)
class StagedReply:
    """The outputs of a file have temporary names, and wait for `commit`."""

    facts: ResultFacts
    outputs: Sequence[OutputRecord]
    segments: Sequence[SegmentReady]


class EngineActor:
    """A Ray actor. Errors are returned, not raised, so that a raised error means that the actor or its node is lost."""

    def __init__(self, factory: WorkFactory, jobs: int, folder: Path, *, segments: bool) -> None:
        """`folder`: the driver's working directory, to which paths may be relative; `segments`: report segments."""
        self._factory, self._jobs, self._folder, self._segments = factory, jobs, folder, segments
        self._stack = ExitStack()
        self._work: NodeWork | None = None
        self._others: NodeEngines | None = None
        # One more than decoding threads: while one file waits for a disk or for ffmpeg, another is read.
        self._places = Semaphore(jobs + 1)
        self._lock = Lock()
        self._running: dict[int, StopSignal] = {}
        self._staged: dict[int, LocalResult] = {}
        #: attempts that were given up before they began
        self._discarded: set[int] = set()
        self._calls = CallRunner(self)
        self._progress: dict[int, FileProgress] = {}

    def start(self, version: str, shipped: ShippedModels | None = None) -> AsrcliError | None:
        """Open the engine; `version`: that of the driver; `shipped`: models that this node lacks. The reason why it
        cannot be used, or None.
        """
        if version != __version__:
            return ClusterError(f"asrcli {__version__} is installed there, not {version}.", "Install the same version.")
        with contextlib.suppress(OSError):  # a folder of the driver alone; absolute paths work without it
            os.chdir(self._folder)
        try:
            factory = self._factory if shipped is None else partial(self._factory, shipped=shipped)
            self._work = self._stack.enter_context(factory(self._jobs))
            self._others = NodeEngines(self._work.models)
        except Exception as error:  # noqa: BLE001 -- whatever it is, this node cannot be used
            return as_asrcli_error("engine", error)
        return None

    def digest(self, path: Path) -> str | OSError:
        """Hash a recording."""
        try:
            return hash_file(path)
        except OSError as error:
            return error

    def transcribe(
        self, ticket: int, item: Item, recording: Recording | None, outputs: dict[str, Path]
    ) -> StagedReply | AsrcliError:
        """Transcribe a file and write its outputs under temporary names; `ticket` names this attempt."""
        assert self._work is not None
        assert self._work.processing is not None
        stop = StopSignal()
        segments: list[SegmentReady] = []

        def post(event: Event | Outcome | TextPart | GrowingText) -> None:
            if isinstance(event, FileProgress):
                self._progress[ticket] = event
            elif isinstance(event, SegmentReady) and self._segments:
                segments.append(event)

        with self._lock:
            self._running[ticket] = stop
            if ticket in self._discarded:
                stop.request()
        try:
            with Reading(self._places, stop) as reading:
                listener = ProgressListener(item, post, stop, reading, None)
                result = produce(self._work.processing, item, recording, outputs, listener)
            with ExitStack() as failed:
                failed.enter_context(result)
                records = result.stage(outputs)
                with self._lock:  # while the attempt is among those that run: `discard` finds one or the other
                    self._staged[ticket] = result
                failed.pop_all()
        except Exception as error:  # noqa: BLE001 -- one input's failure, of whatever kind, is a value
            return self._explained(item, error)
        finally:
            with self._lock:
                del self._running[ticket]
                self._progress.pop(ticket, None)
        if stop.requested():
            self.discard(ticket)
        return StagedReply(result.facts, records, segments)

    def _explained(self, item: Item, error: Exception) -> AsrcliError:
        """An error; a file that the driver has seen, but this node does not, is a question of mounts."""
        path = item.source.path
        if path is not None and not is_stored(path) and not os.path.exists(path):
            message = f"{item.source.name}: not found on the node {os.uname().nodename}."
            return InputUnreadableError(message, "Mount the folder of the recordings at the same path on every node.")
        return as_asrcli_error(item.source.name, error)

    def commit(self, ticket: int) -> AsrcliError | None:
        """Give the outputs of a file their names."""
        with self._lock:
            result = self._staged.pop(ticket)
        try:
            with result:
                result.commit(new=False)
        except Exception as error:  # noqa: BLE001 -- as in `transcribe`
            return as_asrcli_error("outputs", error)
        return None

    def discard(self, ticket: int) -> None:
        """End an attempt, or delete its outputs, which the driver does not want."""
        with self._lock:
            self._discarded.add(ticket)
            if stop := self._running.get(ticket):
                stop.request()
            result = self._staged.pop(ticket, None)
        if result is not None:
            with result:
                pass

    def load(self, purpose: Any) -> AsrcliError | None:
        """See that a model can be used. The reason why not, or None."""
        assert self._work is not None
        try:
            _ = self._work.models[purpose]
        except Exception as error:  # noqa: BLE001 -- as in `start`
            return as_asrcli_error("model", error)
        return None

    def do(self, purpose: Any, samples: Samples, request: Any, priority: int, order: int) -> Any:
        """A job of another node: the result, or the error."""
        assert self._work is not None
        model = self._work.models[purpose]
        try:
            return model.engine.submit(model.service, samples, request, priority=priority, order=order).result()
        except Exception as error:  # noqa: BLE001 -- of whatever kind, it is that of the job
            return error

    def call(self, calls: Sequence[Call]) -> Replies:
        """Call methods of this object; the results of those that take no time. `collect` has the others."""
        return self._calls.start(calls)

    def collect(self, pause: float, others: Mapping[int, Any]) -> tuple[list[FileProgress], Replies]:
        """The latest progress of each file, and the results of calls, after a pause in seconds or as soon as the engine
        may run out of work; `others`: the actors that do jobs for this one meanwhile, by number.
        """
        if self._others is not None:
            self._others.use(others)
        replies = self._calls.finished(pause)
        with self._lock:
            reports, self._progress = self._progress, {}
        return list(reports.values()), replies
