"""The connection to a Ray cluster."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from asrcli.distribution import pip_install
from asrcli.errors import ClusterError, MissingExtraError

_HINT = "Start one with 'ray start --head', give its address as ray://HOST:10001, or use --cluster local."


@contextmanager
def connected(address: str) -> Iterator[Any]:
    """The module `ray`, connected to `address`: "auto" (the cluster that this machine belongs to), "local" (one of
    this machine alone, which ends with the block) or "ray://HOST:PORT". Raises MissingExtraError: Ray is not installed;
    ClusterError: no cluster answers, or it runs another version of Ray or Python.
    """
    try:
        import ray
    except ImportError as error:
        raise MissingExtraError("--cluster needs the package ray.", pip_install("cluster")) from error
    try:
        try:
            _connect(ray, address)
        except ConnectionError as error:
            if "client server failed" not in str(error):  # the head node answers, but has not started our part in time
                raise
            _connect(ray, address)
    except Exception as error:
        # Ray raises ConnectionError, TimeoutError, RuntimeError and ValueError, depending on the kind of address.
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ClusterError(f"No Ray cluster can be used at '{address}': {reason[-300:]}", _HINT) from error
    try:
        yield ray
    finally:
        ray.shutdown()


def _connect(ray: Any, address: str) -> None:
    options: dict[str, Any] = {"include_dashboard": False} if address == "local" else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the error reports it
        ray.init(address, log_to_driver=False, logging_level=logging.CRITICAL, **options)
