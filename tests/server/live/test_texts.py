"""What is done to texts on Aliyun's two interfaces: marks or none, fillers left out, marks by a model of their own.

Models of tones hear tones in speech; what these are called is the test's to choose.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import yaml

from tests.server.conftest import Running
from tests.server.live.conftest import Client
from tests.tone import build

from .conftest import pcm, plain, silence

#: all but the last two are what speakers say while they think
FILLERS = ("um", "uh", "hmm", "erm", "uhm", "umm", "do", "re")
TASK = "0123456789abcdef0123456789abcdef"


def directive(name: str, payload: dict[str, bool] | None = None) -> dict[str, dict[str, Any]]:
    header = {"message_id": "1" * 32, "task_id": TASK, "namespace": "SpeechTranscriber", "name": name, "appkey": "a"}
    return {"header": header} if payload is None else {"header": header, "payload": payload}


@pytest.fixture
def listen(talk: Callable[..., Any]) -> Callable[..., tuple[list[Any], list[Any]]]:
    """`listen(audio, **payload)`: what the transcriber reports of it, as (partial results, sentences)."""

    def run(audio: bytes, *, to: Running, **payload: Any) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        async def story(client: Client) -> list[dict[str, dict[str, Any]]]:
            await client.send_json(directive("StartTranscription", {"enable_intermediate_result": True, **payload}))
            await client.play(audio[: 2 * 16000 * 3])
            first = await client.hear_until(lambda m: m["header"]["name"] == "TranscriptionResultChanged")
            await client.play(audio[2 * 16000 * 3 :])
            await client.send_json(directive("StopTranscription"))
            return first + await client.hear_until(lambda m: m["header"]["name"] == "TranscriptionCompleted")

        heard = talk("/ws/v1/asr", story, to=to)
        reported = {name: [m["payload"] for m in heard if m["header"]["name"] == name]
                for name in ("TranscriptionResultChanged", "SentenceEnd")}  # fmt: skip
        return reported["TranscriptionResultChanged"], reported["SentenceEnd"]

    return run


@pytest.fixture(scope="module")
def tones(
    serving: Callable[..., Any], tone_models: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    """A server whose default model detects fillers, another that detects bare words, one that adds marks."""
    root = tmp_path_factory.mktemp("models")

    def entry(type_: str, folder: Path, **fields: Any) -> dict[str, Any]:
        files = {path.stem: path.name for path in [*folder.glob("*.onnx"), *folder.glob("tokens.txt")]}
        return {"type": type_, "dir": str(folder), "files": files} | fields

    models = {
        "fillers": entry("zipformer_ctc", build("zipformer_ctc", root / "fillers", FILLERS), languages=["en"]),
        "words": entry("zipformer_ctc", tone_models("zipformer_ctc"), languages=["en"]),
        "marks": entry("ct_transformer", tone_models("punctuation_ct_transformer"), kind="punctuation"),
    }
    (root / "models.yaml").write_text(yaml.safe_dump({"models": models, "defaults": {"punctuation": "marks"}}))
    with serving(model_dir=root, model="fillers") as server:
        yield server


@pytest.mark.slow
def test_no_marks_unless_asked_for(
    server: Running,
    listen: Callable[..., tuple[list[Any], list[Any]]],
    speech: np.ndarray,
    client: httpx.Client,
    cities: Path,
) -> None:
    audio = pcm(speech[: 16000 * 5]) + silence(1)
    partials, [bare] = listen(audio, to=server, enable_words=True)
    assert bare["result"].startswith("It was the best of times it was the worst of times")
    assert " ".join(word["text"] for word in bare["words"]) == bare["result"]
    assert not any(char in ",.;" for each in partials for char in each["result"])
    marked = listen(audio, to=server, enable_punctuation_prediction=True)[1]
    assert "".join(each["result"] for each in marked).startswith("It was the best of times, it was")

    def asked(**query: Any) -> str:
        return client.post("/stream/v1/asr", params=query, content=cities.read_bytes()).json()["result"]

    assert "." in asked()
    assert "." in asked(appkey="a", enable_punctuation_prediction="true")
    for query in ({"appkey": "a"}, {"enable_punctuation_prediction": "false"}):
        text = asked(**query)
        assert "times it was the worst of times" in text
        assert not any(char in ",.;" for char in text)


@pytest.mark.slow
def test_fillers_are_left_out_if_asked_for(
    tones: Running, listen: Callable[..., tuple[list[Any], list[Any]]], speech: np.ndarray, tmp_path: Path
) -> None:
    audio = pcm(speech) + silence(1)
    wanted = {"enable_punctuation_prediction": True}
    said = " ".join(each["result"] for each in listen(audio, to=tones, **wanted)[1])
    assert {"um", "uh", "hmm", "erm", "uhm", "umm"} & set(plain(said).split()), "tones are heard in speech"
    partials, sentences = listen(audio, to=tones, disfluency=True, **wanted)
    assert set(plain(" ".join(each["result"] for each in partials + sentences)).split()) <= {"do", "re"}
    with tones.client() as client:
        query = {"format": "pcm", "enable_punctuation_prediction": "true"}
        kept, left = (
            client.post("/stream/v1/asr", params=query | {"disfluency": choice}, content=audio).json()["result"]
            for choice in ("false", "true")
        )
    assert not set(plain(kept).split()) <= {"do", "re"}
    assert set(plain(left).split()) <= {"do", "re"}


def test_sentences_get_marks_from_the_model_for_them(
    tones: Running, listen: Callable[..., tuple[list[Any], list[Any]]], speech: np.ndarray, talk: Callable[..., Any]
) -> None:
    audio = pcm(speech) + silence(1)

    async def story(client: Client) -> list[dict[str, Any]]:
        await client.send_json({"mode": "2pass", "wav_name": "a", "is_speaking": True})
        await client.play(audio)
        await client.send_json({"is_speaking": False})
        return await client.hear_until(lambda message: message["is_final"])

    heard = talk("/?model=words", story, to=tones)
    finals = "".join(message["text"] for message in heard if message["mode"] == "2pass-offline")
    assert plain(finals)
    assert any(char in ",.?。，？" for char in finals), finals
