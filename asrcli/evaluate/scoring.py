"""Score results against references: each file, and all of them together."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from asrcli.errors import InputError
from asrcli.evaluate.cues import CueStatistics, cue_statistics
from asrcli.evaluate.diarization import DiarizationErrors, score_turns
from asrcli.evaluate.pairing import Found, Pairing, References
from asrcli.evaluate.reading import HypothesisText, Reference, read_hypothesis
from asrcli.evaluate.speaker_words import WordErrors, score_speakers, score_words, texts_of_speakers
from asrcli.evaluate.words import TextErrors, TextScore, Unit, score_text
from asrcli.options import CueOptions
from asrcli.transcript import Turn

SCHEMA = "asrcli/evaluation/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoringOptions:
    """How results are scored."""

    #: used where neither the reference nor the result names its language
    language: str | None = None
    #: None: by the language
    unit: Unit | None = None
    normalise: bool = True
    #: whether Arabic and Hebrew vowel marks are compared
    vowel_marks: bool = False
    #: seconds on each side of a reference turn's boundaries that are not scored
    collar: float = 0.25
    limits: CueOptions = field(default_factory=CueOptions)

    def of_text(self, language: str | None) -> dict[str, Any]:
        """Options of `score_text`, where the files name this language."""
        return {
            "language": self.language or language,
            "unit": self.unit,
            "normalise": self.normalise,
            "vowel_marks": self.vowel_marks,
        }


@dataclass(frozen=True, slots=True)
class FileScore:
    """The scores of one file. None: there is no reference, or the file does not hold it."""

    path: str
    text: TextScore | None = None
    turns: DiarizationErrors | None = None
    #: speakers of words
    words: WordErrors | None = None
    #: cpWER: against the reference texts if they name speakers, else of the same words against the reference turns
    speakers: TextErrors | None = None
    #: the references compared with
    right_text: Pairing[Reference] | None = None
    right_turns: Pairing[list[Turn]] | None = None
    cues: CueStatistics | None = None
    #: what was asked for and could not be scored
    problems: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        out: dict[str, Any] = {"file": self.path}
        if self.text is not None:
            out["text"] = {"unit": self.text.unit, **_against(self.right_text), **self.text.errors.to_dict()}
        if self.turns is not None:
            out["diarization"] = {**_against(self.right_turns), **self.turns.to_dict()}
        if self.words is not None:
            out["word_speakers"] = self.words.to_dict()
        if self.speakers is not None:
            out["cpwer"] = self.speakers.to_dict()
        if self.cues is not None:
            out["cues"] = self.cues.to_dict()
        if self.problems:
            out["problems"] = list(self.problems)
        return out


def score_file(
    path: Path,
    options: ScoringOptions,
    *,
    references: References[Reference] | None = None,
    turns: References[list[Turn]] | None = None,
    alone: bool = False,
) -> FileScore:
    """Read a result and score it, as `score` does; a file that cannot be read has that as its problem. Raises
    UsageError: its suffix is not that of a result; MissingExtraError: the extra `evaluate` is not installed.
    """
    try:
        hypothesis = read_hypothesis(path, options.limits)
    except InputError as error:
        return FileScore(str(path), problems=(str(error),))
    return score(hypothesis, options, references=references, turns=turns, alone=alone)


def score(
    hypothesis: HypothesisText,
    options: ScoringOptions,
    *,
    references: References[Reference] | None = None,
    turns: References[list[Turn]] | None = None,
    alone: bool = False,
) -> FileScore:
    """Score one result against right texts and turns; None: not scored. `alone`: the only result, whose reference may
    have any name.
    """
    problems: list[str] = []
    text = errors = words = speakers = cues = None
    right_text = _find(references, "texts", hypothesis, problems, alone=alone)
    if right_text is not None and hypothesis.text is None:
        problems.append("it holds no text.")
    elif right_text is not None and hypothesis.text is not None:
        reference = right_text.reference
        text = score_text(reference.text, hypothesis.text, **options.of_text(reference.language or hypothesis.language))
    right_turns = _find(turns, "turns", hypothesis, problems, alone=alone)
    if right_turns is not None and hypothesis.turns is None:
        problems.append("it holds no speaker turns.")
    elif right_turns is not None and hypothesis.turns is not None:
        errors = score_turns(right_turns.reference, hypothesis.turns, collar=options.collar)
        words = score_words(right_turns.reference, hypothesis.words) if hypothesis.words else None
    by_speaker = _texts_of_speakers(hypothesis, right_text, right_turns)
    if by_speaker is not None:
        language = (right_text and right_text.reference.language) or hypothesis.language
        speakers = score_speakers(*by_speaker, **options.of_text(language))
    if hypothesis.cues is not None:
        cues = cue_statistics(hypothesis.cues, options.limits)
    elif references is None and turns is None:
        problems.append("no reference found: see --reference and --rttm.")
    return FileScore(hypothesis.path, text, errors, words, speakers, right_text, right_turns, cues, tuple(problems))


def _texts_of_speakers(
    hypothesis: HypothesisText, text: Pairing[Reference] | None, turns: Pairing[list[Turn]] | None
) -> tuple[Mapping[str, str], Mapping[str, str]] | None:
    """The text of each speaker: the reference's and the result's. None: one of them does not name speakers."""
    if text is not None and text.reference.speakers and hypothesis.speakers:
        return text.reference.speakers, hypothesis.speakers
    if turns is not None and hypothesis.words:
        return texts_of_speakers(turns.reference, hypothesis.words)
    return None


def pool(scores: Iterable[FileScore]) -> dict[str, Any]:
    """Error rates over all files: errors and lengths are added up, so that long files count for more."""
    scores = list(scores)
    pooled: dict[str, Any] = {"files": len(scores)}
    for name, unit in (("wer", "word"), ("cer", "char")):
        texts = [score.text.errors for score in scores if score.text is not None and score.text.unit == unit]
        if texts:
            pooled[name] = sum(texts, TextErrors()).to_dict()
    turns = [score.turns for score in scores if score.turns is not None]
    if turns:
        pooled["der"] = sum(turns, DiarizationErrors()).to_dict()
    words = [score.words for score in scores if score.words is not None]
    if words:
        pooled["word_speakers"] = sum(words, WordErrors()).to_dict()
    speakers = [score.speakers for score in scores if score.speakers is not None]
    if speakers:
        pooled["cpwer"] = sum(speakers, TextErrors()).to_dict()
    return pooled


def to_dict(scores: Sequence[FileScore], left: Sequence[str] = ()) -> dict[str, Any]:
    """The versioned JSON form; `left` are the references without a result."""
    out = {"schema": SCHEMA, "files": [score.to_dict() for score in scores], "pooled": pool(scores)}
    return {**out, "without_result": list(left)} if left else out


def left_over(
    scores: Iterable[FileScore], references: References[Reference] | None, turns: References[list[Turn]] | None
) -> list[str]:
    """Names of the references without a result."""
    scores = list(scores)
    texts_used = [score.right_text.reference for score in scores if score.right_text is not None]
    turns_used = [score.right_turns.reference for score in scores if score.right_turns is not None]
    return [*(references.without(texts_used) if references else ()), *(turns.without(turns_used) if turns else ())]


def _find(
    table: References[Found] | None, what: str, hypothesis: HypothesisText, problems: list[str], *, alone: bool
) -> Pairing[Found] | None:
    """The reference of a result; None, and a problem, if there is none or more than one."""
    if table is None:
        return None
    try:
        found = table.find(hypothesis.names, alone=alone)
    except LookupError as error:
        problems.append(f"several reference {what} match: {error}.")
        return None
    if found is None:
        problems.append(f"no reference {what} have its name.")
    return found


def _against(pairing: Pairing[Any] | None) -> dict[str, str]:
    return {} if pairing is None else {"against": pairing.name}
