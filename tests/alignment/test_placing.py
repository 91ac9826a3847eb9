"""Given texts on the times of recognised words."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asrcli.alignment.placing import align_lines
from asrcli.errors import InputError
from asrcli.transcript import Segment, Transcript, Word

SENTENCE = [
    "it",
    "was",
    "the",
    "best",
    "of",
    "times",
    "it",
    "was",
    "the",
    "worst",
    "of",
    "times",
    "it",
    "was",
    "the",
    "age",
    "of",
    "wisdom",
]


def heard(words: list[str], *, start: float = 1.0, step: float = 0.5) -> Transcript:
    """A transcript in which a word of 0.4 s begins every half second."""
    timed = tuple(Word(word, start + n * step, start + n * step + 0.4) for n, word in enumerate(words))
    segment = Segment(0, timed[0].start, timed[-1].end, " ".join(words), timed) if timed else None
    return Transcript("a", start + len(words) * step + 1, (segment,) if segment else ())


def words_of(transcript: Transcript) -> list[Word]:
    return [word for segment in transcript.segments for word in segment.words]


def test_lines_keep_their_text_and_get_times() -> None:
    aligned = align_lines(heard(["hello", "there", "good", "bye"]), ["Hello, there!", "Good bye."])
    assert [segment.text for segment in aligned.segments] == ["Hello, there!", "Good bye."]
    assert [(segment.start, segment.end) for segment in aligned.segments] == [(1.0, 1.9), (2.0, 2.9)]
    assert {word.alignment for word in words_of(aligned)} == {"matched"}
    assert aligned.notes["alignment"] == {"matched": 4, "interpolated": 0}


def test_no_word_is_placed_before_the_part_that_was_transcribed() -> None:
    aligned = align_lines(heard(["good", "bye"], start=5.2), ["Hello, there!", "Good bye."], 5.0)
    assert [segment.start for segment in aligned.segments] == [5.0, 5.2]
    assert aligned.segments[0].end == 5.2


def test_a_wrong_word_has_the_time_of_the_one_in_its_place() -> None:
    aligned = align_lines(heard(["a", "quick", "fox", "ran"]), ["a umbrella fox ran"])
    assert [word.start for word in words_of(aligned)] == [1.0, 1.5, 2.0, 2.5]
    assert [word.alignment for word in words_of(aligned)] == ["matched", "interpolated", "matched", "matched"]


def test_words_that_were_not_recognised_lie_between_those_that_were() -> None:
    aligned = align_lines(heard(["one", "six"], step=3.0), ["one two three four five six"])
    starts = [word.start for word in words_of(aligned)]
    assert starts == sorted(starts)
    assert 1.4 <= starts[1] < starts[4] < 4.0
    assert starts[5] == 4.0


def test_words_before_the_first_and_after_the_last_are_beside_them() -> None:
    aligned = align_lines(heard(["middle", "word"], start=30.0), ["so this is the middle word and the end"])
    first, *_, last = words_of(aligned)
    assert 27 < first.start < 30
    assert 30.9 < last.end <= aligned.duration


def test_chinese_is_matched_by_character() -> None:
    aligned = align_lines(heard(list("今天天气很好")), ["今天天气真好。"])
    assert [word.alignment for word in words_of(aligned)] == [*["matched"] * 4, "interpolated", "matched"]
    assert words_of(aligned)[4].start == 3.0


def test_lines_without_words_stay() -> None:
    aligned = align_lines(heard(["hello", "there"]), ["hello", "♪", "there"])
    assert [(segment.text, segment.start) for segment in aligned.segments] == [
        ("hello", 1.0), ("♪", 1.4), ("there", 1.5)
    ]  # fmt: skip


@pytest.mark.parametrize("lines", [[], ["", "..."], ["entirely different"]])
def test_a_text_that_is_not_the_spoken_one_is_refused(lines: list[str]) -> None:
    with pytest.raises(InputError, match="words"):
        align_lines(heard(["hello"]), lines)
    with pytest.raises(InputError):
        align_lines(heard([]), ["hello"])


def test_warnings_for_a_text_of_another_recording_and_for_speech_that_it_lacks() -> None:
    few = align_lines(heard(["hello", "there"]), ["hello this is something else"])
    assert few.warnings == ("timestamps: only 1 of 5 words of the text were recognised",)
    lacking = align_lines(heard(["so", *SENTENCE, "end"]), ["so end"])
    assert lacking.warnings == ("timestamps: speech from 1.5 to 10.4 s is not in the text",)


def test_a_warning_names_words_that_the_recording_lacks() -> None:
    spoken = ["ask", "what", "your", "country", "can", "do"]
    one = align_lines(heard(spoken), ["Ask what your banana country can do."])
    assert one.warnings == ("timestamps: no speech was recognised for 1 word of the text: 'banana' at 2.4 s",)
    several = align_lines(heard(["one", "six", *SENTENCE]), ["one two three six", " ".join(SENTENCE), "thus it ends"])
    (warning,) = several.warnings
    assert "for 5 words of the text: 'two three' at 1.4 s, 'thus it ends' at 10.9 s" in warning
    # a mark and a misheard word; two words that are recognised as one
    assert align_lines(heard(spoken), ["Ask what your — country can dew."]).warnings == ()
    assert align_lines(heard(["ask", "cannot", "do"]), ["ask can not do"]).warnings == ()
    assert align_lines(heard([*spoken, "today"]), ["Ask what your country can do to day."]).warnings == ()


def test_a_paragraph_that_the_recording_lacks_is_no_misheard_word() -> None:
    extra = " ".join(f"umbrella{number}" for number in range(12))
    (warning,) = align_lines(heard([*SENTENCE, "xyz", *SENTENCE]), [" ".join([*SENTENCE, extra, *SENTENCE])]).warnings
    assert "for 12 words of the text: 'umbrella0 umbrella1 umbrella2 umbrella3 umbrella4 …'" in warning


def test_a_warning_names_a_few_places_and_counts_the_others() -> None:
    spoken = [f"word{number}" for number in range(60)]
    text = [each for number, word in enumerate(spoken) for each in ([word] if number % 8 else ["um", word])]
    (warning,) = align_lines(heard(spoken), [" ".join(text)]).warnings
    assert "for 8 words of the text" in warning
    assert warning.count("'um'") == 5
    assert warning.endswith(" and 3 more places")


@pytest.mark.parametrize("seed", range(5))
def test_ten_percent_of_wrong_and_missing_words_move_the_others_little(seed: int) -> None:
    chance = random.Random(seed)
    spoken = [chance.choice(SENTENCE) for _ in range(400)]
    text, true = [], []
    for number, word in enumerate(spoken):
        drawn = chance.random()
        if drawn > 0.1:
            text.append("umbrella" if drawn < 0.2 else word)
            true.append(1.0 + number * 0.5)
    found = words_of(align_lines(heard(spoken), [" ".join(text)]))
    errors = sorted(abs(word.start - start) for word, start in zip(found, true, strict=True))
    assert errors[len(errors) // 2] < 0.05
    assert errors[len(errors) * 9 // 10] < 1.0


@given(st.lists(st.sampled_from(SENTENCE), min_size=1, max_size=40), st.lists(st.sampled_from(SENTENCE), max_size=40))
def test_times_never_decrease_and_lie_in_the_recording(text: list[str], spoken: list[str]) -> None:
    transcript = heard(spoken)
    try:
        aligned = align_lines(transcript, [" ".join(text[:5]), " ".join(text[5:])])
    except InputError:
        assert not set(text) & set(spoken)
        return
    words = words_of(aligned)
    assert [word.text for word in words] == text
    for word, following in pairwise([*words, Word("", aligned.duration, aligned.duration)]):
        assert 0 <= word.start <= word.end <= following.end
        assert word.start <= following.start
