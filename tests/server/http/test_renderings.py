"""Results of jobs in other formats: long ones are rendered outside the server's process."""

from __future__ import annotations

import json
import os
import socket
import time
import tracemalloc
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from asrcli.errors import MachineError
from asrcli.formats import FORMATS
from asrcli.options import CueOptions
from asrcli.server.jobs import rendering
from asrcli.server.jobs import store as job_store
from asrcli.transcript import Segment, Transcript, Word, join_words

if TYPE_CHECKING:
    from tests.server.conftest import Running


def transcript_of(words: int) -> Transcript:
    found = [Word(f"wörd{number % 1000},", number * 0.4, number * 0.4 + 0.3) for number in range(words)]
    parts = [tuple(found[start : start + 12]) for start in range(0, words, 12)]
    segments = (
        Segment(number, part[0].start, part[-1].end, join_words(part), part) for number, part in enumerate(parts)
    )
    return Transcript("long", words * 0.4, tuple(segments))


LONG = transcript_of(20_000)
LONG_TEXT = json.dumps(LONG.to_dict())
LONG_PIECES = [LONG_TEXT[:1000].encode(), LONG_TEXT[1000:].encode()]


@pytest.mark.slow
def test_a_long_result_takes_no_computation_of_the_server(server: Running, client: httpx.Client) -> None:
    store = server.app.state.jobs.store
    job = store.add(client="a", name="long", fields={}, upload=None, url="http://example.com/", webhook=None)
    store.finish(job.id, result=LONG_TEXT)
    own, children = time.process_time(), os.times().children_user
    answer = client.get(f"/v1/jobs/{job.id}", params={"format": "srt"})
    own, children = time.process_time() - own, os.times().children_user - children
    assert answer.text == FORMATS["srt"].render(LONG, CueOptions())
    assert answer.headers["content-type"] == "application/x-subrip; charset=utf-8"
    assert own < children


def test_results_that_are_read_slowly_are_not_held_in_memory(server: Running, client: httpx.Client) -> None:
    store, text = server.app.state.jobs.store, "x" * (16 << 20)
    job = store.add(client="a", name="long", fields={}, upload=None, url="http://example.com/", webhook=None)
    store.finish(job.id, result=json.dumps({"text": text}))
    assert client.get("/health").status_code == 200  # what the first request imports would take long while traced
    with ExitStack() as stack:
        tracemalloc.start(1)
        stack.callback(tracemalloc.stop)
        for _ in range(4):
            line = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=30))
            line.sendall(f"GET /v1/jobs/{job.id} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
            assert line.recv(15) == b"HTTP/1.1 200 OK"
        assert tracemalloc.get_traced_memory()[1] < len(text)
    assert client.get(f"/v1/jobs/{job.id}").json()["result"] == {"text": text}


def test_a_long_result_is_read_in_few_pieces(tmp_path: Path) -> None:
    """SQLite walks from its start to each: 256 equal ones of 64 MiB took 3.3 s of CPU."""
    jobs, text = job_store.JobStore(tmp_path), json.dumps({"text": "x" * (16 << 20)})
    job = jobs.add(client="a", name="long", fields={}, upload=None, url="http://example.com/", webhook=None)
    jobs.finish(job.id, result=text)
    pieces = list(jobs.result(job.id))
    jobs.close()
    assert len(pieces[0]) == job_store._PIECE
    assert max(map(len, pieces)) <= job_store._MOST
    assert len(pieces) < 24
    assert b"".join(pieces) == text.encode()


@pytest.mark.parametrize("name", FORMATS)
def test_both_processes_render_alike(name: str) -> None:
    text, cues = json.dumps(transcript_of(50).to_dict()).encode(), CueOptions(max_line_width=30)
    [here] = rendering.render(iter([text]), name, cues)
    assert b"".join(rendering.render(iter([text[:9], text[9:99], text[99:]]), name, cues)) == here


def test_an_error_of_the_child_process_is_reported() -> None:
    with pytest.raises(RuntimeError, match="KeyError: 'doc'"):
        list(rendering.render(iter(LONG_PIECES), "doc", CueOptions()))


def test_a_killed_child_process_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendering, "_BOOT", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    with pytest.raises(MachineError, match="signal 9"):
        list(rendering.render(iter(LONG_PIECES), "srt", CueOptions()))
