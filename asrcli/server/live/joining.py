"""Sentences to running text, and growing ones as their client wants them."""

from __future__ import annotations

from collections.abc import Iterable

from asrcli.options import TextOptions
from asrcli.script import is_spaceless
from asrcli.text.steps.fillers import drop_sounds
from asrcli.text.steps.strip_punctuation import bare_text


def gap(before: str, after: str) -> str:
    """What stands between two sentences: a space, except beside scripts that write none."""
    if not before or not after or before[-1].isspace() or after[0].isspace():
        return ""
    return "" if is_spaceless(before[-1]) or is_spaceless(after[0]) else " "


def run_on(texts: Iterable[str]) -> str:
    """Sentences as one text."""
    out = ""
    for text in texts:
        out += gap(out, text) + text
    return out


def shown(text: str, wanted: TextOptions, language: str | None) -> str:
    """What can be said of a sentence before it has ended: word by word, so that what stands goes on to stand.

    Args:
        text: of a growing sentence.
        wanted: what will be done to it in the end.
        language: as the client said it.
    """
    if wanted.drop_fillers:
        text = drop_sounds(text, language)
    return bare_text(text) if wanted.strip_marks else text
