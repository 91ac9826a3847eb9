"""The models that a command works with: named by the user or the defaults, fetched first if need be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from asrcli.cli.arguments import ModelArguments

if TYPE_CHECKING:
    from asrcli.backends.types import ModelSpec
    from asrcli.cli.console import Console
    from asrcli.ensemble import Ensemble
    from asrcli.models.entry import Kind
    from asrcli.models.registry import Registry
    from asrcli.options import TranscribeOptions


def choose_models(ctx: typer.Context, arguments: ModelArguments, options: TranscribeOptions) -> Ensemble:
    """Resolve the model and those that the options put beside it; downloaded if need be, unless `--offline`.

    Raises:
        ModelError: one cannot be had.
        UsageError: the model cannot do what is asked for.
    """
    from asrcli.ensemble import choose
    from asrcli.models.registry import Registry

    spec = choose_model(ctx, arguments)
    registry = Registry(arguments.model_dir)

    def get(name: str | None, kind: Kind) -> ModelSpec:
        return _obtain(ctx, registry, name, kind, offline=arguments.offline)

    return choose(spec, options, registry, get)


def choose_model(ctx: typer.Context, arguments: ModelArguments) -> ModelSpec:
    """Resolve the model; one that the user named and that is not here is downloaded, unless `--offline`.

    Raises:
        ModelError: it cannot be had.
        LanguageNotSupportedError: it cannot do `--language`.
    """
    from asrcli.models.registry import Registry

    registry = Registry(arguments.model_dir)
    if arguments.model is None:
        _tell_of_default(ctx.obj.console, registry.default_name())
    return _obtain(ctx, registry, arguments.model, language=arguments.language, offline=arguments.offline)


def find_models(arguments: ModelArguments, options: TranscribeOptions) -> Ensemble | None:
    """The models if all are here; None if one would have to be downloaded.

    Raises:
        ModelError, UsageError: as `choose_models`.
    """
    from asrcli.ensemble import choose
    from asrcli.errors import ModelNotInstalledError
    from asrcli.models.registry import Registry

    registry = Registry(arguments.model_dir)

    def get(name: str | None, kind: Kind) -> ModelSpec:
        return registry.resolve(name, kind=kind)

    try:
        spec = registry.resolve(arguments.model, language=arguments.language)
        return choose(spec, options, registry, get)
    except ModelNotInstalledError:
        if arguments.offline:
            raise
        return None


def _obtain(
    ctx: typer.Context,
    registry: Registry,
    name: str | None,
    kind: Kind = "asr",
    *,
    language: str | None = None,
    offline: bool,
) -> ModelSpec:
    from asrcli.cli.download_progress import download_progress
    from asrcli.models.store import Store, obtain

    console = ctx.obj.console
    shown = name or registry.default_name(kind)
    with download_progress(console, shown) as progress:
        return obtain(
            Store(registry),
            name,
            kind=kind,
            language=language,
            offline=offline,
            mirrors=_mirrors(ctx),
            progress=progress,
            on_wait=lambda: console.notice(f"{shown}: another asrcli is installing it; waiting."),
        )


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
