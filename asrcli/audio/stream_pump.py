"""Byte streams handed on to decoders that want a pipe or a file."""

import errno
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import IO, BinaryIO

from asrcli.errors import DiskFullError, InputError

_PIECE = 1 << 16
#: bytes at both ends of a stream that can be read again
_ENDS = 1 << 17
#: bytes of a stream that are kept while its tracks are looked for
_REPLAY = 64 << 20
#: A stream that must be kept on disk before it can be decoded is kept up to this size.
_SPOOL_LIMIT = 16 << 30


def read_some(stream: BinaryIO, size: int) -> bytes:
    """What is there now, at most `size` bytes, at least one unless the stream has ended."""
    reader = getattr(stream, "read1", stream.read)
    return bytes(reader(size) or b"")


def read_head(stream: BinaryIO, size: int) -> bytes:
    """The first `size` bytes, or all of a shorter stream. Raises InputError: the stream broke off."""
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
    """Copies a stream into a decoder's pipe, in a thread of its own, no faster than the decoder reads.

    Until `release`, what was copied is kept (up to `_REPLAY` bytes), so that another decoder can start over.
    """

    def __init__(
        self, head: bytes, stream: BinaryIO, *, owned: bool = False, watch: Callable[[bytes], object] = len
    ) -> None:
        """`stream` follows `head`; `owned`: close it at the end; `watch` gets each piece once."""
        self._stream, self._owned = stream, owned
        self._kept: list[bytes] = [head] if head else []
        self._keeps, self._overflowed = True, False
        self._targets: SimpleQueue[IO[bytes] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        #: why the stream broke off, if it did
        self.error: Exception | None = None
        #: bytes that came
        self.count = len(head)
        self._first, self._last = head[:_ENDS], bytearray(head)
        self._watch = watch
        watch(head)

    @property
    def restartable(self) -> bool:
        """Whether the stream can be copied from its beginning again."""
        return self._keeps and not self._overflowed

    def reread(self, size: int, position: int) -> bytes:
        """At most `size` bytes from a position at the start or at the end of what came."""
        at = position - (self.count - len(self._last))
        return bytes(self._last[at : at + size]) if at >= 0 else self._first[position : position + size]

    def start(self, target: IO[bytes]) -> None:
        """Copy from the beginning; `target` is closed when the stream ends or the decoder exits."""
        self._targets.put(target)
        if self._thread is None:
            # A daemon, for nothing interrupts a read on a terminal or an idle socket.
            self._thread = threading.Thread(target=self._run, name="audio-pump", daemon=True)
            self._thread.start()

    def release(self) -> None:
        """No decoder will start from the beginning again."""
        self._keeps = False
        self._targets.put(None)

    def join(self) -> None:
        """Wait until nothing is read from the stream any more."""
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        try:
            while (target := self._targets.get()) is not None:
                with suppress(BrokenPipeError), target:  # the decoder has ended, and reports why
                    self._copy(target)
        finally:
            if self._owned:
                self._stream.close()

    def _copy(self, target: IO[bytes]) -> None:
        for piece in list(self._kept):
            target.write(piece)
        target.flush()
        while piece := self._next():
            self.count += len(piece)
            self._watch(piece)
            self._first += piece[: _ENDS - len(self._first)]
            self._last += piece
            del self._last[:-_ENDS]
            self._keep(piece)
            target.write(piece)
            target.flush()  # the last words of a live stream shall not wait for more

    def _keep(self, piece: bytes) -> None:
        if self._keeps and not self._overflowed and self.count <= _REPLAY:
            self._kept.append(piece)
            return
        self._overflowed = self._overflowed or self._keeps
        self._kept.clear()

    def _next(self) -> bytes:
        try:
            return read_some(self._stream, _PIECE)
        except (OSError, ValueError) as error:
            self.error = error
            return b""


def spool(head: bytes, stream: BinaryIO) -> IO[bytes]:
    """Keep a stream in a temporary file, which vanishes when it is closed. Raises DiskFullError: the temporary
    directory has no room; InputError: the stream is longer than any recording, or broke off.
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
