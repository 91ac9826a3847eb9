"""Calls that travel together, without Ray."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from asrcli.cluster.actor_pool import ActorPool
from asrcli.cluster.call_sender import CallSender
from asrcli.cluster.calls import Call, CallRunner, EngineCalls, Replies
from asrcli.cluster.pooled_engine import PooledEngine
from asrcli.errors import AsrcliError, ClusterError


class Node:
    """A node whose `transcribe` waits until it may end."""

    def __init__(self) -> None:
        self.started, self.may_end = Event(), Event()
        self.discarded: list[int] = []

    def transcribe(self, ticket: int) -> int:
        self.started.set()
        assert self.may_end.wait(60)
        return ticket

    def digest(self, path: Path) -> str:
        raise ValueError(path)

    def discard(self, ticket: int) -> None:
        self.discarded.append(ticket)


class Remote:
    """An actor that is called by Ray: `call.remote` returns a reference, whose future has the result or the error."""

    def __init__(self, runner: CallRunner | None) -> None:
        self._runner = runner
        self.sizes: list[int] = []

    @property
    def call(self) -> Remote:
        return self

    def remote(self, calls: list[Call]) -> Remote:
        self.sizes.append(len(calls))
        self._reply: Future[Replies] = Future()
        if self._runner is None:
            self._reply.set_exception(ConnectionError("lost"))
        else:
            self._reply.set_result(self._runner.start(calls))
        return self

    def future(self) -> Future[Replies]:
        return self._reply


def engine(actor: Any) -> PooledEngine:
    return PooledEngine(("node", 0), "node", actor, 1)


def test_results_are_collected_when_no_more_calls_run_than_have_ended() -> None:
    node = Node()
    runner = CallRunner(node)
    assert runner.start([Call(0, "transcribe", (7,)), Call(1, "discard", (3,)), Call(2, "transcribe", (8,))]) == [
        (1, None)
    ]
    assert node.discarded == [3]
    assert runner.finished(0.0) == []
    node.may_end.set()
    replies: Replies = []
    while len(replies) < 2:
        replies += runner.finished(60)
    assert sorted(replies) == [(0, 7), (2, 8)]


def test_an_error_of_one_call_is_its_result() -> None:
    runner = CallRunner(Node())
    assert runner.start([Call(0, "digest", (Path("a"),)), Call(1, "discard", (1,))]) == [(1, None)]
    [(number, error)] = runner.finished(60)
    assert number == 0
    assert isinstance(error, AsrcliError)


def test_calls_of_one_moment_travel_together() -> None:
    node = Node()
    node.may_end.set()
    actor = Remote(CallRunner(node))
    one = engine(actor)
    futures = [one.calls.add("discard", (ticket,)) for ticket in range(49)]
    sender = CallSender()
    futures.append(sender.call(one, "discard", (49,)))
    sender.close()
    assert [future.result(60) for future in futures] == [None] * 50
    assert node.discarded == list(range(50))
    assert actor.sizes == [50]


def test_calls_fail_with_the_message_that_has_them() -> None:
    one, sender = engine(Remote(None)), CallSender()
    future = sender.call(one, "transcribe", (1,))
    sender.close()
    with pytest.raises(ConnectionError):
        future.result(60)


def test_calls_of_a_lost_engine_fail_once() -> None:
    calls = EngineCalls()
    first, second = calls.add("transcribe", (1,)), calls.add("transcribe", (2,))
    [sent, _] = calls.take()
    calls.settle([(sent.number, "text")])
    calls.fail(ConnectionError("lost"))
    calls.fail(ConnectionError("again"))
    calls.settle([(1, "late")])
    assert first.result(0) == "text"
    with pytest.raises(ConnectionError, match="lost"):
        second.result(0)


class LostRay:
    """Ray's module, of a cluster without nodes; `lose` ends the connection."""

    class exceptions:  # noqa: N801 -- as Ray's
        RayError = RayTaskError = RuntimeError

    def __init__(self) -> None:
        self._lost = Event()
        self.lose = self._lost.set

    def remote(self, _class: type) -> LostRay:
        return self

    def options(self, **_: Any) -> None:
        raise AssertionError("no node has an engine")

    def nodes(self) -> list[Any]:
        if self._lost.is_set():
            raise ConnectionError("gone")
        return []

    def kill(self, _actor: Any) -> None:
        pass


@pytest.mark.timeout(60)
def test_files_in_work_end_with_the_connection() -> None:
    node = Node()
    one, ray = engine(Remote(CallRunner(node))), LostRay()
    one.ready = True
    with ActorPool(ray, factory=None, jobs=1) as pool, ThreadPoolExecutor(1) as threads:
        pool._engines[one.place] = one
        asked = threads.submit(pool.ask, "transcribe", 1, name="a.wav")
        assert node.started.wait(30)
        ray.lose()
        try:
            with pytest.raises(ClusterError, match="gone"):
                asked.result(30)
        finally:
            node.may_end.set()
            one.calls.settle([(0, 1)])
