"""What is done to texts after recognition, as on the command line, with models that requests share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path

import numpy as np

from asrcli.backends.types import ModelSpec
from asrcli.ensemble import Step, choose
from asrcli.models.entry import Kind
from asrcli.options import Hotword, SpeakerOptions, TranscribeOptions
from asrcli.server.models import ModelPool
from asrcli.text.itn import ItnStep
from asrcli.text.phonetic import PhoneticStep
from asrcli.text.punctuation import SERVICE, PunctuationStep
from asrcli.text.rich import rich_text

_NOTHING = np.zeros(0, np.float32)


@contextmanager
def text_steps(pool: ModelPool, spec: ModelSpec, options: TranscribeOptions) -> Iterator[tuple[Step, ...]]:
    """The steps for one recording; their models stay loaded while it lasts.

    Args:
        pool: where models are kept.
        spec: the recogniser.
        options: fitted to it.

    Raises:
        ModelError: a model that was asked for cannot be had.
        MissingExtraError: a package that a step needs is not installed.
    """

    def get(name: str | None, kind: Kind) -> ModelSpec:
        return pool.registry.resolve(name, kind=kind)

    # Speakers have a way of their own here: their models are shared, too.
    ensemble = choose(spec, replace(options, speakers=SpeakerOptions()), pool.registry, get)
    with ExitStack() as stack:
        marks: tuple[Step, ...] = ()
        if ensemble.punctuation is not None:
            loaded = stack.enter_context(pool.beside(ensemble.punctuation, SERVICE))
            languages = () if options.text.punctuation else loaded.spec.languages
            marks = (PunctuationStep(partial(loaded.host.submit, loaded.spec.name, _NOTHING), languages),)
        text = ensemble.options.text
        yield (*marks, *_corrections(text.corrections), *_digits(ensemble.itn_cache), *((rich_text,) * text.rich))


def _corrections(wanted: tuple[Hotword, ...]) -> tuple[Step, ...]:
    return (PhoneticStep(wanted),) if wanted else ()


@lru_cache(maxsize=4)
def _digits(cache: Path | None) -> tuple[Step, ...]:
    """Kept from one request to the next, because grammars take long to load."""
    return (ItnStep(cache),) if cache is not None else ()
