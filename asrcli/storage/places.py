"""Paths of files in object stores and on SFTP servers.

Within the program such a file has a path below `/s3:`, `/gs:`, `/az:` or `/sftp:`, its place, where no file system has
files: names, plans and journals treat it like any other.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from asrcli.errors import UsageError

_SCHEMES = "s3|gs|az|sftp"
#: of `Path`, which may have joined the two slashes
_URI = re.compile(rf"({_SCHEMES}):/{{1,2}}(?=[^/])", re.IGNORECASE)
_PLACE = re.compile(rf"^/({_SCHEMES}):/+")
_ANY_URI = re.compile(r"[a-z][a-z0-9+.-]+:(/|$)", re.IGNORECASE)


def place_of(name: str | Path) -> Path | None:
    """The place of a file that a URI names; None: it is the path of a file on this machine. Raises UsageError: a
    password in the URI, or a path that is not the only one of its place.
    """
    match = _URI.match(text := os.fspath(name))
    if match is None:
        return None
    scheme, rest = match[1].lower(), text[match.end() :]
    if without_secret(text) != text:
        hint = "Use the variables or configuration files of the store's own tools, or a key or agent of ssh."
        raise UsageError(f"An address with {scheme}:// must not hold a password or key.", hint)
    if not is_plain(rest.rstrip("/")):
        raise UsageError(f"{text}: parts of its path are empty, '.' or '..'.", "Name it without them.")
    return Path(f"/{scheme}:", rest)


def output_place(name: str | Path) -> Path:
    """Where results go. Raises UsageError: as `place_of`, or a URI of another kind, which names no folder."""
    if (place := place_of(name)) is None and is_uri(name):
        uri = re.sub(":/*", "://", os.fspath(name), count=1)
        hint = "A folder of that name on this machine needs its absolute path."
        raise UsageError(f"{uri}: results go to folders, s3://, gs://, az:// and sftp://.", hint)
    return place or Path(name)


def names_place(name: str) -> bool:
    """Whether a name is a URI of a place."""
    return _URI.match(name) is not None


def is_uri(name: str | Path) -> bool:
    """Whether a name starts like a URI, of which `Path` may have joined the slashes."""
    return _ANY_URI.match(os.fspath(name)) is not None


def without_secret(name: str) -> str:
    """The URI of a place without its password or key; any other name as it is."""
    if (match := _URI.match(name)) is None:
        return name
    host = name[match.end() :].partition("/")[0]
    user = host.rpartition("@")[0] if match[1].lower() == "sftp" else host
    if ":" not in user or user.startswith("arn:"):
        return name
    end = name.rpartition("@")
    return f"{name[: name.index(':', match.end())]}:***@{end[2] if end[1] else ''}"


def is_plain(path: str) -> bool:
    """Whether no part of a path is empty, '.' or '..', which file systems treat in another way than object stores."""
    return not {"", ".", ".."}.intersection(path.split("/"))


def is_stored(path: str | Path) -> bool:
    """Whether a path is a place."""
    return _PLACE.match(os.fspath(path)) is not None


def uri_of(path: str | Path) -> str:
    """The URI of a place; any other path as it is."""
    return _PLACE.sub(r"\1://", os.fspath(path), count=1)
