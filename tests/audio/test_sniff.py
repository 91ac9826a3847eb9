from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asrcli.audio import MEDIA_SUFFIXES
from asrcli.audio.containers import declared_size, mpeg, ogg
from asrcli.audio.containers.sniff import HEAD, decoder_for, index_at_end, not_audio, wav_header
from asrcli.audio.files import open_file, reader_of

MAGIC = [
    b"RIFF",
    b"WAVE",
    b"fmt ",
    b"data",
    b"ftyp",
    b"mdat",
    b"moov",
    b"OggS",
    b"ID3",
    b"\xff\xfb\x90",
    b"Xing",
    b"ds64",
    b"AIFF",
    b"SSND",
    b".snd",
    b"caff",
    b"AVI ",
    b"NIST_1A\n   1024\n",
    b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00",
]
HEADS = st.lists(st.one_of(st.sampled_from(MAGIC), st.binary(max_size=40)), max_size=12).map(b"".join)


def reader(data: bytes) -> Callable[..., bytes]:
    def read(size: int, position: int) -> bytes:
        return data[position : position + size]

    return read


@settings(max_examples=300)
@given(HEADS)
def test_no_bytes_confuse_it(head: bytes) -> None:
    assert decoder_for(head) in {"sound", "ffmpeg"}
    assert isinstance(index_at_end(head), bool)
    header = wav_header(head)
    assert header is None or header.offset <= len(head)
    assert not_audio(head) is None or not_audio(head)
    found = mpeg.summary(reader(head))
    assert found is None or isinstance(mpeg.walk(reader(head), found).unbroken, bool)
    assert isinstance(ogg.walk(reader(head)).plain, bool)
    claim = declared_size.declared_size(reader(head))
    assert claim is None or 0 <= claim.lacking(len(head)) <= 1


@pytest.mark.parametrize(
    ("name", "decoder"),
    [
        *((f"a.{suffix}", "sound") for suffix in ("wav", "flac", "ogg", "opus", "mp3")),
        *((f"a.{suffix}", "ffmpeg") for suffix in ("m4a", "mkv", "aac", "avi", "wma")),
    ],
)
def test_the_content_decides_not_the_name(
    name: str, decoder: str, encode: Callable[..., Path], wav: Path, tmp_path: Path
) -> None:
    head = encode(tmp_path / name, "-i", wav).read_bytes()[:4096]
    assert decoder_for(head) == decoder
    assert not_audio(head) is None


@pytest.mark.parametrize(
    ("arguments", "at_end"),
    [([], True), (["-movflags", "+faststart"], False), (["-movflags", "frag_keyframe+empty_moov"], False)],
)
def test_where_an_mp4_has_its_index(
    arguments: list[str], at_end: bool, encode: Callable[..., Path], wav: Path, tmp_path: Path
) -> None:
    assert index_at_end(encode(tmp_path / "a.mp4", "-i", wav, *arguments).read_bytes()[:4096]) is at_end


def test_an_mp3_with_and_without_a_count(encode: Callable[..., Path], wav: Path, tmp_path: Path) -> None:
    read = {}
    for name, arguments in {"tagged": [], "bare": ["-write_xing", 0, "-id3v2_version", 0], "vbr": ["-q:a", 5]}.items():
        data = encode(tmp_path / f"{name}.mp3", "-i", wav, *arguments).read_bytes()
        read[name] = (mpeg.summary(reader(data)), data)
    tagged, data = read["tagged"]
    assert tagged.count * tagged.frame == pytest.approx(4.0, abs=0.1)
    assert tagged.constant
    assert mpeg.fits(tagged, len(data))
    frames = mpeg.walk(reader(data), tagged)
    assert frames.unbroken
    assert frames.follows(tagged)
    assert frames.count == tagged.count + 1
    assert not mpeg.walk(reader(data + data[tagged.offset :]), tagged).follows(tagged)
    assert not mpeg.fits(tagged, len(data) // 2)
    bare, data = read["bare"]
    assert bare.count is None
    assert bare.constant
    whole = mpeg.walk(reader(data + b"TAG" + bytes(125)), bare)
    assert whole == mpeg.walk(reader(data), bare)
    assert (whole.unbroken, whole.ended, whole.follows(bare)) == (True, True, True)
    assert not mpeg.walk(reader(data[:9000] + bytes(5000) + data[9000:]), bare).unbroken
    assert not mpeg.walk(reader(data[:-10]), bare).ended
    assert not read["vbr"][0].constant


def test_an_mp3_that_is_constant_only_at_first(encode: Callable[..., Path], wav: Path, tmp_path: Path) -> None:
    """A long quiet beginning: the length does not follow from the first frames."""
    low, high = (
        encode(tmp_path / f"{rate}.mp3", "-i", wav, "-write_xing", 0, "-id3v2_version", 0, "-b:a", rate).read_bytes()
        for rate in ("32k", "128k")
    )
    data = low * 6 + high
    found = mpeg.summary(reader(data))
    assert found.constant
    frames = mpeg.walk(reader(data), found)
    assert frames.unbroken
    assert not frames.follows(found)
    assert frames.count * found.frame == pytest.approx(7 * 4, abs=0.7)


def test_the_walk_crosses_its_windows(encode: Callable[..., Path], wav: Path, tmp_path: Path) -> None:
    one = encode(tmp_path / "a.mp3", "-i", wav, "-write_xing", 0, "-id3v2_version", 0).read_bytes()
    many = one * (3_000_000 // len(one))
    assert mpeg.walk(reader(many), mpeg.summary(reader(many))).unbroken
    spoiled = many[:2_500_000] + bytes(2000) + many[2_500_000:]
    assert not mpeg.walk(reader(spoiled), mpeg.summary(reader(spoiled))).unbroken


def test_ogg_pages(encode: Callable[..., Path], wav: Path, tmp_path: Path) -> None:
    data = encode(tmp_path / "a.ogg", "-i", wav, "-c:a", "libvorbis").read_bytes()
    assert ogg.walk(reader(data)) == ogg.OggPages(plain=True, ended=True, parts=((0, len(data)),))
    assert not ogg.walk(reader(data[:-1])).ended
    last = data.rindex(b"OggS")
    assert ogg.walk(reader(data[:last])) == ogg.OggPages(plain=True, ended=False, parts=((0, last),))
    assert not ogg.walk(reader(data + data)).plain


def test_suffixes_are_lower_case_with_a_dot() -> None:
    assert all(suffix.startswith(".") and suffix == suffix.lower() for suffix in MEDIA_SUFFIXES)
    wanted = [
        "wav",
        "flac",
        "ogg",
        "opus",
        "mp3",
        "m4a",
        "mp4",
        "mkv",
        "webm",
        "amr",
        "aac",
        "wma",
        "sph",
        "mov",
        "avi",
    ]
    assert {f".{one}" for one in wanted} <= MEDIA_SUFFIXES


@pytest.mark.parametrize("size", [1, 44, HEAD - 1, HEAD, HEAD + 1, 3 * HEAD])
def test_what_is_read_of_a_file_does_not_depend_on_its_first_bytes_being_known(size: int, tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    path.write_bytes(bytes(index * 7 % 251 for index in range(size)))
    descriptor, _, head = open_file(path, raw=True)
    try:
        known, unknown = reader_of(descriptor, head), reader_of(descriptor, bytes(HEAD))
        for position in (0, 1, size - 1, size, size + 1, HEAD - 4, HEAD, 2 * HEAD, -1, 1 << 62, 1 << 65):
            for count in (0, 1, 4, HEAD, 2 * HEAD, -1):
                within = min(count, position) >= 0 and position + count <= HEAD
                wanted = path.read_bytes()[position : position + count] if within else unknown(count, position)
                assert known(count, position) == wanted, (count, position)
    finally:
        os.close(descriptor)
