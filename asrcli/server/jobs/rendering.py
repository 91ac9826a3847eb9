"""Finished jobs' results in other formats.

A long result is rendered in a child process: in a thread of this one, reading its JSON and building the text would hold
the interpreter lock, which the event loop needs for every answer.
"""

import json
import os
import pickle
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from itertools import chain

from asrcli.errors import MachineError
from asrcli.formats import FORMATS
from asrcli.options import CueOptions
from asrcli.storage import child_priority
from asrcli.transcript import Transcript

#: bytes of the text that are read at a time
_PIECE = 256 << 10
#: The child finds modules where we do; `-m` would put the current folder first.
_BOOT = (
    "import os, sys; sys.path[:] = sys.argv.pop().split(os.pathsep); "
    "import asrcli.server.jobs.rendering as rendering; rendering.main()"
)


def render(result: Iterator[bytes], name: str, cues: CueOptions) -> Iterator[bytes]:
    """A stored result, JSON in UTF-8, in the format `name`, text in UTF-8; both in pieces. A single piece is rendered
    in this process: that takes a few milliseconds, where a new process takes 200. Raises MachineError: the child
    process was killed; OSError: none can be started; RuntimeError: the writer failed.
    """
    first, second = next(result, b""), next(result, b"")
    if not second:
        yield _rendered(first, name, cues)
        return
    command = [sys.executable, "-c", _BOOT, os.pathsep.join(sys.path)]
    pipe = subprocess.PIPE
    with tempfile.TemporaryFile() as log, subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=log) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child_priority.apply_to(child.pid)
        with suppress(BrokenPipeError), child.stdin:  # it has ended: its exit status is reported
            pickle.dump((name, cues), child.stdin)
            for piece in chain((first, second), result):
                child.stdin.write(piece)
        yield from iter(partial(child.stdout.read, _PIECE), b"")
        child.wait()
        log.seek(0)
        problem = log.read().decode("utf-8", "replace")
    if child.returncode < 0:
        raise MachineError(f"Rendering the result was ended by signal {-child.returncode}.", "Perhaps memory ran out.")
    if child.returncode:
        raise RuntimeError(problem)


def _rendered(result: bytes, name: str, cues: CueOptions) -> bytes:
    contents = FORMATS[name].contents(Transcript.from_dict(json.loads(result)), cues)
    return contents if isinstance(contents, bytes) else contents.encode()


def main() -> None:
    """The child process: name, options and pieces of `render` from standard input, the text to standard output."""
    name, cues = pickle.load(sys.stdin.buffer)  # noqa: S301 -- written by `render`
    sys.stdout.buffer.write(_rendered(sys.stdin.buffer.read(), name, cues))
