"""Finished jobs' results in other formats.

A long result is rendered in a child process: in a thread of this one, reading its JSON and building the text would hold
the interpreter lock, which the event loop needs for every answer.
"""

import json
import os
import pickle
import subprocess
import sys

from asrcli.errors import MachineError
from asrcli.formats import FORMATS
from asrcli.options import CueOptions
from asrcli.storage import child_priority
from asrcli.transcript import Transcript

#: characters of a result that is rendered in this process: a few milliseconds, where a new process takes 200
_SHORT = 256 << 10
#: The child finds modules where we do; `-m` would put the current folder first.
_BOOT = (
    "import os, sys; sys.path[:] = sys.argv.pop().split(os.pathsep); "
    "import asrcli.server.jobs.rendering as rendering; rendering.main()"
)


def render(result: str, name: str, cues: CueOptions) -> bytes:
    """A stored result in the format `name`, text in UTF-8. Raises MachineError: the child process was killed; OSError:
    none can be started; RuntimeError: the writer failed.
    """
    if len(result) <= _SHORT:
        return _rendered(result, name, cues)
    command = [sys.executable, "-c", _BOOT, os.pathsep.join(sys.path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        child_priority.apply_to(child.pid)
        text, log = child.communicate(pickle.dumps((result, name, cues)))
    if child.returncode < 0:
        raise MachineError(f"Rendering the result was ended by signal {-child.returncode}.", "Perhaps memory ran out.")
    if child.returncode:
        raise RuntimeError(log.decode("utf-8", "replace"))
    return text


def _rendered(result: str, name: str, cues: CueOptions) -> bytes:
    contents = FORMATS[name].contents(Transcript.from_dict(json.loads(result)), cues)
    return contents if isinstance(contents, bytes) else contents.encode()


def main() -> None:
    """The child process: arguments of `render` from standard input, the text to standard output."""
    sys.stdout.buffer.write(_rendered(*pickle.load(sys.stdin.buffer)))  # noqa: S301 -- written by `render`
