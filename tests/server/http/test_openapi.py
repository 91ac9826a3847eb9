"""Requests made up from our own OpenAPI description: whatever comes, no answer is a failure of the server's."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from asrcli.server.protocols.aliyun import qwen
from asrcli.server.protocols.aliyun import websocket as aliyun_websocket
from asrcli.server.protocols.funasr import fields as funasr_fields
from asrcli.server.protocols.funasr import realtime
from asrcli.server.protocols.funasr import websocket as funasr_websocket
from asrcli.server.protocols.websocket_frames import WEBSOCKETS
from tests.server.conftest import Running


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_no_made_up_request_makes_the_server_fail(
    server: Running, client: httpx.Client, cities: Path, tmp_path: Path
) -> None:
    if importlib.util.find_spec("schemathesis") is None:
        pytest.skip("needs schemathesis: pip install schemathesis")
    command: list[Any] = [
        Path(sys.executable).with_name("schemathesis"), "run", f"{server.url}/openapi.json",
        "--checks=not_a_server_error", "--max-examples=10", "--seed=1", "--request-timeout=60", "--no-color",
        "--suppress-health-check=all",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=550, cwd=tmp_path)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    generated, passed = re.search(r"(\d+) generated, (\d+) passed", done.stdout).groups()
    assert int(generated) == int(passed) > 100
    with cities.open("rb") as file:
        answer = client.post("/v1/audio/transcriptions", files={"file": file})
    assert "worst of times" in answer.json()["text"].lower()


#: objects of clients' frames, as the modules of the protocols name them
_FRAMES = {"frame", "payload", "header"}


def _fields_read(module: Any) -> set[str]:
    """The fields of frames that a module reads."""
    found: set[Any] = set()
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        match node:
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id=name), attr="get"), args=[ast.Constant(value=field), *_]
            ):
                found |= {field} if name in _FRAMES else set()
            case ast.Subscript(value=ast.Name(id=name), slice=ast.Constant(value=field)):
                found |= {field} if name in _FRAMES else set()
            case ast.Compare(left=ast.Constant(value=field), ops=[ast.In()], comparators=[ast.Name(id=name)]):
                found |= {field} if name in _FRAMES else set()
            case ast.Call(func=ast.Name(id=_), args=[ast.Name(id=name), ast.Constant(value=field), *_]):
                found |= {field} if name in _FRAMES else set()
    return found


def _names(schema: Any) -> set[str]:
    """The fields that a schema describes."""
    properties = schema.get("properties", {}) if isinstance(schema, dict) else {}
    return set(properties) | {name for each in properties.values() for name in _names(each)}


@pytest.mark.parametrize(
    ("protocol", "modules", "more"),
    [
        ("funasr", (funasr_fields, funasr_websocket), ()),
        ("aliyun", (aliyun_websocket,), aliyun_websocket._FLAGS),
        ("qwen", (qwen,), qwen._DEFAULTS),
    ],
)
def test_every_field_that_is_read_is_described(protocol: str, modules: Any, more: Any) -> None:
    """The description is what the fuzzing takes its fields from."""
    frames = WEBSOCKETS[protocol]["frames"].values()
    described = {name for frame in frames for name in _names(frame)}
    read = {field for module in modules for field in _fields_read(module)} | set(more)
    assert len(read) > 5
    assert read - described == set()


def test_commands_are_described() -> None:
    frames = WEBSOCKETS["realtime"]["frames"].values()
    described = {frame.get("const") or frame["pattern"].strip("^:") for frame in frames}
    assert described == realtime.COMMANDS


def test_the_description_has_the_sockets_and_the_metrics_the_longest_callback(client: httpx.Client) -> None:
    assert client.get("/openapi.json").json()["x-websockets"] == WEBSOCKETS
    metrics = client.get("/metrics").text
    longest = re.search(r"^asrcli_longest_callback_seconds ([0-9.e-]+)$", metrics, re.MULTILINE)
    assert longest is not None
    assert 0 < float(longest[1]) < 1
