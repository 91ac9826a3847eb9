from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asrcli.text.subtitles.pieces import has_wide, split_text, width
from asrcli.transcript import Word, join_words


@pytest.mark.parametrize(
    ("text", "cells"),
    [
        ("abc", 3), ("手机", 4), ("，", 2), ("e\u0301", 1), ("\u1112\u1161\u11ab", 2), ("한", 2), ("ｶﾞ", 2),
        ("\U0001f469\u200d\U0001f469\u200d\U0001f467", 2), ("\u2764\ufe0f", 2), ("\U0001f44d\U0001f3fd", 2),
        ("\U0001f1e9\U0001f1ea", 2), ("\U0001f44d\U0001f3fb", 2), ("\U0001f44d\U0001f3ff", 2),
        ("\u1100\u1160\u11ff", 2), ("\u2764x", 2), ("a\ufe0f", 1), ("手\ufe0f", 2), ("\u20dda", 1),
        ("\U0001f468\u200dab", 3), ("नमस्ते", 4), ("", 0),
    ],
)  # fmt: skip
def test_width_counts_what_is_seen(text: str, cells: int) -> None:
    assert width(text) == cells


def test_emoji_do_not_make_a_line_chinese() -> None:
    assert not has_wide("fine \U0001f600")
    assert has_wide("fine 好")
    assert has_wide("네")


@given(st.text("ab1 ，。“”好的手カな.,!'"))
def test_text_split_into_words_joins_to_itself(text: str) -> None:
    words = [Word(part, 0, 0, space_before=space) for part, space in split_text(text)]
    assert join_words(words) == " ".join(text.split())


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("你好，世界。", ["你", "好，", "世", "界。"]),
        ("我用iPhone 15拍照", ["我", "用", "iPhone", "15", "拍", "照"]),
        ("他说：“好。”", ["他", "说：", "“好。”"]),
        ("OK，go on", ["OK，", "go", "on"]),
    ],
)
def test_chinese_is_split_into_characters_with_their_marks(text: str, parts: list[str]) -> None:
    assert [part for part, _ in split_text(text)] == parts
