"""What a user waits for before anything happens.

python -m benchmarks startup [--rounds 7]

--help          `asrcli --help`, and of it the bare interpreter
one second      `asrcli transcribe` of a clip of 1 s, result on stdout, whole process
first words     of a 3-hour file: from the start of the program to the first segment in `--log-json`
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.corpora import FOLDER, make
from benchmarks.measure import alternate, load, median, run

_ASRCLI = [sys.executable, "-m", "asrcli"]


def first_words(path: Path) -> float:
    """Seconds until the first segment is reported."""
    with tempfile.TemporaryDirectory() as out:
        command = [*_ASRCLI, "transcribe", str(path), "-d", out, "--log-json"]
        started = time.perf_counter()
        with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
            assert process.stderr
            seconds = next((time.perf_counter() - started for line in process.stderr if b"segment" in line), 0.0)
            process.terminate()
            process.stderr.read()
    if not seconds:
        raise SystemExit(f"no segment came of {path}")
    return seconds


def main() -> None:
    """Print the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--folder", type=Path, default=FOLDER, help="of the corpora")
    arguments = parser.parse_args()
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # with it, every start compiles every module
    clip = make("one_second", arguments.folder)
    long = make("three_hours", arguments.folder)
    print(load())
    runs = alternate(
        {
            "python -c pass": lambda: run([sys.executable, "-c", "pass"]),
            "asrcli --help": lambda: run([*_ASRCLI, "--help"]),
            "one second": lambda: run([*_ASRCLI, "transcribe", str(clip), "-o", "-", "--quiet"]),
        },
        arguments.rounds,
    )
    for name, all_of_it in runs.items():
        wall, cpu = median([each.wall for each in all_of_it]), median([each.cpu for each in all_of_it])
        print(
            f"{name:16} {wall:6.2f} s, of it {cpu:5.2f} s of CPU; least {min(each.wall for each in all_of_it):5.2f} s"
        )
    waits = [first_words(long) for _ in range(arguments.rounds)]
    print(f"{'first words':16} {median(waits):6.2f} s; least {min(waits):5.2f} s")


if __name__ == "__main__":
    main()
