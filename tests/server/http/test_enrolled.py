"""People enrolled on this machine are called by name in what the server reports."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import soundfile
import yaml

from asrcli.transcript import Turn
from tests.server.conftest import Running
from tests.speakers.tone_voices import RATE, build_specs, conversation


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of models in which a voice is a tone, and a user's data folder in which no one is enrolled."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    folder = tmp_path / "models"
    folder.mkdir()
    segmentation, embedding = build_specs(folder)
    entries: dict[str, Any] = {
        "tone-segmentation": {"kind": "segmentation", "type": "pyannote", "files": segmentation.files},
        "tone-embedding": {
            "kind": "embedding",
            "type": "speaker_embedding",
            "files": embedding.files,
            "cluster_threshold": 0.7,
        },
    }
    for entry in entries.values():
        entry |= {"dir": str(folder), "files": {key: path.name for key, path in entry["files"].items()}}
    defaults = {"segmentation": "tone-segmentation", "embedding": "tone-embedding"}
    (folder / "models.yaml").write_text(yaml.safe_dump({"models": entries, "defaults": defaults}), encoding="utf-8")
    return folder


@pytest.mark.slow
def test_enrolled_voices_are_named(
    tmp_path: Path, models: Path, serving: Callable[..., Any], wheel_audio: Path
) -> None:
    spoken, rate = soundfile.read(wheel_audio / "two_cities.wav", dtype="float32", frames=13 * 48000)
    spoken = spoken[:: rate // RATE]
    seconds = len(spoken) / RATE
    hum = conversation([Turn(0, 5, "0"), Turn(5, seconds, "2")], seconds)
    soundfile.write(tmp_path / "talk.wav", spoken + 0.3 * hum, RATE)
    soundfile.write(tmp_path / "ada.wav", conversation([Turn(0, 8, "2")], 8), RATE)

    def speakers(server: Running) -> list[str]:
        with server.client() as client, (tmp_path / "talk.wav").open("rb") as audio:
            data = {"model": "gpt-4o-transcribe-diarize", "response_format": "diarized_json"}
            answer = client.post("/v1/audio/transcriptions", data=data, files={"file": ("talk.wav", audio)})
        assert answer.status_code == 200, answer.text
        return list(dict.fromkeys(segment["speaker"] for segment in answer.json()["segments"]))

    with serving(model_dir=models) as server:
        unknown = speakers(server)
        assert len(unknown) == 2
        assert "Ada Lovelace" not in unknown
        enroll: list[Any] = [
            "speakers",
            "enroll",
            "Ada Lovelace",
            tmp_path / "ada.wav",
            "--no-vad",
            "--model-dir",
            models,
        ]
        subprocess.run([sys.executable, "-m", "asrcli", *enroll], check=True, capture_output=True)
        # Without a restart: who is enrolled is looked up for each request.
        assert speakers(server) == [unknown[0], "Ada Lovelace"]
