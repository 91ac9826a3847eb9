"""Whose turn it is: the queue alone, with work that the test ends."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from asrcli.server.bounds import MAX_AWAITED
from asrcli.server.errors import BusyError, TookTooLongError
from asrcli.server.http.admission import Admission, Admitted


class Work:
    """Waits for its gate, then reports its name."""

    def __init__(self, name: str, log: list[Any]) -> None:
        self.name, self.log = name, log
        self.gate, self.started = threading.Event(), threading.Event()
        self.was_stopped = False
        self.admitted: Admitted | None = None

    def __call__(self, admitted: Admitted) -> str:
        self.admitted = admitted
        self.started.set()
        while not self.gate.wait(0.01):
            if admitted.cancelled():
                self.was_stopped = True
                break
        self.log.append(self.name)
        return self.name


def run(story: Callable[..., Any], workers: int = 1, max_queue: int = 10) -> None:
    async def main() -> None:
        admission = Admission(workers, max_queue)
        try:
            await story(admission)
        finally:
            await asyncio.to_thread(admission.close)

    asyncio.run(main())


async def settled(count: int, admission: Admission) -> None:
    while admission.queued != count:  # noqa: ASYNC110 -- there is no event for it
        await asyncio.sleep(0)


def test_clients_take_turns() -> None:
    async def story(admission: Admission) -> None:
        log: list[str] = []
        works = [Work(name, log) for name in ("a1", "a2", "a3", "b1", "a4", "b2")]
        tasks = []
        for number, work in enumerate(works):
            tasks.append(asyncio.create_task(admission.run(work.name[0], work)))
            await settled(max(0, number), admission)
        for work in works:
            work.gate.set()
        assert await asyncio.gather(*tasks) == [work.name for work in works]
        assert log == ["a1", "a2", "b1", "a3", "b2", "a4"]
        assert (admission.queued, admission.running) == (0, 0)

    run(story)


def test_a_full_queue_refuses_at_once() -> None:
    async def story(admission: Admission) -> None:
        works = [Work(name, []) for name in "ab"]
        tasks = [asyncio.create_task(admission.run("c", work)) for work in works]
        await settled(1, admission)
        assert admission.full
        with pytest.raises(BusyError) as refused:
            await admission.run("d", Work("x", []))
        assert refused.value.retry_after > 0
        for work in works:
            work.gate.set()
        await asyncio.gather(*tasks)
        assert not admission.full

    run(story, max_queue=1)


def test_a_cancelled_wait_frees_its_place() -> None:
    async def story(admission: Admission) -> None:
        log: list[str] = []
        first, second, third = (Work(name, log) for name in ("1", "2", "3"))
        tasks = [asyncio.create_task(admission.run(work.name, work)) for work in (first, second, third)]
        await settled(2, admission)
        tasks[1].cancel()
        await settled(1, admission)
        first.gate.set()
        third.gate.set()
        assert await tasks[2] == "3"
        assert log == ["1", "3"]
        assert not second.started.is_set()

    run(story)


def test_time_over_stops_the_work_and_frees_the_place_only_when_it_has_ended() -> None:
    async def story(admission: Admission) -> None:
        slow, next_one = Work("slow", []), Work("next", [])
        next_one.gate.set()
        with pytest.raises(TookTooLongError):
            await admission.run("a", slow, timeout=0.1)
        assert await admission.run("b", next_one) == "next"
        assert slow.was_stopped
        waiting = Work("w", [])
        holder = asyncio.create_task(admission.run("a", waiting))
        await asyncio.to_thread(waiting.started.wait)
        with pytest.raises(TookTooLongError):
            await admission.run("b", Work("never", []), timeout=0.1)
        assert admission.queued == 0
        waiting.gate.set()
        await holder

    run(story)


def test_errors_of_the_work_are_its_callers() -> None:
    async def story(admission: Admission) -> None:
        def fails(_admitted: Admitted) -> None:
            raise KeyError("mine")

        def times_out(_admitted: Admitted) -> None:
            raise TimeoutError("mine too")

        with pytest.raises(KeyError):
            await admission.run("a", fails)
        with pytest.raises(TimeoutError, match="mine too"):
            await admission.run("a", times_out, timeout=30)
        assert admission.running == 0

    run(story)


def test_the_number_of_workers_grows_and_shrinks() -> None:
    async def story(admission: Admission) -> None:
        works = [Work(name, []) for name in "abcde"]
        tasks = []
        for number, work in enumerate(works):
            tasks.append(asyncio.create_task(admission.run("c", work)))
            await settled(number, admission)
        admission.resize(3)
        assert (admission.queued, admission.running) == (2, 3)
        admission.resize(1)
        for work in works[:2]:
            work.gate.set()
        await asyncio.gather(*tasks[:2])
        await asyncio.sleep(0)
        assert (admission.queued, admission.running) == (2, 1)
        for work in works:
            work.gate.set()
        assert await asyncio.gather(*tasks) == list("abcde")
        assert (admission.queued, admission.running, admission.full) == (0, 0, False)

    run(story)


def test_a_recording_that_is_read_frees_its_worker_but_not_without_limit() -> None:
    async def story(admission: Admission) -> None:
        works = [Work(str(number), []) for number in range(MAX_AWAITED + 3)]
        tasks = []
        for number, work in enumerate(works):
            tasks.append(asyncio.create_task(admission.run("c", work)))
            await settled(number, admission)
        for number, work in enumerate(works[: MAX_AWAITED + 1]):
            await asyncio.to_thread(work.started.wait)
            assert (admission.queued, admission.running) == (len(works) - 1 - number, number + 1)
            assert work.admitted is not None
            work.admitted.read()
            work.admitted.read()
        await asyncio.sleep(0)
        assert (admission.queued, admission.running) == (2, MAX_AWAITED + 1), "one that has read keeps its worker"
        works[0].gate.set()
        await tasks[0]
        await settled(1, admission)
        assert admission.running == MAX_AWAITED + 1
        for work in works:
            work.gate.set()
        assert await asyncio.gather(*tasks) == [work.name for work in works]
        assert (admission.queued, admission.running, admission.full) == (0, 0, False)

    run(story, max_queue=20)


def test_work_that_ends_before_its_reading_is_noted_leaves_nothing_behind() -> None:
    async def story(admission: Admission) -> None:
        def reads(admitted: Admitted) -> None:
            admitted.read()

        for _ in range(MAX_AWAITED + 2):
            await admission.run("a", reads)
        first, second = Work("1", []), Work("2", [])
        tasks = [asyncio.create_task(admission.run("a", work)) for work in (first, second)]
        await settled(1, admission)
        assert admission.running == 1, "the workers are as many as before"
        first.gate.set()
        second.gate.set()
        await asyncio.gather(*tasks)

    run(story)
