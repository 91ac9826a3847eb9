"""Files that follow each other in one file or stream: all are read, whatever their rates and channels."""

from __future__ import annotations

import io
import struct
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import soundfile

from asrcli.audio.containers.joining.files import JoinedStream, joined_files
from asrcli.audio.containers.joining.frames import _frames_to_end
from asrcli.audio.containers.mpeg import layer3_frame
from asrcli.audio.types import Source
from asrcli.options import AudioOptions
from tests.audio.sounds import LENGTH, TIMES, Decoded, bursts

AGAIN = [*TIMES, *(LENGTH + time for time in TIMES)]
FORMS = {
    "wav": ["pcm_s16le"],
    "w64": ["pcm_s16le"],
    "aiff": ["pcm_s16be"],
    "au": ["pcm_s16be"],
    "caf": ["pcm_s16le"],
    "m4a": ["aac"],
    "mp4": ["aac", "-movflags", "+faststart"],
    "mov": ["pcm_s16le"],
    "wma": ["wmav2"],
    "flv": ["libmp3lame"],
    "avi": ["mp2"],
    "mkv": ["aac"],
    "tta": ["tta"],
    "wv": ["wavpack"],
    "ogg": ["flac"],
    "flac": ["flac"],
    "nut": ["pcm_s16le"],
    "voc": ["pcm_u8"],
}


def given(path: Path) -> list[Source]:
    """The file, and its bytes as a stream that may be recorded right now."""
    return [Source(path.name, path=path), Source(path.name, stream=io.BytesIO(path.read_bytes()), live=True)]


@pytest.mark.parametrize("form", [(), ("-ar", "22050"), ("-frame_size", "1000"), ("-ac", "2")], ids=str)
def test_flac_files_that_were_joined_without_decoding(
    form: tuple[str, ...], encode: Callable[..., Path], wav: Path, tmp_path: Path
) -> None:
    """The header of the first one counts its own samples, and the last frame's number may be less than that."""
    encode(tmp_path / "a.flac", "-i", wav, "-ar", "44100")
    encode(tmp_path / "b.flac", "-i", wav, *(() if "-ar" in form else ("-ar", "44100")), *form)
    for names in ("ab", "aba"):
        (tmp_path / "list").write_text("".join(f"file '{tmp_path}/{name}.flac'\n" for name in names))
        path = encode(tmp_path / "joined.flac", "-f", "concat", "-safe", "0", "-i", tmp_path / "list", "-c", "copy")
        for source in given(path):
            heard = Decoded(source, AudioOptions()).heard()
            times = [number * LENGTH + time for number in range(len(names)) for time in TIMES]
            assert heard == pytest.approx(times, abs=0.1)


@pytest.mark.parametrize("suffix", FORMS)
def test_joined_files(suffix: str, encode: Callable[..., Path], wav: Path, tmp_path: Path) -> None:
    """Decoders stopped at the end of the first one, without a warning."""
    form = ["-i", wav, "-c:a", *FORMS[suffix]]
    one = encode(tmp_path / f"a.{suffix}", *form, "-ar", "44100")
    other = encode(tmp_path / f"b.{suffix}", *form, "-ar", "22050", "-ac", "2")
    path = tmp_path / f"joined.{suffix}"
    path.write_bytes(one.read_bytes() + other.read_bytes())
    for source in given(path):
        decoded = Decoded(source, AudioOptions())
        assert decoded.heard() == pytest.approx(AGAIN, abs=0.2 if suffix == "wma" else 0.1)
        assert decoded.warnings == []


#: forms that ffmpeg writes to a pipe without a length, and their suffixes
UNCOUNTED = {
    "wav": "s16le",
    "au": "s16be",
    "caf": "s16le",
    "w64": "s16le",
    "aiff": "s16be",
    "sox": "s32le",
    "ircam": "s16le",
}


def uncounted(program: str, wav: Path, form: str, *arguments: str) -> bytes:
    """A recording as it comes through a pipe."""
    command = [program, "-v", "error", "-nostdin", "-i", str(wav), "-c:a", f"pcm_{UNCOUNTED[form]}", *arguments]
    return subprocess.run([*command, "-f", form, "pipe:1"], check=True, capture_output=True).stdout


@pytest.mark.parametrize(
    "form", [pytest.param(form, marks=[] if form in {"wav", "ircam"} else [pytest.mark.slow]) for form in UNCOUNTED]
)
def test_a_recording_behind_one_without_a_length(
    form: str, encode: Callable[..., Path], wav: Path, programs: Path, tmp_path: Path
) -> None:
    """The second one was read as samples of the first one: noise, or lost."""
    program = str(programs / "ffmpeg")
    first = uncounted(program, wav, form)
    path = tmp_path / "joined"
    others = {
        "same": uncounted(program, wav, form, "-ar", "16000"),
        "mp3": encode(tmp_path / "a.mp3", "-i", wav).read_bytes(),
    }
    for other in others.values():
        path.write_bytes(first + other)
        for source in given(path):
            decoded = Decoded(source, AudioOptions())
            assert decoded.heard() == pytest.approx(AGAIN, abs=0.05)
            assert decoded.warnings == []
    path.write_bytes(first)
    for source in given(path):
        decoded = Decoded(source, AudioOptions())
        assert decoded.seconds == pytest.approx(LENGTH)
        assert decoded.warnings == []


@pytest.mark.parametrize("other", [("-ar", "24000"), ("-c:a", "mp2", "-f", "mp2")], ids=["mp3", "mp2"])
def test_mp3_files_that_are_joined_in_a_stream(
    other: tuple[str, ...], encode: Callable[..., Path], wav: Path, tmp_path: Path
) -> None:
    """What encoders add at the start of each was counted (0.1 s a file), and a tag in front of one called damage."""
    one = encode(tmp_path / "a.mp3", "-i", wav).read_bytes()
    path = tmp_path / "joined.mp3"
    path.write_bytes(encode(tmp_path / "b.mp3", "-i", wav, *other).read_bytes() + 2 * one)
    times = [*AGAIN, *(2 * LENGTH + time for time in TIMES)]
    for source in given(path):
        decoded = Decoded(source, AudioOptions())
        assert decoded.heard() == pytest.approx(times, abs=0.08)
        assert decoded.warnings == []


@pytest.mark.parametrize("form", [(), ("-ar", "22050", "-ac", "2"), ("-ar", "8000", "-b:a", "16k")], ids=str)
def test_what_encoders_add_at_the_end_of_mp3s_is_not_counted(
    form: tuple[str, ...], encode: Callable[..., Path], wav: Path, tmp_path: Path
) -> None:
    """Decoders leave it out of files only: in a stream the tenth recording came 0.3 s late, without a warning."""
    one = encode(tmp_path / "a.mp3", "-i", wav, *form).read_bytes()
    path = tmp_path / "joined.mp3"
    path.write_bytes(10 * one)
    for source in given(path):
        decoded = Decoded(source, AudioOptions())
        assert decoded.heard() == pytest.approx([n * LENGTH + time for n in range(10) for time in TIMES], abs=0.05)
        assert decoded.seconds == pytest.approx(10 * LENGTH, abs=0.01)
        assert decoded.warnings == []


def test_an_mp3_in_a_stream_with_frames_that_its_tag_does_not_count_keeps_its_end(
    encode: Callable[..., Path], wav: Path, tmp_path: Path
) -> None:
    form = ("-i", wav, "-b:a", "32k", "-ar", "16000", "-id3v2_version", "0")
    more = encode(tmp_path / "b.mp3", *form, "-write_xing", "0", "-t", "1").read_bytes()
    path = encode(tmp_path / "a.mp3", *form)
    one = path.read_bytes()
    lengths = []
    for behind in (b"", more, b"TAG".ljust(128, b"\0")):
        path.write_bytes(one + behind)
        lengths.append(Decoded(given(path)[1], AudioOptions()).seconds)
    frame = 576 / 16000
    assert lengths[0] == lengths[2] == pytest.approx(LENGTH)
    assert lengths[1] > LENGTH + len(more) // layer3_frame(more, 0) * frame


def test_a_search_for_frames_takes_no_longer_for_any_bytes() -> None:
    """Chains of the smallest frames that break at once were followed from each of them: seconds for a megabyte."""
    small = b"\xff\xf2\x14\xc0".ljust(24, b"\0")
    looked_at = 0

    def frame(window: bytes, at: int) -> int:
        nonlocal looked_at
        looked_at += 1
        return layer3_frame(window, at)

    window = small * 2700 + b"\x01" * 64
    assert _frames_to_end(window, frame, b"\xff") == -1
    assert looked_at < 3 * len(window) // 24
    assert _frames_to_end(b"\x01" * 99 + small * 20, layer3_frame, b"\xff") == 99


def test_a_cut_mp3_in_a_stream_keeps_its_end(encode: Callable[..., Path], wav: Path, tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp3", "-i", wav)
    (tmp_path / "cut.mp3").write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    file, stream = (Decoded(source, AudioOptions()) for source in given(tmp_path / "cut.mp3"))
    assert stream.seconds == pytest.approx(file.seconds, abs=0.03)
    assert [warning.partition(":")[0] for warning in stream.warnings] == ["truncated"]


def test_two_tags_of_encoders_in_one_mp3(encode: Callable[..., Path], wav: Path, tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp3", "-i", wav, "-id3v2_version", "0")
    data = path.read_bytes()
    path.write_bytes(data[: layer3_frame(data, 0)] + data)
    for source in given(path):
        decoded = Decoded(source, AudioOptions())
        assert decoded.heard() == pytest.approx(TIMES, abs=0.05)
        assert decoded.warnings == []


@pytest.mark.parametrize("suffix", ["mp3", "aac", "ac3", "mp2"])
def test_frames_without_a_mark_behind_a_recording_without_a_length(
    suffix: str, encode: Callable[..., Path], wav: Path, programs: Path, tmp_path: Path
) -> None:
    bare = ["-write_xing", "0", "-id3v2_version", "0"] if suffix == "mp3" else []
    frames = encode(tmp_path / f"a.{suffix}", "-i", wav, *bare).read_bytes()
    path = tmp_path / "joined"
    path.write_bytes(uncounted(str(programs / "ffmpeg"), wav, "wav") + frames)
    decoded = Decoded(Source("joined", path=path), AudioOptions())
    assert decoded.heard() == pytest.approx(AGAIN, abs=0.05)
    assert decoded.warnings == []


@pytest.mark.parametrize(
    ("form", "codec"), [("wav", "ac3"), ("wav", "libmp3lame"), ("w64", "mp2"), ("wav", "adpcm_ms")]
)
def test_frames_in_a_recording_without_a_length_start_no_other_one(
    form: str, codec: str, wav: Path, programs: Path, tmp_path: Path
) -> None:
    command = [str(programs / "ffmpeg"), "-v", "error", "-nostdin", "-i", str(wav), "-c:a", codec, "-f", form, "pipe:1"]
    path = tmp_path / "whole"
    path.write_bytes(subprocess.run(command, check=True, capture_output=True).stdout)
    decoded = Decoded(Source("whole", path=path), AudioOptions())
    assert decoded.heard() == pytest.approx(TIMES, abs=0.05)
    assert decoded.warnings == []


@pytest.fixture
def wavpacks(encode: Callable[..., Path], wav: Path, tmp_path: Path) -> bytes:
    """Three WavPack files that ffmpeg has joined without decoding."""
    one = encode(tmp_path / "a.wv", "-i", wav)
    (tmp_path / "list").write_text(f"file '{one}'\n" * 3)
    return encode(tmp_path / "all.wv", "-f", "concat", "-safe", "0", "-i", tmp_path / "list", "-c", "copy").read_bytes()


@pytest.mark.parametrize(
    ("share", "count", "warning"),
    [
        (1.0, 9, ""),
        (0.75, 7, "truncated: 3.0 s of 4.0 s missing in recording 3"),
        (0.6665, 6, "truncated: 4.0 s that the first header counts are missing after the last recording"),
    ],
)
def test_wavpack_files_that_were_joined_without_decoding(
    share: float, count: int, warning: str, wavpacks: bytes, tmp_path: Path
) -> None:
    """The header of the first one counts the samples of all: it was called truncated."""
    path = tmp_path / "joined.wv"
    size = int(len(wavpacks) * share)
    block = wavpacks.find(b"wvpk", size)
    path.write_bytes(wavpacks[: block if block >= 0 else size])
    times = [number * LENGTH + time for number in range(3) for time in TIMES]
    for source in given(path):
        decoded = Decoded(source, AudioOptions())
        assert decoded.heard() == pytest.approx(times[:count], abs=0.1)
        assert decoded.warnings == [warning] * bool(warning)


#: forms of which each is joined to one of another form
MIXED = {
    **FORMS,
    "webm": ["libopus", "-live", "1"],
    "mp3": ["libmp3lame"],
    "mp2": ["mp2"],
    "aac": ["aac"],
    "ts": ["aac"],
    "opus": ["libopus"],
    "mpg": ["mp2"],
    "ac3": ["ac3"],
    "dts": ["dca", "-strict", "-2"],
}
QUICK = [("mp3", "wav"), ("wav", "mp3"), ("mp3", "ogg"), ("mp3", "m4a"), ("flac", "wav"), ("ogg", "mp3")]
QUICK += [("webm", "wav"), ("wav", "voc")]
PAIRS = [
    *((first, second) for first in MIXED for second in ("mp3", "wav", "ogg", "m4a") if first != second),
    *(("mp3", second) for second in MIXED if second not in {"mp3", "wav", "ogg", "m4a"}),
    *(("wav", "voc"), ("webm", "webm")),
]


@pytest.mark.parametrize(
    ("first", "second"),
    [pytest.param(*pair, marks=[] if pair in QUICK else [pytest.mark.slow]) for pair in PAIRS],
)
def test_joined_files_of_different_forms(
    first: str, second: str, encode: Callable[..., Path], wav: Path, tmp_path: Path
) -> None:
    """The second one was lost without a warning."""
    data = b"".join(
        encode(tmp_path / f"a.{suffix}", "-i", wav, "-c:a", *MIXED[suffix]).read_bytes() for suffix in (first, second)
    )
    path = tmp_path / f"joined.{first}"
    path.write_bytes(data)
    for source in given(path):
        decoded = Decoded(source, AudioOptions())
        if any("recording 2 in this file cannot be decoded" in warning for warning in decoded.warnings):
            assert (second, source.live) == ("mov", True)  # its index is at its end
            continue
        assert decoded.heard() == pytest.approx(AGAIN, abs=0.3)


@pytest.mark.parametrize("choice", [1, "split"])
def test_a_channel_of_joined_files(choice: int | str, encode: Callable[..., Path], wav: Path, tmp_path: Path) -> None:
    """A channel of an Ogg stream, or of joined files, was refused: "the recording has one channel"."""
    right = ["-i", wav, "-af", "pan=stereo|c0=0*c0|c1=c0", "-c:a", "flac"]
    one = encode(tmp_path / "a.ogg", *right).read_bytes()
    path = tmp_path / "joined.ogg"
    path.write_bytes(one + encode(tmp_path / "b.ogg", *right, "-ar", "16000").read_bytes())
    for source in given(path):
        decoded = Decoded(source, AudioOptions(channels=choice))  # type: ignore[arg-type]
        decoded.mono = decoded.channels[:, -1]
        assert decoded.heard() == pytest.approx(AGAIN, abs=0.05)


def test_a_recording_that_is_cut_before_the_next_one(encode: Callable[..., Path], wav: Path, tmp_path: Path) -> None:
    """What the first of joined files lacks is reported."""
    one = encode(tmp_path / "a.flac", "-i", wav).read_bytes()
    path = tmp_path / "joined.flac"
    path.write_bytes(one[: len(one) // 2] + one)
    warnings = Decoded(Source("a", path=path), AudioOptions()).warnings
    assert any(warning.startswith("truncated: ") and warning.endswith("recording 1") for warning in warnings)


@pytest.mark.usefixtures("no_ffmpeg")
@pytest.mark.parametrize("form", [("WAV", "PCM_16"), ("FLAC", "PCM_16"), ("AIFF", "PCM_16")])
def test_joined_files_without_ffmpeg(form: tuple[str, str], tmp_path: Path) -> None:
    path = tmp_path / "a"
    soundfile.write(path, bursts(16000), 16000, format=form[0], subtype=form[1])
    path.write_bytes(path.read_bytes() * 2)
    decoded = Decoded(Source("a", path=path), AudioOptions())
    heard = decoded.heard()
    assert heard == pytest.approx(AGAIN[: len(heard)], abs=0.05)
    assert len(heard) == len(AGAIN) or decoded.warnings[0].startswith("truncated: the first of 2 recordings")


@pytest.mark.parametrize("between", [b"", b"LIST\x06\0\0\0INFO\0\0"])
@pytest.mark.parametrize("subtype", ["PCM_16", "FLOAT", "IMA_ADPCM"])
def test_a_wav_with_several_chunks_of_samples(subtype: str, between: bytes, tmp_path: Path) -> None:
    """Only the first chunk was read, without a warning."""
    path = tmp_path / "a.wav"
    soundfile.write(path, bursts(16000), 16000, subtype=subtype)
    data = path.read_bytes()
    start = data.index(b"data") + 8
    half = (len(data) - start) // 2 // 1024 * 1024
    head, sound = data[: start - 4], data[start:]
    body = struct.pack("<I", half) + sound[:half] + between + b"data" + struct.pack("<I", len(sound) - half)
    whole = head + body + sound[half:]
    path.write_bytes(b"RIFF" + struct.pack("<I", len(whole) - 8) + whole[8:])
    for source in given(path):
        decoded = Decoded(source, AudioOptions())
        heard = decoded.heard()
        assert heard == pytest.approx(TIMES[: len(heard)], abs=0.05)
        assert len(heard) == len(TIMES) or decoded.warnings[0].startswith("truncated: ")
        assert len(heard) == len(TIMES) or subtype == "IMA_ADPCM"


@pytest.mark.parametrize("name", ["a.ts", "a.aac", "a.mp2", "a.mpg", "a.ogg", "fragmented.mp4"])
def test_a_stream_that_is_cut(name: str, encode: Callable[..., Path], wav: Path, tmp_path: Path) -> None:
    """The end of a file was checked, that of a stream was not."""
    arguments = {"a.ts": ["-c:a", "aac"], "fragmented.mp4": ["-movflags", "+empty_moov", "-frag_duration", "300000"]}
    data = encode(tmp_path / name, "-i", wav, *arguments.get(name, [])).read_bytes()
    whole = Decoded(Source(name, stream=io.BytesIO(data)), AudioOptions())
    assert [warning for warning in whole.warnings if "truncated" in warning] == []
    path = tmp_path / name
    path.write_bytes(data[: len(data) * 2 // 3])
    for source in given(path):
        cut = Decoded(source, AudioOptions())
        assert any("truncated: " in warning for warning in cut.warnings), cut.warnings


@pytest.mark.parametrize("suffix", ["wav", "aiff"])
def test_joined_files_of_odd_size_without_their_last_byte(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"a.{suffix}"
    soundfile.write(path, bursts(8000)[:-1], 8000, subtype="PCM_U8" if suffix == "wav" else "PCM_S8")
    data = bytearray(path.read_bytes()[: len(path.read_bytes()) // 2 * 2 - 1])
    data[4:8] = struct.pack("<I" if suffix == "wav" else ">I", len(data) - 8)
    path.write_bytes(data + data)
    for source in given(path):
        decoded = Decoded(source, AudioOptions())
        assert decoded.heard() == pytest.approx(AGAIN, abs=0.1)
        assert decoded.warnings == []


def test_what_joined_files_share_is_reported_once(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, 4 * bursts(16000), 16000, subtype="FLOAT")
    path.write_bytes(2 * path.read_bytes())
    for source in given(path):
        assert [warning.split(":")[0] for warning in Decoded(source, AudioOptions()).warnings] == ["scaled"]


@pytest.mark.parametrize("suffix", ["ts", "mkv", "wma", "wv"])
def test_a_following_file_that_is_cut_in_its_header(
    suffix: str, encode: Callable[..., Path], wav: Path, tmp_path: Path
) -> None:
    """Of a stream, it was opened again and again."""
    codec = {"ts": ["aac"], **FORMS}[suffix]
    data = encode(tmp_path / f"a.{suffix}", "-i", wav, "-c:a", *codec).read_bytes()
    path = tmp_path / f"joined.{suffix}"
    form = ["-c:a", "mp2", "-mpegts_start_pid", 0x200]
    start = encode(tmp_path / "b.ts", "-i", wav, *form).read_bytes()[: 188 * 4] if suffix == "ts" else data[:12]
    path.write_bytes(data + (data[:20] if suffix in {"wma", "wv"} else start))
    for source in given(path):
        decoded = Decoded(source, AudioOptions())
        assert decoded.heard() == pytest.approx(TIMES, abs=0.1)
        assert str(path) not in "".join(decoded.warnings)


#: a programme's audio: codec, channels, first packet identifier; joined without pictures, or with
PROGRAMMES = {"codec": ("mp2", 1, 0x100), "identifier": ("aac", 1, 0x200), "both": ("ac3", 2, 0x200)}


@pytest.mark.parametrize(
    ("change", "pictures", "time_code"),
    [("codec", False, b""), ("identifier", True, b""), ("both", True, bytes(4)), ("both", False, b"")],
)
def test_a_transport_stream_with_another_track(
    change: str, pictures: bool, time_code: bytes, encode: Callable[..., Path], wav: Path, tmp_path: Path
) -> None:
    """A decoder reads the first track only, or takes the bytes of one codec for those of the other."""
    film = ["-f", "lavfi", "-i", f"color=s=64x64:r=10:d={LENGTH}", "-c:v", "mpeg2video"] if pictures else []
    codec, channels, identifier = PROGRAMMES[change]
    one = encode(tmp_path / "a.ts", "-i", wav, *film, "-c:a", "aac")
    form = ["-c:a", codec, "-ac", channels, "-mpegts_start_pid", identifier]
    other = encode(tmp_path / "b.ts", "-i", wav, *(film if change == "both" else []), *form)
    path = tmp_path / "joined.ts"
    data = one.read_bytes() + other.read_bytes()
    path.write_bytes(b"".join(time_code + data[at : at + 188] for at in range(0, len(data), 188)))
    for source in given(path):
        decoded = Decoded(source, AudioOptions())
        assert decoded.heard() == pytest.approx(AGAIN, abs=0.1)
        assert decoded.warnings == []
    # The first packets were not received.
    path.write_bytes(path.read_bytes()[5 * (188 + len(time_code)) + 60 * pictures :])
    for source in given(path):
        decoded = Decoded(source, AudioOptions())
        assert decoded.seconds == pytest.approx(2 * LENGTH, abs=0.5)
        assert decoded.heard()[-1] == pytest.approx(decoded.seconds - LENGTH + TIMES[-1], abs=0.1)


def test_fragmented_files(encode: Callable[..., Path], wav: Path, tmp_path: Path) -> None:
    """The second one's times start again; a header that is repeated within a file starts none."""
    form = ["-c:a", "aac", "-movflags", "frag_keyframe+empty_moov+default_base_moof", "-frag_duration", 500_000]
    one = encode(tmp_path / "a.mp4", "-i", wav, *form).read_bytes()
    other = encode(tmp_path / "b.mp4", "-i", wav, *form, "-ar", 48000, "-ac", 2).read_bytes()
    plain = encode(tmp_path / "c.mp4", "-i", wav, "-c:a", "aac").read_bytes()
    path = tmp_path / "joined.mp4"
    for data, times in ((one + one, AGAIN), (one + other, AGAIN), (plain + one, AGAIN), (repeated(one), list(TIMES))):
        path.write_bytes(data)
        for source in given(path):
            decoded = Decoded(source, AudioOptions())
            assert decoded.heard() == pytest.approx(times, abs=0.1)
            assert decoded.warnings == []


def repeated(data: bytes) -> bytes:
    """A fragmented MP4 with its header again before the third fragment."""
    starts = [at - 4 for at in range(len(data)) if data[at : at + 4] == b"moof"]
    return data[: starts[2]] + data[: starts[0]] + data[starts[2] :]


def test_a_damaged_fragment_of_a_stream(encode: Callable[..., Path], wav: Path, tmp_path: Path) -> None:
    """The decoder stops there without a complaint."""
    form = ["-c:a", "aac", "-movflags", "frag_keyframe+empty_moov+default_base_moof", "-frag_duration", 500_000]
    data = encode(tmp_path / "a.mp4", "-i", wav, *form).read_bytes()
    starts = [at - 4 for at in range(len(data)) if data[at : at + 4] == b"moof"]
    stream = io.BytesIO(data[: starts[4]] + bytes(100) + data[starts[4] + 100 :])
    decoded = Decoded(Source("a", stream=stream), AudioOptions())
    assert any(warning.startswith("damaged: ") for warning in decoded.warnings)


@pytest.mark.parametrize(
    ("suffix", "form"),
    [
        ("mp3", ["libmp3lame", "-b:a", "16k"]),
        ("aac", ["aac", "-b:a", "16k"]),
        ("mp2", ["mp2", "-b:a", "32k"]),
        ("mpg", ["mp2", "-b:a", "32k"]),
    ],
)
def test_a_live_stream_is_given_out_as_it_comes(
    suffix: str, form: list[str], encode: Callable[..., Path], wav: Path, tmp_path: Path
) -> None:
    """The first 64 KiB were waited for: half a minute."""
    data = encode(tmp_path / f"a.{suffix}", "-i", wav, "-c:a", *form).read_bytes()
    slow = io.BytesIO(data)
    source: Any = SimpleNamespace(read1=lambda _size: slow.read1(100), read=None)
    stream = JoinedStream(source, b"")
    assert stream.advance()
    given = 0
    while part := stream.read1(1 << 16):
        assert slow.tell() - given <= 4096
        given += len(part)
    assert given == len(data)


TABLE, EMPTY = b"\x47\x40\x00\x10\x00\x00\xb0\x0d", b"\x47\x1f\xff\x10"


@pytest.mark.parametrize(
    ("time", "packet", "count"), [(b"", TABLE, 5000), (bytes(4), EMPTY, 20), (bytes(4), EMPTY, 4096)]
)
def test_a_transport_stream_is_not_divided(time: bytes, packet: bytes, count: int) -> None:
    """It was where a table was at the end of what was searched; and one cut in a time code ended in an error."""
    data = (time + packet.ljust(188, b"\xff")) * count + time[:3]
    assert joined_files(lambda size, position: data[position : position + size], len(data), 10).parts == ()
    stream = JoinedStream(io.BytesIO(data), b"")
    assert stream.advance()
    assert b"".join(iter(partial(stream.read1, 1 << 16), b"")) == data
    assert not stream.advance()
