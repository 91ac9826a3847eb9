"""`asrcli serve`: the server."""

from __future__ import annotations

import signal
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from asrcli.cli.framework.command import examples, takes
from asrcli.distribution import pip_install
from asrcli.errors import ExitCode

if TYPE_CHECKING:
    from asrcli.cli.framework.console import Console
    from asrcli.server.settings import ServerSettings

_FUNASR_PORT = 10095
_BIG = 1024**3


def _panel(name: str) -> Any:
    def option(*names: str, **rules: Any) -> Any:
        return typer.Option(*names, rich_help_panel=name, **rules)

    return option


_Where, _Model, _Door = _panel("Where it listens"), _panel("Recognition"), _panel("Who may use it")
_Limit, _Job, _Report = _panel("Limits"), _panel("Jobs"), _panel("Messages")


def _size(text: str | int) -> int:
    """Bytes from "2GB", "500MB", "64KB" or a bare number of megabytes, as other servers take it."""
    if isinstance(text, int):
        return text
    number = text.strip().upper().removesuffix("B").removesuffix("I")
    unit = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}.get(number[-1:], 0)
    try:
        size = int(float(number[:-1] if unit else number) * (unit or 1 << 20))
    except (ValueError, OverflowError):
        size = 0
    if size < 1:
        raise typer.BadParameter(f"'{text}' is no size; write 500MB, 2GB, or a number of megabytes.")
    return size


def _network(text: str) -> str:
    """A network in CIDR notation."""
    import ipaddress

    try:
        return str(ipaddress.ip_network(text))
    except ValueError as error:
        raise typer.BadParameter(f"'{text}' is no network; write 10.0.0.0/8.") from error


# Dataclass fields come in the order in which they are listed on the help page.
@dataclass(frozen=True, kw_only=True)
class ServeArguments:
    """All of `asrcli serve --help`."""

    host: Annotated[str, _Where(metavar="ADDRESS", help="Address to listen on; 0.0.0.0 for every interface.")] = (
        "127.0.0.1"
    )
    port: Annotated[int, _Where("--port", "-p", metavar="N", min=0, max=65535, help="Port; 0 takes any free one.")] = (
        8000
    )
    funasr_port: Annotated[
        int,
        _Where(metavar="N", min=0, max=65535, help="A second port for FunASR clients; 0: none."),
    ] = _FUNASR_PORT
    certfile: Annotated[Path | None, _Where(metavar="FILE", help="TLS certificate (PEM), for both ports.")] = None
    keyfile: Annotated[Path | None, _Where(metavar="FILE", help="Its key, unless the certificate's file holds it.")] = (
        None
    )
    drain_timeout: Annotated[
        int, _Where(metavar="S", min=0, help="On SIGTERM, seconds that requests have to finish.")
    ] = 30

    model: Annotated[
        str | None,
        _Model(
            "--model", "-m", metavar="MODEL", help="The model for requests that name none; without it, the default."
        ),
    ] = None
    streaming_model: Annotated[
        str | None, _Model(metavar="MODEL", help="Streaming model for live partial results.")
    ] = None
    model_dir: Annotated[Path | None, _Model(metavar="DIR", help="Where models are kept.")] = None
    offline: Annotated[bool, _Model("--offline", help="Never fetch a model; fail if one is missing.")] = False
    num_threads: Annotated[
        int | None,
        _Model("--num-threads", "-j", metavar="N", min=1, help="Threads that decode; without it, one a core."),
    ] = None
    preload: Annotated[bool, _Model(help="Load the model at once, not with the first request.")] = True
    model_ttl: Annotated[
        float, _Model(metavar="S", min=0, help="Drop a model from memory after S idle seconds; 0: never.")
    ] = 0.0
    nearfield_threshold: Annotated[
        float | None,
        _Model(metavar="RMS", min=0, max=1, help="Live audio quieter than this is not recognised (0.01 is usual)."),
    ] = None
    aliyun_status: Annotated[
        Literal["auto", "20000000", "200"],
        _Model(metavar="auto|20000000|200", help="Status of Aliyun REST replies; auto: 20000000 if an appkey is sent."),
    ] = "auto"

    api_key: Annotated[
        list[str], _Door(metavar="KEY", show_default=False, help="A key that clients must send; may be repeated.")
    ] = field(default_factory=list)
    api_key_file: Annotated[Path | None, _Door(metavar="FILE", help="More keys, one a line.")] = None
    cors_origin: Annotated[
        list[str],
        _Door(
            metavar="ORIGIN", show_default=False, help="Web origin whose pages may call; may be repeated; * for all."
        ),
    ] = field(default_factory=list)
    allow_url_fetch: Annotated[
        bool, _Door("--allow-url-fetch", help="Let requests name a public URL to fetch the recording from.")
    ] = False

    fetch_network: Annotated[
        list[str],
        _Door(
            metavar="CIDR",
            parser=_network,
            show_default=False,
            help="Network that may be fetched from though it is not public.",
        ),
    ] = field(default_factory=list)

    max_upload: Annotated[int, _Limit(metavar="SIZE", parser=_size, help="Largest request: 500MB, 2GB.")] = 2 * _BIG
    max_duration: Annotated[float, _Limit(metavar="S", min=1, help="Longest recording.")] = 24 * 3600.0
    max_queue: Annotated[int, _Limit(metavar="N", min=0, help="Requests that may wait; one more is answered 429.")] = 64
    max_sessions: Annotated[
        int, _Limit(metavar="N", min=0, help="Live streams at a time; one more is told to come later; 0: no limit.")
    ] = 256
    request_timeout: Annotated[
        float, _Limit(metavar="S", min=0, help="Longest time for a request, waiting included; 0: no limit.")
    ] = 3600.0
    idle_timeout: Annotated[
        float, _Limit(metavar="S", min=1, help="Close a live session after S seconds without a frame.")
    ] = 60.0

    data_dir: Annotated[Path | None, _Job(metavar="DIR", help="Where jobs are kept.")] = None
    job_ttl: Annotated[float, _Job(metavar="S", min=0, help="Forget a finished job after S seconds.")] = 7 * 86400.0
    webhook_secret: Annotated[
        str | None, _Job(metavar="TEXT", help="Key that webhooks are signed with; without it, jobs take none.")
    ] = None

    quiet: Annotated[bool, _Report("--quiet", "-q", help="Say nothing but warnings and errors.")] = False
    log_json: Annotated[bool, _Report("--log-json", help="Report as JSON, one event a line.")] = False


@takes(ServeArguments)
@examples(
    """\
asrcli serve                                       on http://127.0.0.1:8000
asrcli serve --host 0.0.0.0 --api-key-file keys    for the network, with keys
asrcli serve --model sensevoice-small --model-ttl 600
asrcli serve --certfile cert.pem --keyfile key.pem --funasr-port 10095
curl -F file=@talk.mp3 http://127.0.0.1:8000/v1/audio/transcriptions"""
)
def serve(ctx: typer.Context, arguments: ServeArguments) -> int:
    """Serve transcription to the clients of OpenAI, Aliyun, FunASR and SenseVoice.

    Everything stays on this machine. On SIGTERM requests are finished before the server ends.
    """
    from asrcli.cli.framework.settings import origin_of

    console = ctx.obj.console
    console.quiet, console.log_json = arguments.quiet, arguments.log_json
    _need_extra()
    from asrcli.server.run import serve as run

    settings = _settings(ctx, arguments)
    if origin_of(ctx, ctx.obj, "funasr_port").kind == "default" and not _free(settings.host, settings.funasr_port):
        console.warning(f"port {settings.funasr_port} is taken: no listener for FunASR clients (--funasr-port).")
        settings = replace(settings, funasr_port=0)
    _warn_of_open_door(console, settings)
    ended_by = run(settings, lambda what, url: _announce(console, what, url))
    return ExitCode.INTERRUPTED if ended_by == signal.SIGINT else ExitCode.OK


def _announce(console: Console, what: str, url: str) -> None:
    if console.log_json:
        console.event("listening", protocol=what, url=url)
    else:
        console.notice(f"listening on {url}" + (" (FunASR)" if what == "funasr" else ""))


def _need_extra() -> None:
    from importlib.util import find_spec

    from asrcli.errors import MissingExtraError

    for package in ("fastapi", "uvicorn", "websockets", "python_multipart", "prometheus_client", "fastapi_offline"):
        if find_spec(package) is None:
            raise MissingExtraError(f"The server needs the package {package}.", pip_install("serve"))


def _settings(ctx: typer.Context, arguments: ServeArguments) -> ServerSettings:
    """The settings, the default model fetched if need be.

    Raises:
        ModelError: it cannot be had.
        UsageError: keys that cannot be read.
    """
    from asrcli.cli.request.arguments import ModelArguments
    from asrcli.cli.request.model_choice import choose_model
    from asrcli.server.recognition.model_pool import check_servable
    from asrcli.server.settings import ServerSettings

    wanted = ModelArguments(model=arguments.model, model_dir=arguments.model_dir, offline=arguments.offline)
    spec = choose_model(ctx, wanted)
    check_servable(spec)  # here, where it is an error of ours and no traceback of the web server's
    own = {"api_key", "api_key_file", "cors_origin", "fetch_network", "offline", "preload", "quiet", "log_json"}
    plain = {name: getattr(arguments, name) for name in ServeArguments.__dataclass_fields__ if name not in own}
    plain["webhook_secret"] = plain["webhook_secret"] or None  # nobody signs with nothing
    return ServerSettings(
        **plain,
        preload=(spec.name,) if arguments.preload else (),
        api_keys=(*_not_empty(arguments.api_key), *_keys_in(arguments.api_key_file)),
        cors_origins=tuple(arguments.cors_origin),
        fetch_networks=tuple(arguments.fetch_network),
    )


def _not_empty(keys: list[str]) -> list[str]:
    """The keys; an empty one is mostly a variable that nobody has set, and would open the server to everybody."""
    from asrcli.errors import UsageError

    if not all(key.strip() for key in keys):
        raise UsageError("An API key is empty.", "Give --api-key a key, or leave it out.")
    return keys


def _keys_in(path: Path | None) -> list[str]:
    from asrcli.errors import UsageError

    if path is None:
        return []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise UsageError(f"Cannot read the keys in {path}: {reason}.", "Correct --api-key-file.") from error
    keys = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    if not keys:
        raise UsageError(f"There is no key in {path}.", "Write keys into it, one a line, or leave the option out.")
    return keys


def _free(host: str, port: int) -> bool:
    import socket

    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _warn_of_open_door(console: Console, settings: ServerSettings) -> None:
    if not settings.api_keys and settings.host not in {"127.0.0.1", "localhost", "::1"}:
        console.warning(f"anybody who reaches {settings.host} can use this server: set --api-key.")
