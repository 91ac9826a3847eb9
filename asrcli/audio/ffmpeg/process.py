"""The ffmpeg process: everything libsndfile does not read. The one place that knows ffmpeg-python.

A crash, a hostile file or a decoder gone wild stays in that process. It opens no network and no
file but the one it is given, for containers that could name others (playlists, `concat`) are not admitted.
"""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import ffmpeg

from asrcli.audio.channels import no_channel
from asrcli.audio.containers.sniff import wav_header
from asrcli.audio.ffmpeg.log import FfmpegLog
from asrcli.audio.readers import PcmReader, check_form
from asrcli.audio.stream_pump import StreamPump
from asrcli.audio.types import SAMPLE_RATE, AudioInfo, Samples
from asrcli.distribution import pip_install
from asrcli.errors import AsrcliError, AudioDecodeError, FfmpegMissingError, InputError
from asrcli.options import AudioOptions

#: Demuxers by ffmpeg's names. Others could open further files (hls, dash, concat, sdp, image sequences).
_FORMATS = (
    "aac,ac3,act,aiff,amr,amrnb,amrwb,ape,asf,asf_o,ast,au,avi,caf,dsf,dss,dts,dtshd,eac3,flac,flv,gsm,iff,ircam,"
    "live_flv,loas,matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,mp3,mpc,mpc8,mpeg,mpegts,mxf,nistsphere,nut,ogg,oma,qcp,rm,"
    "shn,sox,tak,truehd,tta,voc,w64,wav,wtv,wv,xwma"
)
#: stands for the input while ffmpeg-python builds the command: it cannot take names that are no Unicode
_PLACE = "INPUT"
#: Bytes that ffmpeg may ask for at once. It fills a gap in one piece: one of ten hours took 3 GB. Silence of 70 minutes
#: fits, and the whole process stays below half a gigabyte.
_MAX_ALLOCATION = 256 << 20
#: seconds that looking at a file's header may take
_PROBE_TIMEOUT = 60
_HEADER_LIMIT = 4096
#: address space of the process: bytes, many times what any honest recording needs
_MEMORY = 4 << 30
#: CPU time of the process: seconds; a day of audio takes some minutes
_CPU_SECONDS = 7200


def find_ffmpeg() -> str:
    """The program: PATH's, else the one that imageio-ffmpeg carries.

    Raises:
        FfmpegMissingError: neither is there.
    """
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


def file_url(path: Path) -> str:
    """The file as ffmpeg takes it literally, whatever its name holds (a leading dash, `%d`, `concat:`, newlines)."""
    return f"file:{path.absolute()}"


def decode_command(program: str, url: str, options: AudioOptions, seek: float) -> list[str]:
    """The command that turns `url` into 16 kHz floats in a WAV stream, whose header tells the number of channels.

    `aresample=async=1:first_pts=0` puts silence where the track starts late or has gaps (of 50 ms; shorter ones are
    jitter in the container's clock), so that times hold. To mix, ffmpeg goes down to two channels by the layout's
    rules (`rematrix_maxval` keeps that from clipping); the last step is the stream's, which looks at both.
    """
    resample = f"aresample={SAMPLE_RATE}:async=1:min_hard_comp=0.05:first_pts=0:rematrix_maxval=1"
    choice = options.channels
    pick = f"pan=mono|c0=c{choice}," if isinstance(choice, int) else ""
    fold = ",aformat=channel_layouts=mono|stereo" if choice == "mix" else ""
    form: dict[str, object] = {"f": "wav", "acodec": "pcm_f32le", "map_metadata": -1, "bitexact": None}
    form["af"] = pick + resample + fold
    if options.end is not None:
        form["t"] = options.end - seek
    return _command(program, url, _track(options, seek), form)


def probe_command(program: str, url: str, options: AudioOptions) -> list[str]:
    """The command that prints the file's form and decodes next to nothing."""
    return _command(program, url, _track(options, 0), {"f": "null", "t": 0})


def _track(options: AudioOptions, seek: float) -> Any:
    opening: dict[str, object] = {"protocol_whitelist": "file,pipe", "format_whitelist": _FORMATS, "threads": 1}
    if seek:
        opening["ss"] = seek
    source = ffmpeg.input(_PLACE, **opening)
    # Unmapped, ffmpeg takes the track that the container marks as default.
    return source if options.track is None else source[f"a:{options.track}"]


def _command(program: str, url: str, track: Any, form: dict[str, object]) -> list[str]:
    # The recogniser has the other cores; video and subtitles are not even decoded.
    output = ffmpeg.output(track, "pipe:1", vn=None, sn=None, dn=None, threads=1, **form)
    everywhere = ("-hide_banner", "-nostdin", "-nostats", "-loglevel", "level+info", "-filter_threads", "1")
    bounded = ("-max_alloc", str(_MAX_ALLOCATION))
    command = output.global_args(*everywhere, *bounded).compile(cmd=program)
    return [url if part == _PLACE else str(part) for part in command]


def probe_ffmpeg(path: Path, options: AudioOptions) -> AudioInfo:
    """The file's form by ffmpeg.

    Raises:
        FfmpegMissingError: there is no ffmpeg.
        InputError: ffmpeg finds no audio in it.
    """
    command = probe_command(find_ffmpeg(), file_url(path), options)
    log = FfmpegLog()
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_PROBE_TIMEOUT, check=False
        )
    except subprocess.TimeoutExpired:
        raise AudioDecodeError(
            f"ffmpeg found no end to the file's header in {_PROBE_TIMEOUT} s.", "Export the recording again."
        ) from None
    for line in done.stderr.decode("utf-8", "replace").splitlines():
        log.feed(line)
    if done.returncode:
        raise _failure(log, options, done.returncode)
    return _form(log, options)


def _form(log: FfmpegLog, options: AudioOptions) -> AudioInfo:
    """The recording's form, if it is one that can be and has what is asked for."""
    info, channel = log.info(), options.channels
    if info.sample_rate:
        check_form(info.sample_rate, info.channels or 1)
    if isinstance(channel, int) and 0 < info.channels <= channel:
        raise no_channel(info.channels, channel)  # ffmpeg itself would give silence
    return info


def _failure(log: FfmpegLog, options: AudioOptions, status: int) -> AsrcliError:
    if status < 0:
        return AudioDecodeError(
            f"ffmpeg crashed on the file (signal {-status}).", "Update ffmpeg, or convert the file to wav elsewhere."
        )
    if log.tracks and options.track is not None and options.track >= len(log.tracks):
        has = "1 audio track" if len(log.tracks) == 1 else f"{len(log.tracks)} audio tracks"
        return InputError(f"There is no audio track {options.track}: the file has {has}.", "Tracks count from 0.")
    return log.failure()


def confine(pid: int) -> None:
    """Bound what a decoder may take, where the system lets us (Linux): a hostile file must not take the machine."""
    try:
        import resource

        resource.prlimit(pid, resource.RLIMIT_AS, (_MEMORY, _MEMORY))
        resource.prlimit(pid, resource.RLIMIT_CPU, (_CPU_SECONDS, _CPU_SECONDS))
    except (ImportError, AttributeError, OSError, ValueError):
        return  # not Linux, a tighter limit already, or it has ended


class FfmpegReader:
    """ffmpeg at work. Gives 16 kHz blocks whose columns are the lanes asked for, or up to two channels to be mixed."""

    def __init__(
        self,
        url: str,
        options: AudioOptions,
        *,
        seek: float = 0.0,
        feeder: StreamPump | None = None,
        lacking: Callable[[], float] = lambda: 0.0,
    ) -> None:
        """Start ffmpeg and wait for its first samples.

        Args:
            url: from `file_url`, or "pipe:0" with a `feeder`.
            options: track, channels and end.
            seek: seconds that are skipped in the container; 0 for pipes.
            feeder: gives ffmpeg its stdin.
            lacking: asked at the end: the part known to be missing; if any is, the last packet is no news.

        Raises:
            FfmpegMissingError: there is no ffmpeg.
            InputError: nothing can be decoded.
        """
        self._options, self._seek, self._feeder, self._lacking = options, seek, feeder, lacking
        self._process = subprocess.Popen(
            decode_command(find_ffmpeg(), url, options, seek),
            stdin=subprocess.PIPE if feeder else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is ours to handle; ffmpeg would end as if the file did
        )
        confine(self._process.pid)
        assert self._process.stdout is not None
        self._log = FfmpegLog()
        self._described = threading.Event()
        self._listener = threading.Thread(target=self._listen, name="ffmpeg-log", daemon=True)
        self._listener.start()
        if feeder:
            assert self._process.stdin is not None
            feeder.start(self._process.stdin)
        self.rate = SAMPLE_RATE
        self.warnings: list[str] = []
        self._ended, self._empty = False, True
        try:
            self._samples = self._begin(self._process.stdout)
        except AsrcliError:
            self.close()
            raise
        self.channels = self._samples.channels

    @property
    def claimed(self) -> float | None:
        return self._log.claimed

    def skip(self, seconds: float) -> float:
        return self._seek + self._samples.skip(seconds - self._seek)

    def read(self) -> Samples:
        block = self._samples.read()
        if len(block):
            self._empty = False
        elif not self._ended:
            self._ended = True
            self._end()
        return block

    def close(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._listener.join()
        for pipe in (self._process.stdout, self._process.stderr):
            if pipe:
                pipe.close()

    def _begin(self, stdout: IO[bytes]) -> PcmReader:
        head = b""
        while (header := wav_header(head)) is None and len(head) < _HEADER_LIMIT and (more := stdout.read(64)):
            head += more
        self._described.wait()
        self.info = _form(self._log, self._options)
        if header is None:
            self._process.wait()
            self._listener.join()
            if self._process.returncode or not self._log.tracks:
                raise _failure(self._log, self._options, self._process.returncode)
        offset, lanes = (header.offset, header.channels) if header else (0, 1)
        return PcmReader(stdout, head[offset:], "f32le", SAMPLE_RATE, lanes, size=None, name="wav")

    def _end(self) -> None:
        self._process.wait()
        self._listener.join()
        if self._feeder and self._feeder.error:
            self.warnings.append(f"truncated: the input broke off ({self._feeder.error})")
        if self._empty and (self._log.errors or self._process.returncode):
            raise _failure(self._log, self._options, self._process.returncode)
        if self._log.gap is not None:
            self.warnings.append(f"a gap of {self._log.gap:.0f} s was shortened; times after it are too early")
        if self._process.returncode < 0:
            self.warnings.append(f"damaged: ffmpeg crashed at this point (signal {-self._process.returncode})")
        elif not (self._log.cut or self._lacking()) and (self._log.errors or self._process.returncode):
            self.warnings.append(f"damaged: ffmpeg could not decode parts of it ({self._log.reason()})")

    def _listen(self) -> None:
        assert self._process.stderr is not None
        # A bound on a line's length: file names and metadata are the sender's.
        while line := self._process.stderr.readline(4096):
            if self._log.feed(line.decode("utf-8", "replace").rstrip("\r\n")):
                self._described.set()
        self._described.set()
