"""CPUs and memory that this process may use: affinity, cgroup quotas (version 1 and 2), physical memory.

Imports no numpy, so that an engine process can be started first.
"""

import contextlib
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

#: the engine process with a large model, and each of its threads, need about so much memory, bytes
_ENGINE_MEMORY = 512 << 20
_THREAD_MEMORY = 64 << 20
#: cgroup version 1 writes "no limit" as the largest multiple of the page size
_NO_LIMIT = 1 << 60


@dataclass(frozen=True, slots=True)
class ResourceLimits:
    """What the system grants this process."""

    #: CPUs in its affinity mask
    cpus: int
    #: CPU time per wall time of its cgroups; None: unlimited
    quota: float | None = None
    #: bytes of its cgroups, or of the machine; None: unknown
    memory: int | None = None

    @property
    def jobs(self) -> int:
        """Decoding threads: one per usable CPU, as far as memory suffices."""
        jobs = self.cpus if self.quota is None else min(self.cpus, math.ceil(self.quota))
        if self.memory is not None:
            jobs = min(jobs, (self.memory - _ENGINE_MEMORY) // _THREAD_MEMORY)
        return max(1, jobs)


def resource_limits(root: Path = Path("/")) -> ResourceLimits:
    """The limits of this process; /proc and the cgroup file systems are below `root`."""
    try:
        cpus = len(os.sched_getaffinity(0))
    except AttributeError:  # macOS has no affinity
        cpus = os.cpu_count() or 1
    quotas: list[float] = []
    sizes: list[int] = []
    for folder in _cgroups(root):
        quota = _cpu_quota(folder)
        quotas += [quota] if quota is not None else []
        sizes += [size for name in ("memory.max", "memory.limit_in_bytes") if (size := _number(folder / name))]
    with contextlib.suppress(OSError, ValueError):
        sizes.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    sizes = [size for size in sizes if size < _NO_LIMIT]
    return ResourceLimits(cpus, min(quotas, default=None), min(sizes, default=None))


def default_jobs() -> int:
    """Decoding threads where none are asked for."""
    return resource_limits().jobs


def _cgroups(root: Path) -> Iterator[Path]:
    """The folders of this process's cgroups and of all their ancestors: each of them limits it."""
    mounts = list(_mounts(root))
    for line in _lines(root / "proc/self/cgroup"):
        _, controllers, name = [*line.split(":", 2), "", ""][:3]
        for mount_root, mount_point, mounted in mounts:
            if set(filter(None, controllers.split(","))) & mounted if controllers else not mounted:
                folder = root / mount_point.lstrip("/")
                inside = _below(name, mount_root)
                yield folder
                for depth in range(len(inside.parts)):
                    yield folder.joinpath(*inside.parts[: depth + 1])


def _below(name: str, mount_root: str) -> PurePosixPath:
    """A cgroup's path below a mount, whose root may itself be a cgroup (in containers)."""
    path = PurePosixPath(name)
    if path.is_relative_to(mount_root):
        return path.relative_to(mount_root)
    # In a namespace the path may lie outside the mount ("/../other"): only the mount itself is visible.
    return PurePosixPath()


def _mounts(root: Path) -> Iterator[tuple[str, str, set[str]]]:
    """Root, mount point and controllers of the cgroup file systems; version 2 has no controllers of its own."""
    for line in _lines(root / "proc/self/mountinfo"):
        before, _, after = line.partition(" - ")
        fields, kind = before.split(" "), after.split(" ")
        if len(fields) > 4 and len(kind) > 2 and kind[0] in {"cgroup", "cgroup2"}:
            controllers = set(kind[2].split(",")) if kind[0] == "cgroup" else set()
            yield _unescaped(fields[3]), _unescaped(fields[4]), controllers


def _unescaped(field: str) -> str:
    """Mountinfo writes spaces, tabs, newlines and backslashes in octal."""
    for code, char in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        field = field.replace(code, char)
    return field


def _cpu_quota(folder: Path) -> float | None:
    """CPUs that a cgroup may use; None: no limit."""
    both = next(iter(_lines(folder / "cpu.max")), "").split()
    if len(both) == 2 and both[0].isdigit() and both[1].isdigit() and int(both[1]):
        return int(both[0]) / int(both[1])
    quota, period = _number(folder / "cpu.cfs_quota_us"), _number(folder / "cpu.cfs_period_us")
    return quota / period if quota and period else None


def _number(path: Path) -> int | None:
    """A positive whole number; None for "max", "-1", and files that are not there."""
    text = next(iter(_lines(path)), "").strip()
    return int(text) if text.isdigit() and int(text) > 0 else None


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
