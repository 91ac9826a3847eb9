"""The same input gives the same bytes: with any number of threads, in any order, beside any other file."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from asrcli.audio.types import Source
from asrcli.backends.types import ModelSpec
from asrcli.models.registry import Registry
from asrcli.options import RecognitionOptions, TranscribeOptions, VadOptions
from asrcli.runtime import Runtime
from tests.tone import build, quantize, tone_audio, tone_spec

#: types with one graph that quantisation changes, and those with a search of their own
KINDS = ["zipformer_ctc", "sense_voice", "paraformer", "transducer", "whisper", "moonshine", "funasr_nano"]


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


def outputs(runtime: Runtime, paths: list[Path], jobs: int, options: TranscribeOptions) -> dict[str, str]:
    def one(path: Path) -> str:
        return json.dumps(runtime.transcribe(Source(name=path.name, path=path), options).to_dict())

    with ThreadPoolExecutor(2 * jobs) as pool:
        return dict(zip([path.name for path in paths], pool.map(one, paths), strict=True))


def three_runs(spec: ModelSpec, paths: list[Path], options: TranscribeOptions) -> list[dict[str, str]]:
    runs = []
    for jobs in (1, 2, 4):
        shuffled = [paths[place] for place in np.random.default_rng(jobs).permutation(len(paths))]
        with Runtime(spec, jobs=jobs) as runtime:
            runs.append(outputs(runtime, shuffled, jobs, options))
    return runs


@pytest.mark.parametrize("kind", KINDS)
def test_int8_models(tmp_path: Path, recordings: list[Path], kind: str) -> None:
    spec = tone_spec(kind, quantize(build(kind, tmp_path / kind)))
    options = TranscribeOptions(vad=VadOptions(enabled=False, max_chunk=4.0), recognition=RecognitionOptions())
    one, two, three = three_runs(spec, recordings, options)
    assert one == two == three
    assert any(json.loads(text)["text"] for text in one.values())


@pytest.mark.slow
def test_the_embedded_model(wheel_audio: Path, tmp_path: Path) -> None:
    speech, rate = sf.read(wheel_audio / "two_cities.wav")
    paths = []
    for number, end in enumerate(range(4, 40, 9)):
        paths.append(tmp_path / f"{number}.wav")
        sf.write(paths[-1], speech[: end * rate], rate)
    one, two, three = three_runs(Registry().resolve("moonshine-tiny-en"), paths, TranscribeOptions())
    assert one == two == three
