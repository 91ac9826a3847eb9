"""CPU time of reading recordings, against that of an earlier commit.

    python -m benchmarks reading --against COMMIT [FORM ...] [--seconds 300] [--rounds 7]

Each form is encoded from the same speech. A process for each of the two versions reads every form in each round, in
turn; the figure is the least CPU time of the rounds (user and system, with that of ffmpeg where it decodes).
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile

from asrcli.audio.ffmpeg.process import find_ffmpeg
from asrcli.audio.types import SAMPLE_RATE
from benchmarks.corpora import joined

_CHECKOUT = Path(__file__).parents[1]
#: name -> suffix, Hz, channels, ffmpeg's arguments
FORMS: dict[str, tuple[str, int, int, tuple[str, ...]]] = {
    f"{suffix} {rate} {'stereo' if channels == 2 else 'mono'}": (suffix, rate, channels, arguments)
    for suffix, arguments in {
        "wav": (),
        "flac": (),
        "mp3": ("-c:a", "libmp3lame", "-b:a", "64k"),
        "ogg": ("-c:a", "libvorbis"),
        "opus": ("-c:a", "libopus", "-b:a", "32k"),
        "m4a": ("-c:a", "aac"),
    }.items()
    for rate, channels in ((16000, 1), (16000, 2), (44100, 1), (44100, 2))
    if suffix != "opus" or rate == 16000
}
#: run with the folder of a version and recordings: prints the seconds of each
_READ = """
import json, resource, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from asrcli.audio import open_audio
from asrcli.audio.types import Source
from asrcli.options import AudioOptions

def used():
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime

def read(path):
    with open_audio(Source(path.name, path), AudioOptions()) as stream:
        return sum(len(block) for block in stream.blocks())

found = []
for path in map(Path, sys.argv[2:]):
    read(path)
    times = []
    for _ in range(2):
        start = used()
        read(path)
        times.append(used() - start)
    found.append(min(times))
print(json.dumps(found))
"""


def make(folder: Path, forms: Sequence[str], seconds: float) -> list[Path]:
    """The recordings: speech, in the right channel a little quieter and later."""
    parts, length = [], 0
    for samples, _ in joined(seed=1):
        parts.append(samples)
        length += len(samples)
        if length >= seconds * SAMPLE_RATE:
            break
    speech = np.concatenate(parts)
    source = folder / "speech.wav"
    soundfile.write(source, np.stack([speech, np.roll(speech, 5) * np.float32(0.8)], axis=1), SAMPLE_RATE)
    paths = []
    for form in forms:
        suffix, rate, channels, arguments = FORMS[form]
        path = folder / f"{form.replace(' ', '-')}.{suffix}"
        mono = ("-af", "pan=mono|c0=c0") if channels == 1 else ()
        command = [find_ffmpeg(), "-v", "error", "-i", str(source), *mono, "-ar", str(rate), *arguments, str(path)]
        subprocess.run(command, check=True)
        paths.append(path)
    return paths


def measure(version: Path, paths: Sequence[Path]) -> list[float]:
    """Seconds of CPU that a version takes for each recording."""
    command = [sys.executable, "-c", _READ, str(version), *map(str, paths)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=version)
    return list(json.loads(done.stdout))


def main() -> None:
    """Print the times of each form and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("forms", nargs="*", metavar="FORM", help="those to read; without any, all")
    parser.add_argument("--against", metavar="COMMIT", required=True)
    parser.add_argument("--seconds", type=float, default=300, help="length of each recording")
    parser.add_argument("--rounds", type=int, default=7)
    asked = parser.parse_args()
    forms = asked.forms or list(FORMS)
    with tempfile.TemporaryDirectory(prefix="asrcli-reading-") as made:
        folder = Path(made)
        earlier = folder / "earlier"
        earlier.mkdir()
        archive = subprocess.run(
            ["git", "archive", asked.against, "asrcli"], cwd=_CHECKOUT, check=True, capture_output=True
        ).stdout
        subprocess.run(["tar", "-x", "-C", str(earlier)], input=archive, check=True)
        paths = make(folder, forms, asked.seconds)
        least = {version: [math.inf] * len(paths) for version in (_CHECKOUT, earlier)}
        for number in range(asked.rounds):
            for version in (_CHECKOUT, earlier) if number % 2 else (earlier, _CHECKOUT):
                least[version] = [*map(min, least[version], measure(version, paths))]
    for form, now, before in zip(forms, least[_CHECKOUT], least[earlier], strict=True):
        print(f"{form:18} {1000 * now:7.1f} ms, before {1000 * before:7.1f} ms   {now / before:.2f}", flush=True)


if __name__ == "__main__":
    main()
