"""Frames that no client should send: each is answered in its protocol's form, and the next client is served."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import websockets

from tests.server.conftest import Running

from .conftest import PATIENCE, Client, pcm

VALUES = [
    "null",
    "true",
    "-1",
    "1e999",
    "-1e999",
    "1e-999",
    "[]",
    "{}",
    '""',
    '"\\ud800"',
    '"x"',
    "[[[[1]]]]",
    '{"a":{}}',
]
DEEP = "[" * 5000 + "]" * 5000

#: protocol -> path, a frame of JSON text with one field replaced by VALUE, its fields
FUNASR = ["mode", "wav_name", "is_speaking", "chunk_size", "audio_fs", "hotwords", "itn", "svs_lang", "vad_tail_sil"]
FUNASR += ["vad_max_len", "vad_energy", "wav_format", "is_end", "is_finished", "svs_itn"]
QWEN = ["format", "sample_rate", "language", "context", "chunk_size_sec", "unfixed_chunk_num", "unfixed_token_num"]
QWEN += ["enable_inverse_text_normalization"]
ALIYUN = ["format", "sample_rate", "max_sentence_silence", "enable_words", "vocabulary_id", "language", "session_id"]
ALIYUN += ["enable_intermediate_result", "disfluency"]
HEADER = ["namespace", "name", "task_id", "appkey", "message_id"]


def _frames() -> Iterator[tuple[str, str, str]]:
    for value in [*VALUES, DEEP]:
        for field in FUNASR:
            yield "/", f'{{"mode": "2pass", "is_speaking": true, "{field}": {value}}}', '{"is_speaking": false}'
        for field in QWEN:
            yield "/ws/v1/asr/qwen", f'{{"type": "start", "payload": {{"{field}": {value}}}}}', '{"type": "stop"}'
        yield "/ws/v1/asr/qwen", f'{{"type": "start", "payload": {value}}}', '{"type": "stop"}'
        yield "/ws/v1/asr/qwen", f'{{"type": {value}}}', '{"type": "stop"}'
        header = '{"namespace": "SpeechTranscriber", "task_id": "t", "name": '
        start = '{"header": ' + header + '"StartTranscription"%s}, "payload": %s}'
        stop = '{"header": ' + header + '"StopTranscription"}}'
        for field in ALIYUN:
            yield "/ws/v1/asr", start % ("", f'{{"{field}": {value}}}'), stop
        for field in HEADER:
            yield "/ws/v1/asr", start % (f', "{field}": {value}', "{}"), stop
        yield "/ws/v1/asr", start % ("", value), stop
        yield "/ws/v1/asr", f'{{"header": {value}}}', stop


async def _answered(url: str, first: str, last: str) -> list[Any]:
    """The messages of a connection that sends two frames; at least one, all of them JSON objects."""
    async with websockets.connect(url, ping_interval=None, max_size=None) as socket:
        try:
            await socket.send(first)
            await socket.send(last)
            return [json.loads(await asyncio.wait_for(socket.recv(), PATIENCE))]
        except websockets.ConnectionClosed as closed:
            return [closed.rcvd]


@pytest.mark.slow
def test_every_field_with_every_kind_of_value(server: Running, caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        limit = asyncio.Semaphore(8)

        async def one(path: str, first: str, last: str) -> None:
            async with limit:
                answers = await _answered(server.ws + path, first, last)
                assert answers
                assert all(isinstance(answer, dict) for answer in answers), (first[:200], answers)

        await asyncio.gather(*(one(*frame) for frame in _frames()))

    asyncio.run(run())
    assert "Traceback" not in caplog.text
    assert "unexpected" not in caplog.text


ALIYUN_HEADER: dict[str, Any] = {"namespace": "SpeechTranscriber", "task_id": "t", "appkey": None}
ALIYUN_STOP = {"header": ALIYUN_HEADER | {"name": "StopTranscription"}}


@pytest.mark.parametrize(
    ("path", "first", "last"),
    [
        (
            "/ws/v1/asr",
            {"header": ALIYUN_HEADER | {"name": "StartTranscription"}, "payload": dict.fromkeys(ALIYUN)},
            ALIYUN_STOP,
        ),
        (
            "/ws/v1/asr",
            {
                "header": ALIYUN_HEADER | {"name": "StartTranscription"},
                "payload": {"sample_rate": "16000", "enable_words": "true", "max_sentence_silence": "800"},
            },
            ALIYUN_STOP,
        ),
        ("/ws/v1/asr/qwen", {"type": "start", "payload": dict.fromkeys(QWEN)}, {"type": "stop"}),
        ("/ws/v1/asr/qwen", {"type": "start", "payload": {"sample_rate": "16000"}}, {"type": "stop"}),
        ("/", dict.fromkeys(FUNASR) | {"mode": "2pass", "is_speaking": True}, {"is_speaking": False}),
    ],
)
def test_members_that_are_null_count_as_not_sent_and_numbers_may_be_text(
    talk: Callable[..., Any], speech: np.ndarray, path: str, first: dict[str, Any], last: dict[str, Any]
) -> None:
    async def story(client: Client) -> list[dict[str, Any]]:
        await client.send_json(first)
        await client.play(pcm(speech[: 16000 * 3]))
        await client.send_json(last)
        return await client.hear_until(_is_last)

    heard = talk(path, story)
    assert "best of times" in json.dumps(heard).lower()
    assert "None" not in json.dumps(heard)


def _is_last(message: dict[str, Any]) -> bool:
    if message.get("header", {}).get("name", "").endswith(("Completed", "Failed")):
        return True
    return message.get("is_final") is True or message.get("type") in {"final", "error"}


@pytest.mark.parametrize("field", ["chunk_size", "audio_fs", "vad_max_len"])
def test_a_refused_utterance_is_named_as_its_client_named_it(talk: Callable[..., Any], field: str) -> None:
    async def story(client: Client) -> dict[str, Any]:
        await client.send_json({"mode": "2pass", "wav_name": "录音", "is_speaking": True, field: {}})
        return await client.hear()

    refused = talk("/", story)
    assert (refused["mode"], refused["wav_name"]) == ("2pass-offline", "录音")
    assert refused["error"]


@pytest.mark.parametrize(
    "command", ["HOTWORDS:\x00", "LANGUAGE:" + "x" * 100_000, "POSTPROCESS_HOTWORDS:=>", "START:1"]
)
def test_commands_of_the_realtime_server(server: Running, command: str) -> None:
    async def run() -> list[dict[str, Any]]:
        return await _answered(f"{server.ws}/", command, "STOP")

    (answer,) = asyncio.run(run())
    assert "event" in answer
