"""Jobs and background tasks when something fails: other files are kept, jobs go on, and `/health` shows the failure."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from asrcli.errors import MachineError, OutputError
from asrcli.server.bounds import MAX_WAITING_JOBS, MAX_WAITING_JOBS_OF_CLIENT
from asrcli.server.errors import BusyError
from asrcli.server.http.monitoring import Metrics
from asrcli.server.jobs.store import JobStore, StoredJob
from asrcli.server.supervision import Supervisor
from tests.server.http.test_limits import engine_held


def submit(client: httpx.Client, audio: Path, **fields: Any) -> httpx.Response:
    with audio.open("rb") as file:
        return client.post("/v1/jobs", files={"file": (audio.name, file)}, data=fields)


def wait_for(condition: Callable[..., Any], seconds: int = 60) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "the condition did not become true"
        time.sleep(0.05)
    return found


def job(client: httpx.Client, job_id: str) -> dict[str, Any]:
    return client.get(f"/v1/jobs/{job_id}").json()


def wait_for_end(client: httpx.Client, job_id: str) -> dict[str, Any]:
    return wait_for(lambda: job(client, job_id)["state"] in {"done", "failed"} and job(client, job_id))


def write(path: Path, text: str = "mine") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def add(store: JobStore, **changes: Any) -> StoredJob:
    row = {"client": "a", "name": "n", "fields": {}, "upload": None, "url": "http://x", "webhook": None}
    return store.add(**row | changes)


# -- the data folder -------------------------------------------------------------------------------------------------


def test_files_of_others_in_the_data_folder_are_kept(serving: Callable[..., Any], cities: Path, tmp_path: Path) -> None:
    own = JobStore(tmp_path)  # so that the folder exists with its marker
    own.close()
    mine = [
        write(tmp_path / "recordings" / "interview.wav"),
        write(tmp_path / "recordings" / "2024" / "1"),
        write(tmp_path / "recordings" / ("job_" + 32 * "a")),
        write(tmp_path / "lock"),
        write(tmp_path / "talk.mp3"),
        write(tmp_path / "asrcli-recordings" / "interview.wav"),
        write(tmp_path / "asrcli-recordings" / "job_1"),
        write(tmp_path / "asrcli-recordings" / "request-abcdefgh" / "notes.txt"),
        write(tmp_path / "asrcli-recordings" / "folder" / "1"),
    ]
    (tmp_path / "asrcli-recordings" / ("job_" + 32 * "b")).symlink_to(mine[0])
    (tmp_path / "asrcli-recordings" / "request-linked00").symlink_to(mine[1].parent)
    for _ in range(2):
        with serving(data_dir=tmp_path) as server, server.client() as client:
            assert wait_for_end(client, submit(client, cities).json()["id"])["state"] == "done"
        assert [path.read_text() for path in mine] == ["mine"] * len(mine)


def test_leftovers_of_a_killed_server_are_deleted(tmp_path: Path) -> None:
    store = JobStore(tmp_path)
    upload = write(store.recordings / "request-a1b2c3d4" / "1")
    lost = write(store.recordings / ("job_" + 32 * "0"))
    store.close()
    JobStore(tmp_path).close()
    assert not upload.parent.exists()
    assert not lost.exists()


def test_a_folder_of_our_name_that_another_program_made_is_refused(tmp_path: Path) -> None:
    mine = write(tmp_path / "asrcli-recordings" / "1.wav")
    with pytest.raises(OutputError, match="was not created by asrcli"):
        JobStore(tmp_path)
    assert mine.read_text() == "mine"
    assert not (tmp_path / "jobs.sqlite3").exists()


def test_recordings_of_an_earlier_version_are_taken_over(tmp_path: Path) -> None:
    store = JobStore(tmp_path)
    waiting = add(store).id
    store.close()
    earlier = write(tmp_path / "recordings" / waiting, "sound")
    other = write(tmp_path / "recordings" / "other.wav")
    store = JobStore(tmp_path)
    assert store.recording(waiting).read_text() == "sound"
    assert not earlier.exists()
    assert other.exists()
    store.close()


@pytest.fixture
def open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("open_umask")
def test_all_that_is_written_is_private_under_any_umask(
    serving: Callable[..., Any], cities: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "uploads").mkdir(mode=0o755)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "uploads"))
    data = b'--b\r\ncontent-disposition: form-data; name="file"\r\n\r\n' + bytes(1 << 20)
    head = {"content-type": "multipart/form-data; boundary=b", "content-length": str(1 << 21)}
    with serving(data_dir=tmp_path / "new" / "data") as server, server.client() as client, engine_held(server):
        assert submit(client, cities).status_code == 202
        wait_for(lambda: not any(tmp_path.glob("uploads/*/requests/*")))  # nothing vanishes while it is looked at
        with socket.create_connection(("127.0.0.1", server.port)) as half:
            lines = [f"{name}: {value}" for name, value in {"host": "localhost", **head}.items()]
            half.sendall("\r\n".join(["POST /v1/audio/transcriptions HTTP/1.1", *lines, "", ""]).encode() + data)
            wait_for(lambda: any(path.is_file() for path in tmp_path.glob("uploads/*/requests/*/*")))
            modes = {path: path.stat().st_mode & 0o077 for path in tmp_path.rglob("*")}
    found = {path.name for path in modes}
    assert {"jobs.sqlite3", "jobs.sqlite3-wal", "jobs.lock", ".asrcli-recordings", "lock", "requests", "new"} <= found
    assert {path for path, mode in modes.items() if mode} == {tmp_path / "uploads"}


def test_a_job_is_read_without_its_result(tmp_path: Path) -> None:
    """A poll, and each job of a list, took the time to parse a long result."""
    store = JobStore(tmp_path)
    ids = [
        store.add(client="a", name=f"{number}", fields={}, upload=None, url="http://example.com/", webhook=None).id
        for number in range(2)
    ]
    store.finish(ids[0], result='{"duration": 12.5}')
    store.finish(ids[1], error={"code": "a", "message": "b"})
    with closing(sqlite3.connect(tmp_path / "jobs.sqlite3", isolation_level=None)) as database:
        database.execute("UPDATE jobs SET result = 'unread'")
        assert [store.get(job_id).duration for job_id in ids] == [12.5, None]
        assert {job.duration for job in store.of_client("a", 9)} == {12.5, None}
        store.close()
        database.execute("UPDATE jobs SET result = '{\"duration\": 7}' WHERE id = ?", ids[:1])
        database.execute("UPDATE jobs SET result = NULL WHERE id = ?", ids[1:])
        database.execute("ALTER TABLE jobs DROP COLUMN duration")
    store = JobStore(tmp_path)
    assert [store.get(job_id).duration for job_id in ids] == [7.0, None], "a database of the version before"
    store.close()
    with closing(sqlite3.connect(tmp_path / "jobs.sqlite3", isolation_level=None)) as database:
        database.execute("UPDATE jobs SET duration = NULL, result = '{\"duration\": 8}' WHERE id = ?", ids[:1])
    store = JobStore(tmp_path)
    assert store.get(ids[0]).duration == 8.0, "finished by the version before, in a database of this one"
    store.close()


def _another_programs_database(folder: Path) -> None:
    database = sqlite3.connect(folder / "jobs.sqlite3")
    database.execute("CREATE TABLE orders (id INTEGER)")
    database.commit()
    database.close()


def _another_table_of_the_same_name(folder: Path) -> None:
    database = sqlite3.connect(folder / "jobs.sqlite3")
    database.execute("CREATE TABLE jobs (id INTEGER, salary REAL)")
    database.commit()
    database.close()


BROKEN: dict[str, Callable[[Path], Any]] = {
    "damaged database": lambda folder: (folder / "jobs.sqlite3").write_bytes(b"no database " * 1000),
    "another program's database": _another_programs_database,
    "another program's table": _another_table_of_the_same_name,
    "database is a folder": lambda folder: (folder / "jobs.sqlite3").mkdir(),
    "lock is a folder": lambda folder: (folder / "jobs.lock").mkdir(),
    "recordings is a file": lambda folder: (folder / "asrcli-recordings").write_text("mine"),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_data_folder_that_cannot_be_used_turns_jobs_off(
    serving: Callable[..., Any], cities: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, fault: str
) -> None:
    BROKEN[fault](tmp_path)
    before = {path: path.is_file() and path.read_bytes() for path in tmp_path.rglob("*")}
    with serving(data_dir=tmp_path) as server, server.client() as client:
        assert client.get("/health").json() == {"status": "degraded", "failing": ["jobs"]}
        assert client.get("/health/ready").status_code == 200
        refused = submit(client, cities)
        assert refused.status_code == 503
        assert str(tmp_path) not in refused.text
        with cities.open("rb") as file:
            assert client.post("/v1/audio/transcriptions", files={"file": file}).status_code == 200
        assert "asrcli_background_failing 1.0" in client.get("/metrics").text
    assert str(tmp_path) in caplog.text, "the log names the path"
    for path, content in before.items():
        assert content is False or path.read_bytes() == content


def test_jobs_are_taken_once_the_folder_can_be_used(serving: Callable[..., Any], cities: Path, tmp_path: Path) -> None:
    store = JobStore(tmp_path)
    with serving(data_dir=tmp_path) as server, server.client() as client:
        assert submit(client, cities).status_code == 503
        store.close()
        wait_for(lambda: client.get("/health").json() == {"status": "ok"})
        assert wait_for_end(client, submit(client, cities).json()["id"])["state"] == "done"


# -- running ---------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_no_job_is_accepted_into_a_database_that_was_removed(
    serving: Callable[..., Any], cities: Path, tmp_path: Path
) -> None:
    with serving(data_dir=tmp_path) as server, server.client() as client:
        wait_for_end(client, submit(client, cities).json()["id"])
        (tmp_path / "jobs.sqlite3").unlink()
        assert submit(client, cities).status_code == 500
        assert client.get("/health").status_code == 200


def test_jobs_go_on_when_running_jobs_are_deleted(serving: Callable[..., Any], cities: Path, long_cities: Path) -> None:
    with serving(num_threads=2) as server, server.client() as client:
        for _ in range(3):
            doomed = [submit(client, long_cities).json()["id"] for _ in range(3)]
            wait_for(lambda ids=doomed: any(job(client, each)["state"] != "queued" for each in ids))
            with ThreadPoolExecutor(6) as threads:
                codes = list(threads.map(lambda each: client.delete(f"/v1/jobs/{each}").status_code, doomed * 2))
            assert set(codes) <= {204, 404}
            assert codes.count(204) >= 3
        assert wait_for_end(client, submit(client, cities).json()["id"])["state"] == "done"
        assert client.get("/health").json() == {"status": "ok"}
        recordings = server.app.state.jobs.store.recordings
        # The recording of a job is deleted after the job has its state.
        wait_for(lambda: not [path for path in recordings.iterdir() if path.name.startswith("job_")])


def test_jobs_go_on_after_a_full_disk(serving: Callable[..., Any], cities: Path) -> None:
    with serving() as server, server.client() as client:
        store = server.app.state.jobs.store
        accepted = submit(client, cities).json()["id"]
        (pages,) = store._database.execute("PRAGMA page_count").fetchone()
        store._database.execute(f"PRAGMA max_page_count={pages}")  # SQLite reports a full disk from here on
        refused = wait_for(lambda: (answer := submit(client, cities, prompt="x" * 9999)).status_code != 202 and answer)
        assert refused.status_code == 507
        assert str(store.recordings) not in refused.text
        wait_for(lambda: "job store" in client.get("/health").json().get("failing", ()) or _done(client, accepted))
        store._database.execute("PRAGMA max_page_count=1000000")
        assert wait_for_end(client, accepted)["state"] == "done"
        assert wait_for_end(client, submit(client, cities).json()["id"])["state"] == "done"
        wait_for(lambda: client.get("/health").json() == {"status": "ok"})
        wait_for(lambda: not list(store.recordings.glob("job_*")))  # a recording is deleted after the job has its state


def _done(client: httpx.Client, job_id: str) -> bool:
    return job(client, job_id)["state"] == "done"


def test_jobs_go_on_after_errors_of_the_database(
    serving: Callable[..., Any], cities: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with serving() as server, server.client() as client:
        store = server.app.state.jobs.store
        store._database.execute("ALTER TABLE jobs RENAME TO hidden")
        assert submit(client, cities).status_code == 500
        server.app.state.jobs.accepted()  # nothing is there to be read
        wait_for(lambda: "job runner" in client.get("/health").json().get("failing", ()))
        store._database.execute("ALTER TABLE hidden RENAME TO jobs")
        assert wait_for_end(client, submit(client, cities).json()["id"])["state"] == "done"
        wait_for(lambda: client.get("/health").json() == {"status": "ok"})
        assert 'asrcli_background_failures_total{task="job runner"}' in client.get("/metrics").text
    assert "no such table" in caplog.text


@pytest.mark.slow
def test_a_job_that_is_deleted_while_it_cannot_be_written_is_no_failure_any_more(
    serving: Callable[..., Any], cities: Path
) -> None:
    with serving() as server, server.client() as client:
        store = server.app.state.jobs.store
        with engine_held(server):
            doomed = submit(client, cities).json()["id"]
            wait_for(lambda: job(client, doomed)["state"] == "running")
            store._database.execute("CREATE TRIGGER full BEFORE UPDATE ON jobs BEGIN SELECT RAISE(ABORT, 'full'); END")
        wait_for(lambda: "job store" in client.get("/health").json().get("failing", ()))
        assert client.delete(f"/v1/jobs/{doomed}").status_code == 204
        store._database.execute("DROP TRIGGER full")
        assert wait_for_end(client, submit(client, cities).json()["id"])["state"] == "done"
        wait_for(lambda: client.get("/health").json() == {"status": "ok"})


def test_a_webhook_that_is_never_accepted_is_in_the_log(
    serving: Callable[..., Any], silence: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("asrcli.server.jobs.runner._NOTIFY_AFTER", (0, 0))
    settings = {"webhook_secret": "s3cret", "fetch_networks": ("127.0.0.0/8",)}
    with caplog.at_level(logging.WARNING), serving(**settings) as server, server.client() as client:
        refused = submit(client, silence, webhook=f"{server.url}/nothing").json()["id"]
        wait_for(lambda: f"{refused}: its webhook was not notified: The address answers 404." in caplog.text)
        with socket.socket() as silent:  # a port at which no program listens
            silent.bind(("127.0.0.1", 0))
            webhook = f"http://127.0.0.1:{silent.getsockname()[1]}/"
            lost = submit(client, silence, webhook=webhook).json()["id"]
            wait_for(lambda: f"{lost}: its webhook was not notified: The address does not answer" in caplog.text)


@pytest.mark.slow
def test_a_database_that_another_program_has_locked_holds_up_only_jobs(
    serving: Callable[..., Any], silence: Path, tmp_path: Path
) -> None:
    with serving(data_dir=tmp_path) as server, server.client() as client, ThreadPoolExecutor(50) as threads:
        other = sqlite3.connect(tmp_path / "jobs.sqlite3", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        waiting = [threads.submit(submit, client, silence) for _ in range(45)]
        wait_for(lambda: len(list(server.app.state.jobs.store.recordings.glob("job_*"))) >= 4)
        with silence.open("rb") as file:
            assert client.post("/v1/audio/transcriptions", files={"file": file}).status_code == 200
        assert not all(each.done() for each in waiting), "each waits for its turn, which takes 5 s"
        other.execute("COMMIT")
        other.close()
        accepted = [each.result().json()["id"] for each in waiting if each.result().status_code == 202]
        assert {wait_for_end(client, each)["state"] for each in accepted} == {"done"}
        wait_for(lambda: client.get("/health").json() == {"status": "ok"})


@pytest.mark.bound("jobs waiting to be run; 429")
def test_waiting_jobs_are_bounded(tmp_path: Path) -> None:
    store = JobStore(tmp_path)
    with store._transaction() as database:
        database.executemany(
            "INSERT INTO jobs (id, state, created, client, name, fields) VALUES (?, 'queued', 0, 'a', 'n', '{}')",
            [(str(number),) for number in range(MAX_WAITING_JOBS)],
        )
    upload = write(store.recordings / "1")
    with pytest.raises(BusyError):
        add(store, upload=upload, url=None)
    assert [path.name for path in store.recordings.iterdir()] == [".asrcli-recordings"]
    store.close()


@pytest.mark.bound("jobs waiting to be run; 429")
def test_one_client_cannot_hold_all_places_of_waiting_jobs(tmp_path: Path) -> None:
    store = JobStore(tmp_path)
    with store._transaction() as database:
        database.executemany(
            "INSERT INTO jobs (id, state, created, client, name, fields) VALUES (?, 'queued', 0, 'greedy', 'n', '{}')",
            [(str(number),) for number in range(MAX_WAITING_JOBS_OF_CLIENT)],
        )
    asked: dict[str, Any] = {"name": "n", "fields": {}, "upload": None, "url": "http://x", "webhook": None}
    with pytest.raises(BusyError):
        store.add(client="greedy", **asked)
    assert store.add(client="modest", **asked).state == "queued"
    store.close()


def test_an_engine_that_cannot_be_restarted_is_reported(serving: Callable[..., Any]) -> None:
    with serving() as server, server.client() as client:
        assert client.get("/health/ready").status_code == 200
        server.app.state.pool.models.engine._failure = MachineError("no processes left")
        assert client.get("/health").json() == {"status": "degraded", "failing": ["engine"]}
        assert client.get("/health/ready").status_code == 503
        assert client.get("/health/live").status_code == 200


# -- supervision -----------------------------------------------------------------------------------------------------


def test_work_that_fails_is_shown_although_other_work_of_its_name_succeeds() -> None:
    async def run() -> list[list[str]]:
        supervisor, failed = Supervisor(Metrics()), asyncio.Event()

        async def fails() -> None:
            failed.set()
            raise KeyError

        async def succeeds() -> None:
            pass

        waiting = asyncio.create_task(supervisor.retry("store", fails))
        await failed.wait()
        shown = []
        await supervisor.retry("store", succeeds)
        shown.append(list(supervisor.failing))
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        return [*shown, list(supervisor.failing)]

    assert asyncio.run(run()) == [["store"], []]


def test_a_failing_task_is_logged_with_its_traceback_and_restarted(caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> tuple[list[list[str]], str]:
        metrics = Metrics()
        supervisor = Supervisor(metrics)
        calls, restarted = [], asyncio.Event()

        async def step() -> None:
            calls.append(list(supervisor.failing))
            if len(calls) == 1:
                raise KeyError("a fault of ours")
            if len(calls) > 2:
                restarted.set()
                await asyncio.Event().wait()

        supervisor.repeat("work", step)
        await asyncio.wait_for(restarted.wait(), 30)
        await supervisor.close()
        return calls, metrics.render().decode()

    with caplog.at_level(logging.ERROR):
        calls, metrics = asyncio.run(run())
    assert calls == [[], ["work"], []]
    assert 'asrcli_background_failures_total{task="work"} 1.0' in metrics
    assert "KeyError" in caplog.text
    assert "Traceback" in caplog.text


def test_a_failure_that_repeats_is_logged_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("asrcli.server.supervision._FIRST_PAUSE", 0.0)

    async def run() -> str:
        metrics = Metrics()
        supervisor = Supervisor(metrics)
        errors = [OutputError(text) for text in ("taken", "taken", "damaged", "damaged", "taken")]

        async def step() -> None:
            if errors:
                raise errors.pop(0)

        supervisor.failed("jobs", first := OutputError("taken"))
        await supervisor.retry("jobs", step, first)
        for _ in range(2):  # of two webhooks
            supervisor.failed("webhooks", OutputError("taken"))
        return metrics.render().decode()

    with caplog.at_level(logging.ERROR):
        metrics = asyncio.run(run())
    assert [record.getMessage() for record in caplog.records] == [
        "jobs failed: taken",
        "jobs failed: damaged",
        "jobs failed: taken",
        "webhooks failed: taken",
        "webhooks failed: taken",
    ]
    assert 'asrcli_background_failures_total{task="jobs"} 6.0' in metrics


def test_a_job_that_meets_an_error_of_ours_leaves_a_trace_in_the_log(
    serving: Callable[..., Any], cities: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with serving() as server, server.client() as client:
        server.app.state.service.transcribe = None  # calling it raises TypeError
        found = wait_for_end(client, submit(client, cities).json()["id"])
    assert found["error"]["code"] == "internal_error"
    assert "TypeError" in caplog.text
    assert json.dumps(found).find("NoneType") == -1
