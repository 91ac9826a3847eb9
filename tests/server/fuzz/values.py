"""Strategies for values of fields: valid ones, wrong types and sizes, nesting, extreme numbers, lone surrogates."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

WORDS = [
    "", " ", "0", "1", "-1", "true", "false", "None", "null", "undefined", "auto", "en", "zh", "word", "segment",
    "json", "srt", "pcm", "wav", "1e999", "nan", "-0", "1_000", "0x10", "٣", "\x00", "\r\n", "a\tb", "\ud800", "😀",
    "\u0301", "\u202eabc", "../../etc/passwd", "<b>", "%s%n", "{", "[", "{}", "[]", '{"a": 1}', ":" * 300, "," * 300,
    '{"type": "server_vad"}', "a:1," * 300, "x" * 3000, "=>", "a=>b", "http://127.0.0.1:1/", "file:///etc/passwd",
    "data:audio/wav;base64,UklGRg==",
]  # fmt: skip
_ODD = st.characters(categories=["Cs", "Nd", "Sm"])
TEXTS = st.sampled_from(WORDS) | st.text(max_size=20) | st.text(_ODD, max_size=9)
NUMBERS = (
    st.integers(-2, 70000)
    | st.integers(-(10**30), 10**30)
    | st.floats()
    | st.sampled_from([8000, 16000, 0, 1e308, -1e308, 2**63, math.inf, -math.inf])
)
_LEAVES = st.none() | st.booleans() | NUMBERS | TEXTS


class Literal(str):
    """JSON as it is written: numbers out of range, nesting that no encoder writes."""

    __slots__ = ()


_DEEP = ["[" * 3000 + "]" * 3000, '{"a":' * 500 + "1" + "}" * 500]
#: numbers that JSON can write and a float or an integer cannot hold, also as texts and in lists
_BEYOND = ["1e999", "-1e999", "1e-999", "NaN", "9" * 400, "-" + "9" * 400]
EXTREMES = [
    *_BEYOND, *(f"[5,{number},5]" for number in _BEYOND), *(f'"{number}"' for number in _BEYOND),
    "null", "true", "0", "-0.0", '""', "{}", "[]", "[[]]", '"\\ud800"',
]  # fmt: skip
LITERALS = st.sampled_from([*_BEYOND, *_DEEP])
JSON = st.recursive(
    _LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4), max_leaves=8
) | LITERALS.map(Literal)


def strictly_read(text: str | bytes) -> Any:
    """JSON as other languages read it, without Python's NaN and Infinity."""
    return json.loads(text, parse_constant=_refuse)


def _refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is not JSON")


def written(value: Any) -> str:
    """JSON text; literals are put in as they are."""
    if isinstance(value, Literal):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(str(key))}:{written(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(written, value)) + "]"
    return json.dumps(value)


def field_paths(schema: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The way to every field of an object, and of the objects in it."""
    for name, each in schema.get("properties", {}).items():
        yield (*path, name)
        yield from field_paths(each, (*path, name))


def with_value(frame: dict[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    """A frame with another value of one field."""
    name, *rest = path
    return frame | {name: with_value(frame.get(name, {}), tuple(rest), value) if rest else value}


def fitting(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values that a schema allows, more or less."""
    if "const" in schema:
        return st.just(schema["const"])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    kinds = schema.get("type", "string")
    kind = kinds if isinstance(kinds, str) else kinds[0]
    if "pattern" in schema:
        return TEXTS.map(lambda text: schema["pattern"].strip("^") + text)
    return {
        "string": st.sampled_from(["en", "a", "pcm", "x y", ""]),
        "boolean": st.booleans(),
        "integer": st.sampled_from([0, 1, 2, 100, 8000, 16000]),
        "number": st.sampled_from([0, 0.5, 1, 500]),
        "array": st.just([5, 10, 5]),
        "object": st.just({"a": 20}),
    }.get(kind, st.none())


#: id of a schema -> the schema, so that it keeps its id, and its strategy: to set one up takes longer than to draw
_STRATEGIES: dict[int, tuple[dict[str, Any], st.SearchStrategy[Any]]] = {}


def value_of(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values for a field, most of them wrong."""
    if id(schema) not in _STRATEGIES:
        whole = schema.get("type") == "object" and "properties" in schema
        fits = st.one_of(object_of(schema), object_of(schema)) if whole else fitting(schema)
        _STRATEGIES[id(schema)] = schema, fits | JSON
    return _STRATEGIES[id(schema)][1]


@st.composite
def object_of(draw: st.DrawFn, described: dict[str, Any]) -> dict[str, Any]:
    """An object with some of its fields; usually those that are fixed or hold objects."""
    properties = described["properties"]
    needed = {name for name, each in properties.items() if "const" in each or "properties" in each}
    chosen = set(draw(st.lists(st.sampled_from(sorted(properties)), max_size=3))) if properties else set()
    if draw(st.integers(0, 5)):
        chosen |= needed
    wrong = draw(st.sampled_from([None, *sorted(chosen)]))
    found = {}
    for name in sorted(chosen):
        schema = properties[name]
        found[name] = draw(value_of(schema) if name == wrong or "properties" in schema else fitting(schema))
    return found
