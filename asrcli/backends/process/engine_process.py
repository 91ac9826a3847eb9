"""Starting and ending the engine process. Imports no numpy, so that it can be started first."""

import contextlib
import fcntl
import functools
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Self

from asrcli.backends.process.engine_log import EngineLog
from asrcli.errors import MachineError
from asrcli.storage import child_priority

#: Address space of the shared audio buffer, bytes. Sparse: only what is in flight takes memory.
BUFFER_SIZE = 256 << 20
#: enough for the longest chunks of a few threads
_LEAST_BUFFER = 8 << 20

#: Telemetry off: onnxruntime (1.32 for Linux) writes an identity of the machine into the cache folder and sends events,
#: even where its own `disable_telemetry_events` is called.
_PRIVATE = {"ORT_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1"}
#: By default glibc's allocator keeps large blocks that were freed: a third more memory for 5 % less time. So does the
#: heap that it gives each thread (`_heaps`). Other allocators do not read these variables. numpy's products are small
#: here: threads of their own (OpenBLAS) would only wait for the cores that decode. Threads of OpenMP (CTranslate2,
#: torch) sleep while they wait: on busy cores, waiting took four times what the work took.
_DEFAULTS = {
    "MALLOC_MMAP_THRESHOLD_": str(1 << 20),
    "MALLOC_TRIM_THRESHOLD_": str(16 << 20),
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_WAIT_POLICY": "PASSIVE",
}

#: The child finds modules where we do; `-m` would put the user's current folder first. Modules are many objects that
#: stay: Python's threshold is 700.
_BOOT = (
    "import gc, os, sys; gc.set_threshold(10_000); sys.path[:] = sys.argv.pop().split(os.pathsep); "
    "import asrcli.backends.process.worker as worker; worker.main()"
)


def _heaps(threads: int) -> int:
    """Heaps of the allocator, for so many decoding threads. With one for two threads they need a tenth less memory and
    no more time; many threads would wait for each other.
    """
    return 1 + threads // 4


@functools.cache
def buffer_size() -> int:
    """Bytes of the shared audio buffer: `BUFFER_SIZE`, or the limit on file sizes (`ulimit -f`) if that is lower.
    Raises MachineError: the limit leaves no room for a chunk.
    """
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    if limit == resource.RLIM_INFINITY or limit >= BUFFER_SIZE:
        return BUFFER_SIZE
    if limit < _LEAST_BUFFER:
        raise MachineError(
            f"The limit on file sizes is too low for the engine: {limit >> 10} KiB.",
            f"Raise it to {_LEAST_BUFFER >> 10} KiB or more: ulimit -f unlimited",
        )
    return limit // resource.getpagesize() * resource.getpagesize()


def create_file(size: int) -> int:
    """An anonymous file of `size` bytes, sparse until written. Returns its descriptor."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("asrcli-audio", os.MFD_CLOEXEC)
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    os.ftruncate(descriptor, size)
    return descriptor


_EXIT_HINTS = {
    -signal.SIGKILL: "Perhaps memory ran out: use fewer --jobs or a smaller model.",
    -signal.SIGILL: "The processor does not support the instructions that the engine was built for (such as AVX2): use "
    "another machine, or another --backend.",
}


class EngineProcess:
    """A child process that runs `worker`. Raises OSError: the system starts no process."""

    def __init__(self, buffer_fd: int, threads: int) -> None:
        self._cleanup_lock = threading.Lock()
        with ExitStack() as undo:
            self._socket, theirs = socket.socketpair()
            undo.callback(self._socket.close)
            with theirs:
                self._log_fd = create_file(0)
                undo.callback(os.close, self._log_fd)
                # Appending, so that the file can be truncated while it is written to.
                fcntl.fcntl(self._log_fd, fcntl.F_SETFL, os.O_APPEND)
                arguments = [theirs.fileno(), buffer_fd, buffer_size(), threads, os.pathsep.join(sys.path)]
                self.process = subprocess.Popen(
                    [sys.executable, "-c", _BOOT, *map(str, arguments)],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=self._log_fd,
                    pass_fds=(theirs.fileno(), buffer_fd),
                    env={**_DEFAULTS, "MALLOC_ARENA_MAX": str(_heaps(threads)), **os.environ, **_PRIVATE},
                )
            child_priority.apply_to(self.process.pid)
            self.connection = Connection(os.dup(self._socket.fileno()))
            undo.pop_all()

    def exit_reason(self) -> str:
        """Exit status and last line of stderr, for error messages."""
        code = self.process.wait()
        line = self._cleanup()
        ended = f"signal {-code}" if code < 0 else f"exit status {code}"
        return f"{ended}{': ' + line if line else ''}"

    def exit_hint(self) -> str:
        """What to do about the signal that ended the process; "" for others."""
        return _EXIT_HINTS.get(self.process.wait(), "")

    def end(self) -> None:
        """Close the connection; a child that has not exited a second later is killed."""
        # Shut down rather than closed: the reader may be waiting on the descriptor, which it closes itself.
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        try:
            self.process.wait(timeout=1)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self._cleanup()

    def _cleanup(self) -> str:
        """Release what is left of it, once; returns the last line that it printed."""
        self.process.wait()
        with self._cleanup_lock:
            if self._log_fd < 0:
                return ""
            line = EngineLog(self._log_fd).last_line()
            os.close(self._log_fd)
            self._log_fd = -1
            self._socket.close()
            return line


@dataclass(slots=True)
class PrestartedEngine:
    """An engine process without a client: it imports its modules meanwhile.

    A context manager, which ends the process unless an `EngineClient` has taken it.
    """

    buffer_fd: int
    child: EngineProcess
    taken: bool = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if not self.taken:
            self.taken = True
            self.child.end()
            self.child.connection.close()
            os.close(self.buffer_fd)


def prestart(threads: int, modules: Sequence[str] = ()) -> PrestartedEngine:
    """Start an engine process for an `EngineClient`, which imports `modules` at once. Raises OSError: the system starts
    no process.
    """
    buffer_fd = create_file(buffer_size())
    try:
        child = EngineProcess(buffer_fd, threads)
    except BaseException:
        os.close(buffer_fd)
        raise
    if modules:
        with contextlib.suppress(OSError):
            child.connection.send(("import", *modules))
    return PrestartedEngine(buffer_fd, child)
