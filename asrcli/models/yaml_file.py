"""YAML files of models: reading them, and adding an entry to the user's without changing its comments and order."""

import re
from pathlib import Path
from typing import Any

from asrcli.errors import ModelError, UsageError
from asrcli.models.entry import ModelEntry, entry_to_dict
from asrcli.storage.atomic import disk_errors, write_atomic


def load_yaml(path: Path) -> dict[str, Any]:
    """A YAML mapping. Raises ModelError: it cannot be read or is no mapping."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        data = yaml.load(path.read_text(encoding="utf-8"), loader)  # noqa: S506 - both are safe loaders
    except OSError as error:
        raise ModelError(f"Cannot read {path}: {error.strerror}.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ModelError(f"{path} is not valid YAML: {error}") from error
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise ModelError(f"{path} must be a mapping with the key 'models'.", "See docs/models.md for the form.")
    return data


def add_entry(path: Path, entry: ModelEntry) -> None:
    """Add an entry to a `models.yaml`, which is created if there is none. Raises UsageError: the name is taken, or the
    form of the file does not allow adding text to it; ModelError: the file is not valid.
    """
    import yaml

    before = load_yaml(path) if path.is_file() else {}
    models = before.get("models") or {}
    if entry.name in models:
        raise UsageError(f"{path} already has a model {entry.name!r}.", "Change it there, or choose another name.")
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
    # The file was edited as text: keep it only if it parses to the expected data.
    if not new or yaml.safe_load(new) != after:
        raise UsageError(f"{path} has a form that cannot be extended automatically.", f"Add this to it:\n{block('  ')}")
    with disk_errors(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, new.encode())
