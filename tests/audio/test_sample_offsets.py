"""Plain samples behind a header that misplaces them, and without a size: cut, or before another recording."""

from __future__ import annotations

import io
import subprocess
from collections.abc import Callable
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
import soundfile

from asrcli.audio.types import Source
from asrcli.options import AudioOptions
from tests.audio.sounds import LENGTH, TIMES, Decoded, bursts

AGAIN = [*TIMES, *(LENGTH + time for time in TIMES)]


def read(data: bytes, tmp_path: Path) -> list[Decoded]:
    """As a file, and as a stream."""
    path = tmp_path / "stranger"
    path.write_bytes(data)
    sources = [Source("a", path=path), Source("a", stream=io.BytesIO(data))]
    return [Decoded(source, AudioOptions()) for source in sources]


def written(name: str, subtype: str = "PCM_16") -> bytes:
    """Stereo, by libsndfile."""
    file = io.BytesIO()
    soundfile.write(file, np.stack([bursts(16000)] * 2, axis=1), 16000, format=name, subtype=subtype)
    return file.getvalue()


def piped(container: str, wav: Path) -> bytes:
    """By ffmpeg, which cannot complete the header."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-nostdin", "-i", wav, "-f", container, "-"]
    return subprocess.run(command, check=True, capture_output=True).stdout


@pytest.mark.parametrize(
    ("name", "position", "wrong"),
    [
        ("AU", 4, b"\0\0\0\x19"),
        ("AU", 4, b"\0\0\0\xff"),
        ("NIST", 8, b"   1025\n"),
        ("NIST", 8, b"   1o24\n"),
        ("AIFF", -1, b"\0\0\0\1"),
    ],
)
def test_an_offset_of_samples_that_is_wrong(name: str, position: int, wrong: bytes, tmp_path: Path) -> None:
    """By a byte: the samples were noise, without a warning."""
    data = written(name)
    at = data.index(b"SSND") + 8 if position < 0 else position
    for decoded in read(data[:at] + wrong + data[at + len(wrong) :], tmp_path):
        assert decoded.heard() == pytest.approx(TIMES, abs=0.01)
        assert [warning.partition(":")[0] for warning in decoded.warnings] == ["header"]
    assert [decoded.warnings for decoded in read(data, tmp_path)] == [[], []]


@pytest.mark.parametrize("container", ["au", "ircam", "sox", "w64", "caf", "wav"])
def test_samples_without_a_size_that_end_within_one(container: str, wav: Path, tmp_path: Path) -> None:
    data = piped(container, wav)
    assert [decoded.warnings for decoded in read(data, tmp_path)] == [[], []]
    for number in range(2):
        odd, even = (read(data[: len(data) // 2 + at], tmp_path)[number] for at in (1, 2))
        assert odd.warnings or even.warnings  # headers may be odd, too


def test_sox_counts_its_samples(wav: Path, encode: Callable[..., Path], tmp_path: Path) -> None:
    """What followed them was noise, and what they lacked was not reported."""
    data = encode(tmp_path / "a.sox", "-i", wav).read_bytes()
    mp3 = encode(tmp_path / "a.mp3", "-i", wav, "-write_xing", "0", "-id3v2_version", "0").read_bytes()
    for decoded in read(data + mp3, tmp_path):
        assert decoded.heard() == pytest.approx(AGAIN, abs=0.1)
    for decoded in read(data + bytes(3000) + mp3, tmp_path):
        assert decoded.heard() == pytest.approx(AGAIN, abs=0.3) or decoded.warnings
    for decoded in read(data[: len(data) // 8 * 4], tmp_path):
        assert any(warning.startswith("truncated: ") for warning in decoded.warnings)
