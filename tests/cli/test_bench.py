"""`asrcli bench`, as users run it."""

from __future__ import annotations

import json

import pytest

from asrcli.errors import ExitCode
from tests.cli.conftest import Program


@pytest.mark.usefixtures("wheel_audio")
def test_figures_for_each_number_of_threads(asrcli: Program) -> None:
    done = asrcli("bench", "--seconds", "5", "--rounds", "1", "--jobs", "1", "--jobs", "2", "--json")
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)["results"]
    assert [result["threads"] for result in results] == [1, 2]
    for result in results:
        assert result["model"] == "moonshine-tiny-en"
        assert result["audio"] == 5.0
        assert result["speed"] == pytest.approx(5.0 / result["seconds"])


@pytest.mark.usefixtures("wheel_audio")
def test_a_table_for_people(asrcli: Program) -> None:
    done = asrcli("bench", "--seconds", "5", "--rounds", "1", "--jobs", "1")
    heading, line = done.stdout.splitlines()[-2:]
    assert heading.split() == ["model", "device", "batch", "threads", "x", "real", "time", "loading", "memory"]
    assert line.split()[:3] == ["moonshine-tiny-en", "auto", "1"]
    assert float(line.split()[3]) > 0


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
