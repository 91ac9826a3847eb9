"""`--skip-if`: recordings of a media library that need no transcript."""

from __future__ import annotations

import subprocess
from pathlib import Path

import imageio_ffmpeg
import pytest

from asrcli.errors import ExitCode
from tests.cli.conftest import Program

SRT = "1\n00:00:00,000 --> 00:00:01,000\nHello\n"


@pytest.fixture
def film(asrcli: Program, recordings: Path) -> Path:
    """A film with German sound and English subtitles, in a folder with "one.wav" and "inner/two.wav"."""
    text, path = asrcli.folder / "text.srt", recordings / "film.mkv"
    text.write_text(SRT)
    sound = ["-i", str(recordings / "one.wav"), "-i", str(text), "-map", "0", "-map", "1", "-c:a", "flac"]
    marks = ["-metadata:s:a:0", "language=ger", "-metadata:s:s:0", "language=eng"]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-nostdin", *sound, *marks, str(path)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return path


@pytest.mark.parametrize(
    ("rule", "skipped"),
    [
        ("subtitles:English", "subtitles"), ("subtitles:fr", ""), ("subtitles:fr,audio:de", "audio track"),
    ],
)  # fmt: skip
def test_tracks_of_a_film(asrcli: Program, film: Path, rule: str, skipped: str) -> None:
    done = asrcli("transcribe", "rec/film.mkv", "--skip-if", rule, "-f", "srt")
    assert done.returncode == 0, done.stderr
    assert ("skipped: it has" in done.stderr and skipped in done.stderr) == bool(skipped)
    assert film.with_suffix(".srt").exists() != bool(skipped)


def test_a_stream_is_transcribed_and_that_is_reported(asrcli: Program, recordings: Path) -> None:
    done = asrcli("transcribe", "-", "--skip-if", "subtitles", stdin=(recordings / "one.wav").read_bytes())
    assert (done.returncode, done.stdout) == (0, "fa re mi\n")
    assert "--skip-if looks into files" in done.stderr


@pytest.mark.slow
def test_own_results_are_judged_by_the_journal(asrcli: Program, recordings: Path) -> None:
    arguments = ("transcribe", "rec", "--skip-if", "subtitles", "-f", "srt")
    assert "2 of 2 files done" in asrcli(*arguments).stderr
    again = asrcli(*arguments)
    assert "done already" in again.stderr
    assert "2 skipped" in again.stderr
    changed = asrcli(*arguments, "--max-line-width", "20")
    assert "2 of 2 files done" in changed.stderr


@pytest.mark.parametrize("rule", ["audio", "video:en", "subtitles:klingonese", "subtitles:auto", "subtitles:", ""])
def test_rules_that_are_none(asrcli: Program, recordings: Path, rule: str) -> None:
    done = asrcli("transcribe", "rec", "--skip-if", rule, "-n")
    assert done.returncode == (ExitCode.OK if not rule else ExitCode.USAGE)
