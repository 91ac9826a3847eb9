"""Inputs by address: `https://example.org/talk.mp3` is fetched to a temporary file while it is transcribed, and so are
recordings in object stores.
"""

from __future__ import annotations

import contextlib
import hashlib
import ipaddress
import os
import re
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from asrcli.storage.fetch import Guard
    from asrcli.storage.http import Progress

#: an address, of which `Path` may have joined the two slashes
_ADDRESS = re.compile(r"(https?):/{1,2}(?=[^/])", re.IGNORECASE)
_KEPT = "%/:?#[]@!$&'()*+,;=~"
_SECRETS = re.compile(r"(?<=//)[^/?#]*@|[?#].*", re.DOTALL)
#: seconds between two reports of a download
_REPORT_EVERY = 0.1


@dataclass(frozen=True, slots=True)
class Address:
    """A recording at an address."""

    url: str
    #: what represents it in the journal and names its outputs; no such file exists
    place: Path
    #: what its server had when it was fetched (`fetch.version_of`); "" where that is not known
    version: str = ""

    @property
    def shown(self) -> str:
        """For messages and transcripts."""
        return public_url(self.url)


def public_url(url: str) -> str:
    """An address without what may be a secret: its query, a password."""
    return _SECRETS.sub("", url)


def as_url(name: str | Path) -> str | None:
    """The address that an input's name is; None: it is the name of a file. Characters that no address may have are
    written as %XX.
    """
    match = _ADDRESS.match(text := os.fspath(name))
    return f"{match[1].lower()}://{quote(os.fsencode(text[match.end() :]), safe=_KEPT)}" if match else None


def find_address(url: str, suffixes: Collection[str], networks: Sequence[str]) -> Address:
    """The address with its file name: where that is not in the path, the server is asked for it. Raises FetchError: the
    address is not valid, may not be reached, or does not answer.
    """
    from asrcli.storage.fetch import checked_url, name_of, url_name

    parts = checked_url(url)
    name = url_name(url)
    if os.path.splitext(name)[1].lower() not in suffixes:
        name = name_of(url, guard_of(networks))
    folder = [part for part in parts.path.split("/")[:-1] if part not in {"", ".", ".."}]
    query = [hashlib.blake2b(parts.query.encode(), digest_size=8).hexdigest()] if parts.query else []
    return Address(url, Path("/", f"{parts.scheme}:", parts.netloc, *folder, *query, name))


def guard_of(networks: Sequence[str]) -> Guard:
    """What the command line may fetch; `networks` are those of `--fetch-network`."""
    from asrcli.storage.fetch import Guard

    return Guard(networks=tuple(map(ipaddress.ip_network, networks)))


@contextlib.contextmanager
def fetched(
    address: Address, guard: Guard, cancelled: Callable[[], bool], progress: Progress
) -> Iterator[tuple[Path, Address]]:
    """A temporary file with the recording, and the address with its version. Raises FetchError, DiskFullError or
    CancelledError: as `fetch`.
    """
    from asrcli.storage.fetch import fetch

    with _temporary(address.place) as path:
        versions = [""]
        fetch(address.url, path, guard, cancelled, _seldom(progress), versioned=versions.append)
        yield path, replace(address, version=versions[-1])


@contextlib.contextmanager
def downloaded(place: Path, cancelled: Callable[[], bool], progress: Progress) -> Iterator[tuple[Path, str]]:
    """A temporary file with a recording from a store, and its version there. Raises InputError, DiskFullError or
    CancelledError: as `download`.
    """
    from asrcli.storage.atomic import disk_errors, private
    from asrcli.storage.objects import download

    with _temporary(place) as path:
        with disk_errors(path.parent, "Name another folder with TMPDIR."), open(path, "xb", opener=private) as file:
            state = download(place, file, cancelled, _seldom(progress))
        yield path, state.version


@contextlib.contextmanager
def _temporary(place: Path) -> Iterator[Path]:
    """The path of a temporary file for a recording; it does not exist yet."""
    from asrcli.audio.containers.suffixes import MEDIA_SUFFIXES

    # Headerless recordings are known by their suffix.
    suffix = place.suffix.lower() if place.suffix.lower() in MEDIA_SUFFIXES else ""
    with tempfile.TemporaryDirectory(prefix="asrcli-", ignore_cleanup_errors=True) as folder:
        yield Path(folder, f"recording{suffix}")


def _seldom(progress: Progress) -> Progress:
    """`progress`, called at intervals and at the end."""
    reported = 0.0

    def report(done: int, total: int | None) -> None:
        nonlocal reported
        if time.monotonic() - reported >= _REPORT_EVERY or done == total:
            reported = time.monotonic()
            progress(done, total)

    return report
