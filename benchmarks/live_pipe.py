"""Text from a pipe while it is spoken: how late it is, and whether it has the words of the file.

    python -m benchmarks live_pipe [--seconds 120] [--pause 1.0]

The ten-minute corpus is written to `asrcli transcribe -` in real time, in blocks of 100 ms, and the lines of its JSONL
are timed as they arrive. Latencies are from the end of a segment's last word; those of segments that a pause of at
least `--pause` seconds follows are reported apart: the others have to wait for the end of their chunk.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import threading
import time
from itertools import pairwise
from pathlib import Path
from typing import IO, Any

import numpy as np

from asrcli.audio.types import SAMPLE_RATE, Samples
from benchmarks.corpora import FOLDER, decode, make
from benchmarks.measure import load
from benchmarks.wer import word_errors

_BLOCK = SAMPLE_RATE // 10
_COMMAND = (sys.executable, "-m", "asrcli", "transcribe", "-", "--raw", "s16le", "--format", "jsonl", "--quiet")
#: seconds of silence before the speech: the model loads meanwhile
_LEAD = 5.0


def speak(pipe: IO[bytes], samples: Samples) -> None:
    """Write (n,) samples as they would be recorded."""
    started = time.monotonic()
    for start in range(0, len(samples), _BLOCK):
        block = samples[start : start + _BLOCK]
        time.sleep(max(0.0, started + (start + len(block)) / SAMPLE_RATE - time.monotonic()))
        pipe.write((np.clip(block, -1, 1) * 32767).astype("<i2").tobytes())
        pipe.flush()
    pipe.close()


def transcribe(samples: Samples, *, live: bool) -> list[dict[str, Any]]:
    """The segments that the program writes, each with the time of its arrival in `at`, seconds of the stream."""
    with subprocess.Popen(_COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        started = time.monotonic()
        if live:
            threading.Thread(target=speak, args=(process.stdin, samples), daemon=True).start()
        else:
            data = (np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()
            threading.Thread(target=lambda pipe: (pipe.write(data), pipe.close()), args=(process.stdin,)).start()
        segments = []
        for line in process.stdout:
            row = json.loads(line)
            if "text" in row and "end" in row:
                segments.append({**row, "at": time.monotonic() - started})
    return segments


def main() -> None:
    """Print latencies and word errors."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=120.0, help="of the corpus")
    parser.add_argument("--pause", type=float, default=1.0, help="seconds behind a segment that is reported apart")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="of the corpora")
    arguments = parser.parse_args()
    speech = decode(make("ten_minutes", arguments.folder))[: round(arguments.seconds * SAMPLE_RATE)]
    samples = np.concatenate([np.zeros(round(_LEAD * SAMPLE_RATE), np.float32), speech])
    print(f"{arguments.seconds:g} s of speech; {load()} at the start")
    spoken, file = transcribe(samples, live=True), transcribe(samples, live=False)
    late = [segment["at"] - segment["end"] for segment in spoken]
    paused = [one["at"] - one["end"] for one, two in pairwise(spoken) if two["start"] - one["end"] >= arguments.pause]
    for name, values in (("all segments", late), (f"before a pause of {arguments.pause:g} s", paused)):
        if values:
            print(f"{name}: {len(values)}, median {np.median(values):.2f} s, p95 {np.percentile(values, 95):.2f} s")
    texts = [" ".join(segment["text"] for segment in segments) for segments in (file, spoken)]
    errors = word_errors({"": texts[0]}, {"": texts[1]})
    print(f"words that differ from those of the file: {errors.count} of {errors.words} ({errors.rate:.2f} %)")
    print(f"{load()} at the end")


if __name__ == "__main__":
    main()
