"""`models.lock.json`: the sha256 of every file that was ever installed under a root.

The first download of a model without a published sum is trusted; later its files, and the archive at that address, must
have the same sums.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from asrcli.errors import ModelError
from asrcli.models.digest import sha256_file
from asrcli.storage.atomic import write_atomic
from asrcli.storage.locks import locked

_SCHEMA = "asrcli/models-lock/1"


@dataclass(frozen=True, slots=True)
class Pin:
    """The recorded sums of one model's folder."""

    #: address -> sha256 of the archive there
    archives: Mapping[str, str] = field(default_factory=dict)
    #: path in the folder -> sha256
    files: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Verification:
    """Result of verifying an installed model's files."""

    name: str
    #: file -> problem; empty: none
    problems: Mapping[str, str] = field(default_factory=dict)
    #: number of files compared with a known sha256
    checked: int = 0
    #: what distinguishes the model from the published export of its type
    differences: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        return not self.problems and not self.differences


def sums_of(folder: Path) -> dict[str, str]:
    """Relative path -> sha256 of every file in a folder."""
    return {
        path.relative_to(folder).as_posix(): sha256_file(path) for path in sorted(folder.rglob("*")) if path.is_file()
    }


def compare(name: str, folder: Path, required: Sequence[str], pin: Pin) -> Verification:
    """Compare the required files of a model (and all files of required folders) with their recorded sums."""
    problems = {file: "missing" for file in required if not (folder / file).exists()}
    checked = 0
    for file, expected in pin.files.items():
        needed = any(file == want or file.startswith(f"{want}/") for want in required)
        if not needed or not (folder / file).is_file():
            continue
        checked += 1
        actual = sha256_file(folder / file)
        if actual != expected:
            problems[file] = f"sha256 is {actual}, was {expected}"
    return Verification(name, problems, checked)


class Pins:
    """The lock file of a models' root."""

    def __init__(self, root: Path) -> None:
        self.path = root / "models.lock.json"
        self._guard = root / ".locks" / "models.lock.json.lock"

    def of(self, folder: str) -> Pin:
        """The sums of the model in `folder` (its name under the root). Raises ModelError: the lock file is damaged."""
        held = self._read().get(folder, {})
        return Pin(held.get("archives", {}), held.get("files", {}))

    def record(self, folder: str, pin: Pin) -> None:
        """Add sums; newer ones replace older ones. Raises ModelError: the lock file is damaged."""
        with locked(self._guard):
            models = self._read()
            old = self.of(folder)
            models[folder] = {"archives": {**old.archives, **pin.archives}, "files": {**old.files, **pin.files}}
            document = {"schema": _SCHEMA, "models": models}
            write_atomic(self.path, json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False).encode() + b"\n")

    def _read(self) -> dict[str, Any]:
        try:
            models = json.loads(self.path.read_bytes())["models"]
            return {str(name): dict(held) for name, held in models.items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise ModelError(
                f"{self.path} cannot be read: {error}.", "Remove it: the next download is then trusted."
            ) from error
