"""What was asked for, as an ordered list of inputs and the outputs of each. Nothing is decoded or hashed here."""

import hashlib
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, TypeVar, overload

from asrcli.audio.types import Source
from asrcli.batch import journal_of
from asrcli.batch.inputs.addresses import as_url
from asrcli.batch.inputs.manifest import ManifestEntry
from asrcli.batch.inputs.paths import PlanError, printable
from asrcli.batch.inputs.search import Found, Inputs, Search
from asrcli.batch.journal.pool import JournalPool
from asrcli.batch.naming import STDIN, collision_key, safe_name
from asrcli.batch.output_names import OutputName, OutputRequest, name_outputs
from asrcli.batch.recording import Item, Outline, estimated_length
from asrcli.errors import StoreError, UsageError
from asrcli.storage.file_access import names_in
from asrcli.storage.places import is_stored

_Element = TypeVar("_Element")


@dataclass(frozen=True, slots=True)
class Plan:
    """The inputs in order, those that failed already, and notices."""

    items: Sequence[Item]
    problems: tuple[PlanError, ...] = ()
    notices: tuple[str, ...] = ()
    #: how many items go to stdout
    shown: int = 0

    def __len__(self) -> int:
        return len(self.items) + len(self.problems)


class LazySequence(Sequence[_Element]):
    """Elements that are made when they are asked for, as a million of them would take gigabytes."""

    def __init__(self, size: int, make: Callable[[int], _Element]) -> None:
        self._numbers, self._make = range(size), make

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, index: int) -> _Element: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[_Element]: ...
    def __getitem__(self, index: int | slice) -> _Element | Sequence[_Element]:
        if isinstance(index, slice):
            return tuple(map(self._make, self._numbers[index]))
        return self._make(self._numbers[index])

    def __iter__(self) -> Iterator[_Element]:
        return map(self._make, self._numbers)


class PlannedItems(LazySequence[Item]):
    """The items of a plan."""

    def __init__(self, size: int, make: Callable[[int], Item], outline: Callable[[int], Outline]) -> None:
        super().__init__(size, make)
        self._outline = outline

    def outlines(self) -> Iterator[Outline]:
        """In order."""
        return map(self._outline, self._numbers)


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
    outputs = _Outputs(inputs, stdin, frozenset(suffixes))
    items = outputs.assign(search.found)
    notices = list(search.notices)
    if search.found and not items:
        notices.append(f"This shard has none of the inputs ({len(search.found)}).")
    # Each shard reports all problems: a folder may be unreadable, or mounted elsewhere, on one machine only.
    return Plan(items, tuple(search.problems), tuple(notices), outputs.shown)


def name_outputs_of(found: Sequence[Found], inputs: Inputs, suffixes: Collection[str]) -> Sequence[Item]:
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
    if (folder := inputs.output_dir) is not None and os.path.exists(folder) and not os.path.isdir(folder):
        raise UsageError(f"--output-dir {folder} is not a folder.", "Name a folder, or write one result with -o.")
    if inputs.journal is not None and is_stored(inputs.journal):
        raise UsageError(
            "A journal grows with each result, and nothing can be appended to an object.",
            "Name a file of this machine, or leave --journal out: results in a store get one in your data folder.",
        )
    if inputs.output is not None and len(inputs.formats) > 1:
        raise UsageError("-o takes one format.", "Use --output-dir for several formats.")


@dataclass(slots=True)
class _Outputs:
    """Assigns outputs to inputs."""

    inputs: Inputs
    stdin: BinaryIO | None
    suffixes: frozenset[str]
    #: how many inputs go to stdout
    shown: int = 0
    #: the journal of all outputs, if there is one
    _one_journal: Path | None = None
    _known: dict[tuple[str, Path | None], tuple[Path, Path | None]] = field(default_factory=dict)

    def assign(self, found: Sequence[Found]) -> Sequence[Item]:
        """The items of this shard; all inputs are named first, so that names do not depend on the number of shards."""
        output, shard = self.inputs.output, self.inputs.shard
        names: Sequence[OutputName | None] = [None] * len(found)
        if output is None:
            names = self._names(found)
        elif output != "-" and len(found) > 1:
            raise UsageError(f"-o {output} is one file, but there are {len(found)} inputs.", "Use --output-dir.")
        if shard is not None:
            if any(one.stream for one in found):
                raise UsageError(
                    "A stream is not divided among shards.", "Leave out --shard, or name files and folders."
                )
            own = [number for number, one in enumerate(found) if _in_shard(one, *shard)]
            found, names = [found[number] for number in own], [names[number] for number in own]
        if output not in {None, "-"}:
            return tuple(self._into(Path(output), one) for one in found)

        def item(index: int) -> Item:
            name = names[index]
            return self._item(index, found[index], {} if name is None else name.files(self.inputs.formats))

        def outline(index: int) -> Outline:
            one, name = found[index], names[index]
            path = one.name if one.name is not None and one.address is None else ""
            length = estimated_length(one.size, path, one.options)
            return Outline(length, one.stream, name is None, name.paths(self.inputs.formats) if name else ())

        self.shown = sum(name is None for name in names)
        if self.shown:
            item(next(index for index, name in enumerate(names) if name is None))  # raises UsageError
        return PlannedItems(len(found), item, outline)

    def _into(self, output: Path, found: Found) -> Item:
        if found.path is not None and _same_file(output, found.path):
            raise UsageError(f"-o {output} is the input itself.", "Give the output another name.")
        if output.is_dir():
            raise UsageError(f"-o {output} is a folder.", "Use --output-dir for a folder.")
        return self._item(0, found, {self.inputs.formats[0]: output}, named=True)

    def _names(self, found: Sequence[Found]) -> Sequence[OutputName | None]:
        """What the outputs are called after the inputs; None: they go to stdout."""
        filed = [one for one in found if self.inputs.output_dir is not None or not one.stream]
        journals = JournalPool(read_only=True)

        def made_from(output: Path) -> Path | None:
            with journals.use(self._journal(output)) as journal:
                records = journal.written(output) if journal is not None else ()
            return records[-1].source if records else None

        try:
            names = iter(
                name_outputs(
                    LazySequence(len(filed), lambda number: self._claim(filed[number])),
                    self.inputs.formats,
                    suffixes=self.suffixes,
                    neighbours=self._neighbours(filed),
                    taken=[one.name for one in found if one.name is not None],
                    made_from=made_from,
                    template=self.inputs.name,
                )
            )
        finally:
            journals.close()
        return [next(names) if self.inputs.output_dir is not None or not one.stream else None for one in found]

    def _claim(self, found: Found) -> OutputRequest:
        if found.name is None:
            return OutputRequest(STDIN, self.inputs.output_dir or Path())
        if found.entry is not None:
            return self._claim_of_entry(Path(found.name), found.entry)
        parent = os.path.dirname(found.name)
        return OutputRequest(found.name, *self._folders(parent, found.root, address=found.address is not None))

    def _folders(self, parent: str, root: Path | None, *, address: bool) -> tuple[Path, Path | None]:
        """Where the outputs of a folder's recordings go, and where those go that collide."""
        key = parent, root
        if key not in self._known:
            target, folder = self.inputs.output_dir, Path(parent)
            if target is None:
                self._known[key] = Path() if address else folder, None
            else:
                top = root or folder
                below = folder.relative_to(top)
                self._known[key] = target / below, target / os.path.basename(os.path.abspath(top)) / below
        return self._known[key]

    def _claim_of_entry(self, path: Path, entry: ManifestEntry) -> OutputRequest:
        target = self.inputs.output_dir
        folder = target or (Path() if as_url(entry.path) else path.parent)
        if entry.output is not None:
            output = self.inputs.place_of(entry.output)
            return OutputRequest(path, output.parent, name=output.name, key=entry.key)
        if entry.name is not None:
            return OutputRequest(path, folder, name=safe_name(entry.name), key=entry.key)
        alternative = target / os.path.basename(os.path.abspath(path.parent)) if target is not None else None
        return OutputRequest(path, folder, alternative, part=entry.options.span, key=entry.key)

    def _neighbours(self, found: Sequence[Found]) -> list[OutputRequest]:
        """The recordings beside the inputs that are no inputs themselves."""
        present = {hash(os.path.abspath(one.name)) for one in found if one.name is not None}
        seen: set[tuple[str, Path | None]] = set()
        neighbours = []
        for one in found:
            parent = os.path.dirname(one.name or "")
            claim = self._claim(one) if one.entry is not None else None
            place = parent, claim.folder if claim is not None else one.root
            if one.stream or place in seen:
                continue
            seen.add(place)
            claim = claim or self._claim(one)
            for name in _recordings_in(parent, self.suffixes):
                path = os.path.join(parent, name)
                if hash(os.path.abspath(path)) not in present:
                    neighbours.append(OutputRequest(path, claim.folder, claim.alternative))
        return neighbours

    def _item(self, index: int, found: Found, outputs: dict[str, Path], *, named: bool = False) -> Item:
        if not outputs and len(self.inputs.formats) > 1 and self.inputs.formats_asked:
            raise UsageError("Stdout takes one format.", "Give --output-dir for several formats.")
        path = found.path
        name = "stdin" if path is None else printable(path)
        if found.address is not None:
            name, path = found.address.shown, None
        return Item(
            index=index,
            source=Source(name, path, self.stdin if found.name is None else None),
            address=found.address,
            outputs=outputs,
            stdout=None if outputs else self.inputs.formats[0],
            journal=None if found.stream or not outputs else self._item_journal(outputs, named=named),
            named=named,
            stream=found.stream,
            size=found.size,
            options=found.options,
        )

    def _item_journal(self, outputs: dict[str, Path], *, named: bool) -> Path | None:
        return None if named and self.inputs.journal is None else self._journal(next(iter(outputs.values())))

    def _journal(self, output: Path) -> Path:
        if self._one_journal is None:
            self._one_journal = self.inputs.journal or (self.inputs.output_dir and journal_of(self.inputs.output_dir))
        return self._one_journal or journal_of(output.parent)


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


def _recordings_in(folder: str, suffixes: Collection[str]) -> list[str]:
    try:
        names = names_in(folder)
    except (OSError, StoreError):
        return []  # a folder that may be entered but not listed: the names then depend on the inputs alone
    return [name for name in names if not name.startswith(".") and os.path.splitext(name)[1].lower() in suffixes]


def _same_file(one: Path, other: Path) -> bool:
    try:
        return os.path.samefile(one, other)
    except OSError:
        return collision_key(one) == collision_key(other)
