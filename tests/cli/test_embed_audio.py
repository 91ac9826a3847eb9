"""`--embed-audio`: a page with its recording."""

from __future__ import annotations

import base64
import io
import os
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asrcli.errors import ExitCode
from tests.cli.conftest import Program


@pytest.mark.slow
def test_a_page_holds_the_whole_recording_in_time(asrcli: Program, recordings: Path) -> None:
    arguments = ("transcribe", "rec/one.wav", "-f", "html")
    assert asrcli(*arguments).returncode == 0
    plain = (recordings / "one.html").read_text()
    done = asrcli(*arguments, "--embed-audio", "--start", "0.5")
    assert "made with other options" not in done.stderr
    page = (recordings / "one.html").read_text()
    found = re.search(r'<audio id="audio" controls preload="metadata" src="data:audio/mpeg;base64,([^"]+)">', page)
    sound, rate = soundfile.read(io.BytesIO(base64.b64decode(found[1])))
    original, original_rate = soundfile.read(recordings / "one.wav")
    assert len(sound) / rate == pytest.approx(len(original) / original_rate, abs=0.15)
    first = [
        int(np.argmax(np.abs(samples) > 0.1)) / hertz for samples, hertz in ((sound, rate), (original, original_rate))
    ]
    assert first[0] == pytest.approx(first[1], abs=0.1)
    assert "media-src data: 'self' file: blob:" in page
    assert "data:" not in plain
    again = asrcli(*arguments, "--embed-audio", "--start", "0.5")
    assert "done already" in again.stderr


@pytest.mark.parametrize("arguments", [["rec/one.wav"], ["-", "-f", "html", "-o", "-"]])
def test_only_pages_of_files_hold_sound(asrcli: Program, recordings: Path, arguments: list[str]) -> None:
    done = asrcli("transcribe", *arguments, "--embed-audio", stdin=b"")
    assert done.returncode == ExitCode.USAGE
    assert "needs --format html and files" in done.stderr


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "darwin", reason="file names are UTF-8 there")
def test_a_name_that_is_not_utf8_can_be_embedded_and_linked(asrcli: Program, recordings: Path) -> None:
    name = os.fsdecode(b"caf\xe9.wav")
    (recordings / "one.wav").rename(recordings / name)
    arguments = ("transcribe", f"rec/{name}", "-f", "html", "--overwrite")
    assert asrcli(*arguments).returncode == 0
    page = recordings / os.fsdecode(b"caf\xe9.html")
    assert 'src="caf%E9.wav"' in page.read_text()
    assert asrcli(*arguments, "--embed-audio").returncode == 0
    assert "data:audio/mpeg;base64," in page.read_text()
