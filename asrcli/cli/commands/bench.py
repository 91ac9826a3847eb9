"""`asrcli bench`: how fast are models on this machine?"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from asrcli.cli.framework.command import examples

if TYPE_CHECKING:
    from asrcli.bench.measure import Result


@examples(
    """\
asrcli bench
asrcli bench --model moonshine-tiny-en --model sensevoice-small
asrcli bench interview.mp3 --jobs 1 --jobs 4
asrcli bench --json | jq '.results[].speed'"""
)
def bench(
    recording: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FILE]",
            exists=True,
            dir_okay=False,
            help="A recording to try, repeated or cut to --seconds; without it, English.",
        ),
    ] = None,
    *,
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model", "-m", metavar="MODEL", help="A model to try; may be repeated. Without it, the default."
        ),
    ] = None,
    model_dir: Annotated[Path | None, typer.Option(metavar="DIR", help="Where models are kept.")] = None,
    jobs: Annotated[
        list[int] | None,
        typer.Option(
            "--jobs",
            "-j",
            min=1,
            metavar="N",
            help="Threads that decode; may be repeated. Without it, 1 and one a core.",
        ),
    ] = None,
    seconds: Annotated[float, typer.Option(metavar="S", min=5, help="Length of the recording.")] = 120.0,
    rounds: Annotated[
        int, typer.Option(metavar="N", min=1, help="Times that each is measured; the median counts.")
    ] = 3,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> int:
    """Measure models on this machine: how many times faster than real time, how much memory.

    The whole way is measured, from the file to the transcript, without the time that loading takes.
    """
    from asrcli.backends.process.resource_limits import default_jobs
    from asrcli.bench.measure import measure, recording_of, thread_counts
    from asrcli.models.registry import Registry

    registry = Registry(model_dir)
    specs = [registry.resolve(name) for name in model or [registry.default_name()]]
    results = []
    if not as_json:
        print(f"{'model':30} {'threads':>7} {'x real time':>11} {'loading':>8} {'memory':>8}", flush=True)
    with recording_of(recording, seconds) as source:
        for spec in specs:
            for threads in jobs or thread_counts(default_jobs()):
                results.append(measure(spec, source, threads=threads, rounds=rounds))
                if not as_json:
                    print(_line(results[-1]), flush=True)
    if as_json:
        print(json.dumps({"results": [_object(result) for result in results]}, indent=2, ensure_ascii=False))
    return 0


def _line(result: Result) -> str:
    memory = "unknown" if result.memory is None else f"{result.memory / 1e6:.0f} MB"
    return f"{result.model:30} {result.threads:7} {result.speed:11.1f} {result.loading:6.1f} s {memory:>8}"


def _object(result: Result) -> dict[str, Any]:
    return {**asdict(result), "speed": result.speed}
