"""The priority of child processes: a server has to answer while they use every core."""

import os
from contextlib import suppress

#: how much nicer the children of a server are: their share of a core that it wants is a tenth
_STEPS = 10
_lowered = False


def lower_children() -> None:
    """Let `apply_to` lower the priority of the child processes from now on."""
    global _lowered  # noqa: PLW0603 -- once a process, by its command
    _lowered = True


def apply_to(pid: int) -> None:
    """Set the priority of a child process that has just been started."""
    if _lowered:
        with suppress(OSError):  # it has ended
            os.setpriority(os.PRIO_PROCESS, pid, os.getpriority(os.PRIO_PROCESS, 0) + _STEPS)
