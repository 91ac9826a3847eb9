"""A million inputs: time and memory of the plan, and of a resume of a finished batch up to its first new file.

    python -m benchmarks million [--inputs 1000000] [--folder DIR]

Inputs of a few bytes, their outputs and their journal are generated (about 5 GB on disk for a million, as each file
takes a block), and a new file is added. Measured, each in a process of its own: `plan` without outputs; `resume`, from
the start of the process to the first input that is given to the engine, in whose place there is a function. `--skip N`
lets the resumed batch compare N finished inputs before it ends, as a check of its memory.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from asrcli.batch import JOURNAL_NAME
from asrcli.batch.cache_key import CacheKey
from asrcli.batch.events import FileSkipped
from asrcli.batch.executor import Executor
from asrcli.batch.inputs.search import Inputs
from asrcli.batch.journal import Journal
from asrcli.batch.journal.records import OutputRecord
from asrcli.batch.plan import make_plan
from asrcli.batch.results.processing import Processing
from asrcli.storage.atomic import digest
from asrcli.transcript import Transcript
from benchmarks.measure import load

_RECIPE = CacheKey(model="m" * 64, options="o" * 32)
_A_FOLDER = 1000
_TEXT = b"text\n"


def main() -> None:
    """Print the table, or measure one step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--skip", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="where the files are generated; a folder that is there is used")
    parser.add_argument("--step", choices=("plan", "resume"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.step is not None:
        measure(arguments.step, arguments.folder, arguments.skip)
        return
    print(load())
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="asrcli-million-"))
    try:
        if not (folder / "in").exists():
            generate(folder, arguments.inputs)
        print(f"{arguments.inputs:,} inputs{'':10} {'seconds':>8} {'CPU s':>8} {'peak MB':>8}")
        for step in ("plan", "resume"):
            command = [sys.executable, "-m", "benchmarks", "million", "--step", step, "--folder", str(folder)]
            done = subprocess.run([*command, "--skip", str(arguments.skip)], check=True, stdout=subprocess.PIPE)
            facts = json.loads(done.stdout)
            print(f"{step:25} {facts['seconds']:8.1f} {facts['cpu']:8.1f} {facts['peak'] / 1e6:8.0f}", flush=True)
    finally:
        if arguments.folder is None:
            shutil.rmtree(folder)


def generate(folder: Path, count: int) -> None:
    """Inputs, outputs and the journal of a finished batch, and one new input."""
    out = folder / "out"
    for start in range(0, count, _A_FOLDER):
        name = f"{start // _A_FOLDER:06d}"
        (folder / "in" / name).mkdir(parents=True)
        (out / name).mkdir(parents=True)
        text = f"{out}/{name}/recording-{start:09d}.txt"
        Path(text).write_bytes(_TEXT)
        for number in range(start, min(start + _A_FOLDER, count)):
            handle = os.open(f"{folder}/in/{name}/recording-{number:09d}.wav", os.O_WRONLY | os.O_CREAT)
            os.write(handle, b"%d" % number)
            os.close(handle)
            if number > start:
                os.link(text, f"{out}/{name}/recording-{number:09d}.txt")
    time.sleep(3)  # the hash of a file that has just changed is not kept
    paths = (folder / "in").glob("*/*.wav")
    journal = Journal(out / JOURNAL_NAME)
    first = next(paths)
    output = OutputRecord("txt", out / first.parent.name / f"{first.stem}.txt", len(_TEXT), digest(_TEXT))
    journal.record(journal.recording(first), _RECIPE, 10.0, [output])
    record = json.loads(journal.path.read_bytes())
    # The others like it, without a sync for each.
    with journal.path.open("a") as stream:
        for path in paths:
            made = journal.recording(path)
            record["input"] |= {"path": str(path), **asdict(made.stamp), "digest": made.digest}
            record["outputs"][0]["path"] = f"{path.parent.name}/{path.stem}.txt"
            stream.write(json.dumps(record, separators=(",", ":")) + "\n")
    journal.close()
    (folder / "in" / "000000" / "a new one.wav").write_bytes(b"new")


def measure(step: str, folder: Path, skip: int) -> None:
    """Print what a step takes."""
    started, found, cpu = time.monotonic(), 0.0, 0.0
    out = folder / ("none" if step == "plan" else "out")
    plan = make_plan(Inputs(paths=[str(folder / "in")], output_dir=out))
    if step == "resume":
        skipped = 0

        def transcribe(item: object, _listener: object) -> Transcript:
            nonlocal found, cpu
            found, cpu = time.monotonic() - started, time.process_time()
            if not skip:
                executor.cancel()
            return Transcript(str(item), 1.0, ())

        def count(event: object) -> None:
            nonlocal skipped
            skipped += isinstance(event, FileSkipped)
            if skip and skipped >= skip:
                executor.cancel()

        work = Processing(transcribe=transcribe, render=lambda *_: "new\n", recipe=_RECIPE)
        executor = Executor(work, jobs=3, on_event=count)
        executor.run(plan)
        assert found, "the new input was not given to the engine"
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
    seconds = found or time.monotonic() - started
    print(json.dumps({"seconds": seconds, "cpu": cpu or time.process_time(), "peak": peak}))


if __name__ == "__main__":
    main()
