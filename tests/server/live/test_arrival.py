"""The same audio gives the same sentences, however its frames arrive and however fast the engine is."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from .conftest import pcm, silence

START = {"mode": "2pass", "wav_name": "demo", "audio_fs": 16000, "is_speaking": True}


@pytest.fixture(scope="module")
def hesitant(speech: np.ndarray) -> bytes:
    """Speech with a pause that ends no sentence, and one that does."""
    quiet = [np.zeros(8000, np.float32), np.zeros(16000, np.float32)]
    parts = [speech[:40000], quiet[0], speech[40000:72000], quiet[1], speech[72000:]]
    return pcm(np.concatenate(parts).astype(np.float32)) + silence(1)


def finals(talk: Any, audio: Any, sizes: Any, haste: Any) -> Any:
    """Texts and time stamps of the sentences. `haste` 0: as fast as possible."""

    async def story(client: Any) -> Any:
        await client.send_json(START)
        position = 0
        for size in sizes:
            piece = audio[position : position + size]
            await (client.speak(piece, haste) if haste else client.play(piece, max(size, 1)))
            position += size
        await client.send_json({"is_speaking": False})
        return await client.hear_until(lambda message: message["is_final"])

    heard = talk("/", story)
    return [(each["text"], each["timestamp"]) for each in heard if each["mode"] == "2pass-offline" and each["text"]]


@pytest.mark.slow
def test_finals_do_not_depend_on_the_arrival_of_frames(talk: Callable[..., Any], hesitant: bytes) -> None:
    random.seed(3)
    irregular = [random.randrange(1, 40000) for _ in range(100)]
    first = finals(talk, hesitant, [len(hesitant)], 0)
    assert len(first) >= 2
    assert all(json.loads(stamps) for _, stamps in first)
    assert finals(talk, hesitant, [len(hesitant)], 6) == first
    assert finals(talk, hesitant, irregular, 0) == first


def test_quiet_speech_has_the_words_of_loud_speech(talk: Callable[..., Any], speech: np.ndarray) -> None:
    def words(gain: float) -> list[str]:
        audio = pcm((speech * gain).astype(np.float32)) + silence(1)
        heard = " ".join(text for text, _ in finals(talk, audio, [len(audio)], 0))
        return heard.lower().split()[:34]  # the clip ends in a word

    assert words(10 ** (-45 / 20)) == words(1.0)
