"""Reading the engine's results: tags, pieces, bytes, odd numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asrcli.backends.sherpa.results import ResultReader, token_count
from asrcli.backends.sherpa.token_table import BYTE_ALPHABET, TokenTable

LETTER_OF = {byte: letter for letter, byte in BYTE_ALPHABET.items() if letter != "⁇"}


@dataclass
class Result:
    """The attributes of `sherpa_onnx.OfflineRecognitionResult`."""

    text: str
    tokens: list[str]
    timestamps: list[float] = field(default_factory=list)
    durations: list[float] = field(default_factory=list)
    ys_log_probs: list[float] = field(default_factory=list)
    lang: str = ""
    emotion: str = ""
    event: str = ""


class Unreadable(Result):
    """Pieces of characters, as the binding fails at them."""

    @property
    def tokens(self) -> None:
        raise UnicodeDecodeError("utf-8", b"\xe4", 0, 1, "unexpected end of data")

    @tokens.setter
    def tokens(self, value: list[Any]) -> None:
        pass


def test_tags_are_fields_and_never_text() -> None:
    result = Result(
        "<|withitn|>你好",
        ["<|withitn|>", "你", "好"],
        [0.0, 0.5, 0.8],
        lang="<|yue|>",
        emotion="<|EMO_UNKNOWN|>",
        event="<|BGM|>",
    )
    heard = ResultReader(tagged=True).read(result, 2.0)
    assert (heard.text, heard.language, heard.emotion, heard.event) == ("你好", "yue", None, "bgm")
    assert [(token.text, token.start) for token in heard.tokens] == [("你", 0.5), ("好", 0.8)]


@pytest.mark.parametrize(
    ("tag", "language"), [("<|nospeech|>", None), ("", None), ("<|zh|>", "zh"), ("en", "en"), (" <|JA|> ", "ja")]
)
def test_language_tags(tag: str, language: str | None) -> None:
    assert ResultReader(tagged=True).read(Result("", [], lang=tag), 1.0).language == language


def test_paraformer_s_pieces_get_spaces_as_its_text_has_them() -> None:
    tokens = ["hel@@", "lo", "world", "你", "好", "o@@", "k", "吗"]
    heard = ResultReader(joins_with_at=True).read(
        Result(" hello world 你好 ok 吗", tokens, [0.1 * n for n in range(8)]), 2.0
    )
    assert [token.text for token in heard.tokens] == ["hel", "lo", " world", " 你", "好", " o", "k", " 吗"]
    assert "".join(token.text for token in heard.tokens) == heard.text


def test_byte_tokens_are_joined_to_characters() -> None:
    tokens = [" a", "<0xE4>", "<0xBD>", "<0xA0>", "<0xFF>", "b"]
    heard = ResultReader().read(Result(" a你b", tokens, [0.0, 0.1, 0.2, 0.3, 0.4, 0.5], [], [-0.1] * 6), 1.0)
    assert [(token.text, token.start) for token in heard.tokens] == [(" a", 0.0), ("你", 0.1), ("b", 0.5)]
    assert heard.tokens[1].logprob == pytest.approx(-0.3)


@settings(max_examples=50)
@given(st.lists(st.text(st.characters(categories=("L", "N", "P")), min_size=1, max_size=4), min_size=1), st.data())
def test_byte_level_pieces_spell_their_text_again(words: list[str], data: st.DataObject) -> None:
    spelled = "".join("▁" + "".join(LETTER_OF[byte] for byte in word.encode()) for word in words)
    cuts = sorted(data.draw(st.sets(st.integers(1, len(spelled) - 1), max_size=12)))
    pieces = [spelled[start:end] for start, end in zip([0, *cuts], [*cuts, len(spelled)], strict=True)]
    times = [0.1 * number for number in range(len(pieces))]
    text = " ".join(words)
    heard = ResultReader(byte_bpe=True).read(Result(text, pieces, times), 1000.0)
    assert "".join(token.text for token in heard.tokens) == " " + text
    assert [token.start for token in heard.tokens] == sorted(token.start for token in heard.tokens)


def test_a_vocabulary_of_bytes_is_distinguished_from_one_of_letters() -> None:
    assert TokenTable(frozenset({"<blk>", "▁ƌŕş", "ƋĢ"}), 3, "ƋĢ").byte_bpe
    for symbols in ({"<blk>", "▁the", "s"}, {"<blk>", "你", "▁the"}, {"<blk>", "ở", "ư"}):
        assert not TokenTable(frozenset(symbols), 3, "").byte_bpe


def test_pieces_that_cannot_be_read_leave_the_text() -> None:
    heard = ResultReader().read(Unreadable("你好", []), 1.0)
    assert (heard.text, heard.tokens, heard.timed) == ("你好", (), False)


def test_numbers_that_are_none_and_counts_that_differ() -> None:
    result = Result("a b", [" a", " b"], [0.5, math.nan], [0.1, 0.2], [math.inf, 0.001])
    first, second = ResultReader().read(result, 0.55).tokens
    assert (first.start, first.end, first.logprob) == (0.5, 0.55, None)
    assert (second.start, second.end, second.logprob) == (None, None, 0.0)
    uneven = ResultReader().read(Result("a b", [" a", " b"], [0.5]), 1.0)
    assert [token.start for token in uneven.tokens] == [None, None]
    assert not uneven.timed


def test_no_text_has_no_tokens() -> None:
    assert ResultReader().read(Result("  ", [" "], [0.1]), 1.0).tokens == ()


class _ByteResult:
    """As the binding gives a result with a token that is not UTF-8: its tokens and its JSON cannot be read as text."""

    text = "ti 高 la"
    lang = emotion = event = ""
    timestamps = (0.1, 0.5, 0.6, 0.7, 0.9)

    @property
    def tokens(self) -> None:
        raise UnicodeDecodeError("utf-8", b"\xe9", 0, 1, "unexpected end of data")

    def __str__(self) -> None:
        raw = b'{"text": "ti", "tokens": ["ti", " \xe9", "\xab\x98", "\xff", " la"]}'
        raise UnicodeDecodeError("utf-8", raw, 25, 26, "invalid continuation byte")


def test_a_piece_that_is_not_a_character_costs_its_own_time_alone() -> None:
    read = ResultReader().read(_ByteResult(), 2.0)
    assert [(token.text, token.start) for token in read.tokens] == [("ti", 0.1), (" 高", 0.5), (" la", 0.9)]
    assert token_count(_ByteResult()) == 5
