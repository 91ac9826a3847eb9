"""Speakers of a stream that is read while it is recorded."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asrcli.models import builtin
from tests.cli.conftest import Program
from tests.cli.test_live_input import RAW, read_until, start  # noqa: F401 -- a fixture

pytestmark = pytest.mark.slow
#: seconds of a part of `talk_of_two`
PART = 8.2
#: of subtitles
_TIME = re.compile(r"(\d\d):(\d\d):(\d\d,\d{3})")


@pytest.fixture(scope="session")
def talk_of_two(wheel_audio: Path) -> list[bytes]:
    """Two readers in turn, 7 s each with silence after it, as raw samples at 16 kHz; the second is slower."""
    if builtin.speaker_entry("segmentation") is None:
        pytest.skip("needs moonshine-voice 0.0.66 to 0.1.0")
    parts = []
    for number, (name, speed) in enumerate((("two_cities", 1.0), ("beckett", 0.8)) * 2):
        samples, rate = soundfile.read(wheel_audio / f"{name}.wav", dtype="int16")
        at = rate * (1 + number // 2 * 7 + np.arange(7 * 16000) / 16000 * speed)
        samples = np.interp(at, np.arange(len(samples)), samples).astype(np.int16)
        parts.append(samples.tobytes() + bytes(2 * round((PART - 7) * 16000)))
    return parts


def test_speakers_are_written_while_the_pipe_is_open(
    start: Callable[..., subprocess.Popen[bytes]],  # noqa: F811
    talk_of_two: list[bytes],
) -> None:
    process = start(*RAW, "--diarize", "-f", "jsonl", "-q")
    written = ""
    for part in talk_of_two:
        process.stdin.write(part)
        process.stdin.flush()
        written += read_until(process.stdout, '"speaker"')
    process.stdin.close()
    written += process.stdout.read().decode()
    assert process.wait(60) == 0
    speakers: list[set[str]] = [set(), set(), set(), set()]
    for segment in map(json.loads, written.splitlines()):
        speakers[int(segment["start"] // PART)].add(segment["speaker"])
    # The first sentence of a new voice may be too short to be one.
    assert "Speaker 2" in speakers[1]
    assert [speakers[part] for part in (0, 2, 3)] == [{"Speaker 1"}, {"Speaker 1"}, {"Speaker 2"}]


def test_speakers_of_a_quick_pipe_are_those_of_the_file(asrcli: Program, talk_of_two: list[bytes]) -> None:
    talk = asrcli.folder / "talk.wav"
    soundfile.write(talk, np.frombuffer(b"".join(talk_of_two), np.int16), 16000)
    for form in ("txt", "srt"):
        asrcli("transcribe", talk, "--diarize", "-f", form, "-d", "out")
        piped = asrcli("transcribe", "-", "--diarize", "-f", form, "-q", stdin=talk.read_bytes()).stdout
        whole = (asrcli.folder / "out" / f"talk.{form}").read_text(encoding="utf-8")
        assert _TIME.sub("", piped) == _TIME.sub("", whole)
        # The detector looks ahead in a file, so that its times are not those of a stream to the millisecond.
        assert seconds(piped) == pytest.approx(seconds(whole), abs=0.1)
        assert "Speaker 2" in piped


def seconds(subtitles: str) -> list[float]:
    return [
        int(hours) * 3600 + int(minutes) * 60 + float(rest.replace(",", "."))
        for hours, minutes, rest in _TIME.findall(subtitles)
    ]
