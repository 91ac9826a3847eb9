"""`asrcli bench`: how fast are models on this machine?"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from asrcli.cli.framework.command import examples, takes
from asrcli.cli.request.arguments import JsonArguments, ModelDirArguments
from asrcli.errors import UsageError
from asrcli.options import RecognitionOptions, readers
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
    max_chunk: tuple[float, ...] = option(
        (), "Longest chunk, seconds; repeatable; by default the model's window.", metavar="S", low=2, high=3600
    )
    reference: Path | None = option(
        None, "Text of the recording, whose word errors are counted. The whole recording is measured, once a round.",
        short="-r", metavar="FILE",
    )  # fmt: skip
    seconds: float = option(120.0, "Length of the recording.", metavar="S", low=5, high=86400)
    rounds: int = option(3, "Number of measurements; the median counts.", metavar="N", low=1, high=1000)


@takes(BenchArguments)
@examples(
    """\
asrcli bench
asrcli bench --model moonshine-tiny-en --model sensevoice-small
asrcli bench interview.mp3 --jobs 1 --jobs 4 --max-chunk 12 --max-chunk 28
asrcli bench interview.mp3 --reference interview.txt --model moonshine-tiny-en --model moonshine-base-en
asrcli bench --json | jq '.results[].speed'"""
)
def bench(ctx: typer.Context, arguments: BenchArguments) -> int:
    """Measure the speed of models on this machine, in times of real time, and their memory, and recommend settings.

    The measured time is that from the file to the transcript, without loading the model. Of each model, the settings
    with the fewest word errors (with --reference) are recommended; of those, the fastest; of settings within 5 % of
    that, the one with the fewest threads.
    """
    from asrcli.backends.checks import validate
    from asrcli.backends.device import nvidia_gpus, with_device
    from asrcli.backends.process.resource_limits import default_jobs
    from asrcli.bench.measure import measure, recommended, recording_of, thread_counts
    from asrcli.models.registry import Registry

    reference = _reference(arguments)
    registry = Registry(arguments.model_dir)
    specs = [
        with_device(registry.resolve(name), arguments.device) for name in arguments.model or [registry.default_name()]
    ]
    if arguments.batch_size:
        sizes = [{"batch_size": size} for size in arguments.batch_size]
        specs = [replace(spec, options={**spec.options, **size}) for spec in specs for size in sizes]
    for spec in specs:
        validate(spec, RecognitionOptions())
    gpus, results = nvidia_gpus(), []
    if not arguments.as_json:
        for number, gpu in enumerate(gpus):
            print(f"cuda:{number}: {gpu}")
        columns = f"{'threads':>7} {'chunk':>5} {'x real time':>11} {'loading':>8} {'memory':>8}"
        print(f"{'model':30} {'device':8} {'batch':>5} {columns}{'' if reference is None else '  errors'}", flush=True)
    with recording_of(arguments.recording, arguments.seconds if reference is None else None) as source:
        for spec in specs:
            for threads, chunk in product(
                arguments.jobs or thread_counts(default_jobs()), arguments.max_chunk or [None]
            ):
                result = measure(spec, source, threads=threads, rounds=arguments.rounds, max_chunk=chunk)
                results.append(result if reference is None else _scored(result, reference))
                if not arguments.as_json:
                    print(_line(results[-1]), flush=True)
    if arguments.as_json:
        facts = {"gpus": [asdict(gpu) for gpu in gpus], "results": [_object(result) for result in results]}
        facts["recommended"] = [_object(result) for result in recommended(results)]
        print(json.dumps(facts, indent=2, ensure_ascii=False))
        return 0
    for result in recommended(results):
        print(f"recommended: {_settings(result)}")
    return 0


def _reference(arguments: BenchArguments) -> str | None:
    """The text to compare with; a missing package is reported before anything is measured."""
    if arguments.reference is None:
        return None
    from asrcli.evaluate.normalization import normalizer
    from asrcli.storage.text import read_text

    if arguments.recording is None:
        raise UsageError("--reference needs the recording whose text it is.", "asrcli bench FILE --reference TEXT")
    normalizer("en")
    return read_text(arguments.reference)


def _scored(result: Result, reference: str) -> Result:
    from asrcli.evaluate.words import score_text

    return replace(result, error_rate=score_text(reference, result.text, language=result.language).errors.rate)


def _settings(result: Result) -> str:
    """Options of a measurement, as `transcribe` takes them."""
    chunk = "" if result.max_chunk is None else f" --max-chunk {result.max_chunk:g}"
    batch = "" if result.batch is None else f" (batch_size: {result.batch})"
    return f"--model {result.model} --jobs {result.threads}{chunk}{batch}"


def _line(result: Result) -> str:
    memory = "unknown" if result.memory is None else f"{result.memory / 1e6:.0f} MB"
    batch = "" if result.batch is None else str(result.batch)
    chunk = "" if result.max_chunk is None else f"{result.max_chunk:g}"
    errors = "" if result.error_rate is None else f" {100 * result.error_rate:5.1f} %"
    settings = f"{result.device:8} {batch:>5} {result.threads:7} {chunk:>5}"
    return f"{result.model:30} {settings} {result.speed:11.1f} {result.loading:6.1f} s {memory:>8}{errors}"


def _object(result: Result) -> dict[str, Any]:
    facts = asdict(result)
    del facts["text"]
    return {**facts, "speed": result.speed}
