"""Every field of every protocol, from the server's own description of them, with values that no client should send.

No answer is a failure of the server's, each has the form of its protocol, no connection is closed without a message,
nothing is logged as unexpected, and a good request is served afterwards. `.ci/suites/fuzz.sh` runs 20,000 cases.
"""

from __future__ import annotations

import asyncio
import io
import logging
import os
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import quote, urlencode

import httpx
import numpy as np
import pytest
import soundfile
import websockets
from hypothesis import HealthCheck, Phase, Verbosity, given, settings
from hypothesis import strategies as st

from asrcli.server import bounds
from asrcli.server.app import create_app
from asrcli.server.settings import ServerSettings
from tests.server.conftest import Running

from .values import (
    EXTREMES,
    JSON,
    NUMBERS,
    TEXTS,
    Literal,
    field_paths,
    fitting,
    strictly_read,
    value_of,
    with_value,
    written,
)

CASES = int(os.environ.get("FUZZ_CASES", "300"))
#: cases of one example, which run at a time
BATCH = 25
#: seconds that an answer may take; generous, as machines that test are slow
PATIENCE = 150.0
DESCRIPTION = create_app(ServerSettings()).openapi()
OPERATIONS = [(path, operation["post"]) for path, operation in DESCRIPTION["paths"].items() if "post" in operation]
#: answers that are no fault of the server's: the model or the package is not installed
EXPECTED = {501, 503}


def fuzz(cases: float) -> settings:
    return settings(
        max_examples=max(1, round(CASES * cases / BATCH)),
        verbosity=Verbosity.quiet,
        print_blob=False,
        phases=[Phase.generate],  # a case names itself; shrinking would repeat timeouts
        suppress_health_check=list(HealthCheck),
    )


def wav(seconds: float) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, np.zeros(round(16000 * seconds), np.int16), 16000, format="WAV")
    return file.getvalue()


FILES = [b"", b"RIFF", b"\x00" * 300, b"<html>", wav(0.1)[:60], b'{"a": 1}']
GOOD_FILE = wav(0.1)


class _Unexpected(logging.Handler):
    """Collects what the server logs as unexpected."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info or "unexpected" in record.getMessage():
            self.found.append(f"{record.getMessage()} {record.exc_info}")


@pytest.fixture(autouse=True)
def _nothing_unexpected() -> Iterator[None]:
    handler = _Unexpected()
    loggers = [logging.getLogger(name) for name in ("asrcli.server", "uvicorn.error", "asyncio")]
    for logger in loggers:
        logger.addHandler(handler)
    yield
    for logger in loggers:
        logger.removeHandler(handler)
    assert not handler.found


def shortened(*values: Any) -> str:
    return "\n".join(repr(value)[:600] for value in values)


# -- HTTP ------------------------------------------------------------------------------------------------------------


def as_text(value: Any) -> str:
    return value if isinstance(value, str) else written(value)


class Batch(list[Any]):
    """Cases of one example; hypothesis would print them all."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"{len(self)} cases"


#: longer heads get an answer of HTTP's, not of a protocol (test_bounds)
_LONGEST_URL = bounds.MAX_HEAD - 1000


def batches(cases: st.SearchStrategy[Any]) -> st.SearchStrategy[Batch]:
    return st.lists(cases, min_size=BATCH, max_size=BATCH).map(Batch)


@st.composite
def requests(draw: st.DrawFn) -> dict[str, Any]:
    path, operation = draw(st.sampled_from(OPERATIONS))
    query = {
        each["name"]: as_text(draw(value_of(each["schema"]) | TEXTS))
        for each in operation.get("parameters", [])
        if each["in"] == "query" and draw(st.integers(0, 3)) == 0
    }
    content = operation.get("requestBody", {}).get("content", {})
    kind = draw(st.sampled_from(sorted(content))) if content else ""
    sent = path + "?" + urlencode(query, errors="replace")
    request: dict[str, Any] = {"path": sent[:_LONGEST_URL], "kind": kind, "cut": False}
    if kind == "multipart/form-data":
        properties = content[kind]["schema"]["properties"]
        names = draw(st.lists(st.sampled_from(sorted(properties)), max_size=4))
        request["parts"] = [part(draw, name, properties[name]) for name in names]
        request["cut"] = draw(st.integers(0, 20)) == 0
    elif kind == "application/json":
        field = draw(st.sampled_from(["wav", "other"]))
        request["body"] = written(draw(JSON | st.fixed_dictionaries({field: JSON}))).encode("utf-8", "surrogatepass")
    else:
        request["body"] = draw(st.sampled_from(FILES))
    return request


def part(draw: st.DrawFn, name: str, schema: dict[str, Any]) -> tuple[str, str | None, bytes]:
    if schema.get("format") == "binary" or schema.get("items", {}).get("format") == "binary":
        return name, draw(TEXTS), draw(st.sampled_from(FILES))
    schema = schema.get("items", schema)
    value = draw(st.one_of(fitting(schema), TEXTS, NUMBERS, JSON))
    return name, None, as_text(value).encode("utf-8", "surrogatepass")


def body_of(request: dict[str, Any]) -> bytes:
    body = b""
    for name, filename, data in request["parts"]:
        shown = "" if filename is None else f'; filename="{quote(filename, errors="replace")}"'
        body += f'--b\r\ncontent-disposition: form-data; name="{name}"{shown}\r\n\r\n'.encode() + data + b"\r\n"
    return body[: len(body) // 2] if request["cut"] else body + b"--b--\r\n"


async def send(client: httpx.AsyncClient, request: dict[str, Any]) -> None:
    kind = request["kind"] or "application/octet-stream"
    if kind == "multipart/form-data":
        content, kind = body_of(request), "multipart/form-data; boundary=b"
    else:
        content = request["body"]
    answer = await client.post(request["path"], content=content, headers={"content-type": kind})
    assert answer.status_code < 500 or answer.status_code in EXPECTED, shortened(request, answer.text)
    if answer.status_code >= 400:
        check_error(request["path"].partition("?")[0], answer, request)


def check_error(path: str, answer: httpx.Response, request: dict[str, Any]) -> None:
    if answer.headers["content-type"].startswith("text/plain"):  # whisper-asr-webservice
        assert path == "/asr", shortened(request)
        return
    body = answer.json()
    if path == "/v1/listen":
        assert isinstance(body["err_msg"], str), shortened(request)
    elif path.startswith("/v1/"):
        assert isinstance(body["error"]["message"], str), shortened(request)
    elif path.startswith("/stream/v1/"):
        assert (type(body["status"]), type(body["message"]), len(body["task_id"])) == (int, str, 32), shortened(request)
    else:
        assert (body["code"], type(body["msg"])) == (1, str), shortened(request)


@fuzz(0.5)
@given(batch=batches(requests()))
def test_http(server: Running, batch: Any) -> None:
    async def run() -> None:
        async with httpx.AsyncClient(base_url=server.url, timeout=PATIENCE, trust_env=False, verify=False) as client:
            await asyncio.gather(*(send(client, request) for request in batch))
            good = await client.post("/v1/audio/transcriptions", files={"file": GOOD_FILE})
            assert good.json()["text"] == ""

    asyncio.run(run())


@pytest.mark.slow
@pytest.mark.parametrize("path", [path for path, operation in OPERATIONS if "multipart" in str(operation)])
def test_every_field_of_a_form_with_every_extreme_value(server: Running, path: str) -> None:
    schema = dict(OPERATIONS)[path]["requestBody"]["content"]["multipart/form-data"]["schema"]
    fields = {name: each for name, each in schema["properties"].items() if '"binary"' not in written(each)}
    file = next((name for name in schema["properties"] if name not in fields), "file")
    cases: list[dict[str, Any]] = [
        {"path": path, "kind": "multipart/form-data", "cut": False,
         "parts": [(name, None, text.strip('"').encode()), (file, "a.wav", b"RIFF")]}
        for name in fields
        for text in EXTREMES
    ]  # fmt: skip

    async def run() -> None:
        async with httpx.AsyncClient(base_url=server.url, timeout=PATIENCE, trust_env=False, verify=False) as client:
            for first in range(0, len(cases), BATCH):
                await asyncio.gather(*(send(client, case) for case in cases[first : first + BATCH]))

    asyncio.run(run())


# -- WebSockets ------------------------------------------------------------------------------------------------------

SOCKETS = DESCRIPTION["x-websockets"]
GOOD: dict[str, list[Any]] = {
    "funasr": [{"mode": "2pass", "is_speaking": True}, {"is_speaking": False}],
    "aliyun": [
        {"header": {"namespace": "SpeechTranscriber", "name": "StartTranscription", "task_id": "t"}},
        {"header": {"namespace": "SpeechTranscriber", "name": "StopTranscription", "task_id": "t"}},
    ],
    "qwen": [{"type": "start"}, {"type": "stop"}],
    "deepgram": [{"type": "KeepAlive"}, {"type": "CloseStream"}],
    "openai-realtime": [{"type": "session.update", "session": {}}, {"type": "input_audio_buffer.clear"}],
    "realtime": ["START", "STOP"],
}
#: what ends any recording or the connection, whatever came before: the first frame decides the protocol, and FunASR's
#: runtime may take the first end for that of a recording that failed
ENDS: dict[str, list[Any]] = {name: [frames[-1], "STOP"] for name, frames in GOOD.items()}
ENDS["funasr"] = [{"is_speaking": False, "wav_name": "first"}, {"is_speaking": False, "wav_name": "last"}, "STOP"]
ENDS["realtime"] = ENDS["funasr"]
FRAGMENTS = st.sampled_from(
    ["", "{", "[]", "null", "STOP", "HOTWORDS:", "{nonsense", "x" * 70000, '"\\ud800"', "START:1"]
)


def conversations(name: str) -> st.SearchStrategy[tuple[list[str | bytes], bool]]:
    """Frames, and whether the client leaves without a word after them."""
    frames = SOCKETS[name]["frames"]
    ways: list[st.SearchStrategy[Any]] = [value_of(schema).map(frame_of) for schema in frames.values()]
    ways += [value_of(frames["start"]).map(frame_of)] * 2
    ways += [st.binary(max_size=100), st.sampled_from([1, 3200, 6401]).map(bytes), FRAGMENTS]
    return st.tuples(st.lists(st.one_of(ways), min_size=1, max_size=5), st.integers(0, 9).map(lambda one: one == 0))


def frame_of(value: Any) -> str:
    text = as_text(value)
    return text.encode("utf-8", "replace").decode()


BATCHES = {name: batches(conversations(name)) for name in SOCKETS}


def good_frames(name: str) -> list[str | bytes]:
    """A recording of a tenth of a second."""
    start, end = map(as_text, GOOD[name])
    sound = [] if name == "openai-realtime" else [bytes(3200)]  # it takes base64
    return [start, *sound, end, *([as_text(ENDS[name][1])] if name == "funasr" else [])]


def is_last(message: dict[str, Any]) -> bool:
    header = message.get("header", {})
    return (
        message.get("wav_name") == "last"
        or header.get("name") in {"TaskFailed", "TranscriptionCompleted", "RecognitionCompleted"}
        or message.get("type") in {"final", "input_audio_buffer.cleared", "Metadata"}
        or message.get("event") == "stopped"
    )


async def talk(
    server: Any, name: str, frames: list[str | bytes], *, leaves: bool = False, query: str = ""
) -> list[dict[str, Any]]:
    """The answers; at least one, unless the client leaves."""
    url = server.ws + SOCKETS[name]["path"] + query
    answers: list[dict[str, Any]] = []
    code = None
    options: dict[str, Any] = {"ping_interval": None, "max_size": None, "proxy": None, "compression": None}
    async with websockets.connect(url, open_timeout=PATIENCE, **options) as socket:
        try:
            with suppress(websockets.ConnectionClosed):  # the answers before the end are still there
                for frame in frames:
                    await socket.send(frame)
            if leaves:
                socket.transport.abort()
                return answers
            while not (answers and is_last(answers[-1])):
                answers.append(strictly_read(await asyncio.wait_for(socket.recv(), PATIENCE)))
        except websockets.ConnectionClosed as closed:
            code = closed.rcvd.code if closed.rcvd else None
        except TimeoutError:
            code = 0
    assert all(isinstance(answer, dict) for answer in answers), shortened(name, frames, answers)
    assert leaves or (answers and code in {None, 1000, 1001, 1008}), shortened(name, frames, answers, code)
    return answers


@pytest.mark.parametrize("name", [name for name in SOCKETS if "properties" in SOCKETS[name]["frames"]["start"]])
def test_every_field_of_a_socket_with_every_extreme_value(server: Running, name: str) -> None:
    schema = SOCKETS[name]["frames"]["start"]
    paths = list(field_paths(schema))
    assert len(paths) > 10
    frames = [as_text(with_value(GOOD[name][0], path, Literal(text))) for path in paths for text in EXTREMES]

    async def run() -> None:
        for first in range(0, len(frames), BATCH):
            ends = [as_text(end) for end in ENDS[name]]
            await asyncio.gather(*(talk(server, name, [frame, *ends]) for frame in frames[first : first + BATCH]))

    asyncio.run(run())


@pytest.mark.slow
def test_every_query_parameter_of_a_socket_with_every_extreme_value(server: Running) -> None:
    raw = {"encoding": "linear16", "sample_rate": 16000}
    texts = [text.strip('"') for text in EXTREMES] + ["nan", "-1", "99999", "%00", "x" * 300]
    queries = ["?" + urlencode(raw | {name: text}) for name in SOCKETS["deepgram"]["query"] for text in texts]

    async def run() -> None:
        frames: list[str | bytes] = [bytes(3200), as_text(GOOD["deepgram"][1])]
        for first in range(0, len(queries), BATCH):
            batch = queries[first : first + BATCH]
            await asyncio.gather(*(talk(server, "deepgram", frames, query=query) for query in batch))

    asyncio.run(run())


@pytest.mark.slow
@pytest.mark.parametrize("name", SOCKETS)
@fuzz(0.5 / len(SOCKETS))
@given(data=st.data())
def test_sockets(server: Running, name: str, data: st.DataObject) -> None:
    batch = data.draw(BATCHES[name])

    async def run() -> None:
        talks = []
        for frames, leaves in batch:
            ends = [] if leaves else [as_text(end) for end in ENDS[name]]
            talks.append(talk(server, name, [*frames, *ends], leaves=leaves))
        await asyncio.gather(*talks)
        for answers in await asyncio.gather(*(talk(server, each, good_frames(each)) for each in GOOD)):
            assert not any("error" in written(answer) or "Failed" in written(answer) for answer in answers), answers

    asyncio.run(run())
