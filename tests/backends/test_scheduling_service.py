"""Services that form their batches themselves: answers in any order, results so far, jobs that are aborted."""

from __future__ import annotations

import queue
from pathlib import Path

import numpy as np
import pytest

from asrcli.backends.process.engine_client import EngineClient
from asrcli.errors import EngineClosedError, EngineCrashError, EngineError

SERVICE = """
import os, threading
from asrcli.errors import EngineClosedError

class Writer:
    batch_size = 4
    notices = ("it was started in another way",)

    def __init__(self, spec):
        self.spec = spec
        self.held = {}

    def start(self, key, job, answer, growing):
        if job.request == "raise":
            raise ValueError("no such tone")
        if job.request == "die":
            os._exit(3)
        if job.request == "hold":
            self.held[key] = answer
            return
        if growing is not None:
            growing("one")
            growing("one two")
        text = f"one two {len(job.samples)} {job.priority}"
        threading.Thread(target=answer, args=(text,)).start()

    def abort(self, key):
        if key in self.held:
            self.held.pop(key)(EngineClosedError("cancelled"))

    def close(self):
        open(self.spec, "w").close()

def load(spec, threads):
    return Writer(spec)
"""
SOUND = np.zeros(3, np.float32)


@pytest.fixture
def kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "writing_service.py").write_text(SERVICE)
    monkeypatch.syspath_prepend(str(tmp_path))
    return "writing_service:load"


def test_results_so_far_come_before_the_answer(kind: str) -> None:
    grown: list[str] = []
    with EngineClient(threads=1) as engine:
        engine.load("writer", kind, None)
        assert engine.submit("writer", SOUND, priority=-1, growing=grown.append).result(30) == "one two 3 -1"
        assert grown == ["one", "one two"]
        assert engine.submit("writer", SOUND).result(30) == "one two 3 0"
        assert grown == ["one", "one two"]
        assert engine.notices("writer") == ("it was started in another way",)
        assert engine.notices("another") == ()


def test_a_started_job_is_aborted_alone_and_delays_no_other(kind: str) -> None:
    with EngineClient(threads=1) as engine:
        engine.load("writer", kind, None)
        held = [engine.submit("writer", SOUND, "hold") for _ in range(2)]
        assert engine.submit("writer", SOUND).result(30).startswith("one two")
        engine.cancel(held[0])
        with pytest.raises(EngineClosedError, match="cancelled"):
            held[0].result(30)
        assert not held[1].done()
        engine.cancel(held[1])
        assert isinstance(held[1].exception(30), EngineClosedError)


def test_an_exception_at_the_start_fails_its_own_job(kind: str) -> None:
    with EngineClient(threads=1) as engine:
        engine.load("writer", kind, None)
        with pytest.raises(EngineError, match="no such tone"):
            engine.submit("writer", SOUND, "raise").result(30)
        assert engine.submit("writer", SOUND).result(30)


def test_a_crash_costs_the_job_that_causes_it(kind: str) -> None:
    reports: queue.Queue[str] = queue.Queue()
    with EngineClient(threads=1) as engine:
        engine.load("writer", kind, None)
        assert engine.submit("writer", SOUND).result(30)
        with pytest.raises(EngineCrashError, match="exit status 3"):
            engine.submit("writer", SOUND, "die").result(30)
        assert engine.submit("writer", SOUND, growing=reports.put).result(30)
        assert [reports.get(timeout=30), reports.get(timeout=30)] == ["one", "one two"]


def test_a_service_that_is_unloaded_is_closed(kind: str, tmp_path: Path) -> None:
    with EngineClient(threads=1) as engine:
        engine.load("writer", kind, str(tmp_path / "closed"))
        engine.submit("writer", SOUND).result(30)
        engine.unload("writer")
        engine.load("another", kind, str(tmp_path / "other")).result(30)  # messages are read in order
        assert (tmp_path / "closed").exists()
        assert not (tmp_path / "other").exists()
