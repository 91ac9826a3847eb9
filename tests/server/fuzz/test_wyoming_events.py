"""Every field of every Wyoming event, from the server's description of them, with values that no client should send."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from asrcli.server.app import create_app
from asrcli.server.settings import ServerSettings
from tests.server.conftest import MODEL, Running

from .values import EXTREMES, Literal, field_paths, strictly_read, with_value, written

EVENTS = create_app(ServerSettings()).openapi()["x-wyoming"]
SOUND = {"rate": 16000, "width": 2, "channels": 1}
GOOD = {"audio-start": SOUND, "audio-chunk": SOUND}
HEADS = ["type", "data", "data_length", "payload_length", "version"]
#: seconds that an answer may take; generous, as machines that test are slow
PATIENCE = 150.0


@pytest.fixture(scope="module")
def server(serving: Callable[..., Any]) -> Iterator[Running]:
    with serving(wyoming_port=1, preload=(MODEL,)) as found:
        yield found


def cases() -> Iterator[str]:
    """First lines of events with one wrong value."""
    for kind, schema in EVENTS.items():
        for path in field_paths(schema):
            for text in EXTREMES:
                yield written({"type": kind, "data": with_value(GOOD.get(kind, {}), path, Literal(text))})
    for name in HEADS:
        for text in EXTREMES:
            yield written({"type": "ping", "data": {}} | {name: Literal(text)})


async def answer_to(server: Running, line: str) -> list[str]:
    """The types of what the server sends until it closes the connection, or until the last `transcript-stop`."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.wyoming_port)
    stop = b'{"type": "audio-stop"}\n'
    # The last lines end whatever the first one has started; junk at the end closes the connection.
    writer.write(line.encode() + b"\n" + stop + stop + b"[]\n")
    writer.write_eof()
    data = await asyncio.wait_for(reader.read(), PATIENCE)
    writer.close()
    return [strictly_read(each).get("type", "data") for each in data.replace(b"}{", b"}\n{").splitlines()]


def test_every_field_with_every_extreme_value(server: Running, caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        for line, kinds in zip(lines, await asyncio.gather(*(limited(line) for line in lines)), strict=True):
            assert kinds.count("error") == 1 or not kinds, (line, kinds)

    async def limited(line: str) -> list[str]:
        async with limit:
            return await answer_to(server, line)

    lines = list(cases())
    assert len(lines) > 300
    limit = asyncio.Semaphore(20)
    with caplog.at_level(logging.ERROR):
        asyncio.run(run())
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
