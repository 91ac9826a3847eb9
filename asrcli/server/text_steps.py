"""What is done to texts after recognition, as on the command line, with models that requests share."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path

import numpy as np

from asrcli.backends.types import ModelSpec
from asrcli.ensemble import Step, choose, in_order
from asrcli.models.entry import Kind
from asrcli.options import SpeakerOptions, TranscribeOptions
from asrcli.server.models import ModelPool
from asrcli.text.itn import ItnStep
from asrcli.text.punctuation import SERVICE, PunctuationStep
from asrcli.transcript import Transcript

_NOTHING = np.zeros(0, np.float32)


@dataclass(frozen=True, slots=True)
class OpenSteps:
    """Text steps, in order, whose models stay loaded until `close`."""

    steps: tuple[Step, ...]
    close: Callable[[], None]

    def revised(self, transcript: Transcript) -> Transcript:
        """What the steps make of a transcript. Blocks."""
        for step in self.steps:
            transcript = step(transcript)
        return transcript


def open_steps(pool: ModelPool, spec: ModelSpec, options: TranscribeOptions, *, priority: int = 0) -> OpenSteps:
    """Load what is done to texts; may take as long as a model takes to load.

    Args:
        pool: where models are kept.
        spec: the recogniser.
        options: fitted to it.
        priority: of its texts in the engine's queue; lower goes first.

    Raises:
        ModelError: a model that was asked for cannot be had.
        MissingExtraError: a package that a step needs is not installed.
    """

    def get(name: str | None, kind: Kind) -> ModelSpec:
        return pool.registry.resolve(name, kind=kind)

    # Speakers have a way of their own here: their models are shared, too.
    ensemble = choose(spec, replace(options, speakers=SpeakerOptions()), pool.registry, get)
    with ExitStack() as stack:
        marks: Step | None = None
        if ensemble.punctuation is not None:
            loaded = stack.enter_context(pool.beside(ensemble.punctuation, SERVICE))
            languages = () if options.text.punctuation else loaded.spec.languages
            submit = partial(loaded.host.submit, loaded.spec.name, _NOTHING, priority=priority)
            marks = PunctuationStep(submit, languages)
        steps = in_order(ensemble.options.text, marks=marks, digits=_digits(ensemble.itn_cache))
        return OpenSteps(steps, stack.pop_all().close)


@lru_cache(maxsize=4)
def _digits(cache: Path | None) -> Step | None:
    """Kept from one request to the next, because grammars take long to load."""
    return ItnStep(cache) if cache is not None else None
