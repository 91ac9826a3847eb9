"""Makes the recordings that are measured, out of short English clips with known words.

    python -m benchmarks corpora [--folder build/benchmarks] [NAME ...]

The clips are those of ../shared/data/speech (or ASRCLI_SHARED) and of the moonshine-voice wheel. They are joined in
random order with gaps of room noise and gains of their own, so no two stretches are the same; the seed is fixed. Beside
each recording of whole clips is a `.ref` with its words.

    ten_minutes    one file of 10 minutes
    three_hours    one file of 3 hours
    sixty          60 files of 10 s
    two_seconds    3,000 files of 2 s, cut anywhere
    containers     the same two minutes as wav, flac, ogg, mp3, m4a, mp4, mkv, webm and wma
    one_second     one clip of 1 s
"""

from __future__ import annotations

import argparse
import csv
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path

import numpy as np
import soundfile

from asrcli.audio import open_audio
from asrcli.audio.types import SAMPLE_RATE, Samples, Source
from asrcli.models import builtin
from asrcli.options import AudioOptions

_CHECKOUT = Path(__file__).parents[1]
FOLDER = _CHECKOUT / "build" / "benchmarks"
#: room noise in the gaps: RMS of full scale
_ROOM = 10 ** (-65 / 20)
#: clips that are tried for one short file
_TRIES = 25
_GAPS = (0.2, 0.5, 1.0, 2.0)
_CONTAINERS = ("wav", "flac", "ogg", "mp3", "m4a", "mp4", "mkv", "webm", "wma")


@dataclass(frozen=True)
class Clip:
    """A recording with its words."""

    name: str
    samples: Samples
    words: str


def shared() -> Path:
    """The folder of recordings that is not part of the project."""
    return Path(os.environ.get("ASRCLI_SHARED", _CHECKOUT.parent / "shared"))


def decode(path: Path) -> Samples:
    """A whole file, (samples,) at 16 kHz."""
    with open_audio(Source(path.name, path), AudioOptions()) as stream:
        return np.concatenate([block[:, 0] for block in stream.blocks()])


@lru_cache(maxsize=1)
def clips() -> tuple[Clip, ...]:
    """The English clips with references."""
    folder = shared() / "data" / "speech"
    if not (folder / "refs.tsv").is_file():
        raise SystemExit(f"{folder} is missing: name the folder above it in ASRCLI_SHARED")
    with (folder / "refs.tsv").open(encoding="utf-8") as table:
        rows = list(csv.DictReader(table, delimiter="\t", quoting=csv.QUOTE_NONE))
    return tuple(
        Clip(row["file"], decode(folder / row["file"]), row["text"]) for row in rows if row["language"] == "en"
    )


def joined(seed: int, longest: float = 60.0) -> Iterator[tuple[Samples, str]]:
    """Clips without end, each with its gap behind it: round after round, every round in an order of its own."""
    rng = np.random.default_rng(seed)
    pool = [clip for clip in clips() if len(clip.samples) <= longest * SAMPLE_RATE]
    while True:
        for index in rng.permutation(len(pool)):
            gain = np.float32(10 ** (rng.uniform(-6, 2) / 20))
            gap = room(rng, int(SAMPLE_RATE * rng.choice(_GAPS)))
            yield np.concatenate([np.clip(pool[index].samples * gain, -1, 1), gap]), pool[index].words


def room(rng: np.random.Generator, length: int) -> Samples:
    """Silence as microphones hear it, (length,)."""
    return rng.normal(0, _ROOM, length).astype(np.float32)


def long_file(path: Path, seconds: float, seed: int) -> None:
    """One file of at least `seconds`, whole clips, and its words."""
    words = []
    with soundfile.SoundFile(path, "w", SAMPLE_RATE, 1, "PCM_16") as file:
        for samples, text in joined(seed):
            file.write(samples)
            words.append(text)
            if file.tell() >= seconds * SAMPLE_RATE:
                break
    path.with_suffix(".ref").write_text("\n".join(words) + "\n", encoding="utf-8")


def even_files(folder: Path, count: int, seconds: float, seed: int) -> None:
    """Files of exactly `seconds`: whole clips and room noise up to the end."""
    rng = np.random.default_rng(seed)
    source = joined(seed, longest=seconds)
    length = round(seconds * SAMPLE_RATE)
    for number in range(count):
        held, words, total = [], [], 0
        for samples, text in islice(source, _TRIES):  # what does not fit is passed over: full files, not silence
            if total + len(samples) <= length:
                held.append(samples)
                words.append(text)
                total += len(samples)
        held.append(room(rng, length - total))
        path = folder / f"{number:04}.wav"
        soundfile.write(path, np.concatenate(held), SAMPLE_RATE, subtype="PCM_16")
        path.with_suffix(".ref").write_text("\n".join(words) + "\n", encoding="utf-8")


def cut_files(folder: Path, count: int, seconds: float, seed: int) -> None:
    """Files cut from joined clips wherever it falls."""
    source = joined(seed)
    length = round(seconds * SAMPLE_RATE)
    rest = np.empty(0, np.float32)
    for number in range(count):
        while len(rest) < length:
            rest = np.concatenate([rest, next(source)[0]])
        soundfile.write(folder / f"{number:04}.wav", rest[:length], SAMPLE_RATE, subtype="PCM_16")
        rest = rest[length:]


def containers(folder: Path) -> None:
    """The same recording in many containers."""
    import ffmpeg

    from asrcli.audio.ffmpeg.process import find_ffmpeg

    source = folder / "talk.wav"
    long_file(source, 120, seed=5)
    for suffix in _CONTAINERS[1:]:
        target = ffmpeg.input(str(source)).output(str(folder / f"talk_{suffix}.{suffix}"))
        target.run(cmd=str(find_ffmpeg()), overwrite_output=True, quiet=True)


def make(name: str, folder: Path = FOLDER) -> Path:
    """The file or folder of a corpus, made unless it is there already."""
    single = name in {"ten_minutes", "three_hours", "one_second"}
    target = folder / (f"{name}.wav" if single else name)
    done = folder / f"{name}.done"
    if done.exists():
        return target
    folder.mkdir(parents=True, exist_ok=True)
    if not single:
        target.mkdir(exist_ok=True)
    match name:
        case "ten_minutes":
            long_file(target, 600, seed=1)
        case "three_hours":
            long_file(target, 3 * 3600, seed=2)
        case "sixty":
            even_files(target, 60, 10.0, seed=3)
        case "two_seconds":
            cut_files(target, 3000, 2.0, seed=4)
        case "containers":
            containers(target)
        case "one_second":
            samples = next(clip.samples for clip in clips() if "snt6" in clip.name)
            soundfile.write(target, samples[:SAMPLE_RATE], SAMPLE_RATE, subtype="PCM_16")
    done.touch()
    return target


NAMES = ("ten_minutes", "three_hours", "sixty", "two_seconds", "containers", "one_second")


def speech_files(path: Path) -> list[Path]:
    """The recordings of a corpus, in order."""
    if path.is_file():
        return [path]
    return sorted(file for file in path.iterdir() if file.suffix[1:] in _CONTAINERS)


def references(path: Path) -> dict[str, str]:
    """Recording's stem -> its words."""
    return {file.stem: file.with_suffix(".ref").read_text(encoding="utf-8") for file in speech_files(path)}


def main() -> None:
    """Make the corpora that are not there."""
    assert builtin.assets(), "install the extra builtin"
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="those to make; without any, all")
    parser.add_argument("--folder", type=Path, default=FOLDER)
    arguments = parser.parse_args()
    for name in arguments.names or NAMES:
        print(make(name, arguments.folder))
