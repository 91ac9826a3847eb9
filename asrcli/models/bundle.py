"""Models in one file, for machines without a network.

A bundle is a plain tar (weights do not compress): first `asrcli-bundle.json`, the manifest with each model's entry and
the size and sha256 of each of its files, then the files as NAME/PATH. All files are verified before any is installed.
"""

import io
import json
import shutil
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from asrcli import __version__
from asrcli.errors import DownloadError, ModelError, ModelNotInstalledError, UsageError
from asrcli.models import builtin
from asrcli.models.archive import Limits, extract
from asrcli.models.digest import sha256_file
from asrcli.models.entry import Download, ModelEntry, entry_to_dict, parse_entry
from asrcli.models.pins import Pin
from asrcli.models.store import Store
from asrcli.models.yaml_file import add_entry
from asrcli.storage.atomic import disk_errors, is_regular_target
from asrcli.storage.locks import locked

SCHEMA = "asrcli/bundle/1"
_MANIFEST = "asrcli-bundle.json"
_MANIFEST_BYTES = 16 << 20


def export_bundle(store: Store, names: Sequence[str], target: Path) -> tuple[ModelEntry, ...]:
    """Write installed models into one file, which appears when complete. Raises UsageError: no names, or `target` is a
    pipe, a device or a folder; UnknownModelError: a name that is not in the registry; ModelNotInstalledError: a model
    is not installed; DiskFullError: the disk is full.
    """
    if not names:
        raise UsageError("No model is named.", "List installed models with: asrcli models list --installed")
    if not is_regular_target(target):
        raise UsageError(f"{target} is not a file that can be replaced.", "Name a file.")
    sources = {name: _files_of(store, name) for name in dict.fromkeys(names)}
    manifest: dict[str, Any] = {"schema": SCHEMA, "asrcli": __version__, "models": {}}
    for name, (entry, files) in sources.items():
        manifest["models"][name] = {
            "entry": entry_to_dict(entry),
            "files": {
                relative: {"size": path.stat().st_size, "sha256": sha256_file(path)} for relative, path in files.items()
            },
        }
    part = target.with_name(f".{target.name}.part")
    with disk_errors(target.parent):
        try:
            with tarfile.open(part, "w", format=tarfile.PAX_FORMAT) as tar:
                _add(tar, _MANIFEST, json.dumps(manifest, indent=1, ensure_ascii=False).encode())
                for name, (_, files) in sources.items():
                    for relative, path in files.items():
                        tar.add(path, f"{name}/{relative}", filter=_plain)
            part.replace(target)
        finally:
            with suppress(OSError):
                part.unlink()
    return tuple(entry for entry, _ in sources.values())


def import_bundle(store: Store, bundle: Path, *, force: bool = False) -> tuple[ModelEntry, ...]:
    """Install the models of a bundle; `force` replaces installed ones. Unknown models are added to the user's
    models.yaml. Raises DownloadError: the file is not a bundle or is damaged, or a file differs from its manifest or
    published sum; DiskFullError: the disk is full.
    """
    manifest = _read_manifest(bundle)
    models: dict[str, ModelEntry] = {}
    for name, held in manifest.items():
        models[name] = _entry_of(bundle, name, held)
    total = sum(file["size"] for held in manifest.values() for file in held["files"].values())
    root = store.root
    with disk_errors(root), locked(root / ".locks" / ".import.lock"):
        for rest in root.glob(".import-*"):  # of killed imports
            shutil.rmtree(rest, ignore_errors=True)
        incoming = Path(tempfile.mkdtemp(dir=root, prefix=".import-"))
        try:
            wanted = {f"{name}/{file}" for name, held in manifest.items() for file in held["files"]}
            extract(
                bundle,
                incoming,
                keep=lambda path, _size: str(path) in wanted,
                limits=Limits(total=total + _MANIFEST_BYTES, members=len(wanted) + 100),
            )
            published = {entry.name: entry.file_sums for entry in store.registry.entries()}
            for name, held in manifest.items():
                _check(bundle, incoming / name, held["files"], published.get(name, {}))
            for name, entry in models.items():
                sums = {file: say["sha256"] for file, say in manifest[name]["files"].items()}
                _install(store, entry, incoming / name, sums, force=force)
        finally:
            shutil.rmtree(incoming, ignore_errors=True)
    return tuple(models.values())


def _files_of(store: Store, name: str) -> tuple[ModelEntry, dict[str, Path]]:
    """The entry for the other machine, and its files by their path there."""
    registry = store.registry
    entry = registry.entry(name)
    if entry.source == "embedded" and entry.name not in builtin.RECOGNIZERS:
        raise UsageError(f"{name} is part of a Python package.", "Copy the wheel of moonshine-voice instead.")
    if entry.source == "embedded":
        # On the other machine it is an ordinary model with a token table of its own.
        files = builtin.files(registry.cache_dir, name)
        names = {"encoder": files["encoder"].name, "decoder": files["decoder"].name, "tokens": "tokens.txt"}
        return (
            replace(entry, dir=name, files=names, source="user"),
            {names[key]: path for key, path in files.items()},
        )
    missing = registry.missing(entry)
    if missing:
        raise ModelNotInstalledError(
            f"The model {name} is not installed ({', '.join(missing)} missing).",
            f"Download it with: asrcli download-model {name}",
        )
    folder = registry.folder(entry)
    files = {}
    for wanted in dict.fromkeys(entry.required):
        path = folder / wanted
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file():
                files[file.relative_to(folder).as_posix()] = file
    return replace(entry, dir=Path(entry.dir).name), files


def _plain(info: tarfile.TarInfo) -> tarfile.TarInfo:
    """Without times and owners: equal models give equal bytes."""
    info.mtime, info.uid, info.gid, info.uname, info.gname, info.mode = 0, 0, 0, "", "", 0o644
    return info


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    tar.addfile(_plain(info), io.BytesIO(data))


def _refuse(bundle: Path, why: str) -> DownloadError:
    return DownloadError(f"{bundle} is refused: {why}.", "Export it again: asrcli models export NAME... -o FILE")


def _read_manifest(bundle: Path) -> dict[str, dict[str, Any]]:
    try:
        with tarfile.open(bundle, "r:") as tar:
            first = tar.next()
            if first is None or first.name != _MANIFEST or not first.isreg() or first.size > _MANIFEST_BYTES:
                raise _refuse(bundle, "it does not start with a manifest")
            stream = tar.extractfile(first)
            assert stream is not None  # it is a regular file
            manifest = json.load(stream)
        if manifest["schema"] != SCHEMA:
            raise _refuse(bundle, f"its form {manifest['schema']!r} is not {SCHEMA}; update asrcli")
        models = {str(name): dict(held) for name, held in manifest["models"].items()}
        for held in models.values():
            held["files"] = {
                str(file): {"size": int(say["size"]), "sha256": str(say["sha256"])}
                for file, say in held["files"].items()
            }
    except (OSError, tarfile.TarError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise _refuse(bundle, f"it is not a bundle of models ({error})") from error
    if not models:
        raise _refuse(bundle, "it is empty")
    return models


def _entry_of(bundle: Path, name: str, held: Mapping[str, Any]) -> ModelEntry:
    try:
        entry = parse_entry(name, held.get("entry") or {}, where=bundle.name, source="user")
    except ModelError as error:
        raise _refuse(bundle, error.message.rstrip(".")) from error
    for path in (name, entry.dir):
        if not path or path != PurePosixPath(path).name or path.startswith("."):
            raise _refuse(bundle, f"{path!r} is not a valid folder name")
    if any(PurePosixPath(file).is_absolute() or ".." in PurePosixPath(file).parts for file in entry.required):
        raise _refuse(bundle, f"the files of {name} are outside its folder")
    return entry


def _check(bundle: Path, folder: Path, files: Mapping[str, Mapping[str, Any]], published: Mapping[str, str]) -> None:
    for file, say in files.items():
        path = folder / file
        if not path.is_file():
            raise _refuse(bundle, f"{file} of {folder.name} is missing")
        if path.stat().st_size != say["size"] or sha256_file(path) != say["sha256"]:
            raise _refuse(bundle, f"{file} of {folder.name} differs from the manifest")
        if published.get(file, say["sha256"]) != say["sha256"]:
            raise _refuse(bundle, f"{file} of {folder.name} is not the published file (sha256 {say['sha256']})")


def _install(store: Store, entry: ModelEntry, folder: Path, sums: Mapping[str, str], *, force: bool) -> None:
    registry = store.registry
    lost = [name for name in entry.required if not (folder / name).exists()]
    if lost:
        raise DownloadError(f"The bundle lacks {', '.join(lost)} of {entry.name}.")
    known = {held.name: held for held in registry.entries()}.get(entry.name)
    if known is not None and known.source == "embedded":
        return
    target = store.root / entry.dir
    if known is None or (registry.folder(known), dict(known.files)) != (target, dict(entry.files)):
        # A models.yaml for another root needs the path. The address is dropped: its file may differ from this one.
        at_home = registry.models_yaml.parent in {store.root, store.root.parent}
        place = entry.dir if at_home else str(target)
        add_entry(registry.models_yaml, replace(entry, dir=place, download=Download()))
        registry.reload()
    with locked(store.root / ".locks" / f"{target.name}.lock"):
        if force or any(not (target / name).exists() for name in entry.required):
            store.place(entry, folder, target)
            store.pins.record(target.name, Pin(files=sums))
