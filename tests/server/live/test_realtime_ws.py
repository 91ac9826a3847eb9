"""The bare-text protocol of funasr-realtime-server over a real socket."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.server.live.conftest import Client

from .conftest import pcm, plain, silence


def is_over(message: dict[str, Any]) -> bool:
    return message.get("is_final") or message.get("event") == "error"


async def say(client: Client, command: str) -> dict[str, Any]:
    await client.socket.send(command)
    return await client.hear()


def test_start_audio_stop(talk: Callable[..., Any], speech: np.ndarray) -> None:
    async def story(client: Client) -> tuple[list[dict[str, Any]], dict[str, str]]:
        assert await say(client, "START") == {"event": "started"}
        await client.play(pcm(speech[: 16000 * 5]) + silence(1.5) + pcm(speech[16000 * 5 : 16000 * 9]))
        await client.socket.send("stop")
        return await client.hear_until(is_over), await client.hear()

    heard, stopped = talk("/", story)
    assert stopped == {"event": "stopped"}
    counts = [len(message["sentences"]) for message in heard]
    assert counts == sorted(counts)
    final = heard[-1]
    assert (final["partial"], final["partial_start_ms"]) == ("", 0)
    assert final["duration_ms"] == 10500
    assert len(final["sentences"]) >= 2
    times = [time for sentence in final["sentences"] for time in (sentence["start"], sentence["end"])]
    assert times == sorted(times)
    text = plain(" ".join(sentence["text"] for sentence in final["sentences"]))
    assert text.startswith("it was the best of times it was the worst of times")
    assert "foolishness" in text


def test_commit_ends_an_utterance_and_keeps_the_session(talk: Callable[..., Any], speech: np.ndarray) -> None:
    async def story(client: Client) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any], dict[str, str]]:
        await say(client, "START")
        await client.play(pcm(speech[: 16000 * 4]))
        await client.socket.send("COMMIT")
        first = (await client.hear_until(is_over))[-1]
        await client.play(pcm(speech[16000 * 5 : 16000 * 9]))
        await client.socket.send("COMMIT")
        second = (await client.hear_until(is_over))[-1]
        await client.socket.send("STOP")
        return first, second, await client.hear(), await client.hear()

    first, second, rest, stopped = talk("/", story)
    assert plain(first["sentences"][0]["text"]).startswith("it was the best of times")
    assert "foolishness" in plain(" ".join(sentence["text"] for sentence in second["sentences"]))
    assert second["sentences"][0]["start"] >= 4000
    assert second["duration_ms"] == 8000
    assert (rest["sentences"], rest["is_final"], rest["duration_ms"]) == ([], True, 8000)
    assert stopped == {"event": "stopped"}


def test_commands(talk: Callable[..., Any], speech: np.ndarray) -> None:
    async def story(client: Client) -> dict[str, Any]:
        assert await say(client, "Hotwords: Dickens, Paris") == {
            "event": "hotwords_set",
            "hotwords": ["Dickens", "Paris"],
        }
        assert await say(client, "LANGUAGE:en") == {"event": "language_set", "language": "en"}
        answer = await say(client, "POSTPROCESS_HOTWORDS:best=>finest,worst=>darkest")
        assert answer["hotwords"] == ["best=>finest", "worst=>darkest"]
        assert (await say(client, "COMMIT"))["event"] == "error"
        assert (await say(client, "DANCE"))["event"] == "error"
        assert (await say(client, "POSTPROCESS_HOTWORDS:nonsense"))["event"] == "error"
        await say(client, "START")
        await client.play(pcm(speech[: 16000 * 4]))
        await client.socket.send("STOP")
        return (await client.hear_until(is_over))[-1]

    final = talk("/", story)
    assert plain(final["sentences"][0]["text"]).startswith("it was the finest of times")


def test_a_command_that_is_not_understood_leaves_the_audio(talk: Callable[..., Any], speech: np.ndarray) -> None:
    async def story(client: Client) -> list[dict[str, Any]]:
        await say(client, "START")
        await client.play(pcm(speech[: 16000 * 2]))
        await client.socket.send("DANCE")
        await client.socket.send("POSTPROCESS_HOTWORDS:nonsense")
        await client.play(pcm(speech[16000 * 2 : 16000 * 4]))
        await client.socket.send("STOP")
        return await client.hear_until(lambda message: message.get("event") == "stopped")

    heard = talk("/", story)
    final = heard[-2]
    text = plain(" ".join(each["text"] for each in final["sentences"]))
    assert text.startswith("it was the best of times it was the")
    assert final["duration_ms"] == 4000
    assert len([message for message in heard if message.get("event") == "error"]) == 2


def test_a_language_the_model_cannot_do_is_an_error_and_the_next_start_works(
    talk: Callable[..., Any], speech: np.ndarray
) -> None:
    async def story(client: Client) -> tuple[dict[str, str], dict[str, Any]]:
        await say(client, "LANGUAGE:tlh")
        await say(client, "START")
        await client.play(pcm(speech[:1600]))
        error = await client.hear()
        await say(client, "LANGUAGE:")
        await say(client, "START")
        await client.play(pcm(speech[: 16000 * 4]))
        await client.socket.send("STOP")
        return error, (await client.hear_until(is_over))[-1]

    error, final = talk("/", story)
    assert error["event"] == "error"
    assert final["sentences"]


@pytest.mark.bound("replacements of `POSTPROCESS_HOTWORDS`; its error")
def test_replacements_are_made_in_one_pass_and_are_bounded(talk: Callable[..., Any], speech: np.ndarray) -> None:
    doubling = ",".join(["best=>ee", *["e=>ee"] * 100, "ee=>eeee"])

    async def story(client: Client) -> tuple[dict[str, Any], dict[str, str], dict[str, str]]:
        await say(client, f"POSTPROCESS_HOTWORDS:{doubling}")
        await say(client, "START")
        await client.play(pcm(speech[: 16000 * 4]))
        await client.socket.send("STOP")
        final = (await client.hear_until(is_over))[-1]
        assert await client.hear() == {"event": "stopped"}
        too_many = await say(client, "POSTPROCESS_HOTWORDS:" + ",".join(f"{n}=>x" for n in range(1000)))
        too_long = await say(client, "POSTPROCESS_HOTWORDS:a=>" + "x" * 1000)
        return final, too_many, too_long

    final, too_many, too_long = talk("/", story)
    text = final["sentences"][0]["text"]
    assert "ee of timees" in text
    assert too_many["event"] == too_long["event"] == "error"


@pytest.mark.bound("hotwords of a request; 400 or the protocol's error")
def test_too_many_hotwords_are_refused_and_the_connection_goes_on(talk: Callable[..., Any]) -> None:
    async def story(client: Client) -> tuple[dict[str, str], dict[str, str], dict[str, str], dict[str, Any]]:
        many = await say(client, "HOTWORDS:" + ",".join(f"word{n}" for n in range(5000)))
        long = await say(client, "HOTWORDS:" + "x" * 500)
        colons = await say(client, "HOTWORDS:" + ":" * 100_000)
        good = await say(client, "HOTWORDS:Dickens")
        return many, long, colons, good

    many, long, colons, good = talk("/", story)
    assert many["event"] == long["event"] == colons["event"] == "error"
    assert good == {"event": "hotwords_set", "hotwords": ["Dickens"]}
