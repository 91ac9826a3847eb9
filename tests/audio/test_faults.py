"""Each thing that can be wrong with a file, and what the user reads of it."""

from __future__ import annotations

import contextlib
import io
import os
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asrcli.audio import open_audio, probe
from asrcli.audio.types import Source
from asrcli.errors import (
    AsrcliError,
    AudioDecodeError,
    EmptyInputError,
    FfmpegMissingError,
    InputError,
    InputUnreadableError,
    UsageError,
)
from asrcli.options import AudioOptions, RawFormat
from tests.audio.sounds import LENGTH, TIMES, Decoded, bursts

RAW = (bursts(16000) * 32767).astype("<i2").tobytes()


def wave(
    data: bytes = RAW,
    *,
    size: int | None = None,
    rate: int = 16000,
    channels: int = 1,
    bits: int = 16,
    tag: int = 1,
    chunks: bytes = b"",
) -> bytes:
    """A WAV file whose header may lie."""
    frame = channels * bits // 8
    form = struct.pack("<HHIIHH", tag, channels, rate, rate * frame & 0xFFFFFFFF, frame & 0xFFFF, bits)
    claimed = len(data) if size is None else size
    body = b"WAVEfmt " + struct.pack("<I", 16) + form + chunks + b"data" + struct.pack("<I", claimed) + data
    return b"RIFF" + struct.pack("<I", min(len(body), 0xFFFFFFFF)) + body


@pytest.fixture
def put(tmp_path: Path) -> Callable[..., Path]:
    def write(name: str, data: bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(data)
        return path

    return write


def fails(decode: Callable[..., Decoded], path: Path, error: type[Any], message: str | None, **options: Any) -> None:
    with pytest.raises(error, match=message) as caught:
        decode(path, **options)
    assert type(caught.value) is error
    assert caught.value.hint
    if not options:
        with pytest.raises(error):
            probe(Source(name="x", path=path), AudioOptions())


@pytest.mark.parametrize(
    ("name", "data", "kind"),
    [
        ("a.wav", b"PK\x03\x04" + bytes(500), "a ZIP archive"),
        ("a.mp3", b"\x89PNG\r\n\x1a\n" + bytes(500), "a PNG image"),
        ("a.m4a", b"\xff\xd8\xff\xe0" + bytes(500), "a JPEG image"),
        ("a.wav", b"%PDF-1.7\n", "a PDF document"),
        ("a.wav", b"meeting notes\nnothing else\n", "text"),
        ("a.mp3", "请下载应用程序\n".encode() * 50, "text"),
        ("a.mp3", b"<!DOCTYPE html><html><body>404</body></html>", "a web page"),
        ("a.m3u8", b"#EXTM3U\n#EXTINF:10,\nother.wav\n", "a playlist"),
        ("a.mid", b"MThd\x00\x00\x00\x06\x00\x01", "a MIDI file"),
    ],
)
@pytest.mark.parametrize("machine", ["with ffmpeg", "without"])
def test_what_is_no_audio_is_named(
    name: str,
    data: bytes,
    kind: str,
    machine: str,
    request: pytest.FixtureRequest,
    put: Callable[..., Path],
    decode: Callable[..., Decoded],
) -> None:
    if machine == "without":
        request.getfixturevalue("no_ffmpeg")
    fails(decode, put(name, data), AudioDecodeError, f"not audio but {kind}")


def test_random_bytes(put: Callable[..., Path], decode: Callable[..., Decoded]) -> None:
    fails(decode, put("a.wav", np.random.default_rng(1).bytes(20000)), AudioDecodeError, None)


@pytest.mark.parametrize("name", ["a.wav", "a.mp3", "a.mp4"])
def test_an_empty_file(name: str, put: Callable[..., Path], decode: Callable[..., Decoded]) -> None:
    fails(decode, put(name, b""), EmptyInputError, "0 bytes")


def test_a_bare_header(put: Callable[..., Path], decode: Callable[..., Decoded]) -> None:
    path = put("a.wav", wave(b""))
    with pytest.raises(EmptyInputError, match="only a header"):
        decode(path)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts", "a.avi", "a.vob"])
@pytest.mark.parametrize("start", [0.0, 0.5])
def test_a_film_without_sound_has_no_blocks_and_a_warning(
    name: str, start: float, encode: Callable[..., Path], tmp_path: Path
) -> None:
    path = encode(tmp_path / name, "-f", "lavfi", "-i", "color=s=64x64:d=1", "-c:v", "mpeg2video")
    options = AudioOptions(start=start)
    sources = [Source(name, path=path), Source(name, stream=io.BytesIO(path.read_bytes()))]
    for source in sources:
        with open_audio(source, options) as stream:
            assert list(stream.blocks()) == []
        (warning,) = stream.warnings
        assert warning.startswith("The file has no audio track")
    assert probe(Source(name, path=path), options).tracks == 0


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ({"rate": 1_092_676}, "sample rate of 1,092,676 Hz"),
        ({"rate": 0}, None),
        ({"rate": 4_000_000_000}, None),
        ({"channels": 65535}, None),
        ({"channels": 0}, None),
        ({"bits": 0}, None),
        ({"tag": 0x7777}, None),
    ],
)
def test_absurd_headers(
    header: dict[str, Any], message: str | None, put: Callable[..., Path], decode: Callable[..., Decoded]
) -> None:
    fails(decode, put("a.wav", wave(**header)), AudioDecodeError, message)


def test_a_wav_without_data_chunk(put: Callable[..., Path], decode: Callable[..., Decoded]) -> None:
    fails(decode, put("a.wav", wave()[:36] + b"HURF9999" + bytes(2000)), AudioDecodeError, "data")


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFFFFFF, 0x80000000 - 36])
def test_a_length_that_was_never_filled_in(size: int, put: Callable[..., Path], decode: Callable[..., Decoded]) -> None:
    """What recorders that lost power and programs that write to pipes leave."""
    decoded = decode(put("a.wav", wave(size=size)))
    assert decoded.heard() == pytest.approx(TIMES, abs=1e-3)
    assert decoded.seconds == LENGTH
    assert decoded.warnings == []


def cut(path: Path, share: float = 0.6) -> Path:
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


#: how ffmpeg makes them, beyond what the name reports
CUT = {
    **dict.fromkeys(("a.wav", "a.flac", "a.mp3", "a.mkv", "a.w64", "a.aiff", "a.au", "a.caf", "a.wma"), ()),
    "rf64.wav": ("-rf64", "always"),
    "alaw.wav": ("-c:a", "pcm_alaw"),
    "adpcm.wav": ("-c:a", "adpcm_ms"),
    "alaw.aifc": ("-c:a", "pcm_alaw"),
    "pcm.avi": ("-c:a", "pcm_s16le"),
    "mp3.avi": ("-c:a", "libmp3lame"),
}


@pytest.mark.parametrize("name", CUT)
def test_a_truncated_file_gives_what_is_there(
    name: str, encode: Callable[..., Path], decode: Callable[..., Decoded], wav: Path, tmp_path: Path
) -> None:
    decoded = decode(cut(encode(tmp_path / name, "-i", wav, *CUT[name])))
    if name.endswith((".wma", "mp3.avi")):  # frames are reported late, and headers are part of the size
        assert len(decoded.heard()) == 2
        assert decoded.warnings[0].startswith("truncated: ")
        assert float(decoded.warnings[0].split()[1]) == pytest.approx(LENGTH - decoded.seconds, abs=0.2)
        return
    assert decoded.heard() == pytest.approx(TIMES[:2], abs=3e-3)
    assert 2.1 < decoded.seconds < 2.9
    missing = LENGTH - decoded.seconds
    (warning,) = decoded.warnings
    assert warning == f"truncated: {missing:.1f} s of 4.0 s missing"


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.mp3"])
@pytest.mark.usefixtures("no_ffmpeg")
def test_a_truncated_file_without_ffmpeg(
    name: str,
    encode: Callable[..., Path],
    decode: Callable[..., Decoded],
    wav: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    decoded = decode(cut(encode(tmp_path / name, "-i", wav)))
    capfd.readouterr()  # the MP3 decoder complains
    assert decoded.heard() == pytest.approx(TIMES[:2], abs=3e-3)
    assert decoded.warnings == [f"truncated: {LENGTH - decoded.seconds:.1f} s of 4.0 s missing"]


def test_a_truncated_sphere(decode: Callable[..., Decoded], tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.sph", bursts(16000), 16000, format="NIST")
    decoded = decode(cut(tmp_path / "a.sph"))
    assert decoded.heard() == pytest.approx(TIMES[:2], abs=3e-3)
    assert decoded.warnings == [f"truncated: {LENGTH - decoded.seconds:.1f} s of 4.0 s missing"]


def test_a_truncated_recording_behind_long_metadata(put: Callable[..., Path], decode: Callable[..., Decoded]) -> None:
    """The sound's header lies beyond what is read at first."""
    notes = b"LIST" + struct.pack("<I", 200_000) + bytes(200_000)
    decoded = decode(put("a.wav", wave(RAW[: len(RAW) // 2], size=len(RAW), chunks=notes)))
    assert decoded.warnings == ["truncated: 2.0 s of 4.0 s missing"]


def test_a_truncated_mp3_that_counts_nothing(
    encode: Callable[..., Path], decode: Callable[..., Decoded], wav: Path, tmp_path: Path
) -> None:
    for name, arguments in (("a.mp3", ()), ("vbr.mp3", ("-q:a", 5))):
        decoded = decode(cut(encode(tmp_path / name, "-i", wav, "-write_xing", 0, *arguments)))
        assert decoded.heard() == pytest.approx(TIMES[:2], abs=0.08)
        assert "perhaps truncated: the file ends in the middle of a frame" in decoded.warnings


def test_a_tag_behind_an_mp3_is_no_sound(
    encode: Callable[..., Path], decode: Callable[..., Decoded], wav: Path, tmp_path: Path
) -> None:
    """With a cover in it, it may be longer than the sound."""
    path = encode(tmp_path / "a.mp3", "-i", wav, "-write_xing", 0)
    size = 400_000
    tag = b"APETAGEX" + struct.pack("<IIII", 2000, size + 32, 1, 0xA0000000) + bytes(8)
    path.write_bytes(path.read_bytes() + tag + b"\x55" * size + tag)
    decoded = decode(path)
    assert decoded.seconds == pytest.approx(LENGTH, abs=0.1)
    assert decoded.warnings == []


def test_what_cannot_be_decoded_without_its_end_is_called_cut_off(
    encode: Callable[..., Path], decode: Callable[..., Decoded], wav: Path, tmp_path: Path
) -> None:
    path = cut(encode(tmp_path / "a.caf", "-i", wav, "-c:a", "alac"))
    with pytest.raises(AudioDecodeError, match=r"cut off: \d\d % of it is missing") as caught:
        decode(path)
    assert "whole" in caught.value.hint


def test_a_truncated_m4a_for_streaming(
    encode: Callable[..., Path], decode: Callable[..., Decoded], wav: Path, tmp_path: Path
) -> None:
    path = encode(tmp_path / "a.m4a", "-i", wav, "-movflags", "+faststart")
    data = path.read_bytes()
    body = data.index(b"mdat")
    path.write_bytes(data[: body + (len(data) - body) * 6 // 10])
    decoded = decode(path)
    assert decoded.heard()[:1] == pytest.approx(TIMES[:1], abs=3e-3)
    assert decoded.warnings == [f"truncated: {LENGTH - decoded.seconds:.1f} s of 4.0 s missing"]


@pytest.mark.parametrize("damage", [bytes(16), bytes(4), bytes([0, 0, 0, 4]) * 4, b"\xff\x80\x01\x02" * 4])
def test_a_fragment_whose_header_is_damaged(
    damage: bytes, encode: Callable[..., Path], decode: Callable[..., Decoded], wav: Path, tmp_path: Path
) -> None:
    """The decoder stopped there, without a message."""
    form = ["-c:a", "aac", "-movflags", "+empty_moov+default_base_moof", "-frag_duration", 300000]
    path = encode(tmp_path / "a.mp4", "-i", wav, *form)
    data = path.read_bytes()
    assert decode(path).warnings == []
    for number in (5, 9):
        at = -4
        for _ in range(number):
            at = data.index(b"moof", at + 4)
        path.write_bytes(data[: at - 4] + damage + data[at - 4 + len(damage) :])
        decoded = decode(path)
        (warning,) = decoded.warnings
        lost = float(warning.removeprefix("truncated: ").split()[0])
        assert lost == pytest.approx(LENGTH - decoded.seconds, abs=0.1)


@pytest.mark.parametrize("name", [b"mdat", b"free", b"moov"])
def test_a_box_of_impossible_size(
    name: bytes, encode: Callable[..., Path], decode: Callable[..., Decoded], wav: Path, tmp_path: Path
) -> None:
    """It was an internal error."""
    path = encode(tmp_path / "a.m4a", "-i", wav, "-c:a", "aac")
    data = path.read_bytes()
    at = data.index(name) - 4
    path.write_bytes(data[:at] + b"\0\0\0\1" + name + b"\xff" * 8 + data[at + 16 :])
    with contextlib.suppress(AsrcliError):
        assert decode(path).warnings


def test_a_truncated_mp4_that_lost_its_index(
    encode: Callable[..., Path], decode: Callable[..., Decoded], wav: Path, tmp_path: Path
) -> None:
    fails(decode, cut(encode(tmp_path / "a.mp4", "-i", wav)), AudioDecodeError, r"cut off: the index.*\(moov\)")


@pytest.mark.parametrize("codec", ["libvorbis", "libopus", "flac"])
def test_a_truncated_ogg(
    codec: str, encode: Callable[..., Path], decode: Callable[..., Decoded], wav: Path, tmp_path: Path
) -> None:
    path = encode(tmp_path / "a.ogg", "-i", wav, "-c:a", codec, "-page_duration", 200000)
    decoded = decode(cut(path, 0.8))
    assert decoded.heard()[:2] == pytest.approx(TIMES[:2], abs=3e-3)
    assert decoded.warnings == ["perhaps truncated: the recording lacks its end mark"]


def test_a_truncated_span_counts_the_span_only(
    encode: Callable[..., Path], decode: Callable[..., Decoded], wav: Path, tmp_path: Path
) -> None:
    path = cut(encode(tmp_path / "a.wav", "-i", wav))
    assert decode(path, end=2.0).warnings == []
    decoded = decode(path, start=1.0, end=3.0)
    assert decoded.warnings == [f"truncated: {2 - decoded.seconds:.1f} s of 2.0 s missing"]


def test_a_film_that_outlasts_its_sound_is_not_truncated(
    encode: Callable[..., Path], decode: Callable[..., Decoded], wav: Path, tmp_path: Path
) -> None:
    path = encode(tmp_path / "a.mkv", "-f", "lavfi", "-i", "color=s=64x64:d=9", "-i", wav, "-c:v", "mpeg4")
    decoded = decode(path)
    assert decoded.seconds == pytest.approx(LENGTH, abs=0.05)
    assert decoded.warnings == []


def spoil(path: Path, share: float = 0.4, length: int = 700) -> Path:
    data = bytearray(path.read_bytes())
    at = int(len(data) * share)
    data[at : at + length] = b"\x55" * length
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("name", ["a.flac", "a.mp3", "a.m4a"])
def test_damage_in_the_middle_does_not_cost_the_rest(
    name: str,
    encode: Callable[..., Path],
    decode: Callable[..., Decoded],
    wav: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    decoded = decode(spoil(encode(tmp_path / name, "-i", wav)))
    assert decoded.heard()[0] == pytest.approx(TIMES[0], abs=3e-3)
    # an MP3's frames have no times: what is lost is missing
    assert decoded.heard()[-1] == pytest.approx(TIMES[-1], abs=0.15 if name == "a.mp3" else 0.06)
    if name != "a.m4a":  # an AAC decoder takes nearly everything for sound
        assert [warning for warning in decoded.warnings if warning.startswith("damaged: ")]
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("name", "codec"), [("a.tta", "tta"), ("a.wv", "wavpack"), ("a.ac3", "ac3"), ("a.eac3", "eac3"), ("a.avi", "ac3")]
)
@pytest.mark.parametrize("byte", [b"\0", b"\x55"])
def test_damage_that_only_a_checksum_shows(
    name: str,
    codec: str,
    byte: bytes,
    encode: Callable[..., Path],
    decode: Callable[..., Decoded],
    wav: Path,
    tmp_path: Path,
) -> None:
    """The decoders take it for sound."""
    path = encode(tmp_path / name, "-i", wav, "-ar", 48000, "-c:a", codec)
    assert decode(path).warnings == []
    data = path.read_bytes()
    middle = len(data) // 2
    for length in (30, 300):
        path.write_bytes(data[:middle] + byte * length + data[middle + length :])
        assert [warning for warning in decode(path).warnings if warning.startswith("damaged: ")]


@pytest.mark.parametrize("codec", ["pcm_s16le", "libmp3lame"])
def test_a_hole_in_a_film_without_timestamps(
    codec: str, encode: Callable[..., Path], decode: Callable[..., Decoded], wav: Path, tmp_path: Path
) -> None:
    """AVI: what followed was early. The index has what is missing."""
    picture = ["-f", "lavfi", "-i", f"testsrc=s=160x120:r=10:d={LENGTH}", "-c:v", "mpeg4"]
    path = encode(tmp_path / "a.avi", "-i", wav, *picture, "-c:a", codec)
    data = path.read_bytes()
    start, end = len(data) // 2, len(data) * 2 // 3
    for form, missing in ((data, False), (data[:start] + bytes(end - start) + data[end:], True)):
        path.write_bytes(form)
        for source in (Source("a", path=path), Source("a", stream=io.BytesIO(form), live=True)):
            decoded = Decoded(source, AudioOptions())
            assert decoded.heard()[-1] == pytest.approx(TIMES[-1], abs=0.05)
            assert any(warning.startswith("damaged: ") for warning in decoded.warnings) == missing
            assert bool(decoded.warnings) == missing


@pytest.mark.parametrize("codec", ["pcm_s16le", "aac"])
def test_a_hole_in_a_live_stream(codec: str, encode: Callable[..., Path], wav: Path, tmp_path: Path) -> None:
    """NUT: the decoder stopped there without a complaint."""
    data = encode(tmp_path / "a.nut", "-i", wav, "-c:a", codec).read_bytes()
    start, end = len(data) * 45 // 100, len(data) * 55 // 100
    stream = io.BytesIO(data[:start] + bytes(end - start) + data[end:])
    decoded = Decoded(Source("a", stream=stream, live=True), AudioOptions())
    assert decoded.warnings or decoded.heard()[-1] == pytest.approx(TIMES[-1], abs=0.1)


@pytest.mark.parametrize("name", ["a.mp3", "a.ogg", "a.opus"])
def test_recordings_joined_in_one_file_are_all_read(
    name: str,
    encode: Callable[..., Path],
    decode: Callable[..., Decoded],
    wav: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    one = encode(tmp_path / name, "-i", wav).read_bytes()
    joined = tmp_path / f"joined-{name}"
    joined.write_bytes(one + one)
    assert decode(joined).heard() == pytest.approx([*TIMES, *(LENGTH + time for time in TIMES)], abs=0.1)
    assert capfd.readouterr().err == ""


def test_what_is_no_number_is_silence(decode: Callable[..., Decoded], tmp_path: Path) -> None:
    samples = bursts(44100)
    samples[44100:44200] = np.nan
    samples[50000] = np.inf
    soundfile.write(tmp_path / "a.wav", samples, 44100, subtype="FLOAT")
    decoded = decode(tmp_path / "a.wav")
    assert np.isfinite(decoded.channels).all()
    assert decoded.heard() == pytest.approx(TIMES, abs=1e-3)
    assert decoded.warnings == ["101 samples are no numbers (NaN or infinite) and were taken as silence"]


@pytest.mark.parametrize("factor", [8, 32768])
def test_float_samples_over_full_scale_are_scaled(factor: int, decode: Callable[..., Decoded], tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", bursts(16000) * factor, 16000, subtype="FLOAT")
    decoded = decode(tmp_path / "a.wav")
    assert np.abs(decoded.channels).max() <= 1.0
    assert decoded.heard() == pytest.approx(TIMES, abs=1e-3)
    (warning,) = decoded.warnings
    assert warning.startswith("scaled: samples reach ")


def test_a_clipped_recording_is_reported(decode: Callable[..., Decoded], tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.sign(np.sin(np.arange(32000) / 9)), 16000)
    (warning,) = decode(tmp_path / "a.wav").warnings
    assert warning.startswith(("clipped: 99 %", "clipped: 100 %"))


@pytest.mark.parametrize("name", ["a.wav", "a.m4a"])
@pytest.mark.parametrize("gain", [-1.0, -0.95])
def test_channels_that_cancel_each_other_are_not_mixed(
    name: str, gain: float, encode: Callable[..., Path], decode: Callable[..., Decoded], tmp_path: Path
) -> None:
    one = bursts(44100) + bursts(44100, pitch=700) / 2
    soundfile.write(tmp_path / "apart.wav", np.stack([one, gain * one], axis=1) / 2, 44100)
    path = encode(tmp_path / name, "-i", tmp_path / "apart.wav")
    decoded = decode(path)
    assert decoded.heard() == pytest.approx(TIMES, abs=3e-3)
    (warning,) = decoded.warnings
    assert warning.startswith("channels: one channel is inverted")
    decoded = decode(path, channels=0)
    assert decoded.heard() == pytest.approx(TIMES, abs=3e-3)
    assert decoded.warnings == []


def test_silence_is_fine(decode: Callable[..., Decoded], tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(16000), 16000)
    decoded = decode(tmp_path / "a.wav")
    assert decoded.seconds == 1.0
    assert decoded.warnings == []


def test_one_sample_is_a_recording(decode: Callable[..., Decoded], tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", [0.5], 16000)
    assert decode(tmp_path / "a.wav").seconds == 1 / 16000


def test_a_missing_file(decode: Callable[..., Decoded], tmp_path: Path) -> None:
    fails(decode, tmp_path / "a.wav", InputUnreadableError, "No such file")


def test_a_directory(decode: Callable[..., Decoded], tmp_path: Path) -> None:
    fails(decode, tmp_path, InputUnreadableError, "directory")


def test_a_pipe_does_not_hang(decode: Callable[..., Decoded], tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.wav")
    fails(decode, tmp_path / "a.wav", InputUnreadableError, "pipe")


def test_a_device(decode: Callable[..., Decoded], tmp_path: Path) -> None:
    (tmp_path / "a.wav").symlink_to("/dev/zero")
    fails(decode, tmp_path / "a.wav", InputUnreadableError, "device")


def test_an_impossible_name(decode: Callable[..., Decoded], tmp_path: Path) -> None:
    fails(decode, tmp_path / "a\0b.wav", InputUnreadableError, "cannot be opened")
    fails(decode, tmp_path / ("a" * 300), InputUnreadableError, "cannot be opened")


@pytest.fixture
def no_reader() -> Iterator[None]:
    """A user who is not root, for root may read everything."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    yield
    os.seteuid(0)


@pytest.mark.parametrize("name", ["a.wav", "a.m4a"])
def test_a_file_that_may_not_be_read(
    name: str,
    encode: Callable[..., Path],
    wav: Path,
    decode: Callable[..., Decoded],
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    path = encode(tmp_path / name, "-i", wav)
    path.chmod(0)
    request.getfixturevalue("no_reader")
    fails(decode, path, InputUnreadableError, "may not be read")


@pytest.fixture
def long_wav(tmp_path: Path) -> Path:
    path = tmp_path / "a.wav"
    soundfile.write(path, bursts(16000, (1.0, 18.0), 20.0), 16000)
    return path


def halfway(path: Path, change: Callable[..., Any]) -> tuple[float, list[str]]:
    """Decode; after the first block, `change` happens to the file."""
    with open_audio(Source(name="a", path=path), AudioOptions()) as stream:
        count = 0
        for number, block in enumerate(stream.blocks()):
            if number == 0:
                change()
            count += len(block)
    return count / 16000, stream.warnings


def test_a_file_that_grows_while_it_is_read(long_wav: Path) -> None:
    def grow() -> None:
        with long_wav.open("ab") as file:
            file.write(bytes(32000))

    assert halfway(long_wav, grow) == (20.0, ["the file grew while it was read: what was added may be missing"])


def test_a_file_that_shrinks_while_it_is_read(long_wav: Path) -> None:
    seconds, warnings = halfway(long_wav, lambda: os.truncate(long_wav, 44 + 32000 * 5))
    assert seconds < 20
    assert warnings[0].startswith("truncated: ")
    assert warnings[1].startswith("the file changed while it was read")


@pytest.mark.parametrize("suffix", ["wav", "m4a"])
def test_a_name_that_vanishes_while_it_is_read(
    suffix: str, long_wav: Path, encode: Callable[..., Path], tmp_path: Path
) -> None:
    path = long_wav if suffix == "wav" else encode(tmp_path / "a.m4a", "-i", long_wav)
    seconds, warnings = halfway(path, path.unlink)
    assert seconds == pytest.approx(20.0, abs=0.1)
    assert warnings == []


def test_tracks_and_channels_that_are_not_there(
    encode: Callable[..., Path], decode: Callable[..., Decoded], wav: Path, tmp_path: Path
) -> None:
    path = encode(tmp_path / "a.m4a", "-i", wav)
    fails(decode, path, InputError, "Audio track 3 does not exist: the file has 1 audio track", track=3)
    fails(decode, path, InputError, "Channel 1 does not exist: the recording has one channel", channels=1)
    fails(decode, wav, InputError, "Channel 2 does not exist: the recording has one channel", channels=2)
    fails(decode, wav, InputError, "Audio track 1 does not exist: the file has 1 audio track", track=1)


@pytest.mark.parametrize("name", ["a.wav", "a.mp3", "a.m4a"])
def test_a_start_beyond_the_end(
    name: str, encode: Callable[..., Path], decode: Callable[..., Decoded], wav: Path, tmp_path: Path
) -> None:
    fails(
        decode, encode(tmp_path / name, "-i", wav), EmptyInputError, "ends at 4.0 s, before the start at 9 s", start=9.0
    )


@pytest.mark.parametrize("span", [{"start": -1.0}, {"start": 2.0, "end": 2.0}, {"end": 0.0}])
def test_an_impossible_span(span: dict[str, Any], decode: Callable[..., Decoded], wav: Path) -> None:
    with pytest.raises(UsageError, match="span"):
        decode(wav, **span)


@pytest.mark.parametrize("form", [{"rate": 0}, {"rate": 5_000_000}, {"channels": 0}, {"channels": 9999}])
def test_an_impossible_form_of_raw_samples(form: dict[str, Any], decode: Callable[..., Decoded], wav: Path) -> None:
    with pytest.raises(UsageError, match="Raw samples cannot have"):
        decode(wav, raw=RawFormat(**form))


@pytest.mark.usefixtures("no_ffmpeg")
def test_ffmpeg_is_asked_for_where_nothing_else_reads_it(
    encode: Callable[..., Path],
    decode: Callable[..., Decoded],
    wav: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = encode(tmp_path / "a.m4a", "-i", wav)
    fails(decode, path, FfmpegMissingError, "needs ffmpeg")


@pytest.mark.usefixtures("no_ffmpeg")
def test_a_broken_wav_is_no_fault_of_a_missing_ffmpeg(put: Callable[..., Path], decode: Callable[..., Decoded]) -> None:
    fails(decode, put("a.wav", wave()[:36] + b"HURF9999" + bytes(2000)), AudioDecodeError, "data")


def test_raw_samples_that_end_in_mid_sample(put: Callable[..., Path], decode: Callable[..., Decoded]) -> None:
    decoded = decode(put("a.raw", RAW + b"\x01"), raw=RawFormat())
    assert decoded.seconds == LENGTH
    assert decoded.warnings == ["the last 1 bytes are no whole sample and were left out"]
    fails(decode, put("b.raw", b""), EmptyInputError, "0 bytes", raw=RawFormat())


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, 60), value=st.binary(min_size=1, max_size=4), length=st.integers(0, 3000))
def test_no_header_breaks_the_house(at: int, value: bytes, length: int, put: Callable[..., Path]) -> None:
    """Whatever is in a WAV header, blocks come or one of our errors."""
    data = bytearray(wave()[:length])
    data[at : at + len(value)] = value
    try:
        with open_audio(Source(name="a", path=put("a.wav", bytes(data))), AudioOptions()) as stream:
            assert all(np.isfinite(block).all() for block in stream.blocks())
    except AsrcliError:
        pass


@pytest.mark.usefixtures("no_ffmpeg")
@pytest.mark.parametrize("codec", ["libopus", "libvorbis"])
def test_a_pause_in_an_ogg_without_ffmpeg(
    codec: str, encode: Callable[..., Path], decode: Callable[..., Decoded], wav: Path, tmp_path: Path
) -> None:
    """libsndfile closes the pause: all sound is kept once, and a warning reports what is not in its place."""
    later = "asetpts='PTS+if(gt(T,1.7),3/TB,0)'"
    decoded = decode(encode(tmp_path / "a.ogg", "-i", wav, "-af", later, "-c:a", codec))
    assert decoded.heard() == pytest.approx(TIMES, abs=3e-3)
    assert decoded.warnings == ["truncated: 3.0 s of 7.0 s missing"]


@pytest.mark.parametrize(("bits", "width"), [(12, 2), (20, 3), (24, 4)])
@pytest.mark.parametrize("untrusted", [False, True])
def test_a_wav_of_few_bits_in_wide_samples(bits: int, width: int, untrusted: bool, tmp_path: Path) -> None:
    """The bits are the upper ones. ffmpeg read 24 in 32 bits as packed, and made noise of it."""
    wide = (bursts(16000) * (2**31 - 1)).astype("<i4") >> (32 - bits) << (32 - bits)
    data = wide.view(np.uint8).reshape(-1, 4)[:, 4 - width :].tobytes()
    form = struct.pack("<HHIIHH", 1, 1, 16000, 16000 * width, width, bits)
    chunks = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(data)) + data
    path = tmp_path / "a.wav"
    path.write_bytes(b"RIFF" + struct.pack("<I", len(chunks)) + chunks)
    decoded = Decoded(Source("a", path=path, untrusted=untrusted), AudioOptions())
    assert decoded.heard() == pytest.approx(TIMES, abs=0.01)
    assert decoded.warnings == []


#: forms of WAV that libsndfile writes
FORMS = [name for name in soundfile.available_subtypes("WAV") if name != "MPEG_LAYER_III"]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("way", ["file", "untrusted", "stream"])
def test_every_form_of_wav_is_decoded_or_refused(form: str, way: str, tmp_path: Path) -> None:
    """ffmpeg took NMS ADPCM, which only libsndfile decodes, for AMR: an upload became noise."""
    path = tmp_path / "a.wav"
    soundfile.write(path, bursts(8000), 8000, subtype=form)
    with path.open("rb") as stream:
        place: dict[str, Any] = {"stream": stream} if way == "stream" else {"path": path}
        source = Source("a", untrusted=way == "untrusted", **place)
        if way == "untrusted" and form.startswith("NMS"):
            with pytest.raises(AudioDecodeError, match="no decoder for NMS ADPCM"):
                Decoded(source, AudioOptions())
        else:
            decoded = Decoded(source, AudioOptions())
            assert decoded.heard() == pytest.approx(TIMES, abs=0.02)
            assert decoded.warnings == []


def test_a_codec_that_neither_decoder_reads(put: Callable[..., Path], decode: Callable[..., Decoded]) -> None:
    """libsndfile refuses NMS ADPCM at this rate, and ffmpeg must not have the second try."""
    path = put("a.wav", wave(bytes(range(256)) * 100, tag=0x38, bits=8))
    with pytest.raises(AudioDecodeError):
        decode(path)


@pytest.mark.parametrize("bits", [16, 24])
@pytest.mark.parametrize("untrusted", [False, True])
def test_floats_of_unusual_width(bits: int, untrusted: bool, put: Callable[..., Path]) -> None:
    path = put("a.wav", wave(RAW, tag=3, bits=bits))
    with pytest.raises(AudioDecodeError, match=f"floating-point samples of {bits} bits"):
        Decoded(Source("a", path=path, untrusted=untrusted), AudioOptions())


@pytest.mark.parametrize("name", ["a.mp4", "a.nut", "a.wma", "a.mkv"])
def test_timestamps_that_start_late(
    name: str, encode: Callable[..., Path], decode: Callable[..., Decoded], wav: Path, tmp_path: Path
) -> None:
    """The time before the first sample was reported as missing."""
    path = encode(tmp_path / name, "-i", wav, "-c:a", "wmav2" if name == "a.wma" else "aac", "-output_ts_offset", 100)
    decoded = decode(path)
    assert decoded.heard() == pytest.approx(TIMES, abs=0.1)
    assert decoded.warnings == []
