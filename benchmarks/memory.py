"""Memory of all processes together (proportional set size), looked at five times a second.

    python -m benchmarks memory             ten minutes, three hours, 3,000 files of 2 s
    python -m benchmarks memory ten_minutes

Printed are the peak, and the medians of four quarters of the run: flat means that the last is no more than the second.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks import contestants as programs
from benchmarks.corpora import FOLDER, make, speech_files
from benchmarks.measure import load, run


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="CORPUS", default=["ten_minutes", "three_hours", "two_seconds"])
    parser.add_argument("--model", help="of asrcli; without it, its default")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="of the corpora")
    arguments = parser.parse_args()
    print(load())
    print(f"{'':14} {'wall s':>8} {'CPU s':>8} {'peak MB':>8}  medians of the quarters, MB")
    for name in arguments.names:
        contestant = programs.asrcli(programs.named(arguments.model), speech_files(make(name, arguments.folder)))
        last = run(contestant.command, watch=0.2)
        print(f"{name:14} {last.wall:8.1f} {last.cpu:8.1f} {last.peak / 1e6:8.0f}  {last.quarters}", flush=True)


if __name__ == "__main__":
    main()
