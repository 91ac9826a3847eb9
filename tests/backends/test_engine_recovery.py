"""The engine's process exits while it does several things: what did not cause it is done, and its cause is named."""

from __future__ import annotations

import os
import signal
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asrcli.backends.process.engine_client import EngineClient
from asrcli.errors import EngineClosedError, EngineCrashError, ModelError

from .test_engine_client import audio

# A service is loaded once there is no gate; "aborting" ones end the process, and
# "failing" ones while there is a gate.
SERVICE = """
import os, time
class Echo:
    batch_size = 1
    def run(self, jobs):
        if jobs[0].request == "abort":
            os.write(2, b"engine: bad chunk\\n")
            os._exit(255)
        while jobs[0].request and os.path.exists(jobs[0].request):
            time.sleep(0.01)
        return [float(jobs[0].samples.sum())]
def load(spec, threads):
    what, path = spec
    while what != "failing" and os.path.exists(path):
        time.sleep(0.01)
    if what == "aborting" or (what == "failing" and os.path.exists(path)):
        os.write(2, b"engine: bad weights\\n")
        os._exit(1)
    return Echo()
"""


@pytest.fixture
def kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "recovery_service.py").write_text(SERVICE)
    monkeypatch.syspath_prepend(str(tmp_path))
    return "recovery_service:load"


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    return tmp_path / "gate"


def test_a_model_that_loads_is_not_blamed_for_the_crash_of_another(kind: str, gate: Path) -> None:
    gate.touch()
    with EngineClient(threads=2) as engine:
        engine.load("bad", kind, ("good", "")).result(30)
        assert engine.submit("bad", audio(1)).result(30) == 1
        loading = engine.load("good", kind, ("good", str(gate)))
        early = engine.submit("good", audio(2))
        with pytest.raises(EngineCrashError, match="bad chunk"):
            engine.submit("bad", audio(1), "abort").result(60)
        assert not loading.done()
        gate.unlink()
        assert loading.result(60)["batch_size"] == 1
        assert early.result(60) == 2
        assert engine.submit("bad", audio(3)).result(60) == 3


def test_a_model_that_is_loaded_again_is_not_blamed_for_the_next_crash(kind: str, gate: Path) -> None:
    with EngineClient(threads=2) as engine:
        engine.load("bad", kind, ("good", "")).result(30)
        engine.load("good", kind, ("good", str(gate))).result(30)
        assert engine.submit("bad", audio(1)).result(30) == 1
        gate.touch()
        for _ in range(3):
            with pytest.raises(EngineCrashError, match="bad chunk"):
                engine.submit("bad", audio(1), "abort").result(60)
        gate.unlink()
        assert engine.submit("good", audio(2)).result(60) == 2


def test_one_of_two_models_that_load_ends_the_process(kind: str, gate: Path) -> None:
    gate.touch()
    with EngineClient(threads=2) as engine:
        good = engine.load("good", kind, ("good", str(gate)))
        waiting = engine.submit("good", audio(1))
        bad = engine.load("bad", kind, ("aborting", str(gate)))
        gate.unlink()
        with pytest.raises(ModelError, match=r"load the model bad .*bad weights"):
            bad.result(60)
        assert good.result(60)["batch_size"] == 1
        assert waiting.result(60) == 1


def test_a_model_that_ends_the_process_beside_a_job_is_refused_and_the_job_is_done(kind: str, gate: Path) -> None:
    gate.touch()
    with EngineClient(threads=1) as engine:
        engine.load("good", kind, ("good", "")).result(30)
        held = engine.submit("good", audio(1), str(gate))
        queued = engine.submit("good", audio(2))
        bad = engine.load("bad", kind, ("aborting", ""))
        restarted(engine, 1)
        gate.unlink()
        with pytest.raises(ModelError, match=r"load the model bad .*bad weights"):
            bad.result(60)
        assert (held.result(60), queued.result(60)) == (1, 2)


def restarted(engine: EngineClient, times: int) -> None:
    with engine._changed:
        assert engine._changed.wait_for(lambda: engine.restarts == times, timeout=60)


def test_a_model_that_can_no_longer_be_loaded_is_not_held_against_the_job(kind: str, gate: Path) -> None:
    with EngineClient(threads=1) as engine:
        engine.load("good", kind, ("good", "")).result(30)
        engine.load("bad", kind, ("failing", str(gate))).result(30)
        assert engine.submit("good", audio(1)).result(30) == 1
        gate.touch()
        with pytest.raises(EngineCrashError, match="bad chunk"):
            engine.submit("good", audio(1), "abort").result(60)
        assert engine.submit("good", audio(2)).result(60) == 2
        with pytest.raises(ModelError, match=r"load the model bad .*bad weights"):
            engine.submit("bad", audio(2)).result(60)
        assert engine.submit("good", audio(3)).result(60) == 3


def test_a_model_that_is_unloaded_during_a_recovery_fails_its_jobs(kind: str, gate: Path) -> None:
    with EngineClient(threads=1) as engine:
        engine.load("good", kind, ("good", "")).result(30)
        engine.load("idle", kind, ("good", "")).result(30)
        assert engine.submit("good", audio(1)).result(30) == 1
        gate.touch()
        held = engine.submit("good", audio(1), str(gate))
        lost = engine.submit("idle", audio(1))
        os.kill(engine.process_id, signal.SIGKILL)
        restarted(engine, 1)
        engine.unload("idle")
        with pytest.raises(EngineClosedError, match="idle was unloaded"):
            lost.result(60)
        gate.unlink()
        assert held.result(60) == 1
        assert engine.submit("good", audio(2)).result(60) == 2


def test_a_model_that_is_unloaded_before_it_is_loaded_fails_who_waits_for_it(kind: str, gate: Path) -> None:
    gate.touch()
    with EngineClient(threads=1) as engine:
        loading = engine.load("slow", kind, ("good", str(gate)))
        engine.load("other", kind, ("good", str(gate)))
        engine.unload("slow")
        with pytest.raises(EngineClosedError, match="slow was unloaded"):
            loading.result(60)
        os.kill(engine.process_id, signal.SIGKILL)
        gate.unlink()
        assert engine.submit("other", audio(2)).result(60) == 2


#: what happens to an engine with the models a, b and c: a load, a job, or a model that is unloaded
STEPS = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from(["good", "aborting", "job", "job", "abort", "unload"])),
    max_size=14,
)


@pytest.mark.slow
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_whatever_ends_the_process_all_is_answered_and_only_the_causes_fail(
    kind: str, steps: list[tuple[str, str]]
) -> None:
    """Jobs of a model follow its load, which is waited for; all else is at once."""
    loaded: dict[str, str] = {}
    answers: list[tuple[Future[Any], float | type[Exception]]] = []
    with EngineClient(threads=2) as engine:
        for number, (name, step) in enumerate(steps):
            if step in {"good", "aborting"} and name not in loaded:
                loaded[name] = step
                loading = engine.load(name, kind, (step, ""))
                if step == "good":
                    assert loading.result(60)["batch_size"] == 1
                    assert engine.submit(name, audio(1)).result(60) == 1  # a model without a result is given up
                else:
                    answers.append((loading, ModelError))
            elif step in {"job", "abort"} and loaded.get(name) == "good":
                wanted: float | type[Exception] = float(number) if step == "job" else EngineCrashError
                answers.append((engine.submit(name, audio(number), "" if step == "job" else step), wanted))
            elif step == "unload" and loaded.get(name) == "aborting":
                del loaded[name]
        for future, expected in answers:
            error = future.exception(60)
            assert (type(error) if error is not None else future.result()) == expected
        for name, what in loaded.items():
            assert engine.has(name) == (what == "good")
