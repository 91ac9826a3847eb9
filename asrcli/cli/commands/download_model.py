"""`asrcli download-model`: download models of the catalogue."""

from __future__ import annotations

import os
from dataclasses import MISSING, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from asrcli.cli.framework.command import examples, takes
from asrcli.cli.request.arguments import ModelDirArguments, QuietArguments
from asrcli.errors import AsrcliError, ModelNotInstalledError, UsageError
from asrcli.options.declarations import option

if TYPE_CHECKING:
    from asrcli.cli.framework.console import Console
    from asrcli.models.mirrors import Mirror
    from asrcli.models.store import Store


@dataclass(frozen=True, kw_only=True)
class DownloadArguments(ModelDirArguments, QuietArguments):
    names: tuple[str, ...] = option(
        MISSING, "Models to download; 'asrcli models' lists the names.", metavar="NAME", positional=True
    )
    mirror: tuple[str, ...] = option(
        (),
        "Try this source first: hf, hf-mirror, hf:https://endpoint, a prefix such as https://host, or a template with "
        "{url}, {path} or {name}; repeatable.",
        metavar="MIRROR",
    )
    source: Path | None = option(
        None, "Install from this archive (or model of one file), without network.", name="from", metavar="FILE"
    )
    force: bool = option(False, "Download again if it is installed.")
    offline: bool = option(False, "Never use the network; requires --from.")


@takes(DownloadArguments)
@examples(
    """\
asrcli download-model sensevoice-small
asrcli download-model parakeet-tdt-0.6b-v3 silero-vad --model-dir /srv/models
asrcli download-model sensevoice-small --mirror hf-mirror
asrcli download-model whisper-turbo --mirror 'https://mirror.example/{path}'
asrcli download-model whisper-turbo --from sherpa-onnx-whisper-turbo.tar.bz2"""
)
def download_model(ctx: typer.Context, arguments: DownloadArguments) -> int:
    """Download models, check and install them. An interrupted download resumes when the command is run again."""
    from asrcli.models.registry import Registry
    from asrcli.models.store import Store

    names = arguments.names
    if arguments.source is not None and len(names) > 1:
        raise UsageError("--from is one archive, so it takes one model's name.", "Run the command once for each model.")
    mirrors = [mirror_of(text) for text in arguments.mirror]
    console = ctx.obj.console
    console.quiet = arguments.quiet
    store = Store(Registry(arguments.model_dir))
    failures = [error for name in names if (error := _attempt(console, store, name, arguments, mirrors)) is not None]
    if failures and len(names) == 1:
        raise failures[0]
    for error in failures:
        console.error(error.message, error.hint, code=error.code)
    return int(failures[0].exit_code) if failures else 0


def _attempt(
    console: Console, store: Store, name: str, order: DownloadArguments, mirrors: list[Mirror]
) -> AsrcliError | None:
    """Install one model. A failure is returned, as others may be installed."""
    try:
        _install(console, store, name, order, mirrors)
    except AsrcliError as error:
        return error
    return None


def _install(console: Console, store: Store, name: str, order: DownloadArguments, mirrors: list[Mirror]) -> None:
    from asrcli.cli.report.download_progress import download_progress
    from asrcli.models.obtain import from_file_hint

    if store.registry.installed(name) and not order.force:
        console.notice(f"{name} is installed in {store.registry.folder(store.registry.entry(name))}.")
        return
    if order.offline and order.source is None:
        raise ModelNotInstalledError(
            f"The model {name} is not installed, and --offline forbids the network.",
            from_file_hint(store.registry.entry(name), order.model_dir),
        )
    with download_progress(console, name) as progress:
        folder = store.install(
            name,
            mirrors=mirrors,
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
