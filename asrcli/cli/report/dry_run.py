"""`asrcli transcribe --dry-run`: what would be done. It is the command's result, so it goes to stdout."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

import typer

from asrcli.cli.framework.console import plain
from asrcli.cli.report.progress import clock, length
from asrcli.errors import ExitCode

if TYPE_CHECKING:
    from asrcli.batch.dry_run import Row
    from asrcli.batch.plan import Plan
    from asrcli.cli.request.arguments import TranscribeArguments
    from asrcli.cli.request.transcribe_request import TranscribeRequest


def show(ctx: typer.Context, arguments: TranscribeArguments, order: TranscribeRequest, plan: Plan) -> int:
    """Print a line an input (with `--log-json` an object) and a summary; return the exit code.

    Nothing is written, fetched or decoded. A model that would be downloaded counts as another one than before.
    """
    from asrcli.audio import probe
    from asrcli.batch.dry_run import dry_run
    from asrcli.cli.request.model_choice import find_models

    console = ctx.obj.console
    ensemble = find_models(arguments, order.options)
    if ensemble is None:
        console.notice("a model would be downloaded first.")
    for notice in plan.notices:
        console.notice(notice)
    counts: Counter[str] = Counter()  # not the rows: there may be a million
    known = 0.0
    recipe = order.recipe(ensemble.digest if ensemble else "")
    for row in dry_run(
        plan,
        recipe,
        existing=order.existing,
        skip_if=order.skip_if,
        probe=lambda source: probe(source, order.options.audio),
    ):
        counts[row.action] += 1
        counts["incomplete"] += not row.complete
        if row.action == "transcribe":
            known += row.duration or 0.0
            counts["unknown"] += row.duration is None
        print(json.dumps(row.to_dict()) if arguments.log_json else _line(row))
    console.notice(_summary(counts, known))
    if counts["fail"]:
        return ExitCode.ALL_FAILED if counts["fail"] == len(plan) else ExitCode.SOME_FAILED
    return ExitCode.SOME_FAILED if counts["incomplete"] else ExitCode.OK


def _line(row: Row) -> str:
    length = "" if row.duration is None else f" ({clock(row.duration)})"
    where = f" -> {', '.join(row.outputs)}" if row.action == "transcribe" and row.outputs else ""
    explanation = row.explanation.removeprefix(f"{row.name}: ")  # an error may name its input
    return plain(f"{row.action:10}  {row.name}{length}{where}: {explanation}")


def _summary(counts: Counter[str], known: float) -> str:
    text = f"{counts['transcribe']} to transcribe, {length(known)} of audio"
    if counts["unknown"]:
        text += f" and {counts['unknown']} of unknown length"
    text += f"; {counts['skip']} to skip; {counts['fail']} would fail"
    return f"{text}; {counts['incomplete']} without a result" if counts["incomplete"] else text
