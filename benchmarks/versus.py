"""Our program against others on the same weights and recordings: whole processes, start-up and model load included.

    python -m benchmarks versus long            one file of 10 minutes
    python -m benchmarks versus short           60 files of 10 s
    python -m benchmarks versus short --model build/sensevoice-random
    python -m benchmarks versus package         one file of 10 s, against moonshine-voice's own Transcriber
    python -m benchmarks versus containers      the time that decoding containers adds; ours alone

Contestants take turns; printed are medians of wall and CPU seconds (of all processes of a program), the ratio of our
wall to theirs (median of the rounds' ratios) and, where the words are known, the word error rate. On a machine that has
other work the CPU column is the steadier one.

Needs sherpa-onnx-bin==2.0.1 and, for the words, whisper-normalizer and jiwer.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks import contestants as programs
from benchmarks.contestants import Contestant, Model
from benchmarks.corpora import FOLDER, make, references, speech_files
from benchmarks.measure import Run, alternate, load, median, ratio
from benchmarks.wer import word_errors


def long(model: Model, path: Path, extra: list[str]) -> list[Contestant]:
    """Who can do one long file."""
    others = [programs.sherpa_vad(model, path, threads) for threads in (1, 2)]
    return [programs.asrcli(model, [path], *extra), *others]


def package(model: Model, path: Path, extra: list[str]) -> list[Contestant]:
    """The wheel's own engine: on minutes of audio it takes minutes, so it gets one short file."""
    return [programs.asrcli(model, [path], *extra), programs.moonshine(path)]


def short(model: Model, path: Path, extra: list[str]) -> list[Contestant]:
    """Who can do many short files."""
    files = speech_files(path)
    others = [programs.sherpa_offline(model, files, threads) for threads in (1, 2)]
    others += [programs.sherpa_parallel(model, files, 1, jobs) for jobs in (1, 2)]
    return [programs.asrcli(model, files, *extra), *others]


def table(runs: dict[str, list[Run]], errors: dict[str, float]) -> None:
    """Print medians and ratios; the first is ours."""
    ours = next(iter(runs.values()))
    print(f"{'':48} {'wall s':>8} {'CPU s':>8} {'ours/wall':>10} {'ours/CPU':>9} {'WER %':>7}")
    for name, theirs in runs.items():
        wall, cpu = ([getattr(run, what) for run in theirs] for what in ("wall", "cpu"))
        by_wall = ratio([run.wall for run in ours], wall)
        by_cpu = ratio([run.cpu for run in ours], cpu)
        wer = f"{errors[name]:7.2f}" if name in errors else ""
        print(f"{name:48} {median(wall):8.2f} {median(cpu):8.2f} {by_wall:10.2f} {by_cpu:9.2f} {wer:>7}")


def main() -> None:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("long", "short", "package", "containers"))
    parser.add_argument("--model", type=Path, help="folder of a SenseVoice; without it, the embedded Moonshine")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, default=FOLDER, help="of the corpora")
    parser.add_argument("--only", help="those whose name contains this, and ours")
    parser.add_argument("--ours", default="", help="further options for asrcli, as one argument")
    arguments = parser.parse_args()

    model = programs.sense_voice(arguments.model) if arguments.model else programs.embedded()
    corpus = {"long": "ten_minutes", "short": "sixty", "package": "sixty", "containers": "containers"}[arguments.what]
    path = make(corpus, arguments.folder)
    extra = arguments.ours.split()
    if arguments.what == "containers":
        files = speech_files(path)
        by_file = {file.name: programs.asrcli(model, [file], *extra) for file in files}
        table(alternate({name: each.start for name, each in by_file.items()}, arguments.rounds), {})
        return
    if arguments.what == "package":
        path = speech_files(path)[0]
    found = {"long": long, "short": short, "package": package}[arguments.what](model, path, extra)
    chosen = {each.name: each for each in found if each is found[0] or (arguments.only or "") in each.name}
    print(f"{corpus}, {model.name}, {arguments.rounds} rounds; {load()} at the start")
    runs = alternate({name: each.start for name, each in chosen.items()}, arguments.rounds)
    errors = {}
    if not arguments.model:
        wanted = references(path)
        errors = {name: word_errors(wanted, each.read(runs[name][-1])).rate for name, each in chosen.items()}
    table(runs, errors)
    print(f"{load()} at the end")


if __name__ == "__main__":
    main()
