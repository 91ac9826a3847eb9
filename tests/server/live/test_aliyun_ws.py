"""Aliyun's SpeechTranscriber and SpeechRecognizer over a real socket, with the embedded model."""

from __future__ import annotations

import re
import subprocess
import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import soundfile

from asrcli.audio.ffmpeg.process import find_ffmpeg
from tests.server.live.conftest import Client

from .conftest import pcm, plain, silence

#: the vocabulary is one that the embedded model has no use for
WORDS_WANTED = {"enable_words": True, "session_id": "s1", "vocabulary_id": "Dickens 20 Paris 30"}
TASK = "0123456789abcdef0123456789abcdef"


def directive(
    name: str,
    payload: dict[str, Any] | None = None,
    *,
    task: str = TASK,
    namespace: str = "SpeechTranscriber",
    **header: Any,
) -> dict[str, dict[str, Any]]:
    body = {"header": {"message_id": "1" * 32, "task_id": task, "namespace": namespace, "name": name, **header}}
    return body if payload is None else {**body, "payload": payload}


def name_of(message: dict[str, Any]) -> str:
    return message["header"]["name"]


def is_over(message: dict[str, Any]) -> bool:
    return name_of(message) in {"TranscriptionCompleted", "RecognitionCompleted", "TaskFailed"}


async def transcribe(
    client: Client, audio: bytes, payload: dict[str, Any], **header: Any
) -> list[dict[str, dict[str, Any]]]:
    await client.send_json(directive("StartTranscription", payload, **header))
    await client.play(audio)
    await client.send_json(directive("StopTranscription"))
    return await client.hear_until(is_over)


@pytest.mark.parametrize("path", ["/ws/v1/asr", "/ws/v1", "/ws/v1/asr/funasr", "/"])
def test_sentences_in_order_wherever_it_is_spoken(talk: Callable[..., Any], speech: np.ndarray, path: str) -> None:
    audio = pcm(speech[: 16000 * 5]) + silence(1.5) + pcm(speech[16000 * 5 : 16000 * 9])
    heard = talk(path, lambda client: transcribe(client, audio, WORDS_WANTED))
    assert heard[0]["payload"] == {"session_id": "s1"}
    for message in heard:
        header = message["header"]
        assert (header["namespace"], header["status"], header["task_id"]) == ("SpeechTranscriber", 20000000, TASK)
        assert re.fullmatch("[0-9a-f]{32}", header["message_id"])
        assert header["status_text"] == "Gateway:SUCCESS:Success."
        assert header["status_message"] == "GATEWAY|SUCCESS|Success."
    names = "".join(
        {"Begin": "<", "Changed": "~", "End": ">"}.get(re.sub(".*(?=Begin|Changed|End)", "", n), "|")
        for n in map(name_of, heard)
    )
    assert re.fullmatch(r"\|(<~*>)+\|", names), names
    assert "payload" not in heard[-1]
    ends = [message["payload"] for message in heard if name_of(message) == "SentenceEnd"]
    begins = [message["payload"] for message in heard if name_of(message) == "SentenceBegin"]
    assert [end["index"] for end in ends] == list(range(1, len(ends) + 1))
    assert [end["begin_time"] for end in ends] == [begin["time"] for begin in begins]
    text = plain(" ".join(end["result"] for end in ends))
    assert text.startswith("it was the best of times it was the worst of times")
    assert "foolishness" in text
    for end in ends:
        assert 0 <= end["begin_time"] < end["time"] <= len(audio) / 32
        assert [word["text"] for word in end["words"]] == end["result"].split()
        assert all(end["begin_time"] <= word["startTime"] < word["endTime"] <= end["time"] for word in end["words"])


def test_partial_results_come_while_speaking_and_grow(talk: Callable[..., Any], speech: np.ndarray) -> None:
    async def story(client: Client) -> tuple[dict[str, Any], dict[str, Any], list[dict[str, Any]]]:
        await client.send_json(directive("StartTranscription", {"enable_intermediate_result": True}, appkey="a"))
        await client.play(pcm(speech[: 16000 * 2]))
        first = await client.hear_until(lambda message: name_of(message) == "TranscriptionResultChanged")
        await client.play(pcm(speech[16000 * 2 : 16000 * 4]))
        second = await client.hear_until(lambda message: name_of(message) == "TranscriptionResultChanged")
        await client.send_json(directive("StopTranscription"))
        return first[-1]["payload"], second[-1]["payload"], await client.hear_until(is_over)

    first, second, rest = talk("/ws/v1/asr", story)
    assert plain(first["result"]).startswith("it was")
    assert first["index"] == second["index"] == 1
    assert first["time"] < second["time"]
    assert [name_of(message) for message in rest[-2:]] == ["SentenceEnd", "TranscriptionCompleted"]
    assert plain(rest[-2]["payload"]["result"]).startswith("it was the best of times")


def test_an_appkey_turns_partial_results_off_unless_asked_for(talk: Callable[..., Any], speech: np.ndarray) -> None:
    audio = pcm(speech[: 16000 * 4])
    heard = talk("/ws/v1/asr", lambda client: transcribe(client, audio, {}, appkey="key"))
    assert [name_of(m) for m in heard] == [
        "TranscriptionStarted",
        "SentenceBegin",
        "SentenceEnd",
        "TranscriptionCompleted",
    ]
    assert "words" not in heard[2]["payload"]


def test_silence_has_no_sentences(talk: Callable[..., Any]) -> None:
    heard = talk("/ws/v1/asr", lambda client: transcribe(client, silence(3), {}))
    assert [name_of(message) for message in heard] == ["TranscriptionStarted", "TranscriptionCompleted"]


def test_the_pause_that_ends_a_sentence_is_the_client_s(talk: Callable[..., Any], speech: np.ndarray) -> None:
    audio = pcm(speech[: 16000 * 3]) + silence(1.0) + pcm(speech[16000 * 3 : 16000 * 5])

    def sentences(pause: int) -> list[dict[str, Any]]:
        heard = talk("/ws/v1/asr", lambda client: transcribe(client, audio, {"max_sentence_silence": pause}))
        return [message["payload"] for message in heard if name_of(message) == "SentenceEnd"]

    (whole,) = sentences(3000)
    first, *_, last = sentences(600)
    assert plain(first["result"]).startswith("it was the best of times")
    assert "worst" not in first["result"]
    assert "worst of times" in plain(last["result"])
    assert re.fullmatch("it was the best of times.* worst of times", plain(whole["result"]))
    assert first["time"] < 3900
    assert last["begin_time"] >= 3900


def test_wav_header_odd_frames_and_other_rates(talk: Callable[..., Any], speech: np.ndarray) -> None:
    header = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x80\x3e\0\0\x02\0\x10\0data\xff\xff\xff\xff"
    audio = header + pcm(speech[: 16000 * 5].reshape(-1, 2).mean(axis=1))

    async def story(client: Client) -> list[dict[str, dict[str, Any]]]:
        await client.send_json(directive("StartTranscription", {"format": "wav", "sample_rate": 8000}))
        await client.play(audio, frame=333)
        await client.send_json(directive("ControlTranscriber", {"x": 1}))
        await client.send_json(directive("StopTranscription"))
        return await client.hear_until(is_over)

    heard = talk("/ws/v1/asr", story)
    text = plain(" ".join(m["payload"]["result"] for m in heard if name_of(m) == "SentenceEnd"))
    assert text.startswith("it was the best of times it was the worst")


@pytest.fixture(scope="module")
def compressed(speech: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., bytes]:
    """Five seconds of speech, as Aliyun's formats."""
    folder = tmp_path_factory.mktemp("compressed")
    wav = folder / "speech.wav"
    soundfile.write(wav, speech[: 16000 * 5], 16000)
    kinds = {"opus": ("ogg", "libopus"), "mp3": ("mp3", "libmp3lame"), "aac": ("adts", "aac"), "amr": ("amr", None)}

    def encode(name: str) -> bytes:
        container, codec = kinds[name]
        how = ["-c:a", codec] if codec else ["-c:a", "libopencore_amrnb", "-ar", "8000"]
        command: list[Any] = [find_ffmpeg(), "-v", "error", "-i", wav, *how, "-f", container, folder / name]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if "Unknown encoder" in done.stderr:
            pytest.skip(f"this ffmpeg writes no {name}")
        return (folder / name).read_bytes()

    return encode


@pytest.mark.parametrize("name", ["opus", "mp3", "aac", "amr"])
def test_compressed_streams_are_decoded_while_they_come(
    talk: Callable[..., Any], compressed: Callable[..., bytes], name: str
) -> None:
    audio = compressed(name)

    async def story(client: Client) -> list[dict[str, dict[str, Any]]]:
        await client.send_json(directive("StartTranscription", {"format": name, "sample_rate": 16000}))
        await client.play(audio[: len(audio) * 4 // 5], frame=301)
        first = await client.hear_until(lambda message: name_of(message) == "SentenceBegin")
        await client.play(audio[len(audio) * 4 // 5 :], frame=301)
        await client.send_json(directive("StopTranscription"))
        return first + await client.hear_until(is_over)

    heard = talk("/ws/v1/asr", story)
    text = plain(" ".join(m["payload"]["result"] for m in heard if name_of(m) == "SentenceEnd"))
    assert text.startswith("it was the best of times it was the worst")
    assert name_of(heard[-1]) == "TranscriptionCompleted"


def test_a_decoder_ends_with_its_client(talk: Callable[..., Any], compressed: Callable[..., bytes]) -> None:
    audio = compressed("mp3")

    async def story(client: Client) -> None:
        await client.send_json(directive("StartTranscription", {"format": "mp3"}))
        await client.play(audio[: len(audio) // 2])
        await client.hear_until(lambda message: name_of(message) == "SentenceBegin")
        client.socket.transport.abort()

    talk("/ws/v1/asr", story)
    deadline = time.monotonic() + 30
    while any(thread.name == "live-decoder" for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_one_sentence_recognizer(talk: Callable[..., Any], speech: np.ndarray) -> None:
    async def story(client: Client) -> list[dict[str, dict[str, Any]]]:
        await client.send_json(directive("StartRecognition", {}, namespace="SpeechRecognizer", appkey="a"))
        await client.play(pcm(speech[: 16000 * 4]))
        await client.send_json(directive("StopRecognition", namespace="SpeechRecognizer"))
        return await client.hear_until(is_over)

    started, completed = talk("/ws/v1/asr", story)
    assert name_of(started) == "RecognitionStarted"
    assert name_of(completed) == "RecognitionCompleted"
    assert plain(completed["payload"]["result"]).startswith("it was the best of times")


@pytest.mark.parametrize(
    ("frames", "status"),
    [
        (["{"], 40000002),
        ([directive("StartTranscription", {}, namespace="Nonsense")], 40000002),
        ([directive("StopTranscription")], 40000002),
        ([b"\0\0"], 40000002),
        ([directive("StartTranscription", {"sample_rate": 12345})], 41010101),
        ([directive("StartTranscription", {"sample_rate": [16000]})], 41010101),
        ([directive("StartTranscription", {"format": "midi"})], 40000003),
        (
            [directive("StartTranscription", {"format": "mp3"}), b"no sound " * 2000, directive("StopTranscription")],
            40270003,
        ),
        ([directive("StartTranscription", {"format": "opus"}), directive("StopTranscription")], 40270003),
        ([directive("StartTranscription", {"max_sentence_silence": "long"})], 40000003),
        ([directive("StartTranscription", {"language": "tlh"})], 40000003),
        ([directive("StartTranscription", {"vocabulary_id": "word 4000"})], 40000003),
        ([directive("StartTranscription", {}), directive("StartTranscription", {})], 40010005),
        ([directive("StartTranscription", {}), directive("StopTranscription", task="f" * 32)], 40000002),
        ([directive("StartTranscription", {}), "[]"], 40000002),
    ],
)
def test_what_breaks_the_protocol_fails_the_task_and_closes(
    talk: Callable[..., Any], frames: list[Any], status: int
) -> None:
    async def story(client: Client) -> tuple[dict[str, Any], bool, int]:
        for frame in frames:
            await (client.send_json(frame) if isinstance(frame, dict) else client.socket.send(frame))
        heard = await client.hear_until(is_over)
        return heard[-1]["header"], "payload" in heard[-1], await client.gone()

    header, has_payload, code = talk("/ws/v1/asr", story)
    assert (header["name"], header["status"]) == ("TaskFailed", status)
    assert header["status_text"]
    assert not has_payload
    assert code == 1000
