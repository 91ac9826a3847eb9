"""The ffmpeg process: hostile names and contents, no network, no zombies."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from asrcli.audio import open_audio
from asrcli.audio.ffmpeg.log import FfmpegLog
from asrcli.audio.ffmpeg.process import Attempt, decode_command, file_url, find_ffmpeg
from asrcli.audio.ffmpeg.reader import FfmpegReader
from asrcli.audio.types import Source
from asrcli.errors import AudioDecodeError, FfmpegMissingError
from asrcli.options import AudioOptions
from tests.audio.sounds import TIMES, Decoded


@pytest.mark.parametrize(
    "name",
    [
        "-i.m4a",
        "-f lavfi.m4a",
        "a\nb.m4a",
        "take %03d.m4a",
        "%s%n.m4a",
        "concat:a|b.m4a",
        "http:.m4a",
        "a'b\"c`d$e.m4a",
        "[a]{b}*?.m4a",
        "录音 один.m4a",
        "pipe:0",
        " .m4a",
    ],
)
def test_any_name_is_only_a_name(
    name: str,
    encode: Callable[..., Path],
    wav: Path,
    decode: Callable[..., Decoded],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = encode(tmp_path / "plain.m4a", "-i", wav)
    path = tmp_path / name
    made.rename(path)
    assert decode(path).heard() == pytest.approx(TIMES, abs=2e-3)
    monkeypatch.chdir(tmp_path)
    assert decode(type(path)(name)).heard() == pytest.approx(TIMES, abs=2e-3)


@pytest.mark.parametrize("suffix", ["wav", "m4a"])
def test_a_name_that_is_no_unicode(
    suffix: str, encode: Callable[..., Path], wav: Path, decode: Callable[..., Decoded], tmp_path: Path
) -> None:
    made = encode(tmp_path / f"plain.{suffix}", "-i", wav)
    path = type(made)(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe." + suffix.encode()))
    made.rename(path)
    assert decode(path).heard() == pytest.approx(TIMES, abs=2e-3)


@pytest.mark.parametrize(
    "content",
    [
        b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\xff\nURL\n#EXT-X-ENDLIST\n",
        b"ffconcat version 1.0\n# \xff\nfile 'URL'\n",
        b"v=0\n# \xff\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nm=audio 9 RTP/AVP 0\n",
        b"<?xml version='1.0'?><MPD \xff><BaseURL>URL</BaseURL></MPD>",
    ],
)
@pytest.mark.parametrize("local", [False, True])
def test_a_file_that_names_others_reads_none_of_them(
    content: bytes, local: bool, wav: Path, decode: Callable[..., Decoded], tmp_path: Path
) -> None:
    """A playlist in disguise (no valid text, so that it reaches ffmpeg) must not open files or sockets."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        url = str(wav) if local else f"http://127.0.0.1:{server.getsockname()[1]}/a.wav"
        path = tmp_path / "a.m4a"
        path.write_bytes(content.replace(b"URL", url.encode()))
        with pytest.raises(AudioDecodeError):
            decode(path)
        with pytest.raises(BlockingIOError):
            server.accept()


@pytest.fixture
def lasting(encode: Callable[..., Path], tmp_path: Path) -> Path:
    """Long enough that ffmpeg still runs when we leave."""
    return encode(tmp_path / "a.m4a", "-f", "lavfi", "-i", "sine=d=120:r=16000", "-c:a", "aac", "-b:a", "16k")


def ffmpeg_of(stream: Any) -> subprocess.Popen[bytes]:
    process: subprocess.Popen[bytes] = stream._reader._process
    return process


def test_leaving_early_ends_the_process(lasting: Path) -> None:
    with open_audio(Source(name="a", path=lasting), AudioOptions()) as stream:
        next(stream.blocks())
        process = ffmpeg_of(stream)
        assert process.poll() is None
    assert process.returncode is not None
    assert process.stdout.closed
    assert process.stderr.closed


def test_an_error_in_the_loop_ends_the_process_too(lasting: Path) -> None:
    opened = []

    def fail() -> None:
        with open_audio(Source(name="a", path=lasting), AudioOptions()) as stream:
            opened.append(ffmpeg_of(stream))
            for _ in stream.blocks():
                raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    (process,) = opened
    assert process.returncode is not None


def children() -> set[int]:
    """The child processes of this one, also those that have ended and are not waited for."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has just ended
            if int(path.read_text().rpartition(")")[2].split()[1]) == os.getpid():
                found.add(int(path.parent.name))
    return found


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes as Linux shows them")
def test_a_file_that_fails_leaves_no_process(decode: Callable[..., Decoded], tmp_path: Path) -> None:
    path = tmp_path / "a.m4a"
    path.write_bytes(b"\0\0\0\x18ftypM4A " + bytes(3000))
    before = children()  # of other tests
    with pytest.raises(AudioDecodeError):
        decode(path)
    assert children() <= before


def test_a_killed_ffmpeg_is_reported(lasting: Path) -> None:
    with open_audio(Source(name="a", path=lasting), AudioOptions()) as stream:
        blocks = stream.blocks()
        next(blocks)
        ffmpeg_of(stream).kill()
        count = 1 + sum(1 for _ in blocks)
    assert count < 100
    assert stream.warnings[0].startswith("truncated: ")
    assert stream.warnings[1] == "damaged: ffmpeg crashed at this point (signal 9)"


def test_a_crash_is_no_riddle(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    encode: Callable[..., Path],
    wav: Path,
    decode: Callable[..., Decoded],
) -> None:
    path = encode(tmp_path / "a.m4a", "-i", wav)
    crashing = tmp_path / "ffmpeg"
    crashing.write_text("#!/bin/sh\nkill -SEGV $$\n")
    crashing.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(AudioDecodeError, match=r"ffmpeg crashed on the file \(signal 11\)"):
        decode(path)


def test_the_paths_ffmpeg_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "ffmpeg"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_ffmpeg() == str(program)


@pytest.mark.usefixtures("no_ffmpeg")
def test_no_ffmpeg_at_all() -> None:
    with pytest.raises(FfmpegMissingError, match=r"ffmpeg.*apt install ffmpeg.*\[builtin\]") as caught:
        find_ffmpeg()
    assert caught.value.exit_code == 5


def test_the_command_reads_files_and_pipes_only(tmp_path: Path) -> None:
    command = decode_command(
        "ffmpeg", file_url(tmp_path / "a.m4a"), AudioOptions(start=2, channels=1), Attempt(track=2, seek=2)
    )
    given = dict(pairwise(command))
    assert given["-protocol_whitelist"] == "file,pipe,subfile"
    assert not {"hls", "concat", "dash", "sdp", "image2", "lavfi"} & set(given["-format_whitelist"].split(","))
    assert given["-i"] == f"file:{tmp_path}/a.m4a"
    assert given["-map"] == "0:a:2"
    assert given["-ss"] == "2"
    assert "-nostdin" in command
    assert {"-vn", "-sn", "-dn"} <= set(command)


def test_every_demuxer_admitted_is_one_that_ffmpeg_has() -> None:
    listed = subprocess.run([find_ffmpeg(), "-hide_banner", "-demuxers"], capture_output=True, text=True, check=True)
    known = {
        name for line in listed.stdout.splitlines() if line[:3].strip() == "D" for name in line.split()[1].split(",")
    }
    command = decode_command("ffmpeg", "file:/a", AudioOptions(), Attempt())
    admitted = set(command[command.index("-format_whitelist") + 1].split(","))
    assert admitted - known <= {"asf_o", "live_flv", "amrnb", "amrwb", "mpc", "shn", "dsf"}


def test_metadata_cannot_pose_as_the_banner() -> None:
    log = FfmpegLog()
    for line in (
        "[info] Input #0, mov,mp4,m4a,3gp,3g2,mj2, from 'file:/a':",
        "[info]     title           : x",
        "[info]                     :   Duration: 99:00:00.00, start: 0",
        "[info]     comment         :   Stream #0:0: Audio: evil, 1 Hz, mono",
        "[info]   Duration: 00:00:05.31, start: 0.000000, bitrate: 629 kb/s",
        "[info]   Stream #0:0[0x1](und): Video: h264 (High) (avc1 / 0x31637661), yuv420p, 320x240",
        "[info]   Stream #0:1[0x2](eng): Audio: aac (LC) (mp4a / 0x6134706D), 48000 Hz, 5.1(side), fltp, 384 kb/s",
        "[info]   Stream #0:2[0x3](ger): Audio: opus, 24000 Hz, 9 channels, fltp",
        "[info] Stream mapping:",
        "[info]   Stream #0:2 -> #0:0 (opus (native) -> pcm_f32le (native))",
    ):
        assert not log.feed(line)
    assert log.feed("[info] Output #0, wav, to 'pipe:1':")
    log.feed("[info]   Stream #0:0: Audio: pcm_f32le, 16000 Hz, mono, flt, 512 kb/s")
    info = log.info()
    assert (info.duration, info.sample_rate, info.channels, info.tracks) == (5.31, 24000, 9, 2)
    assert info.format == "mp4/opus"
    assert log.tracks[0].channels == 6


def test_a_wrong_checksum_of_an_mp3s_frame_is_no_damage() -> None:
    """LAME with error protection writes one in the frame with its tag."""
    log = FfmpegLog()
    log.feed("[mp3float @ 0x55d] [error] CRC mismatch A4A6!")
    assert log.errors == 0
    log.feed("[ac3 @ 0x55d] [error] frame CRC mismatch")
    assert log.errors == 1


def test_errors_of_pictures_are_none_of_the_sound() -> None:
    """Broadcasts that are recorded start within a picture."""
    log = FfmpegLog()
    log.feed("[h264 @ 0x55d] [error] non-existing PPS 0 referenced")
    log.feed("[info]   Stream #0:0[0x100]: Video: h264 (High), yuv420p, 160x120, 25 fps")
    log.feed("[info]   Stream #0:1[0x101]: Audio: aac (LC), 48000 Hz, mono, fltp")
    assert log.errors == 0
    log.feed("[aac @ 0x55d] [error] channel element 3.4 is not allocated")
    assert log.errors == 1
    assert log.reason() == "channel element 3.4 is not allocated"


@pytest.mark.parametrize("place", ["file:/a/b.ts", "subfile,,start,0,end,9,,:file:/a/b.ts", "pipe:0"])
def test_warnings_do_not_show_where_a_file_is(place: str) -> None:
    log = FfmpegLog()
    log.feed(f"[warning] {place}: corrupt input packet in stream 1")
    assert log.reason() == "corrupt input packet in stream 1"


def test_messages_of_ffmpeg_are_bounded() -> None:
    log = FfmpegLog()
    for number in range(100_000):
        log.feed(f"[aac @ 0x1] [error] broken packet {number}")
    assert log.errors == 100_000
    assert len(log._messages) <= 40


def test_a_reader_can_be_closed_twice(lasting: Path) -> None:
    reader = FfmpegReader(file_url(lasting), AudioOptions())
    reader.close()
    reader.close()
    assert reader._process.returncode is not None
