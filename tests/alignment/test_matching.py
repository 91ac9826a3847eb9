"""Which units of two texts correspond."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asrcli.alignment import matching
from asrcli.alignment.matching import match

TEXTS = st.lists(st.sampled_from(["a", "b", "c", "dd", "ee", "f"]), max_size=30)


def distance_of(one: list[str], other: list[str]) -> int:
    """The edit distance, in the way of the textbook."""
    row = list(range(len(other) + 1))
    for number, unit in enumerate(one, 1):
        before, row = row, [number]
        for place, against in enumerate(other, 1):
            row.append(min(before[place] + 1, row[-1] + 1, before[place - 1] + (unit != against)))
    return row[-1]


@given(TEXTS, TEXTS)
def test_pairs_ascend_and_belong_to_a_shortest_edit(one: list[str], other: list[str]) -> None:
    pairs = match(one, other)
    assert pairs == sorted(pairs)
    assert len({first for first, _ in pairs}) == len({second for _, second in pairs}) == len(pairs)
    assert all(one[first] == other[second] for first, second in pairs)
    # Each pair saves a deletion and an insertion; substitutes save one of the two, and are no pairs here.
    distance = distance_of(one, other)
    assert max(len(one), len(other)) - distance <= len(pairs)


@given(TEXTS)
def test_equal_texts_match_entirely(text: list[str]) -> None:
    assert match(text, text) == [(number, number) for number in range(len(text))]


@given(TEXTS, st.data())
def test_a_part_of_a_text_is_found_in_one_piece(text: list[str], data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text)))
    part = text[start : data.draw(st.integers(start, len(text)))]
    for pairs in (match(part, text), [(second, first) for first, second in match(text, part)]):
        assert [first for first, _ in pairs] == list(range(len(part)))
        assert len({second - first for first, second in pairs}) <= 1


@pytest.mark.parametrize("count", [3, 4, 5, 9])
def test_a_word_that_both_have_is_found_where_all_others_differ(count: int) -> None:
    assert match(["it"] * count + ["the"], ["the"] + ["was"] * count) == [(count, 0)]


def test_the_nearest_of_equal_words_match() -> None:
    heard = ["did", "you", "find", "the", "recording", "on", "it", "and", "does", "the", "recording", "leave"]
    assert match(["did", "you", "find", "the", "recording"], heard) == [(number, number) for number in range(5)]
    assert match(["the", "recording", "leave"], heard) == [(0, 9), (1, 10), (2, 11)]


def test_a_word_with_another_letter_matches() -> None:
    assert match(["the", "colour", "red"], ["the", "color", "red"]) == [(0, 0), (1, 1), (2, 2)]
    assert match(["the", "cat", "sat"], ["the", "umbrella", "sat"]) == [(0, 0), (2, 2)]


@pytest.mark.parametrize("cells", [4, 50, 1000])
def test_divided_texts_match_as_whole_ones(monkeypatch: pytest.MonkeyPatch, cells: int) -> None:
    chance = random.Random(cells)
    given_text = [f"w{chance.randrange(40)}" for _ in range(200)]
    heard = [word for word in given_text if chance.random() < 0.9]
    whole = match(given_text, heard)
    monkeypatch.setattr(matching, "_CELLS", cells)
    divided = match(given_text, heard)
    assert divided == sorted(divided)
    assert len(divided) > 0.85 * len(whole)


def test_a_text_of_one_repeated_word_needs_no_quadratic_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matching, "_CELLS", 1000)
    assert len(match(["no"] * 3000, ["no"] * 2900)) > 2500
