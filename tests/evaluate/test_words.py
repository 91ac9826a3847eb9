from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import Any, Literal

import jiwer
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asrcli.errors import UsageError
from asrcli.evaluate.normalization import normalizer
from asrcli.evaluate.reading import read_references
from asrcli.evaluate.words import Step, TextErrors, score_text, unit_of


def test_words_of_english_are_normalised() -> None:
    score = score_text("Mr. Smith's colour is grey.", "mister smith's color is GRAY", language="en")
    assert score.unit == "word"
    assert score.errors.rate == 0.0


def test_each_kind_of_error_is_aligned() -> None:
    score = score_text("the cat sat on the mat today", "the bat sat the mat right today")
    assert score.errors == TextErrors(hits=5, substitutions=1, deletions=1, insertions=1)
    assert score.errors.rate == pytest.approx(3 / 7)
    kinds = {step.kind for step in score.steps}
    assert kinds == {"equal", "substitute", "delete", "insert"}
    assert Step("substitute", ("cat",), ("bat",)) in score.steps


def test_chinese_is_counted_by_character_without_punctuation() -> None:
    score = score_text("欢迎大家,来体验。", "欢迎大家来提验", language="zh")
    assert (score.unit, score.errors) == ("char", TextErrors(hits=6, substitutions=1))


@pytest.mark.parametrize(
    ("language", "text", "unit"),
    [
        ("yue", "", "char"),
        ("ja-JP", "", "char"),
        ("en", "欢迎", "word"),
        (None, "こんにちは world", "char"),
        (None, "hello 世 world", "word"),
        (None, "", "word"),
    ],
)
def test_the_unit_follows_the_language_or_else_the_text(language: str | None, text: str, unit: str) -> None:
    assert unit_of(language, text) == unit


def test_texts_can_be_compared_as_they_stand() -> None:
    assert score_text("Hello.", "hello", normalise=False).errors.substitutions == 1
    assert score_text("Hello.", "hello").errors.rate == 0.0


def test_a_speaker_label_is_no_word() -> None:
    assert score_text("good morning", "[Speaker 1] good morning").errors.rate == 0.0


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ("A: Good morning.\nB: Yes, I did.\n", "Good morning.\nYes, I did."),
        ("A: Good morning.\nIt is late.\n\nB: Yes.\nA: No: never.", "Good morning.\nIt is late.\nYes.\nNo: never."),
        ("张三：你好。\n李四： 早上好。", "你好。\n早上好。"),
        ("SPEAKER_01: hello", "hello"),
        ("Remember: milk", "Remember: milk"),
        ("We met at 10: 30 of us.\nThen it rained.", "We met at 10: 30 of us.\nThen it rained."),
        ("", ""),
    ],
)
def test_speaker_names_of_a_reference_are_no_words(tmp_path: Path, written: str, text: str) -> None:
    path = tmp_path / "talk.txt"
    path.write_text(written, encoding="utf-8")
    assert [found.text for _, found in read_references(path)] == [text]


def test_empty_texts() -> None:
    assert score_text("", "").errors.rate == 0.0
    assert score_text("", "made up words").errors == TextErrors(insertions=3)
    assert score_text("", "made up").errors.to_dict()["rate"] is None
    assert score_text("two words", "").errors == TextErrors(deletions=2)


@settings(max_examples=60)
@given(
    st.lists(st.sampled_from(["a", "b", "c"]), max_size=8).map(" ".join),
    st.lists(st.sampled_from(["a", "b", "c"]), max_size=8).map(" ".join),
)
def test_the_alignment_spells_both_texts(reference: str, hypothesis: str) -> None:
    steps = score_text(reference, hypothesis, normalise=False).steps
    assert [word for step in steps for word in step.reference] == reference.split()
    assert [word for step in steps for word in step.hypothesis] == hypothesis.split()


#: a text, then the same with three of four words wrong, or its vowels or tones changed
@pytest.mark.parametrize(
    ("language", "reference", "hypothesis", "rate"),
    [
        ("hi", "मैं कल दिल्ली गया", "मूं कील दल्ला गया", 0.75),
        ("ta", "வணக்கம் நண்பர்களே", "வணக்காம் நண்பர்களே", 0.5),
        ("bn", "আমি ভালো আছি", "আমা ভাল আছে", 1.0),
        ("pa", "ਸਤਿ ਸ੍ਰੀ ਅਕਾਲ", "ਸਤ ਸ੍ਰੀ ਅਕਾਲ", 1 / 3),
        (None, "नमस्ते दुनिया", "नमस्तै दुनीया", 1.0),
        ("yo", "ẹ̀kọ́ dára", "ẹ́kọ̀ dára", 0.5),
        ("th", "กินข้าว", "กนขาว", 2 / 7),
        ("th", "น้ำ", "นํ้า", 0.0),
        ("lo", "ນ້ຳ", "ນຳ", 1 / 3),
        ("km", "កាហ្វេ", "កហ្វេ", 1 / 6),
        ("my", "မြန်မာ", "မြန်မ", 1 / 6),
    ],
)
def test_combining_marks_count(language: str | None, reference: str, hypothesis: str, rate: float) -> None:
    assert score_text(reference, hypothesis, language=language).errors.rate == pytest.approx(rate)
    assert score_text(reference, reference, language=language).errors.rate == 0


@pytest.mark.parametrize(
    ("bare", "marked"),
    [
        ("مرحبا بالعالم", "مَرْحَبًا بِالعَالَمِ"),
        ("كتاب", "كـــتاب"),
        ("الرحمن", "ٱلرَّحْمَٰن"),
        ("שלום עולם", "שָׁלוֹם עוֹלָם"),
        ("замок", "за́мок"),
    ],
)
def test_vowel_marks_that_writing_leaves_out_count_only_on_request(bare: str, marked: str) -> None:
    assert score_text(bare, marked).errors.rate == 0
    assert score_text(marked, bare).errors.rate == 0
    assert score_text(marked, bare, vowel_marks=True).errors.substitutions > 0
    assert score_text(marked, marked, vowel_marks=True).errors.rate == 0
    assert score_text(bare, marked, normalise=False).errors.rate > 0


@pytest.mark.parametrize(
    ("language", "one", "other"),
    [
        ("fr", "élève", "e\u0301le\u0300ve"),
        ("ko", "한국", "\u1112\u1161\u11ab국"),
        ("tr", "İstanbul IRMAK", "istanbul ırmak"),
        (None, "İstanbul", "istanbul"),
        ("de", "Straße", "STRASSE"),
        ("el", "ΟΔΟΣ", "οδος"),
        ("fa", "می\u200cشود", "میشود"),
        ("zh", "ＡＢＣ，好（笑）", "abc好笑"),
        ("hi", "क़लम", "क\u093cलम"),
        ("fr", "l’eau, s'il\u00a0vous plaît !", "l'eau s'il vous plaît"),
        (None, "hi ❤️ there", "hi there"),
    ],
)
def test_ways_of_writing_are_no_errors(language: str | None, one: str, other: str) -> None:
    assert score_text(one, other, language=language).errors.rate == 0


def test_canonically_equal_texts_are_equal_without_normalisation_too() -> None:
    assert score_text("élève", "e\u0301le\u0300ve", normalise=False).errors.rate == 0


@pytest.mark.parametrize("language", ["cmn", "zh-TW", "Chinese", "jp", "Thai", "zh_Hant"])
def test_languages_may_be_spelled_in_any_way(language: str) -> None:
    assert score_text("你好吗", "你好", language=language).unit == "char"


def test_what_is_not_a_language_is_refused() -> None:
    with pytest.raises(UsageError, match="not a known language"):
        score_text("a", "b", language="klingon")


def test_a_thai_text_of_unknown_language_is_counted_by_character() -> None:
    assert score_text("สวัสดีครับ", "สวัสดีคับ").unit == "char"


SCRIPTS = st.sampled_from(["aeé", "नमस्ते", "กิขา้", "مَرْحَ", "한국", "あア", "е́я"])
PHRASES = st.lists(SCRIPTS.flatmap(lambda letters: st.text(letters, min_size=1, max_size=4)), max_size=8).map(" ".join)


@settings(max_examples=100)
@given(PHRASES, PHRASES, st.sampled_from(["word", "char"]))
def test_figures_are_those_of_jiwer_on_the_same_tokens(
    reference: str, hypothesis: str, unit: Literal["word", "char"]
) -> None:
    score = score_text(reference, hypothesis, unit=unit, vowel_marks=True)
    clean = normalizer(None, vowel_marks=True)
    one, other = clean(reference), clean(hypothesis)
    if unit == "char":
        one, other = one.replace(" ", ""), other.replace(" ", "")
    if not one:
        assert score.errors.insertions == len(other if unit == "char" else other.split())
        return
    expected: Any = jiwer.process_characters(one, other) if unit == "char" else jiwer.process_words(one, other)
    assert score.errors == TextErrors(
        expected.hits, expected.substitutions, expected.deletions, expected.insertions
    )  # fmt: skip
    assert score.errors.rate == pytest.approx(expected.cer if unit == "char" else expected.wer)


@settings(max_examples=200)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40), st.booleans())
def test_normalisation_is_stable_and_loses_no_letter(text: str, vowel_marks: bool) -> None:
    clean = normalizer(None, vowel_marks=vowel_marks)
    once = clean(text)
    assert clean(once) == once
    if not set("<[(") & set(text):
        letters = sum(unicodedata.category(char)[0] in "LN" for char in unicodedata.normalize("NFC", text))
        assert sum(unicodedata.category(char)[0] in "LN" for char in once) >= letters - text.count("\u0640")
