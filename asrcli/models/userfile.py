"""Adding an entry to the user's `models.yaml` without touching what is there: comments and order are theirs."""

from __future__ import annotations

import re
from pathlib import Path

from asrcli.errors import UsageError
from asrcli.models.entry import ModelEntry, entry_to_dict
from asrcli.models.registry import load_yaml
from asrcli.storage.atomic import disk_errors, write_atomic


def add_entry(path: Path, entry: ModelEntry) -> None:
    """Write an entry into a `models.yaml`, which is made if there is none. An entry of that name must not stand there.

    Raises:
        UsageError: the name is taken, or the file is written in a way that cannot be added to as text.
        ModelError: the file is not valid.
    """
    import yaml

    before = load_yaml(path) if path.is_file() else {}
    models = before.get("models") or {}
    if entry.name in models:
        raise UsageError(f"{path} has a model {entry.name!r} already.", "Change it there, or choose another name.")
    after = {**before, "models": {**models, entry.name: entry_to_dict(entry)}}
    text = path.read_text(encoding="utf-8") if path.is_file() else ""

    def block(indent: str) -> str:
        dumped: str = yaml.safe_dump(
            {entry.name: entry_to_dict(entry)}, sort_keys=False, allow_unicode=True, width=1000
        )
        return "".join(f"{indent}{line}\n" for line in dumped.splitlines())

    header = re.search(r"^models:[ \t]*(#.*)?\n", text, re.MULTILINE)
    if header is not None:
        first = re.search(r"^([ \t]+)\S", text[header.end() :], re.MULTILINE) if models else None
        new = text[: header.end()] + block(first[1] if first else "  ") + text[header.end() :]
    elif "models" not in before:
        new = text + ("" if not text or text.endswith("\n") else "\n") + "models:\n" + block("  ")
    else:
        new = ""
    # Text edited as text: take it only if it says what it should.
    if not new or yaml.safe_load(new) != after:
        raise UsageError(f"{path} is written in a form that cannot be added to.", f"Add this yourself:\n{block('  ')}")
    with disk_errors(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, new.encode())
