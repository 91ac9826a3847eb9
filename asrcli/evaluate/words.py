"""Word and character error rates: (substitutions + deletions + insertions) / length of the reference."""

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import asdict, astuple, dataclass
from typing import Any, Literal, Self, get_args

from asrcli.evaluate.normalization import library, normalizer
from asrcli.language_codes import language_code
from asrcli.script import is_spaceless

Unit = Literal["word", "char"]
#: how a stretch of an alignment differs
Kind = Literal["equal", "substitute", "delete", "insert"]

#: languages written without spaces, whose errors are counted by character
BY_CHARACTER = frozenset({"zh", "yue", "ja", "th", "lo", "my", "km", "bo"})
#: a text of unknown language is counted by character if more of its letters than this are of such scripts
_SPACELESS_SHARE = 0.3


@dataclass(frozen=True, slots=True)
class Step:
    """A stretch of units with the same kind of difference; substitutions are equally long on both sides."""

    kind: Kind
    reference: tuple[str, ...]
    hypothesis: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TextErrors:
    """Counts of units; the sum of several files pools them."""

    hits: int = 0
    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0

    @property
    def reference(self) -> int:
        """Units in the reference."""
        return self.hits + self.substitutions + self.deletions

    @property
    def wrong(self) -> int:
        """Errors of any kind."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def rate(self) -> float:
        """The error rate (0.1 is 10 %); inf where the reference is empty and the hypothesis is not."""
        if self.reference == 0:
            return float("inf") if self.wrong else 0.0
        return self.wrong / self.reference

    def __add__(self, other: Self) -> Self:
        return type(self)(*map(sum, zip(astuple(self), astuple(other), strict=True)))

    def to_dict(self) -> dict[str, Any]:
        return {"rate": finite(self.rate), "reference": self.reference, **asdict(self)}


@dataclass(frozen=True, slots=True)
class TextScore:
    """One text against its reference."""

    unit: Unit
    errors: TextErrors
    steps: tuple[Step, ...]


def finite(rate: float) -> float | None:
    """A rate for JSON, which has no infinity: None."""
    return None if rate == float("inf") else round(rate, 5)


def unit_of(language: str | None, text: str) -> Unit:
    """Whether errors are counted by word or by character: by the language, else by the text's script."""
    code = language_code(language)
    if code:
        return "char" if code in BY_CHARACTER else "word"
    letters = [char for char in text if char.isalpha()]
    return "char" if letters and sum(map(is_spaceless, letters)) > _SPACELESS_SHARE * len(letters) else "word"


def score_text(
    reference: str,
    hypothesis: str,
    *,
    language: str | None = None,
    unit: Unit | None = None,
    normalise: bool = True,
    vowel_marks: bool = False,
) -> TextScore:
    """Align a hypothesis with its reference, both in Unicode's form NFC. `unit` None: by the language; `normalise`
    leaves out case, punctuation and the like (`normalization`); `vowel_marks` counts Arabic and Hebrew vowel marks,
    which always count without `normalise`. Raises UsageError: the language is not one; MissingExtraError: the extra
    `evaluate` is not installed.
    """
    code = language_code(language)
    chosen = unit or unit_of(code, reference)
    clean = normalizer(code, vowel_marks=vowel_marks) if normalise else _nfc
    split: Callable[[str], list[str]] = _characters if chosen == "char" else str.split
    steps = _align(split(_nfc(clean(reference))), split(_nfc(clean(hypothesis))))
    count = {kind: sum(_size(step) for step in steps if step.kind == kind) for kind in get_args(Kind)}
    errors = TextErrors(count["equal"], count["substitute"], count["delete"], count["insert"])
    return TextScore(chosen, errors, steps)


def _size(step: Step) -> int:
    return max(len(step.reference), len(step.hypothesis))


def _characters(text: str) -> list[str]:
    return [char for char in text if not char.isspace()]


def _nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def _align(reference: Sequence[str], hypothesis: Sequence[str]) -> tuple[Step, ...]:
    if not reference:  # jiwer refuses an empty reference
        return (Step("insert", (), tuple(hypothesis)),) if hypothesis else ()
    jiwer = library("jiwer")
    as_units = jiwer.Compose([])  # the texts are divided already
    output = jiwer.process_words([list(reference)], [list(hypothesis)], as_units, as_units)
    return tuple(
        Step(
            chunk.type,
            tuple(reference[chunk.ref_start_idx : chunk.ref_end_idx]),
            tuple(hypothesis[chunk.hyp_start_idx : chunk.hyp_end_idx]),
        )
        for chunk in output.alignments[0]
    )
