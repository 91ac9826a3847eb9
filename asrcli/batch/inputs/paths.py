"""Paths of inputs: their names in messages, and why they cannot be read."""

import os
import re
import shlex
import stat
from dataclasses import dataclass
from pathlib import Path

from asrcli.errors import AsrcliError, InputUnreadableError, open_limit_error
from asrcli.storage.places import is_uri, uri_of


@dataclass(frozen=True, slots=True)
class PlanError:
    """An input that cannot even be planned: it is missing, or a folder that cannot be read."""

    name: str
    error: AsrcliError


def unreadable(path: Path, error: OSError) -> PlanError:
    """The problem with a path that the system refuses."""
    name = printable(path)
    if limit := open_limit_error(error):
        return PlanError(name, limit)
    if isinstance(error, FileNotFoundError) and is_uri(name):
        name = re.sub(":/+", "://", name, count=1)  # a Path has joined the two slashes
        why = f"{name}: only http, https, s3, gs, az and sftp are read."
        hint = "Download it first."
        if name.lower().startswith(("ftp:", "rtmp:", "rtsp:")):
            hint = f"Download it first, or pipe it: curl -L {shlex.quote(name)} | asrcli transcribe -"
    elif isinstance(error, FileNotFoundError):
        why, hint = f"{name}: no such file or folder.", "Check the name; quote it if it contains spaces."
    elif isinstance(error, PermissionError):
        why, hint = f"{name}: no permission to read it.", "Change its permissions, or leave it out with --exclude."
    else:
        why, hint = f"{name}: cannot be read ({error.strerror or error}).", "Check the disk or the network share."
    return PlanError(name, InputUnreadableError(why, hint))


def printable(path: str | Path) -> str:
    """A path for messages and transcripts: bytes that are no UTF-8 become a replacement character, a place its URI."""
    return os.fsencode(uri_of(path)).decode("utf-8", "replace")


def is_stream(status: os.stat_result) -> bool:
    """Whether a path is a pipe or a device: readable once, with no bytes to hash beforehand."""
    return stat.S_ISFIFO(status.st_mode) or stat.S_ISCHR(status.st_mode) or stat.S_ISSOCK(status.st_mode)
