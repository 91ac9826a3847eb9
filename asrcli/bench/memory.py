"""Memory of processes."""

from __future__ import annotations

import os
from pathlib import Path


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
