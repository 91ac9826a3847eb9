"""Compares a model's graphs and tokens with the published exports of its type (`exports.yaml`).

sherpa-onnx finds inputs by their place, so a graph of another export may load and recognise nothing.
"""

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from asrcli.backends.sherpa.token_table import read_tokens
from asrcli.storage.onnx_file import Signature, TensorInfo, read_metadata, read_signature

_REST = "..."
_WITH_OFFSET = re.compile(r"(\w+)\+(\d+)")


def differences(type_: str, files: Mapping[str, Path], *, engine: bool = True) -> tuple[str, ...]:
    """What distinguishes a model from the export of its type that is most like it; empty: nothing, or the type is not
    described. `files` maps logical names to paths. Raises ModelError: a file cannot be read.
    """
    found = [tuple(_differences(form, files, engine=engine)) for form in _table().get(type_, ())]
    return min(found, key=len, default=())


def explanation(type_: str, files: Mapping[str, Path]) -> str:
    """A hint for a model at which the engine fails: how it differs from the published exports; "" if it does not. The
    signatures of ORT files are not compared: that takes an engine, and the failure may be one of memory.
    """
    try:
        found = differences(type_, files, engine=False)
    except Exception:  # noqa: BLE001 - the failure itself must be reported
        return ""
    if not found:
        return ""
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return f"It differs from the published exports of its type: {found[0]}{more}; see asrcli models verify."


@cache
def _table() -> Mapping[str, Sequence[Mapping[str, Any]]]:
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    text = Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8")
    table: dict[str, Any] = yaml.load(text, loader)  # noqa: S506 - both are safe loaders
    return table


def _differences(form: Mapping[str, Any], files: Mapping[str, Path], *, engine: bool) -> Iterator[str]:
    # An ORT file has no metadata that could be read here.
    metadata = {key: read_metadata(path) for key, path in files.items() if path.suffix == ".onnx"}
    numbers = {name: value for entries in metadata.values() for name, value in entries.items()}
    for key, graph in form["graphs"].items():
        if key not in files:
            yield f"a file for {key} is missing"
            continue
        for difference in _of_metadata(graph.get("metadata", ""), metadata[key]) if key in metadata else ():
            yield f"{files[key].name}: {difference}"
        signature = _signature(files[key], engine=engine)
        if signature is not None:
            for kind, values in (("input", signature.inputs), ("output", signature.outputs)):
                for difference in _of_values(kind, graph[f"{kind}s"], values, numbers):
                    yield f"{files[key].name}: {difference}"
    if "tokens" in form and "tokens" in files:
        for difference in _of_tokens(form["tokens"], files["tokens"], numbers):
            yield f"{files['tokens'].name}: {difference}"


def _signature(path: Path, *, engine: bool) -> Signature | None:
    """Inputs and outputs of a graph; None where it is an ORT file and onnxruntime is not installed, or not wanted."""
    if path.suffix == ".onnx":
        return read_signature(path)
    if not engine:
        return None
    try:
        from asrcli.storage.onnx_session import open_session

        session = open_session(str(path))
    except ImportError:
        return None
    inputs, outputs = (
        tuple(TensorInfo(value.name, value.type[len("tensor(") : -1], tuple(value.shape)) for value in values)
        for values in (session.get_inputs(), session.get_outputs())
    )
    return Signature(inputs, outputs)


def _of_metadata(wanted: str, found: Mapping[str, str]) -> Iterator[str]:
    for entry in wanted.split():
        name, _, values = entry.partition("=")
        if name not in found:
            yield f"metadata {name} is missing"
        elif values and found[name] not in values.split("|"):
            yield f"metadata {name} is {found[name]!r}, not {' or '.join(values.split('|'))}"


def _of_values(kind: str, wanted: str, found: Sequence[TensorInfo], numbers: Mapping[str, str]) -> Iterator[str]:
    expected = wanted.split(", ")
    if _REST in expected and len(found) >= len(expected) - 1:
        before = expected.index(_REST)
        after = len(expected) - before - 1
        found = [*found[:before], *found[len(found) - after :]]
        expected.remove(_REST)
    if len(expected) != len(found):
        names = ", ".join(value.name for value in found)
        yield f"{len(found)} {kind}s ({names}), not {len(expected)} ({', '.join(v.split()[0] for v in expected)})"
        return
    for place, (text, value) in enumerate(zip(expected, found, strict=True), start=1):
        name, type_, *sizes = text.split()
        if name not in {"*", value.name}:
            yield f"{kind} {place} is {value.name}, not {name}"
        if type_ not in {"*", value.type}:
            yield f"{kind} {value.name} is of type {value.type}, not {type_}"
        if sizes != [_REST] and value.sizes is not None:
            yield from _of_sizes(f"{kind} {value.name}", sizes, value.sizes, numbers)


def _of_sizes(
    what: str, wanted: Sequence[str], found: Sequence[int | str], numbers: Mapping[str, str]
) -> Iterator[str]:
    if len(wanted) != len(found):
        yield f"{what} has {len(found)} dimensions, not {len(wanted)}"
        return
    for place, (text, size) in enumerate(zip(wanted, found, strict=True), start=1):
        number = _number(text, numbers)
        if isinstance(size, int) and number is not None and size != number:
            yield f"{what}: dimension {place} is {size}, not {text if text.isdigit() else f'{number} ({text})'}"


def _number(text: str, numbers: Mapping[str, str]) -> int | None:
    """The value of a size in the description; None: any."""
    name, offset = match.groups() if (match := _WITH_OFFSET.fullmatch(text)) else (text, 0)
    value = name if name.isdigit() else numbers.get(name, "")
    return int(value) + int(offset) if value.isdigit() and not text.isupper() else None


def _of_tokens(wanted: Mapping[str, str], path: Path, numbers: Mapping[str, str]) -> Iterator[str]:
    table = read_tokens(path)
    for place in ("first", "last"):
        symbol = getattr(table, place)
        if place in wanted and symbol not in wanted[place].split("|"):
            yield f"the {place} token is {symbol}, not {wanted[place]}"
    if "holds" in wanted and wanted["holds"] not in table.symbols:
        yield f"the token {wanted['holds']} is missing"
    if wanted.get("form") == "base64" and not all(map(_is_base64, table.symbols)):
        yield "the tokens are not in base64"
    for key in ("size", "at_least"):
        number = _number(wanted.get(key, ""), numbers)
        if number is not None and (table.size < number if key == "at_least" else table.size != number):
            yield f"{table.size} tokens, not {number} ({wanted[key]})"


def _is_base64(symbol: str) -> bool:
    try:
        base64.b64decode(symbol.strip(), validate=True)
    except ValueError:
        return False
    return True
