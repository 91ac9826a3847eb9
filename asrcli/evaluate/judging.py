"""Judge results against references: each file, and all of them pooled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from asrcli.errors import InputError
from asrcli.evaluate.cues import CueStatistics, cue_statistics
from asrcli.evaluate.diarization import DiarizationErrors, score_turns
from asrcli.evaluate.reading import Judged, Reference, read_hypothesis
from asrcli.evaluate.words import TextErrors, TextScore, Unit, score_text
from asrcli.options import CueOptions
from asrcli.transcript import Turn

SCHEMA = "asrcli/evaluation/1"

_Found = TypeVar("_Found")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
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
class Verdict:
    """What was found of one file. None: nothing to judge it by, or the file does not hold it."""

    path: str
    text: TextScore | None = None
    turns: DiarizationErrors | None = None
    cues: CueStatistics | None = None
    #: what was asked for and could not be judged
    problems: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        out: dict[str, Any] = {"file": self.path}
        if self.text is not None:
            out["text"] = {"unit": self.text.unit, **self.text.errors.to_dict()}
        if self.turns is not None:
            out["diarization"] = self.turns.to_dict()
        if self.cues is not None:
            out["cues"] = self.cues.to_dict()
        if self.problems:
            out["problems"] = list(self.problems)
        return out


def judge_file(
    path: Path,
    rules: Rules,
    *,
    references: Mapping[str, Reference] | None = None,
    turns: Mapping[str, Sequence[Turn]] | None = None,
    alone: bool = False,
) -> Verdict:
    """Read a result and judge it, as `judge` does; what cannot be read is a verdict with that problem.

    Raises:
        UsageError: its suffix is none that can be judged.
        MissingExtraError: the extra `evaluate` is not installed.
    """
    try:
        judged = read_hypothesis(path, rules.limits)
    except InputError as error:
        return Verdict(str(path), problems=(str(error),))
    return judge(judged, rules, references=references, turns=turns, alone=alone)


def judge(
    judged: Judged,
    rules: Rules,
    *,
    references: Mapping[str, Reference] | None = None,
    turns: Mapping[str, Sequence[Turn]] | None = None,
    alone: bool = False,
) -> Verdict:
    """Judge one result.

    Args:
        judged: the result.
        rules: how.
        references: right texts by recording; None: text is not judged.
        turns: right turns by recording; None: turns are not judged.
        alone: it is the only result: a single reference is its own, whatever it is called.
    """
    problems: list[str] = []
    text = None
    if references is not None:
        reference = _find(references, judged.names, alone=alone)
        if reference is None or judged.text is None:
            problems.append("there is no reference text for it." if reference is None else "it holds no text.")
        else:
            language = rules.language or reference.language or judged.language
            text = score_text(
                reference.text, judged.text, language=language, unit=rules.unit, normalise=rules.normalise
            )
    errors = None
    if turns is not None:
        real = _find(turns, judged.names, alone=alone)
        if real is None or judged.turns is None:
            problems.append("there are no reference turns for it." if real is None else "it holds no speaker turns.")
        else:
            errors = score_turns(real, judged.turns, collar=rules.collar)
    cues = None if judged.cues is None else cue_statistics(judged.cues, rules.limits)
    return Verdict(judged.path, text, errors, cues, tuple(problems))


def pool(verdicts: Iterable[Verdict]) -> dict[str, Any]:
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


def to_dict(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """The versioned JSON form."""
    return {"schema": SCHEMA, "files": [verdict.to_dict() for verdict in verdicts], "pooled": pool(verdicts)}


def _find(table: Mapping[str, _Found], names: Sequence[str], *, alone: bool) -> _Found | None:
    """A recording's entry, by its name with or without suffix."""
    for name in names:
        if name in table:
            return table[name]
    stems = {key.rsplit(".", 1)[0]: value for key, value in table.items()}
    for name in names:
        if name in stems:
            return stems[name]
    only = {id(value): value for value in table.values()}
    return next(iter(only.values())) if alone and len(only) == 1 else None
