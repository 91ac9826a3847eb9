"""What the engine prints on stderr, kept in a file that both processes read.

sherpa-onnx reports some failures only there: it prints what onnxruntime raised and answers with an empty text. The same
holds for audio that does not fit a model's context. So the engine process reads what was printed during a decode; and
when it has died, ours reads its last line.
"""

import os
import re

#: the file is emptied beyond this size
_LARGEST = 1 << 20
_TAIL = 8192
#: what onnxruntime puts around its messages
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
#: how sherpa-onnx begins what it prints of a failure that it does not raise
_FAILURE = "aught exception"
#: and what it prints where audio, the prompt or the answer did not fit the model's context
_TRUNCATED = re.compile(
    "exceeds KV capacity|too large for KV capacity|exceeds max_total_len|leaves no room for audio"
    "|Truncating audio placeholders|Result is truncated|collapsed into a repetition loop"
)


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
        """The failure that the engine printed since the mark, of any thread; None: none."""
        text = self._read(mark)
        at = text.find(_FAILURE)
        if at < 0:
            return None
        lines = [line.strip() for line in text[at:].splitlines()[1:] if line.strip()]
        return lines[0] if lines else "no reason given"

    def truncated_since(self, mark: int) -> bool:
        """Whether the engine printed since the mark that something did not fit its context."""
        return bool(_TRUNCATED.search(self._read(mark)))

    def last_line(self) -> str:
        """The last line that is not empty; "" if there is none."""
        size = os.fstat(self._descriptor).st_size
        lines = [line.strip() for line in self._read(max(0, size - _TAIL)).splitlines() if line.strip()]
        return lines[-1] if lines else ""

    def _read(self, start: int) -> str:
        return _COLOUR.sub("", os.pread(self._descriptor, _TAIL, start).decode("utf-8", "replace"))


#: set in the engine process by `process.worker`; elsewhere (a test that loads an engine itself) there is no log
own: EngineLog | None = None
