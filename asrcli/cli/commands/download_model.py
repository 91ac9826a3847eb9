"""`asrcli download-model`: bring models from the catalogue to this machine."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from asrcli.cli.framework.command import examples

if TYPE_CHECKING:
    from asrcli.cli.framework.console import Console
    from asrcli.errors import AsrcliError
    from asrcli.models.mirrors import Mirror
    from asrcli.models.store import Store


@examples(
    """\
asrcli download-model sensevoice-small
asrcli download-model parakeet-tdt-0.6b-v3 silero-vad --model-dir /srv/models
asrcli download-model sensevoice-small --mirror hf-mirror
asrcli download-model whisper-turbo --mirror 'https://mirror.example/{path}'
asrcli download-model whisper-turbo --from sherpa-onnx-whisper-turbo.tar.bz2"""
)
def download_model(
    ctx: typer.Context,
    names: Annotated[list[str], typer.Argument(metavar="NAME", help="Models to fetch; 'asrcli models' lists them.")],
    *,
    mirror: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MIRROR",
            help="Try this source first: hf, hf-mirror, hf:https://endpoint, a prefix such as https://host, or a "
            "template with {url}, {path} or {name}; may be repeated.",
        ),
    ] = None,
    source: Annotated[
        Path | None,
        typer.Option(
            "--from", metavar="FILE", help="Install from this archive (or model of one file), without network."
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Fetch again what is installed.")] = False,
    offline: Annotated[bool, typer.Option("--offline", help="Never use the network: only --from works.")] = False,
    model_dir: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where models are kept; without it, the user's data folder.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but warnings and errors.")] = False,
) -> int:
    """Fetch models, check them and install them. What broke off goes on when the same command is run again."""
    from asrcli.errors import UsageError
    from asrcli.models.registry import Registry
    from asrcli.models.store import Store

    if source is not None and len(names) > 1:
        raise UsageError("--from is one archive, so it takes one model's name.", "Run the command once for each model.")
    console = ctx.obj.console
    console.quiet = console.quiet or quiet
    order = _DownloadRequest([mirror_of(text) for text in mirror or []], source, force, offline)
    store = Store(Registry(model_dir))
    failures = [error for name in names if (error := _attempt(console, store, name, order)) is not None]
    if failures and len(names) == 1:
        raise failures[0]
    for error in failures:
        console.error(error.message, error.hint, code=error.code)
    return int(failures[0].exit_code) if failures else 0


@dataclass(frozen=True, slots=True)
class _DownloadRequest:
    """What was asked for beside the names."""

    mirrors: list[Mirror]
    source: Path | None
    force: bool
    offline: bool


def _attempt(console: Console, store: Store, name: str, order: _DownloadRequest) -> AsrcliError | None:
    """Install one model. A failure is returned: the others can still be had."""
    from asrcli.errors import AsrcliError

    try:
        _install(console, store, name, order)
    except AsrcliError as error:
        return error
    return None


def _install(console: Console, store: Store, name: str, order: _DownloadRequest) -> None:
    from asrcli.cli.report.download_progress import download_progress
    from asrcli.errors import ModelNotInstalledError

    if store.registry.installed(name) and not order.force:
        console.notice(f"{name} is installed in {store.registry.folder(store.registry.entry(name))}.")
        return
    if order.offline and order.source is None:
        raise ModelNotInstalledError(
            f"The model {name} is not installed, and --offline forbids the network.",
            "Leave --offline out, or give the model's archive with --from.",
        )
    with download_progress(console, name) as progress:
        folder = store.install(
            name,
            mirrors=order.mirrors,
            source=order.source,
            force=order.force,
            progress=progress,
            on_wait=lambda: console.notice(f"{name}: another asrcli is installing it; waiting."),
        )
    console.notice(f"{name} is installed in {folder}.")


def mirror_of(text: str) -> Mirror:
    """What `--mirror` names; plain `hf` is HF_ENDPOINT where that is set."""
    from asrcli.models.mirrors import parse_mirror

    endpoint = os.environ.get("HF_ENDPOINT")  # the variable that Hugging Face's own tools read
    return parse_mirror(f"hf:{endpoint}" if text == "hf" and endpoint else text)
