"""CPUs and memory of cgroups: in file trees as the kernel writes them, and in a real cgroup where possible."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from asrcli.backends.process import resource_limits as limits
from asrcli.backends.process.resource_limits import ResourceLimits, resource_limits

GB = 1 << 30


@pytest.fixture(autouse=True)
def large_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(64)), raising=False)
    monkeypatch.setattr(os, "sysconf", {"SC_PHYS_PAGES": 64 * GB // 4096, "SC_PAGE_SIZE": 4096}.__getitem__)


@pytest.fixture
def tree(tmp_path: Path) -> Callable[..., ResourceLimits]:
    def write(cgroup: str, mounts: list[tuple[str, str, str]], **files: Any) -> ResourceLimits:
        (tmp_path / "proc/self").mkdir(parents=True)
        (tmp_path / "proc/self/cgroup").write_text(cgroup)
        lines = [
            f"{30 + i} 23 0:{i} {root} {point} rw,relatime - {kind}" for i, (root, point, kind) in enumerate(mounts)
        ]
        (tmp_path / "proc/self/mountinfo").write_text("22 1 8:1 / / rw - ext4 /dev/sda rw\n" + "\n".join(lines) + "\n")
        for name, text in files.items():
            path = tmp_path / "sys/fs/cgroup" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return resource_limits(tmp_path)

    return write


V2 = [("/", "/sys/fs/cgroup", "cgroup2 cgroup2 rw")]
V1 = [
    ("/", "/sys/fs/cgroup/cpu", "cgroup cgroup rw,cpu,cpuacct"),
    ("/", "/sys/fs/cgroup/memory", "cgroup cgroup rw,memory"),
]


def test_without_cgroups_affinity_decides(tmp_path: Path) -> None:
    assert resource_limits(tmp_path) == ResourceLimits(64, None, 64 * GB)
    assert resource_limits(tmp_path).jobs == 64


@pytest.mark.parametrize(("quota", "jobs"), [("200000", 2), ("150000", 2), ("50000", 1), ("1000", 1), ("99000000", 64)])
def test_version_2_in_a_container(tree: Callable[..., ResourceLimits], quota: str, jobs: int) -> None:
    found = tree("0::/\n", V2, **{"cpu.max": f"{quota} 100000\n", "memory.max": "max\n"})
    assert found == ResourceLimits(64, int(quota) / 100000, 64 * GB)
    assert found.jobs == jobs


def test_version_2_the_tightest_of_nested_cgroups_counts(tree: Callable[..., ResourceLimits]) -> None:
    found = tree(
        "0::/a b/unit/leaf\n",
        V2,
        **{
            "a b/cpu.max": "300000 100000",
            "a b/memory.max": str(2 * GB),
            "a b/unit/cpu.max": "max 100000",
            "a b/unit/leaf/cpu.max": "800000 100000",
            "a b/unit/leaf/memory.max": str(4 * GB),
            "other/cpu.max": "100000 100000",
        },
    )
    assert found == ResourceLimits(64, 3.0, 2 * GB)


def test_version_1_nested(tree: Callable[..., ResourceLimits]) -> None:
    found = tree(
        "4:memory:/x/y\n3:cpuacct,cpu:/x/y\n2:pids:/z\n0::/\n",
        V1,
        **{
            "cpu/x/cpu.cfs_quota_us": "400000",
            "cpu/x/cpu.cfs_period_us": "100000",
            "cpu/x/y/cpu.cfs_quota_us": "-1",
            "cpu/x/y/cpu.cfs_period_us": "100000",
            "memory/memory.limit_in_bytes": "9223372036854771712",
            "memory/x/y/memory.limit_in_bytes": str(GB),
        },
    )
    assert found == ResourceLimits(64, 4.0, GB)


def test_version_1_in_a_container_whose_mount_is_its_cgroup(tree: Callable[..., ResourceLimits]) -> None:
    mounts = [("/docker/abc", point, kind) for _, point, kind in V1]
    found = tree(
        "3:cpu,cpuacct:/docker/abc\n4:memory:/docker/abc/inner\n",
        mounts,
        **{
            "cpu/cpu.cfs_quota_us": "200000",
            "cpu/cpu.cfs_period_us": "100000",
            "memory/memory.limit_in_bytes": str(3 * GB),
            "memory/inner/memory.limit_in_bytes": str(2 * GB),
        },
    )
    assert found == ResourceLimits(64, 2.0, 2 * GB)


def test_a_cgroup_outside_the_mount_is_limited_by_what_is_mounted(tree: Callable[..., ResourceLimits]) -> None:
    mounts = [("/docker/abc", "/sys/fs/cgroup", "cgroup2 cgroup2 rw")]
    assert tree("0::/../elsewhere\n", mounts, **{"cpu.max": "100000 100000"}).quota == 1.0


@pytest.mark.parametrize("text", ["", "max", "0 0", "max 100000", "-1 100000", "\xff", "1 2 3"])
def test_what_cannot_be_read_is_no_limit(tree: Callable[..., ResourceLimits], text: str) -> None:
    assert tree("0::/\nnonsense\n", V2, **{"cpu.max": text, "memory.max": text}) == ResourceLimits(64, None, 64 * GB)


@pytest.mark.parametrize(
    ("memory", "jobs"), [(256 << 20, 1), (512 << 20, 1), (GB, 8), (2 * GB, 24), (64 * GB, 64), (None, 64)]
)
def test_memory_bounds_the_threads(memory: int | None, jobs: int) -> None:
    assert ResourceLimits(64, None, memory).jobs == jobs


@pytest.mark.skipif(not os.access("/sys/fs/cgroup/cpu", os.W_OK), reason="needs a writable cgroup of version 1")
def test_a_real_cgroup() -> None:
    top = Path(f"/sys/fs/cgroup/cpu/asrcli-test-{os.getpid()}")
    inner = top / "inner"
    inner.mkdir(parents=True)
    code = (
        f"import os; open({str(inner / 'cgroup.procs')!r}, 'w').write(str(os.getpid()));"
        f"from {limits.__name__} import resource_limits as r; print(r().quota, r().jobs)"
    )
    try:
        (top / "cpu.cfs_quota_us").write_text("70000")
        (top / "cpu.cfs_period_us").write_text("100000")
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.split() == ["0.7", "1"]
    finally:
        inner.rmdir()
        top.rmdir()
