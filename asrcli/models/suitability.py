"""Whether a model is the right one for what is asked: kind, backend, language; and which others would be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from asrcli.backends.registry import no_model_hint, runs_on
from asrcli.errors import LanguageNotSupportedError, ModelError, UsageError
from asrcli.language_codes import language_code
from asrcli.models.entry import Kind, ModelEntry

if TYPE_CHECKING:
    from asrcli.models.registry import Registry


def check_kind(entry: ModelEntry, name: str, kind: Kind) -> None:
    """See that a model is for what it is wanted for.

    Raises:
        ModelError: it is for something else.
    """
    if entry.kind != kind and not (kind == "language-id" and entry.type == "whisper"):
        raise ModelError(f"{name} is a model for {entry.kind}, not for {kind}.", f"See: asrcli models --kind {kind}")


def check_backend(registry: Registry, entry: ModelEntry, backend: str | None) -> None:
    """See that a backend (a value of `--backend`; None: any) runs a model.

    Raises:
        UsageError: another does; the hint names models that it runs.
    """
    if backend is None or runs_on(entry.type, backend):
        return
    others = [other.name for other in registry.entries(entry.kind) if runs_on(other.type, backend)]
    raise UsageError(
        f"{entry.name} ({entry.type}) is no model for {backend}.",
        f"Leave --backend out, or take {' or '.join(others[:4])}." if others else no_model_hint(backend),
    )


def check_language(registry: Registry, entry: ModelEntry, language: str | None) -> None:
    """See that a model can do a language; None and "auto" ask nothing.

    Raises:
        LanguageNotSupportedError: it cannot; the hint names models that can.
    """
    wanted = language_code(language)
    if wanted is None or not entry.languages or wanted in entry.languages:
        return
    able = [e for e in registry.entries("asr") if wanted in e.languages]
    here = [e.name for e in able if not registry.missing(e)]
    there = [e.name for e in sorted(able, key=lambda e: e.size or 0) if e.name not in here][:4]
    hints = []
    if here:
        hints.append(f"Installed models that do {wanted}: {', '.join(here)} (choose with --model).")
    if there:
        hints.append(f"To download: asrcli download-model {there[0]}" + _others(there[1:]) + ".")
    if not able:
        hints.append("asrcli models lists what each model can do.")
    raise LanguageNotSupportedError(
        f"The model {entry.name} cannot do {wanted!r}, only {', '.join(entry.languages)}.", " ".join(hints)
    )


def _others(names: list[str]) -> str:
    return f" (or {', '.join(names)})" if names else ""
