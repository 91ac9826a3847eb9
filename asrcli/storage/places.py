"""Paths of files in object stores and on SFTP servers.

Within the program such a file has a path below `/s3:`, `/gs:`, `/az:` or `/sftp:`, its place, where no file system has
files: names, plans and journals treat it like any other.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from asrcli.errors import UsageError

#: of `Path`, which may have joined the two slashes
_URI = re.compile(r"(s3|gs|az|sftp):/{1,2}(?=[^/])", re.IGNORECASE)
_PLACE = re.compile(r"^/(s3|gs|az|sftp):/+")


def place_of(name: str | Path) -> Path | None:
    """The place of a file that a URI names; None: it is the path of a file on this machine. Raises UsageError: a
    password in the URI, or a path that is not the only one of its place.
    """
    match = _URI.match(text := os.fspath(name))
    if match is None:
        return None
    scheme, rest = match[1].lower(), text[match.end() :]
    if scheme == "sftp" and ":" in rest.partition("/")[0].rpartition("@")[0]:
        raise UsageError("An sftp:// address must not hold a password.", "Use a key or an agent of ssh.")
    if not is_plain(rest.rstrip("/")):
        raise UsageError(f"{text}: parts of its path are empty, '.' or '..'.", "Name it without them.")
    return Path(f"/{scheme}:", rest)


def is_plain(path: str) -> bool:
    """Whether no part of a path is empty, '.' or '..', which file systems treat in another way than object stores."""
    return not {"", ".", ".."}.intersection(path.split("/"))


def is_stored(path: str | Path) -> bool:
    """Whether a path is a place."""
    return _PLACE.match(os.fspath(path)) is not None


def uri_of(path: str | Path) -> str:
    """The URI of a place; any other path as it is."""
    return _PLACE.sub(r"\1://", os.fspath(path), count=1)
