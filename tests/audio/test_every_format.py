"""Times and durations hold in every container, through libsndfile and through ffmpeg."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import soxr

from asrcli.audio import probe
from asrcli.audio.types import Source
from asrcli.errors import InputError
from asrcli.options import AudioOptions, RawFormat
from tests.audio.sounds import LENGTH, TIMES, Decoded, bursts, heard

EXACT, LOSSY = 2e-4, 2e-3
#: what an encoder puts in front and the container has no place to tell
UNTOLD = 0.08

WITHOUT_FFMPEG: dict[str, tuple[Any, float]] = {
    "a.flac": (["-c:a", "flac"], EXACT),
    "a.ogg": (["-c:a", "libvorbis"], LOSSY),
    "a.opus": (["-c:a", "libopus"], LOSSY),
    "a.mp3": (["-c:a", "libmp3lame"], LOSSY),
    "vbr.mp3": (["-c:a", "libmp3lame", "-q:a", 5], LOSSY),
    "untagged.mp3": (["-c:a", "libmp3lame", "-write_xing", 0], UNTOLD),
    "untagged-vbr.mp3": (["-c:a", "libmp3lame", "-write_xing", 0, "-q:a", 5], UNTOLD),
    "a.aiff": ([], EXACT),
    "a.au": ([], EXACT),
    "a.caf": ([], EXACT),
    "a.w64": ([], EXACT),
    "a24.wav": (["-c:a", "pcm_s24le"], EXACT),
    "f32.wav": (["-c:a", "pcm_f32le"], EXACT),
    "u8.wav": (["-c:a", "pcm_u8"], EXACT),
    "alaw.wav": (["-c:a", "pcm_alaw"], EXACT),
    "adpcm.wav": (["-c:a", "adpcm_ms"], LOSSY),
}
WITH_FFMPEG: dict[str, tuple[Any, float]] = {
    # libsndfile would take its length from the first frames, which are smaller than the rest
    "untagged-vbr.mp3": (["-c:a", "libmp3lame", "-write_xing", 0, "-q:a", 5], UNTOLD),
    "a.m4a": (["-c:a", "aac"], LOSSY),
    "faststart.m4a": (["-c:a", "aac", "-movflags", "+faststart"], LOSSY),
    "unedited.m4a": (["-c:a", "aac", "-use_editlist", 0], UNTOLD),
    "alac.m4a": (["-c:a", "alac"], EXACT),
    "a.mp4": (["-c:a", "aac"], LOSSY),
    "fragments.mp4": (["-c:a", "aac", "-movflags", "frag_keyframe+empty_moov"], UNTOLD),
    "a.mov": (["-c:a", "pcm_s16be"], EXACT),
    "a.mkv": (["-c:a", "libvorbis"], LOSSY),
    "aac.mkv": (["-c:a", "aac"], LOSSY),
    "a.webm": (["-c:a", "libopus"], LOSSY),
    "a.avi": (["-c:a", "pcm_s16le"], LOSSY),
    "mp3.avi": (["-c:a", "libmp3lame"], UNTOLD),
    "a.aac": (["-c:a", "aac"], UNTOLD),
    "a.wma": (["-c:a", "wmav2"], UNTOLD),
    "a.amr": (["-c:a", "libopencore_amrnb", "-ar", 8000, "-b:a", "12.2k"], LOSSY + 0.01),
    "a.ac3": (["-c:a", "ac3"], UNTOLD),
    "a.wv": (["-c:a", "wavpack"], EXACT),
    "a.tta": (["-c:a", "tta"], EXACT),
    "a.ts": (["-c:a", "mp2"], UNTOLD),
}


def check(decoded: Decoded, tolerance: float) -> None:
    assert decoded.heard() == pytest.approx(TIMES, abs=tolerance)
    # the last frame of a lossy codec is filled up
    assert decoded.seconds == pytest.approx(LENGTH, abs=1e-3 if tolerance == EXACT else 0.03 + tolerance)
    assert decoded.warnings == []
    assert all(0 < len(block) <= 16500 and block.dtype == np.float32 for block in decoded.blocks)


@pytest.mark.parametrize("name", WITHOUT_FFMPEG)
@pytest.mark.usefixtures("no_ffmpeg")
def test_without_ffmpeg(
    name: str, encode: Callable[..., Path], decode: Callable[..., Decoded], wav: Path, tmp_path: Path
) -> None:
    arguments, tolerance = WITHOUT_FFMPEG[name]
    check(decode(encode(tmp_path / name, "-i", wav, *arguments)), tolerance)


@pytest.mark.parametrize("name", WITH_FFMPEG)
def test_with_ffmpeg(
    name: str, encode: Callable[..., Path], decode: Callable[..., Decoded], wav: Path, tmp_path: Path
) -> None:
    arguments, tolerance = WITH_FFMPEG[name]
    check(decode(encode(tmp_path / name, "-i", wav, *arguments)), tolerance)


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 32000, 44100, 48000, 96000])
@pytest.mark.parametrize("container", ["wav", "m4a"])
def test_every_rate(
    rate: int, container: str, encode: Callable[..., Path], decode: Callable[..., Decoded], tmp_path: Path
) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, bursts(rate), rate)
    if container == "m4a":
        path = encode(tmp_path / "a.m4a", "-i", path, "-c:a", "aac")
    decoded = decode(path)
    assert decoded.heard() == pytest.approx(TIMES, abs=EXACT if container == "wav" else LOSSY)
    assert decoded.seconds == pytest.approx(LENGTH, abs=1e-4 if container == "wav" else 0.01)
    assert decoded.stream.info.sample_rate == rate


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.opus", "a.mp3", "a.m4a", "a.mkv", "a.ts"])
@pytest.mark.parametrize(("start", "end"), [(1.0, None), (0.0, 2.5), (1.75, 3.5), (3.0, 60.0)])
def test_a_span_keeps_the_recordings_times(
    name: str,
    start: float,
    end: float | None,
    encode: Callable[..., Path],
    decode: Callable[..., Decoded],
    wav: Path,
    tmp_path: Path,
) -> None:
    decoded = decode(encode(tmp_path / name, "-i", wav), start=start, end=end)
    last = min(end or LENGTH, LENGTH)
    assert decoded.stream.offset == pytest.approx(start, abs=1e-4)
    assert decoded.heard() == pytest.approx([time for time in TIMES if start < time < last], abs=0.03)
    assert decoded.seconds == pytest.approx(last - start, abs=0.03)
    assert decoded.stream.position == pytest.approx(last, abs=0.03)
    assert decoded.warnings == []


FILM = ["-f", "lavfi", "-i", "color=s=64x64:d=8:r=25"]


@pytest.mark.parametrize("name", ["late.mkv", "late.mp4"])
def test_a_track_that_starts_late_stays_late(
    name: str, encode: Callable[..., Path], decode: Callable[..., Decoded], wav: Path, tmp_path: Path
) -> None:
    film = encode(tmp_path / name, *FILM, "-itsoffset", 4, "-i", wav, "-map", 0, "-map", 1, "-c:v", "mpeg4")
    assert decode(film).heard() == pytest.approx([4 + time for time in TIMES], abs=LOSSY)
    assert decode(film, start=5.0).heard() == pytest.approx([6.0, 7.25], abs=LOSSY)


def test_sound_alone_begins_with_the_recording(
    encode: Callable[..., Path], decode: Callable[..., Decoded], wav: Path, tmp_path: Path
) -> None:
    """A container's clock may start anywhere (broadcasts do); players count from the first packet, and so do we."""
    decoded = decode(encode(tmp_path / "a.mkv", "-itsoffset", 4, "-i", wav))
    assert decoded.heard() == pytest.approx(TIMES, abs=LOSSY)
    assert decoded.stream.info.duration == pytest.approx(LENGTH, abs=0.05)
    assert decoded.warnings == []


def test_a_gap_is_silence_and_nothing_moves(
    encode: Callable[..., Path], decode: Callable[..., Decoded], wav: Path, tmp_path: Path
) -> None:
    decoded = decode(encode(tmp_path / "a.mkv", "-i", wav, "-af", "aselect='not(between(t,0.8,1.7))'"))
    assert decoded.heard() == pytest.approx(TIMES, abs=LOSSY)
    assert decoded.seconds == pytest.approx(LENGTH, abs=0.01)
    (warning,) = decoded.warnings
    assert re.match(r"timestamps: a gap of 0\.[89] s, from 0\.8 s on", warning)


def test_a_gap_of_ten_hours_takes_no_memory_and_is_reported(
    encode: Callable[..., Path], decode: Callable[..., Decoded], wav: Path, tmp_path: Path
) -> None:
    """ffmpeg fills a gap in one piece: these ten hours took 3 GB."""
    late = "asetpts='PTS+if(gt(T,1),36000*44100,0)'"
    decoded = decode(encode(tmp_path / "a.mkv", "-i", wav, "-af", late))
    assert decoded.seconds < 2 * 3600
    assert [warning for warning in decoded.warnings if warning.startswith("timestamps: a gap of 36000 s was left out")]


#: of the tracks, as the container writes them
LANGUAGES = ["-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=ger", "-metadata:s:a:2", "language=fra"]


@pytest.fixture(scope="module")
def tracks(encode: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film with three sound tracks that differ in when they sound."""
    folder = tmp_path_factory.mktemp("tracks")
    inputs = []
    for number in range(3):
        soundfile.write(folder / f"{number}.wav", bursts(16000, (1.0 + number,)), 16000)
        inputs += ["-i", folder / f"{number}.wav"]
    maps = [part for number in range(4) for part in ("-map", number)]
    return encode(
        folder / "film.mkv", *FILM, *inputs, *maps, "-c:v", "mpeg4", "-disposition:a:1", "default", *LANGUAGES
    )


@pytest.mark.parametrize(("track", "time"), [(0, 1.0), (1, 2.0), (2, 3.0), ("en", 1.0), ("de", 2.0), ("fr", 3.0)])
def test_a_track_can_be_chosen(tracks: Path, track: int | str, time: float, decode: Callable[..., Decoded]) -> None:
    assert decode(tracks, track=track).heard() == pytest.approx([time], abs=LOSSY)


@pytest.mark.parametrize(
    ("tag", "track"), [("pt-BR", "pt"), ("zh-Hans", "zh"), ("en (US)", None), ("a]: b\x1b[1m", None)]
)
def test_tracks_whose_language_is_written_in_another_way(
    tag: str, track: str | None, encode: Callable[..., Path], decode: Callable[..., Decoded], tmp_path: Path
) -> None:
    for number in range(2):
        soundfile.write(tmp_path / f"{number}.wav", bursts(16000, (1.0 + number,)), 16000)
    inputs = ["-i", tmp_path / "0.wav", "-i", tmp_path / "1.wav", "-map", "0", "-map", "1"]
    marks = ["-metadata:s:a:0", "language=ger", "-metadata:s:a:1", f"language={tag}", "-disposition:a:0", "default"]
    film = encode(tmp_path / "film.mkv", *inputs, *marks)
    [notice] = decode(film).warnings
    assert "audio track 0 of 2 was read" in notice
    assert notice.isprintable()
    assert decode(film, track=track or 1).heard() == pytest.approx([2.0], abs=LOSSY)


def test_a_language_that_no_track_has(tracks: Path, decode: Callable[..., Decoded]) -> None:
    with pytest.raises(InputError, match=r"No audio track is marked as 'ja'\. The tracks are: 0 \(eng"):
        decode(tracks, track="ja")


@pytest.mark.parametrize("piped", [False, True])
def test_all_tracks_are_channels(tracks: Path, decode: Callable[..., Decoded], piped: bool) -> None:
    if piped:
        source = Source("stdin", stream=io.BytesIO(tracks.read_bytes()))
        decoded = Decoded(source, AudioOptions(track="all"))
    else:
        decoded = decode(tracks, track="all")
    assert decoded.channels.shape[1] == decoded.stream.channels == 3
    for number in range(3):
        assert heard(decoded.channels[:, number]) == pytest.approx([1.0 + number], abs=LOSSY)
    assert decoded.warnings == []


def test_all_tracks_of_an_ogg_file(
    tracks: Path, encode: Callable[..., Path], decode: Callable[..., Decoded], tmp_path: Path
) -> None:
    """Only the first one was read."""
    decoded = decode(encode(tmp_path / "a.ogg", "-i", tracks, "-map", "0:a", "-c:a", "libvorbis"), track="all")
    for number in range(3):
        assert heard(decoded.channels[:, number]) == pytest.approx([1.0 + number], abs=LOSSY)
    assert decoded.warnings == []


def test_all_tracks_of_a_file_with_one(wav: Path, decode: Callable[..., Decoded]) -> None:
    assert decode(wav, track="all").heard() == pytest.approx(TIMES, abs=LOSSY)


def test_all_tracks_of_different_length_and_one_damaged(
    encode: Callable[..., Path], wav: Path, decode: Callable[..., Decoded], tmp_path: Path
) -> None:
    """The shorter track is silent at its end, the one that cannot be decoded is named."""
    maps = ["-map", 0, "-map", 0, "-map", 1, "-c:a", "aac"]
    path = encode(tmp_path / "a.mp4", "-i", wav, "-t", 1, "-i", wav, *maps)
    data = path.read_bytes()
    at = data.index(b"mp4a", data.index(b"stsd"))
    box = data.index(b"esds", at)
    path.write_bytes(data[:at] + b"apac" + data[at + 4 : box] + b"free" + data[box + 4 :])
    decoded = decode(path, track="all")
    assert decoded.channels.shape[1] == 2
    assert decoded.seconds == pytest.approx(LENGTH, abs=0.1)
    assert [len(heard(decoded.channels[:, channel])) for channel in range(2)] == [3, 1]
    assert [warning[:34] for warning in decoded.warnings] == ["tracks: audio track 0 was not read"]
    assert decode(path, track=2).warnings == []  # shorter than the file, and whole


def test_the_default_track_is_the_containers(
    encode: Callable[..., Path], tracks: Path, decode: Callable[..., Decoded], tmp_path: Path
) -> None:
    copy = encode(tmp_path / "a.mkv", "-i", tracks, "-map", 0, "-c", "copy", "-disposition:a:0", 0)
    decoded = decode(copy)
    assert decoded.heard() == pytest.approx([2.0], abs=LOSSY)
    assert decoded.stream.info.tracks == 3


@pytest.fixture(scope="module")
def apart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two channels, each with a burst of its own."""
    path = tmp_path_factory.mktemp("channels") / "apart.wav"
    soundfile.write(path, np.stack([bursts(44100, (1.0,)), bursts(44100, (2.0,))], axis=1), 44100)
    return path


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.mp3", "a.m4a", "a.mkv", "a.mov"])
def test_channels_apart_mixed_and_chosen(
    name: str, apart: Path, encode: Callable[..., Path], decode: Callable[..., Decoded], tmp_path: Path
) -> None:
    path = encode(tmp_path / name, "-i", apart)
    split = decode(path, channels="split")
    assert split.stream.channels == 2
    for channel, time in enumerate((1.0, 2.0)):
        assert heard(split.channels[:, channel]) == pytest.approx([time], abs=LOSSY)
        chosen = decode(path, channels=channel)
        assert chosen.stream.channels == 1
        np.testing.assert_allclose(chosen.mono, split.channels[:, channel], atol=2e-3)
    mixed = decode(path)
    assert mixed.stream.channels == 1
    np.testing.assert_allclose(mixed.mono, split.channels.mean(axis=1), atol=2e-3)


@pytest.mark.parametrize("name", ["a.wav", "a.m4a"])
def test_two_equal_channels_mix_to_themselves(
    name: str, encode: Callable[..., Path], decode: Callable[..., Decoded], tmp_path: Path
) -> None:
    soundfile.write(tmp_path / "two.wav", np.stack([bursts(44100)] * 2, axis=1), 44100)
    soundfile.write(tmp_path / "one.wav", bursts(44100), 44100)
    both = decode(encode(tmp_path / name, "-i", tmp_path / "two.wav"))
    assert np.abs(both.mono).max() == pytest.approx(np.abs(decode(tmp_path / "one.wav").mono).max(), abs=0.02)


@pytest.mark.parametrize(
    ("name", "form", "rate", "channels", "tracks"),
    [
        ("a.wav", "wav/pcm_s16le", 44100, 1, 1),
        ("a.flac", "flac/pcm_16", 44100, 1, 1),
        ("a.mp3", "mp3/mp3", 44100, 1, 1),
        ("a.opus", "ogg/opus", 48000, 1, 1),
        ("a.m4a", "mp4/aac", 44100, 1, 1),
        ("a.webm", "matroska/opus", 48000, 1, 1),
        ("a.wma", "asf/wmav2", 44100, 1, 1),
    ],
)
def test_probing_reports_the_form(
    name: str,
    form: str,
    rate: int,
    channels: int,
    tracks: int,
    encode: Callable[..., Path],
    decode: Callable[..., Decoded],
    wav: Path,
    tmp_path: Path,
) -> None:
    path = encode(tmp_path / name, "-i", wav)
    info = probe(Source(name=name, path=path), AudioOptions())
    assert (info.format, info.sample_rate, info.channels, info.tracks) == (form, rate, channels, tracks)
    assert info.duration == pytest.approx(LENGTH, abs=0.06)
    assert decode(path).stream.info == info


def test_an_undeclared_length_is_none(encode: Callable[..., Path], wav: Path, tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp3", "-i", wav, "-c:a", "libmp3lame", "-q:a", 5, "-write_xing", 0)
    assert probe(Source(name="a", path=path), AudioOptions()).duration is None


@pytest.mark.parametrize("encoding", ["s16le", "s24le", "s32le", "f32le", "u8", "mulaw", "alaw"])
def test_raw_samples(
    encoding: Any, encode: Callable[..., Path], decode: Callable[..., Decoded], wav: Path, tmp_path: Path
) -> None:
    path = encode(tmp_path / "a.raw", "-i", wav, "-ac", 2, "-ar", 22050, "-f", encoding)
    decoded = decode(path, raw=RawFormat(encoding=encoding, rate=22050, channels=2), channels="split")
    assert decoded.heard() == pytest.approx(TIMES, abs=EXACT)
    assert decoded.stream.channels == 2
    assert decoded.stream.info.duration == pytest.approx(LENGTH)


@pytest.mark.parametrize(
    ("name", "encoding", "rate"),
    [("a.ulaw", "mulaw", 8000), ("a.ALAW", "alaw", 8000), ("a.sln", "s16le", 8000), ("a.sln48", "s16le", 48000)],
)
def test_headerless_files_of_telephone_exchanges(
    name: str,
    encoding: str,
    rate: int,
    encode: Callable[..., Path],
    decode: Callable[..., Decoded],
    wav: Path,
    tmp_path: Path,
) -> None:
    path = encode(tmp_path / "a.raw", "-i", wav, "-ac", 1, "-ar", rate, "-f", encoding).rename(tmp_path / name)
    decoded = decode(path)
    assert decoded.heard() == pytest.approx(TIMES, abs=EXACT)
    assert probe(Source(name="a", path=path), AudioOptions()) == decoded.stream.info
    assert decoded.stream.info.duration == pytest.approx(LENGTH)
    headed = tmp_path / "headed.ulaw"  # some programs write a header all the same
    headed.write_bytes(wav.read_bytes())
    assert decode(headed).heard() == pytest.approx(TIMES, abs=EXACT)


def test_gsm_without_a_header(decode: Callable[..., Decoded], wav: Path, tmp_path: Path) -> None:
    samples, rate = soundfile.read(wav, always_2d=True)
    path = tmp_path / "a.gsm"
    soundfile.write(path, soxr.resample(samples[:, 0], rate, 8000), 8000, format="RAW", subtype="GSM610")
    assert decode(path).heard() == pytest.approx(TIMES, abs=LOSSY)
