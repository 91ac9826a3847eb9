"""What was lost in silence among hostile recordings: joined behind gaps, or with headers that are wrong within."""

from __future__ import annotations

import contextlib
import io
import re
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
import soundfile

from asrcli.audio.types import Source
from asrcli.errors import AudioDecodeError
from asrcli.options import AudioOptions
from tests.audio.media_cases import ape
from tests.audio.sounds import LENGTH, TIMES, Decoded, bursts

AGAIN = [*TIMES, *(LENGTH + time for time in TIMES)]
FRAGMENTS = ["-c:a", "aac", "-movflags", "frag_keyframe+empty_moov", "-frag_duration", 500_000]
JUNK = np.random.default_rng(5).bytes(20_000)


def read(data: bytes, tmp_path: Path) -> list[Decoded]:
    """As a file, and as a stream; without those that cannot be decoded, which is an error."""
    path = tmp_path / "stranger"
    path.write_bytes(data)
    sources = [Source("a", path=path), Source("a", stream=io.BytesIO(data))]
    decoded = []
    for source in sources:
        with contextlib.suppress(AudioDecodeError):
            decoded.append(Decoded(source, AudioOptions()))
    return decoded


@pytest.mark.parametrize("gap", [bytes(1000), JUNK[:999]], ids=["zeros", "random"])
@pytest.mark.parametrize(
    ("name", "form"),
    [
        pytest.param("a.m4a", ["-c:a", "aac", "-movflags", "+faststart"]),
        pytest.param("a.m4a", FRAGMENTS, marks=pytest.mark.slow),
        pytest.param("a.mov", ["-c:a", "pcm_s16be"], marks=pytest.mark.slow),
        pytest.param("a.wma", ["-c:a", "wmav2"], marks=pytest.mark.slow),
    ],
)
def test_another_file_behind_a_gap(
    name: str, form: list[str | int], gap: bytes, encode: Callable[..., Path], wav: Path, tmp_path: Path
) -> None:
    one = encode(tmp_path / name, "-i", wav, *form).read_bytes()
    for decoded in read(one + gap + one, tmp_path):
        assert decoded.heard() == pytest.approx(AGAIN, abs=0.2) or decoded.warnings


@pytest.mark.parametrize("size", [0, 8, 0x7FFFFFFF, -1, 1])
@pytest.mark.parametrize(
    "box", [b"mfhd", *(pytest.param(name, marks=pytest.mark.slow) for name in (b"traf", b"tfhd", b"tfdt", b"mdat"))]
)
def test_boxes_of_a_fragment_with_wrong_sizes(
    box: bytes, size: int, encode: Callable[..., Path], wav: Path, tmp_path: Path
) -> None:
    """The fragment was left out, and all after it came too early."""
    data = encode(tmp_path / "a.m4a", "-i", wav, *FRAGMENTS).read_bytes()
    for first in (data.index(b"moof"), data.rindex(b"moof")):
        at = data.index(box, first) - 4
        right = int.from_bytes(data[at : at + 4], "big")
        wrong = size if size > 1 or not size else right + size
        for decoded in read(data[:at] + wrong.to_bytes(4, "big") + data[at + 4 :], tmp_path):
            assert decoded.heard() == pytest.approx(TIMES, abs=0.05) or decoded.warnings


@pytest.mark.parametrize("size", [b"\0\0\0\1mdat" + b"\xff" * 8, b"\0\0\0\0mdat"], ids=["much", "none"])
def test_a_box_of_impossible_size(size: bytes, encode: Callable[..., Path], wav: Path, tmp_path: Path) -> None:
    """Of a stream, nothing was said: its end was taken for that of the box."""
    data = encode(tmp_path / "a.m4a", "-i", wav, *FRAGMENTS).read_bytes()
    at = data.index(b"mdat") - 4
    found = read(data[:at] + size + data[at + len(size) :], tmp_path)
    assert len(found) == 2
    for decoded in found:
        assert decoded.warnings


@pytest.mark.parametrize(("name", "form"), [("a.webm", ["-c:a", "libopus"]), ("a.wav", []), ("a.rm", ["-c:a", "ac3"])])
@pytest.mark.parametrize("second", [("NIST", "PCM_16"), ("SVX", "PCM_16"), ("AIFF", "PCM_16")], ids=str)
def test_joined_to_forms_that_few_write(
    name: str, form: list[str], second: tuple[str, str], encode: Callable[..., Path], wav: Path, tmp_path: Path
) -> None:
    other = io.BytesIO()
    soundfile.write(other, bursts(16000), 16000, format=second[0], subtype=second[1])
    if name == "a.sph":
        soundfile.write(tmp_path / name, bursts(44100), 44100, format="NIST")
    else:
        encode(tmp_path / name, "-i", wav, *form)
    for decoded in read((tmp_path / name).read_bytes() + other.getvalue(), tmp_path):
        assert decoded.heard() == pytest.approx(AGAIN, abs=0.1) or decoded.warnings


@pytest.mark.parametrize("form", [("VOC", "ULAW"), ("VOC", "PCM_16"), ()], ids=str)
def test_a_voc_file_that_is_cut(form: tuple[str, ...], encode: Callable[..., Path], wav: Path, tmp_path: Path) -> None:
    """Nothing said so."""
    path = tmp_path / "a.voc"
    if form:
        soundfile.write(path, bursts(16000), 16000, format=form[0], subtype=form[1])
    else:
        encode(path, "-i", wav, "-c:a", "pcm_u8")  # in many blocks
    data = path.read_bytes()
    for decoded in read(data[: len(data) * 7 // 10], tmp_path):
        assert decoded.warnings[0].startswith(("truncated: 1.2 s of 4.0 s", "perhaps truncated: "))


@pytest.mark.parametrize("gap", [bytes(1000), b"\0" * 16, JUNK[:999]], ids=["zeros", "few-zeros", "random"])
def test_matroska_behind_a_gap(gap: bytes, encode: Callable[..., Path], wav: Path, tmp_path: Path) -> None:
    """No element starts with a zero."""
    one = encode(tmp_path / "a.mkv", "-i", wav, "-c:a", "aac").read_bytes()
    for decoded in read(one + gap + one, tmp_path):
        assert decoded.heard() == pytest.approx(AGAIN, abs=0.2) or decoded.warnings


@pytest.mark.parametrize("tail", [JUNK, ape(3000), bytes(200)], ids=["random", "tag", "padding"])
def test_bytes_behind_the_samples_of_a_sphere(tail: bytes, tmp_path: Path) -> None:
    """They were read as sound, without a warning."""
    file = io.BytesIO()
    soundfile.write(file, bursts(16000), 16000, format="NIST", subtype="PCM_16")
    for decoded in read(file.getvalue() + tail, tmp_path):
        if tail is JUNK:
            assert re.match(r"header: .* 1\.2 times as much sound", decoded.warnings[0])
        else:
            assert decoded.heard() == pytest.approx(TIMES, abs=0.01)
            assert decoded.warnings == []


#: forms without a header of the file, or with one that few programs look for
HEADERLESS = {
    "gsm": [],
    "loas": ["aac", "-f", "latm"],
    "aac": ["aac"],
    "amr": ["libopencore_amrnb", "-b:a", "12.2k", "-ar", "8000"],
    "eac3": ["eac3"],
    "sph": [],
}
BEFORE = {
    "wma": ["wmav2"],
    "m4a": ["aac"],
    "svx": [],
    "ts": ["aac"],
    "wtv": ["mp2"],
    "tta": ["tta"],
    "webm": ["libopus"],
    "avi": ["pcm_s16le"],
    "rm": ["ac3"],
    "ogg": ["libvorbis"],
    "amr": HEADERLESS["amr"],
    "gsm": HEADERLESS["gsm"],
    "loas": HEADERLESS["loas"],
}
_QUICK = {("ts", "amr"), ("ts", "eac3"), ("wtv", "gsm"), ("tta", "loas"), ("ogg", "aac"), ("amr", "sph")}


@pytest.fixture
def recording(encode: Callable[..., Path], wav: Path, tmp_path: Path) -> Callable[[str], bytes]:
    """The bytes of the bursts in a form."""

    def make(form: str) -> bytes:
        path = tmp_path / f"one.{form}"
        if form in {"svx", "sph"}:
            name = {"svx": "SVX", "sph": "NIST"}[form]
            soundfile.write(path, bursts(16000), 16000, format=name, subtype="PCM_16")
        elif form == "gsm":  # the frames as in AIFF-C
            soundfile.write(path, bursts(8000), 8000, format="AIFF", subtype="GSM610")
            data = path.read_bytes()
            return data[data.index(b"SSND") + 16 :]
        else:
            encode(path, "-i", wav, "-c:a", *{**BEFORE, **HEADERLESS}[form])
        return path.read_bytes()

    return make


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(first, second, marks=[] if (first, second) in _QUICK else [pytest.mark.slow])
        for first in BEFORE
        for second in HEADERLESS
        if first != second
    ],
)
def test_joined_to_frames(first: str, second: str, recording: Callable[[str], bytes], tmp_path: Path) -> None:
    """Those that follow the file were lost without a warning."""
    found = read(recording(first) + recording(second), tmp_path)
    assert found
    for decoded in found:
        assert decoded.heard() == pytest.approx(AGAIN, abs=0.2)


@pytest.mark.parametrize("gap", [bytes(1000), JUNK[:999]], ids=["zeros", "random"])
@pytest.mark.parametrize("form", ["tta", "svx", "ts", "avi"])
def test_a_wav_behind_a_gap(
    form: str, gap: bytes, recording: Callable[[str], bytes], wav: Path, tmp_path: Path
) -> None:
    """Nothing was searched behind what the header counts."""
    for decoded in read(recording(form) + gap + wav.read_bytes(), tmp_path):
        assert decoded.heard() == pytest.approx(AGAIN, abs=0.1)
        assert bool(decoded.warnings) == (gap[0] > 0)


@pytest.mark.parametrize("form", ["m4a", "webm", "tta", "avi", "ts", "rm", "wma"])
def test_bytes_of_no_known_form_behind_a_recording(
    form: str, recording: Callable[[str], bytes], tmp_path: Path
) -> None:
    """They may be sound without a header: a warning reports that they were not read."""
    data = recording(form)
    for tail, reported in ((JUNK, True), (bytes(5000), False), (b"\xff" * 5000, False), (b"TAG" + JUNK[:125], False)):
        for decoded in read(data + tail, tmp_path):
            assert decoded.heard() == pytest.approx(TIMES, abs=0.1)
            assert any(warning.startswith("damaged: ") for warning in decoded.warnings) == reported, tail[:9]


@pytest.mark.parametrize(
    "tail",
    [
        b"LIST\x0c\0\0\0INFOIART\0\0\0\0",
        b"TAG" + JUNK[:125],
        b"levl".ljust(16, b"\xf3") + struct.pack("<Q", 72) + JUNK[:48],
    ],
    ids=["chunk", "tag", "guid"],
)
@pytest.mark.parametrize("subtype", ["PCM_16", "IMA_ADPCM"])
def test_bytes_behind_the_samples_of_wave64(subtype: str, tail: bytes, tmp_path: Path) -> None:
    """They were a click at the end."""
    path = tmp_path / "a.w64"
    soundfile.write(path, bursts(16000), 16000, format="W64", subtype=subtype)
    for decoded in read(path.read_bytes() + tail, tmp_path):
        assert decoded.heard() == pytest.approx(TIMES, abs=0.01)
        assert decoded.seconds == pytest.approx(LENGTH, abs=0.05)
        assert abs(decoded.mono[round(16000 * (LENGTH - 0.25)) :]).max() < 0.05
        assert decoded.warnings == []


@pytest.mark.parametrize("form", ["gsm", "amr", "loas", "eac3"])
def test_frames_that_are_cut(form: str, recording: Callable[[str], bytes], tmp_path: Path) -> None:
    """Of GSM, nothing said so."""
    data = recording(form)
    for missing in (1, 5, 20):  # of the last frame
        for decoded in read(data[:-missing], tmp_path):
            assert any("truncated: " in warning for warning in decoded.warnings), (missing, decoded.warnings)
    assert [decoded.warnings for decoded in read(data, tmp_path)] == [[], []]


@pytest.mark.parametrize("quiet", [b"\xd5", b"\xd5\xd4\xd7"], ids=["silence", "offset"])
def test_silence_of_alaw_is_no_gsm(quiet: bytes, encode: Callable[..., Path], wav: Path, tmp_path: Path) -> None:
    """Behind a size that is too small: each of its bytes could start a frame."""
    data = encode(tmp_path / "a.wav", "-i", wav, "-c:a", "pcm_alaw", "-ar", "8000", "-bitexact").read_bytes()
    start = data.index(b"data") + 8
    first = 12_000  # the claimed bytes of sound; a second of silence follows
    sound = data[start : start + first] + (quiet * 8000)[:8000] + data[start + first :]
    header = data[:4] + struct.pack("<I", start + first - 8) + data[8 : start - 4] + struct.pack("<I", first)
    for decoded in read(header + sound, tmp_path):
        assert decoded.heard() == pytest.approx([TIMES[0], *(time + 1 for time in TIMES[1:])], abs=0.1)


@pytest.mark.parametrize(("container", "codec"), [("asf", "wmav2"), ("rm", "ac3"), ("avi", "mp2")])
def test_sound_that_no_size_counts_is_not_unknown(
    container: str, codec: str, wav: Path, encode: Callable[..., Path], tmp_path: Path
) -> None:
    """Programs that write to a pipe cannot fill in sizes; old ones could not count more than 32 bits."""
    if container == "avi":
        data = encode(tmp_path / "a.avi", "-i", wav, "-c:a", codec).read_bytes()
        chunk = data.index(b"00wb", len(data) // 2)
        data = data[:4] + struct.pack("<I", chunk - 8) + data[8:]
    else:
        command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-nostdin", "-i", wav, "-c:a", codec]
        data = subprocess.run([*command, "-f", container, "-"], check=True, capture_output=True).stdout
    for decoded in read(data, tmp_path):
        assert decoded.heard() == pytest.approx(TIMES, abs=0.1)
        assert not any(warning.startswith("damaged: ") for warning in decoded.warnings), decoded.warnings


@pytest.mark.parametrize(
    ("container", "codec"),
    [
        pytest.param("avi", "mp2"),
        pytest.param("avi", "ac3", marks=pytest.mark.slow),
        pytest.param("avi", "pcm_s16le", marks=pytest.mark.slow),
        pytest.param("rm", "ac3"),
    ],
)
def test_lengths_that_are_placeholders(container: str, codec: str, wav: Path, tmp_path: Path) -> None:
    """Of AVI and RealMedia that ffmpeg wrote to a pipe, hours were reported as missing."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-nostdin", "-i", wav, "-c:a", codec]
    data = subprocess.run([*command, "-f", container, "-"], check=True, capture_output=True).stdout
    found = read(data, tmp_path)
    assert [decoded.warnings for decoded in found] == [[], []]
    assert all(decoded.stream.info.duration is None for decoded in found)
    for decoded in read(data[: len(data) // 2 + 1], tmp_path):
        assert any("truncated: " in warning for warning in decoded.warnings)


CAMERA_TRAILERS = {
    "text": b"$GPRMC,123519,A,4807.038,N,01131.000,E,022.4,084.4,230394,003.1,W*6A\r\n" * 100,
    "picture": b"\xff\xd8\xff\xe0" + JUNK + b"\xff\xd9",
    "insta360": JUNK + struct.pack("<II", len(JUNK) + 40, 3) + b"8db42d694ccc418790edff439fe026bf",
    "samsung": b"\0\0\1\x0a\x0e\0\0\0Image_UTC_Data" + JUNK + b"SEFH" + bytes(20) + struct.pack("<I", 24) + b"SEFT",
    "boxes": b"".join(
        struct.pack(">I", 8 + len(JUNK)) + name + JUNK for name in (b"free", b"uuid", b"gps ", b"\xa9xyz")
    ),
}


@pytest.mark.parametrize("tail", CAMERA_TRAILERS.values(), ids=CAMERA_TRAILERS)
def test_what_cameras_append(tail: bytes, recording: Callable[[str], bytes], tmp_path: Path) -> None:
    """Places, pictures and motion behind the boxes of MP4 were reported as sound that may be missing."""
    data = recording("m4a")
    for decoded in read(data + tail, tmp_path):
        assert decoded.heard() == pytest.approx(TIMES, abs=0.1)
        assert decoded.warnings == []
