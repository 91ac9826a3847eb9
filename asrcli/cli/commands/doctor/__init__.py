"""`asrcli doctor`: check the installation."""

import json
from dataclasses import asdict, dataclass

import typer

from asrcli.cli.framework.command import examples, takes
from asrcli.cli.request.arguments import JsonArguments, ModelDirArguments
from asrcli.options.declarations import option

_MARKS = {"ok": ("ok", "green"), "note": ("note", "yellow"), "missing": ("missing", "red")}


@dataclass(frozen=True, kw_only=True)
class DoctorArguments(ModelDirArguments, JsonArguments):
    model: str | None = option(None, "Model to test; by default the default model.", short="-m", metavar="MODEL")


@takes(DoctorArguments)
@examples(
    """\
asrcli doctor
asrcli doctor --model sensevoice-small
asrcli doctor --json | jq '.checks[] | select(.state != "ok")'"""
)
def doctor(ctx: typer.Context, arguments: DoctorArguments) -> int:
    """Check this machine: versions, cores, disk, ffmpeg, models, and a real decode with its speed.

    The exit code is 0 if nothing is missing, else that of the first thing missing (4 a model, 5 the machine).
    """
    from asrcli.cli.commands.doctor.checks import run_checks
    from asrcli.models.registry import Registry

    checks = []
    for check in run_checks(Registry(arguments.model_dir), arguments.model):
        checks.append(check)
        if not arguments.as_json:
            word, colour = _MARKS[check.state]
            print(f"{ctx.obj.console.style(f'{word:8}', colour, stdout=True)}{check.name:22}{check.text}", flush=True)
            if check.hint:
                print(f"{'':30}{check.hint}", flush=True)
    code = next((check.exit_code for check in checks if check.exit_code), 0)
    if arguments.as_json:
        print(json.dumps({"ok": not code, "checks": [asdict(check) for check in checks]}, indent=2, ensure_ascii=False))
    return int(code)
