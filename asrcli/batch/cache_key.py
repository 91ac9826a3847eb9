"""What a result was made with, as hashes: the same recipe and the same recording give the same result."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any

#: raised when the same options come to mean something else, so that old results are redone
RECIPE_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheKey:
    """What decides a result beside the recording's bytes."""

    #: digest of the model's files (`ModelSpec.digest`)
    model: str
    #: `fingerprint` of everything that shapes the transcript
    options: str
    #: `fingerprint` of what only shapes one format's text (cue rules for srt and vtt); formats without are left out
    formats: Mapping[str, str] = field(default_factory=dict)


def fingerprint(*parts: Any) -> str:
    """A hash that is the same in every process and on every machine for equal dataclasses, mappings, sequences, sets,
    enums, paths, strings, numbers and None. Raises TypeError: a value of another type, whose text might differ from run
    to run.
    """
    text = json.dumps([RECIPE_VERSION, *map(_plain, parts)], sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return _plain(value.value)
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, Path):
        return os.fspath(value)
    return _plain_container(value)


def _plain_container(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return _plain_dataclass(value)
    if isinstance(value, Mapping):
        return {"map": sorted([json.dumps(_plain(key)), _plain(item)] for key, item in value.items())}
    if isinstance(value, (set, frozenset)):
        return {"set": sorted(json.dumps(_plain(item), sort_keys=True) for item in value)}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    raise TypeError(f"no stable form of {type(value).__name__}")


def _plain_dataclass(value: Any) -> dict[str, Any]:
    name = type(value).__name__
    if getattr(value, "enabled", True) is False:
        return {name: "off"}
    return {name: {item.name: _plain(getattr(value, item.name)) for item in fields(value)}}
