"""Text files of users."""

from __future__ import annotations

import codecs
from pathlib import Path

from asrcli.errors import InputError, InputUnreadableError


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
