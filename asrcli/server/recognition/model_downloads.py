"""Models of the registry that are downloaded when a client first names them."""

import logging
import threading
from concurrent.futures import ThreadPoolExecutor

from asrcli.backends.registry import check_packages
from asrcli.errors import AsrcliError
from asrcli.models.registry import Registry
from asrcli.models.store import Store
from asrcli.server.errors import UnavailableError

_log = logging.getLogger("asrcli.server")

#: seconds after which a client may ask for the model again
_RETRY_AFTER = 15


class ModelDownloads:
    """One download at a time; the others wait. Thread-safe."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="model-download")
        self._lock = threading.Lock()
        self._pending: set[str] = set()
        #: downloads that failed, until a client asks for the model again
        self._failed: set[str] = set()
        self._closed = False

    def request(self, name: str) -> None:
        """Start the download of a model, unless it runs or the model has no address. Raises UnavailableError: the model
        is being downloaded, or could not be, and the next request tries again; MissingExtraError: a package that runs
        it is not installed.
        """
        entry = self._registry.entry(name)
        if not entry.download.available:
            return
        check_packages(entry.type)
        with self._lock:
            if name in self._failed:
                self._failed.remove(name)
                raise UnavailableError(
                    f"The model `{name}` cannot be downloaded.", "The server's log has the reason.", param="model",
                    retry_after=_RETRY_AFTER,
                )  # fmt: skip
            if name not in self._pending:
                self._pending.add(name)
                self._executor.submit(self._download, name)
        raise UnavailableError(
            f"The model `{name}` is being downloaded.", "Try again in a while.", param="model", retry_after=_RETRY_AFTER
        )

    def _download(self, name: str) -> None:
        _log.info("downloading the model %s", name)
        installed = False
        try:
            Store(self._registry).install(name, progress=lambda *_: self._continue())
            installed = True
            _log.info("the model %s is installed", name)
        except AsrcliError as error:
            _log.error("the model %s cannot be downloaded: %s", name, error)
        except Exception:  # noqa: BLE001 -- it has no caller
            _log.exception("the model %s cannot be downloaded", name)
        with self._lock:
            self._pending.discard(name)
            if not installed:
                self._failed.add(name)

    def _continue(self) -> None:
        if self._closed:
            raise UnavailableError("The server ends.")

    def close(self) -> None:
        """End the running download, which is resumed when it is requested again, and drop the others."""
        self._closed = True
        self._executor.shutdown(wait=False, cancel_futures=True)
