"""The same input gives the same bytes: with any number of threads, in any order, beside any other file."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
import yaml

from asrcli.backends.sherpa.model_types import TYPES
from tests.tone import build, quantize, tone_audio, tone_spec

#: types with one graph that quantisation changes, and those with a search of their own
KINDS = ["sense_voice", "paraformer", "transducer", "whisper", "moonshine", "fire_red_asr", "qwen3_asr", "funasr_nano"]
OTHERS = sorted(TYPES.keys() - {"zipformer_ctc", *KINDS})


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Eight recordings of unlike lengths and levels, so that any batch would pad some of them."""
    folder = tmp_path_factory.mktemp("recordings")
    rng = np.random.default_rng(7)
    paths = []
    for number in range(8):
        tones = rng.integers(0, 7, 1 + 2 * number).tolist()
        audio = tone_audio(tones, level=float(10 ** -rng.uniform(0.5, 2.5)), seed=number)
        paths.append(folder / f"{number:02}.wav")
        sf.write(paths[-1], audio, 16000, subtype="FLOAT")
    return paths


def runs(folder: Path, paths: list[Path], jobs: Sequence[int], *options: str) -> list[dict[str, bytes]]:
    """The outputs of `asrcli transcribe`, by name, with so many jobs and each time in another order."""
    found = []
    for number in jobs:
        shuffled = [paths[place] for place in np.random.default_rng(number).permutation(len(paths))]
        output = folder / f"jobs-{number}"
        command = ["transcribe", *shuffled, "-j", number, "-d", output, "-f", "json,srt", "-q", *options]
        subprocess.run([sys.executable, "-m", "asrcli", *map(str, command)], check=True, timeout=100)
        found.append({path.name: path.read_bytes() for path in output.glob("[!.]*")})
    assert len(found[0]) == 2 * len(paths)
    return found


@pytest.mark.parametrize(
    ("kind", "jobs"),
    [
        ("zipformer_ctc", (1, 2, 4)),
        *((kind, (1, 4)) for kind in KINDS),
        *(pytest.param(kind, (1, 2, 4), marks=pytest.mark.slow) for kind in OTHERS),
    ],
)
def test_int8_models(tmp_path: Path, recordings: list[Path], kind: str, jobs: Sequence[int]) -> None:
    files = tone_spec(kind, quantize(build(kind, tmp_path / kind))).files
    entry = {"type": kind, "dir": kind, "files": {name: path.name for name, path in files.items()}}
    (tmp_path / "models.yaml").write_text(yaml.safe_dump({"models": {"tones": entry}}))
    options = ["-m", "tones", "--model-dir", str(tmp_path), "--no-vad", "--max-chunk", "4"]
    options += ["-l", "en"] if TYPES[kind].language_required else []
    first, *others = runs(tmp_path, recordings, jobs, *options)
    assert [name for other in others for name in first if other[name] != first[name]] == []
    assert any(json.loads(text)["segments"] for name, text in first.items() if name.endswith(".json"))


@pytest.mark.slow
def test_the_embedded_model(wheel_audio: Path, tmp_path: Path) -> None:
    speech, rate = sf.read(wheel_audio / "two_cities.wav")
    paths = []
    for number, end in enumerate(range(4, 40, 9)):
        paths.append(tmp_path / f"{number}.wav")
        sf.write(paths[-1], speech[: end * rate], rate)
    one, two, three = runs(tmp_path, paths, (1, 2, 4))
    assert one == two == three
