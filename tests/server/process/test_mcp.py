"""`asrcli mcp` with the official client, over the pipes of a real process."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from mcp import StdioServerParameters
from mcp.client.client import Client

from asrcli.errors import UsageError
from asrcli.models import builtin
from asrcli.server.protocols.mcp import AllowedFolders

Story = Callable[[Client], Awaitable[Any]]
REFUSED = "No such file in the allowed folders."


@pytest.fixture
def folder(tmp_path: Path, cities: Path, long_cities: Path) -> Path:
    """Recordings that may be read, and a secret beside the folder."""
    allowed = tmp_path / "allowed"
    (allowed / "below").mkdir(parents=True)
    (allowed / "below" / "talk.wav").write_bytes(cities.read_bytes())
    (allowed / "long.wav").write_bytes(long_cities.read_bytes())
    (allowed / "text.wav").write_text("no sound")
    (tmp_path / "secret.wav").write_bytes(cities.read_bytes())
    (tmp_path / "allowed-too").mkdir()
    (tmp_path / "allowed-too" / "secret.wav").write_bytes(cities.read_bytes())
    (allowed / "link.wav").symlink_to(tmp_path / "secret.wav")
    (allowed / "inner.wav").symlink_to(allowed / "below" / "talk.wav")
    (allowed / "circle.wav").symlink_to(allowed / "circle.wav")
    (allowed / "out").symlink_to(tmp_path)
    (allowed / "list.m3u8").write_text(f"#EXTM3U\n#EXTINF:8,\nfile://{tmp_path}/secret.wav\n#EXT-X-ENDLIST\n")
    os.mkfifo(allowed / "pipe.wav")
    return allowed


def talk(folder: Path, story: Story, home: Path) -> Any:
    env = {"HOME": str(home), "PYTHONPATH": os.pathsep.join(sys.path)}
    command = ["-m", "asrcli", "mcp", "--allow", str(folder), "-j", "2"]

    async def run() -> Any:
        async with Client(StdioServerParameters(command=sys.executable, args=command, env=env)) as client:
            return await asyncio.wait_for(story(client), 100)

    return asyncio.run(run())


def texts(result: Any) -> list[str]:
    return [each.text for each in result.content]


@pytest.mark.slow
def test_tools_give_transcripts_and_models(folder: Path, tmp_path: Path) -> None:
    async def story(client: Client) -> tuple[Any, ...]:
        seen: list[tuple[float, float | None]] = []

        async def note(progress: float, total: float | None, message: str | None) -> None:
            seen.append((progress, total))

        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        models = await client.call_tool("models", {})
        plain = await client.call_tool("transcribe", {"path": "below/talk.wav"})
        several = await asyncio.gather(
            client.call_tool("transcribe", {"path": str(folder / "inner.wav"), "format": "srt", "language": "en-US"}),
            client.call_tool("transcribe", {"path": "long.wav", "format": "json"}, progress_callback=note),
        )
        short: list[float] = []

        async def note_short(progress: float, total: float | None, message: str | None) -> None:
            assert progress <= total
            short.append(progress / total)

        await client.call_tool("transcribe", {"path": "below/talk.wav"}, progress_callback=note_short)
        return tools, models, plain, *several, seen, short

    tools, models, plain, srt, found, progress, short = talk(folder, story, tmp_path)
    assert set(tools) == {"transcribe", "models"}
    assert set(tools["transcribe"].input_schema["properties"]) == {"path", "format", "model", "language", "diarize"}
    assert models.structured_content["result"][0]["name"] == builtin.default()
    assert "best of times" in texts(plain)[0].lower()
    assert texts(srt)[0].startswith("1\n00:00:0")
    assert json.loads(texts(found)[0])["duration"] == pytest.approx(44, abs=1)
    assert (progress[-1][0] / progress[-1][1], short[-1]) == (1, 1)
    assert progress[0][1] == pytest.approx(44, abs=1)
    assert progress == sorted(progress)


@pytest.mark.slow
def test_what_cannot_be_served_is_an_error_of_the_tool(folder: Path, tmp_path: Path) -> None:
    paths = [
        "../secret.wav", "link.wav", "out/secret.wav", "circle.wav", "pipe.wav", "below", "", ".", "/etc/passwd",
        "/dev/stdin", "a\x00b", "x" * 5000, str(tmp_path / "allowed-too" / "secret.wav"), "~/secret.wav", "none.wav",
        "file:///etc/passwd",
    ]  # fmt: skip
    others: list[tuple[dict[str, Any], str]] = [
        ({"path": "text.wav"}, ""),
        ({"path": "list.m3u8"}, ""),
        ({"path": "long.wav", "format": "exe"}, "format"),
        ({"path": "long.wav", "model": "none"}, "The tool `models` lists those that exist."),
        ({"path": "long.wav", "language": "tlh"}, "tlh"),
        ({"path": "long.wav", "language": "no language"}, "language"),
        ({"path": 5}, ""),
        ({}, ""),
    ]

    async def story(client: Client) -> tuple[list[Any], list[Any], Any]:
        refused = [await client.call_tool("transcribe", {"path": path}) for path in paths]
        wrong = [await client.call_tool("transcribe", arguments) for arguments, _ in others]
        return refused, wrong, await client.call_tool("transcribe", {"path": "below/talk.wav"})

    refused, wrong, good = talk(folder, story, tmp_path)
    for path, result in zip(paths, refused, strict=True):
        assert result.is_error, path
        assert REFUSED in texts(result)[0], path
    for (arguments, part), result in zip(others, wrong, strict=True):
        assert result.is_error, arguments
        assert part in texts(result)[0], arguments
        assert "secret" not in texts(result)[0]
        assert "Traceback" not in texts(result)[0]
    assert "best of times" in texts(good)[0].lower()


def test_junk_on_stdin_is_answered_and_stdout_holds_only_messages(folder: Path) -> None:
    start = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
    lines = [
        "junk", "[]", "{}", '{"jsonrpc": "2.0", "id": 1}', "\x00",
        json.dumps({"jsonrpc": "2.0", "id": 7, "method": "initialize", "params": start}),
    ]  # fmt: skip
    command = [sys.executable, "-m", "asrcli", "mcp", "--allow", str(folder)]
    done = subprocess.run(
        command, input="\n".join(lines) + "\n", capture_output=True, text=True, timeout=100, check=False
    )
    messages = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, done.stderr
    assert any(message.get("id") == 7 and "result" in message for message in messages)
    assert "Traceback" not in done.stdout


@pytest.mark.parametrize("arguments", [[], ["--allow", "/no/such/folder"], ["--allow", __file__]])
def test_the_folders_must_exist(arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "asrcli", "mcp", *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "--allow" in done.stderr


@pytest.mark.slow
def test_files_are_found_in_several_folders(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.wav").touch()
    allowed = AllowedFolders([tmp_path / "one", tmp_path / "two"])
    assert allowed.file("two.wav") == tmp_path / "two" / "two.wav"
    assert allowed.file("../two/two.wav") == tmp_path / "two" / "two.wav"
    with pytest.raises(UsageError):
        allowed.file("../one")
