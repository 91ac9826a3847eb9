"""Recordings on disk are bounded and counted from the first byte, those of waiting jobs included."""

from __future__ import annotations

import asyncio
import base64
import json
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.sync.client import connect

from asrcli.errors import DiskFullError
from asrcli.server.http.upload_sink import UploadSink
from asrcli.server.http.workspaces import STORED, Workspace
from asrcli.server.jobs.store import JobStore
from asrcli.server.live.recording import SessionRecording
from asrcli.server.live.session import LiveOptions
from tests.server.conftest import Running
from tests.server.http.test_bounds import start_upload, wait_for
from tests.server.http.test_renderings import transcript_of

#: bytes
LIMIT, LARGE = 400_000, 300_000


@pytest.fixture(scope="module")
def full(serving: Callable[..., Any]) -> Iterator[Running]:
    """Three quarters of the room are taken by an upload that does not end."""
    with serving(max_disk=LIMIT) as server:
        part = b'--b\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\n' + bytes(90_000)
        lines = [start_upload(server, start=part) for _ in range(3)]
        wait_for(lambda: STORED.size > 269_000)
        yield server
        for line in lines:
            line.close()


def offline(server: Running, body: bytes) -> str:
    with connect(f"{server.ws}/", proxy=None, max_size=None) as line:
        for frame in ('{"mode": "offline", "is_speaking": true}', body, '{"is_speaking": false}'):
            line.send(frame)
        return str(json.loads(line.recv(60))["error"])


@pytest.mark.bound("--max-disk")
@pytest.mark.parametrize(
    ("path", "options"),
    [
        ("/v1/audio/transcriptions", {"files": {"file": bytes(LARGE)}}),
        ("/v1/jobs", {"files": {"file": bytes(LARGE)}}),
        ("/recognition", {"files": {"audio": bytes(LARGE)}}),
        ("/stream/v1/asr", {"content": bytes(LARGE)}),
    ],
)
def test_uploads_beyond_it_get_429(full: Running, path: str, options: dict[str, Any]) -> None:
    before = STORED.size
    with full.client() as client:
        answer = client.post(path, **options)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "30")
    wait_for(lambda: before == STORED.size)


@pytest.mark.bound("--max-disk")
@pytest.mark.parametrize("path", ["/ws/v1/asr", "/v1/listen"])
def test_containers_of_live_streams_that_must_be_kept_count(full: Running, path: str) -> None:
    before = STORED.size
    with connect(f"{full.ws}{path}", proxy=None, max_size=None) as line:
        if path == "/ws/v1/asr":
            header = {"namespace": "SpeechTranscriber", "name": "StartTranscription", "task_id": "1"}
            line.send(json.dumps({"header": header, "payload": {"format": "mp3"}}))
            assert "TranscriptionStarted" in str(line.recv(60))
        line.send(b"caff" + bytes(99_996))
        wait_for(lambda: STORED.size == before + 100_000)
        line.send(bytes(100_000))
        assert "too many recordings" in str(line.recv(60))
    wait_for(lambda: STORED.size == before)


@pytest.mark.bound("--max-disk")
def test_protocols_with_errors_of_their_own(full: Running) -> None:
    with full.client() as client:
        answer = client.post("/asr", json={"wav": base64.b64encode(bytes(LARGE)).decode()})
    assert (answer.status_code, answer.json()["code"]) == (200, 1)
    assert "too many recordings" in answer.json()["msg"]
    assert "too many recordings" in offline(full, bytes(LARGE))


@pytest.mark.bound("--max-disk")
def test_results_count_while_they_are_sent_in_another_format(full: Running) -> None:
    before, jobs = STORED.size, full.app.state.jobs.store
    job = jobs.add(client="a", name="n", fields={}, upload=None, url="http://example.com/", webhook=None)
    jobs.finish(job.id, result=json.dumps(transcript_of(2500).to_dict()))
    with full.client() as client:
        status = {
            name: client.get(f"/v1/jobs/{job.id}", params={"format": name}).status_code for name in ("txt", "json")
        }
    assert status == {"txt": 200, "json": 429}
    wait_for(lambda: before == STORED.size)


def test_waiting_jobs_count_and_leave_room_when_they_are_deleted(serving: Any, cities: Path) -> None:
    body = cities.read_bytes()
    before = STORED.size
    with serving(max_disk=before + len(body) * 3 // 2) as server, server.client() as client:
        server.app.state.jobs._places = 0
        job = client.post("/v1/jobs", files={"file": body}).json()["id"]
        wait_for(lambda: before + len(body) == STORED.size)
        upload: Callable[[], httpx.Response] = lambda: client.post("/v1/audio/transcriptions", files={"file": body})  # noqa: E731
        assert upload().status_code == 429
        assert client.delete(f"/v1/jobs/{job}").status_code == 204
        assert upload().status_code == 200
        wait_for(lambda: before == STORED.size)


@pytest.mark.bound("--max-disk")
def test_results_that_are_kept_are_bounded(serving: Any, silence: Path) -> None:
    with serving(max_disk=LIMIT) as server, server.client() as client:
        store = server.app.state.jobs.store
        jobs = [store.add(client="a", name="n", fields={}, upload=None, url="http://x", webhook=None) for _ in range(2)]
        for job in jobs:
            store.finish(job.id, result=json.dumps({"text": "x" * LARGE}))
        refused = client.post("/v1/jobs", files={"file": silence.read_bytes()})
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "60")
        assert list(store.recordings.glob("job_*")) == []
        store.remove(jobs[0].id)
        assert client.post("/v1/jobs", files={"file": silence.read_bytes()}).status_code == 202


def test_jobs_of_an_earlier_server_count(tmp_path: Path) -> None:
    before = STORED.size
    for kept in (0, 1000):
        store = JobStore(tmp_path)
        assert STORED.size == before + kept
        if not kept:
            upload = store.recordings / "1"
            upload.write_bytes(bytes(1000))
            store.add(client="a", name="n", fields={}, upload=upload, url=None, webhook=None)
            assert STORED.size == before + 1000
        store.close()
        assert before == STORED.size


@contextmanager
def no_room(size: int) -> Iterator[None]:
    """Files of this process may have `size` bytes."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.parametrize("pieces", [1, 3], ids=["at its end", "before"])
def test_a_disk_that_is_full_when_a_session_ends(server: Running, pieces: int) -> None:
    """The last bytes are written when the file is closed."""

    async def record() -> None:
        async with SessionRecording(server.app.state.service, "a", None, 16000) as recording:
            with no_room(1000):
                for _ in range(pieces):
                    await recording.write(bytes(3000))
                await recording.transcribe(LiveOptions())

    before = STORED.size
    with pytest.raises(DiskFullError):
        asyncio.run(record())
    assert before == STORED.size


def test_a_disk_that_is_full_when_an_upload_ends(tmp_path: Path) -> None:
    async def save() -> None:
        async with Workspace(tmp_path) as workspace:
            sink = UploadSink(workspace.new_file(), "a")
            try:
                for _ in range(3):
                    sink.add(bytes(3000))
                with no_room(1000):
                    await sink.finish()
            finally:
                with no_room(1000):
                    sink.close()

    with pytest.raises(DiskFullError):
        asyncio.run(save())
