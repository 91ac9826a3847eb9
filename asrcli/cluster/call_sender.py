"""A thread that sends the calls of all engines."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import Future
from functools import partial
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

from asrcli.cluster.calls import Call, Replies
from asrcli.cluster.pooled_engine import PooledEngine

#: seconds in which calls are gathered
_GATHER = 0.02


class CallSender:
    """Sends the calls of all engines. Thread-safe."""

    def __init__(self) -> None:
        self._due: SimpleQueue[PooledEngine | None] = SimpleQueue()
        self._thread = Thread(target=self._send_all, name="cluster calls", daemon=True)
        self._thread.start()

    def call(self, engine: PooledEngine, method: str, arguments: tuple[Any, ...]) -> Future[Any]:
        """Call a method of an engine. The result has the error that Ray reports of the message, if there is one."""
        future = engine.calls.add(method, arguments)
        self._due.put(engine)
        return future

    def close(self) -> None:
        """Send what is to be sent; no further call is sent."""
        self._due.put(None)
        self._thread.join()

    def _send_all(self) -> None:
        while (engine := self._due.get()) is not None:
            time.sleep(_GATHER)
            engines: dict[int, PooledEngine | None] = {id(engine): engine}
            try:
                while True:
                    engine = self._due.get_nowait()
                    engines[id(engine)] = engine
            except Empty:
                pass
            for engine in engines.values():
                if engine is not None:
                    _send(engine)
            if None in engines.values():
                return


def _send(engine: PooledEngine) -> None:
    calls = engine.calls.take()
    if not calls:
        return
    try:
        engine.actor.call.remote(calls).future().add_done_callback(partial(_receive, engine, calls))
    except Exception as error:  # noqa: BLE001 -- the connection to the cluster is lost
        engine.calls.fail(error, calls)


def _receive(engine: PooledEngine, calls: Sequence[Call], message: Future[Replies]) -> None:
    if (error := message.exception()) is not None:
        engine.calls.fail(error, calls)
    else:
        engine.calls.settle(message.result())
