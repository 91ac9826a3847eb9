"""`asrcli bench`: how fast are models on this machine?"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from asrcli.cli.framework.command import examples, takes
from asrcli.cli.request.arguments import JsonArguments, ModelDirArguments
from asrcli.options import readers
from asrcli.options.declarations import option

if TYPE_CHECKING:
    from asrcli.bench.measure import Result


@dataclass(frozen=True, kw_only=True)
class BenchArguments(ModelDirArguments, JsonArguments):
    recording: Path | None = option(
        None, "Recording to measure with, repeated or cut to --seconds; by default an English one.", metavar="FILE",
        positional=True,
    )  # fmt: skip
    model: tuple[str, ...] = option(
        (), "Model to measure; repeatable; by default the default model.", short="-m", metavar="MODEL"
    )
    jobs: tuple[int, ...] = option(
        (), "Decoding threads; repeatable; by default 1 and one per core.", short="-j", metavar="N", low=1, high=4096
    )
    device: str | None = option(
        None, "Device that runs the models, as for transcribe.", metavar="DEVICE", read=readers.device
    )
    batch_size: tuple[int, ...] = option(
        (), "Chunks a batch, of models that decode in batches; repeatable; by default the backend's own.", metavar="N",
        low=1, high=4096,
    )  # fmt: skip
    seconds: float = option(120.0, "Length of the recording.", metavar="S", low=5, high=86400)
    rounds: int = option(3, "Number of measurements; the median counts.", metavar="N", low=1, high=1000)


@takes(BenchArguments)
@examples(
    """\
asrcli bench
asrcli bench --model moonshine-tiny-en --model sensevoice-small
asrcli bench interview.mp3 --jobs 1 --jobs 4
asrcli bench --json | jq '.results[].speed'"""
)
def bench(ctx: typer.Context, arguments: BenchArguments) -> int:
    """Measure the speed of models on this machine, in times of real time, and their memory.

    The measured time is that from the file to the transcript, without loading the model.
    """
    from asrcli.backends.checks import validate
    from asrcli.backends.device import nvidia_gpus, with_device
    from asrcli.backends.process.resource_limits import default_jobs
    from asrcli.bench.measure import measure, recording_of, thread_counts
    from asrcli.models.registry import Registry
    from asrcli.options import RecognitionOptions

    registry = Registry(arguments.model_dir)
    specs = [
        with_device(registry.resolve(name), arguments.device) for name in arguments.model or [registry.default_name()]
    ]
    if arguments.batch_size:
        sizes = [{"batch_size": size} for size in arguments.batch_size]
        specs = [replace(spec, options={**spec.options, **size}) for spec in specs for size in sizes]
    gpus, results = nvidia_gpus(), []
    if not arguments.as_json:
        for number, gpu in enumerate(gpus):
            print(f"cuda:{number}: {gpu}")
        print(
            f"{'model':30} {'device':8} {'batch':>5} {'threads':>7} {'x real time':>11} {'loading':>8} {'memory':>8}",
            flush=True,
        )
    with recording_of(arguments.recording, arguments.seconds) as source:
        for spec in specs:
            validate(spec, RecognitionOptions())
            for threads in arguments.jobs or thread_counts(default_jobs()):
                results.append(measure(spec, source, threads=threads, rounds=arguments.rounds))
                if not arguments.as_json:
                    print(_line(results[-1]), flush=True)
    if arguments.as_json:
        facts = {"gpus": [asdict(gpu) for gpu in gpus], "results": [_object(result) for result in results]}
        print(json.dumps(facts, indent=2, ensure_ascii=False))
    return 0


def _line(result: Result) -> str:
    memory = "unknown" if result.memory is None else f"{result.memory / 1e6:.0f} MB"
    batch = "" if result.batch is None else str(result.batch)
    threads = f"{result.device:8} {batch:>5} {result.threads:7}"
    return f"{result.model:30} {threads} {result.speed:11.1f} {result.loading:6.1f} s {memory:>8}"


def _object(result: Result) -> dict[str, Any]:
    return {**asdict(result), "speed": result.speed}
