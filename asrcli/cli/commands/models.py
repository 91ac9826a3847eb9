"""`asrcli models`: the models of the registry, and what can be done with installed ones."""

from __future__ import annotations

import json
import sys
from dataclasses import MISSING, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from asrcli.backends.registry import BACKENDS, runs_on
from asrcli.cli.framework.command import examples, takes
from asrcli.cli.report.model_facts import facts_of, facts_of_path, print_table, row_of, verified
from asrcli.cli.request.arguments import JsonArguments, ModelDirArguments
from asrcli.errors import ExitCode, ModelNotInstalledError, UnknownModelError, UsageError
from asrcli.language_codes import language_code
from asrcli.models.entry import KINDS, parse_entry
from asrcli.options import readers
from asrcli.options.declarations import option

if TYPE_CHECKING:
    from asrcli.models.registry import Registry
    from asrcli.models.store import Store

app = typer.Typer(help="List models; inspect, verify, remove, add, export and import them.")


@dataclass(frozen=True, kw_only=True)
class ListArguments(ModelDirArguments, JsonArguments):
    kind: str | None = option(None, "Only models of this kind.", choices=KINDS)
    backend: str | None = option(
        None, "Only models of this backend.", choices=tuple(dict.fromkeys(backend.name for backend in BACKENDS))
    )
    language: str | None = option(
        None, "Only models that support this language.", metavar="CODE", read=readers.language
    )
    installed: bool = option(False, "Only installed models.")


@dataclass(frozen=True, kw_only=True)
class OneModelArguments(ModelDirArguments):
    """A model."""

    name: str = option(MISSING, "Model name; 'asrcli models' lists the names.", metavar="NAME", positional=True)


@dataclass(frozen=True, kw_only=True)
class ShowArguments(OneModelArguments, JsonArguments):
    """Arguments of `asrcli models show`."""


@dataclass(frozen=True, kw_only=True)
class SeveralModelsArguments(ModelDirArguments):
    """Models."""

    names: tuple[str, ...] = option(MISSING, "Names of installed models.", metavar="NAME", positional=True)


@dataclass(frozen=True, kw_only=True)
class VerifyArguments(ModelDirArguments, JsonArguments):
    names: tuple[str, ...] = option(
        (), "Models or folders to verify; by default all installed models.", metavar="NAME", positional=True
    )


@dataclass(frozen=True, kw_only=True)
class AddArguments(ModelDirArguments):
    name: str = option(MISSING, "Name of the model.", metavar="NAME", positional=True)
    place: str = option(
        MISSING, "Folder of the model's files, or address of a server (http://host:8000/v1).", metavar="DIR",
        positional=True,
    )  # fmt: skip
    type_: str | None = option(
        None, "Model type, if it cannot be detected from the files (docs/models.md).", name="type", metavar="TYPE"
    )
    file: tuple[str, ...] = option((), "A file of the model, with --type; repeatable.", metavar="KEY=NAME")
    language: tuple[str, ...] = option(
        (), "A language of the model; repeatable.", metavar="CODE", read=readers.language
    )
    kind: str = option("asr", "Kind of the model.", choices=KINDS)


@dataclass(frozen=True, kw_only=True)
class ExportArguments(SeveralModelsArguments):
    output: Path = option(MISSING, "File to write.", short="-o", metavar="FILE")


@dataclass(frozen=True, kw_only=True)
class ImportArguments(ModelDirArguments):
    bundle: Path = option(MISSING, "File written by 'asrcli models export'.", metavar="FILE", positional=True)
    force: bool = option(False, "Replace installed models.")


@app.callback(invoke_without_command=True, no_args_is_help=False)
@takes(ListArguments)
def models(ctx: typer.Context, arguments: ListArguments) -> None:
    """List models; inspect, verify, remove, add, export and import them. Without COMMAND: 'asrcli models list'."""
    if ctx.invoked_subcommand is not None:
        if arguments != ListArguments():
            raise typer.BadParameter(f"write options after '{ctx.invoked_subcommand}'.", ctx=ctx)
        return
    # Config file and variables apply to commands, not to groups: run the command.
    values = {
        "--kind": arguments.kind, "--backend": arguments.backend, "--language": arguments.language,
        "--model-dir": arguments.model_dir,
    }  # fmt: skip
    given = [text for flag, value in values.items() if value is not None for text in (flag, str(value))]
    given += ["--installed"] * arguments.installed + ["--json"] * arguments.as_json
    command = ctx.command.commands["list"]  # type: ignore[attr-defined]
    with command.make_context("list", given, parent=ctx) as inner:
        command.invoke(inner)


@app.command("list")
@takes(ListArguments)
@examples(
    """\
asrcli models list
asrcli models list --language ja
asrcli models list --backend funasr
asrcli models list --kind embedding --installed --json"""
)
def list_(ctx: typer.Context, arguments: ListArguments) -> None:
    """List the models of the catalogue and of models.yaml, and the embedded one."""
    registry = _registry(arguments)
    wanted = language_code(arguments.language)
    entries = [
        entry
        for entry in registry.entries()
        if arguments.kind in {None, entry.kind}
        and (arguments.backend is None or runs_on(entry.type, arguments.backend))
        and (wanted is None or wanted in entry.languages)
        and not (arguments.installed and registry.missing(entry))
    ]
    if arguments.as_json:
        print(json.dumps([facts_of(registry, entry) for entry in entries], indent=2, ensure_ascii=False))
    elif sys.stdout.isatty():
        print_table(registry, entries)
    else:
        for entry in entries:
            print("\t".join(row_of(registry, entry)))


@app.command()
@takes(ShowArguments)
@examples("asrcli models show sensevoice-small\nasrcli models show sensevoice-small --json | jq .files")
def show(ctx: typer.Context, arguments: ShowArguments) -> None:
    """Print all data of a model (name or folder): type, files, languages, licence, address, whether it is installed."""
    registry = _registry(arguments)
    try:
        facts = facts_of(registry, registry.entry(arguments.name))
    except UnknownModelError:
        if not Path(arguments.name).expanduser().exists():
            raise
        facts = facts_of_path(registry, arguments.name)
    if arguments.as_json:
        print(json.dumps(facts, indent=2, ensure_ascii=False))
        return
    for key, value in facts.items():
        text = ", ".join(map(str, value)) if isinstance(value, list) else value
        if isinstance(value, dict):
            text = ", ".join(f"{inner}: {_plain(held)}" for inner, held in value.items())
        print(f"{key.replace('_', ' '):18}{'yes' if value is True else 'no' if value is False else text}")


@app.command()
@takes(OneModelArguments)
@examples('asrcli models path sensevoice-small\nls -l "$(asrcli models path sensevoice-small)"')
def path(ctx: typer.Context, arguments: OneModelArguments) -> None:
    """Print the folder of an installed model; exit code 4 if it is not installed."""
    registry = _registry(arguments)
    _check_installed(registry, arguments.name, whole=True)
    print(registry.folder(registry.entry(arguments.name)))


@app.command()
@takes(VerifyArguments)
@examples(
    "asrcli models verify\nasrcli models verify sensevoice-small silero-vad --json\nasrcli models verify ./my-model"
)
def verify(ctx: typer.Context, arguments: VerifyArguments) -> int:
    """Compare models with the checksums of their installation and with the published exports of their types (inputs,
    outputs, metadata, tokens); exit code 4 if any differs.
    """
    store = _store(arguments)
    registry = store.registry
    here = [entry for entry in registry.entries() if entry.files and not registry.missing(entry)]
    chosen = arguments.names or [entry.name for entry in here]
    for name in chosen:
        if not Path(name).expanduser().exists():
            _check_installed(registry, name)
    results = [verified(store, name) for name in chosen]
    if arguments.as_json:
        rows = [
            {
                "name": result.name,
                "ok": result.ok,
                "checked": result.checked,
                "problems": dict(result.problems),
                "differences": list(result.differences),
            }
            for result in results
        ]
        print(json.dumps(rows, indent=2, ensure_ascii=False))
    else:
        for result in results:
            known = f"{result.checked} files as installed" if result.checked else "complete; no checksums are known"
            state = "damaged" if result.problems else "not as published" if result.differences else known
            print(f"{result.name}: {state}")
            for file, problem in result.problems.items():
                print(f"  {file}: {problem}")
            for difference in result.differences:
                print(f"  {difference}")
    return ExitCode.OK if all(result.ok for result in results) else ExitCode.MODEL


@app.command()
@takes(SeveralModelsArguments)
@examples("asrcli models remove whisper-small whisper-medium")
def remove(ctx: typer.Context, arguments: SeveralModelsArguments) -> None:
    """Delete installed models and unfinished downloads of them."""
    store = _store(arguments)
    for name in arguments.names:
        removed = store.remove(name)
        others = [other for other in removed if other != name]
        ctx.obj.console.notice(f"removed {name}" + (f", and with it {', '.join(others)}." if others else "."))


@app.command()
@takes(AddArguments)
@examples(
    """\
asrcli models add my-model ~/models/my-sense-voice
asrcli models add office http://gpu-box:8000/v1
asrcli models add my-model /srv/zh --type paraformer --file paraformer=model.onnx --file tokens=tokens.txt"""
)
def add(ctx: typer.Context, arguments: AddArguments) -> None:
    """Register a folder with a model of your own, or a server, in models.yaml. The files stay where they are."""
    from asrcli.models.detect import detect
    from asrcli.models.yaml_file import add_entry

    registry, name, place = _registry(arguments), arguments.name, arguments.place
    languages, type_ = list(arguments.language), arguments.type_
    if place.startswith(("http://", "https://")):
        from asrcli.backends.remote import TYPE
        from asrcli.backends.remote.check import address

        server = {"type": TYPE, "url": address(place), "languages": languages}
        add_entry(registry.models_yaml, parse_entry(name, server, where="asrcli models add", source="user"))
        ctx.obj.console.notice(f"{name} ({server['url']}) is in {registry.models_yaml}.")
        return
    folder = Path(place).expanduser().absolute()
    files = _pairs(arguments.file)
    if type_ is None:
        type_, found = detect(folder, arguments.kind)  # type: ignore[arg-type]  # parse_entry checks the kind
        files = {key: str(found_at.relative_to(folder)) for key, found_at in found.items()}
    data = {"type": type_, "dir": str(folder), "files": files, "kind": arguments.kind, "languages": languages}
    entry = parse_entry(name, data, where="asrcli models add", source="user")
    lost = [wanted for wanted in entry.required if not (folder / wanted).exists()]
    if lost:
        raise typer.BadParameter(f"{folder} has no {', '.join(lost)}.", ctx=ctx, param_hint="--file")
    add_entry(registry.models_yaml, entry)
    ctx.obj.console.notice(f"{name} ({entry.type}) is in {registry.models_yaml}.")


@app.command("export")
@takes(ExportArguments)
@examples("asrcli models export sensevoice-small silero-vad -o models.tar")
def export(ctx: typer.Context, arguments: ExportArguments) -> None:
    """Write installed models and the checksums of their files to a file, for a machine without network."""
    from asrcli.models.bundle import export_bundle

    output = arguments.output
    entries = export_bundle(_store(arguments), arguments.names, output)
    size = output.stat().st_size / 1e6
    ctx.obj.console.notice(
        f"{output}: {len(entries)} models, {size:.0f} MB. Install them with: asrcli models import {output.name}"
    )


@app.command("import")
@takes(ImportArguments)
@examples("asrcli models import models.tar")
def import_(ctx: typer.Context, arguments: ImportArguments) -> None:
    """Install the models of an exported file and check their checksums. No network is used."""
    from asrcli.models.bundle import import_bundle

    for entry in import_bundle(_store(arguments), arguments.bundle, force=arguments.force):
        ctx.obj.console.notice(f"{entry.name} is installed.")


def _registry(arguments: ModelDirArguments) -> Registry:
    from asrcli.models.registry import Registry

    return Registry(arguments.model_dir)


def _store(arguments: ModelDirArguments) -> Store:
    from asrcli.models.store import Store

    return Store(_registry(arguments))


def _plain(value: Any) -> Any:
    return ", ".join(f"{key} {held}" for key, held in value.items()) if isinstance(value, dict) else value


def _check_installed(registry: Registry, name: str, *, whole: bool = False) -> None:
    entry = registry.entry(name)
    if not registry.folder(entry).is_dir() or (whole and registry.missing(entry)):
        raise ModelNotInstalledError(
            f"The model {name} is not installed.", f"Download it with: asrcli download-model {entry.name}"
        )


def _pairs(texts: tuple[str, ...]) -> dict[str, str]:
    pairs = dict(text.split("=", 1) for text in texts if "=" in text)
    if len(pairs) != len(texts):
        raise UsageError("--file takes KEY=NAME, each key once.", "For example: --file model=model.onnx")
    return pairs
