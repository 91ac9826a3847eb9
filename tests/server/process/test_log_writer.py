"""The server's log where nothing reads stderr: requests go on, what is not written is bounded and counted."""

from __future__ import annotations

import io
import json
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from asrcli.server.bounds import MAX_LOG
from asrcli.server.log_writer import ThreadedHandler
from tests.server.process.test_serve import client, serving


class StalledStream(io.StringIO):
    """Takes nothing until it is read."""

    def __init__(self) -> None:
        super().__init__()
        self.is_read = threading.Event()
        self.stalls = threading.Event()

    def write(self, text: str) -> int:
        self.stalls.set()
        assert self.is_read.wait(60)
        return super().write(text)


@contextmanager
def logging_to(stream: io.StringIO) -> Iterator[tuple[logging.Logger, ThreadedHandler]]:
    handler = ThreadedHandler(stream)
    handler.setFormatter(logging.Formatter("%(message)s"))
    logger = logging.getLogger("asrcli.server")
    before = logger.handlers, logger.propagate, logger.level
    logger.handlers, logger.propagate = [handler], False
    logger.setLevel(logging.INFO)
    try:
        yield logger, handler
    finally:
        logger.handlers, logger.propagate = before[:2]
        logger.setLevel(before[2])


@pytest.mark.bound("log lines while stderr is not read; they are dropped and counted")
def test_lines_that_are_not_read_are_bounded_and_counted() -> None:
    stream = StalledStream()
    with logging_to(stream) as (logger, handler):
        for number in range(80):
            logger.info("%d %s", number, "x" * (MAX_LOG // 64))
        assert stream.stalls.wait(60)
        stream.is_read.set()
        handler.flush()
        logger.info("last")
        handler.flush()
    lines = stream.getvalue().splitlines()
    kept = [line for line in lines if line.endswith("x")]
    assert [line.split()[0] for line in kept] == [str(number) for number in range(63)]
    assert sum(len(line) + 1 for line in kept) <= MAX_LOG
    assert lines[63:] == ["17 log lines were dropped: stderr was not read.", "last"]


def test_a_record_that_cannot_be_formatted_is_no_fault_of_the_one_who_logs(capsys: pytest.CaptureFixture[str]) -> None:
    stream = io.StringIO()
    with logging_to(stream) as (logger, handler):
        logger.info("%d", "no number")
        logger.info("good")
        handler.flush()
    assert stream.getvalue() == "good\n"
    assert "no number" in capsys.readouterr().err


@pytest.mark.slow
def test_requests_are_answered_while_nothing_reads_stderr(home: dict[str, Any]) -> None:
    with serving("--no-preload", env=home) as server:
        with client(server.listening()) as found:
            sent = 0
            while sent < 64 << 10:  # as much as a pipe holds, without the rest of the lines
                answer = found.get("/none", headers={"x-request-id": f"{sent:0100}"})
                assert answer.status_code == 404
                sent += 100
        server.process.terminate()
        assert server.ended() == 0
    requests = [event for event in server.events if event["event"] == "request"]
    assert len(requests) * 100 == sent
    assert json.dumps(server.events).count("dropped") == 0
