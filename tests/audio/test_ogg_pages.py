"""Damaged pages and wrong times of Ogg: libsndfile leaves the sound out and moves what follows, without an error."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from asrcli.audio.containers.ogg import has_several_tracks, walk
from tests.audio.sounds import LENGTH, TIMES, Decoded

_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
Pages = list[bytearray]


def split(data: bytes) -> Pages:
    pages = []
    while data:
        length = 27 + data[26] + sum(data[27 : 27 + data[26]])
        pages.append(bytearray(data[:length]))
        data = data[length:]
    return pages


def timed(page: bytearray, change: Callable[[int], int]) -> None:
    """Change the time of a page with sound, and its checksum."""
    time = int.from_bytes(page[6:14], "little", signed=True)
    if time > 0:
        page[6:14] = change(time).to_bytes(8, "little", signed=True)
    page[22:26] = bytes(4)
    page[22:26] = (zlib.crc32(page.translate(_REVERSED), 0xFFFFFFFF) ^ 0xFFFFFFFF).to_bytes(4, "big")
    page[22:26] = page[22:26].translate(_REVERSED)


def back(pages: Pages, rate: int) -> None:
    for page in pages:
        timed(page, lambda time: time - rate if time > 1.2 * rate else time)


def standing(pages: Pages, rate: int) -> None:
    for page in pages:
        timed(page, lambda _: rate)


def short(pages: Pages, rate: int) -> None:
    timed(pages[-1], lambda _: rate)


@pytest.mark.parametrize("fault", [back, standing, short])
@pytest.mark.parametrize(("codec", "rate"), [("libvorbis", 8000), ("libopus", 48000), ("flac", 16000)])
def test_wrong_times(
    codec: str,
    rate: int,
    fault: Callable[[Pages, int], None],
    encode: Callable[..., Path],
    decode: Callable[..., Decoded],
    wav: Path,
    tmp_path: Path,
) -> None:
    path = encode(tmp_path / "a.ogg", "-i", wav, "-ar", rate, "-c:a", codec)
    pages = split(path.read_bytes())
    fault(pages, rate)
    path.write_bytes(b"".join(pages))
    for start in (0.0, 1.5):
        decoded = decode(path, start=start)
        assert decoded.heard() == pytest.approx([time for time in TIMES if time >= start], abs=0.05)
        assert decoded.warnings or fault is short


@pytest.mark.parametrize(("codec", "rate"), [("libvorbis", 44100), ("libopus", 48000)])
def test_an_only_page_with_too_early_a_time(
    codec: str, rate: int, encode: Callable[..., Path], decode: Callable[..., Decoded], wav: Path, tmp_path: Path
) -> None:
    """All but a tenth of a second was taken for padding, without a warning."""
    path = encode(tmp_path / "a.ogg", "-i", wav, "-ar", rate, "-c:a", codec, "-page_duration", 5_000_000)
    pages = split(path.read_bytes())
    timed(pages[-1], lambda _: rate // 10)
    path.write_bytes(b"".join(pages))
    decoded = decode(path)
    if codec == "libopus":
        assert decoded.warnings[0].startswith("perhaps truncated: the time of the last page")
    else:
        assert decoded.heard() == pytest.approx(TIMES, abs=0.05)


@pytest.mark.parametrize("codec", ["libvorbis", "libopus"])
def test_a_damaged_page(
    codec: str, encode: Callable[..., Path], decode: Callable[..., Decoded], wav: Path, tmp_path: Path
) -> None:
    path = encode(tmp_path / "a.ogg", "-i", wav, "-c:a", codec)
    pages = split(path.read_bytes())
    pages[-3][-20] ^= 0xFF
    path.write_bytes(b"".join(pages))
    for start in (0.0, 1.5):
        decoded = decode(path, start=start)
        lost = [time for time in TIMES if time not in [round(one, 2) for one in decoded.heard()]]
        assert decoded.seconds == pytest.approx(LENGTH - start, abs=0.05)
        assert len(lost) <= 2
        assert any(warning.startswith("damaged: ") for warning in decoded.warnings)
        assert any(warning.startswith("timestamps: a gap") for warning in decoded.warnings)


def test_a_start_behind_damage(
    encode: Callable[..., Path], decode: Callable[..., Decoded], wav: Path, tmp_path: Path
) -> None:
    """The error of the decoder became an internal error."""
    path = encode(tmp_path / "a.flac", "-i", wav)
    data = bytearray(path.read_bytes())
    data[len(data) // 3 : len(data) // 2] = bytes(len(data) // 2 - len(data) // 3)
    path.write_bytes(data)
    assert decode(path, start=3.0).heard() == pytest.approx(TIMES[2:], abs=0.05)


@pytest.mark.parametrize(("codec", "rate"), [("libvorbis", 44100), ("libopus", 48000), ("flac", 16000)])
def test_undamaged_files_need_no_ffmpeg(
    codec: str, rate: int, encode: Callable[..., Path], wav: Path, tmp_path: Path
) -> None:
    """libsndfile takes less time."""
    data = encode(tmp_path / "a.ogg", "-i", wav, "-ar", rate, "-c:a", codec).read_bytes()
    assert walk(lambda size, position: data[position : position + size]).plain


def test_tracks_are_counted_wherever_a_file_ends(encode: Callable[..., Path], wav: Path, tmp_path: Path) -> None:
    data = encode(tmp_path / "a.ogg", "-i", wav, "-map", "0", "-map", "0").read_bytes()
    first, second = split(data[: 2 * 4096])[:2]
    flags = len(first) + 5
    for end in range(len(first) + len(second)):
        cut = data[:end]
        assert has_several_tracks(lambda size, at, cut=cut: cut[at : at + size]) == (end > flags)  # type: ignore[misc]
