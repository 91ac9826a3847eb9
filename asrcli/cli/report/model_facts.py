"""What `asrcli models` shows: a row of a table, all data of a model, or whether it is whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asrcli.errors import ModelError, UnknownModelError
from asrcli.models.entry import KINDS, Kind, ModelEntry, entry_to_dict

if TYPE_CHECKING:
    from asrcli.backends.types import ModelSpec
    from asrcli.models.pins import Verification
    from asrcli.models.registry import Registry
    from asrcli.models.store import Store


def facts_of(registry: Registry, entry: ModelEntry) -> dict[str, Any]:
    here = not registry.missing(entry)
    return {
        "name": entry.name,
        "source": entry.source,
        "installed": here,
        "default": registry.is_default(entry.name),
        **({"folder": str(registry.folder(entry))} if entry.files else {}),
        **{key: value for key, value in entry_to_dict(entry).items() if key != "dir"},
    }


def facts_of_path(registry: Registry, name: str) -> dict[str, Any]:
    """A model that is named by its folder or file, as `transcribe --model` takes it."""
    from asrcli.backends.checks import languages_of, window_of

    kind, spec = _of_any_kind(registry, name)
    facts: dict[str, Any] = {
        "name": spec.name,
        "source": "path",
        "installed": True,
        "kind": kind,
        "type": spec.type,
    }
    if kind in {"asr", "streaming"}:
        facts |= {"languages": list(languages_of(spec)), "window": window_of(spec)}
    return {**facts, "files": {key: str(file) for key, file in spec.files.items()}}


def _of_any_kind(registry: Registry, name: str) -> tuple[Kind, ModelSpec]:
    refused: ModelError | None = None
    for kind in KINDS:
        try:
            return kind, registry.resolve(name, kind=kind)
        except ModelError as error:
            refused = refused or error
    assert refused is not None
    raise refused


def verified(store: Store, name: str) -> Verification:
    """Compare a model with the checksums of its installation and with the published export of its type; of a folder or
    file that is no entry's, only the latter. Raises UnknownModelError: no such name or path.
    """
    from asrcli.models.pins import Verification

    registry = store.registry
    try:
        entry = registry.entry(name)
    except UnknownModelError:
        if not Path(name).expanduser().exists():
            raise
        _, spec = _of_any_kind(registry, name)
        return Verification(name, differences=_differences(spec.type, spec.files))
    found = store.verify(name)
    if registry.missing(entry):
        return found
    return replace(found, differences=_differences(entry.type, registry.resolve(name, kind=entry.kind).files))


def _differences(type_: str, files: Mapping[str, Path]) -> tuple[str, ...]:
    from asrcli.backends.sherpa.exports import differences

    try:
        return differences(type_, files)
    except ModelError as error:
        return (error.message,)


def row_of(registry: Registry, entry: ModelEntry) -> list[str]:
    state = "no" if registry.missing(entry) else "default" if registry.is_default(entry.name) else "yes"
    shown = entry.languages if len(entry.languages) <= 6 else (*entry.languages[:4], f"+{len(entry.languages) - 4}")
    return [entry.name, entry.kind, state, " ".join(shown) or "any", _size(entry.size), entry.licence]


def _size(count: int | None) -> str:
    if count is None:
        return ""
    for unit, name in ((10**9, "GB"), (10**6, "MB")):
        if count >= unit:
            return f"{count / unit:.1f} {name}" if count < 10 * unit else f"{count / unit:.0f} {name}"
    return f"{count / 1000:.0f} kB"


def print_table(registry: Registry, entries: list[ModelEntry]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("name", "kind", "installed", "languages", "size", "licence", box=None, header_style="bold")
    table.columns[0].no_wrap = True  # to copy it
    table.columns[4].justify = "right"
    for entry in entries:
        name, kind, state, *rest = row_of(registry, entry)
        table.add_row(name, kind, f"[green]{state}[/]" if state != "no" else "", *rest)
    Console().print(table)
