from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from asrcli.server.live.agreement import StablePrefix

TEXTS = st.lists(st.lists(st.sampled_from(["one", "two,", "Two", "three.", "四", "五"]), max_size=6).map(" ".join))


def test_what_two_hypotheses_agree_on_is_final_except_the_last_word() -> None:
    prefix = StablePrefix()
    assert prefix.update("it") == ("", "it")
    assert prefix.update("it was") == ("it", "it was")
    assert prefix.update("it was the") == ("it was", "it was the")
    assert prefix.update("It was, the best") == ("it was the", "it was the best")
    assert prefix.update("wholly different words here") == ("it was the", "it was the here")
    assert prefix.rest("It was the best of times.") == " best of times."


def test_a_last_word_with_which_two_hypotheses_end_is_final() -> None:
    """A long word, or one before a pause: clients that append need not wait for the next. Not its punctuation mark."""
    prefix = StablePrefix()
    assert prefix.update("incredulity") == ("", "incredulity")
    assert prefix.update("Incredulity") == ("Incredulity", "Incredulity")
    assert prefix.update("incredulity it.") == ("Incredulity", "Incredulity it.")
    assert prefix.update("incredulity it.") == ("Incredulity", "Incredulity it.")
    assert prefix.update("incredulity it was") == ("Incredulity it", "Incredulity it was")


def test_characters_are_words() -> None:
    prefix = StablePrefix()
    prefix.update("明天九")
    assert prefix.update("明天九点") == ("明天九", "明天九点")
    assert prefix.rest("明天九点开会。") == "点开会。"


def test_what_is_settled_is_final_at_once() -> None:
    prefix = StablePrefix()
    assert prefix.update("good morning all of", "good morning") == ("good morning", "good morning all of")
    assert prefix.stable


def test_a_final_text_without_partial_results_is_all_rest() -> None:
    assert StablePrefix().rest("Good morning.") == "Good morning."


@settings(max_examples=100)
@given(TEXTS)
def test_nothing_final_is_taken_back(texts: list[str]) -> None:
    prefix, before = StablePrefix(), ""
    for text in texts:
        stable, shown = prefix.update(text)
        assert stable.startswith(before)
        assert shown.startswith(stable)
        before = stable


def test_a_text_that_is_being_written_is_shown_without_its_last_word_once_it_is_longer() -> None:
    prefix = StablePrefix()
    assert prefix.preview("go") is None
    assert prefix.preview("good mor") == ("", "good")
    assert prefix.preview("good morn") is None
    assert prefix.update("good morning") == ("good", "good morning")
    assert prefix.preview("good morning ev") is None
    assert prefix.preview("good morning every bo") == ("good", "good morning every")
    assert prefix.update("good evening") == ("good", "good evening")
    assert prefix.preview("good evening to al") == ("good", "good evening to")
