"""Settings of the server."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from asrcli.options import readers
from asrcli.options.declarations import option

#: seconds
_DAY = 86400.0
_YEAR = 365 * _DAY

#: `status` of a successful Aliyun REST reply; auto: 20000000 for clients that send an appkey, 200 for the others
AliyunStatus = Literal["auto", "20000000", "200"]

_network: Any = partial(option, panel="Network")
_model: Any = partial(option, panel="Recognition")
_access: Any = partial(option, panel="Access")
_limit: Any = partial(option, panel="Limits", low=0)
_job: Any = partial(option, panel="Jobs")


def _read_prefix(text: str) -> str:
    path = text.strip().strip("/")
    if not all(character.isprintable() and character not in " ?#%" for character in path):
        raise ValueError(f"'{text}' is not a path; write /speech")
    return f"/{path}" if path else ""


def _read_proxies(text: str) -> str:
    items = [item.strip() for item in text.split(",") if item.strip()]
    return ",".join(item if item == "*" else readers.network(item) for item in items)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """Made by `asrcli serve`, by tests, and by an application that mounts the server."""

    host: str = _network(
        "127.0.0.1", "Address to listen on; 0.0.0.0 for all interfaces.", metavar="ADDRESS", essential=True
    )
    port: int = _network(8000, "Port; 0 takes a free one.", short="-p", metavar="N", low=0, high=65535, essential=True)
    funasr_port: int = _network(
        10095, "Second port, for FunASR runtime clients; 0: none.", metavar="N", low=0, high=65535, essential=True
    )
    wyoming_port: int = _network(
        0, "Port for Wyoming clients (Home Assistant), without TLS and keys; 0: none.", metavar="N", low=0, high=65535
    )
    #: empty: every network if there are no keys, else this machine
    wyoming_networks: tuple[str, ...] = _access(
        (), "Network whose clients may use the Wyoming port; repeatable; by default all, or with keys this machine.",
        name="wyoming_network", metavar="CIDR", read=readers.network, show_default=False,
    )  # fmt: skip
    certfile: Path | None = _network(None, "TLS certificate (PEM) of both ports; 0: no TLS.", metavar="FILE")
    keyfile: Path | None = _network(
        None, "Private key of the certificate, unless --certfile contains it.", metavar="FILE"
    )
    root_path: str = _network(
        "", "Path below which a reverse proxy serves this server, as in /speech.", metavar="PATH", read=_read_prefix,
        show_default=False,
    )  # fmt: skip
    #: empty: the headers X-Forwarded-For and X-Forwarded-Proto are ignored
    forwarded_allow_ips: str = _network(
        "", "Addresses of reverse proxies whose X-Forwarded headers are used, with commas; * for all.",
        metavar="ADDRESSES", read=_read_proxies, show_default=False,
    )  # fmt: skip
    drain_timeout: int = _network(
        30, "Seconds that running requests get to finish after SIGTERM.", metavar="S", low=0, high=86400
    )

    hotword: Path | None = _model(
        None, "File of hotwords for all requests, besides those of the client.", metavar="FILE"
    )
    #: None: the registry's default
    model: str | None = _model(
        None, "Model of requests that name none: a name or folder; auto: by the GPU's memory.", short="-m",
        metavar="MODEL", essential=True,
    )  # fmt: skip
    device: str | None = _model(
        None, "Device of the recognisers, as for transcribe: auto, cpu, cuda, cuda:1, or several with commas.",
        metavar="DEVICE", read=readers.device,
    )  # fmt: skip
    #: None: this machine alone recognises
    cluster: str | None = _model(
        None, "Recognise recordings on the nodes of a Ray cluster, too: ray://HOST:10001, auto (the cluster of this "
        "machine) or local (starts one).", metavar="ADDRESS", read=readers.cluster,
    )  # fmt: skip
    #: None: the growing sentence is decoded repeatedly
    streaming_model: str | None = _model(
        None, "Streaming model for live partial results.", metavar="MODEL", models="streaming", essential=True
    )
    model_dir: Path | None = _model(None, "Folder of the models; by default in the user's data folder.", metavar="DIR")
    num_threads: int | None = _model(
        None, "Decoding threads; by default one per core.", short="-j", metavar="N", low=1, high=4096, essential=True,
        aliases=("decoder-thread-num",),
    )  # fmt: skip
    models_file: Path | None = _model(
        None, "Registry of models (models.yaml); by default in the user's data folder.", metavar="FILE"
    )
    #: names that clients may use; empty, auto or all: every installed model
    enabled_models: tuple[str, ...] = _model(
        (), "Model that clients may name; repeatable; by default every installed one.", name="enabled_model",
        metavar="MODEL", show_default=False, variables=("ENABLED_MODELS",),
    )  # fmt: skip
    fetch_models: bool = _model(False, "Download a model of the registry when a client first names it.")
    max_chunk: float | None = _model(
        None, "Maximum length of a chunk, in seconds; by default the model's window.", metavar="S", low=1, high=3600,
        variables=("MAX_SEGMENT_SEC",),
    )  # fmt: skip
    #: models loaded before the first request is accepted
    preload: tuple[str, ...] = ()
    model_ttl: float = _model(
        0.0, "Unload a model after S seconds without a request; 0: never.", metavar="S", low=0, high=_YEAR
    )

    #: clients must send one of these; empty: no authentication
    api_keys: tuple[str, ...] = ()
    cors_origins: tuple[str, ...] = _access(
        (), "Web origin whose pages may send requests; repeatable; * for all.", name="cors_origin", metavar="ORIGIN",
        show_default=False,
    )  # fmt: skip
    allowed_hosts: tuple[str, ...] = _access(
        (), "Domain name under which local clients reach a server without keys; repeatable; * for all.",
        name="allowed_host", metavar="NAME", show_default=False,
    )  # fmt: skip
    allow_url_fetch: bool = _access(False, "Allow requests that name a public URL to fetch the recording from.")
    fetch_networks: tuple[str, ...] = _access(
        (), "Private network that recordings may be fetched from; repeatable.", name="fetch_network", metavar="CIDR",
        read=readers.network, show_default=False,
    )  # fmt: skip

    #: bytes of a request body
    max_upload: int = _limit(
        2 << 30, "Maximum size of a request: 500MB, 2GB.", metavar="SIZE", read=readers.size, high=1 << 50,
        variables=("MAX_AUDIO_SIZE",),
    )  # fmt: skip
    max_disk: int = _limit(
        64 << 30, "Maximum size of all recordings on disk, those of waiting jobs included.", metavar="SIZE",
        read=readers.size, high=1 << 50,
    )  # fmt: skip
    max_duration: float = _limit(_DAY, "Maximum length of a recording, in seconds.", metavar="S", low=1, high=_YEAR)
    max_queue: int = _limit(
        64, "Maximum number of waiting requests; further ones are answered 429.", metavar="N", high=1_000_000
    )
    max_sessions: int = _limit(
        256, "Maximum number of live streams; further ones are refused; 0: no limit.", metavar="N", high=1_000_000
    )
    #: None: three quarters of `max_sessions`
    max_address_sessions: int | None = _limit(
        None, "Maximum number of live streams of one address, other than this machine's and its proxies'; by default "
        "three quarters of --max-sessions; 0: no limit.", metavar="N", high=1_000_000
    )  # fmt: skip
    request_timeout: float = _limit(
        3600.0, "Maximum time of a request, waiting included, in seconds; 0: no limit.", metavar="S", high=_YEAR
    )
    idle_timeout: float = _limit(
        60.0, "Close a live session after S seconds without a frame.", metavar="S", low=1, high=_DAY
    )

    aliyun_status: AliyunStatus = option(
        "auto", "Status of Aliyun REST replies; auto: 20000000 if the client sends an appkey.", panel="Recognition"
    )
    #: None: everything is recognised
    nearfield_threshold: float | None = _model(
        None, "Do not recognise live audio with a lower RMS (0.01 is usual).", metavar="RMS", low=0, high=1
    )

    #: None: in the user's data folder
    data_dir: Path | None = _job(None, "Folder of the jobs; by default in the user's data folder.", metavar="DIR")
    job_ttl: float = _job(7 * _DAY, "Delete a finished job after S seconds.", metavar="S", low=0, high=100 * _YEAR)
    job_timeout: float = _job(
        _DAY, "Maximum time of a job once it runs, in seconds; 0: no limit.", metavar="S", low=0, high=_YEAR
    )
    webhook_secret: str | None = _job(
        None, "Key that signs webhooks; without it, jobs accept no webhook.", metavar="TEXT"
    )
