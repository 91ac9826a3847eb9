"""Who speaks: diarization asked of the server, with models that take tones for voices."""

from __future__ import annotations

import base64

import numpy as np
import pytest
import soundfile as sf
import yaml

from asrcli.transcript import Turn
from tests.speakers.tone_voices import RATE, build_specs, conversation
from tests.tone import tone_spec


@pytest.fixture(scope="module")
def tones(serving, tone_models, tmp_path_factory):
    """A server whose recogniser hears tones, and whose diarizer takes them for voices."""
    root = tmp_path_factory.mktemp("models")
    segmentation, embedding = build_specs(root)
    recognizer = tone_spec("zipformer_ctc", tone_models("zipformer_ctc"))
    entries = {
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
def dialogue(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dialogue")
    turns = [Turn(0, 6, "0"), Turn(6, 12, "1"), Turn(12, 18, "0")]
    audio = conversation(turns, 18)
    words = audio * (np.arange(len(audio)) % RATE < 0.8 * RATE)  # one a second
    noise = np.random.default_rng(1).normal(0, 0.001, len(audio))
    sf.write(folder / "dialogue.wav", words + noise, RATE, subtype="FLOAT")
    sf.write(folder / "clip.wav", conversation([Turn(0, 6, "1")], 6), RATE)
    return folder


def ask(server, audio, **fields):
    with server.client() as client, audio.open("rb") as file:
        form = {"response_format": "diarized_json", "vad_filter": "false"} | fields
        return client.post("/v1/audio/transcriptions", files={"file": file}, data=form)


def test_unknown_speakers_are_letters(tones, dialogue):
    body = ask(tones, dialogue / "dialogue.wav").json()
    assert {segment["speaker"] for segment in body["segments"]} == {"A", "B"}
    assert body["segments"][0]["type"] == "transcript.text.segment"
    assert body["segments"][0]["speaker"] == body["segments"][-1]["speaker"] == "A"


def test_known_speakers_have_their_names(tones, dialogue):
    clip = "data:audio/wav;base64," + base64.b64encode((dialogue / "clip.wav").read_bytes()).decode()
    known = {"known_speaker_names[]": "Grace", "known_speaker_references[]": clip}
    body = ask(tones, dialogue / "dialogue.wav", **known).json()
    assert {segment["speaker"] for segment in body["segments"]} == {"A", "Grace"}
    streamed = ask(tones, dialogue / "dialogue.wav", stream="true", **known).text
    assert '"speaker":"Grace"' in streamed


def test_a_clip_without_a_voice(tones, dialogue, silence):
    for clip in (base64.b64encode(silence.read_bytes()).decode(), "AAAA", "%%"):
        answer = ask(
            tones, dialogue / "dialogue.wav", **{"known_speaker_names[]": "X", "known_speaker_references[]": clip}
        )
        assert answer.status_code == 400


def test_other_protocols_can_ask_too(tones, dialogue):
    with tones.client() as client:
        body = (dialogue / "dialogue.wav").read_bytes()
        aliyun = client.post("/stream/v1/asr", content=body, params={"enable_speaker_diarization": "true"}).json()
        assert aliyun["status"] == 200
        assert all(segment["speaker_id"].startswith("说话人") for segment in aliyun["segments"])
