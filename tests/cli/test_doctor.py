"""`asrcli doctor` on a machine that is well and on one that lacks things."""

from __future__ import annotations

import json
import os
from itertools import takewhile
from pathlib import Path

import pytest

from asrcli.backends.sherpa.device import has_cuda
from asrcli.cli.commands.doctor.checks import Check, run_checks
from asrcli.errors import ExitCode
from asrcli.models.registry import Registry
from tests.cli.conftest import Program


@pytest.mark.slow
@pytest.mark.usefixtures("wheel_audio")
def test_all_is_well_and_the_decode_was_real(asrcli: Program) -> None:
    done = asrcli("doctor", "--json")
    assert done.returncode == 0, done.stdout
    report = json.loads(done.stdout)
    checks = {check["name"]: check for check in report["checks"]}
    assert report["ok"] is True
    assert {"asrcli", "packages", "cores", "disk (here)", "ffmpeg", "models", "decoding"} <= set(checks)
    decoding = checks["decoding"]["facts"]
    assert decoding["text"].startswith("It was the best of times")
    assert decoding["audio"] == pytest.approx(44, abs=1)
    assert decoding["speed"] == pytest.approx(decoding["audio"] / decoding["seconds"])


def test_what_is_missing_is_reported_with_a_remedy(asrcli: Program, tmp_path: Path) -> None:
    for name in ("imageio_ffmpeg", "moonshine_voice", "moonshine_cpp"):
        (tmp_path / f"{name}.py").write_text("raise ImportError", encoding="utf-8")
    done = asrcli("doctor", env={"PATH": "/nonexistent", "PYTHONPATH": str(tmp_path)})
    assert done.returncode in {ExitCode.MODEL, ExitCode.MACHINE}
    lines = done.stdout.splitlines()
    for name in ("ffmpeg", "models", "decoding"):
        (at,) = (number for number, line in enumerate(lines) if line.startswith("missing") and name in line)
        assert "install" in lines[at + 1].lower()
    assert "\033" not in done.stdout


def test_an_unknown_model_is_reported(asrcli: Program) -> None:
    done = asrcli("doctor", "--model", "no-such-model")
    assert done.returncode == ExitCode.MODEL
    assert "no-such-model" in done.stdout


def test_gpus_are_listed_with_driver_and_memory(gpu: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", gpu)
    found = {check.name: check for check in _first_checks(tmp_path)}
    assert found["cuda:0"].text == "NVIDIA H200, driver 570.86.15, 151 GB (105 free)"
    assert found["cuda:0"].facts == {
        "name": "NVIDIA H200", "driver": "570.86.15", "memory": 143771 << 20, "free": 100000 << 20
    }  # fmt: skip


def test_builds_that_do_not_use_the_gpu_are_named(gpu: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", gpu)
    found = {check.name: check for check in _first_checks(tmp_path)}
    if not has_cuda():
        assert "build for CPUs; its models do not use the GPU" in found["cuda (sherpa-onnx)"].text
        assert "+cuda12" in found["cuda (sherpa-onnx)"].hint


def test_a_driver_that_does_not_work_is_a_note(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho 'Failed to initialize NVML: Driver/library version mismatch'\nexit 18\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    found = {check.name: check for check in _first_checks(tmp_path)}
    assert (found["cuda"].state, found["cuda"].exit_code) == ("note", ExitCode.OK)
    assert found["cuda"].text == "Failed to initialize NVML: Driver/library version mismatch"
    assert "cuda:0" not in found


def _first_checks(folder: Path) -> list[Check]:
    """Those before ffmpeg's."""
    return [*takewhile(lambda check: check.name != "ffmpeg", run_checks(Registry(folder), None))]
