"""Text files of users."""

import codecs
import os
from pathlib import Path
from typing import BinaryIO

from asrcli.errors import InputError, InputUnreadableError, UsageError


def read_text(path: Path, *, keep_line_ends: bool = False) -> str:
    """The text of a file in UTF-8, or in UTF-16 with a byte order mark; line ends are LF unless they are kept. Raises
    InputUnreadableError: it cannot be opened; InputError: it is not text.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputUnreadableError(f"Cannot read {path}: {error.strerror}.") from error
    encoding = "utf-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text.", "Give a text or a result, or save it as UTF-8.") from error
    return text if keep_line_ends else text.replace("\r\n", "\n").replace("\r", "\n")


def read_list(stream: BinaryIO) -> list[str]:
    """Read `--files-from`: one path a line, or NUL-terminated as `find -print0` writes them.

    Every name is possible in the NUL form; in the line form empty lines are passed over. A `-` is a file of that name.
    """
    data = _as_utf8(stream.read())
    names = data.split(b"\0") if b"\0" in data else [line.removesuffix(b"\r") for line in data.split(b"\n")]
    return [os.fsdecode(name) for name in names if name]


def _as_utf8(data: bytes) -> bytes:
    """A list in UTF-16, as Windows PowerShell writes it, in UTF-8; without a byte order mark."""
    even, odd = data[0::2], data[1::2]
    encoding = "utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else ""
    if not encoding and len(even) == len(odd) and (b"\n" in data or b"." in data):
        # Without the mark: names of ASCII letters have a NUL in every other byte.
        encoding = "utf-16-le" if not any(odd) else "utf-16-be" if not any(even) else ""
    if not encoding:
        return data.removeprefix(b"\xef\xbb\xbf")
    try:
        return data.decode(encoding).encode()
    except UnicodeError as error:
        raise UsageError("--files-from: the list is not valid UTF-16 text.", "Save it as UTF-8.") from error
