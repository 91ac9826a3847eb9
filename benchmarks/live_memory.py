"""Memory of `asrcli transcribe -` while a stream goes on for hours.

    python -m benchmarks live_memory [--hours 24] [--rate 0] [--recording FILE] [-- OPTION ...]

ffmpeg repeats a recording (without --recording, the ten-minute corpus) and writes it to the program's stdin as WAV, as
fast as it is read, or at `--rate` times real time: below 2 the stream counts as live, and its sentences are cut while
they are spoken. OPTIONs of the program follow two dashes: `-- -o FILE --format srt,json`. What it prints is counted.

Looked at is the memory of all its processes without the pages of files. Printed are a line for each `--step` hours of
the stream, with the median and the most of it, and at the end the growth an hour behind the first line: until then the
engine's memory grows to the size of its largest batch.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from asrcli.audio.ffmpeg.process import find_ffmpeg
from asrcli.audio.types import SAMPLE_RATE
from benchmarks.corpora import FOLDER, make
from benchmarks.measure import load, median, memory_of

_BYTES_A_SECOND = 2 * SAMPLE_RATE
_BLOCK = 1 << 16


@dataclass(frozen=True)
class Stream:
    """What is fed to the program."""

    recording: Path
    #: of the stream
    hours: float
    #: times real time; 0: as fast as it is read
    rate: float

    def start(self) -> subprocess.Popen[bytes]:
        """ffmpeg, which repeats the recording."""
        pace = ["-readrate", str(self.rate)] if self.rate else []
        inputs = [*pace, "-stream_loop", "-1", "-i", str(self.recording), "-t", str(self.hours * 3600)]
        form = ["-ar", str(SAMPLE_RATE), "-ac", "1", "-c:a", "pcm_s16le", "-f", "wav", "-"]
        command = [str(find_ffmpeg()), "-v", "error", "-nostdin", *inputs, *form]
        return subprocess.Popen(command, stdout=subprocess.PIPE)


@dataclass
class Seen:
    """The memory at moments of the stream, and the lines that were printed."""

    #: hours of the stream, and MB
    memory: list[tuple[float, float]] = field(default_factory=list)
    lines: int = 0

    def read(self, descriptor: int) -> None:
        """Count the lines of the program's output, to its end."""
        while block := os.read(descriptor, _BLOCK):
            self.lines += block.count(b"\n")

    def growth(self, since: float) -> float | None:
        """MB an hour behind `since` while the stream went on, a line fitted to them; None: too little was seen."""
        end = self.memory[-1][0] if self.memory else 0.0
        late = [(hours, size) for hours, size in self.memory if since <= hours < end]
        if len(late) < 3 or late[-1][0] <= late[0][0]:
            return None
        hours, sizes = np.array(late).T
        return float(np.polyfit(hours, sizes, 1)[0])


def written(pid: int) -> float | None:
    """Hours of sound that ffmpeg has written; None: it has ended."""
    try:
        counts = Path(f"/proc/{pid}/io").read_text(encoding="ascii").split()
    except OSError:
        return None
    return int(counts[counts.index("wchar:") + 1]) / _BYTES_A_SECOND / 3600


def watch(stream: Stream, options: list[str], *, every: float, step: float) -> Seen:
    """Transcribe a stream, and print a line for each `step` hours of it. Raises SystemExit: the program failed."""
    seen, started = Seen(), time.monotonic()
    command = [sys.executable, "-m", "asrcli", "transcribe", "-", "--quiet", *options]
    with (
        stream.start() as ffmpeg,
        subprocess.Popen(command, stdin=ffmpeg.stdout, stdout=subprocess.PIPE) as program,
    ):
        assert ffmpeg.stdout is not None
        assert program.stdout is not None
        ffmpeg.stdout.close()  # so that it gets SIGPIPE when the program has ended
        reader = threading.Thread(target=seen.read, args=(program.stdout.fileno(),))
        reader.start()
        shown = 0.0
        while program.poll() is None:
            time.sleep(every)
            hours = written(ffmpeg.pid) if ffmpeg.poll() is None else None
            hours = stream.hours if hours is None else hours  # the last sound is recognised, the result written
            seen.memory.append((hours, memory_of(program.pid, anonymous=True) / 1e6))
            if hours >= shown + step:
                show(seen, shown, time.monotonic() - started)
                shown = hours
        reader.join()
    if program.returncode:
        raise SystemExit(f"the program ended with {program.returncode}")
    show(seen, shown, time.monotonic() - started)
    return seen


def show(seen: Seen, since: float, seconds: float) -> None:
    """Print the part of the stream behind `since`."""
    sizes = [size for hours, size in seen.memory if hours > since]
    if sizes:
        hours = seen.memory[-1][0]
        print(f"{hours:6.2f} {seconds:8.0f} {median(sizes):8.0f} {max(sizes):8.0f} {seen.lines:8}", flush=True)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=24.0, help="of the stream")
    parser.add_argument("--rate", type=float, default=0.0, help="times real time; 0: as fast as it is read")
    parser.add_argument("--recording", type=Path, help="that is repeated")
    parser.add_argument("--every", type=float, default=5.0, help="seconds between two looks")
    parser.add_argument("--step", type=float, default=1.0, help="hours of a line of the table")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="of the corpora")
    parser.add_argument("options", nargs="*", metavar="OPTION", help="of asrcli transcribe, behind two dashes")
    arguments = parser.parse_args()
    recording = arguments.recording or make("ten_minutes", arguments.folder)
    print(load())
    print(f"{'hours':>6} {'wall s':>8} {'MB':>8} {'most MB':>8} {'lines':>8}", flush=True)
    stream = Stream(recording, arguments.hours, arguments.rate)
    seen = watch(stream, arguments.options, every=arguments.every, step=arguments.step)
    growth = seen.growth(arguments.step)
    print("growth: too little was seen" if growth is None else f"growth: {growth:.1f} MB an hour of the stream")
    print(load())


if __name__ == "__main__":
    main()
