"""Replies about faults of this machine name no path of it; the log does."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

DAMAGED = """
models:
  damaged: {type: sense_voice, dir: damaged, files: {model: model.onnx, tokens: tokens.txt}}
"""


def test_a_damaged_model(
    serving: Callable[..., Any], cities: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "models" / "damaged"
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(b"junk" * 1000)
    (folder / "tokens.txt").write_text("a 0\n")
    (tmp_path / "models.yaml").write_text(DAMAGED)
    sound = cities.read_bytes()
    with (
        caplog.at_level(logging.ERROR),
        serving(model_dir=tmp_path / "models", models_file=tmp_path / "models.yaml") as server,
        server.client() as client,
    ):
        answers = [
            client.post("/v1/audio/transcriptions", files={"file": sound}, data={"model": "damaged"}),
            client.post("/v1/jobs", files={"file": sound}, data={"model": "damaged"}),
            client.post("/stream/v1/asr", params={"model_id": "damaged"}, content=sound),
            client.post("/v1/listen", params={"model": "damaged"}, content=sound),
        ]
    assert [answer.status_code for answer in answers] == [500] * 4
    assert not [
        answer.text for answer in answers if str(tmp_path) in answer.text or "cannot be used" not in answer.text
    ]
    assert str(folder) in caplog.text
