"""Headers of WAV that are wrong or unusual, in files, streams and uploads."""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from asrcli.audio.readers import PatchedFile
from asrcli.audio.types import Source
from asrcli.options import AudioOptions
from tests.audio.sounds import LENGTH, TIMES, Decoded, bursts

WAYS = ["file", "stream", "upload"]


def read(path: Path, way: str) -> Decoded:
    if way == "stream":
        return Decoded(Source("a", stream=io.BytesIO(path.read_bytes())), AudioOptions())
    return Decoded(Source("a", path=path, untrusted=way == "upload"), AudioOptions())


def right(decoded: Decoded) -> bool:
    """Nothing was added, lost or moved."""
    assert decoded.heard() == pytest.approx(TIMES, abs=0.05)
    return decoded.seconds == pytest.approx(LENGTH, abs=0.1)


def riff(order: Literal["<", ">"], size: int | None, block: int) -> bytes:
    sound = (bursts(16000) * 32767).astype(f"{order}i2").tobytes()
    size = len(sound) if size is None else size
    form = struct.pack(f"{order}IHHIIHH", 16, 1, 1, 16000, 32000, block, 16)
    name = b"RIFX" if order == ">" else b"RIFF"
    return b"".join(
        [name, struct.pack(f"{order}I", size + 36), b"WAVEfmt ", form, b"data", struct.pack(f"{order}I", size), sound]
    )


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("size", [None, 0])
def test_big_endian_samples(size: int | None, way: str, tmp_path: Path) -> None:
    """ffmpeg reads them as little-endian."""
    path = tmp_path / "a.wav"
    path.write_bytes(riff(">", size, 2))
    assert right(read(path, way))


@pytest.mark.parametrize("way", WAYS)
def test_a_wrong_size_of_a_block(way: str, tmp_path: Path) -> None:
    """The bits and the bytes a second agree on another one."""
    path = tmp_path / "a.wav"
    path.write_bytes(riff("<", None, 4))
    assert right(read(path, way))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("codec", ["adpcm_yamaha", "g722"])
def test_a_chunk_behind_compressed_sound_of_unknown_size(
    codec: str, way: str, encode: Callable[..., Path], wav: Path, tmp_path: Path
) -> None:
    path = encode(tmp_path / "a.wav", "-i", wav, "-ar", 16000, "-c:a", codec, "-fflags", "+bitexact")
    data = bytearray(path.read_bytes())
    at = data.index(b"data") + 4
    data[at : at + 4] = b"\xff" * 4
    path.write_bytes(data + b"LIST" + struct.pack("<I", 30000) + b"INFO" + os.urandom(29996))
    assert right(read(path, way))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("size", [0, 2**64 - 1, 2**63])
def test_an_absurd_size_in_64_bits(size: int, way: str, tmp_path: Path) -> None:
    """A position beyond what the system takes became an internal error."""
    data = riff("<", None, 2)
    large = b"ds64" + struct.pack("<IQQQI", 28, size, size, 0, 0)
    path = tmp_path / "a.wav"
    path.write_bytes(b"RF64" + b"\xff" * 4 + b"WAVE" + large + data[12:40] + b"\xff" * 4 + data[44:])
    decoded = read(path, way)
    assert right(decoded)
    assert decoded.warnings == []


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("place", [12, 36])
@pytest.mark.parametrize("name", [b"iXML", b"LIST"])
def test_a_chunk_of_odd_size_without_its_pad_byte(name: bytes, place: int, way: str, tmp_path: Path) -> None:
    data = riff("<", None, 2)
    for pad in (b"", b"\0"):
        path = tmp_path / "a.wav"
        path.write_bytes(data[:place] + name + struct.pack("<I", 7) + b"INFOabc" + pad + data[place:])
        decoded = read(path, way)
        assert right(decoded)
        assert decoded.warnings == []


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("form", ["RIFF", "RF64"])
@pytest.mark.parametrize("codec", ["pcm_s16le", "adpcm_ms"])
def test_a_chunk_behind_fewer_samples_than_the_header_claims(
    codec: str, form: str, way: str, encode: Callable[..., Path], wav: Path, tmp_path: Path
) -> None:
    """The size lies beyond the end of the file."""
    path = encode(tmp_path / "a.wav", "-i", wav, "-c:a", codec, "-rf64", "always" if form == "RF64" else "never")
    data = bytearray(path.read_bytes())
    at = data.index(b"ds64") + 16 if form == "RF64" else data.index(b"data") + 4
    body = data.index(b"data") + 8
    data[at : at + 4] = struct.pack("<I", 2 * (len(data) - body))
    path.write_bytes(data + b"LIST" + struct.pack("<I", 30000) + b"INFO" + os.urandom(29996))
    decoded = read(path, way)
    assert right(decoded)
    assert [warning for warning in decoded.warnings if warning.startswith("truncated: 4.")]


def test_other_bytes_are_read_wherever_reads_begin_and_end(tmp_path: Path) -> None:
    path, random = tmp_path / "a", np.random.default_rng(1)
    expected = bytearray(random.bytes(5000))
    path.write_bytes(expected)
    patches = [(int(at), random.bytes(int(random.integers(1, 9)))) for at in random.permutation(500)[:300] * 10]
    for at, right in patches:
        expected[at : at + len(right)] = right
    with PatchedFile(os.open(path, os.O_RDONLY), 4900, patches, owned=True) as file:
        assert b"".join(iter(lambda: file.read(int(random.integers(1, 40))), b"")) == expected[:4900]
        for at in random.integers(0, 4900, 100).tolist():
            file.seek(at)
            assert file.read(7) == expected[at : min(at + 7, 4900)]
