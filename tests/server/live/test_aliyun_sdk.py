"""Aliyun's own SDK (alibabacloud-nls-python-sdk 1.0.2), as it comes, doubled handshake headers and all."""

from __future__ import annotations

import json
import threading
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import pytest

from tests.server.conftest import Running

from .conftest import PATIENCE, pcm, plain

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of its dependencies, at import
    nls = pytest.importorskip("nls", reason="needs alibabacloud-nls-python-sdk")

#: The SDK leaves its sockets open, and the interpreter reports them whenever it deletes them.
pytestmark = pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning",
    "ignore:unclosed <socket:ResourceWarning",
)


class Heard:
    """What the SDK calls back with."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        self.over = threading.Event()

    def callbacks(self, *names: Any) -> Any:
        return {f"on_{name}": self.callback(name) for name in names}

    def callback(self, name: Any) -> Any:
        def called(*arguments: Any) -> None:
            message = json.loads(arguments[0]) if name != "close" else {}
            self.events.append((name, message.get("payload", {})))
            if name in {"completed", "error"}:
                self.over.set()

        return called

    def payloads(self, name: Any) -> Any:
        return [payload for event, payload in self.events if event == name]


def test_speech_transcriber(server: Running, speech: np.ndarray) -> None:
    heard = Heard()
    names = ("start", "sentence_begin", "sentence_end", "result_changed", "completed", "error", "close")
    transcriber = nls.NlsSpeechTranscriber(
        url=f"{server.ws}/ws/v1/asr", token="any", appkey="any", **heard.callbacks(*names)
    )
    transcriber.start(aformat="pcm", enable_intermediate_result=True, enable_punctuation_prediction=True,
                      enable_inverse_text_normalization=True, ex={"max_sentence_silence": 600})  # fmt: skip
    audio = pcm(speech[: 16000 * 6])
    for start in range(0, len(audio), 640):
        transcriber.send_audio(audio[start : start + 640])
    transcriber.ctrl(ex={"test": "tttt"})
    transcriber.stop()
    assert heard.over.wait(PATIENCE)
    transcriber.shutdown()
    assert len(heard.payloads("start")) == len(heard.payloads("completed")) == 1
    assert heard.payloads("error") == []
    assert len(heard.payloads("sentence_begin")) == len(heard.payloads("sentence_end"))
    text = plain(" ".join(payload["result"] for payload in heard.payloads("sentence_end")))
    assert text.startswith("it was the best of times it was the worst of times")


def test_speech_recognizer(server: Running, speech: np.ndarray) -> None:
    heard = Heard()
    recognizer = nls.NlsSpeechRecognizer(
        url=f"{server.ws}/ws/v1/asr",
        token="any",
        appkey="any",
        **heard.callbacks("start", "result_changed", "completed", "error", "close"),
    )
    recognizer.start(aformat="pcm", enable_intermediate_result=False)
    audio = pcm(speech[: 16000 * 4])
    for start in range(0, len(audio), 640):
        recognizer.send_audio(audio[start : start + 640])
    recognizer.stop()
    assert heard.over.wait(PATIENCE)
    recognizer.shutdown()
    assert len(heard.payloads("start")) == 1
    [completed] = heard.payloads("completed")
    assert plain(completed["result"]).startswith("it was the best of times")


def test_a_bad_start_reaches_on_error(server: Running) -> None:
    heard = Heard()
    transcriber = nls.NlsSpeechTranscriber(
        url=f"{server.ws}/ws/v1/asr", token="any", appkey="any", **heard.callbacks("start", "error", "completed")
    )
    transcriber.start(aformat="pcm", sample_rate=12345)
    assert heard.over.wait(PATIENCE)
    transcriber.shutdown()
    assert [name for name, _ in heard.events] == ["error"]


def test_token_is_checked(serving: Callable[..., AbstractContextManager[Running]], speech: np.ndarray) -> None:
    with serving(api_keys=("right",)) as server:
        outcomes = {}
        for token in ("right", "wrong"):
            heard = Heard()
            recognizer = nls.NlsSpeechRecognizer(
                url=f"{server.ws}/ws/v1/asr",
                token=token,
                appkey="any",
                **heard.callbacks("start", "completed", "error"),
            )
            recognizer.start(aformat="pcm")
            if token == "right":
                recognizer.send_audio(pcm(speech[:16000]))
                recognizer.stop()
            assert heard.over.wait(PATIENCE)
            recognizer.shutdown()
            outcomes[token] = [name for name, _ in heard.events if name != "result_changed"]
    assert outcomes == {"right": ["start", "completed"], "wrong": ["error"]}
