"""What a batch does with each file, on the engines of a cluster: hash it, transcribe it, name its outputs."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Self

from asrcli.batch.decision import Decision
from asrcli.batch.events import FileProgress
from asrcli.batch.journal.records import OutputRecord
from asrcli.batch.progress_listener import ProgressListener
from asrcli.batch.recording import Item
from asrcli.batch.results import ResultLostError
from asrcli.cluster.actor_pool import ActorPool
from asrcli.cluster.engine_actor import StagedReply
from asrcli.cluster.pooled_engine import PooledEngine
from asrcli.errors import AsrcliError
from asrcli.storage.atomic import remove_stale_temporaries

#: threads of the driver: each waits for one file
MOST_THREADS = 2000
_FEWEST_THREADS = 256


class ClusterFiles:
    """`transcribe` and `hash_file` of `Processing`, on an `ActorPool`. Thread-safe; a context manager."""

    def __init__(self, pool: ActorPool) -> None:
        self._pool = pool
        self._tickets = count()
        self._folders: set[Path] = set()
        self._listeners: dict[int, ProgressListener] = {}
        pool.on_progress = self._report
        #: files that the driver has in work at once: those that wait for an engine are demand for nodes
        self.at_once = min(max(2 * pool.slots, _FEWEST_THREADS), MOST_THREADS)

    def _report(self, event: FileProgress) -> None:
        if listener := self._listeners.get(event.index):
            listener.post(event)

    def hash_file(self, path: Path) -> str:
        """The hash of a recording, read by a node. Raises OSError: it cannot be read."""
        absolute = Path(os.path.abspath(path))
        _, reply = self._pool.ask("digest", absolute, name=str(path))
        if isinstance(reply, Exception):
            raise reply
        return str(reply)

    def transcribe(self, item: Item, decision: Decision, listener: ProgressListener) -> RemoteResult:
        """Transcribe a file on a node, which writes the outputs under temporary names. Raises DroppedError: the batch
        is ending; AsrcliError: it cannot be transcribed.
        """
        assert item.source.path is not None
        # Paths as they are for a process whose working directory may be another.
        away = replace(item, source=replace(item.source, path=Path(os.path.abspath(item.source.path))))
        outputs = {suffix: Path(os.path.abspath(output)) for suffix, output in decision.make.items()}
        self._folders.update(Path(os.path.realpath(output)).parent for output in outputs.values())
        ticket = next(self._tickets)
        self._listeners[item.index] = listener
        try:
            engine, reply = self._pool.ask(
                "transcribe",
                ticket,
                away,
                decision.recording,
                outputs,
                name=item.source.name,
                seconds=item.estimate,
                dropped=listener.cancelled,
                undo=("discard", ticket),
            )
        finally:
            del self._listeners[item.index]
        if isinstance(reply, AsrcliError):
            raise reply
        for event in reply.segments:
            listener.post(event)
        return RemoteResult(self._pool, engine, ticket, reply)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool.lost_engines:
            for folder in self._folders:
                remove_stale_temporaries(folder)


class RemoteResult:
    """A result whose outputs lie under temporary names where a node has written them."""

    def __init__(self, pool: ActorPool, engine: PooledEngine, ticket: int, reply: StagedReply) -> None:
        self.facts = reply.facts
        self._pool, self._engine, self._ticket, self._outputs = pool, engine, ticket, reply.outputs
        self._open = True

    def stage(self, names: Mapping[str, Path]) -> Sequence[OutputRecord]:
        if self._engine.lost:
            raise ResultLostError
        return [replace(output, path=names[output.suffix]) for output in self._outputs]

    def commit(self, *, new: bool) -> None:
        del new  # only for streams, which are read on the driver
        self._open = False
        reply = self._pool.result(self._engine, "commit", self._ticket)
        if isinstance(reply, AsrcliError):
            raise reply

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._open:
            self._pool.call(self._engine, "discard", self._ticket)
