"""`asrcli transcribe`, end to end: real recordings, the embedded model, files and pipes."""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
import sys
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import soundfile

from asrcli.errors import ExitCode
from asrcli.models import builtin
from tests.cli.conftest import Program

BEGINNING = "It was the best of times, it was the worst of times"


def pcm(path: Path) -> tuple[int, bytes]:
    with wave.open(str(path)) as stream:
        return stream.getframerate(), stream.readframes(stream.getnframes())


def words(text: str) -> list[str]:
    return "".join(c for c in text.lower() if c.isalnum() or c.isspace()).split()


def test_a_file_becomes_a_text_beside_it(asrcli: Program, speech: Path) -> None:
    shutil.copy(speech, asrcli.folder / "talk.wav")
    done = asrcli("transcribe", "talk.wav")
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    text = (asrcli.folder / "talk.txt").read_text(encoding="utf-8")
    assert words(text)[:12] == words(BEGINNING)
    assert "1 of 1 file done" in done.stderr
    assert "asrcli download-model" not in done.stderr  # for people at a terminal


def test_the_small_model_is_selected_by_fast(asrcli: Program, speech: Path) -> None:
    done = asrcli("transcribe", speech, "--fast", "--format", "json", "-o", "-")
    assert json.loads(done.stdout)["model"] == "moonshine-tiny-en"
    (asrcli.folder / "words.txt").write_text("some words")
    for command in ("transcribe", speech, "-o", "-"), ("align", speech, "words.txt"):
        refused = asrcli(*command, "--fast", "--model", "moonshine-tiny-en")
        assert refused.returncode == 2
        assert "--fast" in refused.stderr
        assert "--model" in refused.stderr


def test_several_formats_at_once_and_each_is_what_it_should_be(asrcli: Program, speech: Path) -> None:
    done = asrcli("transcribe", speech, "--format", "txt,json", "-f", "srt", "--output-dir", "out")
    assert done.returncode == 0, done.stderr
    out = asrcli.folder / "out"
    assert {path.name for path in out.iterdir() if not path.name.startswith(".")} == {
        "cities.txt",
        "cities.json",
        "cities.srt",
    }
    result = json.loads((out / "cities.json").read_text(encoding="utf-8"))
    assert result["schema"] == "asrcli/transcript/1"
    assert result["model"] == builtin.default()
    assert result["duration"] == pytest.approx(6.4, abs=0.01)
    assert words(result["text"])[:12] == words(BEGINNING)
    assert words(result["text"]) == words((out / "cities.txt").read_text(encoding="utf-8"))
    assert "--> " in (out / "cities.srt").read_text(encoding="utf-8")


@pytest.mark.slow
def test_stdin_goes_to_stdout_and_nothing_else_does(asrcli: Program, speech: Path) -> None:
    done = asrcli("transcribe", "-", stdin=speech.read_bytes())
    assert done.returncode == 0, done.stderr
    assert words(done.stdout)[:12] == words(BEGINNING)
    assert list(asrcli.folder.iterdir()) == []
    as_json = asrcli("transcribe", "-", "-f", "json", "--quiet", stdin=speech.read_bytes())
    assert json.loads(as_json.stdout)["source"] == "stdin"
    assert as_json.stderr == ""


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["s16le", "f32le"])
def test_raw_pcm_on_stdin(asrcli: Program, speech: Path, encoding: str) -> None:
    rate, samples = pcm(speech)
    if encoding == "f32le":
        values = struct.unpack(f"<{len(samples) // 2}h", samples)
        samples = struct.pack(f"<{len(values)}f", *(value / 32768 for value in values))
    done = asrcli("transcribe", "-", "--raw", encoding, "--rate", str(rate), "-q", stdin=samples)
    assert done.returncode == 0, done.stderr
    assert words(done.stdout)[:12] == words(BEGINNING)


@pytest.mark.slow
def test_raw_channels_are_counted_by_channels_or_apart(asrcli: Program, speech: Path) -> None:
    rate, left = pcm(speech)
    both = b"".join(left[at : at + 2] + b"\0\0" for at in range(0, len(left), 2))
    raw = ("transcribe", "-", "--raw", "s16le", "--rate", str(rate), "-q")
    mixed = asrcli(*raw, "--channels", "2", stdin=both)
    assert words(mixed.stdout)[:12] == words(BEGINNING)
    silent = asrcli(*raw, "--raw-channels", "2", "--channels", "1", stdin=both)
    assert (silent.returncode, silent.stdout.strip()) == (0, "")


def test_start_and_end_keep_the_times_of_the_whole_recording(asrcli: Program, wheel_audio: Path) -> None:
    done = asrcli(
        "transcribe", wheel_audio / "two_cities.wav", "--start", "0:10", "--end", "20", "-f", "json", "-o", "-"
    )
    assert done.returncode == 0, done.stderr
    segments = json.loads(done.stdout)["segments"]
    text = " ".join(segment["text"] for segment in segments)
    assert "epoch of" in text
    assert "best of times" not in text
    assert all(10 <= s["start"] <= s["end"] <= 20.01 for s in segments)


@pytest.mark.usefixtures("recordings")
def test_a_folder_is_walked_and_mirrored(asrcli: Program) -> None:
    done = asrcli("transcribe", "rec", "--output-dir", "out")
    assert done.returncode == 0, done.stderr
    assert "2 of 2 files done" in done.stderr
    written = sorted(str(p.relative_to(asrcli.folder / "out")) for p in (asrcli.folder / "out").rglob("*.txt"))
    assert written == ["inner/two.txt", "one.txt"]
    one, two = ((asrcli.folder / "out" / name).read_text(encoding="utf-8") for name in ("one.txt", "inner/two.txt"))
    assert (one, two) == ("fa re mi\n", "do sol\n")
    flat = asrcli("transcribe", "rec", "--no-recursive", "--output-dir", "flat")
    assert "1 of 1 file done" in flat.stderr


@pytest.mark.slow
def test_a_second_run_does_only_what_changed(
    asrcli: Program, recordings: Path, write_tones: Callable[..., None]
) -> None:
    assert asrcli("transcribe", "rec").returncode == 0
    again = asrcli("transcribe", "rec")
    assert again.returncode == 0
    assert "0 of 2 files done, 2 skipped" in again.stderr
    more = asrcli("transcribe", "rec", "--format", "txt,srt")
    assert "2 of 2 files done" in more.stderr
    text = recordings / "inner" / "two.txt"
    assert text.read_text(encoding="utf-8") == "do sol\n"
    write_tones(recordings / "inner" / "two.wav", [5, 5])
    assert "1 of 2 files done, 1 skipped" in asrcli("transcribe", "rec").stderr
    assert text.read_text(encoding="utf-8") == "la la\n"
    assert "2 of 2 files done" in asrcli("transcribe", "rec", "--overwrite").stderr
    assert "0 of 2 files done, 2 skipped" in asrcli("transcribe", "rec", "--skip-existing", "--no-itn").stderr


@pytest.mark.usefixtures("recordings")
@pytest.mark.parametrize("places", [(), ("--output-dir", "out"), ("--journal", "journal.jsonl")])
def test_a_run_that_only_skips_starts_no_engine(asrcli: Program, places: Any) -> None:
    command = ["transcribe", "rec", *places]
    assert asrcli(*command).returncode == 0
    program = (
        "import subprocess, sys; del subprocess.Popen; from asrcli.cli.main import run; sys.exit(run(sys.argv[1:]))"
    )
    again = subprocess.run(
        [sys.executable, "-c", program, *command],
        cwd=asrcli.folder,
        env=asrcli.env(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (again.returncode, "2 skipped" in again.stderr) == (0, True), again.stderr


@pytest.mark.usefixtures("recordings")
def test_files_from_a_list(asrcli: Program) -> None:
    names = b"rec/one.wav\0rec/inner/two.wav\0"
    done = asrcli("transcribe", "--files-from", "-", "-d", "out", stdin=names)
    assert "2 of 2 files done" in done.stderr
    texts = {path.read_text(encoding="utf-8") for path in (asrcli.folder / "out").rglob("*.txt")}
    assert texts == {"fa re mi\n", "do sol\n"}


def test_lines_of_a_manifest_have_their_own_part_and_name(asrcli: Program, recordings: Path) -> None:
    length = soundfile.info(recordings / "one.wav").duration
    lines = [
        {"input": "rec/one.wav", "id": "all"},
        {"audio_filepath": "rec/one.wav", "offset": length / 2, "output": "sub/end.txt"},
        {"input": "rec/one.wav", "language": "de", "id": "german"},
    ]
    text = "".join(json.dumps(line) + "\n" for line in lines) + "{\n"
    (asrcli.folder / "list.jsonl").write_text(text, encoding="utf-8")
    done = asrcli("transcribe", "--manifest", "list.jsonl", "-d", "out")
    assert done.returncode == ExitCode.SOME_FAILED, done.stderr
    assert "line 4" in done.stderr
    out = asrcli.folder / "out"
    assert (out / "all.txt").read_text(encoding="utf-8") == "fa re mi\n"
    assert (out / "sub/end.txt").read_text(encoding="utf-8") in {"mi\n", "re mi\n"}
    again = asrcli("transcribe", "--manifest", "-", "-d", "out", stdin=json.dumps(lines[1]).encode())
    assert (again.returncode, "1 skipped" in again.stderr) == (0, True), again.stderr
    moved = {**lines[1], "offset": 0.0}
    again = asrcli("transcribe", "--manifest", "-", "-d", "out", stdin=json.dumps(moved).encode())
    assert "1 of 1 file done" in again.stderr
    assert (out / "sub/end.txt").read_text(encoding="utf-8") == "fa re mi\n"


def test_dry_run_reports_and_writes_nothing(asrcli: Program, recordings: Path) -> None:
    before = sorted(asrcli.folder.rglob("*"))
    done = asrcli("transcribe", "rec", "missing.wav", "--dry-run")
    assert done.returncode == ExitCode.SOME_FAILED
    assert sorted(asrcli.folder.rglob("*")) == before
    assert "transcribe" in done.stdout
    assert "rec/one.txt" in done.stdout
    assert "missing.wav" in done.stdout
    assert "2 to transcribe" in done.stderr
    rows = [json.loads(line) for line in asrcli("transcribe", "rec", "-n", "--log-json").stdout.splitlines()]
    assert [row["action"] for row in rows] == ["transcribe", "transcribe"]
    assert rows[0]["duration"] == pytest.approx(soundfile.info(recordings / "one.wav").duration, abs=0.01)


def test_log_json_is_one_event_a_line_and_nothing_else(asrcli: Program, recordings: Path) -> None:
    (recordings / "broken.wav").write_bytes(b"RIFF no such thing")
    done = asrcli("transcribe", "rec", "--log-json")
    assert done.returncode == ExitCode.SOME_FAILED
    assert done.stdout == ""
    events = [json.loads(line) for line in done.stderr.splitlines()]
    assert all(event["schema"] == "asrcli/event/1" and event["time"] > 1.7e9 for event in events)
    kinds = [event["event"] for event in events]
    assert kinds.count("file_done") == 2
    assert kinds.count("file_failed") == 1
    assert kinds[-1] == "batch_finished"
    assert events[-1]["summary"]["exit_code"] == 1
    assert events[-1]["summary"]["failures"][0]["name"].endswith("broken.wav")
    assert {event["segment"]["text"] for event in events if event["event"] == "segment"} == {"fa re mi", "do sol"}


def test_a_usage_error_is_an_event_too_once_log_json_is_understood(asrcli: Program) -> None:
    done = asrcli("transcribe", "--log-json", "--overwrite", "--skip-existing", "x.wav")
    assert done.returncode == ExitCode.USAGE
    (event,) = map(json.loads, done.stderr.splitlines())
    assert (event["event"], event["code"]) == ("error", "usage")


def test_one_bad_file_costs_one_file(asrcli: Program, recordings: Path) -> None:
    (recordings / "broken.wav").write_bytes(b"RIFF no such thing")
    done = asrcli("transcribe", "rec")
    assert done.returncode == ExitCode.SOME_FAILED
    assert (recordings / "one.txt").read_text(encoding="utf-8") == "fa re mi\n"
    assert "broken.wav" in done.stderr
    assert "2 of 3 files done, 1 failed" in done.stderr
    assert "Traceback" not in done.stderr


def test_every_input_failed(asrcli: Program) -> None:
    (asrcli.folder / "a.wav").write_bytes(b"no audio")
    (asrcli.folder / "b.mp3").write_bytes(b"no audio either")
    done = asrcli("transcribe", "a.wav", "b.mp3")
    assert done.returncode == ExitCode.ALL_FAILED
    assert "2 failed" in done.stderr


def test_silence_is_a_success_without_text(asrcli: Program) -> None:
    with wave.open(str(asrcli.folder / "silence.wav"), "wb") as stream:
        stream.setparams((1, 2, 16000, 0, "NONE", ""))
        stream.writeframes(bytes(2 * 16000 * 3))
    done = asrcli("transcribe", "silence.wav")
    assert done.returncode == 0
    assert (asrcli.folder / "silence.txt").read_text(encoding="utf-8").strip() == ""
    assert "no speech" in done.stderr


@pytest.mark.usefixtures("recordings")
def test_quiet_reports_only_errors(asrcli: Program) -> None:
    assert asrcli("transcribe", "rec", "--quiet").stderr == ""
    done = asrcli("transcribe", "rec", "gone.wav", "-q", "--overwrite")
    assert done.returncode == ExitCode.SOME_FAILED
    assert "gone.wav" in done.stderr
    assert "one.txt" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["x.wav", "--overwrite", "--skip-existing"], "exclude each other"),
        (["x.wav", "--start", "9", "--end", "3"], "--end"),
        (["x.wav", "--start", "soon"], "--start"),
        (["x.wav", "--format", "doc"], "doc"),
        (["x.wav", "--channels", "left"], "--channels"),
        (["x.wav", "--rate", "8000"], "--raw"),
        (["-", "--raw", "s16le", "--raw-channels", "2", "--channels", "2"], "channels 0 to 1"),
        (["-", "--raw", "mp3"], "--raw"),
        (["x.wav", "--vad-threshold", "0.4", "--vad-end-threshold", "0.6"], "--vad-end-threshold"),
        (["x.wav", "--min-cue", "9"], "--max-cue"),
        (["x.wav", "--hotwords", "word:1000"], "1 to 100"),
        (["x.wav", "--hotwords", "@none.txt"], "none.txt"),
        (["x.wav", "--language", "english please"], "--language"),
        (["x.wav", "--jobs", "0"], "--jobs"),
        (["x.wav", "-o", "a.txt", "--output-dir", "b"], "exclude each other"),
        ([], "nothing to transcribe"),
    ],
)
def test_what_does_not_go_together_is_a_usage_error(asrcli: Program, arguments: list[str], said: str) -> None:
    done = asrcli("transcribe", *arguments)
    assert done.returncode == ExitCode.USAGE
    assert said in done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


def test_a_language_that_the_model_cannot_do_is_an_error(asrcli: Program, speech: Path) -> None:
    done = asrcli("transcribe", speech, "--language", "zh")
    assert done.returncode == ExitCode.USAGE
    assert "zh" in done.stderr
    assert "asrcli download-model sensevoice-small" in done.stderr


def test_hotwords_on_a_model_that_takes_none_are_an_error(asrcli: Program, speech: Path) -> None:
    done = asrcli("transcribe", speech, "--hotwords", "epoch:30", "-o", "-")
    assert done.returncode == ExitCode.USAGE
    assert "hotwords" in done.stderr.lower()


def test_a_model_that_cannot_be_had(asrcli: Program, speech: Path) -> None:
    unknown = asrcli("transcribe", speech, "--model", "sensvoice-smal")
    assert unknown.returncode == ExitCode.MODEL
    assert "sensevoice-small" in unknown.stderr
    offline = asrcli("transcribe", speech, "--model", "sensevoice-small", "--offline")
    assert offline.returncode == ExitCode.MODEL
    assert "--offline" in offline.stderr


def test_a_missing_ffmpeg_is_the_machines_fault(asrcli: Program, tmp_path: Path) -> None:
    (asrcli.folder / "x.m4a").write_bytes(bytes.fromhex("00000018667479704d344120") + bytes(400))
    (tmp_path / "imageio_ffmpeg.py").write_text("raise ImportError", encoding="utf-8")
    done = asrcli("transcribe", "x.m4a", env={"PATH": "/nonexistent", "PYTHONPATH": str(tmp_path)})
    assert done.returncode == ExitCode.MACHINE, done.stderr
    assert "ffmpeg" in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, a disk without space")
def test_a_full_disk_is_the_machines_fault(asrcli: Program, speech: Path) -> None:
    done = asrcli("transcribe", speech, "-o", "/dev/full")
    assert done.returncode == ExitCode.MACHINE, done.stderr
    assert "space" in done.stderr
    with open("/dev/full", "wb") as full:  # noqa: PTH123 -- unbuffered like a shell's redirection
        process = asrcli.start("transcribe", speech, "-o", "-", stdout=full)
        _, said = process.communicate(timeout=100)
    assert process.returncode == ExitCode.MACHINE
    assert b"space" in said
    assert b"Traceback" not in said


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, a disk without space")
def test_a_full_disk_behind_a_stream_suggests_no_repetition(asrcli: Program, speech: Path) -> None:
    with open("/dev/full", "wb") as full:  # noqa: PTH123 -- unbuffered like a shell's redirection
        process = asrcli.start("transcribe", "-", stdout=full)
        _, said = process.communicate(speech.read_bytes(), timeout=100)
    assert process.returncode == ExitCode.MACHINE
    assert b"start the stream again" in said
    assert b"same command" not in said


def test_an_unexpected_error_asks_for_a_report_and_debug_shows_the_traceback(asrcli: Program, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import asrcli.formats\n\ndef broken(*_names):\n    return 1 / 0\n\nasrcli.formats.schema_text = broken\n",
        encoding="utf-8",
    )
    broken = {"PYTHONPATH": str(tmp_path)}
    done = asrcli("schema", env=broken)
    assert done.returncode == ExitCode.SOME_FAILED
    assert "internal error: ZeroDivisionError" in done.stderr
    assert "--debug" in done.stderr
    assert "Traceback" not in done.stderr
    for arguments, env in (["--debug", "schema"], {}), (["schema", "--debug"], {}), (["schema"], {"ASRCLI_DEBUG": "1"}):
        done = asrcli(*arguments, env=broken | env)
        assert "Traceback" in done.stderr
        assert "ZeroDivisionError" in done.stderr


@pytest.mark.slow
def test_an_input_without_a_result_is_reported_even_with_quiet(asrcli: Program, recordings: Path) -> None:
    (recordings / "one.txt").write_text("notes of my own\n")
    done = asrcli("transcribe", "rec/one.wav", "--quiet")
    assert done.returncode == ExitCode.SOME_FAILED
    assert "warning: rec/one.wav: skipped: the output exists and is not known to be ours (--overwrite" in done.stderr
    assert (recordings / "one.txt").read_text() == "notes of my own\n"
    # Here the user has said so, and nothing needs to be looked at.
    assert asrcli("transcribe", "rec/one.wav", "--quiet", "--skip-existing").stderr == ""
    said = asrcli("transcribe", "rec/one.wav", "--skip-existing").stderr
    assert "skipped: the output exists (--skip-existing)" in said
    assert "--overwrite" not in said


def test_a_model_of_another_kind_is_refused_before_it_is_fetched(asrcli: Program, recordings: Path) -> None:
    done = asrcli("transcribe", "rec/one.wav", "-m", "silero-vad")
    assert done.returncode == ExitCode.MODEL
    assert "silero-vad is a model of kind vad, not asr" in done.stderr
    assert "http" not in done.stderr


def test_a_dry_run_detects_that_a_header_is_no_recording(asrcli: Program) -> None:
    with wave.open(str(asrcli.folder / "header.wav"), "wb") as stream:
        stream.setparams((1, 2, 16000, 0, "NONE", ""))
    done = asrcli("transcribe", "header.wav", "--dry-run")
    assert done.stdout.startswith("fail")
    assert "only a header" in done.stdout


def test_a_dry_run_names_an_input_once(asrcli: Program) -> None:
    done = asrcli("transcribe", "gone.wav", "--dry-run")
    assert done.returncode == ExitCode.ALL_FAILED
    assert done.stdout.startswith("fail        gone.wav: no such file or folder.")


def test_a_recording_whose_name_begins_with_a_dash_is_not_read_as_options(asrcli: Program, recordings: Path) -> None:
    (recordings / "one.wav").rename(asrcli.folder / "-dash.wav")  # read as -d ash.wav
    for arguments in (["rec", "-dash.wav"], ["-dash.wav", "-o", "-"]):
        done = asrcli("transcribe", *arguments)
        assert done.returncode == ExitCode.USAGE
        assert "'-dash.wav' is a file here, but would be read as options.\n  Write './-dash.wav'." in done.stderr
    for arguments in (["./-dash.wav"], ["--", "-dash.wav"], ["-drec", "./-dash.wav"]):
        assert "-dash.wav" in asrcli("transcribe", "--dry-run", *arguments).stdout


def test_a_sample_rate_that_is_too_high_is_named_with_the_limits(asrcli: Program) -> None:
    with wave.open(str(asrcli.folder / "high.wav"), "wb") as stream:
        stream.setparams((1, 2, 768_000, 0, "NONE", ""))
        stream.writeframes(bytes(100_000))
    done = asrcli("transcribe", "high.wav")
    assert done.returncode == ExitCode.ALL_FAILED
    assert "claims a sample rate of 768,000 Hz; from 1,000 to 384,000 are read." in done.stderr
    assert "-ar 48000" in done.stderr
