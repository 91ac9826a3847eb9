"""Log lines are written in a thread of their own: a program that does not read stderr holds up no request."""

import contextlib
import logging
import threading
from collections import deque
from typing import TextIO

from asrcli.server.bounds import MAX_LOG

#: seconds that the end of the program waits for lines that are not written yet
_AT_END = 5.0
_DROPPED = "%d log lines were dropped: stderr was not read."


class ThreadedHandler(logging.Handler):
    """Formats a record where it is logged, as the fields of its request are known there, and writes it elsewhere."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream
        #: lines with their size
        self._lines: deque[tuple[str, int]] = deque()
        #: bytes of lines that are not written, also of the one that is being written
        self._held = 0
        self._dropped = 0
        self._changed = threading.Condition()
        threading.Thread(target=self._write, name="log", daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        """Take a record. Where `MAX_LOG` bytes wait, it is counted and dropped."""
        try:
            line = self.format(record) + "\n"
        except Exception:  # noqa: BLE001 -- as the handlers of the library: a faulty record is no fault of its caller
            self.handleError(record)
            return
        size = len(line.encode("utf-8", "replace"))
        with self._changed:
            if self._held + size > MAX_LOG:
                self._dropped += 1
                return
            self._held += size
            self._lines.append((line, size))
            self._changed.notify_all()

    def flush(self) -> None:
        """Wait until all lines are written, for a few seconds at most."""
        with self._changed:
            self._changed.wait_for(lambda: not self._held, _AT_END)

    def _write(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._lines)
                line, size = self._lines.popleft()
            with contextlib.suppress(OSError, ValueError):  # stderr is closed, or its disk full
                self._stream.write(line)
                self._stream.flush()
            with self._changed:
                self._held -= size
                dropped = self._dropped if not self._lines else 0
                self._dropped -= dropped
                self._changed.notify_all()
            if dropped:
                logging.getLogger("asrcli.server").warning(_DROPPED, dropped)
