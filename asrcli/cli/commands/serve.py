"""`asrcli serve`: the server."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import typer

from asrcli.cli.framework.command import examples, more_options, rewrites_arguments, takes
from asrcli.cli.request.arguments import ModelArguments, ReportArguments
from asrcli.distribution import pip_install
from asrcli.errors import ExitCode, MachineError, MissingExtraError, ModelError, UsageError
from asrcli.options import readers
from asrcli.options.declarations import from_values, option
from asrcli.server.settings import ServerSettings

if TYPE_CHECKING:
    from asrcli.cli.framework.console import Console
    from asrcli.models.registry import Registry


@dataclass(frozen=True, kw_only=True)
class ServeArguments(ReportArguments):
    """What the command has besides `ServerSettings`."""

    check: bool = option(
        False, "Check a server that was started with these options: exit code 0 if it is ready.", panel="Network",
        negatable=False,
    )  # fmt: skip
    offline: bool = option(False, "Never download a model; fail if one is missing.", panel="Recognition")
    preload: bool = option(True, "Load the model at start, not with the first request.", panel="Recognition")
    api_key: tuple[str, ...] = option(
        (), "API key that clients must send; repeatable.", metavar="KEY", panel="Access", show_default=False,
        variables=("API_KEY",),
    )  # fmt: skip
    api_key_file: Path | None = option(
        None, "File with API keys, one per line.", metavar="FILE", panel="Access", essential=True
    )
    io_thread_num: int | None = option(
        None, "Accepted for scripts of FunASR's runtime; connections need no threads here.", metavar="N", low=0,
        high=4096, panel="Network",
    )  # fmt: skip
    model_thread_num: int | None = option(
        None, "Accepted for scripts of FunASR's runtime; each decode runs in one thread, see --num-threads.",
        metavar="N", low=0, high=4096, panel="Recognition",
    )  # fmt: skip
    webhook_secret_file: Path | None = option(
        None, "File with the key that signs webhooks.", metavar="FILE", panel="Jobs"
    )
    log_level: Literal["debug", "info", "warning", "error"] = option(
        "info", "Least level of log messages; info logs each request.", metavar="LEVEL", panel="Messages",
        read=readers.log_level, variables=("LOG_LEVEL",),
    )  # fmt: skip
    #: set options by name
    values: Mapping[str, Any] = more_options(ServerSettings)


def _accept_registry(ctx: typer.Context, arguments: list[str]) -> list[str]:
    """asr2clip's `--config` is the registry of models, which its server also downloads from."""
    del ctx
    for index, argument in enumerate(arguments):
        name, _, value = argument.partition("=")
        value = value or "".join(arguments[index + 1 : index + 2])
        if name == "--config" and _is_registry(value):
            rest = arguments[index + 1 + (argument == name) :]
            return [*arguments[:index], "--fetch-models", "--models-file", value, *rest]
    return arguments


def _is_registry(path: str) -> bool:
    from asrcli.models.yaml_file import load_yaml

    try:
        return isinstance(load_yaml(Path(path)).get("models"), dict)
    except ModelError:
        return False  # the reader of settings reports it


@takes(ServeArguments)
@rewrites_arguments(_accept_registry)
@examples(
    """\
asrcli serve                                       on http://127.0.0.1:8000
asrcli serve --host 0.0.0.0 --api-key-file keys    for the network, with keys
asrcli serve --model sensevoice-small --model-ttl 600
asrcli serve --wyoming-port 10300                  for Home Assistant, too
asrcli serve --certfile cert.pem --keyfile key.pem --funasr-port 10095
curl -F file=@talk.mp3 http://127.0.0.1:8000/v1/audio/transcriptions"""
)
def serve(ctx: typer.Context, arguments: ServeArguments) -> int:
    """Serve transcription to the clients of OpenAI, Aliyun, FunASR, SenseVoice, Deepgram and Home Assistant.

    Nothing is sent elsewhere, unless --cluster names other machines. On SIGTERM running requests are finished first.
    """
    from asrcli.cli.framework.settings import asked_for, origin_of
    from asrcli.cli.request.conflicts import check_exclusive, settle

    console = ctx.obj.console
    console.quiet, console.log_json = arguments.quiet, arguments.log_json
    arguments, _ = settle(
        arguments,
        asked_for(ctx),
        lambda given, _: check_exclusive(given.values, ("webhook_secret", "webhook_secret_file")),
    )
    if arguments.check:
        return _check(_without_empty_files(from_values(ServerSettings, arguments.values)))
    _need_extra()
    from asrcli.server.run import serve as run

    settings = _settings(ctx, arguments)
    if origin_of(ctx, ctx.obj, "funasr_port").kind == "default" and not _free(settings.host, settings.funasr_port):
        console.warning(f"port {settings.funasr_port} is in use: no listener for FunASR clients (--funasr-port).")
        settings = replace(settings, funasr_port=0)
    _warn_of_missing_keys(console, settings)
    ended_by = run(
        settings,
        lambda what, url: _announce(console, what, url),
        log_level="warning" if arguments.quiet else arguments.log_level,
        log_json=arguments.log_json,
    )
    return ExitCode.INTERRUPTED if ended_by == signal.SIGINT else ExitCode.OK


def _check(settings: ServerSettings) -> int:
    import httpx

    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104 -- not bound here
    url = httpx.URL(
        scheme="https" if settings.certfile else "http", host=host, port=settings.port, path="/health/ready"
    )
    try:
        # The certificate names the server as clients do, not as this machine does.
        answer = httpx.get(url, verify=False, trust_env=False, timeout=5)  # noqa: S501
    except httpx.HTTPError as error:
        raise MachineError(f"The server at {url} does not answer: {error}.") from error
    if answer.status_code != httpx.codes.OK:
        raise MachineError(f"The server at {url} is not ready ({answer.status_code}).")
    return ExitCode.OK


def _announce(console: Console, what: str, url: str) -> None:
    if console.log_json:
        console.event("listening", protocol=what, url=url)
    else:
        console.notice(f"listening on {url}" + {"funasr": " (FunASR)", "wyoming": " (Wyoming)"}.get(what, ""))


def _need_extra() -> None:
    from importlib.util import find_spec

    for package in ("fastapi", "uvicorn", "websockets", "python_multipart", "prometheus_client", "fastapi_offline"):
        if find_spec(package) is None:
            raise MissingExtraError(f"The server needs the package {package}.", pip_install("serve"))


def _settings(ctx: typer.Context, arguments: ServeArguments) -> ServerSettings:
    """The settings, the default model fetched if need be."""
    from asrcli.cli.request.model_choice import choose_model
    from asrcli.models.registry import Registry
    from asrcli.models.suitability import automatic_model
    from asrcli.server.recognition.model_pool import check_servable

    settings = _without_empty_files(from_values(ServerSettings, arguments.values))
    registry = Registry(settings.model_dir, settings.models_file)
    enabled = _enabled(settings.enabled_models, registry)
    model = settings.model or ("auto" if "auto" in settings.enabled_models else next(iter(enabled), None))
    if model == "auto":
        model = automatic_model(registry.entry, registry.missing)
    settings = replace(settings, enabled_models=enabled)
    spec = choose_model(ctx, ModelArguments(model=model, offline=arguments.offline), registry=registry)
    check_servable(spec)  # here, where it is an error of ours and no traceback of the web server's
    return replace(
        settings,
        model=model,
        fetch_models=settings.fetch_models and not arguments.offline,
        webhook_secret=_webhook_secret(settings.webhook_secret, arguments.webhook_secret_file),
        preload=(spec.name,) if arguments.preload else (),
        api_keys=(*_not_empty(arguments.api_key), *_lines_of(arguments.api_key_file, "--api-key-file")),
    )


def _without_empty_files(settings: ServerSettings) -> ServerSettings:
    """FunASR's scripts turn TLS off with `--certfile 0` or an empty name, whatever the key; hotwords with one."""
    if settings.hotword == Path():
        settings = replace(settings, hotword=None)
    off = settings.certfile is not None and str(settings.certfile) in {"0", "."}
    return replace(settings, certfile=None, keyfile=None) if off else settings


def _enabled(names: tuple[str, ...], registry: Registry) -> tuple[str, ...]:
    """The models that clients may name, by their names in the registry; (): all."""
    return () if {"auto", "all"} & set(names) else tuple(registry.meant(name).name for name in names)


def _not_empty(keys: tuple[str, ...]) -> tuple[str, ...]:
    """The keys. An empty one is usually an unset variable, and would disable authentication."""
    if not all(key.strip() for key in keys):
        raise UsageError("An API key is empty.", "Give --api-key a key, or leave it out.")
    return keys


def _lines_of(path: Path | None, option_name: str) -> list[str]:
    """The keys in a file, one a line; [] without a file."""
    if path is None:
        return []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise UsageError(f"Cannot read the keys in {path}: {reason}.", f"Correct {option_name}.") from error
    keys = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    if not keys:
        raise UsageError(f"{path} contains no key.", "Write one key per line, or leave the option out.")
    return keys


def _webhook_secret(secret: str | None, path: Path | None) -> str | None:
    """The secret, or that of the file; None: no webhooks; an empty one signs nothing."""
    return secret or next(iter(_lines_of(path, "--webhook-secret-file")), None)


def _free(host: str, port: int) -> bool:
    import socket

    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _warn_of_missing_keys(console: Console, settings: ServerSettings) -> None:
    if not settings.api_keys and settings.host not in {"127.0.0.1", "localhost", "::1"}:
        console.warning(f"any client that reaches {settings.host} can use this server; set --api-key.")
