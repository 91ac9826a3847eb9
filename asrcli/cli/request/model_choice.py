"""The models of a command: named by the user or the defaults, downloaded first if they are missing."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import typer

from asrcli.backends.registry import is_remote
from asrcli.cli.request.arguments import ModelArguments
from asrcli.errors import ModelNotInstalledError, UsageError
from asrcli.options import TranscribeOptions

if TYPE_CHECKING:
    from asrcli.backends.types import ModelSpec
    from asrcli.cli.framework.console import Console
    from asrcli.model_set import ModelSet
    from asrcli.models.entry import Kind
    from asrcli.models.registry import Registry


def choose_models(ctx: typer.Context, arguments: ModelArguments, options: TranscribeOptions) -> ModelSet:
    """Resolve the model and its companion models; missing ones are downloaded, unless `--offline`. Raises ModelError:
    one is not available; UsageError: the model cannot do what is asked for.
    """
    from asrcli.model_set import choose
    from asrcli.models.registry import Registry

    spec = choose_model(ctx, arguments, options.recognition.language)
    registry = Registry(arguments.model_dir)

    def get(name: str | None, kind: Kind) -> ModelSpec:
        return _obtain(ctx, registry, name, kind, offline=arguments.offline)

    ensemble = choose(spec, options, registry, get)
    if is_remote(spec.type):
        _report_server(ctx.obj.console, spec)
    return ensemble


def choose_model(
    ctx: typer.Context, arguments: ModelArguments, language: str | None = None, *, registry: Registry | None = None
) -> ModelSpec:
    """Resolve the model; a named model that is missing is downloaded, unless `--offline`. Raises ModelError: it is not
    available; LanguageNotSupportedError: it does not support `--language`.
    """
    from asrcli.backends.device import with_device
    from asrcli.models.registry import Registry

    registry = registry or Registry(arguments.model_dir)
    if arguments.remote is not None:
        spec = _named_server(arguments)
    else:
        wanted: Any = {"language": language, "backend": _backend(arguments)}
        spec = _obtain(ctx, registry, arguments.named, offline=arguments.offline, device=arguments.device, **wanted)
        if arguments.named is None:
            _report_default(ctx.obj.console, spec.name)
    spec = with_device(spec, arguments.device)
    if is_remote(spec.type):
        if arguments.remote_audio is not None:
            spec = replace(spec, options={**spec.options, "audio": arguments.remote_audio})
        spec = _with_key(spec, arguments)
    return spec


def find_models(arguments: ModelArguments, options: TranscribeOptions) -> ModelSet | None:
    """The models if all are installed; None if one would have to be downloaded. Raises ModelError or UsageError: as
    `choose_models`.
    """
    from asrcli.backends.device import with_device
    from asrcli.model_set import choose
    from asrcli.models.registry import Registry

    registry = Registry(arguments.model_dir)

    def get(name: str | None, kind: Kind) -> ModelSpec:
        return registry.resolve(name, kind=kind)

    try:
        if arguments.remote is not None:
            spec = _named_server(arguments)
        else:
            spec = registry.resolve(arguments.named, language=options.recognition.language, backend=_backend(arguments))
        return choose(with_device(spec, arguments.device), options, registry, get)
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
    offline: bool,
    device: str | None = None,
    **wanted: str | None,
) -> ModelSpec:
    """`wanted`: language and backend, as of `Registry.resolve`."""
    try:
        return registry.resolve(name, kind=kind, **wanted)
    except ModelNotInstalledError:
        pass
    # The client of downloads takes long to load.
    from asrcli.cli.report.download_progress import download_progress
    from asrcli.models.obtain import obtain
    from asrcli.models.store import Store

    console = ctx.obj.console
    shown = name or registry.default_name(kind, wanted.get("backend"))
    with download_progress(console, shown) as progress:
        return obtain(
            Store(registry),
            name,
            kind=kind,
            device=device,
            offline=offline,
            mirrors=_mirrors(ctx),
            progress=progress,
            **wanted,
            on_wait=lambda: console.notice(f"{shown}: another asrcli is installing it; waiting."),
        )


def _backend(arguments: ModelArguments) -> str | None:
    return None if arguments.backend == "auto" else arguments.backend


def _named_server(arguments: ModelArguments) -> ModelSpec:
    """The server of `--remote`."""
    from asrcli.backends.remote.check import remote_spec

    assert arguments.remote is not None
    options = {"model": arguments.model} if arguments.model else {}
    return remote_spec(arguments.remote, options=options)


def _with_key(spec: ModelSpec, arguments: ModelArguments) -> ModelSpec:
    """A server's model with its API key. `--offline` allows only servers on this machine."""
    from asrcli.backends.remote.check import is_loopback, read_secret

    if arguments.offline and not is_loopback(spec.options["url"]):
        raise UsageError(
            f"{spec.options['url']} is on another machine, and --offline forbids the network.",
            "Leave --offline out, or choose a model on this machine with --model.",
        )
    if arguments.remote_api_key_file is not None:
        return replace(spec, secret=read_secret(arguments.remote_api_key_file))
    return replace(spec, secret=arguments.remote_api_key or "")


def _report_server(console: Console, spec: ModelSpec) -> None:
    """Report that audio is sent to a server, and to which."""
    from asrcli.backends.remote.check import is_loopback

    url = spec.options["url"]
    model = f" ({spec.options['model']})" if spec.options.get("model") else ""
    console.notice(f"audio is sent to {url}{model}")
    if (spec.secret or "api_key_file" in spec.options) and url.startswith("http:") and not is_loopback(url):
        console.warning(f"the API key is sent to {url} unencrypted; use https.")


def _report_default(console: Console, name: str) -> None:
    """Name the default model if none was chosen: on a terminal, not in the log of every nightly run."""
    from asrcli.cli.framework.console import is_terminal
    from asrcli.models import builtin

    if name in builtin.RECOGNIZERS and (sys.stderr is not None and is_terminal(sys.stderr)):
        console.notice(
            f"using the embedded English model {name}; to get a better one: asrcli download-model sensevoice-small"
        )


def _mirrors(ctx: typer.Context) -> list[Any]:
    """The mirrors that the config file or a variable sets for `asrcli download-model`."""
    from asrcli.cli.commands.download_model import mirror_of
    from asrcli.cli.framework.settings import lookup

    return [mirror_of(text) for text in lookup(ctx, ("download-model",), "mirror") or []]
