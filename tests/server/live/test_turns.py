from __future__ import annotations

import asyncio

from asrcli.server.live.turns import Turn, TurnQueue, Urgency


async def settle():
    for _ in range(5):
        await asyncio.sleep(0)


def story(told):
    return asyncio.run(told)


def test_the_most_urgent_goes_first_and_equals_in_order():
    async def told():
        queue, served = TurnQueue(1), []

        async def take(name, urgency):
            await queue.enter(Turn(urgency))
            served.append(name)

        await queue.enter(Turn(Urgency.FINAL))
        wants = [("update", Urgency.UPDATE), ("first", Urgency.FIRST), ("a", Urgency.FINAL), ("b", Urgency.FINAL)]
        tasks = [asyncio.create_task(take(*want)) for want in wants]
        for _ in wants:
            await settle()
            queue.leave()
        await asyncio.gather(*tasks)
        return served

    assert story(told()) == ["a", "b", "first", "update"]


def test_updates_leave_room_for_what_has_to_be_done():
    async def told():
        queue = TurnQueue(2)
        first, second, update, final = (Turn(Urgency(n)) for n in (2, 2, 3, 0))
        await queue.enter(first)
        updating = asyncio.create_task(queue.enter(update))
        await settle()
        assert not update.begun
        await queue.enter(final)  # at once
        queue.leave()
        await queue.enter(second)  # first words, too
        queue.leave()
        await settle()
        assert not update.begun
        queue.leave()
        await updating
        assert update.begun

    story(told())


def test_who_is_cancelled_takes_no_place():
    async def told():
        queue = TurnQueue(1)
        await queue.enter(Turn(Urgency.FINAL))
        waiting = asyncio.create_task(queue.enter(Turn(Urgency.FINAL)))
        granted = asyncio.create_task(queue.enter(Turn(Urgency.FIRST)))
        await settle()
        waiting.cancel()
        queue.leave()
        granted.cancel()  # in the moment in which its turn comes
        await asyncio.gather(waiting, granted, return_exceptions=True)
        await asyncio.wait_for(queue.enter(Turn(Urgency.UPDATE)), 5)

    story(told())


def test_urgency_can_be_raised_while_waiting():
    async def told():
        queue, low, high = TurnQueue(1), Turn(Urgency.UPDATE), Turn(Urgency.FIRST)
        await queue.enter(Turn(Urgency.FINAL))
        tasks = [asyncio.create_task(queue.enter(turn)) for turn in (low, high)]
        await settle()
        low.urgency = Urgency.FINAL
        queue.leave()
        await settle()
        assert (low.begun, high.begun) == (True, False)
        queue.leave()
        await asyncio.gather(*tasks)

    story(told())
