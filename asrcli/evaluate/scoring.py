"""Judge results against references: each file, and all of them pooled."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from asrcli.errors import InputError
from asrcli.evaluate.cues import CueStatistics, cue_statistics
from asrcli.evaluate.diarization import DiarizationErrors, score_turns
from asrcli.evaluate.pairing import Found, Pairing, References
from asrcli.evaluate.reading import HypothesisText, Reference, read_hypothesis
from asrcli.evaluate.words import TextErrors, TextScore, Unit, score_text
from asrcli.options import CueOptions
from asrcli.transcript import Turn

SCHEMA = "asrcli/evaluation/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoringOptions:
    """How results are judged."""

    #: for texts whose language neither the reference nor the result tells
    language: str | None = None
    #: None: by the language
    unit: Unit | None = None
    normalise: bool = True
    #: seconds on each side of a reference turn's ends that are not scored
    collar: float = 0.25
    limits: CueOptions = field(default_factory=CueOptions)


@dataclass(frozen=True, slots=True)
class FileScore:
    """What was found of one file. None: nothing to judge it by, or the file does not hold it."""

    path: str
    text: TextScore | None = None
    turns: DiarizationErrors | None = None
    #: what they were compared with
    right_text: Pairing[Reference] | None = None
    right_turns: Pairing[list[Turn]] | None = None
    cues: CueStatistics | None = None
    #: what was asked for and could not be judged
    problems: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        out: dict[str, Any] = {"file": self.path}
        if self.text is not None:
            out["text"] = {"unit": self.text.unit, **_against(self.right_text), **self.text.errors.to_dict()}
        if self.turns is not None:
            out["diarization"] = {**_against(self.right_turns), **self.turns.to_dict()}
        if self.cues is not None:
            out["cues"] = self.cues.to_dict()
        if self.problems:
            out["problems"] = list(self.problems)
        return out


def score_file(
    path: Path,
    rules: ScoringOptions,
    *,
    references: References[Reference] | None = None,
    turns: References[list[Turn]] | None = None,
    alone: bool = False,
) -> FileScore:
    """Read a result and judge it, as `judge` does; what cannot be read is a verdict with that problem.

    Raises:
        UsageError: its suffix is none that can be judged.
        MissingExtraError: the extra `evaluate` is not installed.
    """
    try:
        judged = read_hypothesis(path, rules.limits)
    except InputError as error:
        return FileScore(str(path), problems=(str(error),))
    return score(judged, rules, references=references, turns=turns, alone=alone)


def score(
    judged: HypothesisText,
    rules: ScoringOptions,
    *,
    references: References[Reference] | None = None,
    turns: References[list[Turn]] | None = None,
    alone: bool = False,
) -> FileScore:
    """Judge one result.

    Args:
        judged: the result.
        rules: how.
        references: right texts; None: text is not judged.
        turns: right turns; None: turns are not judged.
        alone: it is the only result: a single reference is its own, whatever it is called.
    """
    problems: list[str] = []
    text = errors = cues = None
    right_text = _find(references, "texts", judged, problems, alone=alone)
    if right_text is not None and judged.text is None:
        problems.append("it holds no text.")
    elif right_text is not None and judged.text is not None:
        reference = right_text.reference
        language = rules.language or reference.language or judged.language
        text = score_text(reference.text, judged.text, language=language, unit=rules.unit, normalise=rules.normalise)
    right_turns = _find(turns, "turns", judged, problems, alone=alone)
    if right_turns is not None and judged.turns is None:
        problems.append("it holds no speaker turns.")
    elif right_turns is not None and judged.turns is not None:
        errors = score_turns(right_turns.reference, judged.turns, collar=rules.collar)
    if judged.cues is not None:
        cues = cue_statistics(judged.cues, rules.limits)
    elif references is None and turns is None:
        problems.append("there is nothing to judge it by: see --reference and --rttm.")
    return FileScore(judged.path, text, errors, right_text, right_turns, cues, tuple(problems))


def pool(verdicts: Iterable[FileScore]) -> dict[str, Any]:
    """Error rates over all files: errors and lengths are added up, so that long files count for more."""
    verdicts = list(verdicts)
    pooled: dict[str, Any] = {"files": len(verdicts)}
    for name, unit in (("wer", "word"), ("cer", "char")):
        scores = [verdict.text.errors for verdict in verdicts if verdict.text is not None and verdict.text.unit == unit]
        if scores:
            pooled[name] = sum(scores, TextErrors()).to_dict()
    spoken = [verdict.turns for verdict in verdicts if verdict.turns is not None]
    if spoken:
        pooled["der"] = sum(spoken, DiarizationErrors()).to_dict()
    return pooled


def to_dict(verdicts: Sequence[FileScore], left: Sequence[str] = ()) -> dict[str, Any]:
    """The versioned JSON form; `left` are the references of which there was no result."""
    out = {"schema": SCHEMA, "files": [verdict.to_dict() for verdict in verdicts], "pooled": pool(verdicts)}
    return {**out, "without_result": list(left)} if left else out


def left_over(
    verdicts: Iterable[FileScore], references: References[Reference] | None, turns: References[list[Turn]] | None
) -> list[str]:
    """Names of the references of which there was no result."""
    verdicts = list(verdicts)
    used = [verdict.right_text.reference for verdict in verdicts if verdict.right_text is not None]
    heard = [verdict.right_turns.reference for verdict in verdicts if verdict.right_turns is not None]
    return [*(references.without(used) if references else ()), *(turns.without(heard) if turns else ())]


def _find(
    table: References[Found] | None, what: str, judged: HypothesisText, problems: list[str], *, alone: bool
) -> Pairing[Found] | None:
    """What a result is compared with; None, and a problem, where that is not known."""
    if table is None:
        return None
    try:
        found = table.find(judged.names, alone=alone)
    except LookupError as error:
        problems.append(f"several reference {what} fit: {error}.")
        return None
    if found is None:
        problems.append(f"no reference {what} are called like it.")
    return found


def _against(pairing: Pairing[Any] | None) -> dict[str, str]:
    return {} if pairing is None else {"against": pairing.name}
