"""`asrcli serve` as a process: options, listeners, TLS, signals, what it leaves behind."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import platform
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import numpy as np
import pytest
import soundfile as sf
from websockets import Origin, Subprotocol
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from asrcli.models import builtin
from asrcli.server.run import listen
from tests.ports import free_port
from tests.server.conftest import MODEL

#: Where a recording is transcribed: the default model, where it is installed, takes several times as long.
SMALL = ("--model", MODEL)
#: seconds for what takes a few; on a busy machine less than the limit of a test
PATIENCE = 200
#: a `--drain-timeout` that is seen if a server waits for it
DRAIN = 2 * PATIENCE


class Process:
    """A server that was started by the command line."""

    def __init__(self, *arguments: str | int | Path, env: dict[str, Any]) -> None:
        command = [sys.executable, "-m", "asrcli", "serve", "--port", "0", "--log-json", *map(str, arguments)]
        self.process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.events: list[dict[str, Any]] = []

    def listening(self, protocol: str = "http") -> str:
        """The URL of a listener, once it takes connections."""
        for event in self.events:
            if event.get("protocol") == protocol:
                return event["url"]
        for line in self.process.stderr:
            self.events.append(json.loads(line))
            if self.events[-1].get("protocol") == protocol:
                return self.events[-1]["url"]
        raise AssertionError(f"it ended: {self.events}")

    def ended(self) -> int:
        """Exit code and the rest of what it said."""
        out, err = self.process.communicate(timeout=PATIENCE)
        assert out == ""
        # A command line that cannot be read is reported in words: its options do not hold yet.
        self.events += [json.loads(line) if line.startswith("{") else {"message": line} for line in err.splitlines()]
        return self.process.returncode


@contextlib.contextmanager
def serving(*arguments: str | int | Path, env: dict[str, Any]) -> Iterator[Process]:
    server = Process(*arguments, env=env)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.process.terminate()
        _, log = server.process.communicate(timeout=PATIENCE)
    assert '"level": "error", "logger": "asyncio"' not in log, "exceptions that nothing retrieved"


def client(url: str, **options: Any) -> httpx.Client:
    return httpx.Client(base_url=url, timeout=PATIENCE, trust_env=False, **options)


def transcribe(found: httpx.Client, audio: Path) -> httpx.Response:
    with audio.open("rb") as file:
        return found.post("/v1/audio/transcriptions", files={"file": file})


@pytest.mark.slow
def test_sigterm_finishes_requests_and_leaves_no_files(home: dict[str, Any], long_cities: Path, tmp_path: Path) -> None:
    with (
        serving("--funasr-port", "0", "--drain-timeout", DRAIN, *SMALL, env=home) as server,
        client(server.listening()) as found,
    ):
        assert found.get("/health").status_code == 200
        answers = []
        samples, rate = sf.read(long_cities, dtype="int16")
        long_cities = tmp_path / "minutes.wav"
        sf.write(long_cities, np.tile(samples, 3), rate)
        asking = threading.Thread(target=lambda: answers.append(transcribe(found, long_cities)))
        asking.start()
        with client(server.listening()) as other:
            while "asrcli_workers_busy 1.0" not in other.get("/metrics").text:
                assert asking.is_alive()
        server.process.send_signal(signal.SIGTERM)
        asking.join()
        assert answers[0].status_code == 200
        assert "worst of times" in answers[0].json()["text"].lower()
        assert server.ended() == 0
        assert [path.name for path in Path(home["TMPDIR"]).iterdir() if path.name.startswith("asrcli")] == []
        said = json.dumps(server.events).lower()
        assert "times" not in said, "texts are not logged"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "first"),
    [
        ("/", {"mode": "2pass", "wav_name": "a", "is_speaking": True}),
        ("/ws/v1/asr", {"header": {"namespace": "SpeechTranscriber", "name": "StartTranscription", "task_id": "1"}}),
        ("/ws/v1/asr/qwen", {"type": "start"}),
        ("/", "START"),
    ],
)
def test_sigterm_sends_the_last_results_of_live_streams(
    serving_live: tuple[Process, str], path: str, first: Any, cities: Path
) -> None:
    server, url = serving_live
    samples, rate = sf.read(cities, dtype="int16", frames=48000 * 4)
    with connect(url + path, proxy=None, ping_interval=None) as line, connect(url, proxy=None) as idle:
        line.send(first if isinstance(first, str) else json.dumps(first))
        for start in range(0, 16000 * 4, 1600):
            line.send(samples[:: rate // 16000][start : start + 1600].tobytes())
        while "was" not in line.recv(PATIENCE):
            pass
        # Also where the terminal of the server is closed.
        server.process.send_signal(signal.SIGHUP if path.endswith("qwen") else signal.SIGTERM)
        said = "".join(str(message) for message in line)
        assert "best of times" in said.lower()
        assert line.close_code in {1000, 1001}
        with pytest.raises(ConnectionClosed):
            idle.recv(PATIENCE)
        assert server.ended() == 0


@pytest.fixture
def serving_live(home: dict[str, Any]) -> Iterator[tuple[Process, str]]:
    limits = ("--drain-timeout", DRAIN, "--idle-timeout", DRAIN)  # neither is what ends a stream here
    with serving("--funasr-port", "0", *limits, *SMALL, env=home) as server:
        yield server, server.listening().replace("http", "ws")


@pytest.mark.slow
def test_a_refused_socket_is_no_error_in_the_log(serving_live: tuple[Process, str]) -> None:
    server, url = serving_live
    for path, origin in (("/nothing", None), ("/", "https://example.com")):
        with pytest.raises(InvalidStatus):
            connect(url + path, proxy=None, origin=Origin(origin) if origin else None)
    server.process.terminate()
    assert server.ended() == 0
    assert [event for event in server.events if event.get("level") == "error"] == []
    assert any("--cors-origin" in event.get("message", "") for event in server.events)


@pytest.mark.slow
def test_sigterm_does_not_wait_for_clients_that_neither_send_nor_read(home: dict[str, Any]) -> None:
    options = ("--funasr-port", "0", "--wyoming-port", free_port(), "--drain-timeout", DRAIN)
    with serving(*options, env=home) as server:
        http, wyoming = (urlsplit(server.listening(protocol)) for protocol in ("http", "wyoming"))
        length = "content-type: multipart/form-data; boundary=b\r\ncontent-length: 100000"
        sent = [
            (http, f"POST /v1/audio/transcriptions HTTP/1.1\r\nhost: localhost\r\n{length}\r\n\r\n--b\r\n"),
            (http, "GET /openapi.json HTTP/1.1\r\nhost: localhost\r\n\r\n" * 500),
            (
                wyoming,
                '{"type": "audio-chunk", "data": {"rate": 16000, "width": 2, "channels": 1}, "payload_length": 9}\n1',
            ),
        ]
        lines = [socket.create_connection((url.hostname, url.port)) for url, _ in sent]
        for line, (_, text) in zip(lines, sent, strict=True):
            line.sendall(text.encode())
        with client(server.listening()) as found:
            while "asrcli_live_sessions 1.0" not in found.get("/metrics").text:
                assert server.process.poll() is None
        while not list(Path(home["TMPDIR"]).glob("asrcli-serve-*/requests/*")):
            assert server.process.poll() is None
        time.sleep(0.2)  # there is no sign of what else the server has received
        server.process.send_signal(signal.SIGTERM)
        assert server.ended() == 0
        assert b"503 Service Unavailable" in lines[0].recv(1000)
        assert b"transcript-stop" in lines[2].recv(1000)
        for line in lines:
            line.close()


def children_of(pid: int) -> list[int]:
    return [int(path.name) for path in Path("/proc").glob("[0-9]*") if _parent(path) == pid]


def _parent(process: Path) -> int:
    try:
        return int((process / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:  # it has just ended
        return 0


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes as Linux shows them")
def test_a_job_outlives_the_kill_of_its_server(home: dict[str, Any], long_cities: Path, tmp_path: Path) -> None:
    samples, rate = sf.read(long_cities, dtype="int16")
    minutes = tmp_path / "minutes.wav"
    sf.write(minutes, np.tile(samples, 2), rate)
    options = ("--funasr-port", "0", "--data-dir", tmp_path / "jobs", *SMALL)
    with serving(*options, env=home) as server, client(server.listening()) as found:
        with minutes.open("rb") as file:
            accepted = found.post("/v1/jobs", files={"file": file})
        assert accepted.status_code == 202
        place = accepted.headers["location"]
        while found.get(place).json()["state"] == "queued":
            pass
        engines = children_of(server.process.pid)
        server.process.kill()
        server.process.wait(PATIENCE)
        deadline = time.monotonic() + PATIENCE
        while any(Path(f"/proc/{pid}").exists() for pid in engines):
            assert time.monotonic() < deadline, "the engine outlives its server"
            time.sleep(0.02)
    with serving(*options, env=home) as server, client(server.listening()) as found:
        with found.stream("GET", f"{place}/events") as events:
            states = [json.loads(line[6:])["state"] for line in events.iter_lines() if line.startswith("data: ")]
        assert states[-1] == "done"
        assert found.get(place, params={"format": "txt"}).text.lower().count("worst of times") == 2
        recordings, deadline = tmp_path / "jobs" / "asrcli-recordings", time.monotonic() + PATIENCE
        while any(not path.name.startswith(".") for path in recordings.iterdir()):
            assert time.monotonic() < deadline, "the recording of a finished job is kept"
            time.sleep(0.02)


def test_ctrl_c(home: dict[str, Any]) -> None:
    with serving("--funasr-port", "0", "--no-preload", env=home) as server:
        server.listening()
        server.process.send_signal(signal.SIGINT)
        assert server.ended() == 130


def test_keys_from_file_and_environment(home: dict[str, Any], tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text("# ours\nfrom-file\n")
    env = home | {"ASRCLI_SERVE_API_KEY": "from-env", "ASRCLI_FUNASR_PORT": "0"}
    with serving("--api-key-file", keys, "--no-preload", env=env) as server, client(server.listening()) as found:
        for key, status in (("from-file", 200), ("from-env", 200), ("# ours", 401), ("", 401)):
            assert found.get("/v1/models", headers={"x-nls-token": key}).status_code == status, key


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes as Linux shows them")
def test_child_processes_inherit_no_keys_and_have_lower_priority(home: Any, tmp_path: Path, cities: Path) -> None:
    (tmp_path / "secret").write_text("from-a-file")
    secrets = {"ASRCLI_SERVE_API_KEY": "top-1", "ASRCLI_API_KEY": "top-2", "ASRCLI_REMOTE_API_KEY": "top-3"}
    options = ("--funasr-port", "0", "--webhook-secret-file", tmp_path / "secret")
    with serving(*options, env=home | secrets) as server, client(server.listening()) as found:
        found.headers["authorization"] = "Bearer top-1"
        refused = found.post("/v1/jobs", files={"file": cities.read_bytes()}, data={"webhook": "http://127.0.0.1:1/"})
        assert "not public" in refused.text, "webhooks are accepted"
        children = children_of(server.process.pid)
        assert children
        for child in children:
            environment = Path(f"/proc/{child}/environ").read_bytes()
            assert b"HOME=" in environment
            assert b"top-" not in environment
            # 19 is the lowest.
            assert os.getpriority(os.PRIO_PROCESS, child) > min(18, os.getpriority(os.PRIO_PROCESS, server.process.pid))


@pytest.mark.slow
def test_the_log_is_one_event_a_line_without_texts_or_keys(home: dict[str, Any], cities: Path) -> None:
    options = ("--funasr-port", "0", "--no-preload", "--api-key", "very-secret")
    with serving(*options, env=home) as server:
        url = server.listening()
        with client(url, headers={"authorization": "Bearer very-secret"}) as found:
            answer = transcribe(found, cities)
            assert found.post("/v1/audio/transcriptions", data={"hotwords": "Hedy"}).status_code == 400
            # libraries log, too
            damaged, kind = b"--b\r\nx: y\rz", {"content-type": "multipart/form-data; boundary=b"}
            assert found.post("/recognition", content=damaged, headers=kind).status_code == 400
        with connect(url.replace("http", "ws") + "/?token=very-secret", proxy=None) as line:
            line.send('{"mode": "2pass", "wav_name": "a", "is_speaking": false}')
            assert json.loads(line.recv(PATIENCE))["is_final"]
        server.process.terminate()
        server.ended()
    assert all(event["schema"] == "asrcli/event/1" for event in server.events)
    assert any(event.get("logger", "").startswith("python_multipart") for event in server.events)
    good, bad, _ = (event for event in server.events if event["event"] == "request")
    assert good["request_id"] == answer.headers["x-request-id"]
    assert (good["method"], good["route"], good["status"]) == ("POST", "/v1/audio/transcriptions", 200)
    assert (good["client"], good["model"], good["audio_seconds"]) == ("127.0.0.1", builtin.default(), 8.0)
    assert good["bytes"] == len(answer.content)
    assert 0 <= good["queue_seconds"] <= good["seconds"]
    assert bad["status"] == 400
    connection = next(event for event in server.events if event["event"] == "connection")
    assert connection["websocket"] == "funasr"
    log = json.dumps(server.events)
    assert not any(secret in log for secret in ("very-secret", "Hedy", "worst", "wav_name"))


@pytest.mark.slow
def test_two_listeners_serve_the_same(home: dict[str, Any]) -> None:
    port = free_port()
    with serving("--funasr-port", port, "--no-preload", env=home) as server:
        main, funasr = server.listening(), server.listening("funasr")
        assert funasr == f"ws://127.0.0.1:{port}"
        for url in (main, funasr.replace("ws", "http")):
            with client(url) as found:
                assert found.get("/health").json() == {"status": "ok"}


def test_the_wyoming_port_is_announced_and_ends_with_the_server(home: dict[str, Any]) -> None:
    port = free_port()
    with serving("--funasr-port", 0, "--wyoming-port", port, "--no-preload", env=home) as server:
        assert server.listening("wyoming") == f"tcp://127.0.0.1:{port}"
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as line, line.makefile("rb") as answers:
            line.sendall(b'{"type": "ping", "data": {"text": "a"}}\n')
            assert json.loads(answers.readline())["type"] == "pong"
            with serving("--funasr-port", 0, "--wyoming-port", port, "--no-preload", env=home) as second:
                assert second.ended() == 5
                assert str(port) in second.events[-1]["message"]
            server.process.send_signal(signal.SIGTERM)
            assert answers.read() == b'{"text":"a"}'
        assert server.ended() == 0
    assert [event["route"] for event in server.events if event["event"] == "connection"] == ["wyoming"]


def test_one_port_for_both_is_one_listener(home: dict[str, Any]) -> None:
    port = free_port()
    with serving("--port", port, "--funasr-port", port, "--no-preload", env=home) as server:
        assert server.listening() == f"http://127.0.0.1:{port}"
        with client(server.listening()) as found:
            assert found.get("/health").json() == {"status": "ok"}
        with connect(f"ws://127.0.0.1:{port}/", proxy=None) as line:
            line.send('{"mode": "2pass", "wav_name": "a", "is_speaking": false}')
            assert json.loads(line.recv(PATIENCE))["is_final"] is True


@pytest.mark.slow
def test_options_of_funasrs_runtime(home: dict[str, Any], tmp_path: Path, cities: Path) -> None:
    """The flags of its start scripts."""
    (tmp_path / "hotwords.txt").write_text("Dickens 20\nHedy Lamarr 30\n")
    threads = ("--decoder-thread-num", "2", "--model-thread-num", "1", "--io-thread-num", "2")
    for off in ("0", ""):
        options: tuple[Any, ...] = (
            "--certfile",
            off,
            "--keyfile",
            "server.key",
            "--hotword",
            tmp_path / "hotwords.txt" if off else "",
            *threads,
        )
        with serving("--funasr-port", "0", "--no-preload", *SMALL, *options, env=home) as server:
            assert server.listening().startswith("http://")
            with client(server.listening()) as found:
                answer = transcribe(found, cities)
            assert "best of times" in answer.text.lower(), (
                "the model takes no hotwords: those of the server are no error"
            )
    with serving("--funasr-port", "0", "--hotword", tmp_path / "none.txt", env=home) as server:
        assert server.ended() == 2
        assert "cannot be read" in json.dumps(server.events)


def test_tls(home: dict[str, Any], certificate: tuple[Path, Path]) -> None:
    cert, key = certificate
    options: tuple[Any, ...] = ("--funasr-port", free_port(), "--no-preload", "--certfile", cert, "--keyfile", key)
    trust = ssl.create_default_context(cafile=cert)
    with serving(*options, env=home) as server:
        main, funasr = server.listening(), server.listening("funasr")
        assert main.startswith("https://")
        assert funasr.startswith("wss://")
        with client(main, verify=trust) as found:
            assert found.get("/health").status_code == 200
        for url in (main.replace("https", "wss"), funasr):
            with connect(url, ssl=trust, proxy=None, subprotocols=[Subprotocol("binary")]) as line:
                assert line.subprotocol == "binary"
                line.send('{"mode": "2pass", "wav_name": "a", "is_speaking": false}')
                assert json.loads(line.recv(PATIENCE))["is_final"] is True


@pytest.mark.slow
def test_invalid_options_end_with_an_error(home: dict[str, Any], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        cases: list[tuple[tuple[Any, ...], int, str]] = [
            (("--port", port), 5, "Cannot listen"),
            (("--host", "no.such.host.invalid"), 2, "does not exist"),
            (("--port", port, "--wyoming-port", port), 2, "Wyoming needs a port"),
            (("--hotword", tmp_path / "none"), 2, "hotwords file"),
            (("--certfile", tmp_path / "none.pem"), 2, "certificate"),
            (("--keyfile", tmp_path / "none.pem"), 2, "--certfile"),
            (("--model", "no-such-model"), 4, "Unknown model"),
            (("--api-key-file", tmp_path / "none"), 2, "Cannot read the keys"),
            (("--max-upload", "huge"), 2, "not a size"),
            (("--api-key", ""), 2, "key is empty"),
            (("--fetch-network", "here"), 2, "not a network"),
            (("--forwarded-allow-ips", "proxy"), 2, "not a network"),
            (("--root-path", "/a b"), 2, "not a path"),
            (("--webhook-secret-file", tmp_path / "none"), 2, "--webhook-secret-file"),
            (("--webhook-secret-file", tmp_path / "none", "--webhook-secret", "a"), 2, "exclude each other"),
        ]
        for options, code, words in cases:
            with serving("--funasr-port", "0", *options, env=home) as server:
                assert server.ended() == code, options
                assert words in json.dumps(server.events), options
                assert "Traceback" not in json.dumps(server.events), options
        # A flag overrides a variable that contradicts it.
        options = ("--funasr-port", "0", "--webhook-secret-file", tmp_path / "none")
        with serving(*options, env=home | {"ASRCLI_WEBHOOK_SECRET": "a"}) as server:
            assert server.ended() == 2
            assert "Cannot read the keys" in json.dumps(server.events)


@pytest.mark.slow
def test_two_servers_that_start_at_once_on_a_port(home: dict[str, Any]) -> None:
    """Both can bind it; the second one that listens is refused."""
    port = free_port()
    with serving("--port", port, "--funasr-port", 0, env=home) as one, serving("--port", port, env=home) as two:
        servers = [one.process, two.process]
        while all(server.poll() is None for server in servers):
            time.sleep(0.05)
        (ended,) = (server for server in (one, two) if server.process.poll() is not None)
        assert ended.ended() == 5
        assert "Cannot listen" in json.dumps(ended.events)
        assert "internal" not in json.dumps(ended.events)


def test_a_public_server_without_keys_prints_a_warning(home: dict[str, Any]) -> None:
    with serving("--host", "0.0.0.0", "--funasr-port", "0", "--no-preload", env=home) as server:
        server.listening()
        assert any("--api-key" in event.get("message", "") for event in server.events)


def test_the_temporary_folder_of_a_killed_server_is_private(home: dict[str, Any]) -> None:
    with serving("--funasr-port", "0", "--no-preload", env=home) as server:
        server.listening()
        folders = list(Path(home["TMPDIR"]).glob("asrcli-serve-*"))
        assert [oct(folder.stat().st_mode)[-3:] for folder in folders] == ["700"]


@pytest.mark.slow
def test_uploads_of_a_killed_server_are_deleted_by_the_next(home: dict[str, Any]) -> None:
    temporary = Path(home["TMPDIR"])
    other = temporary / "asrcli-serve-of-another-program"
    other.mkdir()
    for name in ("lock", "notes.txt"):
        (other / name).write_text("mine")
    with serving("--funasr-port", "0", "--no-preload", env=home) as server:
        server.listening()
        (killed,) = set(temporary.glob("asrcli-serve-*")) - {other}
        upload = killed / "requests" / "request-ab3_xy9z" / "1"
        upload.parent.mkdir()
        upload.write_text("sound")
        with serving("--funasr-port", "0", "--no-preload", env=home) as second:
            second.listening()
            assert upload.exists(), "its server runs"
        server.process.kill()
        server.process.wait()
    with serving("--funasr-port", "0", "--no-preload", env=home) as third:
        third.listening()
        assert not killed.exists()
        assert (other / "notes.txt").exists()
    assert list(temporary.glob("asrcli-serve-*")) == [other]


GARBAGE = """
import asyncio, gc, weakref
from asrcli.server import run

class Cycle:
    def __init__(self):
        self.itself = self

async def main():
    run._COLLECT_EVERY = 0.1
    run.shorten_collections()
    cycle = Cycle()
    gc.collect(1)  # it is in the oldest generation
    lives = weakref.ref(cycle)
    del cycle
    async with asyncio.timeout(30):
        while lives():
            await asyncio.sleep(0.1)
    run._COLLECT_EVERY = 60
    await asyncio.sleep(0.2)
    full = []
    gc.callbacks.append(lambda phase, info: full.append(phase) if info["generation"] == 2 else None)
    transcript = [[number] for number in range(400_000)]
    assert len(transcript) == 400_000 and not full, full

asyncio.run(main())
"""


FREED = """
import asyncio, threading
from pathlib import Path
from asrcli.server import run
from asrcli.storage.allocator import return_freed_memory

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1])

def use_memory():
    blocks = [bytearray(2000) for _ in range(20_000)]
    kept.append(blocks[::1000])  # so that no arena ends with free memory

kept = []
return_freed_memory()
for _ in range(4):
    thread = threading.Thread(target=use_memory)
    thread.start()
    thread.join()
use_memory()

async def main():
    before = resident()
    run._COLLECT_EVERY = 0.1
    run.shorten_collections()
    async with asyncio.timeout(30):
        while resident() > before - 5000:
            await asyncio.sleep(0.1)

asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform != "linux" or platform.libc_ver()[0] != "glibc", reason="glibc's allocator")
def test_memory_that_was_freed_goes_back_to_the_system() -> None:
    """20 MB of pages that lie between blocks in use, whose arenas the allocator would keep as they are."""
    subprocess.run([sys.executable, "-c", FREED], check=True, timeout=60)


def test_full_garbage_collections_are_made_at_times_and_not_for_long_results() -> None:
    """Each stops all threads for as long as it looks at a million objects."""
    subprocess.run([sys.executable, "-c", GARBAGE], check=True, timeout=60)


def test_small_answers_are_sent_at_once() -> None:
    """Else the body of an answer waits for the acknowledgement of its head, 40 ms for each request of a connection."""

    async def answered() -> int:
        options: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        async def accept(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            line = writer.get_extra_info("socket")
            options.set_result(line.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        listener = listen("127.0.0.1", 0)
        async with await asyncio.start_server(accept, sock=listener):
            _, writer = await asyncio.open_connection(*listener.getsockname())
            writer.close()
            return await options

    assert asyncio.run(answered()) == 1
