"""`--skip-if`: recordings of a media library that need no transcript."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import imageio_ffmpeg
import pytest

from asrcli.cli.request.arguments import skip_rule
from asrcli.errors import ExitCode
from tests.cli.conftest import Program

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


@pytest.mark.parametrize(
    ("rule", "names", "skipped"),
    [
        ("subtitles", ["one.srt"], True), ("subtitles", ["ONE.VTT"], True), ("subtitles", ["one.en.forced.srt"], True),
        ("subtitles", ["one.txt", "other.srt", "one2.srt", "oneness.en.srt"], False),
        ("subtitles:de", ["one.en.srt", "one.ger.srt"], True), ("subtitles:de", ["one.en.srt", "one.srt"], False),
        ("subtitles:de", ["one.de-AT.sdh.ass"], True), ("audio:de", ["one.de.srt"], False),
    ],
)  # fmt: skip
def test_files_beside_a_recording(
    tmp_path: Path, write_tones: Callable[..., None], rule: str, names: list[str], skipped: bool
) -> None:
    write_tones(tmp_path / "one.wav", [1])
    for name in names:
        (tmp_path / name).write_text("".join(SIDE_CARS.get(name.rpartition(".")[2].lower(), SRT)))
    assert skip_rule(rule).applies(tmp_path / "one.wav", ()) == skipped
    assert not skip_rule(rule).applies(tmp_path / "one.wav", [tmp_path / name for name in names])


@pytest.mark.parametrize("suffix", SIDE_CARS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_files_without_cues_are_no_subtitles(
    tmp_path: Path, write_tones: Callable[..., None], suffix: str, encoding: str
) -> None:
    empty, cue = SIDE_CARS[suffix]
    path, side_car = tmp_path / "one.wav", tmp_path / f"one.{suffix}"
    write_tones(path, [1])
    side_car.touch()
    assert not skip_rule("subtitles").applies(path, ())
    if empty:
        side_car.write_text(empty, encoding)
        assert not skip_rule("subtitles").applies(path, ())
    side_car.write_text(empty + cue, encoding)
    assert skip_rule("subtitles").applies(path, ())
    side_car.rename(tmp_path / "elsewhere")
    side_car.symlink_to(tmp_path / "deleted")
    assert not skip_rule("subtitles").applies(path, ())


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
