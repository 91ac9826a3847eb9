"""The model that a command works with: named by the user or the default, fetched first if need be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from asrcli.cli.arguments import ModelArguments

if TYPE_CHECKING:
    from asrcli.backends.types import ModelSpec
    from asrcli.cli.console import Console


def choose_model(ctx: typer.Context, arguments: ModelArguments) -> ModelSpec:
    """Resolve the model; one that the user named and that is not here is downloaded, unless `--offline`.

    Raises:
        ModelError: it cannot be had.
        LanguageNotSupportedError: it cannot do `--language`.
    """
    from asrcli.cli.download_progress import download_progress
    from asrcli.models.registry import Registry
    from asrcli.models.store import Store, obtain

    console = ctx.obj.console
    registry = Registry(arguments.model_dir)
    name = arguments.model or registry.default_name()
    if arguments.model is None:
        _tell_of_default(console, name)
    with download_progress(console, name) as progress:
        return obtain(
            Store(registry),
            arguments.model,
            language=arguments.language,
            offline=arguments.offline,
            mirrors=_mirrors(ctx),
            progress=progress,
            on_wait=lambda: console.notice(f"{name}: another asrcli is installing it; waiting."),
        )


def find_model(arguments: ModelArguments) -> ModelSpec | None:
    """The model if it is here; None if it would have to be downloaded.

    Raises:
        ModelError, LanguageNotSupportedError: as `choose_model`.
    """
    from asrcli.errors import ModelNotInstalledError
    from asrcli.models.registry import Registry

    try:
        return Registry(arguments.model_dir).resolve(arguments.model, language=arguments.language)
    except ModelNotInstalledError:
        if arguments.offline:
            raise
        return None


def _tell_of_default(console: Console, name: str) -> None:
    from asrcli.models import builtin

    if name == builtin.NAME:
        console.notice(
            f"using the embedded English model {name}; to get a better one: asrcli download-model sensevoice-small"
        )


def _mirrors(ctx: typer.Context) -> list[Any]:
    """The mirrors that config file or variables set for `asrcli download-model`."""
    from asrcli.cli.download_model import mirror_of
    from asrcli.cli.layers import lookup

    return [mirror_of(text) for text in lookup(ctx, ("download-model",), "mirror") or []]
