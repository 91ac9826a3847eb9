"""The programs that are compared, as command lines, and what they print as words."""

from __future__ import annotations

import json
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

from asrcli.models import builtin
from benchmarks.corpora import shared
from benchmarks.measure import Run, run

#: recording's stem -> what was heard
Words = dict[str, str]


@dataclass(frozen=True)
class Model:
    """Weights that both sides can read."""

    name: str
    #: what `asrcli --model` takes
    asrcli: str
    #: arguments of the C++ programs
    sherpa: tuple[str, ...]
    #: chunks at once, where the engine batches
    batch: int = 1


def embedded() -> Model:
    """Moonshine tiny-en out of the wheel."""
    files = builtin.files(Path(tempfile.gettempdir()) / "asrcli-benchmarks")
    arguments = (
        f"--moonshine-encoder={files['encoder']}",
        f"--moonshine-merged-decoder={files['decoder']}",
        f"--tokens={files['tokens']}",
    )
    return Model(builtin.NAME, builtin.NAME, arguments)


def named(name: str | None) -> Model:
    """A model that only asrcli reads, None: its default."""
    chosen = name or builtin.default()
    return Model(chosen, chosen, ())


def sense_voice(folder: Path) -> Model:
    """What `benchmarks.make_models` made, or a real SenseVoice."""
    model = next(folder.glob("model*.onnx"))
    arguments = (f"--sense-voice-model={model}", f"--tokens={folder / 'tokens.txt'}")
    return Model(folder.name, str(folder), arguments, batch=4)


@dataclass(frozen=True)
class Contestant:
    """One program with its settings."""

    name: str
    start: Callable[[], Run]
    #: words by recording, of one of its runs
    read: Callable[[Run], Words]
    #: program and arguments
    command: tuple[str, ...] = ()


def asrcli(model: Model, files: Sequence[Path], *extra: str) -> Contestant:
    """Our command line as users have it: results beside nothing, in a folder of their own, with the journal."""
    out = Path(tempfile.mkdtemp(prefix="asrcli-benchmark-"))
    options = ["--format", "json", "--output-dir", str(out), "--model", model.asrcli, "--quiet", *extra]

    command = (sys.executable, "-m", "asrcli", "transcribe", *map(str, files), *options)

    def start() -> Run:
        shutil.rmtree(out, ignore_errors=True)
        return run(command)

    def read(_last: Run) -> Words:
        found = {}
        for path in out.rglob("*.json"):
            segments = json.loads(path.read_text(encoding="utf-8"))["segments"]
            found[path.stem] = " ".join(segment["text"] for segment in segments)
        return found

    return Contestant(" ".join(["asrcli", *extra]), start, read, command)


def _program(name: str) -> tuple[str, dict[str, str]]:
    path = shutil.which(name, path=f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin")
    engine = find_spec("sherpa_onnx")
    if path is None or engine is None or engine.origin is None:
        raise SystemExit(f"{name} is missing: pip install sherpa-onnx-bin==2.0.1")
    return path, {"LD_LIBRARY_PATH": str(Path(engine.origin).parent / "lib")}


def sherpa_vad(model: Model, file: Path, threads: int) -> Contestant:
    """sherpa-onnx-vad-with-offline-asr: VAD and recognition in turn, for one long file."""
    program, environment = _program("sherpa-onnx-vad-with-offline-asr")
    silero = shared() / "models" / "silero-vad-v6" / "silero_vad.onnx"
    command = [program, *model.sherpa, f"--silero-vad-model={silero}", f"--num-threads={threads}", str(file)]

    def read(last: Run) -> Words:
        # each line: start, two dashes, end, colon, words
        lines = [line.split(": ", 1)[1] for line in last.output.splitlines() if " -- " in line and ": " in line]
        return {file.stem: " ".join(lines)}

    return Contestant(
        f"sherpa-onnx-vad-with-offline-asr, {threads} thr.", lambda: run(command, environment=environment), read
    )


def sherpa_offline(model: Model, files: Sequence[Path], threads: int) -> Contestant:
    """sherpa-onnx-offline: all files in one process, each whole, without VAD."""
    program, environment = _program("sherpa-onnx-offline")
    command = [program, *model.sherpa, f"--num-threads={threads}", *map(str, files)]
    return Contestant(
        f"sherpa-onnx-offline, {threads} thr.", lambda: run(command, environment=environment), _json_by_file
    )


def sherpa_parallel(model: Model, files: Sequence[Path], threads: int, jobs: int) -> Contestant:
    """sherpa-onnx-offline-parallel: the same with several decoding threads and batches.

    It sleeps 10 s before and 10 s after loading the model. Its wall time is what it reports: loading, and decoding.
    """
    program, environment = _program("sherpa-onnx-offline-parallel")
    options = [f"--num-threads={threads}", f"--nj={jobs}", f"--batch-size={model.batch}"]
    command = [program, *model.sherpa, *options, *map(str, files)]

    def start() -> Run:
        last = run(command, environment=environment)
        return replace(last, wall=sum(float(seconds) for seconds in _REPORTED.findall(last.output)))

    return Contestant(f"sherpa-onnx-offline-parallel, {jobs} jobs x {threads} thr.", start, _json_by_file)


_REPORTED = re.compile(r"(?:recognizer init time|Elapsed seconds): ([\d.]+)")
#: the tokens behind it may hold line breaks as they are, so that the whole is no JSON
_TEXT = re.compile(r'"text": ("(?:[^"\\]|\\.)*")')


def _json_by_file(last: Run) -> Words:
    """Lines of "/path/name.wav" and lines of JSON with "text": in the same order, on different streams."""
    lines = last.output.split("\n")
    names = [Path(line.split()[-1]).stem for line in lines if line.endswith(".wav")]
    texts = [json.loads(match[1]) for line in lines if (match := _TEXT.search(line))]
    return dict(zip(names, texts, strict=True))


def moonshine(file: Path) -> Contestant:
    """moonshine-voice's own Transcriber on its own engine, one call for the file."""
    assets = builtin.assets()
    code = (
        "import sys; from moonshine_voice.transcriber import Transcriber; "
        "from moonshine_voice.moonshine_api import ModelArch; from moonshine_voice.utils import load_wav_file; "
        "audio, rate = load_wav_file(sys.argv[2]); "
        "lines = Transcriber(sys.argv[1], ModelArch.TINY).transcribe_without_streaming(audio, rate).lines; "
        "print(' '.join(line.text for line in lines))"
    )
    command = [sys.executable, "-c", code, str(assets), str(file)]
    return Contestant("moonshine-voice Transcriber", lambda: run(command), lambda last: {file.stem: last.output})
