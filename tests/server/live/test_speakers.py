"""Speaker labels of live streams in each protocol that has a field for them, with real voices."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from asrcli.audio.resample import Resampler
from asrcli.models import builtin

from .conftest import Client, pcm, silence

pytestmark = pytest.mark.slow
#: who speaks in each part of `talk_of_two`
VOICES = (0, 1, 0, 1)


@pytest.fixture(scope="module")
def talk_of_two(wheel_audio: Path) -> bytes:
    """Two readers in turn, 4 s each with a second of silence after it, 16 kHz; of two voices alike one is slower."""
    if builtin.speaker_entry("segmentation") is None:
        pytest.skip("needs moonshine-voice 0.0.66 to 0.1.0")
    read = [soundfile.read(wheel_audio / name, dtype="float32") for name in ("two_cities.wav", "beckett.wav")]
    parts = []
    for number, voice in enumerate(VOICES):
        samples, rate = read[voice]
        resampler = Resampler(rate, 1)
        whole = np.concatenate([resampler.push(samples[:, None]), resampler.finish()])[:, 0]
        at = (1 + number // 2 * 4) * 16000 + np.arange(4 * 16000) * (1.0, 0.8)[voice]
        parts.append(pcm(np.interp(at, np.arange(len(whole)), whole).astype(np.float32)) + silence(1.2))
    return b"".join(parts)


def in_turn(spoken: list[tuple[float, Any]], first: Any, second: Any) -> None:
    """Check pairs (seconds, label): each part of `talk_of_two` has its speaker's label. The first second is left out:
    a part may start within a word, and a sentence too short to find a voice is of the last speaker.
    """
    for part, voice in enumerate(VOICES):
        labels = {label for time, label in spoken if 5.2 * part + 1 <= time < 5.2 * part + 4}
        assert labels == {(first, second)[voice]}


def test_deepgram(talk: Callable[..., Any], talk_of_two: bytes) -> None:
    async def story(client: Client) -> list[Any]:
        half = len(talk_of_two) // 2
        await client.play(talk_of_two[:half])
        await client.send_json({"type": "Finalize"})  # speakers keep their numbers
        await client.play(talk_of_two[half:])
        await client.send_json({"type": "CloseStream"})
        return await client.hear_until(lambda message: message["type"] == "Metadata")

    messages = talk("/v1/listen?encoding=linear16&sample_rate=16000&diarize=true&interim_results=true", story)
    results = [each for each in messages if each["type"] == "Results"]
    words = [word for each in results if each["is_final"] for word in each["channel"]["alternatives"][0]["words"]]
    in_turn([(word["start"], word["speaker"]) for word in words], 0, 1)


def test_aliyun(talk: Callable[..., Any], talk_of_two: bytes) -> None:
    async def story(client: Client) -> list[Any]:
        header = {"namespace": "SpeechTranscriber", "task_id": "0" * 32}
        payload = {"format": "pcm", "sample_rate": 16000, "enable_words": True, "enable_speaker_diarization": True}
        await client.send_json({"header": header | {"name": "StartTranscription"}, "payload": payload})
        await client.play(talk_of_two)
        await client.send_json({"header": header | {"name": "StopTranscription"}})
        return await client.hear_until(lambda message: message["header"]["name"] == "TranscriptionCompleted")

    ends = [each["payload"] for each in talk("/ws/v1/asr", story) if each["header"]["name"] == "SentenceEnd"]
    spoken = [(word["startTime"] / 1000, word["speaker_id"]) for each in ends for word in each["words"]]
    in_turn(spoken, "说话人1", "说话人2")
    assert {each["speaker_id"] for each in ends} == {"说话人1", "说话人2"}


def test_openai(talk: Callable[..., Any], talk_of_two: bytes) -> None:
    async def story(client: Client) -> list[Any]:
        transcription = {"model": "gpt-4o-transcribe-diarize"}
        audio = {"input": {"transcription": transcription, "format": {"type": "audio/pcm", "rate": 24000}}}
        await client.send_json({"type": "session.update", "session": {"type": "transcription", "audio": audio}})
        samples = np.frombuffer(talk_of_two, "<i2").astype(np.float32) / 32768
        sent = pcm(np.interp(np.arange(0, len(samples), 2 / 3), np.arange(len(samples)), samples).astype(np.float32))
        for start in range(0, len(sent), 48000):
            body = base64.b64encode(sent[start : start + 48000]).decode()
            await client.send_json({"type": "input_audio_buffer.append", "audio": body})
        heard: list[Any] = []
        while not heard or heard[-1].get("end", 0) < 18:
            heard.append(await client.hear())
        return heard

    messages = talk("/v1/realtime?intent=transcription", story)
    segments = [each for each in messages if each["type"].endswith("input_audio_transcription.segment")]
    in_turn([((each["start"] + each["end"]) / 2, each["speaker"]) for each in segments], "A", "B")
    assert all(each["text"] and each["item_id"] for each in segments)


@pytest.mark.parametrize("mode", ["2pass", "offline"])
def test_funasr(talk: Callable[..., Any], talk_of_two: bytes, mode: str) -> None:
    async def story(client: Client) -> list[Any]:
        await client.send_json({"mode": mode, "wav_name": "x", "is_speaking": True, "audio_fs": 16000, "spk": True})
        await client.play(talk_of_two)
        await client.send_json({"is_speaking": False})
        return await client.hear_until(lambda message: message["is_final"])

    parts = [part for each in talk("/", story) for part in each.get("sentence_info", ())]
    in_turn([((part["start"] + part["end"]) / 2000, part["spk"]) for part in parts], 0, 1)
    assert {part["spk_name"] for part in parts} == {"Speaker 1", "Speaker 2"}


def test_funasr_realtime(talk: Callable[..., Any], talk_of_two: bytes) -> None:
    async def story(client: Client) -> list[Any]:
        await client.socket.send("START")
        await client.play(talk_of_two)
        await client.socket.send("STOP")
        return await client.hear_until(lambda message: message.get("event") == "stopped")

    sentences = [each for each in talk("/?spk=true", story) if each.get("is_final")][-1]["sentences"]
    in_turn([((part["start"] + part["end"]) / 2000, part["spk"]) for part in sentences], 0, 1)


def test_two_real_voices_keep_their_numbers(talk: Callable[..., Any], shared: Path, talk_of_two: bytes) -> None:
    from asrcli.evaluate.speaker_words import score_words
    from asrcli.transcript import Word
    from benchmarks.conversations import turns_of

    recording = shared / "data/speakers/librispeech_conv2.wav"
    samples, _ = soundfile.read(recording, dtype="float32")

    async def story(client: Client) -> list[Any]:
        await client.play(pcm(samples))
        await client.send_json({"type": "CloseStream"})
        return await client.hear_until(lambda message: message["type"] == "Metadata")

    results = talk("/v1/listen?encoding=linear16&sample_rate=16000&diarize=true", story)[:-1]
    words = [
        Word(word["word"], word["start"], word["end"], speaker=str(word["speaker"]))
        for each in results
        for word in each["channel"]["alternatives"][0]["words"]
    ]
    assert {word.speaker for word in words} == {"0", "1"}
    wrong = score_words(turns_of(recording), words)
    assert wrong.words > 150
    assert wrong.wrong / wrong.words < 0.05
