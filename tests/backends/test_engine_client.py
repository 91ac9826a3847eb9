"""The engine process from our side: answers, batches, crashes, cancellation, and leaving nothing behind."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import threading
from pathlib import Path

import numpy as np
import pytest

from asrcli.backends.process.engine_client import EngineClient
from asrcli.errors import EngineCrashError, EngineError, MachineError, ModelCrashError, ModelError

# Services that do in the engine process what an engine may do there, on request.
SERVICE = """
import os, signal, time
from asrcli.backends.process import engine_log

class Echo:
    def __init__(self, batch_size):
        self.batch_size = batch_size
    def run(self, jobs):
        out = []
        for job in jobs:
            if job.request == "abort":
                os.write(2, b"engine: bad metadata\\n")
                os._exit(255)
            if job.request == "segfault":
                signal.raise_signal(signal.SIGSEGV)
            if job.request == "too few":
                continue
            if job.request == "exit":
                raise SystemExit(3)
            if job.request == "no data" or (job.request == "but for 2" and job.samples.sum() == 2):
                out.append(lambda: None)
                continue
            if job.request == "raise":
                out.append(ValueError("no such tone"))
            elif job.request == "hold":
                time.sleep(30)
            elif isinstance(job.request, tuple):
                while os.path.exists(job.request[1]):
                    time.sleep(0.01)
                out.append(None)
            elif job.request in {"complain", "listen"}:
                mark = engine_log.own.mark()
                if job.request == "complain":
                    os.write(2, b"\\nCaught exception:\\n\\naxis 1 does not fit\\n")
                out.append(engine_log.own.complaint_since(mark))
            elif job.request == "batch":
                out.append((len(jobs), sorted(len(other.samples) for other in jobs)))
            else:
                out.append((float(job.samples.sum()), len(job.samples), os.getpid()))
        return out

def load(spec, threads):
    if spec == "abort":
        os.write(2, b"engine: not a model\\n")
        os._exit(1)
    if isinstance(spec, tuple):
        while os.path.exists(spec[1]):
            time.sleep(0.01)
    if spec == "raise" or isinstance(spec, tuple):
        raise FileNotFoundError("model.onnx")
    return Echo(spec if isinstance(spec, int) else 1)

def load_all_fail(spec, threads):
    class Broken:
        batch_size = 4
        def run(self, jobs):
            raise RuntimeError("whole batch")
    return Broken()
"""


@pytest.fixture
def kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "host_test_service.py").write_text(SERVICE)
    monkeypatch.syspath_prepend(str(tmp_path))
    return "host_test_service:load"


def audio(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float32)


def test_every_job_gets_its_own_answer(kind: str) -> None:
    with EngineClient(threads=2) as host:
        host.load("echo", kind, None)
        futures = [host.submit("echo", np.full(n, 0.5, np.float32)) for n in range(200)]
        assert [future.result(30)[:2] for future in futures] == [(n * 0.5, n) for n in range(200)]


def test_the_engine_is_another_process(kind: str) -> None:
    with EngineClient(threads=1) as host:
        host.load("echo", kind, None)
        pid = host.submit("echo", audio(1)).result(30)[2]
    assert pid != os.getpid()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.parametrize("death", ["abort", "segfault"])
def test_a_crash_costs_the_job_that_causes_it_and_no_other(kind: str, death: str) -> None:
    with EngineClient(threads=2) as host:
        host.load("echo", kind, None)
        futures = [host.submit("echo", audio(n), death if n in {7, 30} else None) for n in range(60)]
        for n, future in enumerate(futures):
            if n in {7, 30}:
                with pytest.raises(EngineCrashError, match="signal 11" if death == "segfault" else "bad metadata"):
                    future.result(60)
            else:
                assert future.result(60)[0] == n
        assert host.restarts >= 2


def test_a_killed_engine_is_replaced(kind: str) -> None:
    with EngineClient(threads=1) as host:
        host.load("echo", kind, None)
        first = host.submit("echo", audio(1)).result(30)[2]
        os.kill(first, signal.SIGKILL)
        total, _, second = host.submit("echo", audio(2)).result(30)
        assert (total, second != first) == (2, True)


def test_what_a_terminal_sends_to_all_processes_does_not_end_the_engine(kind: str) -> None:
    with EngineClient(threads=1) as host:
        host.load("echo", kind, None)
        first = host.submit("echo", audio(1)).result(30)[2]
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
            os.kill(first, number)
        assert host.submit("echo", audio(2)).result(30)[2] == first
        assert host.restarts == 0


def test_an_exception_fails_its_own_job(kind: str) -> None:
    with EngineClient(threads=1) as host:
        host.load("echo", kind, 4)
        futures = [host.submit("echo", audio(n), "raise" if n == 2 else None) for n in range(8)]
        with pytest.raises(EngineError, match="no such tone"):
            futures[2].result(30)
        assert [f.result(30)[0] for n, f in enumerate(futures) if n != 2] == [0, 1, 3, 4, 5, 6, 7]


@pytest.mark.parametrize(
    ("request_", "reason"), [("exit", "SystemExit"), ("no data", "pickle"), ("too few", "0 results")]
)
def test_what_is_no_answer_is_an_error_and_no_thread_is_lost(kind: str, request_: str, reason: str) -> None:
    with EngineClient(threads=1) as host:
        host.load("echo", kind, None)
        for _ in range(3):
            with pytest.raises(EngineError, match=reason):
                host.submit("echo", audio(1), request_).result(30)
        assert host.submit("echo", audio(2)).result(30)[0] == 2
        assert host.restarts == 0


def test_an_answer_that_cannot_be_sent_fails_its_own_job_of_a_batch(kind: str, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    gate.touch()
    with EngineClient(threads=1, max_in_flight=8) as host:
        host.load("echo", kind, 4).result(30)
        host.submit("echo", audio(0), ("until gone", str(gate)))
        futures = [host.submit("echo", audio(number), "but for 2") for number in range(4)]
        gate.unlink()
        with pytest.raises(EngineError, match="pickle"):
            futures.pop(2).result(30)
        assert [future.result(30)[0] for future in futures] == [0, 1, 3]


def test_a_service_that_raises_for_its_batch_fails_that_batch(kind: str) -> None:
    with EngineClient(threads=1) as host:
        host.load("broken", f"{kind}_all_fail", None)
        with pytest.raises(EngineError, match="whole batch"):
            host.submit("broken", audio(1)).result(30)


@pytest.mark.parametrize(
    ("spec", "error", "message"), [("abort", ModelError, "not a model"), ("raise", EngineError, "model.onnx")]
)
def test_a_model_that_cannot_be_loaded_is_an_error_for_its_jobs_and_for_later_ones(
    kind: str, spec: str, error: type[Exception], message: str
) -> None:
    with EngineClient(threads=1) as host:
        loading = host.load("bad", kind, spec)
        with pytest.raises(error, match=message):
            loading.result(30)
        with pytest.raises(error, match=message):
            host.submit("bad", audio(1))
        host.load("good", kind, None)
        assert host.submit("good", audio(3)).result(30)[0] == 3


def test_jobs_submitted_while_a_model_loads_fail_with_its_reason(kind: str, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    gate.touch()
    with EngineClient(threads=1) as host:
        host.load("bad", kind, ("raise when gone", str(gate)))
        early = host.submit("bad", audio(1))
        gate.unlink()
        with pytest.raises(EngineError, match=r"model\.onnx"):
            early.result(30)


def test_batches_join_jobs_of_like_length(kind: str, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    gate.touch()
    with EngineClient(threads=1, max_in_flight=64) as host:
        host.load("echo", kind, 8).result(30)
        # Its one thread is kept busy until everything below is queued.
        blocker = host.submit("echo", audio(0), ("until gone", str(gate)))
        lengths = [100, 10, 101, 11, 102, 12, 103, 13]
        futures = [host.submit("echo", np.zeros(n, np.float32), "batch", order=at) for at, n in enumerate(lengths)]
        # Orders are read in turn: once this one is answered, all the above are queued.
        last = host.submit("echo", audio(0))
        host.cancel(last)
        with pytest.raises(EngineError, match="cancelled"):
            last.result(30)
        gate.unlink()
        blocker.result(30)
        sizes = [future.result(30) for future in futures]
    assert [size for size in sizes if size[1][0] >= 100] == [(4, [100, 101, 102, 103])] * 4
    assert [size for size in sizes if size[1][0] < 100] == [(4, [10, 11, 12, 13])] * 4


def test_submit_waits_while_too_much_is_in_flight(kind: str) -> None:
    with EngineClient(threads=1, max_in_flight=2) as host:
        host.load("echo", kind, None).result(30)
        held = [host.submit("echo", audio(1), "hold"), host.submit("echo", audio(2))]
        refused: list[BaseException] = []
        third = threading.Thread(target=lambda: refused.append(_error_of(host)))
        third.start()
        third.join(0.3)
        assert third.is_alive()
        assert not held[0].done()
        host.close()
        third.join(30)
        assert not third.is_alive()
    assert isinstance(refused[0], EngineError)
    with pytest.raises(EngineError, match="closed"):
        held[1].result(30)


def test_who_waits_to_submit_is_served_in_order(kind: str, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    gate.touch()
    with EngineClient(threads=1, max_in_flight=1) as host:
        host.load("echo", kind, None).result(30)
        host._limit = 1  # loading has raised it
        blocker = host.submit("echo", audio(0), ("until gone", str(gate)))
        served: list[tuple[int, int]] = []

        def submit(priority: int, order: int) -> None:
            future = host.submit("echo", audio(1), priority=priority, order=order)
            future.add_done_callback(lambda _: served.append((priority, order)))

        wanted = [(0, 3), (0, 1), (-1, 9), (0, 2)]
        threads = [threading.Thread(target=submit, args=each) for each in wanted]
        for number, thread in enumerate(threads, 1):
            thread.start()
            while len(host._changed._waiting) < number:
                thread.join(0.01)
        gate.unlink()
        blocker.result(30)
        for thread in threads:
            thread.join(30)
    assert served == sorted(wanted)


def _error_of(host: EngineClient) -> BaseException:
    try:
        host.submit("echo", audio(3))
    except EngineError as error:
        return error
    return AssertionError("it was let in")


def test_a_cancelled_job_is_not_run(kind: str, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    gate.touch()
    with EngineClient(threads=1, max_in_flight=8) as host:
        host.load("echo", kind, None).result(30)
        running = host.submit("echo", audio(0), ("until gone", str(gate)))
        waiting = host.submit("echo", audio(5))
        host.cancel(waiting)
        with pytest.raises(EngineError, match="cancelled"):
            waiting.result(30)
        gate.unlink()
        running.result(30)


def test_unknown_service_is_refused() -> None:
    with EngineClient(threads=1) as host, pytest.raises(EngineError, match="no service"):
        host.submit("no one", audio(1))


def test_memory_of_the_shared_buffer_is_given_back(kind: str) -> None:
    chunk = np.zeros(16000 * 30, np.float32)
    with EngineClient(threads=2) as host:
        host.load("echo", kind, None).result(30)
        # More in all than the buffer holds: the last would wait forever for samples that were not released.
        count = 1 + (256 << 20) // chunk.nbytes
        futures = [host.submit("echo", chunk) for _ in range(count)]
        assert [future.result(60)[1] for future in futures] == [len(chunk)] * count
        with pytest.raises(EngineError, match="does not fit"):
            host.submit("echo", np.zeros((256 << 20) // 4 + 1, np.float32))


def test_what_the_engine_prints_of_a_failure_it_keeps_to_itself_is_seen(kind: str) -> None:
    with EngineClient(threads=1) as host:
        host.load("echo", kind, None)
        assert host.submit("echo", audio(1), "complain").result(30) == "axis 1 does not fit"
        assert host.submit("echo", audio(1), "listen").result(30) is None


def test_a_model_that_only_kills_the_engine_is_given_up(kind: str) -> None:
    with EngineClient(threads=1) as host:
        host.load("echo", kind, None)
        futures = [host.submit("echo", audio(1), "abort") for _ in range(4)]
        errors = [future.exception(60) for future in futures]
        assert [type(error) for error in errors] == [EngineCrashError] * 3 + [ModelCrashError]
        with pytest.raises(ModelError, match=r"with every chunk .*bad metadata"):
            host.submit("echo", audio(1))
        host.load("echo", kind, None)  # the user has repaired it
        assert host.submit("echo", audio(2)).result(30)[0] == 2


def test_an_engine_that_cannot_be_started_again_fails_its_jobs_and_is_tried_at_the_next_load(
    kind: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse(*_arguments: object, **_more: object) -> None:
        raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))

    with EngineClient(threads=1) as host:
        host.load("echo", kind, None).result(30)
        monkeypatch.setattr(subprocess, "Popen", refuse)
        futures = [host.submit("echo", audio(1), "hold"), host.submit("echo", audio(1))]
        os.kill(host.process_id, signal.SIGKILL)
        for future in futures:
            with pytest.raises(MachineError, match="memory"):
                future.result(30)
        with pytest.raises(MachineError, match="memory"):
            host.submit("echo", audio(1))
        with pytest.raises(MachineError, match="memory"):
            host.load("other", kind, None)
        assert isinstance(host.failure, MachineError)
        monkeypatch.undo()  # memory is free again
        monkeypatch.syspath_prepend(str(tmp_path))
        host.load("other", kind, None)
        assert host.submit("other", audio(2)).result(30)[0] == 2
        assert host.failure is None


def test_a_service_that_returns_too_few_results_fails_its_batch(kind: str) -> None:
    with EngineClient(threads=1) as host:
        host.load("echo", kind, 4)
        futures = [host.submit("echo", audio(n), "too few") for n in range(3)]
        for future in futures:
            with pytest.raises(EngineError, match=r"returned 0 results for [1-3] chunks"):
                future.result(30)
        assert host.submit("echo", audio(3)).result(30)[0] == 3


def _descriptors() -> set[str]:
    return {path.name for path in Path("/dev/fd").iterdir()}


def test_a_process_that_cannot_be_started_leaves_no_descriptor(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object, **_more: object) -> None:
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))

    monkeypatch.setattr(subprocess, "Popen", refuse)
    before = _descriptors()  # earlier tests' may close meanwhile
    with pytest.raises(OSError, match="temporarily"):
        EngineClient(threads=1)
    assert _descriptors() <= before
