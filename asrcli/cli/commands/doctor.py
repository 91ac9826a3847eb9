"""`asrcli doctor`: is everything in place, and how fast is it?"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from asrcli.cli.framework.command import examples

_MARKS = {"ok": ("ok", "green"), "note": ("note", "yellow"), "missing": ("missing", "red")}


@examples(
    """\
asrcli doctor
asrcli doctor --model sensevoice-small
asrcli doctor --json | jq '.checks[] | select(.state != "ok")'"""
)
def doctor(
    ctx: typer.Context,
    model: Annotated[
        str | None,
        typer.Option("--model", "-m", metavar="MODEL", help="The model to try; without it, the default one."),
    ] = None,
    model_dir: Annotated[Path | None, typer.Option(metavar="DIR", help="Where models are kept.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """Check this machine: versions, cores, disk, ffmpeg, models, and a real decode with its speed.

    The exit code is 0 if nothing is missing, else that of the first thing missing (4 a model, 5 the machine).
    """
    from asrcli.cli.commands.doctor_checks import run_checks
    from asrcli.models.registry import Registry

    checks = []
    for check in run_checks(Registry(model_dir), model):
        checks.append(check)
        if not as_json:
            word, colour = _MARKS[check.state]
            print(f"{ctx.obj.console.style(f'{word:8}', colour, stdout=True)}{check.name:15}{check.text}", flush=True)
            if check.hint:
                print(f"{'':23}{check.hint}", flush=True)
    code = next((check.exit_code for check in checks if check.exit_code), 0)
    if as_json:
        print(json.dumps({"ok": not code, "checks": [asdict(check) for check in checks]}, indent=2, ensure_ascii=False))
    return int(code)
