"""What threads, lengths of chunks and batches cost, model by model: the measurements behind the defaults.

    python -m benchmarks policies MODEL ... [--seconds 120] [--rounds 3] [--chunks 8 12 20 28] [--batches 1 4 8]

MODEL is what `asrcli --model` takes. Each setting transcribes the same joined clips in a process that has loaded the
model; settings take turns. Printed are CPU and wall time of a second of audio, the word error rate, and whether every
round gave the same text. The default is marked: chunks of the model's window, one thread for each chunk, as many chunks
at a time as there are cores, the backend's own batches. `2 x 1` are two chunks at a time on one thread each, `1 x 2` is
one chunk at a time on two threads (option `num_threads`, of backends that have it).
"""

from __future__ import annotations

import argparse
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from typing import Any

import soundfile

from asrcli.audio.types import Source
from asrcli.backends.types import ModelSpec
from asrcli.errors import AsrcliError
from asrcli.models.registry import Registry
from asrcli.options import AudioOptions, TranscribeOptions, VadOptions
from asrcli.runtime import Runtime
from benchmarks.corpora import long_file
from benchmarks.measure import cpu_of, load, median
from benchmarks.wer import word_errors

_SEED = 9
#: seconds of audio before anything is measured
_WARM = 5.0


@dataclass
class Setting:
    """One way to run a model, and what was measured of it."""

    name: str
    runtime: Runtime
    options: TranscribeOptions
    cpu: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    def measure(self, source: Source) -> None:
        """Transcribe once."""
        before, started = self._cpu(), time.perf_counter()
        self.texts.append(self.runtime.transcribe(source, self.options).text)
        self.wall.append(time.perf_counter() - started)
        self.cpu.append(self._cpu() - before)

    def _cpu(self) -> float:
        return time.process_time() + cpu_of(self.runtime.loaded.engine.process_id)


def settings_of(spec: ModelSpec, source: Source, arguments: argparse.Namespace, stack: ExitStack) -> list[Setting]:
    """The default first, then each other length, division of the cores and size of batches."""
    cores = arguments.cores
    ways: list[tuple[str, int, dict[str, Any]]] = [(f"{cores} x 1", cores, {})]
    ways += [(f"1 x {cores}", 1, {"num_threads": cores}), ("1 x 1", 1, {"num_threads": 1})]
    ways += [(f"{cores} x 1, batches of {size}", cores, {"batch_size": size}) for size in arguments.batches]
    found = []
    for number, (name, jobs, more) in enumerate(ways):
        try:
            runtime = stack.enter_context(Runtime(replace(spec, options={**spec.options, **more}), jobs=jobs))
            runtime.transcribe(source, TranscribeOptions(audio=AudioOptions(end=_WARM)))  # loads the model
        except AsrcliError:  # the backend has no such option
            continue
        lengths = [None, *arguments.chunks] if not number else [None]
        for length in lengths:
            options = TranscribeOptions(vad=VadOptions(max_chunk=length))
            shown = f"{name}, chunks of {length or runtime.recognizer.window:g} s"
            found.append(Setting(shown + ("" if number or length else " (default)"), runtime, options))
    return found


def report(settings: list[Setting], seconds: float, words: str) -> None:
    """Print the table of one model."""
    print(f"  {'':44} {'CPU ms/s':>9} {'wall ms/s':>10} {'WER %':>7}  same text")
    for each in settings:
        errors = word_errors({"recording": words}, {"recording": each.texts[-1]})
        cost, wall = (1000 * median(spent) / seconds for spent in (each.cpu, each.wall))
        same = "yes" if len(set(each.texts)) == 1 else "NO"
        print(f"  {each.name:44} {cost:9.2f} {wall:10.2f} {errors.rate:7.2f}  {same}")


def main() -> None:
    """Measure each model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", metavar="MODEL")
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--chunks", type=float, nargs="*", default=[8, 12, 20, 28], help="lengths, seconds")
    parser.add_argument("--batches", type=int, nargs="*", default=[1, 4, 8])
    parser.add_argument("--cores", type=int, default=2)
    arguments = parser.parse_args()
    registry = Registry(Path(tempfile.gettempdir()) / "asrcli-benchmarks")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "recording.wav"
        long_file(path, arguments.seconds, _SEED)
        seconds = soundfile.info(path).duration
        words, source = path.with_suffix(".ref").read_text(encoding="utf-8"), Source(path.name, path)
        for model in arguments.models:
            spec = registry.resolve(model)
            with ExitStack() as stack:
                settings = settings_of(spec, source, arguments, stack)
                print(f"{spec.name} ({spec.type}), {seconds:.0f} s, {arguments.rounds} rounds; {load()}", flush=True)
                for _, each in product(range(arguments.rounds), settings):
                    each.measure(source)
            report(settings, seconds, words)


if __name__ == "__main__":
    main()
