"""Which jobs a decoding thread takes together."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest

from asrcli.backends.process.batches import JobQueue, PendingJob, split_batches


def taken(jobs: list[tuple[Any, ...]], *, threads: int = 2, batch_size: int = 4, **more: Any) -> list[int]:
    """Lengths of the first batch of a queue; jobs are (length, request, priority[, order])."""
    queue = JobQueue(threads)
    queue.open("model", SimpleNamespace(batch_size=batch_size, **more))
    for number, (length, *rest) in enumerate(jobs):
        queue.put(PendingJob(number, "model", 0, length, *rest))
    return [job.length for job in queue.take()[1]]


@pytest.mark.parametrize(
    ("waiting", "threads", "batch_size", "size"),
    [(1, 2, 8, 1), (2, 2, 8, 1), (5, 2, 8, 3), (17, 2, 8, 8), (40, 2, 8, 8), (4, 1, 8, 4), (9, 4, 1, 1)],
)
def test_a_batch_is_a_fair_share_of_what_waits(waiting: int, threads: int, batch_size: int, size: int) -> None:
    jobs = [(100, None, 0)] * waiting
    assert len(taken(jobs, threads=threads, batch_size=batch_size)) == size


@pytest.mark.parametrize(
    ("waiting", "threads", "batch_size", "size"),
    [(16, 2, 8, 4), (12, 2, 6, 3), (6, 1, 6, 3), (5, 1, 5, 3), (2, 1, 2, 1)],
)
def test_half_batches_of_several_files_unless_the_threads_cannot_take_all_at_once(
    waiting: Any, threads: Any, batch_size: Any, size: Any
) -> None:
    files = [(100, None, 0, number) for number in range(threads * batch_size + 1)]
    assert len(taken(files[:waiting], threads=threads, batch_size=batch_size)) == size
    assert len(taken(files, threads=threads, batch_size=batch_size)) == batch_size


def test_whole_batches_of_one_file() -> None:
    assert len(taken([(100, None, 0, 7)] * 12, batch_size=6)) == 6
    assert len(taken([(100, None, 0, 7)] * 11 + [(100, None, 0, 8)], batch_size=6)) == 3


def test_what_is_half_a_batch_is_not_divided_while_the_other_threads_are_at_work() -> None:
    queue = JobQueue(2)
    queue.open("model", SimpleNamespace(batch_size=6))
    for number in range(12):
        queue.put(PendingJob(number, "model", 0, 100, None, 0, 0))

    def sizes(count: int) -> list[int]:
        return [len(queue.take()[1]) for _ in range(count)]

    with ThreadPoolExecutor(1) as other:
        assert other.submit(sizes, 1).result(10) == [6]
        assert sizes(2) == [3, 3]
    queue = JobQueue(2)
    queue.open("model", SimpleNamespace(batch_size=6))
    for number in range(3):
        queue.put(PendingJob(number, "model", 0, 100, None, 0, 0))
    assert sizes(2) == [2, 1], "the other thread is free"


def test_chunks_of_the_first_file_go_before_those_of_the_second() -> None:
    jobs = [(50, None, 0, 2), (51, None, 0, 1), (52, None, 0, 2), (53, None, 0, 1), (7, None, -1, 9), (54, None, 0, 1)]
    assert taken(jobs) == [7]
    assert taken(jobs[:4]) == [51, 50], "those nearest in length, where the engine pads"
    assert taken(jobs[:4], size_class=lambda samples: 0) == [51, 53]


def test_the_oldest_is_joined_by_those_nearest_in_length() -> None:
    jobs = [(length, None, 0) for length in (50, 90, 49, 10, 52, 51, 47, 80, 99)]
    assert taken(jobs) == [50, 49, 51, 52]


def test_an_urgent_job_goes_first_and_waits_for_none_that_is_not() -> None:
    jobs = [(50, None, 0), (50, None, 0), (50, None, 0), (50, None, 0), (9, None, -1), (7, None, -1), (8, None, -1)]
    assert taken(jobs) == [9, 8]


def test_other_requests_are_not_mixed_in() -> None:
    jobs = [(50, "en", 0), (51, "de", 0), (52, "en", 0), (53, "de", 0), (54, "en", 0)]
    assert taken(jobs) == [50, 52, 54]


def test_jobs_of_another_class_are_not_mixed_in() -> None:
    jobs = [(length, None, 0) for length in (19, 21, 18, 20, 11, 17, 22, 23, 90)]
    assert taken(jobs, size_class=lambda samples: samples // 10) == [19, 18, 11, 17]
    assert taken(jobs) == [19, 18, 20, 21]


def test_a_thread_takes_its_share_of_all_classes_from_one() -> None:
    """Half of what waits is one batch, also where it is all that there is of its class."""
    chunks = [(length, None, 0, 7) for length in (31, 41, 32, 42, 33, 43, 34, 44)]
    queue = JobQueue(2)
    queue.open("model", SimpleNamespace(batch_size=6, size_class=lambda samples: samples // 10))
    for number, chunk in enumerate(chunks):
        queue.put(PendingJob(number, "model", 0, *chunk))
    with ThreadPoolExecutor(1) as other:
        batches = [other.submit(queue.take).result(10)[1], queue.take()[1]]
    assert [[job.length for job in batch] for batch in batches] == [[31, 32, 33, 34], [41, 42]]
    files = [(*chunk[:3], number) for number, chunk in enumerate(chunks)]
    assert len(taken(files, batch_size=6, size_class=lambda samples: samples // 10)) == 3, "of several files"


def test_a_gpu_gets_more_than_thirty_seconds_at_once() -> None:
    lengths = [160_000] * 16
    assert [len(batch) for batch in split_batches(range(16), lengths, bounded=False)] == [16]
    assert max(len(batch) for batch in split_batches(range(16), lengths)) == 3
