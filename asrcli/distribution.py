"""Name of the distribution on the package index, and the commands that install its extras."""

#: The command and the import name are `asrcli`; the index refuses that name as too similar to an unrelated `asr-cli`.
NAME = "asrcli-transcribe"
#: Whether a release is on the package index; until then, the commands install from a checkout.
PUBLISHED: bool = False


def pip_install(*extras: str) -> str:
    """The pip command that installs asrcli with extras: `pip install 'asrcli-transcribe[serve]'`."""
    what = f"[{','.join(extras)}]"
    return f"pip install '{NAME}{what}'" if PUBLISHED else f"pip install '.{what}' in a checkout of asrcli"
