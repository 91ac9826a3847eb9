"""How far the words of `asrcli align` are off, also where words of the text are wrong or missing.

    python -m benchmarks alignment [recording...]

The truth is that of `word_times`: words that begin a stretch of speech, found by decoding the stretches alone. The
text is the transcript, in which shares of the words are replaced by others or left out. Without arguments the
recordings in moonshine-voice's wheel are taken.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from asrcli.alignment.matching import match
from asrcli.alignment.placing import align_lines
from asrcli.audio import open_audio
from asrcli.audio.types import Source
from asrcli.models import builtin
from asrcli.models.registry import Registry
from asrcli.options import AudioOptions
from asrcli.runtime import Runtime
from asrcli.transcript import Transcript
from benchmarks.word_times import onsets

_WORDS = ("umbrella", "seventeen", "quickly", "Rotterdam", "of", "believe", "a", "marmalade", "under", "photograph")
#: shares of the words that are replaced and left out
_DAMAGE = ((0.0, 0.0), (0.1, 0.0), (0.0, 0.1), (0.1, 0.1))


def errors_of(transcript: Transcript, true: dict[int, float], wrong: float, missing: float) -> list[float]:
    """Start minus truth, seconds, of the known words that are left in a damaged text."""
    chance = random.Random(1)
    words = [word.text for segment in transcript.segments for word in segment.words]
    text, kept = [], []
    for number, word in enumerate(words):
        drawn = chance.random()
        if drawn >= missing:
            text.append(chance.choice(_WORDS) if drawn < missing + wrong else word)
            kept.append(number)
    aligned = align_lines(transcript, [" ".join(text)])
    found = [word for segment in aligned.segments for word in segment.words]
    return [word.start - true[number] for number, word in zip(kept, found, strict=True) if number in true]


def measure(runtime: Runtime, path: Path) -> None:
    """Print the errors of one recording."""
    source = Source(path.name, path)
    with open_audio(source, AudioOptions()) as stream:
        samples = np.concatenate([block[:, 0] for block in stream.blocks()])
    transcript = runtime.transcribe(source)
    words = [word for segment in transcript.segments for word in segment.words]
    true = {onset.word: onset.start for onset in onsets(runtime, samples, words)}
    print(f"{path.name}: {len(words)} words, {len(true)} onsets known")
    for wrong, missing in _DAMAGE:
        size = np.abs(errors_of(transcript, true, wrong, missing))
        half, most = np.percentile(size, [50, 90])
        damage = f"{wrong:.0%} wrong, {missing:.0%} missing"
        print(f"  {damage:24} median {half:.3f} s  90 % {most:.3f} s  worst {size.max():.3f} s")


def long_text(words: int = 30_000) -> None:
    """Print the time and memory that matching takes for a text of three hours."""
    import tracemalloc

    chance = random.Random(1)
    vocabulary = [f"w{number}" for number in range(4000)]
    given = chance.choices(vocabulary, weights=[1 / (rank + 1) for rank in range(4000)], k=words)
    heard = [word if chance.random() < 0.9 else chance.choice(vocabulary) for word in given if chance.random() < 0.95]
    tracemalloc.start()
    started = time.monotonic()
    pairs: Sequence[tuple[int, int]] = match(given, heard)
    seconds, memory = time.monotonic() - started, tracemalloc.get_traced_memory()[1]
    print(f"{words} words, 15 % errors: {len(pairs) / words:.1%} matched in {seconds:.1f} s, {memory / 1e6:.0f} MB")


def main() -> None:
    """Measure each recording, and a long text."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recordings", type=Path, nargs="*")
    recordings = parser.parse_args().recordings
    assets = builtin.assets()
    if not recordings and assets is not None:
        recordings = [assets.parent / name for name in ("two_cities.wav", "beckett.wav")]
    with tempfile.TemporaryDirectory() as folder, Runtime(Registry(Path(folder)).resolve(builtin.NAME)) as runtime:
        for path in recordings:
            measure(runtime, path)
    long_text()


if __name__ == "__main__":
    main()
