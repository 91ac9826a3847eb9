"""`asrcli models`: what models there are, and what becomes of those that are here."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from asrcli.cli.framework.command import examples

if TYPE_CHECKING:
    from asrcli.models.entry import ModelEntry
    from asrcli.models.registry import Registry

app = typer.Typer(help="List models; inspect, verify, remove, add, export and import them.")

_ModelDir = Annotated[
    Path | None, typer.Option(metavar="DIR", help="Where models are kept; without it, the user's data folder.")
]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_Name = Annotated[str, typer.Argument(metavar="NAME", help="A model's name; 'asrcli models' lists them.")]


@app.callback(invoke_without_command=True, no_args_is_help=False)
def models(ctx: typer.Context, as_json: _Json = False) -> Any:
    """List models; inspect, verify, remove, add, export and import them. Alone it is 'asrcli models list'."""
    if ctx.invoked_subcommand is not None:
        if as_json:
            raise typer.BadParameter("write it after the subcommand.", ctx=ctx, param_hint="--json")
        return None
    command = ctx.command.commands["list"]  # type: ignore[attr-defined]
    with command.make_context("list", ["--json"] if as_json else [], parent=ctx) as inner:
        return command.invoke(inner)


@app.command("list")
@examples(
    """\
asrcli models list
asrcli models list --language ja
asrcli models list --backend funasr
asrcli models list --kind embedding --installed --json"""
)
def list_(
    *,
    kind: Annotated[
        str | None,
        typer.Option(
            metavar="asr|streaming|vad|punctuation|segmentation|embedding|language-id", help="Only models for this."
        ),
    ] = None,
    backend: Annotated[
        Literal["sherpa-onnx", "funasr", "remote"] | None,
        typer.Option(metavar="sherpa-onnx|funasr|remote", help="Only models that this backend runs."),
    ] = None,
    language: Annotated[str | None, typer.Option(metavar="CODE", help="Only models that can do this language.")] = None,
    installed: Annotated[bool, typer.Option("--installed", help="Only models that are on this machine.")] = False,
    model_dir: _ModelDir = None,
    as_json: _Json = False,
) -> None:
    """List the models that can be named: the catalogue, models.yaml and the embedded one."""
    from asrcli.backends.registry import runs_on
    from asrcli.errors import UsageError
    from asrcli.language_codes import language_code
    from asrcli.models.entry import KINDS
    from asrcli.models.registry import Registry

    if kind is not None and kind not in KINDS:
        raise UsageError(f"There is no kind {kind!r}.", f"Kinds are {', '.join(KINDS)}.")
    registry = Registry(model_dir)
    wanted = language_code(language)
    entries = [
        entry
        for entry in registry.entries()
        if kind in {None, entry.kind}
        and (backend is None or runs_on(entry.type, backend))
        and (wanted is None or wanted in entry.languages)
        and not (installed and registry.missing(entry))
    ]
    if as_json:
        print(json.dumps([_facts(registry, entry) for entry in entries], indent=2, ensure_ascii=False))
    elif sys.stdout.isatty():
        _table(registry, entries)
    else:
        for entry in entries:
            print("\t".join(_row(registry, entry)))


@app.command()
@examples("asrcli models show sensevoice-small\nasrcli models show sensevoice-small --json | jq .files")
def show(name: _Name, model_dir: _ModelDir = None, as_json: _Json = False) -> None:
    """Print everything known of a model: type, files, languages, licence, address, whether it is here."""
    from asrcli.models.registry import Registry

    registry = Registry(model_dir)
    facts = _facts(registry, registry.entry(name))
    if as_json:
        print(json.dumps(facts, indent=2, ensure_ascii=False))
        return
    for key, value in facts.items():
        text = ", ".join(map(str, value)) if isinstance(value, list) else value
        if isinstance(value, dict):
            text = ", ".join(f"{inner}: {_plain(held)}" for inner, held in value.items())
        print(f"{key.replace('_', ' '):18}{'yes' if value is True else 'no' if value is False else text}")


@app.command()
@examples('asrcli models path sensevoice-small\nls -l "$(asrcli models path sensevoice-small)"')
def path(name: _Name, model_dir: _ModelDir = None) -> None:
    """Print the folder of an installed model; exit code 4 if it is not installed."""
    from asrcli.models.registry import Registry

    registry = Registry(model_dir)
    _must_be_here(registry, name, whole=True)
    print(registry.folder(registry.entry(name)))


@app.command()
@examples("asrcli models verify\nasrcli models verify sensevoice-small silero-vad --json")
def verify(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME", help="Models to verify; without names, all installed ones.")
    ] = None,
    model_dir: _ModelDir = None,
    as_json: _Json = False,
) -> int:
    """Compare the files of installed models with their sums of the day they came; exit code 4 if any differs."""
    from asrcli.errors import ExitCode
    from asrcli.models.registry import Registry
    from asrcli.models.store import Store

    registry = Registry(model_dir)
    store = Store(registry)
    here = [entry for entry in registry.entries() if entry.files and not registry.missing(entry)]
    chosen = names or [entry.name for entry in here]
    for name in chosen:
        _must_be_here(registry, name)
    results = [store.verify(name) for name in chosen]
    if as_json:
        rows = [{"name": r.name, "ok": r.ok, "checked": r.checked, "problems": dict(r.problems)} for r in results]
        print(json.dumps(rows, indent=2, ensure_ascii=False))
    else:
        for result in results:
            known = f"{result.checked} files as installed" if result.checked else "complete; no sums are known"
            print(f"{result.name}: {known if result.ok else 'damaged'}")
            for file, problem in result.problems.items():
                print(f"  {file}: {problem}")
    return ExitCode.OK if all(result.ok for result in results) else ExitCode.MODEL


@app.command()
@examples("asrcli models remove whisper-small whisper-medium")
def remove(
    ctx: typer.Context,
    names: Annotated[list[str], typer.Argument(metavar="NAME", help="Models to delete from this machine.")],
    model_dir: _ModelDir = None,
) -> None:
    """Delete installed models, and what is half downloaded of them."""
    from asrcli.models.registry import Registry
    from asrcli.models.store import Store

    store = Store(Registry(model_dir))
    for name in names:
        gone = store.remove(name)
        also = [other for other in gone if other != name]
        ctx.obj.console.notice(f"{name} is removed" + (f", and with it {', '.join(also)}." if also else "."))


@app.command()
@examples(
    """\
asrcli models add my-model ~/models/my-sense-voice
asrcli models add office http://gpu-box:8000/v1
asrcli models add my-model /srv/zh --type paraformer --file paraformer=model.onnx --file tokens=tokens.txt"""
)
def add(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="What the model is to be called.")],
    place: Annotated[
        str, typer.Argument(metavar="DIR", help="The folder of its files, or a server's address (http://host:8000/v1).")
    ],
    *,
    type_: Annotated[
        str | None, typer.Option("--type", metavar="TYPE", help="Its type, if the files do not tell (docs/models.md).")
    ] = None,
    file: Annotated[
        list[str] | None, typer.Option(metavar="KEY=NAME", help="A file of it, with --type; may be repeated.")
    ] = None,
    language: Annotated[
        list[str] | None, typer.Option(metavar="CODE", help="A language it can do; may be repeated.")
    ] = None,
    kind: Annotated[
        str,
        typer.Option(
            metavar="asr|streaming|vad|punctuation|segmentation|embedding|language-id", help="What it is for."
        ),
    ] = "asr",
    model_dir: _ModelDir = None,
) -> None:
    """Give a folder of your own, or a server, a name in models.yaml. Files stay where they are."""
    from asrcli.models.detect import detect
    from asrcli.models.entry import parse_entry
    from asrcli.models.registry import Registry
    from asrcli.models.userfile import add_entry

    registry = Registry(model_dir)
    if place.startswith(("http://", "https://")):
        from asrcli.backends.remote import TYPE
        from asrcli.backends.remote.check import address

        server = {"type": TYPE, "url": address(place), "languages": language or []}
        add_entry(registry.models_yaml, parse_entry(name, server, where="asrcli models add", source="user"))
        ctx.obj.console.notice(f"{name} ({server['url']}) is in {registry.models_yaml}.")
        return
    folder = Path(place).expanduser().absolute()
    files = _pairs(file or [])
    if type_ is None:
        type_, found = detect(folder, kind)  # type: ignore[arg-type]  # parse_entry judges the kind
        files = {key: str(found_at.relative_to(folder)) for key, found_at in found.items()}
    data = {"type": type_, "dir": str(folder), "files": files, "kind": kind, "languages": language or []}
    entry = parse_entry(name, data, where="asrcli models add", source="user")
    lost = [wanted for wanted in entry.required if not (folder / wanted).exists()]
    if lost:
        raise typer.BadParameter(f"{folder} has no {', '.join(lost)}.", ctx=ctx, param_hint="--file")
    add_entry(registry.models_yaml, entry)
    ctx.obj.console.notice(f"{name} ({entry.type}) is in {registry.models_yaml}.")


@app.command("export")
@examples("asrcli models export sensevoice-small silero-vad -o models.tar")
def export(
    ctx: typer.Context,
    names: Annotated[list[str], typer.Argument(metavar="NAME", help="Installed models.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The file to write.")],
    model_dir: _ModelDir = None,
) -> None:
    """Write installed models, with the sums of their files, into one file for a machine without a network."""
    from asrcli.models.bundle import export_bundle
    from asrcli.models.registry import Registry
    from asrcli.models.store import Store

    entries = export_bundle(Store(Registry(model_dir)), names, output)
    size = output.stat().st_size / 1e6
    ctx.obj.console.notice(f"{output}: {len(entries)} models, {size:.0f} MB. There: asrcli models import {output.name}")


@app.command("import")
@examples("asrcli models import models.tar")
def import_(
    ctx: typer.Context,
    bundle: Annotated[Path, typer.Argument(metavar="FILE", help="What 'asrcli models export' wrote.")],
    force: Annotated[bool, typer.Option("--force", help="Replace models that are installed.")] = False,
    model_dir: _ModelDir = None,
) -> None:
    """Install the models of an exported file, each file checked against its sum. No network is used."""
    from asrcli.models.bundle import import_bundle
    from asrcli.models.registry import Registry
    from asrcli.models.store import Store

    for entry in import_bundle(Store(Registry(model_dir)), bundle, force=force):
        ctx.obj.console.notice(f"{entry.name} is installed.")


def _plain(value: Any) -> Any:
    return ", ".join(f"{key} {held}" for key, held in value.items()) if isinstance(value, dict) else value


def _must_be_here(registry: Registry, name: str, *, whole: bool = False) -> None:
    from asrcli.errors import ModelNotInstalledError

    entry = registry.entry(name)
    if not registry.folder(entry).is_dir() or (whole and registry.missing(entry)):
        raise ModelNotInstalledError(
            f"The model {name} is not installed.", f"Get it with: asrcli download-model {entry.name}"
        )


def _pairs(texts: list[str]) -> dict[str, str]:
    from asrcli.errors import UsageError

    pairs = dict(text.split("=", 1) for text in texts if "=" in text)
    if len(pairs) != len(texts):
        raise UsageError("--file takes KEY=NAME, each key once.", "For example: --file model=model.onnx")
    return pairs


def _facts(registry: Registry, entry: ModelEntry) -> dict[str, Any]:
    from asrcli.models.entry import entry_to_dict

    here = not registry.missing(entry)
    return {
        "name": entry.name,
        "source": entry.source,
        "installed": here,
        "default": registry.is_default(entry.name),
        **({"folder": str(registry.folder(entry))} if entry.files else {}),
        **{key: value for key, value in entry_to_dict(entry).items() if key != "dir"},
    }


def _row(registry: Registry, entry: ModelEntry) -> list[str]:
    state = "no" if registry.missing(entry) else "default" if registry.is_default(entry.name) else "yes"
    shown = entry.languages if len(entry.languages) <= 6 else (*entry.languages[:4], f"+{len(entry.languages) - 4}")
    return [entry.name, entry.kind, state, " ".join(shown) or "any", _size(entry.size), entry.licence]


def _size(count: int | None) -> str:
    if count is None:
        return ""
    for unit, name in ((10**9, "GB"), (10**6, "MB")):
        if count >= unit:
            return f"{count / unit:.1f} {name}" if count < 10 * unit else f"{count / unit:.0f} {name}"
    return f"{count / 1000:.0f} kB"


def _table(registry: Registry, entries: list[ModelEntry]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("name", "for", "here", "languages", "size", "licence", box=None, header_style="bold")
    table.columns[0].no_wrap = True  # it is there to be copied
    table.columns[4].justify = "right"
    for entry in entries:
        name, kind, state, *rest = _row(registry, entry)
        table.add_row(name, kind, f"[green]{state}[/]" if state != "no" else "", *rest)
    Console().print(table)
