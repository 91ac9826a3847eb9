"""Files that can be opened, and those that cannot: each with its reason."""

import os
import stat
from dataclasses import replace
from pathlib import Path

from asrcli.audio.containers.mp4 import BOXES, Read, is_encrypted
from asrcli.audio.containers.sniff import HEAD, has_signature, not_audio
from asrcli.audio.containers.suffixes import RAW_SUFFIXES
from asrcli.errors import AsrcliError, AudioDecodeError, EmptyInputError, InputUnreadableError, open_limit_error
from asrcli.options import AudioOptions, RawFormat

#: why nothing can be decoded, and what to do
ENCRYPTED = "The file is encrypted (DRM)."
ENCRYPTED_HINT = "Only the program of the shop that sold it can play it; record or export it without protection."


def open_file(path: Path, *, raw: bool) -> tuple[int, os.stat_result, bytes]:
    """Open a regular file: its descriptor, its status and its first bytes. `raw` accepts any contents. Raises
    InputUnreadableError: it is missing, not to be read, or no file at all; EmptyInputError: it has no bytes;
    AudioDecodeError: it is plainly something else than a recording.
    """
    try:
        _check_kind(path.stat())  # before opening, which a pipe's writer would notice
        # Should it be a pipe by now, opening would block for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise _unreadable(error) from None
    try:
        status = os.fstat(descriptor)
        _check_kind(status)
        head = os.pread(descriptor, HEAD, 0)
        check_content(head, reader_of(descriptor, head), raw=raw)
    except OSError as error:
        os.close(descriptor)
        unreadable = InputUnreadableError(f"The file cannot be read: {error.strerror}.", "Check the disk.")
        raise open_limit_error(error) or unreadable from None
    except AsrcliError:
        os.close(descriptor)
        raise
    return descriptor, status, head


def reader_of(descriptor: int, head: bytes) -> Read:
    """Gives up to `size` bytes of a file from a position: (size, position). Nothing where the disk is bad, which the
    decoder will meet again, or where a header's size is beyond all files. `head`: its first bytes, `HEAD` of them or
    all, which are not read again.
    """
    whole = len(head) < HEAD

    def read(size: int, position: int) -> bytes:
        if min(size, position) >= 0 and (whole or position + size <= len(head)):
            return head[position : position + size]
        try:
            return os.pread(descriptor, size, position)
        except (OSError, OverflowError):
            return b""

    return read


def with_raw_form(path: Path, options: AudioOptions) -> AudioOptions:
    """The options for a file; one whose suffix means headerless samples is read as such, unless it has a header."""
    form = RAW_SUFFIXES.get(path.suffix.lower())
    if form is None or options.raw is not None:
        return options
    try:
        with path.open("rb") as stream:
            headed = has_signature(stream.read(HEAD))
    except OSError:
        return options  # opening it reports why
    return options if headed else replace(options, raw=RawFormat(encoding=form[0], rate=form[1]))


def _unreadable(error: OSError | ValueError) -> AsrcliError:
    if limit := open_limit_error(error):
        return limit
    if isinstance(error, FileNotFoundError):
        return InputUnreadableError("No such file.", "Check the name and the folder.")
    if isinstance(error, PermissionError):
        return InputUnreadableError("The file may not be read.", "Give yourself read access: chmod u+r.")
    return InputUnreadableError(
        f"The file cannot be opened: {getattr(error, 'strerror', error)}.", "Check the name and the disk."
    )


def _check_kind(status: os.stat_result) -> None:
    mode = status.st_mode
    if stat.S_ISDIR(mode):
        raise InputUnreadableError("This is a directory.", "Name it on the command line to take what is in it.")
    if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode):
        raise InputUnreadableError("This is a pipe, not a file.", "Read it through stdin: asrcli transcribe - < IT.")
    if not stat.S_ISREG(mode):
        raise InputUnreadableError("This is a device, not a file.", "Read it through stdin: asrcli transcribe - < IT.")


def check_content(head: bytes, read: Read | None = None, *, raw: bool = False) -> None:
    """Refuse what cannot be a recording, by its first bytes and, if there is `read`, any other. `raw` accepts any
    contents. Raises EmptyInputError: there are no bytes; AudioDecodeError: they are those of something else, or
    encrypted.
    """
    if not head:
        raise EmptyInputError("The input is empty (0 bytes).", "Record or copy it again.")
    if raw:
        return
    if kind := not_audio(head):
        raise AudioDecodeError(f"This is not audio but {kind}.", "Leave it out, as with --exclude.")
    if head[4:8] in BOXES and is_encrypted(read or (lambda size, position: head[position : position + size])):
        raise AudioDecodeError(ENCRYPTED, ENCRYPTED_HINT)
