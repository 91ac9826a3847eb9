"""The engine process of `asrcli transcribe`, started before the command line is parsed.

The program and the engine process load their modules at the same time. Only for plain commands, in which nothing
decides how the engine is started; others start it once they are parsed.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from asrcli.errors import AsrcliError

if TYPE_CHECKING:
    from asrcli.backends.process.engine_process import PrestartedEngine

#: options that do not concern the engine
_PLAIN = {
    *("-f", "--format", "-o", "--output", "-d", "--output-dir", "-l", "--language", "-q", "--quiet", "--overwrite"),
    *("--start", "--end", "--log-json", "--include", "--exclude", "-"),
}


def early_engine(arguments: Sequence[str]) -> PrestartedEngine | None:
    """The engine process for a command line, a context manager; None where it is to be started later."""
    words = [word.partition("=")[0] for word in arguments[1:]]
    if len(words) == 0 or any(word.startswith("-") and word not in _PLAIN for word in words):
        return None
    if any(name.startswith("ASRCLI_") for name in os.environ):
        return None
    from asrcli.backends.process.engine_process import prestart
    from asrcli.backends.process.resource_limits import default_jobs
    from asrcli.backends.registry import preload_modules
    from asrcli.batch import JOURNAL_NAME
    from asrcli.storage.user_folders import config_file

    # What fails here fails again where the engine is started, with its message.
    with contextlib.suppress(OSError, AsrcliError):
        folders = {path if path.is_dir() else path.parent for path in map(Path, words)}
        if config_file().exists() or any((folder / JOURNAL_NAME).exists() for folder in folders):
            return None
        return prestart(default_jobs(), preload_modules(None, None))
    return None
