"""The ffmpeg command line: what it may open, what it writes, what it may use. The only user of ffmpeg-python.

The process opens no network and no file but the one it is given: containers that can name others (playlists, `concat`)
are not admitted.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asrcli.audio.types import SAMPLE_RATE
from asrcli.distribution import pip_install
from asrcli.errors import FfmpegMissingError
from asrcli.options import AudioOptions
from asrcli.storage import child_priority

#: Demuxers by ffmpeg's names. Others could open further files (hls, dash, concat, sdp, image sequences).
_FORMATS = (
    "aac,ac3,act,aiff,amr,amrnb,amrwb,ape,asf,asf_o,ast,au,avi,caf,dsf,dss,dts,dtshd,eac3,flac,flv,gsm,iff,ircam,"
    "live_flv,loas,matroska,webm,mlp,mov,mp4,m4a,3gp,3g2,mj2,mp3,mpc,mpc8,mpeg,mpegts,mxf,nistsphere,nut,ogg,oma,qcp,rm,"
    "shn,sox,tak,truehd,tta,voc,w64,wav,wtv,wv,xwma"
)
#: represents the input while ffmpeg-python builds the command: it cannot take names that are no Unicode
_PLACE = "INPUT"
#: Layouts by ffmpeg's names that ffmpeg does not mix: it loses what channels have in common with opposite signs, and
#: what is in an LFE channel. Of these, the number of channels gives their positions (`layouts.default_layout`). The
#: third of three channels, which may be a microphone, is none for bass there.
_MIXED = ("mono", "stereo", "2.1", "3.0", "5.1", "5.1(side)", "6.1", "7.1")
#: share of an LFE channel where ffmpeg mixes: little, as it usually carries bass only
_BASS = 0.01
#: bytes that ffmpeg may allocate at once
_MAX_ALLOCATION = 256 << 20
#: seconds added to all timestamps, more than a transport stream's clock holds (26.5 hours)
TIMESTAMP_OFFSET = 200_000
#: bytes and microseconds in which tracks are looked for, where the first look finds no sound
DEEP_PROBE = 256 << 20
_DEEP_DURATION = 1_800_000_000
#: address space of the process: bytes, many times what any honest recording needs
_MEMORY = 4 << 30
#: CPU time of the process: seconds; a day of audio takes some minutes
_CPU_SECONDS = 7200


def find_ffmpeg() -> str:
    """The program: PATH's, else the one that imageio-ffmpeg carries. Raises FfmpegMissingError: neither is there."""
    if found := shutil.which("ffmpeg"):
        return found
    try:
        import imageio_ffmpeg

        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except (ImportError, RuntimeError):
        raise FfmpegMissingError(
            "This input needs ffmpeg to be decoded, and there is none.",
            f"Install it (apt install ffmpeg, brew install ffmpeg) or: {pip_install('builtin')}.",
        ) from None


def file_url(path: Path, start: int = 0, end: int | None = None) -> str:
    """The file, or its bytes from `start` to `end`, as ffmpeg takes it literally.

    Its name may hold a leading dash, `%d`, `concat:` or newlines.
    """
    part = "" if end is None else f"subfile,,start,{start},end,{end},,:"
    return f"{part}file:{path.absolute()}"


@dataclass(frozen=True, slots=True)
class Attempt:
    """How one ffmpeg process reads an input."""

    #: audio track, zero-based
    track: int = 0
    #: seconds of the container to skip before decoding, if it has an index
    seek: float = 0.0
    #: look for tracks in the first `DEEP_PROBE` bytes instead of ffmpeg's default of 5 MB
    deep: bool = False
    #: read an MP4's sound as it lies in the file, whatever its edit list leaves of it
    unedited: bool = False
    #: write each frame as soon as it is decoded
    live: bool = False


def decode_command(program: str, url: str, options: AudioOptions, attempt: Attempt) -> list[str]:
    """The command that decodes one track to 16 kHz floats, each frame with its timestamp, in a Matroska stream.

    The timestamps are the container's own (`-copyts`), shifted by `TIMESTAMP_OFFSET`, as Matroska has no negative ones.
    ffmpeg must not fill gaps itself (`aresample=async`): it drops sound whose timestamps run backwards and fills the
    past again whenever the number of channels or the rate changes. To mix, ffmpeg converts other layouts than `_MIXED`
    to one of those by its rules (`rematrix_maxval` keeps that from clipping); the stream mixes, and looks at the sound.
    """
    choice = options.channels
    pick = f"pan=mono|c0=c{choice}," if isinstance(choice, int) else ""
    mixing = f"rematrix_maxval=1:lfe_mix_level={_BASS}"
    fold = f",aformat=channel_layouts={'|'.join(_MIXED)}" if choice == "mix" else ""
    form: dict[str, object] = {"f": "matroska", "write_crc32": 0, "acodec": "pcm_f32le", "map_metadata": -1}
    form |= {"af": f"{pick}aresample={SAMPLE_RATE}:{mixing}{fold}", "output_ts_offset": TIMESTAMP_OFFSET}
    form["bitexact"] = None
    if attempt.live:
        form |= {"flush_packets": 1, "cluster_time_limit": 100}
    return _command(program, url, _track(attempt), form)


def probe_command(program: str, url: str, attempt: Attempt) -> list[str]:
    """The command that prints the file's form and decodes next to nothing."""
    return _command(program, url, _track(attempt), {"f": "null", "t": 0})


def _track(attempt: Attempt) -> Any:
    opening: dict[str, object] = {"protocol_whitelist": "file,pipe,subfile", "format_whitelist": _FORMATS, "threads": 1}
    opening["err_detect"] = "crccheck"  # else decoders of AC-3, TTA, WavPack and FLAC take damage for sound
    if attempt.seek:
        opening |= {"ss": attempt.seek, "noaccurate_seek": None}
    if attempt.unedited:
        opening["ignore_editlist"] = 1
    if attempt.deep:
        opening |= {"probesize": DEEP_PROBE, "analyzeduration": _DEEP_DURATION}
    import ffmpeg  # here, as most recordings in WAV need none

    return ffmpeg.input(_PLACE, **opening)[f"a:{attempt.track}"]


def _command(program: str, url: str, track: Any, form: dict[str, object]) -> list[str]:
    # The recogniser has the other cores; video and subtitles are not even decoded.
    import ffmpeg

    output = ffmpeg.output(track, "pipe:1", vn=None, sn=None, dn=None, threads=1, **form)
    everywhere = ("-hide_banner", "-nostdin", "-nostats", "-loglevel", "level+info", "-filter_threads", "1", "-copyts")
    bounded = ("-max_alloc", str(_MAX_ALLOCATION))
    command = output.global_args(*everywhere, *bounded).compile(cmd=program)
    return [url if part == _PLACE else str(part) for part in command]


def confine(pid: int) -> None:
    """Bound what a decoder may take, where the system lets us (Linux): a hostile file must not take the machine."""
    child_priority.apply_to(pid)
    try:
        import resource

        resource.prlimit(pid, resource.RLIMIT_AS, (_MEMORY, _MEMORY))
        resource.prlimit(pid, resource.RLIMIT_CPU, (_CPU_SECONDS, _CPU_SECONDS))
    except (ImportError, AttributeError, OSError, ValueError):
        return  # not Linux, a tighter limit already, or it has ended
