"""The user's folders for settings, data and caches, also for users without a home."""

from pathlib import Path
from typing import Literal

from asrcli.errors import OutputError

#: the home of a user without one: nothing exists below a device, and nothing can be created there
NO_HOME = Path("/dev/null/asrcli")


def user_folder(kind: Literal["config", "data", "cache"]) -> Path:
    """The platform's folder of a kind, which need not exist.

    Where HOME is not set and the system has no home of the user on record (a container with `--user 12345`), the folder
    is one below which nothing is found; writing there fails with `no_home_error`.
    """
    import platformdirs

    folder = {
        "config": platformdirs.user_config_path,
        "data": platformdirs.user_data_path,
        "cache": platformdirs.user_cache_path,
    }[kind]
    try:
        return folder("asrcli", appauthor=False)
    except RuntimeError:
        return NO_HOME


def config_file() -> Path:
    """The settings of the command line, which need not exist."""
    return user_folder("config") / "config.yaml"


def no_home_error(path: str | Path) -> OutputError | None:
    """The error for a path that cannot be written as the user has no home; None for every other path."""
    if NO_HOME not in (Path(path), *Path(path).parents):
        return None
    return OutputError(
        "The user has no home folder: HOME is not set, and the system has none on record.",
        "Set HOME to a folder that can be written (or XDG_CONFIG_HOME, XDG_DATA_HOME and XDG_CACHE_HOME).",
    )
