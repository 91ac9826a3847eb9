"""Results of FunASR's models, in the forms that its sources give them, to hypotheses."""

from __future__ import annotations

import pytest

from asrcli.backends.funasr.results import join_words, read_result
from asrcli.backends.types import Token


def test_sense_voice_has_tags_before_its_text_and_words_with_times() -> None:
    heard = read_result(
        {
            "key": "0",
            "text": "<|en|><|HAPPY|><|Laughter|><|withitn|>Hello, you.",
            "words": ["▁Hello", ",", "you", "."],
            "timestamp": [[90, 510], [510, 570], [690, 990], [990, 1020]],
        },
        2.0,
        tagged=True,
    )
    assert (heard.text, heard.language, heard.emotion, heard.event) == ("Hello, you.", "en", "happy", "laughter")
    assert heard.tokens[0] == Token("▁Hello", 0.09, 0.51)
    assert heard.timed


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("<|zh|>你好 \u2047 世界", "你好世界"),
        ("<|en|>hello \u2047 world", "hello world"),
        ("<|en|> \u2047 world \u2047 ", "world"),
        (" \u2047 ", ""),
    ],
)
def test_unknown_tokens_are_no_text(text: str, left: str) -> None:
    assert read_result({"text": text, "words": ["a"], "timestamp": [[0, 100]]}, 1.0, tagged=True).text == left
    assert read_result({"text": text, "timestamps": []}, 1.0).text == left


@pytest.mark.parametrize("tags", ["<|nospeech|><|EMO_UNKNOWN|><|Event_UNK|><|woitn|>", "<|woitn|>", ""])
def test_tags_that_say_nothing_are_no_fields(tags: str) -> None:
    heard = read_result({"text": tags}, 1.0, tagged=True)
    assert (heard.text, heard.tokens, heard.language, heard.emotion, heard.event) == ("", (), None, None, None)


def test_tags_are_recognised_by_name_if_one_is_missing() -> None:
    heard = read_result({"text": "<|yue|><|Speech|><|woitn|>好"}, 1.0, tagged=True)
    assert (heard.language, heard.emotion, heard.event, heard.text) == ("yue", None, "speech", "好")
    heard = read_result({"text": "<|ru|><|Thunder|><|HAPPY|><|BGM|><|woitn|>好"}, 1.0, tagged=True)
    assert (heard.language, heard.emotion, heard.event, heard.text) == (None, "happy", "bgm", "好")


def test_paraformer_has_a_time_for_each_word_between_spaces() -> None:
    heard = read_result(
        {"text": "今 天 open ai 好", "timestamp": [[0, 200], [200, 400], [500, 800], [800, 900], [900, 990]]}, 1
    )
    assert heard.text == "今天 open ai 好"
    assert [token.text for token in heard.tokens] == ["今", "天", "open", "ai", "好"]
    assert heard.tokens[2].start == 0.5


@pytest.mark.parametrize(
    "times",
    [None, [], [[0, 100]], [[0, 100], [100]], [[0, 100], ["x", 200]], [[0, 100], [100, float("nan")]], "ab", {"a": 1}],
)
def test_times_that_do_not_fit_the_words_are_left_out(
    times: list[list[float | str]] | str | dict[str, int] | None,
) -> None:
    heard = read_result({"text": "今 天", "timestamp": times}, 1.0)
    assert (heard.text, heard.tokens) == ("今天", ())


def test_times_stay_inside_the_chunk_and_in_order() -> None:
    heard = read_result({"text": "今 天", "timestamp": [[-90, 300], [1200, 900]]}, 1.0)
    assert [(token.start, token.end) for token in heard.tokens] == [(0.0, 0.3), (1.0, 1.0)]


def test_fun_asr_nano_names_its_pieces_in_seconds() -> None:
    pieces = [{"token": "明", "start_time": 0.12, "end_time": 0.3}, {"token": "天", "start_time": 0.3, "end_time": 9}]
    heard = read_result({"text": "明天。", "text_tn": "明天", "label": "null", "timestamps": pieces}, 1.0)
    assert heard.tokens == (Token("明", 0.12, 0.3), Token("天", 0.3, 1.0))
    assert read_result({"text": "明天。", "timestamps": [{"token": "明"}]}, 1.0).tokens == ()
    assert read_result({"text": "明天。"}, 1.0).text == "明天。"


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["你", "好"], "你好"),
        (["hello", "world"], "hello world"),
        (["AI", "服", "务"], "AI 服务"),
        ([], ""),
        (["привет", "мир"], "привет мир"),
        (["été", "你", "été", "été"], "été 你 été été"),
        (["は", "い"], "はい"),
    ],
)
def test_words_are_joined_as_they_are_written(words: list[str], text: str) -> None:
    assert join_words(words) == text
