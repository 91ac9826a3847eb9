"""Text to words in many scripts."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asrcli.assemble.words import split_words
from asrcli.transcript import Word, join_words


def words(text: str) -> list[str]:
    return [word.text for word in split_words(text)]


def joined(text: str) -> str:
    return join_words([Word(w.text, 0, 0, space_before=w.space_before) for w in split_words(text)])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello, world!", ["Hello,", "world!"]),
        ("  Don't  stop-gap  3.5% U.S. ", ["Don't", "stop-gap", "3.5%", "U.S."]),
        ('He said "hello (there)" twice.', ["He", "said", '"hello', '(there)"', "twice."]),
        ("rock 'n' roll", ["rock", "'n'", "roll"]),
        ("well - yes -- no", ["well -", "yes --", "no"]),
        ("- hello", ["- hello"]),
        ("Ready? - Yes. – Then go. -", ["Ready?", "- Yes.", "– Then", "go. -"]),
        ("minus -5 and .5, $5 or #1", ["minus", "-5", "and", ".5,", "$5", "or", "#1"]),
        ("wait…what—no", ["wait…", "what—", "no"]),
        ("f(x) is e.g.this", ["f(x)", "is", "e.g.this"]),
        ("¿Qué? ¡No!", ["¿Qué?", "¡No!"]),
        ("« Bonjour », dit-il ?", ["« Bonjour »,", "dit-il ?"]),
        ("打开GPT4吧", ["打", "开", "GPT4", "吧"]),
        ("打开 GPT4 吧。", ["打", "开", "GPT4", "吧。"]),
        ("你 好，世界！", ["你", "好，", "世", "界！"]),
        ("他说：“你好（世界）”。走", ["他", "说：", "“你", "好", "（世", "界）”。", "走"]),
        ('他说"你好"吧', ["他", "说", '"你', '好"', "吧"]),
        ("价格是$5或50%的", ["价", "格", "是", "$5", "或", "50%", "的"]),
        ("コーヒーをちょっと", ["コー", "ヒー", "を", "ちょっ", "と"]),
        ("人々が", ["人々", "が"]),
        ("안녕하세요, 세계.", ["안녕하세요,", "세계."]),
        ("नमस्ते दुनिया।", ["नमस्ते", "दुनिया।"]),
        ("مرحبا، بالعالم؟", ["مرحبا،", "بالعالم؟"]),
        ("", []),
        (" . ? 。… ", []),
        ("...and so", ["...and", "so"]),
        ("hello (", ["hello ("]),
    ],
)
def test_words(text, expected):
    assert words(text) == expected


def test_thai_is_divided_into_clusters_without_spaces():
    found = split_words("สวัสดีครับ เพื่อน")
    assert "".join(word.text for word in found) == "สวัสดีครับเพื่อน"
    assert len(found) > 4
    assert all(len(word.text) <= 5 for word in found)
    # No vowel or tone is torn off its consonant.
    assert not any(word.text[0] in "ะัาำิีึืฺุู็่้๊๋์" for word in found)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello,  world !", "Hello, world !"),
        ("你 好 ， 世 界", "你好，世界"),
        ("打开 GPT4 吧", "打开 GPT4 吧"),
        ("打开GPT4吧", "打开GPT4吧"),
        ("he said : “ yes ”", "he said : “ yes ”"),
    ],
)
def test_joined_words_are_the_text(text, expected):
    assert joined(text) == expected


fragments = st.sampled_from(
    [
        *"ab7éЖ你好。，！？（）“”「」のーっ가ไทยำ้नि\"'.,!?-—…$%()[]#&<>",
        " ",
        "  ",
        "\u3000",
        "don't",
        "3.5",
        "GPT4",
        "\u0301",
    ]
)


@settings(deadline=None, max_examples=500)
@given(st.one_of(st.lists(fragments).map("".join), st.text()))
def test_nothing_is_lost_or_moved(text):
    found = split_words(text)
    if found:
        assert "".join(joined(text).split()) == "".join(text.split())
        assert all(word.text == word.text.strip() != "" for word in found)
    else:
        assert not any(char.isalnum() for char in text)


@settings(deadline=None, max_examples=200)
@given(st.lists(fragments).map("".join))
def test_splitting_again_changes_nothing(text):
    once = joined(text)
    assert joined(once) == once
