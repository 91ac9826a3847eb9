"""funasr-api's qwen protocol over a real socket."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from tests.server.live.conftest import Client

from .conftest import pcm, plain, silence

START = {"type": "start", "payload": {"format": "pcm", "sample_rate": 16000, "language": None, "context": ""}}
STOP = {"type": "stop"}


def is_over(message: dict[str, Any]) -> bool:
    return message["type"] == "final"


def test_segments_and_final(talk: Callable[..., Any], speech: np.ndarray) -> None:
    async def story(client: Client) -> tuple[dict[str, Any], list[dict[str, Any]], list[dict[str, Any]], int]:
        await client.send_json(START)
        started = await client.hear()
        await client.play(pcm(speech[: 16000 * 4]) + silence(2.5))
        first = await client.hear_until(lambda message: message["type"] == "segment_start")
        await client.play(pcm(speech[16000 * 5 : 16000 * 9]))
        await client.send_json(STOP)
        rest = await client.hear_until(is_over)
        return started, first, rest, await client.gone()

    started, first, rest, code = talk("/ws/v1/asr/qwen?task_id=mine", story)
    assert {message["task_id"] for message in [started, *first, *rest]} == {"mine"}
    assert started["params"]["sample_rate"] == 16000
    assert started["params"]["chunk_size_sec"] == 2.0
    end, begin = first[-2:]
    assert (end["type"], end["segment_index"], end["reason"], begin["segment_index"]) == (
        "segment_end",
        0,
        "silence",
        1,
    )
    assert plain(end["result"]["text"]).startswith("it was the best of times")
    assert end["result"]["text"] == end["result"]["segment_text"]
    assert end["confirmed_texts"] == [end["result"]["text"]]
    for message in rest[:-1]:
        assert message["type"] == "result"
        assert message["confirmed_segments_count"] == message["segment_index"] == 1
        [result] = message["results"]
        assert result["text"] == end["result"]["text"] + "\n" + result["current_segment_text"]
        assert result["is_partial"]
    final = rest[-1]["result"]
    assert "foolishness" in plain(final["text"])
    assert final["full_text"] == end["result"]["text"] + "\n" + final["text"]
    assert [segment["reason"] for segment in final["segments"]] == ["silence", "final"]
    assert final["total_segments"] == 2
    assert code == 1000


def test_words_have_times_on_request(talk: Callable[..., Any], speech: np.ndarray) -> None:
    async def story(client: Client) -> tuple[dict[str, Any], dict[str, Any]]:
        await client.send_json({"type": "start", "payload": {"word_timestamps": True}})
        await client.play(pcm(speech[: 16000 * 4]) + silence(2.5))
        first = await client.hear_until(lambda message: message["type"] == "segment_end")
        await client.play(pcm(speech[16000 * 5 : 16000 * 9]))
        await client.send_json(STOP)
        return first[-1]["result"], (await client.hear_until(is_over))[-1]["result"]

    ended, final = talk("/ws/v1/asr/qwen", story)
    assert ended["word_tokens"] == final["segments"][0]["word_tokens"]
    words = [word for segment in final["segments"] for word in segment["word_tokens"]]
    assert plain(" ".join(word["text"] for word in words)) == plain(final["full_text"])
    assert words[0]["start_time"] < 4
    assert all(word["start_time"] <= word["end_time"] for word in words)
    assert all(before["start_time"] <= after["start_time"] for before, after in pairwise(words))
    assert words[-1]["start_time"] > 6.5, "seconds of the stream, not of the segment"


def test_silence_has_an_empty_final(talk: Callable[..., Any]) -> None:
    async def story(client: Client) -> list[dict[str, Any]]:
        await client.send_json(START)
        await client.play(silence(1))
        await client.send_json(STOP)
        return await client.hear_until(is_over)

    started, final = talk("/ws/v1/asr/qwen", story)
    assert len(started["task_id"]) == 8
    assert final["result"]["full_text"] == ""
    assert final["result"]["segments"] == []


def test_errors_are_reported_and_the_connection_stays_open(talk: Callable[..., Any], speech: np.ndarray) -> None:
    async def story(client: Client) -> tuple[list[str | None], dict[str, Any]]:
        codes = []
        bad = {"type": "start", "payload": {"sample_rate": "fast"}}
        for frame in (b"\0\0", {"type": "jump"}, bad, START, START):
            await (client.socket.send(frame) if isinstance(frame, bytes) else client.send_json(frame))
            message = await client.hear()
            codes.append(message.get("error_code"))
        await client.play(pcm(speech[: 16000 * 4]))
        await client.send_json(STOP)
        return codes, (await client.hear_until(is_over))[-1]

    codes, final = talk("/ws/v1/asr/qwen", story)
    assert codes == ["INVALID_STATE", "INVALID_MESSAGE", "INVALID_PARAMETER", None, "INVALID_STATE"]
    assert plain(final["result"]["text"]).startswith("it was the best of times")


@pytest.mark.parametrize("path", ["/ws/v1/asr/qwen", "/"])
def test_it_is_known_by_its_first_frame(talk: Callable[..., Any], path: str) -> None:
    async def story(client: Client) -> tuple[dict[str, Any], int]:
        await client.send_json({"type": "start", "payload": {"language": "tlh"}})
        return await client.hear(), await client.gone()

    message, code = talk(path, story)
    assert (message["type"], message["error_code"]) == ("error", "INVALID_PARAMETER")
    assert code == 1000
