"""What one run of the program knows about itself: set while the command line is read, asked for when it ends."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from asrcli.cli.framework.console import Console

if TYPE_CHECKING:
    from asrcli.cli.framework.settings import Origin


@dataclass(slots=True)
class CommandSession:
    """Lives in `ctx.obj` of every command."""

    console: Console = field(default_factory=Console)
    debug: bool = False
    #: `--config` or ASRCLI_CONFIG; None: the user's default place
    config: Path | None = None
    #: where the options of the running command come from, by parameter name; flags and defaults are not listed
    origins: dict[str, Origin] = field(default_factory=dict)
