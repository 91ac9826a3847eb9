"""`asrcli evaluate`: score results against references."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import MISSING, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import typer

from asrcli.cli.framework.command import examples, takes
from asrcli.cli.request.arguments import JsonArguments
from asrcli.errors import UsageError
from asrcli.language_codes import language_code
from asrcli.options import readers
from asrcli.options.declarations import option

if TYPE_CHECKING:
    from asrcli.cli.framework.console import Console
    from asrcli.evaluate.cues import CueStatistics
    from asrcli.evaluate.pairing import Pairing
    from asrcli.evaluate.scoring import FileScore, ScoringOptions
    from asrcli.evaluate.words import Step, TextScore

#: units shown around an error, so that its place can be found
_CONTEXT = 4
#: references without a result that are named
_NAMED = 5


@dataclass(frozen=True, kw_only=True)
class EvaluateArguments(JsonArguments):
    results: tuple[Path, ...] = option(
        MISSING,
        "Results: json, jsonl, srt, vtt, txt, tsv, csv or rttm files, or folders of them.",
        metavar="RESULT",
        positional=True,
    )
    reference: Path | None = option(
        None,
        "Reference texts: a .txt, a folder of them, or a .tsv with columns file, text and language.",
        short="-r",
        metavar="PATH",
    )
    rttm: Path | None = option(None, "Reference speaker turns: an RTTM file or a folder of them.", metavar="PATH")
    language: str | None = option(
        None,
        "Language of the texts, if the files do not name it.",
        short="-l",
        metavar="CODE",
        read=readers.language,
    )
    unit: Literal["auto", "word", "char"] = option(
        "auto", "Count words or characters; auto: characters for zh, yue, ja, th."
    )
    normalize: bool = option(True, "Ignore case, punctuation and spelling variants (Whisper's rules).")
    vowel_marks: bool = option(False, "Compare Arabic and Hebrew vowel marks, which are ignored otherwise.")
    collar: float = option(
        0.25, "Seconds around each boundary of a reference turn that are not scored.", metavar="S", low=0, high=60
    )
    alignment: bool = option(True, "Show the differences: [-missing-], {+inserted+}.")


@takes(EvaluateArguments)
@examples(
    """\
asrcli evaluate talk.txt --reference right/talk.txt
asrcli evaluate results/ --reference refs.tsv --no-alignment
asrcli evaluate meeting.json --rttm meeting.rttm --json
asrcli evaluate subtitles/*.srt                     cue statistics alone"""
)
def evaluate(ctx: typer.Context, arguments: EvaluateArguments) -> int:
    """Score results: word or character error rate, diarization error rate, and readability of subtitles.

    Exit code 1: some results could not be scored.
    """
    from asrcli.evaluate.reading import read_reference_turns, read_references
    from asrcli.evaluate.scoring import ScoringOptions, left_over, pool, score_file, to_dict

    options = ScoringOptions(
        language=language_code(arguments.language),
        unit=None if arguments.unit == "auto" else arguments.unit,
        normalise=arguments.normalize,
        vowel_marks=arguments.vowel_marks,
        collar=arguments.collar,
    )
    references = None if arguments.reference is None else read_references(arguments.reference)
    turns = None if arguments.rttm is None else read_reference_turns(arguments.rttm)
    given = {path.resolve() for path in (arguments.reference, arguments.rttm) if path is not None}
    paths = [path for path in _files(arguments.results) if path.resolve() not in given]
    if not paths:
        raise UsageError("The only result is the reference itself.", "Name the results to score.")
    scores = [score_file(path, options, references=references, turns=turns, alone=len(paths) == 1) for path in paths]
    # Single results out of many references are named on purpose; a folder should hold them all.
    left = left_over(scores, references, turns) if any(path.is_dir() for path in arguments.results) else []
    if arguments.as_json:
        print(json.dumps(to_dict(scores, left), indent=2, ensure_ascii=False))
    else:
        _print(scores, pool(scores), options, ctx.obj.console, alignment=arguments.alignment)
    for score in scores:
        for problem in score.problems:
            ctx.obj.console.warning(problem if score.path in problem else f"{score.path}: {problem}")
    if left:
        shown = ", ".join(left[:_NAMED]) + (", ..." if len(left) > _NAMED else "")
        ctx.obj.console.warning(f"{len(left)} reference{'s have' if len(left) > 1 else ' has'} no result here: {shown}")
    return int(any(score.problems for score in scores))


def _files(paths: Iterable[Path]) -> Iterator[Path]:
    from asrcli.evaluate.reading import SUFFIXES, is_result

    for path in paths:
        if not path.is_dir():
            yield path
            continue
        found = [file for file in sorted(path.rglob("*")) if is_result(file)]
        if not found:
            raise UsageError(f"There are no results in {path}.", f"Results are {', '.join(SUFFIXES)} files.")
        yield from found


def _print(
    scores: list[FileScore], pooled: dict[str, Any], options: ScoringOptions, console: Console, *, alignment: bool
) -> None:
    for score in scores:
        print(console.style(score.path, "bold", stdout=True))
        if score.text is not None:
            _print_text(score.text, console, score.right_text, alignment=alignment)
        if score.turns is not None:
            _print_line(
                "DER", score.turns.to_dict(), f"against {_name(score.right_turns)}, collar {options.collar:g} s"
            )
        _print_speakers(score.to_dict())
        if score.cues is not None:
            _print_cues(score.cues, options)
    if len(scores) > 1:
        print(console.style(f"all {len(scores)} files", "bold", stdout=True))
        for name in ("wer", "cer", "der"):
            if name in pooled:
                _print_line(name.upper(), pooled[name])
        _print_speakers(pooled)


def _print_speakers(scores: dict[str, Any]) -> None:
    """Which words have the wrong speaker."""
    if words := scores.get("word_speakers"):
        shown = "   -  " if words["rate"] is None else f"{words['rate']:6.2%}"
        print(f"  words with the wrong speaker  {shown}  {words['wrong']} of {words['words']}")
    if "cpwer" in scores:
        _print_line("cpWER", scores["cpwer"])


def _print_text(score: TextScore, console: Console, right: Pairing[Any] | None, *, alignment: bool) -> None:
    _print_line("WER" if score.unit == "word" else "CER", score.errors.to_dict(), f"against {_name(right)}")
    if alignment:
        gap = " " if score.unit == "word" else ""
        for line in _differences(score.steps, gap, console):
            print(f"       {line}")


def _name(right: Pairing[Any] | None) -> str:
    return "" if right is None else right.name


def _print_line(name: str, figures: dict[str, Any], note: str = "") -> None:
    """One rate and its counts."""
    rate = figures.get("rate", figures.get("der"))
    shown = "  inf" if rate is None else f"{rate:6.2%}"
    kinds = ("substitutions", "deletions", "insertions", "missed", "false_alarm", "confusion")
    parts = [f"{kind.replace('_', ' ')} {figures[kind]}" for kind in kinds if kind in figures]
    parts.append(f"of {figures['reference']}{' s' if 'missed' in figures else ''}")
    if "jer" in figures:
        parts.append(f"JER {'inf' if figures['jer'] is None else format(figures['jer'], '.2%')}")
        parts.append(f"{figures['speakers_found']} of {figures['speakers']} speakers")
    if "right_counts" in figures and not note:
        parts.append(f"right number in {figures['right_counts']}")
    print(f"  {name}  {shown}  {', '.join(parts)}{f' ({note})' if note else ''}")


def _print_cues(cues: CueStatistics, options: ScoringOptions) -> None:
    limits = options.limits
    print(
        f"  cues {cues.cues}: {cues.cps:.1f} characters/s (at most {cues.cps_max:.1f}), "
        f"{cues.shortest:.2f} to {cues.longest:.2f} s, at most {cues.lines_max} lines of {cues.line_width_max} cells"
    )
    faults = {
        f"over {limits.max_cps:g} characters/s": cues.too_fast,
        "lines too wide": cues.too_wide,
        f"over {limits.max_lines} lines": cues.too_many_lines,
        f"under {limits.min_cue:g} s": cues.too_short,
        f"over {limits.max_cue:g} s": cues.too_long,
        "overlapping": cues.overlaps,
    }
    found = [f"{count} {what}" for what, count in faults.items() if count]
    print(f"       {', '.join(found) or 'every cue is within the limits'}")


def _differences(steps: tuple[Step, ...], gap: str, console: Console) -> Iterator[str]:
    """A line for each stretch with errors: wdiff's marks, so that colour is not needed, and the words around."""
    line: list[str] = []
    for index, step in enumerate(steps):
        if step.kind != "equal":
            line.extend(_marked(step, gap, console))
            continue
        last = index == len(steps) - 1
        words = step.reference
        if len(words) <= 2 * _CONTEXT and line and not last:
            line.extend(words)
            continue
        if line:
            yield gap.join([*line, *words[:_CONTEXT], *(["…"] if len(words) > _CONTEXT else [])])
        line = [*(["…"] if len(words) > _CONTEXT else []), *words[-_CONTEXT:]] if not last else []
    if line:
        yield gap.join(line)


def _marked(step: Step, gap: str, console: Console) -> Iterator[str]:
    if step.reference:
        yield console.style(f"[-{gap.join(step.reference)}-]", "red", stdout=True)
    if step.hypothesis:
        yield console.style(f"{{+{gap.join(step.hypothesis)}+}}", "green", stdout=True)
