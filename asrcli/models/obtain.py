"""Resolving a model for a command, downloading it first if needed."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from asrcli.backends.checks import check_device
from asrcli.backends.device import with_device
from asrcli.backends.registry import check_packages
from asrcli.backends.types import ModelSpec
from asrcli.errors import DownloadError, ModelNotInstalledError
from asrcli.models.entry import Kind, ModelEntry

if TYPE_CHECKING:
    from asrcli.models.mirrors import Mirror
    from asrcli.models.store import Store
    from asrcli.storage.http import Progress


def obtain(
    store: Store,
    name: str | None = None,
    *,
    kind: Kind = "asr",
    language: str | None = None,
    backend: str | None = None,
    device: str | None = None,
    offline: bool = False,
    mirrors: Sequence[Mirror] = (),
    progress: Progress | None = None,
    on_wait: Callable[[], None] | None = None,
) -> ModelSpec:
    """Resolve a model, downloading it first if it is known and not installed.

    A recogniser that the user has not named, in a command or in models.yaml, is not downloaded.

    Raises ModelNotInstalledError: it is not installed, and cannot be downloaded (`offline`, or no address);
    MissingExtraError: a package that runs such models is not installed; OptionNotSupportedError, MachineError: such
    models do not run on `device`; and what `Registry.resolve` and `Store.install` raise.
    """
    registry = store.registry
    try:
        return registry.resolve(name, language=language, kind=kind, backend=backend)
    except ModelNotInstalledError as error:
        entry = registry.meant(name or registry.default_name(kind, backend))
        if offline:
            raise ModelNotInstalledError(
                f"{error.message.removesuffix('.')}, and --offline forbids the network.", _bundle_hint(entry.name)
            ) from error
        unnamed = name is None and kind == "asr" and registry.configured() is None
        if unnamed or not entry.download.available:
            raise
        check_device(with_device(ModelSpec(entry.name, entry.type, {}, entry.options, backend=backend), device))
        check_packages(entry.type)
        try:
            store.install(entry.name, mirrors=mirrors, progress=progress, on_wait=on_wait)
        except DownloadError as failure:  # the user may not have named the model
            message = f"The model {entry.name} cannot be downloaded: {failure.message}"
            raise DownloadError(message, failure.hint) from failure
    return registry.resolve(name, language=language, kind=kind, backend=backend)


def from_file_hint(entry: ModelEntry, model_dir: Path | None = None) -> str:
    """How a model gets to a machine without a network: by its archive, or by a bundle where there is none."""
    if not entry.download.file_name:
        return _bundle_hint(entry.name)
    folder = "" if model_dir is None else f" --model-dir {shlex.quote(os.fspath(model_dir))}"
    return (
        f"Leave --offline out, or copy {entry.download.url} here and run: "
        f"asrcli download-model {entry.name} --from {shlex.quote(entry.download.file_name)}{folder}"
    )


def _bundle_hint(name: str) -> str:
    return (
        f"On a machine with a network: asrcli models export {name} -o {name}.tar; "
        f"then here: asrcli models import {name}.tar"
    )
