"""The pipeline against the bare engine, two jobs against one, and the share that voice activity detection takes.

    python -m benchmarks scaling [--rounds 5] [--seconds 300]

All in processes that have loaded everything before, on the beginning of the 10-minute file:

    bare N      chunks cut beforehand, decoded from memory by N threads on one recogniser, longest first and in the
                largest batches that it takes: the limit. The engine is the program's own for the embedded model, in
                an engine process as the program starts it: the allocator and the garbage collection are set alike.
    asrcli N    the pipeline with N jobs, from the file to the transcript
    2-s files   3,000 files of 2 s (the first `--files` of them) through the batch, against their chunks decoded bare
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import numpy as np

from asrcli.audio.types import SAMPLE_RATE, Samples, Source
from asrcli.backends.moonshine.recognizer import load
from asrcli.backends.process.engine_client import EngineClient
from asrcli.backends.types import DecodeJob, ModelSpec, Recognizer
from asrcli.cli.commands.transcribe import WAITING
from asrcli.models import builtin
from asrcli.models.registry import Registry
from asrcli.options import AudioOptions, RecognitionOptions, TranscribeOptions, VadOptions
from asrcli.runtime import Runtime
from asrcli.storage.allocator import return_audio_blocks
from asrcli.vad import Segmenter
from benchmarks.chunks import cut
from benchmarks.corpora import FOLDER, make, speech_files
from benchmarks.corpora import decode as read
from benchmarks.measure import cpu_of, median
from benchmarks.measure import load as machine_load


class BareEngine:
    """A service whose jobs are many chunks, one after the other; they ask for (lengths of the chunks, threads)."""

    batch_size = 1

    def __init__(self, engine: Recognizer, threads: int) -> None:
        self._engine = engine
        #: kept, as `cpu_of` counts only threads that are alive
        self._pools = {count: ThreadPoolExecutor(count) for count in range(1, threads + 1)}

    def run(self, jobs: Sequence[DecodeJob]) -> list[int]:
        """Decode the chunks of each job as fast as the engine goes; how many there were."""
        return [self._decode(job.samples, *job.request) for job in jobs]

    def _decode(self, samples: Samples, lengths: Sequence[int], threads: int) -> int:
        ends = np.cumsum(lengths)
        chunks = [samples[end - length : end] for end, length in zip(ends, lengths, strict=True)]
        jobs = [DecodeJob(chunk, RecognitionOptions()) for chunk in chunks]
        size = min(self._engine.batch_size, -(-len(jobs) // threads))
        batches = [jobs[at : at + size] for at in range(0, len(jobs), size)]
        list(self._pools[threads].map(self._engine.run, batches))
        return len(chunks)


def load_bare(spec: ModelSpec, threads: int) -> BareEngine:
    """The service, see `EngineClient.load`."""
    return BareEngine(load(spec, threads), threads)


def bare(engine: EngineClient, chunks: list[Samples], threads: int) -> None:
    """Decode chunks, longest first, as fast as the engine goes."""
    chunks = sorted(chunks, key=len, reverse=True)
    engine.submit("bare", np.concatenate(chunks), ([len(chunk) for chunk in chunks], threads)).result()


def batch(runtime: Runtime, files: list[Path]) -> None:
    """Files one after the other, as many at a time as the batch has in hand."""
    with ThreadPoolExecutor((1 + WAITING) * runtime.jobs + 1) as pool:
        list(pool.map(lambda path, order: runtime.transcribe(Source(path.name, path), order=order), files, count()))


@dataclass(frozen=True)
class Spent:
    """Seconds by the clock, and of CPU of this process and those of its engines."""

    wall: float
    cpu: float


def timed(work: Callable[[], object], engines: Sequence[int]) -> Spent:
    """What a piece of work takes; `engines`: their processes."""
    before, started = _cpu(engines), time.perf_counter()
    work()
    return Spent(time.perf_counter() - started, _cpu(engines) - before)


def _cpu(engines: Sequence[int]) -> float:
    return time.process_time() + sum(map(cpu_of, engines))


def vad_cost(samples: Samples, window: float) -> float:
    """Seconds of CPU of the segmenter, in blocks of a second."""
    started = time.thread_time()
    segmenter = Segmenter(VadOptions(), window)
    for at in range(0, len(samples), SAMPLE_RATE):
        segmenter.push(samples[at : at + SAMPLE_RATE])
    segmenter.finish()
    return time.thread_time() - started


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--files", type=int, default=300)
    parser.add_argument("--folder", type=Path, default=FOLDER, help="of the corpora")
    parser.add_argument("--model", default=builtin.default(), choices=builtin.RECOGNIZERS, help="an embedded one")
    arguments = parser.parse_args()
    path = make("ten_minutes", arguments.folder)
    source = Source(path.name, path)
    options = TranscribeOptions(audio=AudioOptions(end=arguments.seconds))
    samples = read(path)[: round(arguments.seconds * SAMPLE_RATE)]
    small = speech_files(make("two_seconds", arguments.folder))[: arguments.files]
    spec = Registry(Path(tempfile.gettempdir()) / "asrcli-benchmarks").resolve(arguments.model)
    return_audio_blocks()  # as the program does in the process that reads
    with EngineClient(2) as engine, Runtime(spec, jobs=1) as one, Runtime(spec, jobs=2) as two:
        engine.load("bare", "benchmarks.scaling:load_bare", spec).result()
        window = two.recognizer.window
        chunks = cut(samples, window)
        pieces = [piece for file in small for piece in cut(read(file), window)]
        work: dict[str, Callable[[], object]] = {
            "bare 1": lambda: bare(engine, chunks, 1),
            "bare 2": lambda: bare(engine, chunks, 2),
            "asrcli 1": lambda: one.transcribe(source, options),
            "asrcli 2": lambda: two.transcribe(source, options),
            "2-s files, bare": lambda: bare(engine, pieces, 2),
            "2-s files, asrcli": lambda: batch(two, small),
        }
        engines = [engine.process_id, *(each.loaded.engine.process_id for each in (one, two))]
        spent: dict[str, list[Spent]] = {name: [] for name in work}
        one.transcribe(source, TranscribeOptions(audio=AudioOptions(end=20)))
        two.transcribe(source, TranscribeOptions(audio=AudioOptions(end=20)))
        print(machine_load())
        vad, decoding = [], []
        for _ in range(arguments.rounds):
            for name, each in work.items():
                spent[name].append(timed(each, engines))
            vad.append(vad_cost(samples, window))
            decoding.append(timed(lambda: bare(engine, chunks, 1), engines).cpu)
    for name, seconds in spent.items():
        wall, cpu = (median([getattr(each, what) for each in seconds]) for what in ("wall", "cpu"))
        print(f"{name:18} {wall:7.2f} s, CPU {cpu:7.2f} s")

    def times(left: str, right: str, what: str = "wall") -> float:
        pairs = zip(spent[left], spent[right], strict=True)
        return median([getattr(a, what) / getattr(b, what) for a, b in pairs])

    by_cpu = times("bare 2", "asrcli 2", "cpu")
    print(f"throughput of 2 jobs against the bare engine: {times('bare 2', 'asrcli 2'):.2f} (by CPU: {by_cpu:.2f})")
    print(f"2 jobs against 1: {times('asrcli 1', 'asrcli 2'):.2f} (bare: {times('bare 1', 'bare 2'):.2f})")
    share = median([a / (a + b) for a, b in zip(vad, decoding, strict=True)])
    print(f"VAD's share of the CPU of VAD and decoding: {100 * share:.1f} %")
    over, by_cpu = (times("2-s files, asrcli", "2-s files, bare", what) - 1 for what in ("wall", "cpu"))
    print(f"2-s files, overhead over the bare engine: {100 * over:.0f} % (by CPU: {100 * by_cpu:.0f} %)")


if __name__ == "__main__":
    main()
