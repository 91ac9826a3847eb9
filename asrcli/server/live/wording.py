"""Sentences to running text."""

from __future__ import annotations

from collections.abc import Iterable

from asrcli.assemble.script import is_spaceless


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
