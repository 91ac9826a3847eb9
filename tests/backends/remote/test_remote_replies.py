"""Answers of servers, as they are and as they should not be."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asrcli.backends.remote.replies import UnreadableReplyError, error_field, error_message, read_reply
from asrcli.backends.types import Hypothesis, Token

JSON = "application/json"


def read(data: Any, kind: str = JSON, duration: float = 10.0) -> Hypothesis:
    return read_reply(json.dumps(data).encode(), kind, duration)


def test_verbose_json_has_words_with_times() -> None:
    heard = read(
        {
            "text": " Hello there. ",
            "language": "english",
            "duration": 3.2,
            "words": [{"word": "Hello", "start": 0.3, "end": 0.6}, {"word": "there", "start": 0.7, "end": 1}],
            "segments": [{"id": 0, "text": "Hello there.", "emotion": "happy", "event": "speech"}],
        }
    )
    tokens = (Token("Hello", 0.3, 0.6), Token("there", 0.7, 1.0))
    assert heard == Hypothesis("Hello there.", tokens, "en", "happy", "speech", end=3.2)


@pytest.mark.parametrize(
    ("reply", "end"),
    [
        ({}, None),
        ({"duration": 4.5}, 4.5),
        ({"duration": "4.5"}, None),
        ({"duration": 0, "segments": [{"end": 0}]}, None),
        ({"segments": [{"end": 2.5}, {"end": 7}]}, 7.0),
        ({"duration": 4.5, "segments": [{"end": 7}, {"end": 2.5}, {"end": None}]}, 4.5),
        ({"segments": [{"end": float("nan")}, {"end": "9"}, "x"]}, None),
        ({"duration": 10**400, "segments": [{"end": True}, {"end": 3}]}, 3.0),
        ({"duration": True, "segments": [{"end": 10**400}]}, None),
    ],
)
def test_the_sound_that_a_server_accounts_for(reply: dict[str, Any], end: float | None) -> None:
    assert read({"text": "and so"} | reply).end == end


def test_a_server_that_is_not_sure_of_its_words() -> None:
    warning = "low-confidence: 0.3 to 9.8 s: the model is not sure of its words there"
    assert read({"text": "and so", "warnings": ["no speech", warning]}).unsure
    assert not read({"text": "and so", "warnings": ["gap: 0.3 to 9.8 s: low-confidence:"]}).unsure


@pytest.mark.parametrize(
    ("reply", "limit"),
    [
        ({}, False),
        ({"finish_reason": "stop", "truncated": False, "warnings": ["clipped: the level is too high"]}, False),
        ({"finish_reason": "length"}, True),
        ({"truncated": True}, True),
        ({"warnings": ["gap: 1.0 to 4.0 s: the engine reached its limit"]}, True),
        ({"warnings": [3, None, "truncated: the file ends early"]}, True),
        ({"warnings": "gap"}, False),
    ],
)
def test_a_server_that_reports_missing_words(reply: dict[str, Any], limit: bool) -> None:
    assert read({"text": "and so"} | reply).limit is limit


@pytest.mark.parametrize(
    ("labels", "emotion", "event"),
    [
        ({"emotion": "HAPPY", "event": "BGM"}, "happy", "bgm"),
        ({"emotion": "<|SAD|>", "event": "<|Speech_Noise|>"}, "sad", "speech_noise"),
        ({"emotion": "EMO_UNKNOWN", "event": "Event_UNK"}, None, None),
        ({"emotion": "bored", "event": "thunder"}, None, None),
        ({"emotion": 3, "event": ["bgm"]}, None, None),
    ],
)
def test_labels_are_those_of_the_schema(labels: dict[str, Any], emotion: str | None, event: str | None) -> None:
    heard = read({"text": "a", "segments": [labels]})
    assert (heard.emotion, heard.event) == (emotion, event)


TAGGED = "<|zh|><|HAPPY|><|Laughter|><|withitn|>你好。"


@pytest.mark.parametrize(
    ("reply", "kind"),
    [(TAGGED, "text/plain"), (json.dumps(TAGGED), JSON), (json.dumps({"text": TAGGED, "segments": [{"id": 0}]}), JSON)],
)
def test_tags_before_a_text_are_its_labels(reply: str, kind: str) -> None:
    heard = read_reply(reply.encode(), kind, 3.0)
    assert heard == Hypothesis("你好。", language="zh", emotion="happy", event="laughter")
    special = "<|startoftranscript|><|en|><|transcribe|><|0.00|> Hello.<|2.40|>"
    assert read_reply(special.encode(), "text/plain", 3.0) == Hypothesis("Hello.", language="en")


@pytest.mark.parametrize(
    ("text", "left", "event"),
    [
        ("[Music]", "", "bgm"),
        (" (knocking) ", "", None),
        ("[BLANK_AUDIO]", "", None),
        ("(speaking in foreign language)", "", None),
        ("[Speaker 1] Hello.", "[Speaker 1] Hello.", None),
    ],
)
def test_notes_alone_are_no_words(text: str, left: str, event: str | None) -> None:
    for reply, kind in ((json.dumps({"text": text}), JSON), (text, "text/plain")):
        heard = read_reply(reply.encode(), kind, 3.0)
        assert (heard.text, heard.event) == (left, event)


def test_words_may_stand_in_segments() -> None:
    heard = read(
        {
            "text": "a b",
            "segments": [
                {"words": [{"word": " a", "start": 0, "end": 1}]},
                {"words": [{"word": " b", "start": 1, "end": 2}]},
            ],
        }
    )
    assert [token.text for token in heard.tokens] == [" a", " b"]


def test_times_that_a_server_estimated_are_left_to_us() -> None:
    assert read({"text": "a", "timing": "estimated", "words": [{"word": "a", "start": 0, "end": 1}]}).tokens == ()
    assert read({"text": "a", "timing": "model", "words": [{"word": "a", "start": 0, "end": 1}]}).timed


@pytest.mark.parametrize(
    "words",
    [None, [], "a", [1], [{"word": "a"}], [{"word": "a", "start": None, "end": 1}], [{"word": 1, "start": 0, "end": 1}],
     [{"word": "a", "start": "0", "end": "1"}], [{"word": "a", "start": float("inf"), "end": 1}],
     [{"word": "a", "start": 0, "end": 10**400}], [{"word": "a", "start": False, "end": True}]],
)  # fmt: skip
def test_words_without_times_are_no_tokens(words: list[dict[str, Any] | int] | str | None) -> None:
    assert read({"text": "a", "words": words}) == Hypothesis("a")


def test_times_stay_inside_the_chunk() -> None:
    heard = read(
        {"text": "a b", "words": [{"word": "a", "start": -1, "end": 0.5}, {"word": "b", "start": 9, "end": 4}]},
        duration=5,
    )
    assert [(token.start, token.end) for token in heard.tokens] == [(0.0, 0.5), (5.0, 5.0)]


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ({"language": "chinese"}, "zh"),
        ({"language": "zh"}, "zh"),
        ({"language": "zh-CN"}, "zh"),
        ({"language": "auto"}, None),
        ({"language": "english", "language_code": "yue"}, "yue"),
        ({"language": "Klingon of the north"}, None),
        ({"language": 3}, None),
        ({}, None),
    ],
)
def test_languages_are_codes(said: dict[str, Any], code: str | None) -> None:
    assert read({"text": "a"} | said).language == code


def test_text_is_text() -> None:
    assert read_reply("你好\n".encode(), "text/plain; charset=utf-8", 1) == Hypothesis("你好")
    assert read("hello\n") == Hypothesis("hello")  # funasr-server's text
    assert read_reply(b' \n \n{"text": "a"}', JSON, 1) == Hypothesis("a")  # funasr-api's heartbeats
    assert read_reply(b"", "text/plain", 1) == Hypothesis("")


@pytest.mark.parametrize(
    ("body", "kind", "said"),
    [
        (b"<html>Log in</html>", "text/html", "text/html"),
        (b"", JSON, "0 bytes"),
        (b'{"text": "half', JSON, JSON),
        (b"\xff\xfe\x00", "", "no content type"),
        (b"{}", JSON, "without a text"),
        (b"[]", JSON, "without a text"),
        (b'{"text": null}', JSON, "without a text"),
        (b"null", JSON, "without a text"),
        (b'{"error": {"message": "out of memory"}}', JSON, "out of memory"),
    ],
)
def test_any_other_reply_is_an_error_with_its_cause(body: bytes, kind: str, said: str) -> None:
    with pytest.raises(UnreadableReplyError, match=said):
        read_reply(body, kind, 1.0)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"error": {"message": "No such\\nmodel", "param": "model"}}', "No such model"),
        (b'{"error": "bad"}', "bad"),
        (b'{"detail": "Not Found"}', "Not Found"),
        (b'{"detail": [{"loc": ["body"], "msg": "Field required"}]}', "Field required"),
        (b'{"message": "slow down"}', "slow down"),
        (b"Bad Gateway", "Bad Gateway"),
        (b"<html><h1>502</h1></html>", ""),
        (b"", ""),
        (b"\x1b[2Jboo", "[2Jboo"),
        (b"x" * 1000, "x" * 297 + "..."),
    ],
)
def test_complaints_are_one_line(body: bytes, said: str) -> None:
    assert error_message(body) == said


def test_fields_of_an_error() -> None:
    body = b'{"error": {"message": "m", "param": "language", "code": null}}'
    assert (error_field(body, "param"), error_field(body, "code"), error_field(b"[]", "param")) == ("language", "", "")


_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from([10**400, -(10**400)])
    | st.floats()
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["text", "words", "segments", "word", "start", "end", "duration", "language", "error"]),
            inner,
        )
    ),
    max_leaves=12,
)


@given(_json, st.sampled_from([JSON, "text/plain", "", "text/html"]))
def test_no_answer_breaks_the_reader(data: Any, kind: str) -> None:
    try:
        heard = read(data, kind)
    except UnreadableReplyError:
        return
    assert all(0 <= token.start <= token.end <= 10 for token in heard.tokens)


@given(st.binary(max_size=40) | st.sampled_from([b"[" * 3000, b'{"error":' * 3000, b"1" * 5000]))
def test_no_bytes_break_the_reader(body: bytes) -> None:
    error_message(body)
    error_field(body, "param")
    try:
        read_reply(body, JSON, 1.0)
    except UnreadableReplyError:
        return
