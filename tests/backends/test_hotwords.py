"""Hotwords in the engine's two spellings."""

from __future__ import annotations

import pytest

from asrcli.backends.sherpa.hotwords import beam_phrases, check_beam, prompt_phrases
from asrcli.backends.sherpa.token_table import TokenTable
from asrcli.errors import OptionNotSupportedError
from asrcli.options import Hotword


def table(*symbols: str) -> TokenTable:
    return TokenTable(frozenset({"<blk>", "<unk>", *symbols}), len(symbols) + 2, symbols[-1])


def test_beam_phrases_carry_scores_and_the_vocabulary_s_case() -> None:
    hotwords = (Hotword(text="Hello World"), Hotword(text="你好", weight=40))
    assert beam_phrases(hotwords, table("▁HELLO", "你")) == "HELLO WORLD :1.500/你好 :3.000"
    assert beam_phrases(hotwords, table("▁hello")) == "hello world :1.500/你好 :3.000"
    assert beam_phrases(hotwords, table("▁Hello")) == "Hello World :1.500/你好 :3.000"


def test_what_the_engine_would_read_as_commands_is_taken_out() -> None:
    hotwords = (Hotword(text="a/b"), Hotword(text=":9 #1 @x c:d"), Hotword(text=" / \n:")), table("a")
    assert beam_phrases(*hotwords) == "a b :1.500/9 1 x c:d :1.500"


def test_prompt_phrases_are_parted_by_commas() -> None:
    hotwords = (Hotword(text="Qwen, the model"), Hotword(text="阿里"))
    assert prompt_phrases(hotwords, "A talk on speech, in Berlin.") == (
        "Qwen the model,阿里,A talk on speech in Berlin."
    )
    assert prompt_phrases((), "") == ""


def test_spelling_is_checked_by_characters_and_latin_words() -> None:
    tokens = table("你", "好", "HI")
    check_beam((Hotword(text="你好 hi"),), {}, tokens)
    with pytest.raises(OptionNotSupportedError, match='"们" is not among'):
        check_beam((Hotword(text="你们"),), {}, tokens)
    check_beam((Hotword(text="anything"),), {"modeling_unit": "bpe"}, tokens)
