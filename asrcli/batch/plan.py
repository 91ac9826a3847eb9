"""What was asked for, as an ordered list of inputs and the outputs of each. Nothing is decoded or hashed here."""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Condition, Semaphore
from typing import BinaryIO

from asrcli.audio.types import Source
from asrcli.batch import JOURNAL_NAME
from asrcli.batch.inputs.addresses import as_url
from asrcli.batch.inputs.manifest import ManifestEntry
from asrcli.batch.inputs.paths import PlanError, printable
from asrcli.batch.journal.pool import JournalPool
from asrcli.batch.naming import STDIN, OutputRequest, collision_key, name_outputs, safe_name
from asrcli.batch.recording import Item
from asrcli.batch.search import Found, Inputs, Search
from asrcli.errors import UsageError

_POLL = 0.2


@dataclass(frozen=True, slots=True)
class Plan:
    """The inputs in order, those that failed already, and notices."""

    items: tuple[Item, ...]
    problems: tuple[PlanError, ...] = ()
    notices: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.items) + len(self.problems)


def make_plan(inputs: Inputs, *, stdin: BinaryIO | None = None, suffixes: Collection[str] | None = None) -> Plan:
    """Find the inputs and name their outputs. `stdin` is read for `-` and `--files-from -`; `suffixes` are those of
    recordings, lower case with the dot (None: what `asrcli.audio` decodes). Raises UsageError: there is nothing to do,
    or the request contradicts itself. A path that cannot be read is no error but a problem of the plan.
    """
    if suffixes is None:
        from asrcli.audio.containers.suffixes import MEDIA_SUFFIXES

        suffixes = MEDIA_SUFFIXES
    _check(inputs, stdin)
    search = Search(inputs, stdin, frozenset(suffixes))
    search.run()
    if not search.found and not search.problems:
        raise UsageError(
            "There is nothing to transcribe: no recording was found.",
            "Name files or folders; --include '*.xyz' takes files with an unusual suffix.",
        )
    items = _Outputs(inputs, stdin, frozenset(suffixes)).assign(search.found)
    # Each shard reports all of them: a folder may be unreadable, or mounted elsewhere, on one machine only.
    return Plan(items, tuple(search.problems), tuple(search.notices))


def name_outputs_of(found: Sequence[Found], inputs: Inputs, suffixes: Collection[str]) -> tuple[Item, ...]:
    """Items of files that were found, with their outputs."""
    return _Outputs(inputs, None, frozenset(suffixes)).assign(found)


def _check(inputs: Inputs, stdin: BinaryIO | None) -> None:
    lists = [name for name in (inputs.files_from, inputs.manifest) if name is not None]
    if not inputs.paths and not lists:
        raise UsageError("There is nothing to transcribe.", "Name files or folders, or - for stdin.")
    readers = [*inputs.paths, *lists].count("-")
    if lists.count("-") and readers > 1:
        raise UsageError("Stdin cannot be both a recording and the list of files.", "Write the list to a file.")
    if stdin is None and readers:
        raise UsageError("stdin is closed.", "Name a file instead of -.")
    if inputs.output is not None and inputs.output_dir is not None:
        raise UsageError("-o and --output-dir exclude each other.", "Use one of them.")
    if inputs.output is not None and len(inputs.formats) > 1:
        raise UsageError("-o takes one format.", "Use --output-dir for several formats.")


@dataclass(slots=True)
class _Outputs:
    """Assigns outputs to inputs."""

    inputs: Inputs
    stdin: BinaryIO | None
    suffixes: frozenset[str]

    def assign(self, found: Sequence[Found]) -> tuple[Item, ...]:
        """The items of this shard; all inputs are named first, so that names do not depend on the number of shards."""
        items = self._named(found)
        shard = self.inputs.shard
        if shard is None:
            return items
        if any(item.stream for item in items):
            raise UsageError("A stream is not divided among shards.", "Leave out --shard, or name files and folders.")
        own = [item for one, item in zip(found, items, strict=True) if _in_shard(one, *shard)]
        return tuple(replace(item, index=index) for index, item in enumerate(own))

    def _named(self, found: Sequence[Found]) -> tuple[Item, ...]:
        output = self.inputs.output
        if output is None:
            return self._named_after_inputs(found)
        if output == "-":
            return tuple(self._item(index, one, {}) for index, one in enumerate(found))
        if len(found) > 1:
            raise UsageError(f"-o {output} is one file, but there are {len(found)} inputs.", "Use --output-dir.")
        return tuple(self._into(Path(output), one) for one in found)

    def _into(self, output: Path, found: Found) -> Item:
        if found.path is not None and _same_file(output, found.path):
            raise UsageError(f"-o {output} is the input itself.", "Give the output another name.")
        if output.is_dir():
            raise UsageError(f"-o {output} is a folder.", "Use --output-dir for a folder.")
        return self._item(0, found, {self.inputs.formats[0]: output}, named=True)

    def _named_after_inputs(self, found: Sequence[Found]) -> tuple[Item, ...]:
        filed = [one for one in found if self.inputs.output_dir is not None or not one.stream]
        claims = [self._claim(one) for one in filed]
        journals = JournalPool(read_only=True)

        def made_from(output: Path) -> Path | None:
            with journals.use(self._journal(output)) as journal:
                records = journal.written(output) if journal is not None else ()
            return records[-1].source if records else None

        try:
            names = name_outputs(
                claims,
                self.inputs.formats,
                suffixes=self.suffixes,
                neighbours=self._neighbours(filed, claims),
                taken=[one.path for one in found if one.path is not None],
                made_from=made_from,
                template=self.inputs.name,
            )
        finally:
            journals.close()
        outputs = {id(one): name for one, name in zip(filed, names, strict=True)}
        return tuple(self._item(index, one, outputs.get(id(one), {})) for index, one in enumerate(found))

    def _claim(self, found: Found) -> OutputRequest:
        target, entry = self.inputs.output_dir, found.entry
        if entry is not None and found.path is not None:
            return self._claim_of_entry(found.path, entry)
        if found.path is None:
            return OutputRequest(STDIN, target or Path())
        if target is None:
            return OutputRequest(found.path, Path() if found.address else found.path.parent)
        root = found.root or found.path.parent
        below = found.path.parent.relative_to(root)
        return OutputRequest(found.path, target / below, target / os.path.basename(os.path.abspath(root)) / below)

    def _claim_of_entry(self, path: Path, entry: ManifestEntry) -> OutputRequest:
        target = self.inputs.output_dir
        folder, output = target or (Path() if as_url(entry.path) else path.parent), entry.output
        if output is not None:
            if output.suffix[1:] in self.inputs.formats:
                output = output.with_suffix("")
            output = (target or Path(self.inputs.manifest or "").parent) / output
            return OutputRequest(path, output.parent, name=output.name, key=entry.key)
        if entry.name is not None:
            return OutputRequest(path, folder, name=safe_name(entry.name), key=entry.key)
        alternative = target / os.path.basename(os.path.abspath(path.parent)) if target is not None else None
        return OutputRequest(path, folder, alternative, part=entry.options.span, key=entry.key)

    def _neighbours(self, found: Iterable[Found], claims: Sequence[OutputRequest]) -> list[OutputRequest]:
        """The recordings beside the inputs that are no inputs themselves."""
        present = {os.path.abspath(claim.path) for claim in claims}
        seen: set[tuple[Path, Path]] = set()
        neighbours = []
        for one, claim in zip(found, claims, strict=True):
            if one.stream or (claim.path.parent, claim.folder) in seen:
                continue
            seen.add((claim.path.parent, claim.folder))
            for name in _recordings_in(claim.path.parent, self.suffixes):
                path = claim.path.parent / name
                if os.path.abspath(path) not in present:
                    neighbours.append(OutputRequest(path, claim.folder, claim.alternative))
        return neighbours

    def _item(self, index: int, found: Found, outputs: dict[str, Path], *, named: bool = False) -> Item:
        if not outputs and len(self.inputs.formats) > 1 and self.inputs.formats_asked:
            raise UsageError("Stdout takes one format.", "Give --output-dir for several formats.")
        name = "stdin" if found.path is None else printable(found.path)
        path = found.path
        if found.address is not None:
            name, path = found.address.shown, None
        size = found.status.st_size if found.status is not None and not found.stream else 0
        return Item(
            index=index,
            source=Source(name, path, self.stdin if found.path is None else None),
            address=found.address,
            outputs=outputs,
            stdout=None if outputs else self.inputs.formats[0],
            journal=None if found.stream or not outputs else self._item_journal(outputs, named=named),
            named=named,
            stream=found.stream,
            size=size,
            options=found.options,
        )

    def _item_journal(self, outputs: dict[str, Path], *, named: bool) -> Path | None:
        return None if named and self.inputs.journal is None else self._journal(next(iter(outputs.values())))

    def _journal(self, output: Path) -> Path:
        return self.inputs.journal or (self.inputs.output_dir or output.parent) / JOURNAL_NAME


def _in_shard(found: Found, number: int, count: int) -> bool:
    """Whether an input is done in shard `number` of `count`. That depends on nothing but its own name, so other files
    may come and go between the runs: below the folder that was named, which may be mounted elsewhere on each machine,
    else as given.
    """
    path = found.path or Path()
    name = os.path.normpath(path.relative_to(found.root) if found.root else path)
    if found.entry is not None:
        name = repr((found.entry.given, found.entry.key))
    digest = hashlib.blake2b(os.fsencode(name), digest_size=8).digest()
    return int.from_bytes(digest, "big") % count == number


def _recordings_in(folder: Path, suffixes: Collection[str]) -> list[str]:
    try:
        names = os.listdir(folder)
    except OSError:
        return []  # a folder that may be entered but not listed: the names then depend on the inputs alone
    return [name for name in names if not name.startswith(".") and os.path.splitext(name)[1].lower() in suffixes]


def _same_file(one: Path, other: Path) -> bool:
    try:
        return os.path.samefile(one, other)
    except OSError:
        return collision_key(one) == collision_key(other)


class Schedule:
    """Hands out each item of a plan once, the longest first, so that no core is left with a long one at the end.

    Results for stdout are written in the order of the inputs, so those are started in that order, and only so many
    ahead of the one that is awaited. Thread-safe.
    """

    def __init__(self, items: Sequence[Item], *, ahead: int, growing: bool = False) -> None:
        """`ahead`: how many results for stdout may wait for their turn; `growing`: wait for further items (`add`)."""
        self._ordered = any(item.stdout is not None for item in items)
        self._waiting = deque(items if self._ordered else _longest_first(items))
        self._deferred: deque[Item] = deque()
        self._growing = growing
        self._changed = Condition()
        self._ahead = Semaphore(ahead)

    def next(self, stopped: Callable[[], bool]) -> tuple[Item, bool] | None:
        """The next item, and whether it was deferred before; None when all are out or `stopped` returns true."""
        # The place in stdout's queue is taken before the item: the other way round, a later item could take the last
        # place while the one that everybody waits for has none.
        while self._ordered and not self._ahead.acquire(timeout=_POLL):
            if stopped():
                return None
        with self._changed:
            while self._growing and not (self._waiting or self._deferred or stopped()):
                self._changed.wait(_POLL)
            if stopped():
                return None
            if self._waiting:
                item, deferred = self._waiting.popleft(), False
            elif self._deferred:
                item, deferred = self._deferred.popleft(), True
            else:
                item, deferred = None, False
        if self._ordered and (item is None or item.stdout is None):
            self._ahead.release()
        return None if item is None else (item, deferred)

    def add(self, items: Sequence[Item]) -> None:
        """Put further items, whose results go to files, behind those that wait."""
        with self._changed:
            self._waiting.extend(_longest_first(items))
            self._changed.notify_all()

    def defer(self, item: Item) -> None:
        """Put an item that another process works on behind all others."""
        with self._changed:
            self._deferred.append(item)

    def emitted(self) -> None:
        """A result for stdout had its turn."""
        self._ahead.release()


def _longest_first(items: Sequence[Item]) -> list[Item]:
    # A stream does not wait: its writer is blocked, or loses sound, while nothing reads it.
    return sorted(items, key=lambda item: (not item.stream, -item.estimate))
