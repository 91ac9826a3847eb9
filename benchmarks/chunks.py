"""What the length of chunks costs and what it is worth: decoding time and word errors together.

    python -m benchmarks chunks [--windows 5 8 12 16 20 28] [--minutes 10] [--plot docs/chunks.png]

Each window cuts the same recordings (the clips with references, and joined ones without end) with the default options;
one thread decodes the chunks on one recogniser of the embedded model. The windows take turns, `--rounds` times. This is
where the embedded model's `window` in `asrcli/models/builtin.py` comes from.

Needs matplotlib for `--plot`.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from asrcli.audio.types import SAMPLE_RATE, Samples
from asrcli.backends.sherpa.model_types import TYPES
from asrcli.backends.sherpa.recognizer import as_floats
from asrcli.models import builtin
from asrcli.options import VadOptions
from asrcli.vad import Segmenter
from benchmarks.corpora import clips, joined
from benchmarks.measure import load, median
from benchmarks.wer import Errors, word_errors


@dataclass
class Outcome:
    """Of one window."""

    #: milliseconds of decoding for each second of recording, a round each
    costs: list[float] = field(default_factory=list)
    clips: Errors | None = None
    joined: Errors | None = None


def recognizer() -> Any:
    """The embedded model on one engine thread."""
    import sherpa_onnx

    files = builtin.files(Path(tempfile.gettempdir()) / "asrcli-benchmarks")
    return sherpa_onnx.OfflineRecognizer.from_moonshine_v2(
        encoder=str(files["encoder"]), decoder=str(files["decoder"]), tokens=str(files["tokens"]), num_threads=1
    )


def cut(samples: Samples, window: float) -> list[Samples]:
    """The chunks of a recording."""
    segmenter = Segmenter(VadOptions(), window)
    return [chunk.samples for chunk in [*segmenter.push(samples), *segmenter.finish()]]


def decode(engine: Any, chunks: Sequence[Samples]) -> str:
    """The words of chunks, one by one."""
    words = []
    tail = round(TYPES["moonshine_v2"].tail * SAMPLE_RATE)
    for chunk in chunks:
        stream = engine.create_stream()
        stream.accept_waveform(SAMPLE_RATE, as_floats(chunk, max(SAMPLE_RATE // 2, len(chunk) + tail)))
        engine.decode_stream(stream)
        words.append(stream.result.text)
    return " ".join(words)


def recordings(minutes: float) -> dict[str, tuple[Samples, str]]:
    """Joined recordings of about two minutes each."""
    found = {}
    source = joined(seed=11)
    for number in range(max(1, round(minutes / 2))):
        parts: list[Samples] = []
        words: list[str] = []
        while sum(map(len, parts)) < 120 * SAMPLE_RATE:
            samples, text = next(source)
            parts.append(samples)
            words.append(text)
        found[f"joined {number}"] = (np.concatenate(parts), " ".join(words))
    return found


def measure(windows: Sequence[float], minutes: float, rounds: int) -> dict[float, Outcome]:
    """Cost and errors of each window."""
    engine = recognizer()
    short = {clip.name: (clip.samples, clip.words) for clip in clips()}
    every = short | recordings(minutes)
    seconds = sum(len(samples) for samples, _ in every.values()) / SAMPLE_RATE
    chunks = {window: {name: cut(samples, window) for name, (samples, _) in every.items()} for window in windows}
    found = {window: Outcome() for window in windows}
    for _ in range(rounds):
        heard: dict[float, dict[str, str]] = {window: {} for window in windows}
        spent = dict.fromkeys(windows, 0.0)
        for name in every:  # turns are short, so that what else the machine does hits all alike
            for window in windows:
                started = time.thread_time()
                heard[window][name] = decode(engine, chunks[window][name])
                spent[window] += time.thread_time() - started
        for window in windows:
            found[window].costs.append(1000 * spent[window] / seconds)
    for window, outcome in found.items():
        for kind, names in (("clips", short), ("joined", every.keys() - short.keys())):
            setattr(outcome, kind, word_errors({name: every[name][1] for name in names}, heard[window]))
    return found


def plot(found: dict[float, Outcome], path: Path) -> None:
    """Draw both over the window."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt

    windows = list(found)
    figure, cost = plt.subplots(figsize=(7, 4), layout="constrained")
    cost.plot(windows, [median(found[window].costs) for window in windows], "o-", color="tab:blue")
    cost.set(xlabel="longest chunk, s", ylabel="decoding, ms of CPU for 1 s of audio", ylim=(0, None))
    cost.yaxis.label.set_color("tab:blue")
    errors = cost.twinx()
    for kind, line in (("clips", "s--"), ("joined", "^-")):
        rates = [getattr(found[window], kind).rate for window in windows]
        errors.plot(windows, rates, line, color="tab:red", label=f"WER, {kind}")
    errors.set(ylabel="WER, %", ylim=(0, None))
    errors.yaxis.label.set_color("tab:red")
    errors.legend(loc="lower right")
    figure.savefig(path, dpi=110)


def main() -> None:
    """Print the table; draw it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--windows", type=float, nargs="+", default=[5, 8, 12, 16, 20, 28])
    parser.add_argument("--minutes", type=float, default=10, help="of joined recordings")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--plot", type=Path)
    arguments = parser.parse_args()
    print(f"{load()} at the start")
    found = measure(arguments.windows, arguments.minutes, arguments.rounds)
    least = median(found[arguments.windows[0]].costs)
    print(f"{'window s':>8} {'CPU ms/s':>9} {'ratio':>6} {'WER clips %':>12} {'WER joined %':>13}")
    for window, outcome in found.items():
        assert outcome.clips
        assert outcome.joined
        cost = median(outcome.costs)
        rates = f"{outcome.clips.rate:12.2f} {outcome.joined.rate:13.2f}"
        print(f"{window:8.0f} {cost:9.2f} {cost / least:6.2f} {rates}")
    if arguments.plot:
        plot(found, arguments.plot)


if __name__ == "__main__":
    main()
