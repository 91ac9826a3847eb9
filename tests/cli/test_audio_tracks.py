"""`--audio-track` from the command line and from Python."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import asrcli as package
from asrcli.options import AudioOptions, TranscribeOptions
from tests.cli.conftest import Program

CITIES, BECKETT = "best of times", "ever tried"


@pytest.mark.parametrize(
    ("track", "text", "other"),
    [(None, CITIES, BECKETT), ("0", CITIES, BECKETT), ("1", BECKETT, CITIES), ("de", BECKETT, CITIES)],
)
def test_a_track_is_transcribed(asrcli: Program, two_tracks: Path, track: str | None, text: str, other: str) -> None:
    chosen = ("--audio-track", track) if track else ()
    done = asrcli("transcribe", two_tracks, "-f", "json", "-o", "-", *chosen)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert text in document["text"].lower()
    assert other not in document["text"].lower()
    assert document.get("warning_codes", []) == ([] if track else ["tracks"])


def test_all_tracks_are_speakers(asrcli: Program, two_tracks: Path) -> None:
    done = asrcli("transcribe", two_tracks, "-f", "json", "-o", "-", "--audio-track", "all")
    assert done.returncode == 0, done.stderr
    said: dict[str, str] = {}
    for segment in json.loads(done.stdout)["segments"]:
        said[segment["speaker"]] = said.get(segment["speaker"], "") + segment["text"].lower() + " "
    assert CITIES in said["Speaker 1"]
    assert BECKETT in said["Speaker 2"]
    assert len(said) == 2


@pytest.mark.parametrize(("track", "message"), [("2", "the file has 2 audio tracks"), ("ja", "marked as 'ja'")])
def test_a_track_that_does_not_exist(asrcli: Program, two_tracks: Path, track: str, message: str) -> None:
    done = asrcli("transcribe", two_tracks, "-o", "-", "--audio-track", track)
    assert done.returncode == 3
    assert message in " ".join(done.stderr.split())


def test_a_track_that_is_not_read_can_fail_a_file(asrcli: Program, two_tracks: Path) -> None:
    assert asrcli("transcribe", two_tracks, "-o", "-", "--fail-on", "tracks").returncode == 1


@pytest.mark.parametrize(("track", "text"), [(1, BECKETT), ("en", CITIES)])
def test_from_python(two_tracks: Path, track: int | str, text: str) -> None:
    options = TranscribeOptions(audio=AudioOptions(track=track))
    assert text in package.transcribe(two_tracks, options=options).text.lower()
