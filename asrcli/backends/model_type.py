"""What a model of some type can do: the row that every backend's table of model types is made of.

Imports no engine and no numpy: commands that only list models read these tables.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

#: of an option of an entry: whether a value fits, and which do
OptionCheck = tuple[Callable[[Any], bool], str]
ANY: OptionCheck = (lambda _: True, "")
FLAG: OptionCheck = (lambda value: isinstance(value, bool), "true or false")


def _is_positive(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


POSITIVE: OptionCheck = (_is_positive, "a whole number, 1 or more")


def one_of(*choices: str) -> OptionCheck:
    """An option with one of these values."""
    return (lambda value: value in choices, f"{', '.join(choices[:-1])} or {choices[-1]}".removeprefix(" or "))


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelType:
    """Capabilities of a model type. Backends add what their engine needs to load it."""

    #: options of the entry that name the language, empty: none does
    language_keys: tuple[str, ...] = ()
    #: ISO code -> the engine's name; empty: codes as they are
    language_names: Mapping[str, str] = field(default_factory=dict)
    #: codes that the engine accepts; empty: whatever the model's own entry lists
    languages: tuple[str, ...] = ()
    #: the model neither detects a language nor has a default
    language_required: bool = False
    #: the engine reports the language of a chunk
    detects_language: bool = False

    #: how phrases are favoured: not at all, in the beam search, by the model itself, or as context in a prompt
    hotwords: Literal["none", "beam", "bias", "prompt"] = "none"
    #: name of the model's own switch for inverse text normalisation; "": none
    itn_option: str = ""
    #: options of the entry with which the model translates into English; empty: it cannot
    translation: Mapping[str, str] = field(default_factory=dict)
    #: option of the entry that names the language into which it translates English; "": it cannot
    target_option: str = ""
    #: the text has punctuation and capitals; else words alone, at least for most models
    punctuated: bool = False
    #: the text begins with tags of language, emotion and event
    tagged: bool = False
    #: longest chunk that the engine reads, seconds; it drops the rest without an error
    limit: float = math.inf
    #: pauses longer than this end a chunk where the user sets no other maximum, seconds
    max_gap: float = 3.0
    #: speech is amplified for it to so many dB below the usual level
    gain_offset: float = 0.0
