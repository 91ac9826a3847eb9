"""A long recording on a Ray cluster of two one-core nodes, which divide it, against one machine: words and speakers.

    python -m benchmarks cluster_split [--hours 2]

A conversation of four voices in random order, with `--diarize`. Prints the wall time of both, and how many words, their
times and their speakers differ. Needs the extra `cluster`, and the shared recordings.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import soundfile

from asrcli.audio.types import SAMPLE_RATE
from asrcli.transcript import Turn
from benchmarks.cluster import two_nodes
from benchmarks.conversations import clips, conversation
from benchmarks.corpora import shared
from benchmarks.measure import load

_VOICES = "d_to_read4.flac"


def main() -> None:
    """Print the times, and what differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=2.0)
    arguments = parser.parse_args()
    print(load())
    with tempfile.TemporaryDirectory(prefix="asrcli-split-") as name:
        folder = Path(name)
        recording = folder / "talk.wav"
        make(recording, 3600 * arguments.hours)
        whole = transcribe(recording, folder / "whole", "--jobs", "2")
        with two_nodes() as (address, _):
            split = transcribe(recording, folder / "split", "--cluster", address, "--split-after", "600")
    print(
        f"{len(whole):,} words, {len(speakers(whole))} speakers; {len(split):,} words, {len(speakers(split))} speakers"
    )
    for what, key in (("words", ("text",)), ("words, times", ("text", "start", "end")), ("speakers", ("speaker",))):
        print(f"{what} that differ: {differences(whole, split, key)}")


def make(path: Path, seconds: float) -> None:
    """A conversation of so many seconds."""
    turns: list[Turn] = []
    voices = clips(shared() / "data" / "conversations" / _VOICES)
    with soundfile.SoundFile(path, "w", SAMPLE_RATE, 1, "PCM_16") as file:
        for block in conversation(voices, seconds, turns, seed=14):
            file.write(block)
    print(f"{path.stat().st_size / SAMPLE_RATE / 7200:.2f} hours, {len(turns)} turns")


def transcribe(recording: Path, out: Path, *options: str) -> list[dict[str, Any]]:
    """The words of a run, whose wall time is printed."""
    command = [sys.executable, "-m", "asrcli", "transcribe", str(recording), "-d", str(out), "--format", "json"]
    started = time.monotonic()
    subprocess.run([*command, "--diarize", "--quiet", *options], check=True, stdin=subprocess.DEVNULL)
    print(f"{out.name}: {time.monotonic() - started:.1f} s", flush=True)
    document = json.loads((out / "talk.json").read_bytes())
    return [word for segment in document["segments"] for word in segment["words"]]


def speakers(words: list[dict[str, Any]]) -> set[str]:
    return {word.get("speaker", "") for word in words}


def differences(one: list[dict[str, Any]], other: list[dict[str, Any]], keys: tuple[str, ...]) -> int:
    """Words of one that are not in the other, or the other way round, with these fields."""
    rows = [[tuple(word.get(key) for key in keys) for word in words] for words in (one, other)]
    if rows[0] == rows[1]:
        return 0
    matcher = SequenceMatcher(a=rows[0], b=rows[1], autojunk=False)
    return sum(max(a - b, d - c) for kind, b, a, c, d in matcher.get_opcodes() if kind != "equal")


if __name__ == "__main__":
    main()
