"""Sound that was cut out of a longer recording, and sound that starts late in a film."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asrcli.audio.containers import avi, flac
from asrcli.audio.types import Source
from asrcli.options import AudioOptions
from tests.audio.sounds import LENGTH, TIMES, Decoded


def both_ways(path: Path) -> list[Decoded]:
    """As a file, and as a stream."""
    sources = [Source("a", path=path), Source("a", stream=io.BytesIO(path.read_bytes()))]
    return [Decoded(source, AudioOptions()) for source in sources]


@pytest.fixture(scope="module")
def whole(encode: Callable[..., Path], wav: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return encode(tmp_path_factory.mktemp("parts") / "whole.flac", "-i", wav)


@pytest.mark.parametrize(
    ("span", "start", "end", "warning"),
    [
        (("-ss", 1.5, "-t", 1), 1.5, 2.5, "header: the file is a part of a recording of 4.0 s, from 1.5 s to 2.5 s"),
        (("-ss", 1.5), 1.5, LENGTH, "header: the file is a part of a recording of 4.0 s, from 1.5 s to 4.0 s"),
        (("-t", 2.5), 0.0, 2.5, "perhaps truncated: the header counts 4.0 s, the file ends at 2.5 s with a complete "),
        ((), 0.0, LENGTH, ""),
    ],
    ids=["middle", "end", "start", "whole"],
)
def test_a_part_of_a_flac_that_was_copied(
    span: tuple[object, ...], start: float, end: float, warning: str, whole: Path, encode: Callable[..., Path]
) -> None:
    """It was called truncated: its header has the length of the recording from which it was copied."""
    path = encode(whole.with_name("part.flac"), *span, "-i", whole, "-c", "copy")
    for decoded in both_ways(path):
        expected = [time - start for time in TIMES if start < time < end]
        assert decoded.heard() == pytest.approx(expected, abs=0.12)  # up to a frame of 0.1 s earlier
        assert decoded.seconds == pytest.approx(end - start, abs=0.25)
        assert len(decoded.warnings) == bool(warning)
        assert all(found.startswith(warning) for found in decoded.warnings)


@pytest.mark.parametrize("channels", [1, 6])
@pytest.mark.parametrize(
    ("span", "start", "end"), [(("-ss", 1.5), 1.5, LENGTH), (("-t", 2.5), 0.0, 2.5), (("-ss", 1.5, "-t", 1), 1.5, 2.5)]
)
def test_a_part_of_a_wavpack_that_was_copied(
    span: tuple[object, ...], start: float, end: float, channels: int, encode: Callable[..., Path], wav: Path,
    tmp_path: Path,
) -> None:  # fmt: skip
    """Its blocks keep their numbers: the sound came after a silence of that length."""
    everywhere = "|".join(f"c{number}=c0" for number in range(channels))
    layout = "mono" if channels == 1 else "5.1"
    whole = encode(tmp_path / "whole.wv", "-i", wav, "-af", f"pan={layout}|{everywhere}")
    path = encode(tmp_path / "part.wv", *span, "-i", whole, "-c", "copy")
    twice = tmp_path / "twice.wv"
    twice.write_bytes(path.read_bytes() * 2)
    expected = [time - start for time in TIMES if start < time < end]
    for one, both in zip(both_ways(path), both_ways(twice), strict=True):
        assert one.heard() == pytest.approx(expected, abs=0.1)  # up to a block of 0.1 s earlier
        assert both.heard() == pytest.approx([*expected, *(one.seconds + time for time in expected)], abs=0.1)
        assert one.warnings == both.warnings == []


@pytest.mark.usefixtures("no_ffmpeg")
def test_a_part_of_a_flac_without_ffmpeg(whole: Path, encode: Callable[..., Path]) -> None:
    path = encode(whole.with_name("alone.flac"), "-ss", 1.5, "-i", whole, "-c", "copy")
    decoded = Decoded(Source("a", path=path), AudioOptions())
    assert decoded.heard() == pytest.approx([0.5, 1.75], abs=0.12)
    assert [warning.partition(":")[0] for warning in decoded.warnings] == ["header"]


@pytest.mark.parametrize("samples", [100, 4096 * 3, 4096 * 5 + 1, 16000 * 2 + 300])
def test_digital_silence_at_the_end_is_no_part(samples: int, tmp_path: Path) -> None:
    """A frame of silence has fewer bytes than a frame header may have."""
    for spoken in (0, 4096 * 4, 7000):
        sound = np.zeros(spoken + samples, np.float32)
        sound[:spoken] = np.random.default_rng(1).uniform(-0.5, 0.5, spoken)
        soundfile.write(tmp_path / "a.flac", sound, 16000)
        for decoded in both_ways(tmp_path / "a.flac"):
            assert decoded.seconds == pytest.approx(len(sound) / 16000)
            assert decoded.warnings == []


def test_a_download_that_was_cut_is_no_part(whole: Path) -> None:
    data = whole.read_bytes()
    for share in (0.5, 0.7, 0.9):
        path = whole.with_name("cut.flac")
        path.write_bytes(data[: int(len(data) * share)])
        for decoded in both_ways(path):
            assert [warning.partition(":")[0] for warning in decoded.warnings] == ["truncated"]


def test_no_bytes_confuse_the_search_for_a_part(whole: Path) -> None:
    data = whole.read_bytes()

    def is_part(damaged: bytes) -> bool:
        return flac.copied_part(lambda size, at: damaged[at : at + size], len(damaged)) is not None

    damages = (data[:42], data[:4], data[:100], data[:8] + b"\xff" * 40 + data[48:], b"\xff\xf8" * 5000)
    assert not any(map(is_part, damages))


@pytest.fixture(scope="module")
def late(encode: Callable[..., Path], wav: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A film of 9 s whose sound starts after 4 s: late(codec)"""
    folder = tmp_path_factory.mktemp("late")
    picture = ("-f", "lavfi", "-i", "color=s=64x64:r=10:d=9")

    def make(codec: str) -> Path:
        maps = ("-map", "0:v", "-map", "1:a", "-c:v", "mpeg4", "-c:a", codec)
        return encode(folder / f"{codec}.avi", *picture, "-itsoffset", 4, "-i", wav, *maps)

    return make


@pytest.mark.parametrize("codec", ["libmp3lame", "ac3"])
def test_sound_behind_empty_chunks_of_an_avi_starts_late(codec: str, late: Callable[[str], Path]) -> None:
    """Decoders do not count them: all times were too early."""
    path = late(codec)
    for decoded in both_ways(path):
        assert decoded.heard() == pytest.approx([4 + time for time in TIMES], abs=0.08)
        assert decoded.warnings == []
    decoded = Decoded(Source("a", path=path), AudioOptions(start=5.0))
    assert decoded.heard() == pytest.approx([4 + time for time in TIMES[1:]], abs=0.08)


@pytest.mark.parametrize("codec", ["pcm_s16le", "pcm_alaw"])
def test_a_late_start_that_only_the_order_of_chunks_shows_is_reported(codec: str, late: Callable[[str], Path]) -> None:
    for decoded in both_ways(late(codec)):
        assert decoded.heard() == pytest.approx(TIMES, abs=0.01)
        (warning,) = decoded.warnings
        assert warning.startswith("timestamps: 4.")


def test_sound_of_an_avi_whose_header_has_its_start(encode: Callable[..., Path], wav: Path, tmp_path: Path) -> None:
    path = encode(tmp_path / "a.avi", "-i", wav, "-c:a", "pcm_s16le")
    data = bytearray(path.read_bytes())
    at = data.index(b"auds")
    data[at + 28 : at + 32] = (3 * 44100).to_bytes(4, "little")
    path.write_bytes(data)
    for decoded in both_ways(path):
        assert decoded.heard() == pytest.approx([3 + time for time in TIMES], abs=0.01)
        assert decoded.warnings == []


def test_pictures_before_all_sound_are_no_late_start() -> None:
    def stream(kind: bytes, scale: int, rate: int, count: int) -> bytes:
        fields = b"".join(each.to_bytes(4, "little") for each in (0, 0, 0, 0, scale, rate, 0, count, 0, 0, 0, 0, 0))
        return b"strh8\0\0\0" + kind + fields[: 56 - 4]

    head = b"LIST\0\1\0\0hdrl" + stream(b"vids", 1, 10, 50) + stream(b"auds", 1, 8000, 40000)
    head = b"RIFF\0\0\0\x01AVI " + head.ljust(264, b"\0")
    movie = b"00dc\0\0\0\0" * 50 + b"01wb\x80\0\0\0" + bytes(128)
    data = head + b"LIST" + (4 + len(movie)).to_bytes(4, "little") + b"movi" + movie
    assert avi.lead(lambda size, at: data[at : at + size]) == avi.Lead()
    longer = data.replace((50).to_bytes(4, "little") + bytes(16), (120).to_bytes(4, "little") + bytes(16), 1)
    assert avi.lead(lambda size, at: longer[at : at + size]) == avi.Lead(0.0, 5.0)
