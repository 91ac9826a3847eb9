"""Which jobs are done together: the queue of the engine process, and batches for one call of an engine."""

import math
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from asrcli.audio.types import SAMPLE_RATE, Samples
from asrcli.backends.types import DecodeJob, Hypothesis, Service
from asrcli.errors import AsrcliError, EngineError, EngineMemoryError, machine_error
from asrcli.options import RecognitionOptions

#: a batch is cut where padding would make it this much longer than what is in it, or longer than this, samples (not on
#: GPUs, which gain from more)
_PADDING = 1.25
_LONGEST = 30 * SAMPLE_RATE

#: how CUDA's libraries report it; `machine_error` finds the host's reports
_DEVICE_IS_FULL = re.compile("out of memory|_ALLOC_FAILED", re.IGNORECASE)

_SMALLER = "There is not enough memory: use fewer --jobs, a shorter --max-chunk, or --device cpu."

_Result = TypeVar("_Result")


@dataclass(slots=True)
class PendingJob:
    """A job of the queue; positions and lengths in samples of the shared buffer."""

    id: int
    service: str
    start: int
    length: int
    request: Any
    priority: int
    order: int = 0
    #: whether what is recognised so far is wanted
    growing: bool = False


class JobQueue:
    """Pending jobs, and the rule by which a thread takes its next batch."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._changed = threading.Condition()
        self._jobs: list[PendingJob] = []
        self._services: dict[str, Service] = {}
        #: the threads that decode a batch
        self._at_work: set[int] = set()

    def put(self, job: PendingJob) -> None:
        with self._changed:
            self._jobs.append(job)
            self._changed.notify()

    def drop(self, job_id: int) -> bool:
        """Remove a job that no thread has started; False where it is too late."""
        with self._changed:
            before = len(self._jobs)
            self._jobs = [job for job in self._jobs if job.id != job_id]
            return len(self._jobs) < before

    def open(self, name: str, service: Service) -> None:
        with self._changed:
            self._services[name] = service
            self._changed.notify_all()

    def close(self, name: str) -> Service | None:
        """Hand over no more jobs of a service, which is returned; None: there is none of this name."""
        with self._changed:
            return self._services.pop(name, None)

    def take(self) -> tuple[Service, list[PendingJob]]:
        """Wait for the most urgent job whose service is loaded, and add similar jobs where the engine batches.

        A batch costs what its longest job costs, so those nearest in length are added. They have the priority of the
        first, so that a live stream never waits for chunks of a file.
        """
        with self._changed:
            self._at_work.discard(threading.get_ident())
            while True:
                ready = [job for job in self._jobs if job.service in self._services]
                if ready:
                    break
                self._changed.wait()
            first = min(ready, key=_urgency)
            service = self._services[first.service]
            batch = [first]
            if service.batch_size > 1:
                similar = [
                    job
                    for job in ready
                    if job is not first
                    and (job.service, job.priority) == (first.service, first.priority)
                    and job.request == first.request
                    and _size_class(service, job.length) == _size_class(service, first.length)
                ]
                similar.sort(key=lambda job: (_padding(service, first, job), *_urgency(job)))
                total = sum((job.service, job.priority) == (first.service, first.priority) for job in ready)
                batch += similar[: self._size(service.batch_size, [first, *similar], total) - 1]
            self._at_work.add(threading.get_ident())
            taken = {job.id for job in batch}
            self._jobs = [job for job in self._jobs if job.id not in taken]
            return service, batch

    def _size(self, most: int, similar: Sequence[PendingJob], total: int) -> int:
        """How many of similar jobs a thread takes: its fair share of all of the service, so that no core is idle while
        another decodes a whole batch; but half a batch is not divided while all other threads are at work. Of several
        files, no more than half a batch unless more waits than all threads can take: that costs a tenth more, and a few
        files do not all finish at the same time.
        """
        half, waiting = -(-most // 2), len(similar)
        whole = total > most * self._threads or len({job.order for job in similar}) == 1
        share = -(-total // self._threads)
        if waiting <= half and len(self._at_work) >= self._threads - 1:
            share = waiting
        return min(share, most if whole else half)


#: an answer and the position of its job
Answer = tuple[int, Hypothesis | Exception]


def decode_by_request(
    jobs: Sequence[DecodeJob],
    check: Callable[[RecognitionOptions], None],
    decode: Callable[[list[int], RecognitionOptions], Iterable[Answer]],
) -> list[Hypothesis | Exception]:
    """Decode jobs that ask for the same together: `decode` gets their positions. A request that `check` refuses has its
    error in the place of each of its jobs; a job without an answer has no words.
    """
    results: list[Hypothesis | Exception] = [Hypothesis("")] * len(jobs)
    for group in _group_by_request(jobs):
        request = jobs[group[0]].request
        try:
            check(request)
        except AsrcliError as error:
            answers: Iterable[Answer] = [(index, error) for index in group]
        else:
            answers = decode(group, request)
        for index, answer in answers:
            results[index] = answer
    return results


def _group_by_request(jobs: Sequence[DecodeJob]) -> Iterator[list[int]]:
    groups: list[list[int]] = []
    for index, job in enumerate(jobs):
        for group in groups:
            if jobs[group[0]].request == job.request:
                group.append(index)
                break
        else:
            groups.append([index])
    yield from groups


def split_batches(indices: Sequence[int], lengths: Sequence[int], *, bounded: bool = True) -> Iterator[list[int]]:
    """Cut into batches of chunks about equally long: the engine pads all to the longest. `bounded`: of 30 s at most."""
    longest = _LONGEST if bounded else math.inf
    batch: list[int] = []
    total = 0
    for index in sorted(indices, key=lambda index: lengths[index], reverse=True):
        padded = lengths[batch[0]] * (len(batch) + 1) if batch else 0
        if padded > min(longest, _PADDING * (total + lengths[index])):
            yield batch
            batch, total = [], 0
        batch.append(index)
        total += lengths[index]
    yield batch


def decode_in_halves(
    service: Service,
    chunks: Sequence[Samples],
    decode: Callable[[Sequence[Samples]], Sequence[_Result]],
    engine: str,
    errors: tuple[type[Exception], ...],
) -> list[_Result | Exception]:
    """Decode chunks together; where that raises one of `errors`, in halves, so that only the faulty chunk fails. Out of
    memory also halves the batches of the service from here on.
    """
    try:
        return [*decode(chunks)] if chunks else []
    except errors as error:
        problem = first_line(error)
        full = is_out_of_memory(error)
    # Outside of the handler: what the exception refers to would keep its memory.
    half = len(chunks) // 2
    if full:
        service.batch_size = max(1, min(service.batch_size, half))
    if half:
        return [
            answer
            for part in (chunks[:half], chunks[half:])
            for answer in decode_in_halves(service, part, decode, engine, errors)
        ]
    message = f"{engine} failed at a chunk of {len(chunks[0]) / SAMPLE_RATE:.2f} s: {problem}"
    return [EngineMemoryError(message, _SMALLER) if full else EngineError(message)]


def is_out_of_memory(error: Exception) -> bool:
    """Whether an engine failed because the memory of the machine or of its device is full."""
    return machine_error(error) is not None or _DEVICE_IS_FULL.search(str(error)) is not None


def engine_error(message: str, error: Exception, hint: str = "") -> EngineError:
    """The error of one chunk whose decoding raised `error`."""
    return EngineMemoryError(message, _SMALLER) if is_out_of_memory(error) else EngineError(message, hint)


def padded(samples: Samples, length: int) -> Samples:
    """A copy of samples, (samples,), with silence up to a length, and without NaN and infinity."""
    filled = np.zeros(max(len(samples), length), np.float32)
    filled[: len(samples)] = np.nan_to_num(samples, nan=0.0, posinf=1.0, neginf=-1.0)
    return filled


def first_line(error: Exception) -> str:
    """Name of an engine's exception, and the first line of its text."""
    return ": ".join([type(error).__name__, *str(error).strip().splitlines()[:1]])


def _urgency(job: PendingJob) -> tuple[int, int, int]:
    return job.priority, job.order, job.id


def _padding(service: Service, first: PendingJob, job: PendingJob) -> int:
    """How much two jobs differ in length, as far as a batch of both has to be padded for that."""
    return 0 if hasattr(service, "size_class") else abs(job.length - first.length)


def _size_class(service: Service, samples: int) -> int:
    classify: Callable[[int], int] | None = getattr(service, "size_class", None)
    return classify(samples) if classify else 0
