"""What each output is called, so that no two inputs ever write one file.

The rule: `talk.mp3` becomes `talk.srt`. Where another recording beside it would claim that name (`talk.wav`), each
keeps its suffix: `talk.mp3.srt`, `talk.wav.srt`. The neighbours count whether they are inputs of this run or not, so a
name does not depend on what else was asked for. Equal names from several folders that meet in one `--output-dir` go to
a subfolder named after theirs; what still collides (names that differ only in case) gets a hash of its path.

Names are compared as a case-insensitive, normalising file system would compare them.
"""

from __future__ import annotations

import hashlib
import os
import unicodedata
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

#: longest file name, in bytes, on the file systems in use (ext4, XFS, Btrfs, APFS, NTFS allow at least this)
NAME_MAX = 255


@dataclass(frozen=True, slots=True)
class OutputRequest:
    """An input that wants outputs: where it lies and the folder that its outputs go to."""

    path: Path
    folder: Path
    #: where they go if several folders meet in `folder` (`--output-dir`) and the names there collide
    alternative: Path | None = None


def collision_key(path: str | Path) -> str:
    """The same for two paths that could be one file on some file system (case, Unicode composition)."""
    return fold(os.path.abspath(path))


def fold(text: str) -> str:
    """Text as a case-insensitive, normalising file system compares it (Unicode's canonical caseless match)."""
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", text).casefold())


def fit(stem: str, suffix: str) -> str:
    """`stem` + `suffix`, shortened where the file system would refuse it; the cut part lives on as a hash."""
    name = stem + suffix
    if len(os.fsencode(name)) <= NAME_MAX:
        return name
    tail = f"~{_short_hash(stem, 12)}{suffix}"
    head = stem[: NAME_MAX - len(tail)]
    while len(os.fsencode(head + tail)) > NAME_MAX:
        head = head[:-1]
    return head + tail


def name_outputs(
    claims: Sequence[OutputRequest],
    formats: Sequence[str],
    *,
    suffixes: Collection[str],
    neighbours: Sequence[OutputRequest] = (),
    taken: Collection[Path] = (),
) -> list[dict[str, Path]]:
    """Give each input its outputs.

    Args:
        claims: the inputs, no file twice.
        formats: suffixes of the outputs, without a dot.
        suffixes: what recordings end in (".mp3", lower case); any other ending is part of the name.
        neighbours: recordings beside the inputs that are no inputs now but may be one day.
        taken: files that no output may replace: the inputs themselves.

    Returns:
        For each claim, format -> path. No path is there twice, however file systems compare names.
    """
    ladders = [_NameCandidates(claim, formats, suffixes) for claim in (*claims, *neighbours)]
    forbidden = {collision_key(path) for path in taken}
    while moving := _losers(ladders, forbidden):
        for ladder in moving:
            ladder.climb()
    return [ladder.files() for ladder in ladders[: len(claims)]]


def _losers(ladders: Sequence[_NameCandidates], forbidden: Collection[str]) -> list[_NameCandidates]:
    holders: dict[str, list[int]] = defaultdict(list)
    for number, ladder in enumerate(ladders):
        for key in ladder.keys:
            holders[key].append(number)
    losers: set[int] = set()
    for key, members in holders.items():
        if key in forbidden:
            losers.update(members)
        elif len(members) > 1:
            # The shortest names give way first: `a.mp3.wav` stands where it is when `a.mp3` has to keep its suffix.
            lowest = min(ladders[member].rung for member in members)
            losers.update(member for member in members if ladders[member].rung == lowest)
    return [ladders[number] for number in sorted(losers) if not ladders[number].at_top]


class _NameCandidates:
    """The names that an input may have, from the one hoped for to the one that nobody can share."""

    def __init__(self, claim: OutputRequest, formats: Sequence[str], suffixes: Collection[str]) -> None:
        path = Path(os.path.abspath(claim.path))
        stem = path.stem if path.suffix.lower() in suffixes else path.name
        folders = [claim.folder] if claim.alternative is None else [claim.folder, claim.alternative]
        rungs = [(folder, name) for folder in folders for name in (stem, path.name)]
        rungs += [(claim.folder, f"{path.name}~{_short_hash(str(path), digits)}") for digits in (8, 32)]
        self._rungs = rungs
        self._formats = formats
        self.rung = 0
        self.keys = self._keys()

    @property
    def at_top(self) -> bool:
        return self.rung + 1 == len(self._rungs)

    def climb(self) -> None:
        self.rung += 1
        self.keys = self._keys()

    def files(self) -> dict[str, Path]:
        folder, name = self._rungs[self.rung]
        return {suffix: folder / fit(name, f".{suffix}") for suffix in self._formats}

    def _keys(self) -> frozenset[str]:
        return frozenset(collision_key(path) for path in self.files().values())


def _short_hash(text: str, digits: int) -> str:
    return hashlib.blake2b(os.fsencode(text), digest_size=16).hexdigest()[:digits]
