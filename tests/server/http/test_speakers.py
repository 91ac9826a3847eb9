"""Who speaks: diarization asked of the server, with models that take tones for voices."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import soundfile as sf
import yaml

from asrcli.transcript import Turn
from tests.server.conftest import Running
from tests.speakers.tone_voices import RATE, build_specs, conversation
from tests.tone import tone_spec


@pytest.fixture(scope="module")
def tones(
    serving: Callable[..., Any], tone_models: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    """A server whose recogniser detects tones, and whose diarizer takes them for voices."""
    root = tmp_path_factory.mktemp("models")
    segmentation, embedding = build_specs(root)
    recognizer = tone_spec("zipformer_ctc", tone_models("zipformer_ctc"))
    entries: dict[str, Any] = {
        "tone-segmentation": {"type": "pyannote", "kind": "segmentation", "spec": segmentation},
        "tone-embedding": {
            "type": "speaker_embedding",
            "kind": "embedding",
            "spec": embedding,
            "cluster_threshold": 0.7,
        },
        "tones": {"type": recognizer.type, "kind": "asr", "spec": recognizer, "options": dict(recognizer.options)},
    }
    entries["tone-embedding"]["cluster_threshold"] = 0.7
    for entry in entries.values():
        spec = entry.pop("spec")
        folder = next(iter(spec.files.values())).parent
        entry |= {"dir": str(folder), "files": {key: str(path.relative_to(folder)) for key, path in spec.files.items()}}
    defaults = {"segmentation": "tone-segmentation", "embedding": "tone-embedding"}
    (root / "models.yaml").write_text(yaml.safe_dump({"models": entries, "defaults": defaults}))
    with serving(model_dir=root, model="tones") as server:
        yield server


@pytest.fixture(scope="module")
def dialogue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dialogue")
    turns = [Turn(0, 6, "0"), Turn(6, 12, "1"), Turn(12, 18, "0")]
    audio = conversation(turns, 18)
    words = audio * (np.arange(len(audio)) % RATE < 0.8 * RATE)  # one a second
    noise = np.random.default_rng(1).normal(0, 0.001, len(audio))
    sf.write(folder / "dialogue.wav", words + noise, RATE, subtype="FLOAT")
    sf.write(folder / "clip.wav", conversation([Turn(0, 6, "1")], 6), RATE)
    return folder


def ask(server: Running, audio: Path, **fields: Any) -> httpx.Response:
    with server.client() as client, audio.open("rb") as file:
        form = {"response_format": "diarized_json", "vad_filter": "false"} | fields
        return client.post("/v1/audio/transcriptions", files={"file": file}, data=form)


def test_unknown_speakers_are_letters(tones: Running, dialogue: Path) -> None:
    body = ask(tones, dialogue / "dialogue.wav").json()
    assert {segment["speaker"] for segment in body["segments"]} == {"A", "B"}
    assert body["segments"][0]["type"] == "transcript.text.segment"
    assert body["segments"][0]["speaker"] == body["segments"][-1]["speaker"] == "A"


def test_known_speakers_have_their_names(tones: Running, dialogue: Path) -> None:
    clip = "data:audio/wav;base64," + base64.b64encode((dialogue / "clip.wav").read_bytes()).decode()
    known = {"known_speaker_names[]": "Grace", "known_speaker_references[]": clip}
    body = ask(tones, dialogue / "dialogue.wav", **known).json()
    assert {segment["speaker"] for segment in body["segments"]} == {"A", "Grace"}
    streamed = ask(tones, dialogue / "dialogue.wav", stream="true", **known).text
    assert '"speaker":"Grace"' in streamed


def test_a_clip_without_a_voice(tones: Running, dialogue: Path, silence: Path) -> None:
    for clip in (base64.b64encode(silence.read_bytes()).decode(), "AAAA", "%%"):
        answer = ask(
            tones, dialogue / "dialogue.wav", **{"known_speaker_names[]": "X", "known_speaker_references[]": clip}
        )
        assert answer.status_code == 400


def test_other_protocols_can_ask_too(tones: Running, dialogue: Path) -> None:
    with tones.client() as client:
        body = (dialogue / "dialogue.wav").read_bytes()
        aliyun = client.post("/stream/v1/asr", content=body, params={"enable_speaker_diarization": "true"}).json()
        assert aliyun["status"] == 200
        assert all(segment["speaker_id"].startswith("说话人") for segment in aliyun["segments"])
