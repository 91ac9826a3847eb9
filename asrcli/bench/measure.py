"""How fast a model is on this machine: the pipeline at work, timed."""

import os
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import soundfile

from asrcli.audio import open_audio
from asrcli.audio.types import SAMPLE_RATE, Source
from asrcli.backends.types import ModelSpec
from asrcli.distribution import pip_install
from asrcli.errors import InputError, MissingExtraError
from asrcli.listener import Listener
from asrcli.models import builtin
from asrcli.options import AudioOptions, TranscribeOptions, VadOptions
from asrcli.runtime import Runtime

#: speeds that differ by less are alike: measurements of one setting do
_ALIKE = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One model with one number of threads."""

    model: str
    #: option `device` of the model
    device: str
    #: option `batch_size`; None: the backend's own
    batch: int | None
    #: decoding threads
    threads: int
    #: longest chunk, seconds; None: the model's window
    max_chunk: float | None
    #: seconds of audio in the recording
    audio: float
    #: seconds from the start of the engine process to the first transcript, less the time of a transcript
    loading: float
    #: seconds for the recording, the median of the rounds
    seconds: float
    #: most memory seen of our process and the engine's, bytes; None where the system does not tell
    memory: int | None
    #: what was recognised
    text: str
    language: str | None
    #: word errors of each word of the reference; None without one
    error_rate: float | None = None

    @property
    def speed(self) -> float:
        """Times real time."""
        return self.audio / self.seconds


class _Meter(Listener):
    """Looks at the memory whenever there is progress."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self.most: int | None = None

    def heard(self, seconds: float) -> None:  # noqa: ARG002 - the listener's signature
        now = resident(*(engine.process_id for engine in self._runtime.loaded.engines))
        if now is not None:
            self.most = max(now, self.most or 0)


def measure(spec: ModelSpec, recording: Source, *, threads: int, rounds: int, max_chunk: float | None = None) -> Result:
    """Transcribe a recording `rounds` times with one model, after a first time that does not count. Raises InputError:
    the recording cannot be read; ModelError: the model cannot be loaded; UsageError: chunks of `max_chunk` seconds are
    too short.
    """
    options = TranscribeOptions(vad=VadOptions(max_chunk=max_chunk))
    began = time.perf_counter()
    with Runtime(spec, jobs=threads) as runtime:
        meter = _Meter(runtime)
        transcript = runtime.transcribe(recording, options)
        first = time.perf_counter() - began
        times = []
        for _ in range(rounds):
            began = time.perf_counter()
            runtime.transcribe(recording, options, listener=meter)
            times.append(time.perf_counter() - began)
    seconds = statistics.median(times)
    return Result(
        model=spec.name,
        device=str(spec.options.get("device", "auto")),
        batch=spec.options.get("batch_size"),
        threads=threads,
        max_chunk=max_chunk,
        audio=transcript.duration,
        loading=max(0.0, first - seconds),
        seconds=seconds,
        memory=meter.most,
        text=transcript.text,
        language=transcript.language,
    )


def recommended(results: Sequence[Result]) -> list[Result]:
    """The best of each model's results, those of the best model first. The fewest word errors count most, then speed;
    of results about as fast as the fastest, the one with the fewest threads and the least memory is taken.
    """
    best = []
    for model in dict.fromkeys((result.model, result.device) for result in results):
        own = [result for result in results if (result.model, result.device) == model]
        right = [result for result in own if _errors(result) == min(map(_errors, own))]
        fastest = max(result.speed for result in right)
        alike = [result for result in right if result.speed >= (1 - _ALIKE) * fastest]
        best.append(min(alike, key=lambda result: (result.threads, result.memory or 0)))
    return sorted(best, key=lambda result: (_errors(result), -result.speed))


def _errors(result: Result) -> float:
    return result.error_rate or 0.0


def thread_counts(cores: int) -> Sequence[int]:
    """The default numbers of threads: one, and one per core."""
    return sorted({1, cores})


@contextmanager
def recording_of(path: Path | None, seconds: float | None) -> Iterator[Source]:
    """A temporary recording of `seconds` that repeats the one at `path`, or English speech from the wheel of
    `moonshine-voice`; None: all of it, once. Raises InputError: `path` cannot be read; MissingExtraError: no path, and
    no wheel.
    """
    path = path or _english()
    options = TranscribeOptions(audio=AudioOptions(end=seconds))
    try:
        with open_audio(Source(path.name, path), options.audio) as stream:
            samples = np.concatenate([block[:, 0] for block in stream.blocks()])
    except InputError as error:
        raise type(error)(f"{path}: {error.message}", error.hint) from error
    with TemporaryDirectory(prefix="asrcli-bench-") as folder_name:
        copy = Path(folder_name) / "recording.wav"
        length = len(samples) if seconds is None else round(seconds * SAMPLE_RATE)
        soundfile.write(copy, np.resize(samples, length), SAMPLE_RATE)
        yield Source(path.name, copy)


def _english() -> Path:
    folder = builtin.assets()
    path = folder.parent / "two_cities.wav" if folder else None
    if path is None or not path.is_file():
        raise MissingExtraError(
            "No recording found to decode.", f"Name one: asrcli bench FILE, or {pip_install('builtin')}."
        )
    return path


def resident(*others: int) -> int | None:
    """Bytes of our process and others together, shared pages counted once (proportional set size).

    None where /proc does not exist.
    """
    total = 0
    for process in (os.getpid(), *others):
        try:
            lines = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="ascii").splitlines()
        except OSError:
            return None
        total += sum(int(line.split()[1]) << 10 for line in lines if line.startswith("Pss:"))
    return total
