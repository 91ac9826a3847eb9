from __future__ import annotations

import asyncio
from typing import Any

from asrcli.server.live.decode_scheduler import DecodeScheduler, Priority, Slot


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def story(reported: Any) -> list[str] | None:
    return asyncio.run(reported)


def test_the_most_urgent_goes_first_and_equals_in_order() -> None:
    async def reported() -> list[str]:
        queue, served = DecodeScheduler(1), []

        async def take(name: str, priority: Priority) -> None:
            await queue.enter(Slot(priority))
            served.append(name)

        await queue.enter(Slot(Priority.FINAL))
        wants = [("update", Priority.UPDATE), ("first", Priority.FIRST), ("a", Priority.FINAL), ("b", Priority.FINAL)]
        tasks = [asyncio.create_task(take(*want)) for want in wants]
        for _ in wants:
            await settle()
            queue.leave()
        await asyncio.gather(*tasks)
        return served

    assert story(reported()) == ["a", "b", "first", "update"]


def test_updates_leave_places_for_final_decodes() -> None:
    async def reported() -> None:
        queue = DecodeScheduler(2)
        first, second, update, final = (Slot(Priority(n)) for n in (2, 2, 3, 0))
        await queue.enter(first)
        updating = asyncio.create_task(queue.enter(update))
        await settle()
        assert not update.started
        await queue.enter(final)  # at once
        queue.leave()
        await queue.enter(second)  # first words, too
        queue.leave()
        await settle()
        assert not update.started
        queue.leave()
        await updating
        assert update.started

    story(reported())


def test_who_is_cancelled_takes_no_place() -> None:
    async def reported() -> None:
        queue = DecodeScheduler(1)
        await queue.enter(Slot(Priority.FINAL))
        waiting = asyncio.create_task(queue.enter(Slot(Priority.FINAL)))
        granted = asyncio.create_task(queue.enter(Slot(Priority.FIRST)))
        await settle()
        waiting.cancel()
        queue.leave()
        granted.cancel()  # in the moment in which its turn comes
        await asyncio.gather(waiting, granted, return_exceptions=True)
        await asyncio.wait_for(queue.enter(Slot(Priority.UPDATE)), 5)

    story(reported())


def test_priority_can_be_raised_while_waiting() -> None:
    async def reported() -> None:
        queue, low, high = DecodeScheduler(1), Slot(Priority.UPDATE), Slot(Priority.FIRST)
        await queue.enter(Slot(Priority.FINAL))
        tasks = [asyncio.create_task(queue.enter(turn)) for turn in (low, high)]
        await settle()
        low.priority = Priority.FINAL
        queue.leave()
        await settle()
        assert (low.started, high.started) == (True, False)
        queue.leave()
        await asyncio.gather(*tasks)

    story(reported())
