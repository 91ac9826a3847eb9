"""Command lines written for OpenAI's `whisper`, and the encodings of outputs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import soundfile

from asrcli.cli.request.whisper_flags import FLAGS, translate
from asrcli.errors import ModelNotInstalledError, UsageError
from asrcli.models.registry import Registry
from tests.cli.conftest import Program
from tests.tone import RATE, tone_audio


def test_a_command_line_of_whisper(asrcli: Program, speech: Path) -> None:
    flags = "--output_format json --output_dir out --language English --word_timestamps True --fp16=False --beam_size 5"
    done = asrcli("transcribe", speech, *flags.split())
    assert done.returncode == 0, done.stderr
    assert "Flags of whisper without effect here: --word_timestamps, --fp16, --beam_size." in done.stderr
    result = json.loads((asrcli.folder / "out" / "cities.json").read_text(encoding="utf-8"))
    assert set(result) == {"text", "segments", "language"}
    assert result["language"] == "en"
    assert result["text"].startswith(" It was the best of times")
    segments = result["segments"]
    assert "".join(segment["text"] for segment in segments) == result["text"]
    assert all("".join(word["word"] for word in segment["words"]) == segment["text"] for segment in segments)
    assert all(segment["start"] <= word["start"] <= word["end"] for segment in segments for word in segment["words"])


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["a.mp3", "--output_format", "srt"], ["a.mp3", "--format", "srt"]),
        (["--output_format=all", "a.mp3"], ["--format", "txt,vtt,srt,tsv,whisper-json", "a.mp3"]),
        (["--verbose", "False", "--task=transcribe"], ["--quiet"]),
        (["--task", "translate", "--threads", "0"], ["--translate"]),
        (["--threads", "4"], ["--jobs", "4"]),
        (["--", "--output_format"], ["--", "--output_format"]),
    ],
)
def test_flags_become_ours(given: list[str], expected: list[str]) -> None:
    assert translate(given) == (expected, [])


def test_a_value_without_a_counterpart_is_refused() -> None:
    with pytest.raises(UsageError, match="5,9"):
        translate(["--clip_timestamps", "5,9"])


def test_a_flag_at_the_end_needs_its_value() -> None:
    with pytest.raises(UsageError, match="--beam_size needs a value"):
        translate(["a.mp3", "--beam_size"])
    with pytest.raises(UsageError, match="--fp16 needs a value"):
        translate(["a.mp3", "--fp16", "--language", "en"])
    assert translate(["--logprob_threshold", "-1.0"]) == ([], ["--logprob_threshold"])


@pytest.mark.parametrize(
    ("named", "meant"),
    [
        ("small.en", "whisper-small.en"),
        ("large-v3-turbo", "whisper-turbo"),
        ("Systran/faster-whisper-tiny", "whisper-tiny"),
        ("SenseVoiceSmall", "sensevoice-small"),
    ],
)
def test_names_of_other_programs_mean_their_model(tmp_path: Path, named: str, meant: str) -> None:
    with pytest.raises(ModelNotInstalledError, match=f"{meant}"):
        Registry(tmp_path).resolve(named)


def test_a_model_of_the_user_goes_before_the_names_of_other_programs(
    asrcli: Program, tone_models: Callable[..., Path], tone_entry: Callable[..., Any], write_models: Callable[..., None]
) -> None:
    soundfile.write(asrcli.folder / "tones.wav", tone_audio([0, 1, 2]), RATE)
    write_models({"small": tone_entry("sense_voice", tone_models("sense_voice"))})
    done = asrcli("transcribe", "tones.wav", "--no-vad", "--model", "small", "-f", "json", "-o", "-", "-q")
    assert json.loads(done.stdout)["model"] == "small"


def test_every_flag_becomes_flags_that_exist(asrcli: Program) -> None:
    helped = asrcli("transcribe", "--help-all").stdout
    flags = {ours for flag in FLAGS.values() for ours in (flag.flag, *sum(flag.values.values(), ())) if ours[:1] == "-"}
    assert all(flag.replace("--no-", "--") in helped for flag in flags)


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030"])
def test_encoding_and_line_ends(asrcli: Program, speech: Path, encoding: str) -> None:
    options = ["--format", "srt,csv", "--encoding", encoding, "--newline", "crlf", "-q"]
    assert asrcli("transcribe", speech, *options, "-d", "out").returncode == 0
    for name in ("cities.srt", "cities.csv"):
        data = (asrcli.folder / "out" / name).read_bytes()
        assert data.startswith({"utf-8": b"", "utf-8-sig": b"\xef\xbb\xbf", "utf-16": b"\xff\xfe"}.get(encoding, b""))
        text = data.decode(encoding)
        assert text.count("\n") == text.count("\r\n") > 2
        assert "\r\r" not in text
    with asrcli.start("transcribe", speech, speech, *options[2:], "-f", "srt", "-o", "-") as process:
        assert process.stdin is not None
        out, _ = process.communicate(timeout=100)
    assert out.decode(encoding) == (asrcli.folder / "out" / "cities.srt").read_bytes().decode(encoding)


def test_a_page_declares_its_encoding(asrcli: Program, recordings: Path) -> None:
    assert asrcli("transcribe", "rec/one.wav", "-f", "html", "--encoding", "gb18030").returncode == 0
    assert '<meta charset="gb18030">' in (recordings / "one.html").read_bytes().decode("gb18030")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "gb18030"])
def test_json_and_webvtt_are_utf_8_by_their_own_rules(asrcli: Program, recordings: Path, encoding: str) -> None:
    (recordings / "one.wav").rename(recordings / "录音.wav")
    options = ["transcribe", "rec/录音.wav", "-q", "--encoding", encoding]
    assert asrcli(*options, "-f", "json,jsonl,vtt,srt").returncode == 0
    assert json.loads((recordings / "录音.json").read_bytes())["source"] == "rec/录音.wav"
    assert json.loads((recordings / "录音.jsonl").read_bytes())["source"] == "rec/录音.wav"
    assert (recordings / "录音.vtt").read_bytes().startswith(b"WEBVTT\n")
    assert (recordings / "录音.srt").read_bytes().decode(encoding).startswith("1\n")
    shown = asrcli(*options, "-f", "jsonl", "-o", "-", "--overwrite").stdout
    assert json.loads(shown)["source"] == "rec/录音.wav"


@pytest.mark.slow
def test_other_encodings_are_made_again_and_equal_ones_are_not(asrcli: Program, speech: Path) -> None:
    assert "1 of 1 file done" in asrcli("transcribe", speech, "-d", "out").stderr
    assert "1 of 1 file done" in asrcli("transcribe", speech, "-d", "out", "--newline", "crlf").stderr
    assert "skipped" in asrcli("transcribe", speech, "-d", "out", "--newline", "crlf").stderr


def test_two_formats_with_one_file_name_are_refused(asrcli: Program, speech: Path) -> None:
    done = asrcli("transcribe", speech, "--format", "json,whisper-json")
    assert done.returncode == 2
    assert "same file name" in done.stderr
