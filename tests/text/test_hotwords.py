from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asrcli.errors import UsageError
from asrcli.options import Hotword
from asrcli.text.steps.hotwords import parse_hotwords, read_hotwords


def pairs(value: Any, **options: Any) -> list[tuple[str, float]]:
    return [(hotword.text, hotword.weight) for hotword in parse_hotwords(value, **options)]


@pytest.mark.parametrize("value", [None, "", "  ", "{}", "[]", {}, [], ",;\n"])
def test_no_hotwords(value: dict[Any, Any] | str | list[Any] | None) -> None:
    assert parse_hotwords(value) == ()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ('{"阿里巴巴": 20, "Zvon": 30.5}', [("阿里巴巴", 20.0), ("Zvon", 30.5)]),
        ({"阿里巴巴": "20"}, [("阿里巴巴", 20.0)]),
        ('["Zvon", "iPhone 15", "a:30"]', [("Zvon", 20.0), ("iPhone 15", 20.0), ("a:30", 20.0)]),
        (["Windows 11", "Boeing 747"], [("Windows 11", 20.0), ("Boeing 747", 20.0)]),
        ("词:20, word: 10", [("词", 20.0), ("word", 10.0)]),
        ("词：20，Hedy Lamarr:30；Zvon", [("词", 20.0), ("Hedy Lamarr", 30.0), ("Zvon", 20.0)]),
        ("Hedy Lamarr :30", [("Hedy Lamarr", 30.0)]),
        ("iPhone 15", [("iPhone 15", 20.0)]),
        ("iPhone 15, Windows 11, Boeing 747", [("iPhone 15", 20.0), ("Windows 11", 20.0), ("Boeing 747", 20.0)]),
        ("Boeing 747:40", [("Boeing 747", 40.0)]),
        ("iPhone 15:30；GPT-4", [("iPhone 15", 30.0), ("GPT-4", 20.0)]),
        ("Star Wars: Episode 4", [("Star Wars: Episode 4", 20.0)]),
        ("at 10:30:20", [("at 10:30", 20.0)]),
        ("第3中学, 2024", [("第3中学", 20.0), ("2024", 20.0)]),
        ("Hedy   Lamarr", [("Hedy Lamarr", 20.0)]),
        ("foo 20 bar 40", [("foo 20 bar 40", 20.0)]),
        ("one\ntwo:5\r\nthree 7", [("one", 20.0), ("two", 5.0), ("three 7", 20.0)]),
        ("foo:10, bar, foo:50", [("foo", 50.0), ("bar", 20.0)]),
    ],
)
def test_every_dialect(value: str | dict[str, str] | list[str], expected: list[tuple[str, float]]) -> None:
    assert pairs(value) == expected


def test_words_are_divided_at_spaces_only_in_protocols_that_do_so() -> None:
    assert pairs("阿里巴巴 魔搭", spaced=True) == [("阿里巴巴", 20.0), ("魔搭", 20.0)]
    assert pairs("阿里巴巴 魔搭") == [("阿里巴巴 魔搭", 20.0)]
    assert pairs("foo 20 bar 40", spaced=True) == [("foo", 20.0), ("bar", 40.0)]
    assert pairs("iPhone 15", spaced=True) == [("iPhone 15", 20.0)]
    assert pairs("foo:20 bar", spaced=True) == [("foo", 20.0), ("bar", 20.0)]
    assert pairs("foo:30 bar", spaced=True) == [("foo", 30.0), ("bar", 20.0)]
    assert pairs("foo 20 bar 40, x", spaced=True) == [("foo 20 bar 40", 20.0), ("x", 20.0)]
    assert pairs("foo 20 bar", spaced=True) == [("foo 20 bar", 20.0)]
    assert pairs("foo 20 bar x", spaced=True) == [("foo 20 bar x", 20.0)]
    assert pairs('["foo bar"]', spaced=True) == [("foo bar", 20.0)]


NO_WEIGHT = "Weights are numbers from 1 to 100. A phrase that ends in a colon and a number needs one: 'at 10:30:20'."
NO_HOTWORDS = 'Write phrases separated by commas, with or without weights ("word:20, other word"), or a JSON object.'


@pytest.mark.parametrize(
    ("value", "message", "hint"),
    [
        ("foo:0", """The weight of the hotword "foo" is '0'.""", NO_WEIGHT),
        ("foo:0.99", """The weight of the hotword "foo" is '0.99'.""", NO_WEIGHT),
        ("foo:101", """The weight of the hotword "foo" is '101'.""", NO_WEIGHT),
        ("foo:-3, bar", """The weight of the hotword "foo" is '-3'.""", NO_WEIGHT),
        ({"foo": 10**400}, f'The weight of the hotword "foo" is 1{"0" * 56}....', NO_WEIGHT),
        ({"foo": "x" * 57}, f"""The weight of the hotword "foo" is '{"x" * 57}'.""", NO_WEIGHT),
        ({"foo": "x" * 58}, f"""The weight of the hotword "foo" is '{"x" * 56}....""", NO_WEIGHT),
        ('{"foo": "much"}', """The weight of the hotword "foo" is 'much'.""", NO_WEIGHT),
        ('{"foo": true}', 'The weight of the hotword "foo" is True.', NO_WEIGHT),
        ('{"foo": NaN}', 'The weight of the hotword "foo" is nan.', NO_WEIGHT),
        ({"foo": []}, 'The weight of the hotword "foo" is [].', NO_WEIGHT),
        ({"x" * 101: 0}, f'The weight of the hotword "{"x" * 100}" is 0.', NO_WEIGHT),
        ('{"": 20}', "A hotword is empty.", "Write a word or phrase before each weight."),
        ("[" * 5000, f"These are not hotwords: '{'[' * 56}....", NO_HOTWORDS),
        ("{broken", "These are not hotwords: '{broken'.", NO_HOTWORDS),
        (7, "These are not hotwords: 7.", NO_HOTWORDS),
        ([7], "These are not hotwords: 7.", NO_HOTWORDS),
        (b"foo", "These are not hotwords: b'foo'.", NO_HOTWORDS),
    ],
)
def test_what_cannot_be_meant_is_refused_with_advice(value: Any, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as refusal:
        parse_hotwords(value)
    assert str(refusal.value) == f"{message} {hint}"


@given(st.dictionaries(st.text("ab词语é", min_size=1, max_size=6), st.integers(1, 100), max_size=8))
def test_the_dialects_agree(words: dict[str, int]) -> None:
    expected = tuple(Hotword(text=text, weight=float(weight)) for text, weight in words.items())
    assert parse_hotwords(words) == expected
    assert parse_hotwords(", ".join(f"{text}:{weight}" for text, weight in words.items())) == expected


def test_a_file(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("\ufeff# names\n阿里巴巴:20\nHedy Lamarr\n\nZvon\t30\n", encoding="utf-8")
    assert [(word.text, word.weight) for word in read_hotwords(path)] == [
        ("阿里巴巴", 20),
        ("Hedy Lamarr", 20),
        ("Zvon", 30),
    ]
    path.write_text('{"Zvon":\n 30}', encoding="utf-8")
    assert [(word.text, word.weight) for word in read_hotwords(path)] == [("Zvon", 30)]


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "none.txt"
    with pytest.raises(UsageError) as missing:
        read_hotwords(path)
    assert str(missing.value) == f"The hotwords file {path} cannot be read: No such file or directory. Check its name."
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9")
    with pytest.raises(UsageError, match=r"latin\.txt is not UTF-8 text\. Save it as UTF-8\.$"):
        read_hotwords(tmp_path / "latin.txt")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("阿里巴巴 20\n通义实验室 30\n", [("阿里巴巴", 20), ("通义实验室", 30)]),
        ("Hedy Lamarr 30\n# names\nZvon 5", [("Hedy Lamarr", 30), ("Zvon", 5)]),
        ("iPhone 15\nBoeing 747", [("iPhone 15", 20), ("Boeing 747", 20)]),
        ("iPhone 15\nZvon", [("iPhone 15", 20), ("Zvon", 20)]),
        ("iPhone 15\t30\nZvon", [("iPhone 15", 30), ("Zvon", 20)]),
        ("a 1\nb 100", [("a", 1), ("b", 100)]),
        ("a 1\nb 101", [("a 1", 20), ("b 101", 20)]),
        ("a 0\nb 1", [("a 0", 20), ("b 1", 20)]),
        ("a\tb\t 30 \nc\td", [("a b", 30), ("c d", 20)]),
        ("a:5\n#b:6\n  # c", [("a", 5)]),
        (' ["a 1", "b"]', [("a 1", 20), ("b", 20)]),
        ("Windows 11, Hedy Lamarr:30\nZvon", [("Windows 11", 20), ("Hedy Lamarr", 30), ("Zvon", 20)]),
    ],
)
def test_columns_of_a_file(tmp_path: Path, text: str, expected: list[tuple[str, int]]) -> None:
    (tmp_path / "words.txt").write_text(text, encoding="utf-8")
    assert [(word.text, word.weight) for word in read_hotwords(tmp_path / "words.txt")] == expected


@pytest.mark.parametrize("number", [15, 11, 747, 2024, 1])
@pytest.mark.parametrize("phrase", ["iPhone {}", "波音{}", "波音 {}", "{}", "GPT-{}", "level {}.5"])
def test_a_number_at_the_end_of_a_phrase_stays(phrase: str, number: int) -> None:
    text = phrase.format(number)
    forms = [text, [text], json.dumps([text]), f"{text}, other", {text: 20}, json.dumps({text: 20}), f"{text}:20"]
    assert {pairs(form)[0] for form in forms} == {(text, 20.0)}


_PHRASE = (
    st.text(
        st.characters(exclude_categories=("C", "Zl", "Zp"), exclude_characters=",，;；:："), min_size=1, max_size=12
    )
    .map(lambda text: " ".join(text.split()))
    .filter(lambda text: text and text[0] not in "{[#")
)


@given(st.lists(_PHRASE, min_size=1, max_size=6))
def test_any_phrase_is_the_same_in_every_form(tmp_path_factory: pytest.TempPathFactory, phrases: list[str]) -> None:
    wanted = list(dict.fromkeys(phrases))
    forms: list[Any] = [phrases, json.dumps(phrases), ", ".join(phrases), "；".join(phrases), "\n".join(phrases)]
    forms += [dict.fromkeys(phrases, 20), json.dumps(dict.fromkeys(phrases, 20)), ":20,".join([*phrases, ""])]
    for form in forms:
        assert [text for text, _ in pairs(form)] == wanted
    path = tmp_path_factory.mktemp("forms") / "words.txt"
    path.write_text("\t20\n".join([*phrases, ""]), encoding="utf-8")
    assert [word.text for word in read_hotwords(path)] == wanted


def test_numbers_of_phrases_and_characters_are_bounded() -> None:
    assert len(pairs(",".join(f"w{n}" for n in range(1000)))) == 1000
    assert pairs("x" * 100) == [("x" * 100, 20.0)]
    assert len(pairs("x" + "," * 999_999)) == 1
    for value in (",".join(f"w{n}" for n in range(1001)), "x" * 101, ["x" * 101], {"x" * 101: 20}, "x," * 500_001):
        with pytest.raises(UsageError) as refusal:
            parse_hotwords(value)
        assert str(refusal.value) == (
            "There are more than 1,000 hotwords, or one has more than 100 characters. "
            "Leave out the less important ones."
        )


@pytest.mark.parametrize("filler", [":", "：", " ", "1 ", ": ", "a:", "1:1 ", "\t", "-", "9", "[", '{"', ","])
def test_hostile_text_is_read_in_linear_time(filler: str) -> None:
    # Quadratic parsing of this text takes minutes.
    with contextlib.suppress(UsageError):
        parse_hotwords("x" + filler * (900_000 // len(filler)) + "x", spaced=True)
