"""A streaming model beside the embedded one: its words while someone speaks, the embedded model's when they end."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from tests.server.live.conftest import Client
from tests.tone import WORDS

from .conftest import pcm, plain, silence


def test_2pass_and_online(
    serving: Callable[..., Any], tone_models: Callable[..., Path], talk: Callable[..., Any], speech: np.ndarray
) -> None:
    settings = {"streaming_model": str(tone_models("online_transducer"))}

    def speak(mode: str) -> Callable[..., Any]:
        async def story(client: Client) -> list[dict[str, Any]]:
            await client.send_json({"mode": mode, "wav_name": "a", "is_speaking": True})
            await client.play(pcm(speech[: 16000 * 5]) + silence(1))
            await client.send_json({"is_speaking": False})
            return await client.hear_until(lambda message: message["is_final"])

        return story

    with serving(**settings) as server:
        heard = talk("/", speak("2pass"), to=server)
        online = talk("/", speak("online"), to=server)
    text = "".join(message["text"] for message in heard if message["mode"] == "2pass-offline")
    assert plain(text).startswith("it was the best of times it was the worst of times")
    # The model of tones detects tones in speech.
    for messages in (heard, online):
        tones = "".join(message["text"] for message in messages if message["mode"].endswith("online"))
        assert set(tones.replace("高", " 高 ").split()) <= set(WORDS)
    assert tones
    assert {message["mode"] for message in online} == {"online"}
