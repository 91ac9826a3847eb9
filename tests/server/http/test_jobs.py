"""Jobs: accepted, followed, finished, reported, and never lost."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import srt

from asrcli.server.jobs.store import JobStore
from tests.server.http.test_bounds import wait_for


def submit(client: httpx.Client, audio: Path, **fields: Any) -> httpx.Response:
    with audio.open("rb") as file:
        return client.post("/v1/jobs", files={"file": (audio.name, file)}, data=fields)


def recordings_in(data: Path) -> list[Any]:
    return [path for path in (data / "asrcli-recordings").iterdir() if not path.name.startswith(".")]


def finished(client: httpx.Client, job_id: str) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The job at its end: its events are read until there are no more."""
    events: list[dict[str, Any]] = []
    with client.stream("GET", f"/v1/jobs/{job_id}/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        events.extend(json.loads(line[6:]) for line in answer.iter_lines() if line.startswith("data: "))
    return events, client.get(f"/v1/jobs/{job_id}").json()


def test_a_job_from_start_to_end(client: httpx.Client, long_cities: Path) -> None:
    accepted = submit(client, long_cities, language="en", min_silence="0.4", max_line_width="30", webhook="")
    assert accepted.status_code == 202
    job_id = accepted.json()["id"]
    assert accepted.headers["location"] == f"/v1/jobs/{job_id}"
    events, job = finished(client, job_id)
    assert [event["state"] for event in events][-1] == "done"
    duration = job["result"]["duration"]
    for last in (events[-1], job):
        assert (last["progress"], last["duration"], last["seconds"]) == (1.0, duration, round(duration, 1))
    shares = [event["progress"] for event in events if event["progress"] is not None]
    assert shares == sorted(shares)
    assert job["progress"] == 1.0
    assert job["duration"] == pytest.approx(44.37, abs=0.1)
    assert "worst of times" in job["result"]["text"].lower()
    cues = list(srt.parse(client.get(f"/v1/jobs/{job_id}", params={"format": "srt"}).text))
    assert max(len(line) for cue in cues for line in cue.content.splitlines()) <= 30
    vtt = client.get(f"/v1/jobs/{job_id}", params={"format": "vtt"})
    assert vtt.headers["content-type"].startswith("text/vtt")
    assert client.get(f"/v1/jobs/{job_id}", params={"format": "pdf"}).status_code == 400
    assert client.delete(f"/v1/jobs/{job_id}").status_code == 204
    assert client.get(f"/v1/jobs/{job_id}").status_code == 404
    assert client.get(f"/v1/jobs/{job_id}/events").status_code == 404
    assert client.delete(f"/v1/jobs/{job_id}").status_code == 404


def test_hotwords_correct_what_sounds_like_them(client: httpx.Client, cities: Path) -> None:
    asked = {"hotwords": "Foolishniss", "correct_hotwords": "true"}
    _, job = finished(client, submit(client, cities, **asked).json()["id"])
    assert "age of Foolishniss" in job["result"]["text"]
    assert job["result"]["notes"]


def test_options_are_those_of_transcribe(client: httpx.Client, long_cities: Path) -> None:
    job_id = submit(client, long_cities, start="4", end="9").json()["id"]
    _, job = finished(client, job_id)
    assert job["result"]["segments"][0]["start"] >= 4
    assert job["result"]["duration"] == pytest.approx(9, abs=0.1)
    assert "best of times" not in job["result"]["text"].lower()
    assert "age of" in job["result"]["text"].lower()


def test_a_job_has_an_audio_track(client: httpx.Client, two_tracks: Path) -> None:
    _, job = finished(client, submit(client, two_tracks, audio_track="1").json()["id"])
    assert "ever tried" in job["result"]["text"].lower()
    refused = submit(client, two_tracks, audio_track="-1")
    assert refused.status_code == 400
    assert "not an audio track; write a number from 0" in refused.text


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"start": "5", "end": "4"}, "start"),
        ({"start": "soon"}, "start"),
        ({"vad": "perhaps"}, "vad"),
        ({"vad_threshold": "2"}, "vad_threshold"),
        ({"channels": "both"}, "channels"),
        ({"language": "zh"}, "language"),
        ({"model": "no-such-model"}, "model"),
        ({"raw": "mp3"}, "raw"),
        ({"max_lines": "1.5"}, "max_lines"),
        ({"subtitle_style": "mine"}, "subtitle_style"),
        ({"webhook": "http://127.0.0.1/"}, "webhook"),
    ],
)
def test_invalid_fields_are_refused_at_once(
    client: httpx.Client, cities: Path, fields: dict[str, Any], param: str
) -> None:
    answer = submit(client, cities, **fields)
    assert answer.status_code in {400, 404}
    assert answer.json()["error"]["param"] == param


def test_fields_that_jobs_do_not_have_are_named(client: httpx.Client, cities: Path) -> None:
    fields = {"max-line-width": "20", "diarise": "true", "a\nb": "1"}
    with cities.open("rb") as file:
        answer = client.post("/v1/jobs", files={"file": file}, data=fields)
    assert answer.status_code == 202
    assert answer.json()["warnings"] == [
        "ignored: jobs have no field 'diarise'",
        "ignored: jobs have no field 'a%0Ab'",
    ]
    assert "diarise" in answer.headers["x-asrcli-warnings"]
    client.delete(answer.headers["location"])


def test_a_recording_that_fails(client: httpx.Client, tmp_path: Path) -> None:
    broken = tmp_path / "broken.mp3"
    broken.write_bytes(b"no audio at all " * 500)
    events, job = finished(client, submit(client, broken).json()["id"])
    assert job["state"] == events[-1]["state"] == "failed"
    assert job["error"]["code"] == "invalid_audio"
    refused = client.get(f"/v1/jobs/{job['id']}", params={"format": "txt"})
    assert refused.status_code == 409


def test_a_url_is_refused_unless_allowed(client: httpx.Client) -> None:
    answer = client.post("/v1/jobs", data={"url": "http://example.com/a.wav"})
    assert answer.status_code == 403
    assert client.post("/v1/jobs", data={"model": ""}).status_code == 400


def test_nothing_is_left_but_the_result(serving: Callable[..., Any], cities: Path, tmp_path: Path) -> None:
    with serving(data_dir=tmp_path) as server, server.client() as client:
        finished(client, submit(client, cities).json()["id"])
        refused = submit(client, cities, language="zh")
        assert refused.status_code == 400
        wait_for(lambda: not recordings_in(tmp_path))  # a recording is deleted after the job has its state


@pytest.mark.slow
def test_a_restart_loses_no_accepted_job(
    serving: Callable[..., Any], cities: Path, long_cities: Path, tmp_path: Path
) -> None:
    with serving(data_dir=tmp_path) as server, server.client() as client:
        accepted = [submit(client, audio).json()["id"] for audio in (long_cities, cities, cities)]
        # the server ends at once: at most the first has started
    with serving(data_dir=tmp_path) as server, server.client() as client:
        for job_id in accepted:
            _, job = finished(client, job_id)
            assert job["state"] == "done"
            assert "worst of times" in job["result"]["text"].lower()


def test_jobs_of_a_killed_server_are_taken_up_and_given_up_at_last(tmp_path: Path) -> None:
    store = JobStore(tmp_path)
    upload = store.recordings / "upload"
    upload.write_bytes(b"x")
    job = store.add(client="a", name="n", fields={"model": "m"}, upload=upload, url=None, webhook=None)
    for attempt in (1, 2, 3):
        assert store.next([]).id == job.id
        store.close()  # as a kill would: the job is still marked as running
        store = JobStore(tmp_path)
        found = store.get(job.id)
        assert found.state == ("queued" if attempt < 3 else "failed")
    assert found.error["code"] == "interrupted"
    assert recordings_in(tmp_path) == [], "the failed job's recording is deleted"
    store.close()


def test_clients_take_turns(tmp_path: Path) -> None:
    store = JobStore(tmp_path)

    def add(client: str) -> str:
        return store.add(client=client, name="n", fields={}, upload=None, url="http://x", webhook=None).id

    first, second, other = add("a"), add("a"), add("b")
    assert [store.next(busy).id for busy in ([], ["a"], ["a", "b"])] == [first, other, second]
    assert store.next([]) is None
    store.close()


def test_two_servers_do_not_share_a_folder(serving: Callable[..., Any], cities: Path, tmp_path: Path) -> None:
    store = JobStore(tmp_path)
    try:
        with serving(data_dir=tmp_path) as server, server.client() as client:
            answer = submit(client, cities)
            assert answer.status_code == 503
            assert client.get("/health").status_code == 200
    finally:
        store.close()


class _Hook(BaseHTTPRequestHandler):
    """Takes messages."""

    server: Any

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.messages.append((dict(self.headers), body))
        self.send_response(204)
        self.end_headers()
        self.server.reported.set()

    def log_message(self, *_: str) -> None:
        pass


def test_a_signed_webhook_reports_the_end(serving: Callable[..., Any], cities: Path) -> None:
    hook: Any = ThreadingHTTPServer(("127.0.0.1", 0), _Hook)
    hook.messages, hook.reported = [], threading.Event()
    thread = threading.Thread(target=hook.serve_forever)
    thread.start()
    url = f"http://127.0.0.1:{hook.server_port}/done"
    try:
        with serving(webhook_secret="s3cret") as server, server.client() as client:
            assert submit(client, cities, webhook=url).status_code == 403, "not a public address"
        with serving(webhook_secret="s3cret", fetch_networks=("127.0.0.0/8",)) as server, server.client() as client:
            job_id = submit(client, cities, webhook=url).json()["id"]
            assert hook.reported.wait(60)
    finally:
        hook.shutdown()
        thread.join()
        hook.server_close()
    headers, body = hook.messages[0]
    assert json.loads(body)["id"] == job_id
    assert json.loads(body)["state"] == "done"
    parts = dict(part.split("=") for part in headers["x-asrcli-signature"].split(","))
    assert abs(time.time() - int(parts["t"])) < 60
    wanted = hmac.new(b"s3cret", parts["t"].encode() + b"." + body, hashlib.sha256).hexdigest()
    assert hmac.compare_digest(parts["v1"], wanted)


def test_clients_list_their_own_jobs(serving: Callable[..., Any], cities: Path) -> None:
    with serving(api_keys=("one", "two")) as server, server.client() as client:
        mine = []
        for key in ("one", "two", "one", "one"):
            client.headers["authorization"] = f"Bearer {key}"
            mine.append((key, submit(client, cities).json()["id"]))
        client.headers["authorization"] = "Bearer one"
        own = [job_id for key, job_id in reversed(mine) if key == "one"]
        page = client.get("/v1/jobs").json()
        assert [job["id"] for job in page["data"]] == own
        assert page["has_more"] is False
        first = client.get("/v1/jobs", params={"limit": 2}).json()
        assert first["has_more"] is True
        rest = client.get("/v1/jobs", params={"limit": 2, "after": first["data"][-1]["id"]}).json()
        assert [job["id"] for job in first["data"] + rest["data"]] == own
        for query in ({"limit": 0}, {"limit": "x"}):
            assert client.get("/v1/jobs", params=query).status_code == 400
        unknown = client.get("/v1/jobs", params={"after": "none"})
        assert (unknown.status_code, unknown.json()["error"]["param"]) == (404, "after"), "not an empty page"


def test_pages_hold_every_job_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asrcli.server.jobs.store.time.time", lambda: 1.0)
    store = JobStore(tmp_path)
    for _ in range(5):
        store.add(client="a", name="a", fields={}, upload=None, url="http://example.com/", webhook=None)
    found: list[str] = []
    while page := store.of_client("a", 2, found[-1] if found else None):
        found += [job.id for job in page]
    store.close()
    assert len(found) == len(set(found)) == 5, "jobs of the same moment"


@pytest.mark.bound("--job-timeout")
def test_jobs_have_a_time_limit(serving: Callable[..., Any], long_cities: Path, cities: Path) -> None:
    with serving(job_timeout=0.001) as server, server.client() as client:
        _, job = finished(client, submit(client, long_cities).json()["id"])
        assert (job["state"], job["error"]["code"]) == ("failed", "timeout")
        with cities.open("rb") as file:
            assert client.post("/v1/audio/transcriptions", files={"file": file}).status_code == 200
