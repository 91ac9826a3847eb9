"""Whether a model fits a request (kind, backend, language), and which others would."""

from collections.abc import Callable, Iterable, Sequence

from asrcli.backends.registry import backend_of, no_model_hint, runs_on
from asrcli.errors import LanguageNotSupportedError, ModelError, UsageError
from asrcli.language_codes import language_code
from asrcli.model_names import automatic
from asrcli.models.entry import Kind, ModelEntry

#: the registry's entries of a kind; asked for only where a hint needs them
Known = Callable[[Kind], Iterable[ModelEntry]]


def check_kind(entry: ModelEntry, name: str, kind: Kind) -> None:
    """Check the kind of a model. Raises ModelError: it is of another kind."""
    if entry.kind != kind and not (kind == "language-id" and entry.type == "whisper"):
        raise ModelError(
            f"{name} is a model of kind {entry.kind}, not {kind}.", f"List them with: asrcli models list --kind {kind}"
        )


def check_backend(entry: ModelEntry, backend: str | None, known: Known) -> None:
    """Check that a backend (a value of `--backend`; None: any) runs a model. Raises UsageError: it does not; the hint
    names models that it runs.
    """
    if backend is None or runs_on(entry.type, backend):
        return
    others = [other.name for other in known(entry.kind) if runs_on(other.type, backend)]
    raise UsageError(
        f"{backend} does not run {entry.name} (type {entry.type}).",
        f"Leave out --backend, or use {' or '.join(others[:4])}." if others else no_model_hint(backend),
    )


def check_language(
    entry: ModelEntry, language: str | None, known: Known, missing: Callable[[ModelEntry], Sequence[str]]
) -> None:
    """Check that a model supports a language in any spelling of `language_code`; None and "auto" need no support. The
    hint names suitable models of `known`, and whether files are `missing`. Raises LanguageNotSupportedError: it does
    not; the hint names models that do.
    """
    wanted = language_code(language)
    if wanted is None or not entry.languages or wanted in entry.languages:
        return
    able = [e for e in known("asr") if wanted in e.languages]
    here = [e.name for e in able if not missing(e)]
    there = [e.name for e in able if e.name not in here][:4]  # the catalogue lists the best of a language first
    hints = []
    if here:
        hints.append(f"Installed models for {wanted}: {', '.join(here)} (select one with --model).")
    if there:
        hints.append(f"Download one with: asrcli download-model {there[0]}" + _others(there[1:]) + ".")
    if not able:
        hints.append("asrcli models list shows the languages of each model.")
    raise LanguageNotSupportedError(
        f"The model {entry.name} does not support the language {wanted!r}, only {', '.join(entry.languages)}.",
        " ".join(hints),
    )


def _others(names: list[str]) -> str:
    return f" (or {', '.join(names)})" if names else ""


def automatic_model(entry: Callable[[str], ModelEntry], missing: Callable[[ModelEntry], tuple[str, ...]]) -> str | None:
    """The installed model for `--model auto` of the server, by the GPU's memory; None: the default model. `entry` and
    `missing` are the registry's.
    """
    from asrcli.backends.device import nvidia_gpus

    fitting = automatic(max((gpu.memory or 1 for gpu in nvidia_gpus()), default=0))  # unknown: little
    able = (found for found in map(entry, fitting) if backend_of(found.type).missing is None)
    return next((found.name for found in able if not missing(found)), None)
