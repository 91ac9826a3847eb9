from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import pytest

from asrcli.distribution import pip_install
from asrcli.errors import MissingExtraError
from asrcli.text.steps import itn
from asrcli.text.steps.itn import ItnStep, is_number
from asrcli.text.steps.word_edits import rewrite_words
from asrcli.text.subtitles.pieces import split_text
from asrcli.transcript import Segment, Transcript, Word, join_words


def spoken(text: str, language: str) -> Transcript:
    words = [Word(part, index, index + 0.9, 0.5, "A", space) for index, (part, space) in enumerate(split_text(text))]
    return Transcript("a.wav", 99.0, (Segment(0, 0.0, words[-1].end, text, tuple(words), "A"),), language)


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("itn")


def wetext() -> Any:
    return pytest.importorskip("itn", reason="needs the extra itn")


def test_chinese_numbers_become_digits_and_keep_their_time(cache: Path, capfd: pytest.CaptureFixture[str]) -> None:
    wetext()
    before = spoken("我花了三千五百块。", "zh")
    after = ItnStep(cache)(before).segments[0]
    assert after.text == "我花了3500块。"
    assert after.text == join_words(after.words)
    number = next(word for word in after.words if word.text == "3500")
    assert (number.start, number.end, number.speaker, number.confidence) == (3, 6.9, "A", 0.5)
    assert [word for word in after.words if word is not number] == [
        word for word in before.segments[0].words if word.text not in "三千五百"
    ]
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
def test_english_amounts(cache: Path) -> None:
    wetext()
    after = ItnStep(cache)(spoken("i paid twenty five dollars for it", "en")).segments[0]
    assert after.text == "i paid $25 for it"
    assert [(word.text, word.start, word.end) for word in after.words[2:3]] == [("$25", 2, 4.9)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("said", "written"),
    [
        ("he was born in nineteen eighty four.", "he was born in 1984."),
        ("it made three million euros", "it made €3 million"),
        ("two point five percent of it", "2.5% of it"),
        ("one leading dot means the current package", None),
        ("for example, wait a second for the third man", None),
    ],
)
def test_english_that_is_mistaken_for_numbers_stays(cache: Path, said: str, written: str | None) -> None:
    wetext()
    before = spoken(said, "en").segments[0]
    after = ItnStep(cache)(spoken(said, "en")).segments[0]
    assert after.text == (written or said)
    assert (after.words[0].start, after.words[-1].end) == (before.words[0].start, before.words[-1].end)


@pytest.mark.parametrize(
    ("said", "written"),
    [("十分感谢", None), ("红十字会来了二十人", "红十字会来了20人"), ("八九不离十", None)],
)
def test_chinese_words_that_look_like_numbers_stay(cache: Path, said: str, written: str | None) -> None:
    wetext()
    assert ItnStep(cache)(spoken(said, "zh")).segments[0].text == (written or said)


@pytest.mark.parametrize(
    ("heard", "written", "number"),
    [
        ("twenty five", "25", True),
        ("smith at example", "smith@example.com", True),
        ("for example", "e.g.", False),
        ("second,", "2nd,", False),
        ("one dot means the end of all we know", "1dotmeanstheendofallweknowandmore", False),
        ("mail", f"{'x' * 25}@y.de", True),
        ("mail", f"{'x' * 26}@y.de", False),
    ],
)
def test_what_is_a_number(heard: str, written: str, number: bool) -> None:
    assert is_number(heard.split(), written.split()) is number


def test_the_grammar_gets_what_may_hold_numbers_and_leaves_no_space_before_marks() -> None:
    asked = []

    def normalize(text: str) -> str:
        asked.append(text)
        return text.replace("二十", "20")

    assert itn._normalized("十分感谢，二十人，红十字会", normalize) == "十分感谢，20人，红十字会"
    assert asked == ["感谢，二十人，红", "会"]
    assert itn._normalized("in 1984 . That is 2 % of it", str) == "in 1984. That is 2% of it"


@pytest.fixture
def small_grammar(monkeypatch: pytest.MonkeyPatch) -> None:
    """In place of the extra's grammars, one of two phrases."""

    class InverseNormalizer:
        def __init__(self, cache_dir: str | None) -> None:
            del cache_dir

        def normalize(self, text: str) -> str:
            return text.replace("twenty five", "25").replace("for example", "e.g.")

    grammar: Any = ModuleType("grammar")
    grammar.InverseNormalizer = InverseNormalizer
    monkeypatch.setattr(itn, "find_spec", lambda _: grammar)
    monkeypatch.setattr(itn, "import_module", lambda _: grammar)


def test_what_the_grammar_writes_keeps_times_and_is_judged_by_word(small_grammar: None, tmp_path: Path) -> None:
    before = spoken("for example we saw twenty five men", "en")
    (after,) = ItnStep(tmp_path)(before).segments
    assert after.text == join_words(after.words) == "for example we saw 25 men"
    assert [(word.text, word.start) for word in after.words[3:]] == [("saw", 3), ("25", 4), ("men", 6)]
    unplaced = replace(before, segments=(replace(before.segments[0], words=()),))
    assert ItnStep(tmp_path)(unplaced).segments[0].text == "e.g. we saw 25 men", "there are no words to judge"
    unwanted = spoken("for example men", "en")
    assert ItnStep(tmp_path)(unwanted).segments == unwanted.segments


def test_changes_that_are_not_wanted_are_not_made() -> None:
    words = spoken("for example it made three million euros", "en").segments[0].words
    found = rewrite_words(words, "e.g. it made €3 million", is_number)
    assert join_words(found) == "for example it made €3 million"
    assert found[-1].end == words[-1].end


def test_other_languages_and_texts_without_numbers_stay(cache: Path) -> None:
    wetext()
    step = ItnStep(cache)
    for before in (spoken("Das kostet drei Euro.", "de"), spoken("你好。", "zh")):
        assert step(before) == before


@pytest.mark.parametrize(("installed", "available"), [({"itn", "pynini"}, True), ({"itn"}, False), ({"pynini"}, False)])
def test_the_grammars_need_both_packages(installed: set[str], available: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(itn, "find_spec", lambda name: name if name in installed else None)
    assert itn.is_available() is available


def test_without_the_extra_the_message_names_the_command(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(itn, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError) as error:
        ItnStep(cache)
    assert pip_install("itn") in error.value.hint


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("a b c", "a b c", [("a", 0, 0.9), ("b", 1, 1.9), ("c", 2, 2.9)]),
        ("a b c", "a X", [("a", 0, 0.9), ("X", 1, 2.9)]),
        ("a b", "a b c", [("a", 0, 0.9), ("b", 1, 1.45), ("c", 1.45, 1.9)]),
        ("a b", "x a b", [("x", 0, 0), ("a", 0, 0.9), ("b", 1, 1.9)]),
        ("a b c", "a c", [("a", 0, 1.9), ("c", 2, 2.9)]),
        ("二十", "20", [("20", 0, 1.9)]),
        ("a b", "a", [("a", 0, 1.9)]),
        ("a b", "b", [("b", 1, 1.9)]),
        ("a b", "x y a b", [("x", 0, 0), ("y", 0, 0), ("a", 0, 0.9), ("b", 1, 1.9)]),
        ("a b", "abc d", [("abc", 0, 1.425), ("d", 1.425, 1.9)]),
        ("a b", "好 d", [("好", 0, 1.9 * 2 / 3), ("d", 1.9 * 2 / 3, 1.9)]),
        ("a b c d", "a X c Y", [("a", 0, 0.9), ("X", 1, 1.9), ("c", 2, 2.9), ("Y", 3, 3.9)]),
    ],
)
def test_rewritten_words_take_the_time_of_those_they_stand_for(
    old: str, new: str, expected: list[tuple[str, float, float]]
) -> None:
    words = [Word(part, index, index + 0.9, space_before=space) for index, (part, space) in enumerate(split_text(old))]
    found = rewrite_words(words, new)
    assert [(word.text, pytest.approx(word.start), pytest.approx(word.end)) for word in found] == expected
    assert join_words(found) == new
    assert rewrite_words((), new) == ()


def test_new_words_take_the_mean_confidence_and_the_first_speaker() -> None:
    words = [Word("a", 0, 1, 0.2, "A"), Word("b", 1, 2, None, "B"), Word("c", 2, 3, 0.6, "C"), Word("d", 3, 4)]
    found = rewrite_words(words, "xy d")
    assert found == (Word("xy", 0, 3, cast("float", pytest.approx(0.4)), "A"), words[-1])
    assert rewrite_words([words[1]], "x") == (Word("x", 1, 2, None, "B"),)
    assert rewrite_words([words[0]], "y a")[0] == Word("y", 0, 0, None, "A")


def test_a_word_of_several_characters_is_compared_by_character() -> None:
    word = Word("三十五元", 0, 4, 0.5, "A", space_before=True)
    found = rewrite_words([word], "35元")
    assert [(part.text, part.start, part.end, part.confidence, part.speaker, part.space_before) for part in found] == [
        ("35", 0, 3, 0.5, "A", True), ("元", 3, 4, 0.5, "A", False)
    ]  # fmt: skip
    kept = rewrite_words([word], "三十五元", lambda *_: False)
    assert [part.space_before for part in kept] == [True, False, False, False]
    refused = rewrite_words([word], "35元", lambda *_: False)
    assert [(part.text, part.space_before) for part in refused] == [
        ("三", True), ("十", False), ("五", False), ("元", False),
    ]  # fmt: skip
    (first, *_) = rewrite_words([replace(word, space_before=False)], "35元", lambda *_: False)
    assert not first.space_before


@pytest.mark.parametrize(
    ("new", "asked"),
    [
        ("X b Y d e f", [("a b c", "X b Y")]),
        ("X b c Y e f", [("a", "X"), ("d", "Y")]),
        ("a b c d e Y", [("f", "Y")]),
        ("X b c d e f", [("a", "X")]),
        ("a b Y d Z f", [("c d e", "Y d Z")]),
        ("a b c d Z f", [("e", "Z")]),
    ],
)
def test_changes_with_one_word_between_are_judged_together(new: str, asked: list[tuple[str, str]]) -> None:
    words = [Word(part, index, index + 0.9) for index, part in enumerate("abcdef")]
    seen = []

    def wanted(old: Sequence[str], fresh: Sequence[str]) -> bool:
        seen.append((" ".join(old), " ".join(fresh)))
        return False

    assert rewrite_words(words, new, wanted) == tuple(words)
    assert seen == asked
    assert join_words(rewrite_words(words, new, lambda *_: True)) == new


@pytest.mark.parametrize("text", ["a\\", "two\0three", "\\"])
def test_a_text_at_which_the_grammar_fails_stays(cache: Path, text: str) -> None:
    wetext()
    before = spoken("word", "en")
    before = replace(before, segments=(replace(before.segments[0], text=text), before.segments[0]))
    assert ItnStep(cache)(before).segments[0].text == text
