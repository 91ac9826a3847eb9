"""What a model can do and whether a request fits it, for every backend. Imports no engine.

Backends add their own checks as subclasses of `types.Checks`.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Self

from asrcli.backends.model_type import ModelType
from asrcli.backends.registry import backend_of, check_packages, is_remote, known_types
from asrcli.backends.types import Checks, ModelSpec
from asrcli.errors import LanguageNotSupportedError, ModelError, OptionNotSupportedError
from asrcli.options import Hotword, RecognitionOptions


def model_type(spec: ModelSpec) -> ModelType:
    """What a model can do. Raises ModelError: its type is unknown."""
    row = backend_of(spec.type).model_types.get(spec.type)
    if row is None:
        raise ModelError(f"{spec.name}: unknown model type {spec.type!r}.", f"Types: {', '.join(known_types())}.")
    return row


def validate(spec: ModelSpec, request: RecognitionOptions) -> None:
    """Check a model and a request. Raises ModelError: unknown type; files missing, empty, damaged, or made for
    something else; MissingExtraError: a package that runs such a model is not installed; OptionNotSupportedError: an
    option of the entry or of the request that the type does not take; LanguageNotSupportedError: the model does not
    support the language, or needs one.
    """
    check_model(spec)
    check_request(spec, request)


def check_model(spec: ModelSpec) -> None:
    """The part of `validate` that concerns the entry, its files and the installed packages."""
    model_type(spec)
    _checks(spec).check_model(spec)
    check_packages(spec.type)


def check_device(spec: ModelSpec) -> None:
    """The part of `check_model` that concerns the devices of an entry, whose files may be missing."""
    _checks(spec).check_device(spec)


def explain_failure(spec: ModelSpec) -> str:
    """A hint: what may be wrong with a model at which the engine fails; "" where nothing is known."""
    return _checks(spec).explain_failure(spec)


def check_request(spec: ModelSpec, request: RecognitionOptions) -> None:
    """The part of `validate` that concerns one request; cheap enough for each."""
    row = model_type(spec)
    check_language(spec, request.language)
    if request.hotwords and row.hotwords == "none":
        raise OptionNotSupportedError(
            f"{spec.name} ({spec.type}) takes no hotwords.",
            f"Types that take hotwords: {_types_with('beam', 'bias', 'prompt')}. With any model, --correct-hotwords "
            "corrects words that sound like them.",
        )
    if request.prompt and row.hotwords != "prompt":
        raise OptionNotSupportedError(
            f"{spec.name} ({spec.type}) takes no context text.", f"Types that take it: {_types_with('prompt')}."
        )
    if request.hotwords:
        _checks(spec).check_hotwords(spec, request.hotwords)
    if request.hotwords or request.prompt:
        _checks(spec).check_prompt(spec, request)


def translating(spec: ModelSpec, target: str) -> ModelSpec:
    """The model as it translates into a language. Raises OptionNotSupportedError: it cannot."""
    row, languages = model_type(spec), languages_of(spec)
    if target == "en":
        options, name = row.translation, "English"
        hint = "Models that can: whisper-small and other Whisper models for many languages."
    else:
        options, name = {row.target_option: target} if row.target_option and target in languages else {}, target
        hint = "Models that can: canary-180m-flash, English into de, es and fr."
    if not options or languages == ("en",):
        what = "translate" if target == "en" else f"translate into '{target}'"
        raise OptionNotSupportedError(f"The model {spec.name} cannot {what}.", hint)
    return replace(spec, name=f"{spec.name} to {name}", options={**spec.options, **options})


def backend_notices(spec: ModelSpec) -> tuple[str, ...]:
    """What the user should be informed of before the model is loaded."""
    return _checks(spec).notices(spec)


def weights_notice(spec: ModelSpec, hotwords: Sequence[Hotword]) -> str | None:
    """A notice where the model takes hotwords, but not the weights that were given; None: it takes them."""
    usual = Hotword(text="").weight
    row = model_type(spec)
    if row.hotwords not in {"bias", "prompt"} or is_remote(spec.type) or all(w.weight == usual for w in hotwords):
        return None
    return f"hotword weights ignored: models of type {spec.type} take none"


def check_language(spec: ModelSpec, language: str | None) -> None:
    """Check that the model supports a language, or needs none to be named. Raises LanguageNotSupportedError: it does
    not.
    """
    known = languages_of(spec)
    if language in {None, "", "auto"}:
        row = model_type(spec)
        if row.language_required and not any(spec.options.get(key) for key in row.language_keys):
            raise LanguageNotSupportedError(
                f"{spec.name} needs the language to be named.", f"Give one of: {', '.join(known)}."
            )
    elif known and language not in known:
        raise LanguageNotSupportedError(
            f"{spec.name} does not support the language {language!r}.", f"It supports: {', '.join(known)}."
        )


def languages_of(spec: ModelSpec) -> tuple[str, ...]:
    """Codes that may be asked for; empty: unknown, or any."""
    engine = _checks(spec).engine_languages(spec, model_type(spec))
    if spec.languages and engine:
        return tuple(language for language in spec.languages if language in engine) or engine
    return spec.languages or engine


def window_of(spec: ModelSpec, request: RecognitionOptions | None = None) -> float:
    """The longest chunk to give the model for a request, seconds: its entry's window within the engine's limits."""
    return min(spec.window, _checks(spec).longest_chunk(spec, model_type(spec), request or RecognitionOptions()))


class SpeechModel:
    """What the pipeline asks of a recogniser in use. A context manager that closes it."""

    spec: ModelSpec

    @property
    def model(self) -> str:
        """Name of the model."""
        return self.spec.name

    @property
    def notices(self) -> tuple[str, ...]:
        """What the user should know of how it was loaded; empty until it is."""
        return ()

    @property
    def window(self) -> float:
        """Longest chunk without hotwords and prompt, seconds."""
        return window_of(self.spec)

    def window_for(self, request: RecognitionOptions) -> float:
        """Longest chunk for a request, seconds."""
        return window_of(self.spec, request)

    @property
    def max_gap(self) -> float:
        """Longest pause inside a chunk where the user sets none, seconds."""
        return model_type(self.spec).max_gap

    @property
    def gain_offset(self) -> float:
        """Speech is amplified for the model to so many dB below the usual level."""
        return model_type(self.spec).gain_offset

    def close(self) -> None:
        """Give up what it holds; further calls do nothing."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _checks(spec: ModelSpec) -> Checks:
    checks: Checks = backend_of(spec.type).open_checks()
    return checks


def _types_with(*hotwords: str) -> str:
    rows = ((name, backend_of(name).model_types[name]) for name in known_types())
    return ", ".join(name for name, row in rows if row.hotwords in hotwords)
