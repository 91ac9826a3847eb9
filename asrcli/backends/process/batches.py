"""Which of several jobs are worth doing in one call of an engine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from asrcli.audio.types import SAMPLE_RATE
from asrcli.backends.types import DecodeJob

#: a batch is cut where padding would make it this much longer than what is in it, or longer than this, samples
_PADDING = 1.25
_LONGEST = 30 * SAMPLE_RATE


def group_by_request(jobs: Sequence[DecodeJob]) -> Iterator[list[int]]:
    """Positions of jobs that ask for the same."""
    groups: list[list[int]] = []
    for index, job in enumerate(jobs):
        for group in groups:
            if jobs[group[0]].request == job.request:
                group.append(index)
                break
        else:
            groups.append([index])
    yield from groups


def split_batches(indices: Sequence[int], lengths: Sequence[int]) -> Iterator[list[int]]:
    """Cut into batches of chunks about equally long: the engine pads all to the longest."""
    batch: list[int] = []
    total = 0
    for index in sorted(indices, key=lambda index: lengths[index], reverse=True):
        padded = lengths[batch[0]] * (len(batch) + 1) if batch else 0
        if padded > min(_LONGEST, _PADDING * (total + lengths[index])):
            yield batch
            batch, total = [], 0
        batch.append(index)
        total += lengths[index]
    yield batch
