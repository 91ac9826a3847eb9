"""What stands beside the recogniser, as on the command line, but for speakers: text steps, and who tells the language.

Their models are shared by all requests.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from asrcli.backends.checks import languages_of
from asrcli.backends.types import ModelSpec
from asrcli.language_detection import Identify
from asrcli.model_set import LANGUAGE_SERVICE, Step, choose, in_order
from asrcli.models.entry import Kind
from asrcli.options import SpeakerOptions, TranscribeOptions
from asrcli.server.recognition.model_pool import ModelPool
from asrcli.text.steps.itn import ItnStep
from asrcli.text.steps.punctuation import SERVICE, PunctuationStep
from asrcli.transcript import Transcript

_NOTHING = np.zeros(0, np.float32)


@dataclass(frozen=True, slots=True)
class Companions:
    """Models stay loaded until `close`."""

    #: text steps, in order
    steps: tuple[Step, ...]
    #: tells the spoken language, for a recogniser that has to be told; None: it finds out, or the client says it
    identify: Identify | None
    #: what the recogniser can do, where languages are told
    languages: tuple[str, ...]
    close: Callable[[], None]

    def revised(self, transcript: Transcript) -> Transcript:
        """What the text steps make of a transcript. Blocks."""
        for step in self.steps:
            transcript = step(transcript)
        return transcript


def open_companions(pool: ModelPool, spec: ModelSpec, options: TranscribeOptions, *, priority: int = 0) -> Companions:
    """Load what stands beside a recogniser; may take as long as a model takes to load.

    Args:
        pool: where models are kept.
        spec: the recogniser.
        options: fitted to it.
        priority: of jobs in the engine's queue; lower goes first.

    Raises:
        ModelError: a model that was asked for cannot be had.
        MissingExtraError: a package that a step needs is not installed.
    """

    def get(name: str | None, kind: Kind) -> ModelSpec:
        return pool.registry.resolve(name, kind=kind)

    # Speakers have a way of their own here: their models are shared, too.
    ensemble = choose(spec, replace(options, speakers=SpeakerOptions()), pool.registry, get)
    with ExitStack() as stack:

        def open_one(other: ModelSpec, kind: str) -> Callable[..., Future[Any]]:
            loaded = stack.enter_context(pool.beside(other, kind))
            return partial(loaded.host.submit, loaded.spec.name, priority=priority)

        marks: Step | None = None
        if ensemble.punctuation is not None:
            languages = () if options.text.punctuation else ensemble.punctuation.languages
            marks = PunctuationStep(partial(open_one(ensemble.punctuation, SERVICE), _NOTHING), languages)
        identify = None
        if ensemble.identification is not None:
            identify = open_one(ensemble.identification, LANGUAGE_SERVICE)
        steps = in_order(ensemble.options.text, marks=marks, digits=_digits(ensemble.itn_cache))
        return Companions(steps, identify, languages_of(spec) if identify else (), stack.pop_all().close)


@lru_cache(maxsize=4)
def _digits(cache: Path | None) -> Step | None:
    """Kept from one request to the next, because grammars take long to load."""
    return ItnStep(cache) if cache is not None else None
