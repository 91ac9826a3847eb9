"""What each output is called, so that no two inputs ever write one file.

The rule: `talk.mp3` becomes `talk.srt`. Where another recording beside it would claim that name (`talk.wav`), each
keeps its suffix: `talk.mp3.srt`, `talk.wav.srt`. The neighbours count whether they are inputs of this run or not, so a
name does not depend on what else was asked for; a name that the journal has recorded for a recording stays. Equal names
from several folders that meet in one `--output-dir` go to a subfolder named after theirs; what still collides (names
that differ only in case) gets a hash of its path.

Names are compared as a case-insensitive, normalising file system would compare them.
"""

import hashlib
import os
import re
import time
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from string import Formatter
from typing import ClassVar

from asrcli.storage.file_access import exists

#: longest file name, in bytes, on the file systems in use (ext4, XFS, Btrfs, APFS, NTFS allow at least this)
NAME_MAX = 255


#: what the outputs of stdin are named after
STDIN = Path("stdin")

#: characters that some file system refuses in a name, or that divide folders
_UNSAFE = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*]')


#: in the name of an output: the language that is detected while the recording is transcribed; with a word joiner, as a
#: recording's own name may have the field's text
DETECTED = "{language}\u2060"
UNKNOWN_LANGUAGE = "und"


@dataclass(frozen=True, slots=True)
class NameTemplate:
    """`--name`: what outputs are called, without the format's suffix."""

    #: with the fields of `FIELDS` in braces; `check` has accepted it
    text: str = "{stem}"
    #: fields that are the same for all inputs
    values: Mapping[str, str] = field(default_factory=dict)

    #: stem and suffix of the recording's name, language and name of the model, day of the recording's last change
    FIELDS: ClassVar = ("stem", "suffix", "language", "model", "date")

    @property
    def used(self) -> frozenset[str]:
        """The fields of the text."""
        return frozenset(name for _, name, _, _ in Formatter().parse(self.text) if name is not None)

    def check(self) -> None:
        """Raises ValueError: an unknown field, no stem, or a name that would be hidden or in another folder."""
        for literal, name, form, conversion in Formatter().parse(self.text):
            if _UNSAFE.search(literal):
                raise ValueError(f"'{literal}' has a character that file names may not have")
            if name is not None and (name not in self.FIELDS or form or conversion):
                known = ", ".join(f"{{{each}}}" for each in self.FIELDS)
                raise ValueError(f"'{{{name}}}' is not a field; choose from {known}")
        if "stem" not in self.used:
            raise ValueError("it needs {stem}, or all recordings would have one name")
        if self.text.startswith("."):
            raise ValueError("a name that begins with a dot is hidden")

    def fill(self, stem: str, recording: str | Path) -> str:
        """The name for a recording; `stem`: of its name, or more of it where names collide."""
        if self.text == "{stem}":
            return stem
        path = Path(recording)
        values = {"suffix": path.suffix[1:].lower(), **self.values}
        if "date" in self.used:
            values["date"] = _day_of(path)
        safe = {name: safe_name(value) for name, value in values.items()}
        name = self.text.format(stem=stem, **safe)
        # An empty field must not hide the output.
        return f"_{name}" if name.startswith(".") and not stem.startswith(".") else name


def _day_of(path: Path) -> str:
    try:
        return time.strftime("%Y-%m-%d", time.localtime(os.stat(path).st_mtime))
    except (OSError, OverflowError, ValueError):
        return time.strftime("%Y-%m-%d") if path == STDIN else "unknown"


def safe_name(text: str) -> str:
    """Text as part of a file name: characters that some file system refuses become underscores."""
    return _UNSAFE.sub("_", text)


def collision_key(path: str | Path) -> str:
    """The same for two paths that could be one file on some file system (case, Unicode composition)."""
    return fold(os.path.abspath(path))


def fold(text: str) -> str:
    """Text as a case-insensitive, normalising file system compares it (Unicode's canonical caseless match)."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", text).casefold())


def fit(stem: str, suffix: str) -> str:
    """`stem` + `suffix`, shortened where the file system would refuse it; the cut part lives on as a hash."""
    name = stem + suffix
    if 4 * len(name) <= NAME_MAX or len(os.fsencode(name)) <= NAME_MAX:  # a character has at most 4 bytes
        return name
    tail = f"~{short_hash(stem, 12)}{suffix}"
    head = stem[:NAME_MAX]
    while len(os.fsencode(head + tail)) > NAME_MAX:
        head = head[:-1]
    return head + tail


def awaits_language(outputs: Mapping[str, Path]) -> bool:
    """Whether the names of outputs lack the language that is to be detected."""
    return any(DETECTED in path.name for path in outputs.values())


def with_language(outputs: Mapping[str, Path], language: str | None) -> dict[str, Path]:
    """The outputs, named after the language that was detected; None: it is not known."""
    return {
        suffix: path.with_name(path.name.replace(DETECTED, language or UNKNOWN_LANGUAGE))
        for suffix, path in outputs.items()
    }


def language_in(name: str, planned: str) -> str | None:
    """The language in the name of an output, if it is the planned name with one."""
    before, found, _ = planned.partition(DETECTED)
    language = name[len(before) : len(before) + 3].partition(".")[0]
    for code in (language, language[:2]):
        if found and len(code) > 1 and code.isascii() and code.isalpha() and name == planned.replace(DETECTED, code):
            return code
    return None


def free_names(outputs: dict[str, Path]) -> dict[str, Path]:
    """The same outputs with the first number behind their names that no file has: `stdin.txt`, `stdin-2.txt`, ..."""
    found = outputs
    for number in count(2):
        if not any(map(exists, found.values())):
            break
        found = {
            suffix: path.with_name(fit(f"{path.name.removesuffix(f'.{suffix}')}-{number}", f".{suffix}"))
            for suffix, path in outputs.items()
        }
    return found


def real_place(path: Path) -> Path:
    """Where a file lies, by whatever links its folder was reached; the file itself may be a link."""
    folder, name = os.path.split(os.path.abspath(path))
    return Path(os.path.realpath(folder), name)


def short_hash(text: str, digits: int) -> str:
    return hashlib.blake2b(os.fsencode(text), digest_size=16).hexdigest()[:digits]
