"""`models.lock.json`: the sha256 of every file that was ever installed under a root.

The first download of a model whose sum nobody published is trusted; from then on its files, and the archive at that
address, must stay what they were.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from asrcli.errors import ModelError
from asrcli.models.files import locked, write_atomic

_SCHEMA = "asrcli/models-lock/1"


@dataclass(frozen=True, slots=True)
class Pin:
    """What is known of one model's folder."""

    #: address -> sha256 of the archive there
    archives: Mapping[str, str] = field(default_factory=dict)
    #: path in the folder -> sha256
    files: Mapping[str, str] = field(default_factory=dict)


class Pins:
    """The lock file of a models' root."""

    def __init__(self, root: Path) -> None:
        self.path = root / "models.lock.json"
        self._guard = root / ".locks" / "models.lock.json.lock"

    def of(self, folder: str) -> Pin:
        """What is known of the model in `folder` (its name under the root).

        Raises:
            ModelError: the lock file is damaged.
        """
        held = self._read().get(folder, {})
        return Pin(held.get("archives", {}), held.get("files", {}))

    def record(self, folder: str, pin: Pin) -> None:
        """Add to what is known; newer sums replace older ones.

        Raises:
            ModelError: the lock file is damaged.
        """
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
                f"{self.path} cannot be read: {error}.", "Remove it: downloads are then trusted anew."
            ) from error
