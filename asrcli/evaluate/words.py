"""Word and character error rates: (substitutions + deletions + insertions) / length of the reference."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

from asrcli.distribution import pip_install
from asrcli.errors import MissingExtraError
from asrcli.script import is_cjk

Unit = Literal["word", "char"]
#: an alignment's step: what stands in the reference and in the hypothesis ("" for none)
Kind = Literal["equal", "substitute", "delete", "insert"]

#: languages written without spaces, whose errors are counted by character
BY_CHARACTER = frozenset({"zh", "yue", "ja", "th", "lo", "my", "km", "bo"})
#: a text of unknown language is counted by character if so much of it is Han or kana
_CJK_SHARE = 0.3


@dataclass(frozen=True, slots=True)
class Step:
    """A run of units that were treated alike, in reading order; for substitutions both sides are equally long."""

    kind: Kind
    reference: tuple[str, ...]
    hypothesis: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TextErrors:
    """Counts of units; add them up to pool files."""

    hits: int = 0
    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0

    @property
    def reference(self) -> int:
        """Units in the reference."""
        return self.hits + self.substitutions + self.deletions

    @property
    def rate(self) -> float:
        """The error rate (0.1 is 10 %); inf where the reference is empty and the hypothesis is not."""
        errors = self.substitutions + self.deletions + self.insertions
        if self.reference == 0:
            return float("inf") if errors else 0.0
        return errors / self.reference

    def __add__(self, other: TextErrors) -> TextErrors:
        return TextErrors(
            self.hits + other.hits,
            self.substitutions + other.substitutions,
            self.deletions + other.deletions,
            self.insertions + other.insertions,
        )

    def to_dict(self) -> dict[str, Any]:
        return {
            "rate": finite(self.rate),
            "reference": self.reference,
            "hits": self.hits,
            "substitutions": self.substitutions,
            "deletions": self.deletions,
            "insertions": self.insertions,
        }


@dataclass(frozen=True, slots=True)
class TextScore:
    """One text against its reference."""

    unit: Unit
    errors: TextErrors
    steps: tuple[Step, ...]


def finite(rate: float) -> float | None:
    """A rate for JSON, which knows no infinity: None."""
    return None if rate == float("inf") else round(rate, 5)


def unit_of(language: str | None, text: str) -> Unit:
    """Whether a language's errors are counted by word or by character; the text decides where it is not known."""
    if language:
        return "char" if language.lower().replace("_", "-").split("-")[0] in BY_CHARACTER else "word"
    letters = [char for char in text if char.isalpha()]
    return "char" if letters and sum(map(is_cjk, letters)) > _CJK_SHARE * len(letters) else "word"


def score_text(
    reference: str,
    hypothesis: str,
    *,
    language: str | None = None,
    unit: Unit | None = None,
    normalise: bool = True,
) -> TextScore:
    """Align a hypothesis with its reference.

    Args:
        reference: what was said.
        hypothesis: what was recognised.
        language: ISO code; English is normalised by Whisper's English rules (numbers, spelling, contractions), the
            others by its basic rules (case, punctuation, brackets).
        unit: None: by the language.
        normalise: compare the texts as they stand if false.

    Raises:
        MissingExtraError: the extra `evaluate` is not installed.
    """
    chosen = unit or unit_of(language, reference)
    clean = _normaliser(language) if normalise else _as_is
    split: Callable[[str], list[str]] = _characters if chosen == "char" else str.split
    said, heard = split(clean(reference)), split(clean(hypothesis))
    steps = _align(said, heard)
    counts = {kind: sum(_size(step) for step in steps if step.kind == kind) for kind in Kind.__args__}  # type: ignore[attr-defined]
    errors = TextErrors(counts["equal"], counts["substitute"], counts["delete"], counts["insert"])
    return TextScore(chosen, errors, steps)


def _size(step: Step) -> int:
    return max(len(step.reference), len(step.hypothesis))


def _characters(text: str) -> list[str]:
    return [char for char in text if not char.isspace()]


def _as_is(text: str) -> str:
    return text


def _align(said: Sequence[str], heard: Sequence[str]) -> tuple[Step, ...]:
    if not said:  # jiwer refuses an empty reference
        return (Step("insert", (), tuple(heard)),) if heard else ()
    jiwer = _library("jiwer")
    # The texts are units already; jiwer is handed them as they are.
    as_units = jiwer.Compose([])
    output = jiwer.process_words([list(said)], [list(heard)], as_units, as_units)
    return tuple(
        Step(
            chunk.type,
            tuple(said[chunk.ref_start_idx : chunk.ref_end_idx]),
            tuple(heard[chunk.hyp_start_idx : chunk.hyp_end_idx]),
        )
        for chunk in output.alignments[0]
    )


@lru_cache(maxsize=4)
def _normaliser(language: str | None) -> Callable[[str], str]:
    if language and language.lower().split("-")[0] == "en":
        return _library("whisper_normalizer.english").EnglishTextNormalizer()  # type: ignore[no-any-return]
    return _library("whisper_normalizer.basic").BasicTextNormalizer()  # type: ignore[no-any-return]


def _library(name: str) -> Any:
    from importlib import import_module

    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"Judging text needs the Python package {name.partition('.')[0].replace('_', '-')}.",
            f"Install it with: {pip_install('evaluate')}",
        ) from error
