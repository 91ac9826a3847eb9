"""Inverse text normalisation after recognition: "twenty five dollars" to "$25", with the words' times kept.

For models without a switch of their own and without `rule_fsts`; by WeTextProcessing, the extra `itn`.
"""

import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from threading import Lock

from asrcli.distribution import pip_install
from asrcli.errors import MissingExtraError
from asrcli.text.steps.word_edits import rewrite_words, with_words
from asrcli.transcript import Segment, Transcript

_MODULES = {
    "zh": "itn.chinese.inverse_normalizer",
    "yue": "itn.chinese.inverse_normalizer",
    "en": "itn.english.inverse_normalizer",
    "ja": "itn.japanese.inverse_normalizer",
}
#: languages whose grammar the wheel carries; others are compiled once (about 10 s) and kept in the cache folder
_SHIPPED = frozenset({"zh", "yue"})
_MARKS = ".,;:!?\"'()"
#: after a number the English grammar leaves a space before marks ("in 1984 .", "2 %")
_DETACHED = re.compile(r"(?<=\S) +([.,;:!?…]+)(?=\s|$)|(?<=\d) (%)")
#: Chinese words that only look like numbers: 十分感谢, 红十字会
_NO_NUMBER = re.compile(
    r"((?<![〇零一二三四五六七八九十百千万亿两几\d])十分(?![钟鐘之])|十字|八九不离十|十有八九|不管三七二十一|略知一二|三六九等"
    r"|七零八落|十万火急|十面埋伏|十里洋场|十年如一日|一目十行|以一当十|正经八百|此地无银三百两)"
)
#: ordinals that are not changed if alone ("wait a second")
_ORDINALS = frozenset(["first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth"])
#: letters of the longest address; longer results are sentences with the word "dot"
_LONGEST = 30


def is_number(heard: Sequence[str], written: Sequence[str]) -> bool:
    """Whether a change writes a number or an address.

    The grammars also turn "for example" into "e.g.", "wait a second" into "wait a 2nd", and join a sentence with the
    word "dot" like an address.
    """
    if any(len(part) > _LONGEST for part in written):
        return False
    if all(part.strip(_MARKS).lower() in _ORDINALS for part in heard if part not in written):
        return False
    return any(char.isdigit() or char == "@" for part in written for char in part)


def _normalized(text: str, normalize: Callable[[str], str]) -> str:
    """Normalise the parts that may contain numbers."""
    parts = _NO_NUMBER.split(text)
    return "".join(
        part if index % 2 or not part else _DETACHED.sub(r"\1\2", normalize(part)) for index, part in enumerate(parts)
    )


def is_available() -> bool:
    """Whether WeTextProcessing is installed."""
    return find_spec("itn") is not None and find_spec("pynini") is not None


class ItnStep:
    """Writes numbers, dates and amounts of a transcript as digits. Languages without a grammar are not changed."""

    def __init__(self, cache: Path) -> None:
        """`cache` is a folder for compiled grammars, created if needed. Raises MissingExtraError: WeTextProcessing is
        not installed.
        """
        if not is_available():
            raise MissingExtraError(
                "Writing numbers as digits needs the package WeTextProcessing.",
                f"Install it ({pip_install('itn')}), or leave numbers as they are spoken (--no-itn).",
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
        # Pynini's automata are not thread-safe, and a text takes well under a millisecond.
        with self._lock:
            normalize = self._normalizer(language)
            try:
                text = _normalized(segment.text, normalize)
            except RuntimeError:  # the grammars fail at characters that they lack; the text stays as it is
                return segment
        if text == segment.text:
            return segment
        if not segment.words:
            return replace(segment, text=text)
        words = rewrite_words(segment.words, text, is_number)
        return segment if words == segment.words else with_words(segment, words)

    def _normalizer(self, language: str) -> Callable[[str], str]:
        module = _MODULES[language]
        if module not in self._normalizers:
            logger = logging.getLogger("wetext")
            if not logger.handlers:  # with this handler it adds none for stderr
                logger.addHandler(logging.NullHandler())
                logger.propagate = False
            folder = None
            if language not in _SHIPPED:
                self._cache.mkdir(parents=True, exist_ok=True)
                folder = str(self._cache)
            self._normalizers[module] = import_module(module).InverseNormalizer(cache_dir=folder).normalize
        return self._normalizers[module]
