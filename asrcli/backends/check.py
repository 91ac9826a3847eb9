"""What a model can do and whether a request fits it, whichever backend runs it. Imports no engine.

The backends' own checks (`sherpa_check`, `funasr_check`, `remote_check`) say it; this is the one door to them.
"""

from __future__ import annotations

from typing import Literal, Protocol

from asrcli.backends import REMOTE, backend_of
from asrcli.backends.types import ModelSpec
from asrcli.options import RecognitionOptions


class Capabilities(Protocol):
    """What a model of some type can do: a row of a backend's table."""

    @property
    def hotwords(self) -> Literal["none", "beam", "bias", "prompt"]:
        """How phrases are favoured: not at all, in the beam search, by the model itself, or as context in a prompt."""
        ...

    @property
    def itn_option(self) -> str:
        """Name of its own switch for inverse text normalisation; "" if it has none."""
        ...

    @property
    def detects_language(self) -> bool:
        """Whether it says in which language it heard a chunk."""
        ...

    @property
    def written(self) -> bool:
        """Whether its text comes as people write it, with marks and capitals."""
        ...


class _Checks(Protocol):
    """A backend's module of checks."""

    def model_type(self, spec: ModelSpec) -> Capabilities: ...

    def check_model(self, spec: ModelSpec) -> None: ...

    def check_request(self, spec: ModelSpec, request: RecognitionOptions) -> None: ...

    def check_language(self, spec: ModelSpec, language: str | None) -> None: ...

    def languages_of(self, spec: ModelSpec) -> tuple[str, ...]: ...

    def window_of(self, spec: ModelSpec) -> float: ...


def _checks(spec: ModelSpec) -> _Checks:
    kind = backend_of(spec.type)
    if kind == "funasr":
        from asrcli.backends.funasr import check as funasr_check

        return funasr_check
    if kind == REMOTE:
        from asrcli.backends.remote import check as remote_check

        return remote_check
    from asrcli.backends.sherpa import check as sherpa_check

    return sherpa_check


def validate(spec: ModelSpec, request: RecognitionOptions) -> None:
    """Check a model and what is asked of it.

    Raises:
        ModelError: unknown type, files missing, empty, damaged, or made for something else.
        MissingExtraError: a package that runs such a model is not installed.
        OptionNotSupportedError: an option of the entry or of the request that the type does not take.
        LanguageNotSupportedError: the model cannot do the language, or must be told one.
    """
    check_model(spec)
    check_request(spec, request)


def check_packages(model_type: str) -> None:
    """See that what runs models of a type is installed, before a model is fetched in vain.

    Raises:
        MissingExtraError: a package is not.
    """
    if backend_of(model_type) == "funasr":
        from asrcli.backends.funasr import check as funasr_check

        funasr_check.check_packages()


def capabilities_of(spec: ModelSpec) -> Capabilities:
    """What a model can do.

    Raises:
        ModelError: nobody knows its type.
    """
    return _checks(spec).model_type(spec)


def check_model(spec: ModelSpec) -> None:
    """The part of `validate` that concerns the entry and its files."""
    _checks(spec).check_model(spec)


def check_request(spec: ModelSpec, request: RecognitionOptions) -> None:
    """The part of `validate` that concerns one request; cheap enough for each."""
    _checks(spec).check_request(spec, request)


def check_language(spec: ModelSpec, language: str | None) -> None:
    """See that the model can do a language, or can do without being told one.

    Raises:
        LanguageNotSupportedError: it cannot.
    """
    _checks(spec).check_language(spec, language)


def languages_of(spec: ModelSpec) -> tuple[str, ...]:
    """What the model can be asked for; empty: unknown, or nothing to ask."""
    return _checks(spec).languages_of(spec)


def window_of(spec: ModelSpec) -> float:
    """The longest chunk to give the model, seconds."""
    return _checks(spec).window_of(spec)
