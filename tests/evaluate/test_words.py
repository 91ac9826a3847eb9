from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asrcli.evaluate.words import Step, TextErrors, score_text, unit_of


def test_words_of_english_are_normalised():
    score = score_text("Mr. Smith's colour is grey.", "mister smith's color is GRAY", language="en")
    assert score.unit == "word"
    assert score.errors.rate == 0.0


def test_each_kind_of_error_is_aligned():
    score = score_text("the cat sat on the mat today", "the bat sat the mat right today")
    assert score.errors == TextErrors(hits=5, substitutions=1, deletions=1, insertions=1)
    assert score.errors.rate == pytest.approx(3 / 7)
    kinds = {step.kind for step in score.steps}
    assert kinds == {"equal", "substitute", "delete", "insert"}
    assert Step("substitute", ("cat",), ("bat",)) in score.steps


def test_chinese_is_counted_by_character_without_punctuation():
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
def test_the_unit_follows_the_language_or_else_the_text(language, text, unit):
    assert unit_of(language, text) == unit


def test_texts_can_be_compared_as_they_stand():
    assert score_text("Hello.", "hello", normalise=False).errors.substitutions == 1
    assert score_text("Hello.", "hello").errors.rate == 0.0


def test_a_speaker_label_is_no_word():
    assert score_text("good morning", "[Speaker 1] good morning").errors.rate == 0.0


def test_empty_texts():
    assert score_text("", "").errors.rate == 0.0
    assert score_text("", "made up words").errors == TextErrors(insertions=3)
    assert score_text("", "made up").errors.to_dict()["rate"] is None
    assert score_text("two words", "").errors == TextErrors(deletions=2)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.sampled_from(["a", "b", "c"]), max_size=8).map(" ".join),
    st.lists(st.sampled_from(["a", "b", "c"]), max_size=8).map(" ".join),
)
def test_the_alignment_spells_both_texts(reference, hypothesis):
    steps = score_text(reference, hypothesis, normalise=False).steps
    assert [word for step in steps for word in step.reference] == reference.split()
    assert [word for step in steps for word in step.hypothesis] == hypothesis.split()
