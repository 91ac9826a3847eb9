"""Name of the distribution on the package index, and the commands that install its extras."""

import shlex
import sys
from pathlib import Path

#: The command and the import name are `asrcli`; the index refuses that name as too similar to an unrelated `asr-cli`.
NAME = "asrcli-transcribe"
#: Whether a release is on the package index; until then, the commands install from a checkout.
PUBLISHED: bool = False


def pip_install(*extras: str) -> str:
    """The command that installs asrcli with extras where it is installed: `pip install 'asrcli-transcribe[serve]'`."""
    what = f"[{','.join(extras)}]"
    command = installer(Path(sys.prefix))
    return f"{command} '{NAME}{what}'" if PUBLISHED else f"{command} '.{what}' in a checkout of asrcli"


def installer(environment: Path) -> str:
    """How packages are added to a virtual environment: pipx and uv leave a file in theirs, which may have no pip."""
    if (environment / "uv-receipt.toml").exists():
        return f"uv pip install --python {shlex.quote(str(environment))}"
    return f"pipx inject {NAME}" if (environment / "pipx_metadata.json").exists() else "pip install"
