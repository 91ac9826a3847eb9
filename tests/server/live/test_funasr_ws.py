"""FunASR's runtime protocol over a real socket, with the message sequences of each of its clients."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from tests.server.live.conftest import Client

from .conftest import pcm, plain, silence

#: what funasr_wss_client.py sends first (2026-07-29 and later)
PYTHON_CLIENT = {
    "mode": "2pass",
    "chunk_size": [5, 10, 5],
    "chunk_interval": 10,
    "encoder_chunk_look_back": 4,
    "decoder_chunk_look_back": 0,
    "audio_fs": 16000,
    "wav_name": "demo",
    "wav_format": "pcm",
    "is_speaking": True,
    "hotwords": "",
    "itn": True,
}
END = {"is_speaking": False}
BEST = "it was the best of times it was the worst of times"


def is_final(message: dict[str, Any]) -> bool:
    return message["is_final"]


async def utterance(
    client: Client, audio: bytes, first: dict[str, Any] = PYTHON_CLIENT, end: dict[str, Any] = END, frame: int = 1920
) -> list[dict[str, Any]]:
    await client.send_json(first)
    await client.play(audio, frame)
    await client.send_json(end)
    return await client.hear_until(is_final)


def joined(heard: list[dict[str, Any]], mode: str) -> str:
    return "".join(message["text"] for message in heard if message["mode"] == mode)


def test_2pass_as_the_python_client_speaks_it(talk: Callable[..., Any], speech: np.ndarray) -> None:
    audio = pcm(speech[: 16000 * 5]) + silence(1.5) + pcm(speech[16000 * 5 : 16000 * 9]) + silence(1.5)

    async def story(client: Client) -> tuple[list[dict[str, Any]], dict[str, Any]]:
        assert client.socket.subprotocol == "binary"
        heard = await utterance(client, audio, end={"is_speaking": False, "is_end": True})
        return heard, await client.hear()

    heard, acknowledgement = talk("/", story, subprotocols=["binary"])
    assert [message["is_final"] for message in heard] == [False] * (len(heard) - 1) + [True]
    assert {message["mode"] for message in heard} <= {"2pass-online", "2pass-offline"}
    assert {message["wav_name"] for message in heard} == {"demo"}
    assert plain(joined(heard, "2pass-offline")).startswith(BEST)
    assert "foolishness" in plain(joined(heard, "2pass-offline"))
    assert sum(message["mode"] == "2pass-offline" for message in heard) >= 2
    assert acknowledgement == {"mode": "2pass", "wav_name": "demo", "text": "", "is_final": True, "is_end": True}


def test_time_stamps_are_a_string_for_every_word(talk: Callable[..., Any], speech: np.ndarray) -> None:
    heard = talk("/", lambda client: utterance(client, pcm(speech[: 16000 * 5])))
    message = next(message for message in heard if message["mode"] == "2pass-offline" and message["text"])
    assert isinstance(message["timestamp"], str)
    stamps = json.loads(message["timestamp"])
    assert len(stamps) == len(message["text"].split())
    assert stamps == sorted(stamps)
    assert all(0 <= start <= end <= 5000 for start, end in stamps)
    starts = [stamp[0] for stamp, word in zip(stamps, plain(message["text"]).split(), strict=True) if word == "it"]
    assert starts[:2] == pytest.approx([1210, 2990], abs=150)  # where the sound of both clauses begins
    sentence = message["stamp_sents"][0]
    assert plain(sentence["text_seg"]) == plain(message["text"])[: len(plain(sentence["text_seg"]))]
    assert len(sentence["ts_list"]) == len(sentence["text_seg"].split())
    assert (sentence["start"], sentence["end"]) == (sentence["ts_list"][0][0], sentence["ts_list"][-1][1])


@pytest.mark.slow
def test_online_text_is_appended_and_never_taken_back(talk: Callable[..., Any], speech: np.ndarray) -> None:
    first = {**PYTHON_CLIENT, "mode": "online"}

    async def story(client: Client) -> list[dict[str, Any]]:
        await client.send_json(first)
        await client.play(pcm(speech[: 16000 * 3]))
        growing = await client.hear()  # before the sentence ends, however slow the machine is
        await client.play(pcm(speech[16000 * 3 : 16000 * 6]) + silence(1))
        await client.send_json(END)
        return [growing, *await client.hear_until(is_final)]

    heard = talk("/", story)
    assert {message["mode"] for message in heard} == {"online"}
    assert len(heard) > 1
    assert heard[0]["text"]
    assert all("timestamp" not in message for message in heard)
    assert plain(joined(heard, "online")).startswith(BEST)


def test_offline_is_one_message_and_the_connection_goes_on(talk: Callable[..., Any], speech: np.ndarray) -> None:
    """The C++ client: no mode, several files on a connection, hotwords with the first alone."""
    first = {"chunk_size": [5, 10, 5], "chunk_interval": 10, "wav_name": "a", "wav_format": "pcm", "audio_fs": 16000,
             "itn": True, "is_speaking": True, "hotwords": '{"Dickens": 20}'}  # fmt: skip
    second = {key: value for key, value in first.items() if key != "hotwords"} | {"wav_name": "b"}

    async def story(client: Client) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        one = await utterance(client, pcm(speech[: 16000 * 5]), first, frame=204800)
        two = await utterance(client, pcm(speech[16000 * 5 : 16000 * 9]), second, {"is_finished": True})
        return one, two

    [one], [two] = talk("/", story)
    assert (one["mode"], one["wav_name"], one["is_final"]) == ("offline", "a", True)
    assert plain(one["text"]).startswith(BEST)
    assert json.loads(one["timestamp"])
    assert (two["mode"], two["wav_name"], two["is_final"]) == ("offline", "b", True)
    assert "foolishness" in plain(two["text"])


@pytest.mark.parametrize("mode", ["offline", "2pass"])
def test_html5_sends_a_wav_file_and_calls_it_pcm(
    talk: Callable[..., Any], speech: np.ndarray, tmp_path: Path, mode: str
) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, speech[: 16000 * 5], 16000, subtype="PCM_16")
    same = {"chunk_size": [5, 10, 5], "wav_name": "h5", "chunk_interval": 10, "mode": mode}
    hotwords = '{"阿里巴巴":20,"hello world":40}'
    first = {**same, "is_speaking": True, "itn": False, "wav_format": "PCM", "audio_fs": 16000, "hotwords": hotwords}
    end = {**same, "is_speaking": False}
    heard = talk("/", lambda client: utterance(client, path.read_bytes(), first, end, frame=960))
    label = "offline" if mode == "offline" else "2pass-offline"
    assert plain(joined(heard, label)).startswith(BEST)


@pytest.mark.parametrize("mode", ["offline", "2pass"])
def test_containers_are_decoded_when_they_are_whole(
    talk: Callable[..., Any], speech: np.ndarray, tmp_path: Path, mode: str
) -> None:
    path = tmp_path / "a.flac"
    soundfile.write(path, speech[: 16000 * 5], 16000)
    first = {**PYTHON_CLIENT, "mode": mode, "wav_format": "others"}
    [message] = talk("/", lambda client: utterance(client, path.read_bytes(), first))
    assert plain(message["text"]).startswith(BEST)
    assert message["is_final"]


@pytest.mark.parametrize("mode", ["offline", "2pass"])
def test_telephone_audio(talk: Callable[..., Any], speech: np.ndarray, mode: str) -> None:
    audio = pcm(speech[: 16000 * 5].reshape(-1, 2).mean(axis=1))
    first = {**PYTHON_CLIENT, "mode": mode, "audio_fs": 8000}
    heard = talk("/", lambda client: utterance(client, audio, first))
    assert plain(heard[0]["text"] if mode == "offline" else joined(heard, "2pass-offline")).startswith(BEST)


@pytest.mark.parametrize("mode", ["offline", "online", "2pass"])
@pytest.mark.parametrize("seconds", [0, 2])
def test_silence_is_answered(talk: Callable[..., Any], mode: str, seconds: int) -> None:
    [message] = talk("/", lambda client: utterance(client, silence(seconds), {**PYTHON_CLIENT, "mode": mode}))
    label = "2pass-offline" if mode == "2pass" else mode
    assert message == {"mode": label, "text": "", "wav_name": "demo", "is_final": True}


def test_audio_before_any_text_is_16_khz_pcm(talk: Callable[..., Any], speech: np.ndarray) -> None:
    async def story(client: Client) -> list[dict[str, Any]]:
        await client.play(pcm(speech[: 16000 * 5]))
        await client.send_json(END)
        return await client.hear_until(is_final)

    [message] = talk("/", story)
    assert plain(message["text"]).startswith(BEST)


@pytest.mark.parametrize(
    "first",
    [
        {"mode": "sideways"},
        {"chunk_size": [5, 0, 5]},
        {"chunk_size": "five"},
        {"audio_fs": "fast"},
        {"hotwords": '{"word": 4000}'},
        {"svs_lang": "tlh", "mode": "2pass"},
        {"wav_format": "mp3", "mode": "offline"},
    ],
)
def test_an_invalid_message_is_reported_and_the_next_utterance_works(
    talk: Callable[..., Any], speech: np.ndarray, first: dict[str, Any]
) -> None:
    async def story(client: Client) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        await client.send_json({**PYTHON_CLIENT, **first})
        await client.play(pcm(speech[:16000]))
        await client.send_json({"is_speaking": False, "is_end": True})
        failed = await client.hear_until(lambda message: message.get("is_end"))
        return failed, await utterance(client, pcm(speech[: 16000 * 5]), {**PYTHON_CLIENT, "svs_lang": "auto"})

    [failure, acknowledgement], heard = talk("/", story)
    assert failure["error"]
    assert (failure["text"], failure["is_final"]) == ("", True)
    assert (acknowledgement["is_end"], acknowledgement["is_final"]) == (True, False)
    assert acknowledgement["error"] == failure["error"]
    assert plain(joined(heard, "2pass-offline")).startswith(BEST)


def test_a_recording_in_a_language_that_the_model_lacks_is_refused_before_its_audio(talk: Callable[..., Any]) -> None:
    async def story(client: Client) -> dict[str, Any]:
        await client.send_json({**PYTHON_CLIENT, "mode": "offline", "svs_lang": "de"})
        return await client.hear()

    message = talk("/", story)
    assert "does not support the language 'de'" in message["error"]
    assert (message["text"], message["is_final"]) == ("", True)


def test_bad_json_is_reported_too(talk: Callable[..., Any]) -> None:
    async def story(client: Client) -> dict[str, Any]:
        await client.send_json(PYTHON_CLIENT)
        await client.socket.send("{nonsense")
        return await client.hear()

    message = talk("/", story)
    assert message["error"]
    assert message["text"] == ""


def test_vad_tail_sil_divides_sentences(talk: Callable[..., Any], speech: np.ndarray) -> None:
    audio = pcm(speech[: 16000 * 3]) + silence(1.0) + pcm(speech[16000 * 3 : 16000 * 5])

    def sentences(milliseconds: int) -> list[tuple[str, list[list[int]]]]:
        """Words and times of each sentence."""
        first = {**PYTHON_CLIENT, "vad_tail_sil": milliseconds}
        heard = talk("/", lambda client: utterance(client, audio, first))
        ended = [message for message in heard if message["mode"] == "2pass-offline" and message["text"]]
        return [(plain(message["text"]), json.loads(message["timestamp"])) for message in ended]

    ((whole, _),) = sentences(3000)
    (before, early), *_, (after, late) = sentences(600)
    assert before.startswith("it was the best of times")
    assert whole.startswith("it was the best of times")
    assert "worst" not in before
    assert "worst of times" in after
    assert "worst of times" in whole
    assert early[-1][1] <= 3100
    assert late[0][0] >= 3900


@pytest.mark.parametrize(
    "end",
    ['{"is_speaking": false', "[]", '{"is_speaking": "False"}', '{"is_speaking": 0}', '{"is_end": true}',
     '{"is_finished": "true"}'],
)  # fmt: skip
def test_every_utterance_is_answered_however_its_end_is_written(
    talk: Callable[..., Any], speech: np.ndarray, end: str
) -> None:
    async def story(client: Client) -> list[dict[str, Any]]:
        heard = []
        for name, last in (("a", end), ("b", '{"is_speaking": false}')):
            await client.send_json({"mode": "OFFLINE", "wav_name": name, "is_speaking": True})
            await client.play(pcm(speech[: 16000 * 4]))
            await client.socket.send(last)
            heard.append((await client.hear_until(lambda message: message["is_final"]))[-1])
            if "is_end" in last:
                await client.hear()
        return heard

    first, second = talk("/", story)
    assert (first["wav_name"], second["wav_name"]) == ("a", "b")
    assert ("error" in first) == (end[-1] != "}"), "cut frames and lists are errors"
    for message in (second,) if "error" in first else (first, second):
        assert plain(message["text"]).startswith("it was the best of times")


def test_a_fault_in_the_end_frame_does_not_swallow_the_next_utterance(
    talk: Callable[..., Any], speech: np.ndarray
) -> None:
    async def story(client: Client) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        failed = []
        for fault in ({"chunk_size": [0]}, {"audio_fs": "fast"}, {"hotwords": 7}):
            await client.send_json({"mode": "2pass", "wav_name": "a", "is_speaking": True})
            await client.play(pcm(speech[:16000]))
            await client.send_json({"is_speaking": False, "wav_name": "a"} | fault)
            failed.append((await client.hear_until(lambda message: message["is_final"]))[-1])
        await client.send_json({"mode": "2pass", "wav_name": "b", "is_speaking": True})
        await client.play(pcm(speech[: 16000 * 4]))
        await client.send_json({"is_speaking": False})
        return failed, await client.hear_until(lambda message: message["is_final"])

    failed, heard = talk("/", story)
    assert all("error" in message for message in failed)
    text = "".join(message["text"] for message in heard if message["mode"] == "2pass-offline")
    assert plain(text).startswith("it was the best of times")
    assert heard[-1]["wav_name"] == "b"
