"""Results of jobs in other formats: long ones are rendered outside the server's process."""

from __future__ import annotations

import json
import os
import time
from typing import TYPE_CHECKING

import httpx
import pytest

from asrcli.errors import MachineError
from asrcli.formats import FORMATS
from asrcli.options import CueOptions
from asrcli.server.jobs import rendering
from asrcli.transcript import Segment, Transcript, Word, join_words

if TYPE_CHECKING:
    from tests.server.conftest import Running


def _transcript(words: int) -> Transcript:
    found = [Word(f"wörd{number % 1000},", number * 0.4, number * 0.4 + 0.3) for number in range(words)]
    parts = [tuple(found[start : start + 12]) for start in range(0, words, 12)]
    segments = (
        Segment(number, part[0].start, part[-1].end, join_words(part), part) for number, part in enumerate(parts)
    )
    return Transcript("long", words * 0.4, tuple(segments))


LONG = _transcript(20_000)
LONG_TEXT = json.dumps(LONG.to_dict())


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


@pytest.mark.parametrize("name", FORMATS)
def test_both_processes_render_alike(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text = json.dumps(_transcript(50).to_dict())
    here = rendering.render(text, name, CueOptions(max_line_width=30))
    monkeypatch.setattr(rendering, "_SHORT", 0)
    assert rendering.render(text, name, CueOptions(max_line_width=30)) == here


def test_an_error_of_the_child_process_is_reported() -> None:
    with pytest.raises(RuntimeError, match="KeyError: 'doc'"):
        rendering.render(LONG_TEXT, "doc", CueOptions())


def test_a_killed_child_process_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendering, "_BOOT", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    with pytest.raises(MachineError, match="signal 9"):
        rendering.render(LONG_TEXT, "srt", CueOptions())
