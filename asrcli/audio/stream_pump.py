"""Byte streams handed on to decoders that want a pipe or a file."""

from __future__ import annotations

import errno
import tempfile
import threading
from typing import IO, BinaryIO

from asrcli.errors import DiskFullError, InputError

_PIECE = 1 << 16
#: A stream that must be kept on disk before it can be decoded is kept up to this size.
_SPOOL_LIMIT = 16 << 30


def read_some(stream: BinaryIO, size: int) -> bytes:
    """What is there now, at most `size` bytes, at least one unless the stream has ended."""
    reader = getattr(stream, "read1", stream.read)
    return bytes(reader(size) or b"")


def read_head(stream: BinaryIO, size: int) -> bytes:
    """The first `size` bytes, or all of a shorter stream.

    Raises:
        InputError: the stream broke off.
    """
    head = b""
    try:
        while len(head) < size and (part := read_some(stream, size - len(head))):
            head += part
    except (OSError, ValueError) as error:
        raise _broken(error) from None
    return head


def _broken(error: Exception) -> InputError:
    return InputError(f"The stream broke off ({error}).", "Send it again.")


class StreamPump:
    """Copies a stream into a decoder's pipe, in a thread of its own, no faster than the decoder reads."""

    def __init__(self, head: bytes, stream: BinaryIO, *, owned: bool = False) -> None:
        """Nothing is read yet.

        Args:
            head: bytes already read from the stream.
            stream: gives the rest.
            owned: close the stream at the end.
        """
        self._head, self._stream, self._owned = head, stream, owned
        #: why the stream broke off, if it did
        self.error: Exception | None = None
        #: bytes that came
        self.count = 0

    def start(self, target: IO[bytes]) -> None:
        """Begin; `target` is closed when the stream ends or the decoder goes away."""
        # A daemon, for nothing interrupts a read on a terminal or an idle socket.
        threading.Thread(target=self._run, args=(target,), name="audio-feeder", daemon=True).start()

    def _run(self, target: IO[bytes]) -> None:
        try:
            with target:
                piece = self._head or self._next()
                while piece:
                    self.count += len(piece)
                    target.write(piece)
                    target.flush()  # a live stream's last words shall not wait for more
                    piece = self._next()
        except BrokenPipeError:
            return  # the decoder has what it wants, or has given up and says why
        finally:
            if self._owned:
                self._stream.close()

    def _next(self) -> bytes:
        try:
            return read_some(self._stream, _PIECE)
        except (OSError, ValueError) as error:
            self.error = error
            return b""


def spool(head: bytes, stream: BinaryIO) -> IO[bytes]:
    """Keep a stream in a temporary file, which vanishes when it is closed.

    Raises:
        DiskFullError: the temporary directory has no room.
        InputError: the stream is longer than any recording, or broke off.
    """
    kept = tempfile.NamedTemporaryFile(prefix="asrcli-")  # noqa: SIM115 - the reader closes it
    try:
        kept.write(head)
        size = len(head)
        while piece := read_some(stream, _PIECE):
            kept.write(piece)
            size += len(piece)
            if size > _SPOOL_LIMIT:
                break
        kept.flush()
    except (OSError, ValueError) as error:
        kept.close()
        if getattr(error, "errno", None) == errno.ENOSPC:
            raise DiskFullError(
                f"No room in {tempfile.gettempdir()} for the stream, which must be whole before it can be decoded.",
                "Free some space, set TMPDIR to a larger disk, or name the file itself.",
            ) from None
        raise _broken(error) from None
    if size > _SPOOL_LIMIT:
        kept.close()
        raise InputError(f"The stream is longer than {_SPOOL_LIMIT >> 30} GiB.", "Save it to a file and name that.")
    return kept
