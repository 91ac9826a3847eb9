"""Inverse text normalisation after recognition: "twenty five dollars" to "$25", with the words' times kept.

For models without a switch of their own and without `rule_fsts`; by WeTextProcessing, the extra `asrcli[itn]`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from threading import Lock

from asrcli.errors import MissingExtraError
from asrcli.text.respell import respell, with_words
from asrcli.transcript import Segment, Transcript

_MODULES = {
    "zh": "itn.chinese.inverse_normalizer",
    "yue": "itn.chinese.inverse_normalizer",
    "en": "itn.english.inverse_normalizer",
    "ja": "itn.japanese.inverse_normalizer",
}
#: languages whose grammar the wheel carries; others are compiled once (about 10 s) and kept in the cache folder
_SHIPPED = frozenset({"zh", "yue"})


def is_available() -> bool:
    """Whether WeTextProcessing is installed."""
    return find_spec("itn") is not None and find_spec("pynini") is not None


class ItnStep:
    """Writes numbers, dates and amounts of a transcript as digits. Languages without a grammar stay as they are."""

    def __init__(self, cache: Path) -> None:
        """Begin.

        Args:
            cache: folder for compiled grammars; made if it is not there.

        Raises:
            MissingExtraError: WeTextProcessing is not installed.
        """
        if not is_available():
            raise MissingExtraError(
                "Writing numbers as digits needs the package WeTextProcessing.",
                "Install it (pip install 'asrcli[itn]'), or leave numbers as they are spoken (--no-itn).",
            )
        self._cache = cache
        self._normalizers: dict[str, Callable[[str], str]] = {}
        self._lock = Lock()

    def __call__(self, transcript: Transcript) -> Transcript:
        segments = (self._normalized(segment, transcript.language or "") for segment in transcript.segments)
        return replace(transcript, segments=tuple(segments))

    def _normalized(self, segment: Segment, language: str) -> Segment:
        language = segment.language or language
        if language not in _MODULES or not segment.text:
            return segment
        # Pynini's automata are not made for several threads at once, and a text takes well under a millisecond.
        with self._lock:
            text = self._normalizer(language)(segment.text)
        if text == segment.text:
            return segment
        if not segment.words:
            return replace(segment, text=text)
        return with_words(segment, respell(segment.words, text))

    def _normalizer(self, language: str) -> Callable[[str], str]:
        module = _MODULES[language]
        if module not in self._normalizers:
            logger = logging.getLogger("wetext")
            if not logger.handlers:  # with a handler of ours it adds none that writes to stderr
                logger.addHandler(logging.NullHandler())
                logger.propagate = False
            folder = None
            if language not in _SHIPPED:
                self._cache.mkdir(parents=True, exist_ok=True)
                folder = str(self._cache)
            self._normalizers[module] = import_module(module).InverseNormalizer(cache_dir=folder).normalize
        return self._normalizers[module]
