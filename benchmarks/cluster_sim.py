"""A simulation of the schedule of a batch on a cluster: makespan and utilisation by the number of engines.

    python -m benchmarks cluster_sim [--workers 2 10 100 1000 10000] [--crashes 1] [--preemptions 2] ...
    python -m benchmarks cluster_sim --check [--files 160]

Discrete events, with the rules of `asrcli.cluster`: the longest file first, to the engine with the fewest files, which
takes as many as `PooledEngine` allows; the files of a lost engine are given to others; idle engines help with long
recordings and repeat late ones. An engine has one decoding thread and does its files one after the other. Lengths are
those of a Pareto distribution of at most 6 hours, speeds of the nodes are lognormal. All is seeded.

`--check` measures two one-core nodes with files of 10 s and of 60 s, derives the rate and the cost of a file from
them, and compares the simulated makespan of files of other lengths with that of a real run. Few files say nothing on a
fast machine: what they cost is lost in the start and the end of the runs.
"""

from __future__ import annotations

import argparse
import random
import tempfile
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from heapq import heappop, heappush
from itertools import count
from pathlib import Path

from asrcli.cluster.files import MOST_THREADS
from asrcli.cluster.pooled_engine import MOST_HELPERS, RACE_AFTER, RACE_FACTOR, PooledEngine
from benchmarks.measure import load

_DAY = 86400.0
_LONGEST = 6 * 3600.0
_LOOK_EVERY = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What is simulated. Rates are seconds of audio a second; `crashes` and `preemptions` are per engine and day."""

    workers: int
    #: of an engine, and of reading a recording, which is done on one
    rate: float = 45.0
    reading: float = 250.0
    #: seconds of an engine, and of the driver, for each file
    file_cost: float = 0.05
    driver_cost: float = 0.004
    #: of the speeds: standard deviation of their logarithm
    spread: float = 0.1
    crashes: float = 0.0
    preemptions: float = 0.0
    #: seconds until there is an engine again
    restart: float = 10.0
    replacement: float = 300.0
    split_after: float = 3600.0


@dataclass(frozen=True, slots=True)
class Simulated:
    """Of a batch: seconds, the share of them in which engines did work that counts, seconds of work that was done
    again, engines lost, and the share in which the driver had work.
    """

    makespan: float
    utilisation: float
    repeated: float
    losses: int
    driver: float


@dataclass(eq=False, slots=True)
class _File:
    length: float
    started: float = 0.0
    holders: list[_Engine] = field(default_factory=list)
    done: bool = False


@dataclass(eq=False, slots=True)
class _Engine:
    pooled: PooledEngine
    speed: float
    files: deque[_File] = field(default_factory=deque)
    #: of the first file: seconds of audio left, as of when, rate; seconds of work in it
    left: float = 0.0
    since: float = 0.0
    rate: float = 0.0
    spent: float = 0.0
    helpers: list[_Engine] = field(default_factory=list)
    helped: _Engine | None = None
    #: changes with the plan of the first file's end
    version: int = 0


class Simulation:
    """One batch of files of these lengths, in seconds of audio."""

    def __init__(self, site: Site, lengths: Iterable[float], seed: int = 1) -> None:
        self._site, self._random = site, random.Random(seed)
        self._waiting = deque(_File(length) for length in sorted(lengths, reverse=True))
        self._open = len(self._waiting)
        self._running: dict[_File, None] = {}
        self._numbers = count()
        self._events: list[tuple[float, int, str, _Engine | None, int]] = []
        self._ranked: list[tuple[int, int, _Engine]] = []
        self._idle: dict[_Engine, None] = {}
        self._long: dict[_Engine, None] = {}
        self._now = self._driver_free = self._driver_busy = 0.0
        self._useful = self._repeated = self._took = self._heard = 0.0
        self._losses = 0
        #: whether the driver has work that it gets to later
        self._gives = False
        for _ in range(site.workers):
            pooled = PooledEngine(("", 0), "", None, 1, ready=True)
            engine = _Engine(pooled, site.rate * self._random.lognormvariate(0.0, site.spread))
            self._free(engine)
            self._plan_loss(engine)

    def run(self) -> Simulated:
        """To the end of the last file."""
        self._plan(_LOOK_EVERY, "look")
        self._give()
        while self._open:
            self._now, _, kind, engine, version = heappop(self._events)
            if engine is None:
                if kind == "look":
                    self._look()
                else:
                    self._gives = False
                self._give()
            elif kind == "done" and version == engine.version:
                self._finish(engine)
            elif kind == "lost":
                self._lose(engine)
            elif kind == "back":
                engine.pooled.ready = True
                self._free(engine)
                self._plan_loss(engine)
                self._give()
        whole = self._now * self._site.workers
        return Simulated(self._now, self._useful / whole, self._repeated, self._losses, self._driver_busy / self._now)

    # -- events ------------------------------------------------------------------------------------------------------

    def _plan(self, after: float, kind: str, engine: _Engine | None = None, version: int = 0) -> None:
        heappush(self._events, (self._now + after, next(self._numbers), kind, engine, version))

    def _plan_loss(self, engine: _Engine) -> None:
        a_day = self._site.crashes + self._site.preemptions
        if a_day:
            self._plan(self._random.expovariate(a_day / _DAY), "lost", engine)

    def _finish(self, engine: _Engine) -> None:
        self._advance(engine)
        file = engine.files[0]
        self._useful += engine.spent
        self._took += self._now - file.started
        self._heard += file.length
        file.done = True
        self._open -= 1
        del self._running[file]
        for holder in list(file.holders):
            self._drop(holder, file)
        self._give()

    def _lose(self, engine: _Engine) -> None:
        if not engine.pooled.ready:
            return
        self._losses += 1
        self._leave(engine)
        for file in list(engine.files):
            self._drop(engine, file)
            if not file.holders:
                del self._running[file]
                self._waiting.appendleft(file)
        engine.pooled.ready = False
        self._idle.pop(engine, None)
        crashed = self._random.random() * (self._site.crashes + self._site.preemptions) < self._site.crashes
        self._plan(self._site.restart if crashed else self._site.replacement, "back", engine)
        self._give()

    def _look(self) -> None:
        """Idle engines help, or repeat late files."""
        self._plan(_LOOK_EVERY, "look")
        if self._waiting or not self._idle:
            return
        self._help()
        usual = self._took / self._heard if self._heard else 0.0
        late = (
            file
            for file in list(self._running)
            if len(file.holders) == 1 and self._now - file.started > max(RACE_AFTER, RACE_FACTOR * usual * file.length)
        )
        for file in late:
            idle = next((one for one in self._idle if one.helped is None), None)
            if idle is None:
                return
            self._assign(idle, file)

    # -- files -------------------------------------------------------------------------------------------------------

    def _give(self) -> None:
        """Give files to engines, as fast as the driver can."""
        while self._waiting and len(self._running) < MOST_THREADS:
            if self._driver_free > self._now:
                if not self._gives:
                    self._gives = True
                    heappush(self._events, (self._driver_free, next(self._numbers), "give", None, 0))
                return
            engine = self._least_busy(self._waiting[0].length)
            if engine is None:
                return
            self._driver_free = self._now + self._site.driver_cost
            self._driver_busy += self._site.driver_cost
            file = self._waiting.popleft()
            file.started = self._now
            self._running[file] = None
            self._assign(engine, file)

    def _least_busy(self, length: float) -> _Engine | None:
        while self._ranked:
            busy, _, engine = heappop(self._ranked)
            if busy == engine.pooled.busy and engine.pooled.takes(length):
                return engine
        return None

    def _assign(self, engine: _Engine, file: _File) -> None:
        self._leave(engine)
        self._idle.pop(engine, None)
        file.holders.append(engine)
        engine.files.append(file)
        engine.pooled.busy += 1
        engine.pooled.load += file.length
        heappush(self._ranked, (engine.pooled.busy, next(self._numbers), engine))
        if len(engine.files) == 1:
            self._start_first(engine)

    def _start_first(self, engine: _Engine) -> None:
        file = engine.files[0]
        engine.left, engine.spent, engine.since = file.length + self._site.file_cost * engine.speed, 0.0, self._now
        if file.length > self._site.split_after:
            self._long[engine] = None
        self._plan_end(engine)

    def _drop(self, engine: _Engine, file: _File) -> None:
        """Take a file from an engine: it is done, or the engine is lost."""
        first = engine.files[0] is file
        if first:
            self._advance(engine)
            for helper in list(engine.helpers):
                self._leave(helper)
            engine.version += 1
            self._long.pop(engine, None)
            if not file.done or engine.left > 1e-6:
                self._repeated += engine.spent
        engine.files.remove(file)
        file.holders.remove(engine)
        engine.pooled.busy -= 1
        engine.pooled.load -= file.length
        if first and engine.files:
            self._start_first(engine)
        self._free(engine)

    def _free(self, engine: _Engine) -> None:
        if engine.pooled.ready:
            heappush(self._ranked, (engine.pooled.busy, next(self._numbers), engine))
            if not engine.files:
                self._idle[engine] = None
                if not self._waiting:
                    self._help()

    # -- the first file of an engine ---------------------------------------------------------------------------------

    def _advance(self, engine: _Engine) -> None:
        passed, engine.since = self._now - engine.since, self._now
        engine.left -= passed * engine.rate
        engine.spent += passed * engine.rate / engine.speed

    def _plan_end(self, engine: _Engine) -> None:
        engine.rate = engine.speed + sum(helper.speed for helper in engine.helpers)
        if engine.helpers:
            engine.rate = min(engine.rate, max(engine.speed, self._site.reading))
        engine.version += 1
        self._plan(max(0.0, engine.left) / engine.rate, "done", engine, engine.version)

    def _help(self) -> None:
        """Idle engines do jobs of those with long recordings."""
        if not self._long:
            return
        for idle in [one for one in self._idle if one.helped is None]:
            owners = [one for one in self._long if len(one.helpers) < MOST_HELPERS and one.rate < self._site.reading]
            if not owners:
                return
            owner = min(owners, key=lambda one: len(one.helpers))
            self._advance(owner)
            owner.helpers.append(idle)
            idle.helped = owner
            self._plan_end(owner)

    def _leave(self, helper: _Engine) -> None:
        owner, helper.helped = helper.helped, None
        if owner is not None:
            self._advance(owner)
            owner.helpers.remove(helper)
            self._plan_end(owner)


# -- the command -----------------------------------------------------------------------------------------------------


def main() -> None:
    """Print a table, or compare with a real run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, nargs="+", default=[2, 10, 100, 1000, 10_000])
    parser.add_argument("--files", type=int, help="for each engine (20); with --check in all (160)")
    parser.add_argument("--median", type=float, default=180.0, help="length in seconds")
    parser.add_argument("--alpha", type=float, default=1.3, help="of the Pareto distribution; lower has longer tails")
    parser.add_argument("--check", action="store_true")
    rules = [each for each in fields(Site) if each.name != "workers"]
    for rule in rules:
        parser.add_argument(f"--{rule.name.replace('_', '-')}", type=float, default=rule.default)
    arguments = parser.parse_args()
    if arguments.check:
        check(arguments.files or 160)
        return
    values = {rule.name: getattr(arguments, rule.name) for rule in rules}
    print("engines    files   audio h longest h makespan h  least h   used repeated   lost driver")
    for workers in arguments.workers:
        lengths = pareto(workers * (arguments.files or 20), arguments.median, arguments.alpha)
        site, hours = Site(workers=workers, **values), sum(lengths) / 3600
        made = Simulation(site, lengths).run()
        least = (hours / site.rate + len(lengths) * site.file_cost / 3600) / workers
        row = f"{workers:7,} {len(lengths):8,} {hours:9,.0f} {max(lengths) / 3600:9.1f} {made.makespan / 3600:10.2f}"
        again = made.repeated / (made.makespan * workers)
        print(row, f"{least:8.2f} {made.utilisation:6.1%} {again:8.2%} {made.losses:6,} {made.driver:6.1%}", flush=True)


def pareto(count: int, median: float, alpha: float, seed: int = 3) -> list[float]:
    """Lengths of files, in seconds."""
    chance = random.Random(seed)
    shortest = median / 2 ** (1 / alpha)
    return [min(shortest * chance.paretovariate(alpha), _LONGEST) for _ in range(count)]


def check(files: int) -> None:
    """Compare the simulation with a run on two one-core nodes."""
    from benchmarks.cluster import run_times, two_nodes
    from benchmarks.corpora import cut_files

    print(load())
    with tempfile.TemporaryDirectory(prefix="asrcli-cluster-") as root, two_nodes() as (address, _):

        def measured(name: str, lengths: Sequence[float]) -> float:
            folder = Path(root, name)
            folder.mkdir()
            for number, length in enumerate(lengths):
                cut_files(folder, 1, length, seed=number)
                (folder / "0000.wav").rename(folder / f"file{number}.wav")
            times = run_times(folder, Path(root, f"{name}-out"), "--cluster", address, "--split-after", "120")
            return times[-1] - times[0]

        short = measured("short", [10.0] * files)
        long = measured("long", [60.0] * (files // 4))
        # Seconds of an engine: 10 / rate + cost, 60 / rate + cost.
        one, six = 2 * short / files, 2 * long / (files // 4)
        rate = 50 / (six - one)
        site = Site(workers=2, rate=rate, file_cost=one - 10 / rate, spread=0.0, split_after=120.0)
        print(f"rate {site.rate:.1f} x real time, {site.file_cost:.3f} s a file")
        lengths = [min(length, 600.0) for length in pareto(files, 20.0, 1.1)]
        real, simulated = measured("mixed", lengths), Simulation(site, lengths).run().makespan
    print(
        f"{files} files, {sum(lengths):.0f} s: {real:.1f} s, simulated {simulated:.1f} s ({simulated / real - 1:+.1%})"
    )


if __name__ == "__main__":
    main()
