"""Decoded time is the recording's time: nothing is lost, moved or added, whatever headers and timestamps claim."""

from __future__ import annotations

import io
import os
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import numpy as np
import pytest
import soundfile

from asrcli.audio import probe
from asrcli.audio.types import Source
from asrcli.errors import AudioDecodeError
from asrcli.options import AudioOptions
from tests.audio.sounds import LENGTH, TIMES, Decoded, bursts

#: what encoders put in front where the container has no place to record it, and frames that are filled up
CLOSE = 0.08


@pytest.fixture(params=["system", "bundled"], autouse=True)
def each_ffmpeg(
    request: pytest.FixtureRequest,
    same_ffmpeg: Any,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Every test runs with the ffmpeg of the system and with imageio-ffmpeg's."""
    folder = tmp_path_factory.mktemp("bin")
    path = os.environ["PATH"].split(os.pathsep, 1)[1]
    program = shutil.which("ffmpeg", path=path) if request.param == "system" else imageio_ffmpeg.get_ffmpeg_exe()
    if program is None:
        pytest.skip("no ffmpeg on PATH")
    (folder / "ffmpeg").symlink_to(program)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{path}")


def sources(path: Path) -> list[Source]:
    """The file, the file in a process apart, and the same bytes as a stream."""
    return [
        Source(path.name, path=path),
        Source(path.name, path=path, untrusted=True),
        Source(path.name, stream=io.BytesIO(path.read_bytes())),
    ]


def decoded(path: Path, **options: Any) -> list[Decoded]:
    return [Decoded(source, AudioOptions(**options)) for source in sources(path)]


def joined(path: Path, *parts: Path) -> Path:
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path


CHANGES = [((1, 44100), (2, 44100)), ((2, 48000), (1, 32000))]


@pytest.mark.parametrize("change", CHANGES, ids=str)
@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("a.aac", ["-c:a", "aac"]),
        ("a.mp3", ["-c:a", "libmp3lame"]),
        ("untagged.mp3", ["-c:a", "libmp3lame", "-write_xing", 0, "-id3v2_version", 0]),
        ("a.mp2", ["-c:a", "mp2"]),
        ("a.ac3", ["-c:a", "ac3"]),
        ("a.ts", ["-c:a", "aac"]),
        ("a.ogg", ["-c:a", "libvorbis"]),
    ],
)
def test_channels_or_rate_that_change(
    name: str,
    arguments: list[str | int],
    change: tuple[tuple[int, int], tuple[int, int]],
    encode: Callable[..., Path],
    wav: Path,
    tmp_path: Path,
) -> None:
    parts = [
        encode(tmp_path / f"{number}{name}", "-i", wav, "-ac", channels, "-ar", rate, *arguments)
        for number, (channels, rate) in enumerate(change)
    ]
    path = joined(tmp_path / name, *parts)
    for one in decoded(path):
        assert one.heard()[:3] == pytest.approx(TIMES, abs=CLOSE)
        assert one.heard()[3:] == pytest.approx([LENGTH + time for time in TIMES], abs=2 * CLOSE)
        assert one.seconds == pytest.approx(2 * LENGTH, abs=2 * CLOSE)
    for one in decoded(path, start=5.0):
        assert one.heard() == pytest.approx([LENGTH + time for time in TIMES if time > 1], abs=2 * CLOSE)


VIDEO = ["-f", "lavfi", "-i", "color=s=64x64:r=25:d=9"]


@pytest.mark.parametrize("name", ["a.ts", "a.mpg", "a.vob", "a.mp4", "a.mkv", "a.flv", "a.mov"])
def test_sound_that_starts_after_the_picture(name: str, encode: Callable[..., Path], wav: Path, tmp_path: Path) -> None:
    codecs = ["-c:v", "flv1", "-c:a", "libmp3lame"] if name == "a.flv" else ["-c:v", "mpeg2video", "-c:a", "mp2"]
    path = encode(tmp_path / name, *VIDEO, "-itsoffset", 4, "-i", wav, "-map", 0, "-map", 1, *codecs)
    for one in decoded(path):
        assert one.heard() == pytest.approx([4 + time for time in TIMES], abs=CLOSE)
    for one in decoded(path, start=5.0):
        assert one.heard() == pytest.approx([6.0, 7.25], abs=CLOSE)
        assert one.stream.offset == pytest.approx(5.0)


def test_the_first_default_track_is_taken_not_the_one_with_most_channels(
    encode: Callable[..., Path], wav: Path, tmp_path: Path
) -> None:
    other = encode(tmp_path / "other.wav", "-f", "lavfi", "-i", "sine=300:d=4")
    path = encode(
        *(tmp_path / "a.mp4", *VIDEO, "-i", wav, "-i", other, "-map", 0, "-map", 1, "-map", 2, "-ac:a:1", 2),
        *("-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=ger"),
        *("-disposition:a", "default", "-c:v", "mpeg4", "-c:a", "aac"),
    )
    for one in decoded(path):
        assert one.heard() == pytest.approx(TIMES, abs=CLOSE)
        (notice,) = one.warnings
        assert "audio track 0 of 2" in notice
        assert "0 (eng, aac, mono), 1 (ger, aac, stereo)" in notice
    for one in decoded(path, track=0):
        assert one.warnings == []


def test_a_track_that_cannot_be_decoded_is_passed_over(encode: Callable[..., Path], wav: Path, tmp_path: Path) -> None:
    path = encode(
        tmp_path / "a.m4a", "-i", wav, "-i", wav, "-map", 0, "-map", 1, "-c:a", "aac", "-disposition:a", "default"
    )
    data = path.read_bytes()
    first = data.index(b"mp4a", data.index(b"stsd"))
    box = data.index(b"esds", first)
    path.write_bytes(data[:first] + b"apac" + data[first + 4 : box] + b"free" + data[box + 4 :])
    for one in decoded(path):
        assert one.heard() == pytest.approx(TIMES, abs=CLOSE)
        assert any("cannot decode audio track 0" in warning for warning in one.warnings)


def test_sound_beyond_the_first_look(encode: Callable[..., Path], wav: Path, tmp_path: Path) -> None:
    """The picture alone fills what ffmpeg looks at for tracks."""
    noise = ["-f", "lavfi", "-i", "nullsrc=s=320x240:r=25:d=10,geq=random(1)*255:128:128"]
    video = ["-c:v", "mpeg2video", "-q:v", 1, "-b:v", "20M", "-maxrate", "20M", "-bufsize", "4M"]
    for name in ("a.ts", "a.vob"):
        path = encode(tmp_path / name, *noise, "-itsoffset", 6, "-i", wav, "-map", 0, "-map", 1, *video, "-c:a", "mp2")
        assert path.stat().st_size > 8_000_000
        for one in decoded(path):
            assert one.heard() == pytest.approx([6 + time for time in TIMES], abs=CLOSE)


def test_timestamps_that_stand_still_cost_no_sound(encode: Callable[..., Path], wav: Path, tmp_path: Path) -> None:
    path = encode(tmp_path / "a.rm", "-i", wav, "-ar", 8000, "-ac", 1, "-c:a", "real_144")
    for one in decoded(path):
        assert one.heard() == pytest.approx(TIMES, abs=CLOSE)
        assert one.seconds == pytest.approx(LENGTH, abs=CLOSE)


def resized(path: Path, patches: dict[int, bytes], tail: bytes = b"") -> Path:
    data = bytearray(path.read_bytes())
    for at, value in patches.items():
        data[at : at + len(value)] = value
    path.write_bytes(data + tail)
    return path


SUBTYPES = ["PCM_16", "PCM_24", "FLOAT", "ULAW", "ALAW", "IMA_ADPCM", "MS_ADPCM", "GSM610"]


def sound_file(path: Path, container: str, subtype: str) -> tuple[Path, int]:
    """A file of the bursts; and where its data chunk's body begins."""
    soundfile.write(path, bursts(8000), 8000, format=container, subtype=subtype)
    data = path.read_bytes()
    marks = {"WAV": b"data", "AIFF": b"SSND", "CAF": b"data", "W64": b"data", "AU": b".snd"}
    return path, data.index(marks[container])


def with_size(path: Path, container: str, at: int, size: int) -> Path:
    """Set the size that the header claims."""
    fields = {
        "WAV": {4: struct.pack("<I", (size + 36) & 0xFFFFFFFF), at + 4: struct.pack("<I", size & 0xFFFFFFFF)},
        "AIFF": {4: struct.pack(">I", (size + 46) & 0xFFFFFFFF), at + 4: struct.pack(">I", (size + 8) & 0xFFFFFFFF)},
        "AU": {8: struct.pack(">I", size & 0xFFFFFFFF)},
        "CAF": {at + 4: struct.pack(">q", size + 4)},
        "W64": {at + 16: struct.pack("<Q", size + 24)},
    }
    return resized(path, fields[container])


def true_size(path: Path, container: str, at: int) -> int:
    header = {"WAV": at + 8, "AIFF": at + 16, "CAF": at + 16, "W64": at + 24, "AU": 24}[container]
    return path.stat().st_size - header


@pytest.mark.parametrize("container", ["WAV", "AIFF", "AU", "CAF", "W64"])
@pytest.mark.parametrize("subtype", SUBTYPES)
def test_a_size_that_is_too_small(container: str, subtype: str, tmp_path: Path) -> None:
    """The 32-bit size of a file over 4 GiB, or a header that was never updated."""
    if not soundfile.check_format(container, subtype):
        pytest.skip("no such form")
    path, at = sound_file(tmp_path / f"a.{container.lower()}", container, subtype)
    path = with_size(path, container, at, true_size(path, container, at) // 4 // 260 * 260)
    for one in decoded(path):
        short = [warning for warning in one.warnings if warning.startswith(("header: ", "truncated: "))]
        assert short
        if one.heard() != pytest.approx(TIMES, abs=CLOSE):
            assert one.stream.info.duration is None or any("missing" in warning for warning in short)
            continue
        assert one.seconds == pytest.approx(LENGTH, abs=CLOSE)


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFFF000], ids=hex)
@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT", "ULAW", "GSM610"])
@pytest.mark.parametrize("name", [b"LIST", b"id3 ", b"bext"])
def test_a_chunk_behind_samples_of_unknown_size_is_no_sound(
    size: int, subtype: str, name: bytes, tmp_path: Path
) -> None:
    path, at = sound_file(tmp_path / "a.wav", "WAV", subtype)
    noise = np.random.default_rng(3).bytes(30000)
    body = (b"INFO" if name == b"LIST" else b"ID3\x04") + noise
    path = with_size(path, "WAV", at, size)
    path = resized(path, {}, name + struct.pack("<I", len(body)) + body + b"fact" + struct.pack("<II", 4, 1))
    for one in decoded(path):
        if subtype == "GSM610" and one.stream.info.format == "wav/gsm_ms":
            continue  # a stream that ffmpeg decodes
        assert one.heard() == pytest.approx(TIMES, abs=CLOSE)
        assert one.seconds == pytest.approx(LENGTH, abs=CLOSE)


@pytest.mark.parametrize("subtype", ["PCM_16", "ULAW"])
def test_chunks_behind_the_samples_bear_the_size_out(subtype: str, tmp_path: Path) -> None:
    _path, _at = sound_file(tmp_path / "a.wav", "WAV", subtype)
    chunk = b"LIST" + struct.pack("<I", 30004) + b"INFO" + np.random.default_rng(3).bytes(30000)
    for tail in (chunk, b"ID3\x04\0\0\0\0\x01\0" + bytes(128), b"TAG" + bytes(125)):
        for one in decoded(resized(sound_file(tmp_path / "a.wav", "WAV", subtype)[0], {}, tail)):
            assert one.heard() == pytest.approx(TIMES, abs=CLOSE)
            assert one.seconds == pytest.approx(LENGTH, abs=0.02)
            assert one.warnings == []


@pytest.mark.parametrize("each_ffmpeg", ["bundled"], indirect=True)  # once: it reads 4 GiB
def test_a_size_that_wrapped_at_4_gib(tmp_path: Path) -> None:
    """A sparse file: silence, and the bursts at its end."""
    path, rate, channels = tmp_path / "a.wav", 192000, 8
    frame, seconds = 8 * channels, 360
    sound = np.repeat(bursts(rate)[:, None], channels, axis=1).astype("<f8").tobytes()
    total = seconds * rate * frame
    header = struct.pack("<4sI4s4sIHHIIHH", b"RIFF", (total + 36) % 2**32, b"WAVE", b"fmt ", 16, 3, channels, rate,
                         rate * frame, frame, 64) + b"data" + struct.pack("<I", total % 2**32)  # fmt: skip
    assert total > 2**32
    with path.open("wb") as file:
        file.write(header)
        file.truncate(len(header) + total - len(sound))
        file.seek(0, os.SEEK_END)
        file.write(sound)
    one = Decoded(Source("a", path=path), AudioOptions(start=seconds - LENGTH - 1))
    assert one.heard() == pytest.approx([seconds - LENGTH + time for time in TIMES], abs=CLOSE)
    assert one.warnings[0].startswith("header: ")


@pytest.mark.parametrize("movflags", ["+faststart", "+frag_keyframe+empty_moov", "0"])
def test_encrypted_files_are_named(movflags: str, encode: Callable[..., Path], wav: Path, tmp_path: Path) -> None:
    key = "76a6c65c5ea762046bd749a2e632ccbb"
    scheme = ["-encryption_scheme", "cenc-aes-ctr", "-encryption_key", key, "-encryption_kid", key]
    path = encode(tmp_path / "a.mp4", "-i", wav, "-c:a", "aac", *scheme, "-movflags", movflags)
    for source in sources(path):
        with pytest.raises(AudioDecodeError, match=r"^The file is encrypted \(DRM\)"):
            Decoded(source, AudioOptions())
    for kind in (b"drms", b"aavd"):  # FairPlay, Audible
        path.write_bytes(path.read_bytes().replace(b"enca", kind))
        with pytest.raises(AudioDecodeError, match="encrypted"):
            probe(Source("a", path=path), AudioOptions())


@pytest.mark.parametrize(("field", "value"), [(12, 0), (16, 10**7)], ids=["nothing", "beyond the end"])
@pytest.mark.parametrize("movflags", ["+faststart", "0"])
def test_an_edit_list_that_leaves_no_sound(
    movflags: str, field: int, value: int, encode: Callable[..., Path], wav: Path, tmp_path: Path
) -> None:
    path = encode(tmp_path / "a.m4a", "-i", wav, "-c:a", "aac", "-movflags", movflags)
    for one in decoded(resized(path, {path.read_bytes().index(b"elst") + field: struct.pack(">I", value)})):
        assert one.heard() == pytest.approx(TIMES, abs=CLOSE)
        assert [warning for warning in one.warnings if warning.startswith("header: the edit list")]
