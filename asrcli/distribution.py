"""Name of the distribution on the package index, and the commands that install its extras."""

from __future__ import annotations

#: The command and the import name are `asrcli`; the index refuses that name as too similar to an unrelated `asr-cli`.
NAME = "asrcli-transcribe"


def pip_install(*extras: str) -> str:
    """The pip command that installs asrcli with extras: `pip install 'asrcli-transcribe[serve]'`."""
    return f"pip install '{with_extras(*extras)}'"


def with_extras(*extras: str) -> str:
    """The requirement that names asrcli with extras: `asrcli-transcribe[serve]`."""
    return f"{NAME}[{','.join(extras)}]"
