"""State of one run of the program: set while the command line is read, read when it ends."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from asrcli.cli.framework.console import Console

if TYPE_CHECKING:
    from asrcli.backends.process.engine_process import PrestartedEngine


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value comes from."""

    kind: Literal["default", "config file", "environment", "flag"]
    #: the file and line, or the variable's name
    detail: str = ""

    def describe(self) -> str:
        """For people: "ASRCLI_JOBS", "/home/me/.config/asrcli/config.yaml, line 3", "default"."""
        return self.detail or self.kind


@dataclass(slots=True)
class CommandSession:
    """The object in `ctx.obj` of every command."""

    console: Console = field(default_factory=Console)
    #: `--config` or ASRCLI_CONFIG; None: the default path
    config: Path | None = None
    #: where the options of the running command come from, by parameter name; flags and defaults are not listed
    origins: dict[str, Origin] = field(default_factory=dict)
    #: the engine process, where it is started before the command line is parsed
    engine: PrestartedEngine | None = None
