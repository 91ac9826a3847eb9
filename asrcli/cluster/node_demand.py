"""Work that waits as demand for nodes: a cluster with an autoscaler starts some, where its limits allow it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

#: nodes that are asked for at once
_MOST_NODES = 100
#: seconds without demand after a node was found: its engine is started meanwhile
_PAUSE = 10.0


class _Placeholder:
    """An actor that asks Ray for the resources of an engine."""

    def placed(self) -> None:
        """Return when Ray has found a node for it."""


class NodeDemand:
    """Placeholders that Ray cannot place as long as every node is busy. They end with the driver, also if it is killed.
    For one thread.
    """

    def __init__(self, ray: Any, *, gpus: bool) -> None:
        self._ray = ray
        self._new = partial(ray.remote(_Placeholder).options, num_gpus=1 if gpus else 0, max_restarts=0)
        #: each with whether it is placed
        self._pending: list[tuple[Any, Callable[[], bool]]] = []
        self._cpus = 0
        self._paused_until = 0.0

    def ask(self, nodes: int, cpus: int) -> None:
        """Ask for so many nodes with so many CPUs, and for no others."""
        if cpus != self._cpus:
            self.close()
            self._cpus = cpus
        if placed := [actor for actor, is_placed in self._pending if is_placed()]:
            self._pending = [one for one in self._pending if one[0] not in placed]
            self._end(placed)
            self._paused_until = time.monotonic() + _PAUSE
        wanted = min(nodes, _MOST_NODES)
        self._end([actor for actor, _ in self._pending[wanted:]])
        del self._pending[wanted:]
        while len(self._pending) < wanted and time.monotonic() >= self._paused_until:
            actor = self._new(num_cpus=cpus).remote()
            self._pending.append((actor, actor.placed.remote().future().done))

    def close(self) -> None:
        """Ask for nothing."""
        self._end([actor for actor, _ in self._pending])
        self._pending.clear()

    def _end(self, actors: Sequence[Any]) -> None:
        for actor in actors:
            with contextlib.suppress(Exception):  # the connection may be lost
                self._ray.kill(actor)
