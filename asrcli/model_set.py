"""The models of one run: the recogniser and its companions (speakers, punctuation, language identification).

`choose` selects them before anything is loaded, because the journal's fingerprint covers them; `runtime` loads them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from asrcli.backends.checks import (
    backend_notices,
    check_language,
    languages_of,
    model_type,
    translating,
    validate,
    weights_notice,
)
from asrcli.backends.funasr.companions import VAD
from asrcli.backends.types import ModelSpec
from asrcli.distribution import pip_install
from asrcli.errors import LanguageNotSupportedError, OptionNotSupportedError
from asrcli.options import TextOptions, TranscribeOptions
from asrcli.transcript import Transcript

if TYPE_CHECKING:
    from asrcli.models.entry import Kind
    from asrcli.models.registry import Registry
    from asrcli.speakers.loading import Prepared

#: name (None: the default) and kind -> the model, fetched first where the caller wants that
Get = Callable[[str | None, "Kind"], "ModelSpec"]
Step = Callable[["Transcript"], "Transcript"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSet:
    """The models of one run, selected but not loaded."""

    spec: ModelSpec
    #: adapted to the models: what a text step does instead of the recogniser is not asked of the recogniser
    options: TranscribeOptions
    speakers: Prepared | None = None
    punctuation: ModelSpec | None = None
    #: detects speech in the engine process; None: what the options name
    vad: ModelSpec | None = None
    #: identifies the spoken language, for a recogniser that does not
    identification: ModelSpec | None = None
    #: where grammars that write digits are kept; None: no digits are written after recognition
    itn_cache: Path | None = None
    #: for the user
    notices: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """Digest of all models for the journal's fingerprint; the recogniser's own digest if it is alone."""
        others = [self.speakers, self.punctuation, self.identification, *filter(None, [self.vad])]
        if not any(others) and self.itn_cache is None:
            return self.spec.digest
        parts = [self.spec.digest, *(one.digest if one else "" for one in others), str(self.itn_cache is not None)]
        return sha256("\n".join(parts).encode()).hexdigest()


def in_order(text: TextOptions, *, marks: Step | None, digits: Step | None) -> tuple[Step, ...]:
    """The text steps: fillers, punctuation, hotwords, numbers, punctuation removal, emoji. `marks` adds punctuation,
    `digits` writes numbers. Raises MissingExtraError: a package that a step needs is not installed.
    """
    steps: list[Step] = []
    if text.drop_fillers:
        from asrcli.text.steps.fillers import drop_fillers

        steps.append(drop_fillers)
    if marks is not None:
        steps.append(marks)
    if text.corrections:
        from asrcli.text.steps.phonetic import PhoneticStep

        steps.append(PhoneticStep(text.corrections))
    if digits is not None:
        steps.append(digits)
    if text.strip_marks:
        from asrcli.text.steps.strip_punctuation import strip_punctuation

        steps.append(strip_punctuation)
    if text.rich:
        from asrcli.text.steps.rich import rich_text

        steps.append(rich_text)
    return tuple(steps)


def choose(spec: ModelSpec, options: TranscribeOptions, registry: Registry, get: Get) -> ModelSet:
    """Select the companion models of a recogniser, with the voices enrolled on this machine; `get` resolves them.
    Raises UsageError: the recogniser does not take the language, hotwords or other options that are asked for, or these
    contradict each other; ModelError: a model is unknown, not available, or not what its type needs; InputError: a
    stored voice print is damaged.
    """
    options = _fit(spec, options)
    if target := options.recognition.target:
        spec, options = translating(spec, target), _source(options, target)
    identification = _identification(spec, options, registry, get)
    request = options.recognition
    if identification is not None:
        request = replace(request, language=next(iter(languages_of(spec)), None))
    validate(spec, request)
    weights = weights_notice(spec, request.hotwords)
    speakers = None
    if options.speakers.enabled:
        from asrcli.speakers.enrol import VoiceStore, default_folder
        from asrcli.speakers.loading import prepare

        segmentation = get(options.speakers.segmentation_model, "segmentation")
        embedding = get(options.speakers.embedding_model or spec.options.get("spk"), "embedding")
        speakers = prepare(segmentation, embedding, options.speakers, VoiceStore(default_folder()))
    itn_cache, notices = _itn(spec, options, registry)
    options, vad = _vad(spec, options, get)
    return ModelSet(
        spec=spec,
        options=options,
        speakers=speakers,
        punctuation=_punctuation(spec, options, registry, get),
        vad=vad,
        identification=identification,
        itn_cache=itn_cache,
        notices=(
            *backend_notices(spec),
            *([weights] if weights else []),
            *notices,
            *(speakers.notices if speakers else ()),
        ),
    )


def _fit(spec: ModelSpec, options: TranscribeOptions) -> TranscribeOptions:
    """Hotwords that a text step corrects are not asked of a model that takes none."""
    if model_type(spec).hotwords != "none" or not options.text.corrections:
        return options
    return replace(options, recognition=replace(options.recognition, hotwords=()))


def _source(options: TranscribeOptions, target: str) -> TranscribeOptions:
    """Models translate into other languages than English from English alone. Raises OptionNotSupportedError: the speech
    is in another language.
    """
    if target == "en":
        return options
    if options.recognition.language not in {None, "en"} or options.identification.enabled:
        raise OptionNotSupportedError(
            f"Only English speech can be translated into '{target}'.", "Leave the language out, or translate into en."
        )
    return replace(options, recognition=replace(options.recognition, language="en"))


def _identification(spec: ModelSpec, options: TranscribeOptions, registry: Registry, get: Get) -> ModelSpec | None:
    """The model that identifies the language, where it is not given and the recogniser does not report it."""
    asked = options.identification
    if options.recognition.language is not None or len(languages_of(spec)) == 1:
        return None
    if asked.enabled:
        if model_type(spec).detects_language and asked.model is None:
            return None
        return get(asked.model, "language-id")
    try:
        check_language(spec, None)
    except LanguageNotSupportedError:
        name = asked.model or registry.available("language-id")
        return get(name, "language-id") if name else None
    return None


def _punctuation(spec: ModelSpec, options: TranscribeOptions, registry: Registry, get: Get) -> ModelSpec | None:
    wanted, row = options.text.punctuation, model_type(spec)
    if wanted is False:
        return None
    if wanted:
        return get(options.text.punctuation_model or spec.options.get("punc"), "punctuation")
    if row.punctuated and (options.recognition.itn or not row.itn_option):
        return None
    name = options.text.punctuation_model or spec.options.get("punc") or registry.available("punctuation")
    return get(name, "punctuation") if name else None


def _vad(spec: ModelSpec, options: TranscribeOptions, get: Get) -> tuple[TranscribeOptions, ModelSpec | None]:
    """The options with the Silero that the entry of a recogniser names, or the model that it names instead."""
    named = spec.options.get("vad")
    if named is None or not options.vad.enabled or options.vad.model is not None:
        return options, None
    found = get(named, "vad")
    if found.type == VAD:
        return options, found
    return replace(options, vad=replace(options.vad, model=found.files["model"])), None


def _itn(spec: ModelSpec, options: TranscribeOptions, registry: Registry) -> tuple[Path | None, tuple[str, ...]]:
    """Where grammars are kept, if numbers are written as digits after recognition; notices."""
    row, wanted = model_type(spec), options.text.itn
    own = row.itn_option or any(spec.files.get(name) or spec.options.get(name) for name in ("rule_fsts", "rule_fars"))
    if not options.recognition.itn or wanted is False or own or (row.punctuated and not wanted):
        return None, ()
    from asrcli.text.steps.itn import is_available

    if is_available():
        return registry.cache_dir / "itn", ()
    if wanted:
        return None, (f"{spec.name} writes numbers as words; to write digits: {pip_install('itn')}.",)
    return None, ()
