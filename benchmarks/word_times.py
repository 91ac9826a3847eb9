"""How far the word times of the embedded model are from the speech.

    python -m benchmarks.word_times [recording...]

The truth is established from the VAD: the recording is cut at every short pause, each piece is decoded alone, and where
its first word is found again in the transcript, that word begins where the piece does. Pieces are cut finer than any
region the transcript was made with, so the words tested are not only those that stood at a region's start. Without
arguments the recordings in moonshine-voice's wheel are taken.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path

import numpy as np

from asrcli.audio import open_audio
from asrcli.audio.types import SAMPLE_RATE, Samples, Source
from asrcli.models import builtin
from asrcli.models.registry import Registry
from asrcli.options import AudioOptions, CueOptions, RecognitionOptions, VadOptions
from asrcli.runtime import Runtime
from asrcli.script import is_letter
from asrcli.text.subtitles.cues import shape
from asrcli.transcript import Word
from asrcli.vad import Segmenter

#: every pause of two windows divides; little padding, so that onsets are where the VAD saw them
FINE = VadOptions(min_silence=0.06, min_speech=0.2, pad_before=0.1, pad_after=0.06, max_gap=0.06)


@dataclass(frozen=True)
class Onset:
    """A word of the transcript (by number) and when it truly begins."""

    word: int
    start: float


def onsets(runtime: Runtime, samples: Samples, words: Sequence[Word]) -> list[Onset]:
    """The words that begin a stretch of speech, and when."""
    segmenter = Segmenter(FINE, 30.0)
    pieces = segmenter.push(samples) + segmenter.finish()
    silence = np.zeros(SAMPLE_RATE // 4, np.float32)
    spoken: list[tuple[str, int]] = []
    for number, piece in enumerate(pieces):
        padded = np.concatenate([silence, piece.samples, silence])
        text = runtime.recognizer.submit(padded, RecognitionOptions()).result().text
        spoken += [(key, number) for word in text.split() if (key := _key(word))]
    found: dict[int, int] = {}
    certain: set[int] = set()
    written = [_key(word.text) for word in words]
    matcher = SequenceMatcher(None, [key for key, _ in spoken], written, autojunk=False)
    for kind, low, high, to, behind in matcher.get_opcodes():
        # A word misheard in a short piece still is in another's place, one for one.
        if high - low == behind - to:
            for at in range(low, high):
                number = spoken[at][1]
                if at == 0 or spoken[at - 1][1] != number:
                    found[number] = to + at - low
                if kind == "equal":
                    certain.add(number)
    return [
        Onset(word, pieces[number].start / SAMPLE_RATE + FINE.pad_before)
        for number, word in found.items()
        if number in certain
    ]


def _key(word: str) -> str:
    return "".join(filter(is_letter, word)).casefold()


def _report(name: str, errors: Sequence[float]) -> None:
    if not errors:
        print(f"  {name}")
        return
    size = np.abs(errors)
    print(
        f"  {name:34s}  median {np.median(size):.3f} s  90 % {np.percentile(size, 90):.3f} s  "
        f"worst {size.max():.3f} s  bias {np.median(errors):+.3f} s"
    )


def measure(runtime: Runtime, path: Path, pooled: dict[str, list[float]]) -> None:
    """Print the errors of one recording, and add them to those of all."""
    source = Source(path.name, path)
    with open_audio(source, AudioOptions()) as stream:
        samples = np.concatenate([block[:, 0] for block in stream.blocks()])
    transcript = runtime.transcribe(source)
    words = [word for segment in transcript.segments for word in segment.words]
    truth = onsets(runtime, samples, words)
    starts = np.array([word.start for word in words])
    true = {onset.word: onset.start for onset in truth}
    cues = [
        (cue.start, int(np.abs(starts - cue.lines[0].words[0].start).argmin()))
        for cue in shape(transcript, CueOptions())
    ]
    segments = [(segment.start, int(np.searchsorted(starts, segment.start))) for segment in transcript.segments]
    print(f"{path.name}: {transcript.duration:.1f} s, {len(words)} words, {len(truth)} onsets known")
    for name, places in (
        ("words", list(zip(starts, range(len(words)), strict=True))),
        ("segments", segments),
        ("cues", cues),
    ):
        errors = [float(start - true[number]) for start, number in places if number in true]
        _report(f"{name}, {len(errors)} of {len(places)} at an onset", errors)
        pooled.setdefault(name, []).extend(errors)


def main() -> None:
    """Measure each recording."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recordings", type=Path, nargs="*")
    parser.add_argument("--model", default=builtin.NAME)
    arguments = parser.parse_args()
    recordings, name = arguments.recordings, arguments.model
    if not recordings:
        assets = builtin.assets()
        if assets is None:
            parser.error("install the extra builtin, or name recordings")
        recordings = [assets.parent / name for name in ("two_cities.wav", "beckett.wav")]
    with tempfile.TemporaryDirectory() as folder:
        spec = Registry(Path(folder)).resolve(name)
        with Runtime(spec) as runtime:
            pooled: dict[str, list[float]] = {}
            for path in recordings:
                measure(runtime, path, pooled)
            print("all recordings")
            for what, errors in pooled.items():
                _report(f"{what}, {len(errors)} at an onset", errors)


if __name__ == "__main__":
    main()
