"""Languages detected by a model beside the recogniser, as on the command line; and what that model is not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf
import yaml

from tests.server.conftest import Running
from tests.tone import RATE


@pytest.fixture(scope="module")
def tones(
    serving: Callable[..., Any], tone_models: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    """A recogniser of tones in three languages, and a Whisper that detects them: zh where 高 is first, en where do."""
    root = tmp_path_factory.mktemp("models")

    def entry(type_: str, **fields: Any) -> dict[str, Any]:
        folder = tone_models(type_)
        files = {path.stem: path.name for path in [*folder.glob("*.onnx"), *folder.glob("tokens.txt")]}
        return {"type": type_, "dir": str(folder), "files": files} | fields

    models = {
        "tones": entry("zipformer_ctc", languages=["en", "zh", "cy"]),
        "teller": entry("whisper", kind="language-id"),
    }
    (root / "models.yaml").write_text(yaml.safe_dump({"models": models, "defaults": {"language-id": "teller"}}))
    with serving(model_dir=root, model="tones") as server:
        yield server


@pytest.mark.parametrize(("first", "language"), [(7, "zh"), (0, "en"), (1, "cy")])
def test_a_job_finds_the_language_out(
    tones: Running, tone_audio: Callable[..., np.ndarray], tmp_path: Path, first: int, language: str
) -> None:
    audio = np.concatenate([tone_audio([first, 1, 2]), np.zeros(round(0.6 * RATE), np.float32)])
    sf.write(tmp_path / "a.wav", audio, RATE)
    with tones.client() as client:
        fields = {"language": "auto", "vad": "false"}
        job = client.post("/v1/jobs", files={"file": (tmp_path / "a.wav").read_bytes()}, data=fields)
        with client.stream("GET", f"{job.headers['location']}/events") as events:
            events.read()
        result = client.get(job.headers["location"]).json()["result"]
    assert (result["language"], result["segments"][0]["language"]) == (language, language)
    assert result["text"].split()[-1] == "mi"


def test_a_companion_model_cannot_be_requested(tones: Running, cities: Path) -> None:
    with tones.client() as client:
        assert next(model["id"] for model in client.get("/v1/models").json()["data"]) == "tones"
        for name in ("teller", "teller (language_id)"):
            answer = client.post("/v1/audio/transcriptions", files={"file": cities.read_bytes()}, data={"model": name})
            assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found"), name
