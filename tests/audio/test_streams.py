"""Inputs that are no files: stdin, request bodies."""

from __future__ import annotations

import io
import os
import subprocess
import threading
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import numpy as np
import pytest
import soundfile

from asrcli.audio import open_audio, probe
from asrcli.audio.ffmpeg.process import find_ffmpeg
from asrcli.audio.types import AudioInfo, Source
from asrcli.errors import AudioDecodeError, EmptyInputError, FfmpegMissingError, InputError
from asrcli.options import AudioOptions, RawFormat
from tests.audio.sounds import LENGTH, TIMES, Decoded, bursts

ENCODINGS: dict[str, list[Any]] = {
    "a.wav": [],
    "a24.wav": ["-c:a", "pcm_s24le"],
    "a32.wav": ["-c:a", "pcm_s32le"],
    "f32.wav": ["-c:a", "pcm_f32le"],
    "f64.wav": ["-c:a", "pcm_f64le"],
    "u8.wav": ["-c:a", "pcm_u8"],
    "alaw.wav": ["-c:a", "pcm_alaw"],
    "a.flac": [],
    "a.ogg": ["-c:a", "libvorbis"],
    "a.opus": [],
    "a.mp3": [],
}
FOREIGN: dict[str, list[Any]] = {
    "a.m4a": [],
    "faststart.mp4": ["-movflags", "+faststart"],
    "fragments.mp4": ["-movflags", "frag_keyframe+empty_moov"],
    "a.mov": [],
    "a.mkv": [],
    "a.webm": [],
    "a.avi": [],
    "a.aac": [],
    "a.wma": [],
    "a.ts": [],
    "a.amr": ["-c:a", "libopencore_amrnb", "-ar", 8000],
}


class Pipe:
    """A real pipe, written to by a thread in pieces of odd sizes."""

    def __init__(self, data: bytes, piece: int = 3333) -> None:
        reading, writing = os.pipe()
        self.stream = os.fdopen(reading, "rb")
        self._thread = threading.Thread(target=self._write, args=(writing, data, piece))
        self._thread.start()

    def _write(self, writing: int, data: bytes, piece: int) -> None:
        try:
            for at in range(0, len(data), piece):
                os.write(writing, data[at : at + piece])
        except BrokenPipeError:
            pass
        finally:
            os.close(writing)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.stream.close()
        self._thread.join()


def decode(data: bytes, **options: Any) -> Decoded:
    with Pipe(data) as pipe:
        return Decoded(Source(name="stdin", stream=pipe.stream), AudioOptions(**options))


@pytest.mark.parametrize("name", ["a.wav", "a.w64", "a.aiff", "a.au", "a.caf", "a.mp3", "a.flac", "a.mkv"])
def test_a_truncated_stream_reports_what_is_missing(
    name: str, encode: Callable[..., Path], wav: Path, tmp_path: Path
) -> None:
    data = encode(tmp_path / name, "-i", wav).read_bytes()
    decoded = decode(data[: len(data) * 6 // 10])
    assert decoded.heard() == pytest.approx(TIMES[:2], abs=3e-3)
    missing = [float(warning.split()[1]) for warning in decoded.warnings if warning.startswith("truncated: ")]
    assert missing == [pytest.approx(LENGTH - decoded.seconds, abs=0.15)]


@pytest.mark.parametrize("name", [*ENCODINGS, *FOREIGN])
def test_any_container_on_a_pipe(name: str, encode: Callable[..., Path], wav: Path, tmp_path: Path) -> None:
    path = encode(tmp_path / name, "-i", wav, *{**ENCODINGS, **FOREIGN}[name])
    decoded = decode(path.read_bytes())
    assert decoded.heard() == pytest.approx(TIMES, abs=0.08)
    assert decoded.seconds == pytest.approx(LENGTH, abs=0.1)
    assert decoded.stream.warnings == []


@pytest.mark.parametrize("form", ["wav", "w64", "aiff", "au", "wv", "flac", "ogg", "mp3", "adts", "mpegts"])
def test_a_container_that_was_written_to_a_pipe(form: str, wav: Path) -> None:
    """Its header has no size, or a wrong one: the writer has not gone back to it."""
    command = [find_ffmpeg(), "-v", "error", "-i", str(wav), "-f", form, "-"]
    done = subprocess.run(command, capture_output=True, check=True)
    decoded = decode(done.stdout)
    assert decoded.heard() == pytest.approx(TIMES, abs=0.08)
    assert decoded.stream.warnings == []


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.mp3", "a.m4a", "a.mkv"])
def test_times_on_a_pipe_are_exact_if_the_container_has_them(
    name: str, encode: Callable[..., Path], wav: Path, tmp_path: Path
) -> None:
    path = encode(tmp_path / name, "-i", wav)
    assert decode(path.read_bytes()).heard() == pytest.approx(TIMES, abs=2e-3)
    assert decode(path.read_bytes(), start=1.0, end=3.0).heard() == pytest.approx(TIMES[1:2], abs=2e-3)


@pytest.mark.parametrize("name", ENCODINGS)
@pytest.mark.usefixtures("no_ffmpeg")
def test_libsndfiles_containers_need_no_ffmpeg_on_a_pipe(
    name: str, encode: Callable[..., Path], wav: Path, tmp_path: Path
) -> None:
    path = encode(tmp_path / name, "-i", wav, *ENCODINGS[name])
    assert decode(path.read_bytes()).heard() == pytest.approx(TIMES, abs=2e-3)


@pytest.mark.usefixtures("no_ffmpeg")
def test_other_containers_ask_for_ffmpeg_before_they_are_copied(
    encode: Callable[..., Path], wav: Path, tmp_path: Path
) -> None:
    path = encode(tmp_path / "a.m4a", "-i", wav)
    stream = io.BytesIO(path.read_bytes())
    with pytest.raises(FfmpegMissingError):
        open_audio(Source(name="stdin", stream=stream), AudioOptions())
    assert stream.tell() < len(stream.getvalue())


@pytest.mark.parametrize("encoding", ["s16le", "f32le"])
@pytest.mark.parametrize(("rate", "channels"), [(16000, 1), (44100, 2), (8000, 1)])
def test_raw_samples_on_a_pipe(encoding: Any, rate: int, channels: int) -> None:
    samples = np.stack([bursts(rate)] * channels, axis=1)
    data = (samples * 32767).astype("<i2").tobytes() if encoding == "s16le" else samples.astype("<f4").tobytes()
    raw = RawFormat(encoding=encoding, rate=rate, channels=channels)
    decoded = decode(data, raw=raw, channels="split")
    assert decoded.heard() == pytest.approx(TIMES, abs=1e-3)
    assert decoded.stream.channels == channels
    assert decoded.stream.info == AudioInfo(None, rate, channels, f"raw/pcm_{encoding}")


def test_a_wav_written_by_a_program_that_cannot_seek(encode: Callable[..., Path], wav: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    with path.open("wb") as file:
        file.write(encode(tmp_path / "b.wav", "-i", wav, "-f", "wav").read_bytes())
    data = bytearray(path.read_bytes())
    at = data.index(b"data")
    data[4:8] = data[at + 4 : at + 8] = b"\xff" * 4
    decoded = decode(bytes(data))
    assert decoded.seconds == pytest.approx(LENGTH, abs=1e-3)
    assert decoded.stream.info.duration is None
    assert decoded.warnings == []


def test_a_wav_whose_metadata_comes_first(wav: Path) -> None:
    data = wav.read_bytes()
    junk = b"junk" + (30000).to_bytes(4, "little") + bytes(30000)
    assert decode(data[:12] + junk + data[12:]).heard() == pytest.approx(TIMES, abs=1e-3)


def test_a_stream_that_breaks_off(encode: Callable[..., Path], wav: Path, tmp_path: Path) -> None:
    data = wav.read_bytes()
    assert decode(data[: len(data) // 2]).warnings == ["truncated: 2.0 s of 4.0 s missing"]
    index_last = encode(tmp_path / "a.m4a", "-i", wav).read_bytes()
    with pytest.raises(AudioDecodeError, match="moov"):
        decode(index_last[: len(index_last) // 2])


class Broken(io.RawIOBase):
    """A request body whose sender goes away."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        got = self._data.readinto(buffer)
        if not got:
            raise ConnectionResetError("Connection reset by peer")
        return got


def broken(data: bytes) -> Any:
    return Broken(data)


def test_a_sender_that_goes_away(encode: Callable[..., Path], wav: Path, tmp_path: Path) -> None:
    data = encode(tmp_path / "a.mkv", "-i", wav).read_bytes()
    decoded = Decoded(Source(name="body", stream=broken(data)), AudioOptions())
    assert "truncated: the input broke off (Connection reset by peer)" in decoded.warnings
    index_last = encode(tmp_path / "a.m4a", "-i", wav).read_bytes()
    for data in (index_last, b"RIFF"):
        with pytest.raises(InputError, match="broke off"):
            Decoded(Source(name="body", stream=broken(data)), AudioOptions())
    decoded = Decoded(Source(name="body", stream=broken(wav.read_bytes()[:180000])), AudioOptions())
    assert decoded.warnings[-1] == "truncated: the input broke off (Connection reset by peer)"
    assert decoded.seconds == pytest.approx(2.04, abs=0.01)


def test_an_empty_stream() -> None:
    with pytest.raises(EmptyInputError, match="0 bytes"):
        decode(b"")


def test_text_on_stdin() -> None:
    with pytest.raises(AudioDecodeError, match="not audio but text"):
        decode(b"hello there\n" * 100)


def test_probing_takes_nothing_from_a_stream(wav: Path) -> None:
    stream = io.BytesIO(wav.read_bytes())
    assert probe(Source(name="stdin", stream=stream), AudioOptions()).duration is None
    assert stream.tell() == 0


@pytest.mark.parametrize(("live", "behind"), [(False, 0.6), (True, 0.051)])  # half a second ahead decides on the offset
def test_a_stream_is_read_while_it_is_written(live: bool, behind: float) -> None:
    reading, writing = os.pipe()
    second = (bursts(16000, (0.5,), 1.0) * 32767).astype("<i2").tobytes()
    with os.fdopen(reading, "rb") as stream:
        opened = open_audio(Source(name="stdin", stream=stream, live=live), AudioOptions(raw=RawFormat()))
        blocks = opened.blocks()
        given = 0
        for written in range(1, 4):
            os.write(writing, second)
            while given < (written - behind) * 16000:
                given += len(next(blocks))
        os.close(writing)
        assert given + sum(map(len, blocks)) == 3 * 16000


class Endless(io.RawIOBase):
    """`seconds` of 44.1 kHz stereo that no one has in memory."""

    def __init__(self, head: bytes, seconds: int) -> None:
        self._head, self._left = head, seconds * 44100 * 4

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if self._head:
            count = min(len(buffer), len(self._head))
            buffer[:count], self._head = self._head[:count], self._head[count:]
            return count
        count = min(len(buffer), self._left)
        buffer[:count] = bytes(count)
        self._left -= count
        return count


@pytest.mark.parametrize("way", ["raw", "wav", "ffmpeg"])
def test_memory_does_not_grow_with_length(way: str, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "head.wav", np.zeros((0, 2)), 44100)
    head = bytearray((tmp_path / "head.wav").read_bytes()[:44])
    head[40:44] = b"\xff" * 4
    if way == "ffmpeg":  # AU: libsndfile's and ffmpeg's, not ours
        head = bytearray(b".snd" + b"".join(n.to_bytes(4, "big") for n in (24, 0xFFFFFFFF, 3, 44100, 2)))

    def peak(seconds: int) -> int:
        stream = io.BufferedReader(Endless(b"" if way == "raw" else bytes(head), seconds))
        raw = RawFormat(rate=44100, channels=2) if way == "raw" else None
        tracemalloc.start()
        with open_audio(Source(name="stdin", stream=stream), AudioOptions(raw=raw)) as opened:
            count = sum(len(block) for block in opened.blocks())
        top = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert count == pytest.approx(seconds * 16000, rel=1e-3)
        return top

    peak(5)  # filters are made once
    assert peak(300) < peak(20) * 1.3 + 500_000
