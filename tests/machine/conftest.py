"""The program on machines that lack something: in namespaces and under limits."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import (  # noqa: F401 -- fixtures
    Program,
    asrcli,
    cache,
    home,
    recordings,
    speech,
    tone_entry,
    write_models,
    write_tones,
)


@pytest.fixture
def shell(asrcli: Program) -> Callable[..., subprocess.CompletedProcess[bytes]]:  # noqa: F811
    """Run a shell script in which "$@" is the program with its arguments; `namespace` gives it mounts of its own."""

    def shell(
        script: str,
        *arguments: str | Path,
        namespace: bool = False,
        stdin: bytes = b"",
        env: dict[str, str] | None = None,
    ) -> subprocess.CompletedProcess[bytes]:
        command = ["sh", "-c", script, "sh", *asrcli.command(*arguments)]
        if namespace:
            command = ["unshare", "--mount", *command]
        return subprocess.run(
            command,
            input=stdin,
            capture_output=True,
            cwd=asrcli.folder,
            env=asrcli.env(**(env or {})),
            timeout=100,
            check=False,
        )

    return shell


@pytest.fixture(scope="session")
def namespaces() -> None:
    """Skip where this user may not mount anything in a namespace."""
    probe = "mount -t tmpfs -o size=64k tmpfs /mnt && unshare --user --map-user=54321 true"
    if (
        shutil.which("unshare") is None
        or subprocess.run(["unshare", "--mount", "sh", "-c", probe], capture_output=True, check=False).returncode
    ):
        pytest.skip("needs the right to mount in a namespace (root)")


@pytest.fixture
def homeless(namespaces: Any) -> Callable[..., str]:
    """The script of a user without a name and a home, on a machine without a folder for temporary files."""
    # Read-only as it is, not hidden: the interpreter may lie in there.
    readonly = "mount --bind $d $d && mount -o remount,bind,ro $d"
    mounts = f"for d in /tmp /var/tmp /usr/tmp /dev/shm; do [ -d $d ] && {readonly}; done; "
    user = "exec unshare --user --map-user=54321 --map-group=54321 env -i PATH=/usr/bin:/bin "

    def script(folder: Path, **environment: Any) -> str:
        settings = " ".join(f"{name}={shlex.quote(str(value))}" for name, value in environment.items())
        return f'cd {shlex.quote(str(folder))}; {mounts} {user} {settings} "$@"'

    return script
