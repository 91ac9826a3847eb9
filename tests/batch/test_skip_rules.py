"""The rules of `--skip-if`, with real files."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
import soundfile

from asrcli.batch.decision import SkipRule

SRT = "1\n00:00:00,000 --> 00:00:01,000\nHello\n"
#: suffix of a side-car -> a file without cues, a cue
SIDE_CARS = {
    "srt": ("\ufeff\n", SRT),
    "vtt": ("WEBVTT\n\nNOTE no text\n", "00:01.000 --> 00:02.000\nHello\n"),
    "ass": ("[Events]\nFormat: Start, End, Text\n", "Dialogue: 0:00:01.00,0:00:02.00,Hello\n"),
    "ssa": ("[Events]\nFormat: Start, End, Text\n", "Dialogue: 0:00:01.00,0:00:02.00,Hello\n"),
    "sub": ("", "{1}{25}Hello\n"),
    "smi": ("<SAMI><BODY></BODY></SAMI>", "<SYNC Start=1><P>Hello"),
    "ttml": ("<tt><body></body></tt>", "<p begin='1s'>Hello</p>"),
}


def rule_of(text: str) -> SkipRule:
    kind, _, language = text.partition(":")
    return SkipRule("audio" if kind == "audio" else "subtitles", language or None)


def write_silence(path: Path) -> None:
    soundfile.write(path, np.zeros(1600), 16000, format="WAV")


def test_the_tracks_of_a_film(tmp_path: Path) -> None:
    """German sound and English subtitles."""
    write_silence(tmp_path / "sound.wav")
    (tmp_path / "text.srt").write_text(SRT)
    film = tmp_path / "film.mkv"
    inputs = ["-i", "sound.wav", "-i", "text.srt", "-map", "0", "-map", "1", "-c:a", "flac"]
    marks = ["-metadata:s:a:0", "language=ger", "-metadata:s:s:0", "language=eng"]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-nostdin", *inputs, *marks, str(film)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, cwd=tmp_path)
    rules = ("subtitles", "subtitles:en", "audio:de", "subtitles:de", "audio:en")
    assert [rule_of(rule).applies(film, ()) for rule in rules] == [True, True, True, False, False]


@pytest.mark.parametrize(
    ("rule", "names", "skipped"),
    [
        ("subtitles", ["one.srt"], True), ("subtitles", ["ONE.VTT"], True), ("subtitles", ["one.en.forced.srt"], True),
        ("subtitles", ["one.txt", "other.srt", "one2.srt", "oneness.en.srt"], False),
        ("subtitles:de", ["one.en.srt", "one.ger.srt"], True), ("subtitles:de", ["one.en.srt", "one.srt"], False),
        ("subtitles:de", ["one.de-AT.sdh.ass"], True), ("audio:de", ["one.de.srt"], False),
    ],
)  # fmt: skip
def test_files_beside_a_recording(tmp_path: Path, rule: str, names: list[str], skipped: bool) -> None:
    write_silence(tmp_path / "one.wav")
    for name in names:
        (tmp_path / name).write_text("".join(SIDE_CARS.get(name.rpartition(".")[2].lower(), SRT)))
    assert rule_of(rule).applies(tmp_path / "one.wav", ()) == skipped
    assert not rule_of(rule).applies(tmp_path / "one.wav", [tmp_path / name for name in names])


@pytest.mark.parametrize("suffix", SIDE_CARS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_files_without_cues_are_no_subtitles(tmp_path: Path, suffix: str, encoding: str) -> None:
    empty, cue = SIDE_CARS[suffix]
    path, side_car = tmp_path / "one.wav", tmp_path / f"one.{suffix}"
    write_silence(path)
    side_car.touch()
    assert not SkipRule("subtitles").applies(path, ())
    if empty:
        side_car.write_text(empty, encoding)
        assert not SkipRule("subtitles").applies(path, ())
    side_car.write_text(empty + cue, encoding)
    assert SkipRule("subtitles").applies(path, ())
    side_car.rename(tmp_path / "elsewhere")
    side_car.symlink_to(tmp_path / "deleted")
    assert not SkipRule("subtitles").applies(path, ())


def test_side_cars_that_cannot_be_read_are_no_subtitles(tmp_path: Path) -> None:
    """Nothing waits for a writer of a pipe."""
    write_silence(tmp_path / "one.wav")
    os.mkfifo(tmp_path / "one.srt")
    (tmp_path / "one.vtt").mkdir()
    if Path("/proc/self/mem").exists():  # a file whose first byte nobody can read, even as root
        (tmp_path / "one.sub").symlink_to("/proc/self/mem")
    assert not SkipRule("subtitles").applies(tmp_path / "one.wav", ())
