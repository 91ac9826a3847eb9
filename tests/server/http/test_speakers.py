"""Who speaks: diarization asked of the server, with models that take tones for voices."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from io import BytesIO
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
def models(tone_models: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recogniser of tones, and models of a diarizer that takes them for voices."""
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
    return root


@pytest.fixture(scope="module")
def tones(serving: Callable[..., Any], models: Path) -> Iterator[Running]:
    with serving(model_dir=models, model="tones") as server:
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


#: what the tone model recognises of each turn of 6 s
DIALOGUE = [(0, "do do do do do do"), (6, "mi mi mi mi mi mi"), (12, "do do do do do do")]


def spoken(segments: list[dict[str, Any]]) -> list[tuple[Any, str]]:
    return [(pytest.approx(segment["start"], abs=0.3), segment["text"]) for segment in segments]


def ask(server: Running, audio: Path, **fields: Any) -> httpx.Response:
    with server.client() as client, audio.open("rb") as file:
        form = {"response_format": "diarized_json", "vad_filter": "false"} | fields
        return client.post("/v1/audio/transcriptions", files={"file": file}, data=form)


def test_unknown_speakers_are_letters(tones: Running, dialogue: Path) -> None:
    body = ask(tones, dialogue / "dialogue.wav").json()
    assert spoken(body["segments"]) == DIALOGUE
    assert [segment["speaker"] for segment in body["segments"]] == ["A", "B", "A"]
    assert body["segments"][0]["type"] == "transcript.text.segment"


def test_known_speakers_have_their_names(tones: Running, dialogue: Path) -> None:
    clip = "data:audio/wav;base64," + base64.b64encode((dialogue / "clip.wav").read_bytes()).decode()
    known = {"known_speaker_names[]": "Grace", "known_speaker_references[]": clip}
    body = ask(tones, dialogue / "dialogue.wav", **known).json()
    assert spoken(body["segments"]) == DIALOGUE
    assert [segment["speaker"] for segment in body["segments"]] == ["A", "Grace", "A"]
    streamed = ask(tones, dialogue / "dialogue.wav", stream="true", **known).text
    assert '"speaker":"Grace"' in streamed


def test_a_clip_without_a_voice(tones: Running, dialogue: Path, silence: Path) -> None:
    for clip in (base64.b64encode(silence.read_bytes()).decode(), "AAAA", "%%"):
        answer = ask(
            tones, dialogue / "dialogue.wav", **{"known_speaker_names[]": "X", "known_speaker_references[]": clip}
        )
        assert answer.status_code == 400


def test_other_protocols_can_ask_too(serving: Callable[..., Any], models: Path, cities: Path) -> None:
    """Speech over a hum that is one voice for the tone models until 4.8 s, then another."""
    speech, rate = sf.read(cities)
    speech = speech[: 8 * rate].reshape(-1, rate // RATE).mean(axis=1)
    hum = conversation([Turn(0, 4.8, "0"), Turn(4.8, 8, "2")], 8)
    data = BytesIO()
    sf.write(data, speech + 0.3 * hum, RATE, format="WAV")
    query = {"enable_speaker_diarization": "true"}
    with serving(model_dir=models) as server, server.client() as client:
        body = client.post("/stream/v1/asr", content=data.getvalue(), params=query).json()
    assert body["status"] == 200
    first, second = (segment["speaker_id"] for segment in body["segments"])
    assert first.startswith("说话人")
    assert second.startswith("说话人")
    assert first != second
    before, after = (segment["text"].lower() for segment in body["segments"])
    assert "best of times" in before
    assert "best of times" not in after
