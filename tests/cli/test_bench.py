"""`asrcli bench`, as users run it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import soundfile

from asrcli.errors import ExitCode
from asrcli.models import builtin
from tests.cli.conftest import Program
from tests.tone import build


@pytest.mark.usefixtures("wheel_audio")
def test_figures_for_each_number_of_threads(asrcli: Program) -> None:
    done = asrcli("bench", "--seconds", "5", "--rounds", "1", "--jobs", "1", "--jobs", "2", "--json")
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)["results"]
    assert [result["threads"] for result in results] == [1, 2]
    for result in results:
        assert result["model"] == builtin.default()
        assert result["audio"] == 5.0
        assert result["speed"] == pytest.approx(5.0 / result["seconds"])


@pytest.mark.usefixtures("wheel_audio")
def test_a_table_for_people(asrcli: Program, gpu: str) -> None:
    done = asrcli("bench", "--seconds", "5", "--rounds", "1", "--jobs", "1", env={"PATH": gpu})
    card, heading, line, recommendation = done.stdout.splitlines()[-4:]
    assert card == "cuda:0: NVIDIA H200, driver 570.86.15, 151 GB (105 free)"
    assert heading.split() == ["model", "device", "batch", "threads", "chunk", "x", "real", "time", "loading", "memory"]
    assert line.split()[:3] == [builtin.default(), "auto", "1"]
    assert float(line.split()[3]) > 0
    assert recommendation == f"recommended: --model {builtin.default()} --jobs 1"


def test_lengths_of_chunks_and_word_errors(asrcli: Program, wheel_audio: Path, tmp_path: Path) -> None:
    recording, text = tmp_path / "cities.wav", tmp_path / "cities.txt"
    samples, rate = soundfile.read(wheel_audio / "two_cities.wav", frames=48_000 * 4, dtype="float32")
    soundfile.write(recording, samples[: 4 * rate], rate)
    text.write_text("It was the best of times.\n")
    options = ("--reference", text, "--rounds", "1", "--jobs", "1", "--max-chunk", "2", "--max-chunk", "12.5")
    done = asrcli("bench", recording, *options, "--json")
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert [result["max_chunk"] for result in facts["results"]] == [2.0, 12.5]
    assert all(result["audio"] == pytest.approx(4, abs=0.01) for result in facts["results"])
    assert all(0 <= result["error_rate"] < 2 for result in facts["results"])
    best = min(result["error_rate"] for result in facts["results"])
    assert [result["error_rate"] for result in facts["recommended"]] == [best]
    assert "text" not in facts["results"][0]
    shown = asrcli("bench", recording, *options[:-2])
    heading, line, recommendation = shown.stdout.splitlines()[-3:]
    assert heading.split()[-1] == "errors"
    assert line.split()[-1] == "%"
    assert recommendation == f"recommended: --model {builtin.default()} --jobs 1 --max-chunk 2"


def test_a_reference_without_its_recording_is_refused(asrcli: Program, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("It was the best of times.")
    done = asrcli("bench", "--reference", tmp_path / "a.txt")
    assert done.returncode == ExitCode.USAGE
    assert "--reference needs the recording" in done.stderr


@pytest.mark.usefixtures("wheel_audio")
def test_all_models_are_checked_before_one_is_measured(asrcli: Program, tmp_path: Path) -> None:
    folder = build("sense_voice", tmp_path / "sense-voice")
    (folder / "tokens.txt").write_text("do\n")
    done = asrcli("bench", "--model", "moonshine-tiny-en", "--model", folder, "--seconds", "5", "--rounds", "1")
    assert done.returncode == ExitCode.MODEL
    assert done.stdout == ""
    assert "tokens.txt, line 1" in done.stderr


def test_an_unknown_model_is_reported(asrcli: Program) -> None:
    done = asrcli("bench", "--model", "no-such-model")
    assert done.returncode == ExitCode.MODEL
    assert "no-such-model" in done.stderr


@pytest.mark.usefixtures("wheel_audio")
def test_a_recording_that_cannot_be_read_is_reported(asrcli: Program) -> None:
    done = asrcli("bench", "missing.wav")
    assert done.returncode != 0
    assert "missing.wav" in done.stderr
    assert "Traceback" not in done.stderr
