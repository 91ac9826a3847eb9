"""What the server was started with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

#: bytes and seconds for people to change
DEFAULT_MAX_UPLOAD = 2 << 30
DEFAULT_MAX_DURATION = 24 * 3600.0

#: `status` of a successful Aliyun REST reply; auto: 20000000 for clients that send an appkey, 200 for the others
AliyunStatus = Literal["auto", "20000000", "200"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """Frozen; made by `asrcli serve`, by tests, or by whoever mounts the application elsewhere."""

    host: str = "127.0.0.1"
    port: int = 8000
    #: second listener for FunASR runtime clients; 0: none
    funasr_port: int = 0
    #: TLS of both listeners; None: plain
    certfile: Path | None = None
    keyfile: Path | None = None

    #: registry name or folder of the model taken when a request names none; None: the registry's default
    model: str | None = None
    #: streaming model for partial results of live streams; None: the growing sentence is decoded again and again
    streaming_model: str | None = None
    model_dir: Path | None = None
    #: decoding threads; None: one a core
    num_threads: int | None = None
    #: models loaded before the first request is taken
    preload: tuple[str, ...] = ()
    #: seconds after which a model that nobody uses is dropped; 0: never
    model_ttl: float = 0.0

    #: any of these opens every route; none: everything is open
    api_keys: tuple[str, ...] = ()
    #: web origins besides the server's own that may call from a browser; "*": all
    cors_origins: tuple[str, ...] = ()

    #: bytes of one request's body
    max_upload: int = DEFAULT_MAX_UPLOAD
    #: seconds of one recording
    max_duration: float = DEFAULT_MAX_DURATION
    #: requests that wait for a worker; one more is answered 429
    max_queue: int = 64
    #: live streams at a time; one more is told to come back later; 0: no limit
    max_sessions: int = 256
    #: seconds a request may take, waiting included; 0: no limit
    request_timeout: float = 3600.0
    #: seconds without a frame after which a live session is closed
    idle_timeout: float = 60.0
    #: seconds that requests have to finish after SIGTERM
    drain_timeout: int = 30

    #: whether `audio_address` and jobs may name a URL
    allow_url_fetch: bool = False
    #: networks (CIDR) that may be fetched from although they are not public
    fetch_networks: tuple[str, ...] = ()
    aliyun_status: AliyunStatus = "auto"
    #: RMS below which live audio is taken as far away and not recognised; None: everything is heard
    nearfield_threshold: float | None = None

    #: where jobs are kept; None: the user's data folder
    data_dir: Path | None = None
    #: seconds that a finished job's result is kept
    job_ttl: float = 7 * 24 * 3600.0
    #: key that webhooks are signed with; None: jobs take no webhook
    webhook_secret: str | None = None
