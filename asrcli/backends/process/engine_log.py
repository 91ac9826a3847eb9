"""What the engine prints on stderr, kept in a file that both processes read.

sherpa-onnx reports some failures only there: it prints what onnxruntime threw, and answers with an empty text, which
would pass for silence. So the engine process looks whether something was printed during a decode that gave nothing;
and when it has died, ours reads its last words.
"""

from __future__ import annotations

import os

#: the file begins anew beyond this
_LARGEST = 1 << 20
_TAIL = 8192
#: how sherpa-onnx begins what it prints of a failure that it keeps to itself
_COMPLAINT = "aught exception"


class EngineLog:
    """One end of the file; each process has its own."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def mark(self) -> int:
        """Where the log ends now."""
        size = os.fstat(self._descriptor).st_size
        if size > _LARGEST:
            os.ftruncate(self._descriptor, 0)
            return 0
        return size

    def complaint_since(self, mark: int) -> str | None:
        """What the engine said of a failure since the mark (perhaps another thread's); None: nothing."""
        text = self._read(mark)
        at = text.find(_COMPLAINT)
        if at < 0:
            return None
        lines = [line.strip() for line in text[at:].splitlines()[1:] if line.strip()]
        return lines[0] if lines else "it does not say why"

    def last_line(self) -> str:
        """The last line that says something; "" if there is none."""
        size = os.fstat(self._descriptor).st_size
        lines = [line.strip() for line in self._read(max(0, size - _TAIL)).splitlines() if line.strip()]
        return lines[-1] if lines else ""

    def _read(self, start: int) -> str:
        return os.pread(self._descriptor, _TAIL, start).decode("utf-8", "replace")


#: set in the engine process by `backends.worker`; elsewhere (a test that loads an engine itself) nothing is known
own: EngineLog | None = None
