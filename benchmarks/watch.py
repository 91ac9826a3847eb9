"""`asrcli watch` under kills: whether every recording that arrives is transcribed.

    python -m benchmarks watch [--arrivals 200] [--kills 20]

Copies of a clip of two seconds arrive at random intervals, some in two parts, some under a temporary name; the program
is killed (SIGKILL) and started again at random moments. Then it runs until all is done. Counted: recordings without a
result, results without text, results that differ, temporary files that are left, and recordings for which `--on-done`
was not run.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import soundfile

from asrcli.audio.types import SAMPLE_RATE
from benchmarks.corpora import FOLDER, decode, make
from benchmarks.measure import load

#: seconds that the program may take for the rest, after the last arrival
_PATIENCE = 300.0


def arrive(folder: Path, clip: bytes, count: int, chance: random.Random, seconds: float) -> None:
    """Write so many copies of a clip, spread over some seconds."""
    for number in range(count):
        time.sleep(chance.uniform(0, 2 * seconds / count))
        target = folder / f"day{number % 3}" / f"clip {number}.wav"
        target.parent.mkdir(exist_ok=True)
        partial = target.with_suffix(".part") if number % 2 else target
        half = len(clip) // 2 if number % 5 == 0 else len(clip)
        partial.write_bytes(clip[:half])
        if half < len(clip):
            time.sleep(0.2)
            with partial.open("ab") as stream:
                stream.write(clip[half:])
        partial.rename(target)


def watch(folder: Path, log: Path) -> subprocess.Popen[bytes]:
    """Start the program."""
    hook = f"{sys.executable} -c 'import sys; open(sys.argv[1], \"a\").write(sys.argv[2] + chr(10))' {log}"
    command = [sys.executable, "-m", "asrcli", "watch", str(folder), "--settle", "0.6", "-q", "--on-done", hook]
    return subprocess.Popen([*command, "-m", "moonshine-tiny-en", "-f", "txt,srt"])


def main() -> None:
    """Print what was lost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arrivals", type=int, default=200)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=120.0, help="in which they arrive")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    chance = random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as name:
        folder, log, clip = Path(name) / "inbox", Path(name) / "log", Path(name) / "clip.wav"
        folder.mkdir()
        log.touch()
        soundfile.write(clip, decode(make("ten_minutes", FOLDER))[: 2 * SAMPLE_RATE], SAMPLE_RATE)
        pace = random.Random(arguments.seed + 1)
        arrivals = threading.Thread(
            target=arrive, args=(folder, clip.read_bytes(), arguments.arrivals, pace, arguments.seconds)
        )
        arrivals.start()
        for _ in range(arguments.kills):
            process = watch(folder, log)
            time.sleep(chance.uniform(0.5, 1.5) * arguments.seconds / arguments.kills)
            process.kill()
            process.wait()
        process = watch(folder, log)
        arrivals.join()
        deadline = time.monotonic() + _PATIENCE
        while len(set(log.read_text().split("\n"))) <= arguments.arrivals and time.monotonic() < deadline:
            time.sleep(0.5)
        time.sleep(2)
        process.terminate()
        status = process.wait()
        report(folder, log, status)
    print(load())


def report(folder: Path, log: Path, status: int) -> None:
    """Count what is missing."""
    recordings = sorted(folder.rglob("*.wav"))
    texts = Counter(path.read_text() for path in folder.rglob("*.txt"))
    called = Counter(log.read_text().splitlines())
    print(f"recordings: {len(recordings)}; exit status of the last run: {status}")
    for suffix in (".txt", ".srt"):
        print(f"without {suffix}: {sum(not path.with_suffix(suffix).exists() for path in recordings)}")
    print(f"different texts: {len(texts)}, empty: {sum(not text.strip() for text in texts)}")
    print(f"temporary files: {len(list(folder.rglob('.asrcli-*.tmp')))}")
    print(f"--on-done not run: {sum(str(path) not in called for path in recordings)}")
    print(f"--on-done run more than once: {sum(count > 1 for count in called.values())}")


if __name__ == "__main__":
    main()
