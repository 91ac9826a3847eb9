"""Streams that are read while they are recorded: text as it is spoken, and what ends them."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import pytest
import soundfile

from asrcli.errors import ExitCode
from tests.cli.conftest import Program
from tests.cli.test_endings import wait_for_event


@pytest.fixture
def start(asrcli: Program) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Starts the program on a pipe that stays open; what still runs at the end of the test is killed."""
    running = []

    def start(*arguments: str | Path, **options: Any) -> subprocess.Popen[bytes]:
        process = asrcli.start("transcribe", *arguments, **options)
        running.append(process)
        return process

    yield start
    for process in running:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()


@pytest.fixture(scope="session")
def pcm(speech: Path) -> bytes:
    """The three sentences as raw samples at 16 kHz, with a second of silence behind them."""
    samples, rate = soundfile.read(speech, dtype="int16")
    assert rate == 48000
    return samples[::3].tobytes() + bytes(32000)


RAW = ("-", "--raw", "s16le")


def read_until(stream: IO[bytes], wanted: str, *, seconds: int = 60) -> str:
    """Read a pipe until it holds a text; the test fails where that does not come."""
    found = b""
    timer = threading.Timer(seconds, stream.close)
    timer.start()
    try:
        while wanted not in found.decode("utf-8", "replace").lower():
            piece = os.read(stream.fileno(), 4096)
            assert piece, f"the output ended with {found!r}"
            found += piece
    finally:
        timer.cancel()
    return found.decode()


@pytest.mark.parametrize("form", ["txt", "jsonl", "srt", "vtt"])
def test_a_pipe_gives_text_while_it_is_open(
    start: Callable[..., subprocess.Popen[bytes]], pcm: bytes, form: str
) -> None:
    process = start(*RAW, "-f", form, "-q")
    process.stdin.write(pcm)
    process.stdin.flush()
    first = read_until(process.stdout, "age of wisdom" if form != "srt" else "wisdom")
    process.stdin.write(pcm)
    process.stdin.close()
    rest = process.stdout.read().decode()
    assert process.wait(60) == 0
    assert "best of times" in " ".join(rest.split())
    whole = first + rest
    if form == "jsonl":
        segments = [json.loads(line) for line in whole.splitlines()]
        assert [segment["id"] for segment in segments] == list(range(len(segments)))
        assert all(segment["source"] == "stdin" for segment in segments)
    elif form == "srt":
        numbers = [int(number) for number in re.findall(r"(?m)^(\d+)\n\d\d:", whole)]
        assert numbers == list(range(1, len(numbers) + 1))
    elif form == "vtt":
        assert whole.startswith("WEBVTT\n\n")
        assert whole.count("WEBVTT") == 1
    if form in {"srt", "vtt"}:
        times = [time.replace(",", ".") for time in re.findall(r"[\d:]+[.,]\d{3}", whole)]
        assert times == sorted(times)


@pytest.mark.slow
def test_a_quick_pipe_gives_what_the_file_gives(asrcli: Program, speech: Path) -> None:
    for form in ("txt", "srt"):
        asrcli("transcribe", speech, "-f", form, "-d", "out")
        piped = asrcli("transcribe", "-", "-f", form, "-q", stdin=speech.read_bytes())
        assert piped.stdout == (asrcli.folder / "out" / f"cities.{form}").read_text(encoding="utf-8")


@pytest.mark.parametrize(("number", "form"), [(signal.SIGINT, "txt"), (signal.SIGTERM, "json")])
def test_a_signal_is_the_end_of_the_recording(
    start: Callable[..., subprocess.Popen[bytes]], pcm: bytes, number: signal.Signals, form: str
) -> None:
    process = start(*RAW, "-f", form, "--log-json")
    wait_for_event(process, "file_started")
    process.stdin.write(pcm)
    process.stdin.flush()
    process.send_signal(number)  # what is in the pipe by now belongs to the recording
    said = process.stderr.read().decode()
    out = process.stdout.read().decode()
    assert process.wait(60) == 0, said
    assert "age of wisdom" in out.lower()
    assert "recording ends here" in said
    assert "Traceback" not in said
    events = [json.loads(line) for line in said.splitlines()]
    done = next(event for event in events if event["event"] == "file_done")
    assert done["segments"] == (len(out.splitlines()) if form == "txt" else len(json.loads(out)["segments"]))
    assert (events[-1]["event"], events[-1]["summary"]["done"]) == ("batch_finished", 1)


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="Windows has no SIGHUP")
@pytest.mark.parametrize("number", ["SIGINT", "SIGHUP"])
def test_a_signal_ends_a_stream_that_goes_to_a_file(
    start: Callable[..., subprocess.Popen[bytes]], asrcli: Program, pcm: bytes, number: str
) -> None:
    process = start(*RAW, "-d", "out", "--log-json")
    wait_for_event(process, "file_started")
    process.stdin.write(pcm)
    process.stdin.flush()
    process.send_signal(getattr(signal, number))
    assert process.wait(60) == 0
    assert "best of times" in (asrcli.folder / "out" / "stdin.txt").read_text(encoding="utf-8")


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="Windows has no SIGHUP")
def test_a_signal_that_is_sent_twice_is_one(start: Callable[..., subprocess.Popen[bytes]], pcm: bytes) -> None:
    """`timeout` sends its signal to the program and to its group: the stream was dropped."""
    process = start(*RAW, "--log-json")
    wait_for_event(process, "file_started")
    process.stdin.write(pcm)
    process.stdin.flush()
    for number in (signal.SIGSTOP, signal.SIGTERM, signal.SIGHUP, signal.SIGCONT):  # both are delivered together
        process.send_signal(number)
    said = process.stderr.read().decode()
    assert process.wait(60) == 0, said
    assert "age of wisdom" in process.stdout.read().decode().lower()


def test_a_second_signal_drops_the_stream(start: Callable[..., subprocess.Popen[bytes]], pcm: bytes) -> None:
    process = start(*RAW, "-f", "json", "--log-json")
    wait_for_event(process, "file_started")
    with Filled(process, pcm):
        process.send_signal(signal.SIGINT)
        wait_for_event(process, "notice")
        time.sleep(0.15)  # what comes sooner is the same signal
        process.send_signal(signal.SIGINT)
        said = process.stderr.read().decode()
    assert process.wait(60) == ExitCode.INTERRUPTED
    assert process.stdout.read() == b""
    assert "Traceback" not in said
    assert "the same command" not in said


class Filled:
    """Keeps a pipe full in a thread, so that its recording does not end by itself."""

    def __init__(self, process: subprocess.Popen[bytes], pcm: bytes) -> None:
        self._process, self._pcm = process, pcm
        self._thread = threading.Thread(target=self._write, daemon=True)

    def _write(self) -> None:
        try:
            while True:
                self._process.stdin.write(self._pcm)
        except (BrokenPipeError, ValueError):
            pass

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._thread.join(30)


def test_files_are_dropped_and_the_stream_is_finished(
    start: Callable[..., subprocess.Popen[bytes]], asrcli: Program, pcm: bytes, batch_of_hours: Path
) -> None:
    process = start(batch_of_hours, *RAW, "-d", "out", "--log-json")
    wait_for_event(process, "file_started", "stdin")
    process.stdin.write(pcm)
    process.stdin.flush()
    process.send_signal(signal.SIGINT)
    said = process.stderr.read().decode()
    assert process.wait(60) == ExitCode.INTERRUPTED, said
    assert "best of times" in (asrcli.folder / "out" / "stdin.txt").read_text(encoding="utf-8")
    assert not (asrcli.folder / "out" / "long.txt").exists()


@pytest.fixture
def batch_of_hours(asrcli: Program, wheel_audio: Path) -> Path:
    """Raw samples of more than an hour of speech: they take longer than a signal, on any machine."""
    path = asrcli.folder / "long.wav"
    samples, _ = soundfile.read(wheel_audio / "two_cities.wav", dtype="int16")
    with path.open("wb") as file:
        for _ in range(80):
            file.write(samples[::3].tobytes())
    return path


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_before_anything_came(start: Callable[..., subprocess.Popen[bytes]], number: signal.Signals) -> None:
    process = start("-", "--log-json")
    wait_for_event(process, "file_started")
    process.send_signal(number)  # the pipe stays open
    said = process.stderr.read().decode()
    assert process.wait(60) == {signal.SIGINT: 130, signal.SIGTERM: 143}[number]
    assert "Fatal" not in said
    assert process.stdout.read() == b""


@pytest.mark.parametrize("arguments", [RAW, ("-",)])
def test_the_end_of_the_span_ends_a_pipe_that_stays_open(
    start: Callable[..., subprocess.Popen[bytes]], pcm: bytes, speech: Path, arguments: tuple[str, ...]
) -> None:
    data = pcm[: 3 * 32000] if arguments == RAW else speech.read_bytes()[: 3 * 96000]
    process = start(*arguments, "--end", "2", "-q")
    with contextlib.suppress(BrokenPipeError):  # it may end before it has read all
        process.stdin.write(data)
        process.stdin.flush()
    assert process.wait(60) == 0, process.stderr.read()
    assert process.stderr.read() == b""
    assert "the best" in process.stdout.read().decode()


def test_the_end_of_the_span_ends_a_decoder_that_is_fed_by_a_pipe(
    start: Callable[..., subprocess.Popen[bytes]], asrcli: Program, speech: Path, tmp_path: Path
) -> None:
    from asrcli.audio.ffmpeg.process import find_ffmpeg

    track = tmp_path / "cities.mka"
    subprocess.run([find_ffmpeg(), "-v", "error", "-i", speech, "-c:a", "flac", track], check=True)
    process = start("-", "--end", "2", "-q")
    process.stdin.write(track.read_bytes())
    process.stdin.flush()
    assert process.wait(60) == 0, process.stderr.read()
    assert process.stderr.read() == b""


def test_a_signal_at_a_fifo_without_a_writer(start: Callable[..., subprocess.Popen[bytes]], asrcli: Program) -> None:
    os.mkfifo(asrcli.folder / "microphone.wav")
    process = start("microphone.wav", "-d", "out", "--log-json")
    wait_for_event(process, "file_started")
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == ExitCode.INTERRUPTED


@pytest.mark.slow
def test_a_file_on_stdin_is_not_cut_short_by_a_signal(
    start: Callable[..., subprocess.Popen[bytes]], batch_of_hours: Path
) -> None:
    with batch_of_hours.open("rb") as file:
        process = start(*RAW, "--log-json", stdin=file)
        wait_for_event(process, "segment")
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == ExitCode.INTERRUPTED


def test_caf_on_stdin(asrcli: Program, speech: Path, tmp_path: Path) -> None:
    samples, rate = soundfile.read(speech)
    soundfile.write(tmp_path / "cities.caf", samples, rate, format="CAF", subtype="PCM_16")
    done = asrcli("transcribe", "-", "-q", stdin=(tmp_path / "cities.caf").read_bytes())
    assert (done.returncode, done.stderr) == (0, "")
    assert "best of times" in done.stdout


@pytest.mark.slow
def test_a_second_stream_into_a_folder_gets_a_name_of_its_own(asrcli: Program, speech: Path) -> None:
    for _ in range(3):
        done = asrcli("transcribe", "-", "-d", "out", "-q", stdin=speech.read_bytes())
        assert done.returncode == 0, done.stderr
    texts = {path.name: path.read_text(encoding="utf-8") for path in (asrcli.folder / "out").glob("*.txt")}
    assert set(texts) == {"stdin.txt", "stdin-2.txt", "stdin-3.txt"}
    assert all("best of times" in text for text in texts.values())


def keep_silent(stream: IO[bytes]) -> None:
    """Write silence until the reader is killed."""
    with contextlib.suppress(BrokenPipeError):
        while True:
            stream.write(bytes(3200))
            stream.flush()
            time.sleep(0.05)


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [("-o", "talk.srt"), ("-d", "out", "-f", "txt,json"), ("-d", "out", "-f", "docx"), ("-o", "talk.txt", "--diarize")],
)
def test_what_was_recognised_before_a_kill_is_recovered_by_the_next_run(
    asrcli: Program, start: Callable[..., subprocess.Popen[bytes]], pcm: bytes, options: tuple[str, ...]
) -> None:
    process = start(*RAW, *options, "--log-json")
    process.stdin.write(pcm)
    process.stdin.flush()
    silence = threading.Thread(target=keep_silent, args=[process.stdin])
    silence.start()  # with speakers, results are collected as sound arrives
    read_until(process.stderr, "age of wisdom")
    read_until(process.stderr, "file_progress")
    process.kill()
    process.wait()
    silence.join()
    folder = asrcli.folder / ("out" if "-d" in options else "")
    assert len([path for path in folder.iterdir() if path.suffix == ".partial"]) == 1
    done = asrcli("transcribe", *RAW, *options, stdin=pcm)
    assert done.returncode == 0, done.stderr
    assert "run that was killed is in" in done.stderr
    names = {path.name for path in folder.iterdir()} - {"out"}
    stem = "talk" if "-o" in options else "stdin"
    suffixes = [options[1].rpartition(".")[2]] if "-o" in options else options[3].split(",")
    assert names == {f"{stem}{part}.{suffix}" for part in ("", ".recovered") for suffix in suffixes}
    for suffix in {"txt", "srt", "json"} & set(suffixes):
        assert "age of wisdom" in (folder / f"{stem}.recovered.{suffix}").read_text().lower()
    if "json" in suffixes:
        assert "killed" in json.loads((folder / "stdin.recovered.json").read_text())["warnings"][0]
    again = asrcli("transcribe", *RAW, *options, stdin=pcm)
    assert "killed" not in again.stderr


def _can_mount() -> bool:
    program = shutil.which("unshare")
    command = ["unshare", "-rm", "mount", "-t", "tmpfs", "none", "/mnt"]
    return program is not None and subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.slow
@pytest.mark.skipif(not _can_mount(), reason="needs user namespaces (unshare -rm)")
def test_the_text_of_a_stream_is_rescued_from_a_full_disk(asrcli: Program, pcm: bytes, tmp_path: Path) -> None:
    (asrcli.folder / "disk").mkdir()
    (tmp_path / "temporary").mkdir()
    command = asrcli.command("transcribe", *RAW, "-d", "disk", "-f", "txt,srt")
    script = f"mount -t tmpfs -o size=8k none disk && head -c 8k /dev/zero > disk/fill; {shlex.join(command)}"
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script],
        input=pcm, cwd=asrcli.folder, env=asrcli.env(TMPDIR=str(tmp_path / "temporary")), capture_output=True,
        timeout=100, check=False,
    )  # fmt: skip
    said = done.stderr.decode()
    assert done.returncode == ExitCode.MACHINE, said
    assert "its text is not saved while it grows" in said
    [folder] = re.findall(r"Its text is in (\S+)\.\s", said)
    assert {path.name for path in Path(folder).iterdir()} == {"stdin.txt", "stdin.srt"}
    assert "age of wisdom" in (Path(folder) / "stdin.txt").read_text(encoding="utf-8").lower()


@pytest.mark.slow
def test_a_stream_that_ends_well_or_is_dropped_leaves_no_hidden_file(
    asrcli: Program, start: Callable[..., subprocess.Popen[bytes]], pcm: bytes
) -> None:
    assert asrcli("transcribe", *RAW, "-o", "talk.txt", stdin=pcm).returncode == 0
    assert {path.name for path in asrcli.folder.iterdir()} == {"talk.txt"}
    process = start(*RAW, "-o", "dropped.txt", "--log-json")
    process.stdin.write(pcm * 2)
    process.stdin.flush()
    read_until(process.stderr, "age of wisdom")
    process.send_signal(signal.SIGINT)
    read_until(process.stderr, "recording ends here")
    time.sleep(0.15)  # what comes sooner is the same signal
    process.send_signal(signal.SIGINT)
    process.wait(60)
    assert {path.name for path in asrcli.folder.iterdir()} <= {"talk.txt", "dropped.txt"}
