"""A batch as a program of its own, for tests that kill it, starve it, or run it twice at once.

What is in for the recogniser is deterministic and depends on every byte of the input and on the options, so a
result that is torn, stale, or of another recording is seen in its text.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from asrcli.batch.cache_key import CacheKey
from asrcli.batch.decision import Existing
from asrcli.batch.executor import Executor
from asrcli.batch.inputs.search import Inputs
from asrcli.batch.plan import make_plan
from asrcli.batch.results.processing import Processing
from asrcli.transcript import Segment, Transcript

SUFFIXES = frozenset({".mp3", ".wav", ".ogg"})


def transcript_of(data: bytes, name: str, options: str) -> Transcript:
    """A "transcript": words that spell the hash of the bytes and the options."""
    digest = hashlib.sha256(options.encode() + data).hexdigest()
    words = [digest[i : i + 8] for i in range(0, len(digest), 8)]
    segments = tuple(Segment(id=i, start=float(i), end=i + 1.0, text=word) for i, word in enumerate(words))
    return Transcript(source=name, duration=float(len(words)), segments=segments, model="spell", backend="test")


def render(transcript: Transcript, suffix: str) -> str:
    body = transcript.text if suffix == "txt" else json.dumps(transcript.to_dict(), indent=1)
    return f"{suffix}\n{body}\n"


def run(arguments: argparse.Namespace) -> int:
    def transcribe(item: Any, listener: Any) -> Any:
        data = item.source.path.read_bytes()
        listener.opened(1.0)
        if arguments.log:
            with Path(arguments.log).open("a") as log:
                log.write(f"{item.source.name}\n")
        deadline = time.monotonic() + arguments.pace
        while time.monotonic() < deadline and not listener.cancelled():
            time.sleep(min(0.01, arguments.pace))
        if arguments.ready:
            Path(arguments.ready).touch()
        if arguments.hold:
            time.sleep(3600)
        return transcript_of(data * arguments.bulk, item.source.name, arguments.options)

    def spell_bulk(_item: Any, transcript: Any, suffix: Any) -> Any:
        return render(transcript, suffix) * arguments.bulk

    plan = make_plan(
        Inputs(
            paths=arguments.paths,
            formats=arguments.formats.split(","),
            output_dir=Path(arguments.output_dir) if arguments.output_dir else None,
        ),
        suffixes=SUFFIXES,
    )
    recipe = CacheKey(model="spell", options=arguments.options, formats={})
    work = Processing(transcribe=transcribe, render=spell_bulk, recipe=recipe, existing=Existing(arguments.existing))
    summary = Executor(work, jobs=arguments.jobs).run(plan)
    print(json.dumps(summary.to_dict()))
    return int(summary.exit_code)


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("paths", nargs="+")
    parser.add_argument("--formats", default="txt,json")
    parser.add_argument("--options", default="v1")
    parser.add_argument("--existing", default="journal")
    parser.add_argument("--output-dir")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--pace", type=float, default=0.0, help="seconds that each input takes")
    parser.add_argument("--bulk", type=int, default=1, help="how often each result is repeated in its file")
    parser.add_argument("--log", help="file to which the name of each transcribed input is added")
    parser.add_argument("--ready", help="file that is made when the first input is in work")
    parser.add_argument("--hold", action="store_true", help="never finish an input")
    parser.add_argument("--die-at", type=int, help="kill -9 before the Nth system call that changes a file")
    return parser.parse_args(arguments)


def die_at(number: int) -> None:
    """Arrange that the process is killed just before its Nth write, fsync, rename, unlink or creation of a file."""
    count = 0

    def counted(function: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal count
            count += 1
            if count == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*args, **kwargs)

        return call

    for name in ("open", "write", "fsync", "replace", "unlink", "ftruncate"):
        setattr(os, name, counted(getattr(os, name)))


def main(arguments: list[str]) -> int:
    parsed = parse(arguments)
    if parsed.die_at:
        die_at(parsed.die_at)
    return run(parsed)


def serve() -> None:
    """Run each line of stdin (a JSON list of arguments) in a process of its own; answer with its return code.

    A fork costs a hundredth of a new interpreter, and the tests need hundreds of runs.
    """
    for line in sys.stdin:
        child = os.fork()
        if not child:
            sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115 -- until the process ends
            os._exit(main(json.loads(line)))
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    if sys.argv[1:] == ["--serve"]:
        serve()
    else:
        sys.exit(main(sys.argv[1:]))
