"""`asrcli mcp`: transcription as tools of the Model Context Protocol."""

from dataclasses import dataclass
from pathlib import Path

import typer

from asrcli.cli.framework.command import examples, takes
from asrcli.cli.request.arguments import ModelDirArguments
from asrcli.distribution import pip_install
from asrcli.errors import MissingExtraError, UsageError
from asrcli.options.declarations import option


@dataclass(frozen=True, kw_only=True)
class McpArguments(ModelDirArguments):
    allow: tuple[Path, ...] = option(
        (), "Folder whose recordings may be transcribed, with its subfolders; repeatable.", metavar="DIR",
        show_default=False, essential=True,
    )  # fmt: skip
    model: str | None = option(
        None, "Model of requests that name none: a name or folder.", short="-m", metavar="MODEL", essential=True
    )
    jobs: int | None = option(
        None, "Decoding threads; by default one per core.", short="-j", metavar="N", low=1, high=4096
    )


@takes(McpArguments)
@examples(
    """\
asrcli mcp --allow ~/Recordings
asrcli mcp --allow ~/Recordings --allow /srv/calls --model sensevoice-small"""
)
def mcp(ctx: typer.Context, arguments: McpArguments) -> None:
    """Serve the Model Context Protocol on stdin and stdout: transcribe, models.

    Clients can read recordings in the folders of --allow and nothing else. Symbolic links that lead out of them are
    refused.
    """
    from importlib.util import find_spec

    for package in ("mcp", "fastapi", "prometheus_client"):
        if find_spec(package) is None:
            raise MissingExtraError(f"The MCP server needs the package {package}.", pip_install("mcp"))
    if not arguments.allow:
        raise UsageError("No folder is allowed.", "Name those whose recordings may be read: --allow DIR.")
    from asrcli.server.protocols.mcp import AllowedFolders, run
    from asrcli.server.settings import ServerSettings

    settings = ServerSettings(
        model=arguments.model, model_dir=arguments.model_dir, num_threads=arguments.jobs, request_timeout=0
    )
    run(settings, AllowedFolders(arguments.allow))
