"""Files without a length in their header: is the last frame or packet complete?"""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from asrcli.audio.containers import avi
from asrcli.audio.containers.packets import FrameChain, breaks, ends_inside, transport_packet, voc_end
from asrcli.audio.containers.sniff import has_signature
from asrcli.audio.types import Source
from asrcli.options import AudioOptions
from tests.audio.sounds import TIMES, Decoded


def part(data: bytes, size: int, position: int) -> bytes:
    return data[position : position + size]


@pytest.mark.parametrize("name", ["a.aac", "a.mp2"])
def test_a_hole_between_frames(name: str, streams: Callable[[str], tuple[bytes, int]]) -> None:
    """A decoder goes on with the next frame without a complaint."""
    data, _ = streams(name)
    tag = b"ID3\x03\0\0\0\0\1\0" + bytes(128)
    broken = data[:3000] + data[4111:9000] + data[9777:]
    for form, count in ((data, 0), (tag + data, 0), (data + data, 0), (data + bytes(500), 0), (broken, 2)):
        assert breaks(partial(part, form)) == count
        chain = FrameChain()
        for at in range(0, len(form), 999):
            chain.push(form[at : at + 999])
        assert chain.breaks == count
    for hole in (bytes(200_000), b"\xff" * 200_000):  # longer than what is read at once
        assert breaks(partial(part, data[:9000] + hole + data[9000:])) == 1


@pytest.mark.parametrize("name", ["a.aac", "a.mp2"])
def test_a_hole_in_a_stream(name: str, streams: Callable[[str], tuple[bytes, int]]) -> None:
    """Only files were checked."""
    data, _ = streams(name)
    for form, count in ((data, 0), (data[:9000] + data[9777:], 1), (data[:9000] + bytes(2500) + data[11500:], 1)):
        warnings = Decoded(Source(name, stream=io.BytesIO(form)), AudioOptions()).warnings
        assert len([warning for warning in warnings if "frames do not follow each other" in warning]) == count


def cut(data: bytes) -> bool:
    return ends_inside(lambda size, position: data[position : position + size], len(data))


@pytest.fixture(scope="module")
def streams(
    encode: Callable[..., Path], wav: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], tuple[bytes, int]]:
    """(bytes, bytes of a packet or 0) of the bursts in a stream of packets."""
    folder = tmp_path_factory.mktemp("packets")
    forms = {"a.aac": ["aac"], "a.mp2": ["mp2"], "a.ts": ["mp2"], "a.m2ts": ["ac3"], "a.mpg": ["mp2"], "a.vob": ["ac3"]}
    sizes = {"a.ts": 188, "a.m2ts": 192}

    def make(name: str) -> tuple[bytes, int]:
        return encode(folder / name, "-i", wav, "-c:a", *forms[name]).read_bytes(), sizes.get(name, 0)

    return make


@pytest.mark.parametrize("name", ["a.aac", "a.mp2", "a.ts", "a.m2ts", "a.mpg", "a.vob"])
def test_a_cut_inside_a_packet(name: str, streams: Callable[[str], tuple[bytes, int]]) -> None:
    data, packet = streams(name)
    assert not cut(data)
    for missing in range(1, 150, 7):
        assert cut(data[:-missing]) or (packet and missing % packet == 0), missing
    assert transport_packet(data[:2048]) == packet


@pytest.mark.parametrize("form", ["mlp", "truehd"])
def test_a_cut_inside_an_access_unit(form: str, encode: Callable[..., Path], wav: Path, tmp_path: Path) -> None:
    stereo = ["-ar", "48000", "-ac", "2", "-c:a", form, "-strict", "-2", "-f", form]
    data = encode(tmp_path / "a", "-i", wav, *stereo).read_bytes()
    ends = [0]
    while ends[-1] < len(data):
        ends.append(ends[-1] + 2 * (int.from_bytes(data[ends[-1] : ends[-1] + 2], "big") & 0xFFF))
    assert ends[-1] == len(data)
    decoded = Decoded(Source("a", path=tmp_path / "a"), AudioOptions())
    assert decoded.heard() == pytest.approx(TIMES, abs=0.05)
    assert decoded.warnings == []
    for end in ends[100:-1:97]:
        assert [cut(data[: end + more]) for more in (-1, 0, 1)] == [True, False, True]


def test_a_transport_stream_cut_between_its_packets(streams: Callable[[str], tuple[bytes, int]]) -> None:
    """The program's packet that is spread over them lacks its end, or no packet follows the tables."""
    data, packet = streams("a.ts")
    ends = range(40 * packet, len(data), packet)
    assert sum(cut(data[:end]) for end in ends) > 0.85 * len(ends)
    tables = [end for end in ends if data[end - packet + 1 : end - packet + 3] in {b"\x40\0", b"\x50\0"}]
    assert len(tables) > 5
    assert all(cut(data[:end]) for end in tables)


def test_a_transport_stream_with_pictures_cut_between_its_packets(
    encode: Callable[..., Path], wav: Path, tmp_path: Path
) -> None:
    """Packets of pictures have no length: the last part of each is stuffed."""
    noise = ["-f", "lavfi", "-i", "testsrc=s=320x240:r=10:d=4", "-c:v", "mpeg2video", "-b:v", "1M", "-c:a", "mp2"]
    data = encode(tmp_path / "a.ts", "-i", wav, *noise).read_bytes()
    assert not cut(data)
    ends = range(len(data) // 188 // 2 * 188, len(data), 7 * 188)
    assert sum(cut(data[:end]) for end in ends) > 0.85 * len(ends)


@pytest.mark.parametrize("start", [1, 100, 187])
def test_a_transport_stream_that_starts_inside_a_packet(
    start: int, streams: Callable[[str], tuple[bytes, int]]
) -> None:
    data, _ = streams("a.ts")
    assert has_signature(data[start:])
    assert not cut(data[start:])
    assert cut(data[start:-20])


def test_lost_packets_of_a_transport_stream(
    streams: Callable[[str], tuple[bytes, int]], decode: Callable[..., Decoded], tmp_path: Path
) -> None:
    """The decoder's messages were taken for those about the end of a file that is cut."""
    data, packet = streams("a.ts")
    path = tmp_path / "a.ts"
    path.write_bytes(data[: 90 * packet] + data[95 * packet :])
    assert [warning for warning in decode(path).warnings if warning.startswith("damaged: ")]


def test_a_codec_that_changes_in_a_film(
    encode: Callable[..., Path], decode: Callable[..., Decoded], wav: Path, tmp_path: Path
) -> None:
    one = encode(tmp_path / "a.flv", "-i", wav, "-c:a", "aac")
    other = encode(tmp_path / "b.flv", "-i", wav, "-c:a", "libmp3lame", "-ar", "44100")
    one.write_bytes(one.read_bytes() + other.read_bytes()[13:])  # without the header
    # What a longer film's first megabytes do not show is reported when it comes.
    assert decode(one).warnings[0].startswith("tracks: ")


def test_many_short_gaps_are_reported_together(
    encode: Callable[..., Path], decode: Callable[..., Decoded], wav: Path, tmp_path: Path
) -> None:
    """As in a call that lost packets; a single one of 0.1 s is not worth a warning."""
    for lost, reported in (("between(t,1,1.1)", False), ("gt(t,0.6)*lt(mod(t,0.5),0.1)", True)):
        lossy = f"aselect='not({lost})'"
        path = encode(tmp_path / "a.mkv", "-i", wav, "-af", f"asetnsamples=441,{lossy}", "-c:a", "pcm_s16le")
        warnings = decode(path).warnings
        assert bool([warning for warning in warnings if warning.startswith("timestamps: ")]) == reported


def test_blocks_of_voc() -> None:
    block = b"\1" + (100).to_bytes(3, "little") + bytes(100)
    head = b"Creative Voice File\x1a\x1a\0\n\1\x29\x11" + 3 * block
    for whole in (head, head + b"\0", head + b"\0\x1a\0", head[:-50]):
        assert not voc_end(partial(part, whole))[1]
    for broken in (head + bytes(9) + block, head + b"\0" + bytes(200_000) + block):
        assert voc_end(partial(part, broken))[1]


def test_an_open_ended_avi_file_of_empty_chunks_is_not_followed_for_ever() -> None:
    def read(size: int, position: int) -> bytes:
        return (b"RIFF\xff\xff\xff\xffAVI " if position == 0 else b"JUNK" + bytes(8))[:size]

    assert not avi.ends_inside(read, 1 << 50)
    whole = b"RIFF\xff\xff\xff\xffAVI " + b"01wb" + (4).to_bytes(4, "little") + bytes(4)
    for length, cut in ((len(whole), False), (len(whole) - 2, True)):
        assert avi.ends_inside(lambda size, at: whole[at : at + size], length) == cut
