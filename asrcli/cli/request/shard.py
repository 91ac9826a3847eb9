"""`--shard`: which part of the inputs this run does, also from the environment of a scheduler's task."""

from collections.abc import Mapping

from asrcli.errors import UsageError

#: number of a task in an array job of Slurm, and of a pod in an indexed job of Kubernetes
_SLURM, _KUBERNETES = "SLURM_ARRAY_TASK_ID", "JOB_COMPLETION_INDEX"


def find_shard(text: str | None, environment: Mapping[str, str]) -> tuple[int, int] | None:
    """(number from 0, count) of I/N, auto or auto/N; None without a shard. Raises UsageError: auto where no scheduler
    gives a number, or not the count.
    """
    if text is None:
        return None
    number, _, count = text.partition("/")
    if number != "auto":
        return int(number) - 1, int(count)
    # Whether a scheduler counts from 0 or from 1, the rest of a division gives each task a part of its own.
    index = _task(environment)
    size = int(count) if count else _array_size(environment)
    return index % size, size


def _task(environment: Mapping[str, str]) -> int:
    for name in (_SLURM, _KUBERNETES):
        if environment.get(name):
            return _number(environment, name)
    raise UsageError(
        f"--shard auto: neither {_SLURM} nor {_KUBERNETES} is set.",
        "Run it as a task of a Slurm array or of an indexed job of Kubernetes, or write --shard I/N.",
    )


def _array_size(environment: Mapping[str, str]) -> int:
    """Size of the whole array; one whose numbers have gaps (a part of it submitted again) does not show it."""
    names = ("SLURM_ARRAY_TASK_COUNT", "SLURM_ARRAY_TASK_MIN", "SLURM_ARRAY_TASK_MAX")
    if all(environment.get(name) for name in names):
        count, first, last = (_number(environment, name) for name in names)
        if last - first + 1 == count and first in {0, 1}:
            return count
    raise UsageError(
        "--shard auto: the scheduler does not give the number of shards.", "Write it: --shard auto/N, N shards."
    )


def _number(environment: Mapping[str, str], name: str) -> int:
    text = environment[name]
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise UsageError(f"{name} is '{text}', not a number.", "Write --shard I/N.")
    return int(text)
