"""docs/recipes.md: every command runs, and writes what it should."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
import soundfile
import soxr

from tests.tone import RATE

PAGE = (Path(__file__).parents[1] / "docs" / "recipes.md").read_text(encoding="utf-8")
COMMANDS = [
    command
    for command in re.findall(r"^```bash\n(.*?)\n```$", PAGE, re.MULTILINE | re.DOTALL)
    if " serve " not in command  # tests/server/process/test_server_recipes.py
    and "s3://" not in command  # tests/cli/stores/test_s3.py
]
#: part of a command -> a file that it writes, and a text in that
RESULTS = {
    "> live.srt": ("live.srt", "fa re mi"),
    "localhost:8080": ("web/talk.txt", "fa re mi"),
    "watch": ("inbox/memo.srt", "fa re mi"),
    "--audio-track de": ("film.srt", "do sol"),
    "--audio-track all": ("tracks.json", "Speaker 2"),
    "audio:en": ("films/other.vtt", "fa re mi"),
    "subtitles:en": ("films/other.en.srt", "fa re mi"),
    "utf-16": ("film.utf16.srt", ""),
    "--translate-to": ("german.txt", "fa re mi"),
    "--translate": ("english.txt", ""),
    "script.txt": ("script.srt", "Fa, re, mi!"),
    "wrong.srt": ("right.srt", "fa re mi"),
    "call.ulaw": ("call.txt", "fa re mi"),
    "--raw mulaw": ("raw.txt", "fa re mi"),
    "--output_format": ("out/talk.srt", "fa re mi"),
    "whisper-json": ("whisper.json", '"segments"'),
    "--embed-audio": ("alone.html", "data:audio/"),
    "docx": ("talk.docx", "word/document.xml"),
    "html": ("talk.html", "<!DOCTYPE html>"),
}


@pytest.fixture
def folder(tmp_path: Path, tone_audio: Callable[..., np.ndarray]) -> Path:
    """The files that the page names."""
    for name in ("inbox", "films"):
        (tmp_path / name).mkdir()
    samples = tone_audio([3, 1, 2])
    for name in ("talk.wav", "inbox/memo.wav", "films/other.wav"):
        soundfile.write(tmp_path / name, samples, RATE)
    soundfile.write(tmp_path / "two.wav", tone_audio([0, 4]), RATE)
    for name in ("call.ulaw", "call.raw"):
        soundfile.write(tmp_path / name, soxr.resample(samples, RATE, 8000), 8000, format="RAW", subtype="ULAW")
    (tmp_path / "script.txt").write_text("Fa, re, mi!\n")
    (tmp_path / "wrong.srt").write_text("1\n00:01:00,000 --> 00:01:01,000\nfa re mi\n")
    marks = ["-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=ger", "-c:a", "flac"]
    inputs = ["-i", "talk.wav", "-i", "two.wav", "-i", "wrong.srt", "-map", "0", "-map", "1"]
    ffmpeg = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-nostdin"]
    subprocess.run([*ffmpeg, *inputs, *marks, "film.mkv"], check=True, cwd=tmp_path)
    subtitles = ["-map", "2", "-metadata:s:s:0", "language=eng"]
    subprocess.run([*ffmpeg, *inputs, *subtitles, *marks, "films/film.mkv"], check=True, cwd=tmp_path)
    return tmp_path


@pytest.fixture
def site(folder: Path) -> Iterator[str]:
    """Host and port of a web server with the files."""
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"localhost:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def environment(
    tmp_path: Path, made_once: Callable[..., Path], tone_models: Callable[[str], Path]
) -> Callable[[str], dict[str, str]]:
    """The variables for a command: a home of its own, `asrcli` and `ffmpeg` on the path, a model of tones."""
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "ffmpeg").symlink_to(imageio_ffmpeg.get_ffmpeg_exe())
    (programs / "asrcli").write_text(f'#!/bin/sh\nexec {sys.executable} -m asrcli "$@"\n')
    (programs / "asrcli").chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ASRCLI_", "XDG_"))}

    def make(kind: str) -> dict[str, str]:
        model = tone_models(kind)
        files = {path.stem: path.name for path in [*model.glob("*.onnx"), *model.glob("tokens.txt")]}
        registry = tmp_path / "data" / "asrcli" / "models.yaml"
        registry.parent.mkdir(parents=True)
        registry.write_text(json.dumps({"models": {"tones": {"type": kind, "dir": str(model), "files": files}}}))
        return kept | {
            "HOME": str(tmp_path),
            "PATH": f"{programs}:{kept['PATH']}",
            "PYTHONPATH": str(Path(__file__).parents[1]),
            "XDG_CACHE_HOME": str(made_once("cache", Path.mkdir)),
            "XDG_DATA_HOME": str(tmp_path / "data"),
            "ASRCLI_MODEL": "tones",
            "ASRCLI_VAD": "no",
        }

    return make


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_runs(
    command: str, folder: Path, site: str, environment: Callable[[str], dict[str, str]]
) -> None:
    (name, text) = next(result for part, result in RESULTS.items() if part in command)
    command = command.replace("localhost:8080", site)
    variables = environment("canary" if "--translate" in command else "zipformer_ctc")
    process = subprocess.Popen(
        ["bash", "-euo", "pipefail", "-c", command], cwd=folder, env=variables, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    printed = ""
    if " watch " in command:
        # Reported when the command of --on-done has ended: a signal before drops the recording.
        while f" -> {name.partition('.')[0]}." not in printed:
            line = process.stdout.readline()
            assert line, printed
            printed += line
        os.kill(process.pid, signal.SIGINT)
    with process.stdout:
        printed += process.stdout.read()
    assert process.wait(100) == 0, printed
    assert text.encode() in (folder / name).read_bytes(), printed
    assert not (folder / "films" / "film.en.srt").exists()


def test_every_result_belongs_to_a_command() -> None:
    assert len(COMMANDS) == len(RESULTS)
    assert all(any(part in command for command in COMMANDS) for part in RESULTS)
