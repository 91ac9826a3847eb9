"""Chunks and hypotheses to segments."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asrcli.assemble import Assembler
from asrcli.assemble.timing import orderly
from asrcli.audio.types import SAMPLE_RATE
from asrcli.backends.types import Hypothesis, Token
from asrcli.transcript import Segment, join_words
from asrcli.vad.types import Chunk, Region


def chunk(*spans: tuple[float, float], loud: bool = True) -> Chunk:
    """A chunk whose regions are noise bursts at these seconds of the stream, with silence between."""
    regions = tuple(Region(round(start * SAMPLE_RATE), round(end * SAMPLE_RATE)) for start, end in spans)
    start, end = regions[0].start, regions[-1].end
    samples = np.zeros(end - start, np.float32)
    rng = np.random.default_rng(0)
    for region in regions:
        samples[region.start - start : region.end - start] = rng.normal(0, 0.1, region.end - region.start)
    levels = Chunk.measure(samples) if loud else np.empty(0, np.float32)
    return Chunk(start, samples[:0], regions, levels)


def assemble(*parts: tuple[Chunk, Hypothesis], language: str | None = None) -> tuple[list[Segment], Any]:
    assembler = Assembler(language=language)
    segments = [segment for part, hypothesis in parts for segment in assembler.push(part, hypothesis)]
    return segments + assembler.finish(), assembler


def tokens(*pieces: tuple[str, float], logprob: float | None = None) -> tuple[Token, ...]:
    return tuple(Token(text, start, logprob=logprob) for text, start in pieces)


def starts(segments: list[Segment]) -> list[tuple[str, float]]:
    return [(word.text, round(word.start, 2)) for segment in segments for word in segment.words]


def test_sentencepiece_tokens_become_words_with_the_models_times() -> None:
    pieces = tokens(("▁he", 0.1), ("ll", 0.3), ("o", 0.4), (",", 0.55), ("▁wor", 0.7), ("ld", 0.9), (".", 1.1))
    (segment,), assembler = assemble((chunk((10, 12)), Hypothesis("hello, world.", pieces, language="en")))
    assert assembler.timing == "model"
    assert (segment.text, segment.language) == ("hello, world.", "en")
    assert starts([segment]) == [("hello,", 10.1), ("world.", 10.7)]
    assert [round(word.end, 2) for word in segment.words] == [10.55, 11.1]


def test_paraformer_pieces_and_characters() -> None:
    pieces = tokens(("打", 0.1), ("开", 0.3), ("g@@", 0.5), ("p@@", 0.6), ("t", 0.7), ("吧", 1.0))
    (segment,), _ = assemble((chunk((0, 2)), Hypothesis("打开gpt吧", pieces)))
    assert starts([segment]) == [("打", 0.1), ("开", 0.3), ("gpt", 0.5), ("吧", 1.0)]
    assert segment.text == "打开gpt吧"


@pytest.mark.parametrize("start", [0.98, 1.3, 1.9])
def test_a_word_that_begins_in_a_pause_begins_behind_it(start: float) -> None:
    pieces = (Token(" one", 0.2, 0.6), Token(" two", start, 2.4), Token(" three", 2.5, 2.9))
    segments, _ = assemble((chunk((0, 1), (2, 3)), Hypothesis("one two three", pieces)))
    assert [round(time, 1) for _, time in starts(segments)] == [0.2, 2.0, 2.5]


def test_byte_pieces_make_the_character() -> None:
    pieces = tokens(("▁", 0.1), ("<0xE4>", 0.2), ("<0xBD>", 0.3), ("<0xA0>", 0.4), ("好", 0.6))
    (segment,), _ = assemble((chunk((0, 1)), Hypothesis("你好", pieces)))
    assert starts([segment]) == [("你", 0.2), ("好", 0.6)]


def test_text_that_was_rewritten_keeps_the_times_of_what_it_kept() -> None:
    pieces = tokens(("in", 0.1), (" twenty", 0.5), (" twenty", 0.9), (" four", 1.3), (" it", 1.8), (" rained", 2.0))
    (segment,), _ = assemble((chunk((0, 3)), Hypothesis("In 2024, it rained.", pieces)))
    found = dict(starts([segment]))
    assert found["In"] == 0.1
    assert found["it"] == 1.8
    assert 0.5 <= found["2024,"] < 1.8


def test_confidence_is_the_mean_probability() -> None:
    pieces = tokens(("a", 0.0), (" b", 1.0), logprob=float(np.log(0.5)))
    (segment,), _ = assemble((chunk((0, 2)), Hypothesis("a b", pieces)))
    assert segment.confidence == pytest.approx(0.5)
    assert segment.words[0].confidence == pytest.approx(0.5)


def test_a_word_does_not_run_into_the_silence_behind_it() -> None:
    pieces = tokens(("▁one", 0.1), ("▁two", 3.0))
    segments, _ = assemble((chunk((0, 0.4), (2.9, 4)), Hypothesis("one two", pieces)))
    assert segments[0].words[0].end <= 0.4


@pytest.mark.parametrize(
    ("late", "vad", "expected"),
    [
        (0.04, True, 2.04),  # within the error of either
        (0.2, True, 2.0),
        (0.2, False, 2.2),  # noise behind digital silence is loud, too
        (0.4, True, 2.4),
    ],
)
def test_the_first_word_behind_a_long_pause_begins_with_its_sound_if_vad_heard_it(
    late: float, vad: bool, expected: float
) -> None:
    part = chunk((0.0, 1.0), (2.0, 4.0))
    part = replace(part, speech=np.ones(len(part.levels), np.float32)) if vad else part
    segments, _ = assemble((part, Hypothesis("a b c", tokens(("▁a", 0.1), ("▁b", 2.0 + late), ("▁c", 3.0)))))
    found = [word.start for segment in segments for word in segment.words]
    assert found == pytest.approx([0.1, expected, 3.0], abs=0.035)


def test_no_word_ends_in_a_pause() -> None:
    part = replace(chunk((0.0, 1.0), (2.0, 4.0)), regions=(Region(0, 4 * SAMPLE_RATE),))
    segments, _ = assemble((part, Hypothesis("a b", tokens(("▁a", 0.8), ("▁b", 2.5)))))
    assert segments[0].words[0].end == pytest.approx(1.0, abs=0.035)


@given(times=st.lists(st.floats(0, 3), min_size=1, max_size=20).map(sorted))
def test_words_that_a_model_places_have_a_length_where_there_is_room(times: list[float]) -> None:
    ordered = orderly([(start, start) for start in times], 10.0)
    assert all(end - start > 1e-6 for start, end in ordered) or min(np.diff(times)) > 0
    assert all(left[1] <= right[0] + 1e-9 for left, right in pairwise(ordered))


def test_estimated_words_may_have_no_length() -> None:
    assert orderly([(1.0, 1.0), (1.0, 1.5)], 10.0, estimated=True) == [(1.0, 1.0), (1.0, 1.5)]
    assert orderly([(1.0, 1.0)], 10.0) == [(1.0, 1.02)]


def test_words_that_begin_together_follow_each_other() -> None:
    assert [round(start, 3) for start, _ in orderly([(1.0, 1.2)] * 3 + [(1.3, 1.5)], 10.0)] == [1.0, 1.1, 1.2, 1.3]
    assert [round(start, 3) for start, _ in orderly([(1.0, 1.2)] * 3, 10.0)] == [1.0, 1.15, 1.3]
    assert [round(start, 3) for start, _ in orderly([(1.0, 1.2)] * 2, 1.0)] == [1.0, 1.0]


def test_estimated_words_lie_where_the_sound_is() -> None:
    sounds = [(5.0, 6.0), (6.6, 8.0), (9.0, 9.5)]
    text = "this is first, and here comes the second. Third."
    segments, assembler = assemble((chunk(*sounds), Hypothesis(text)))
    assert assembler.timing == "estimated"
    found = dict(starts(segments))
    assert found["this"] == pytest.approx(5.0, abs=0.05)
    assert found["and"] == pytest.approx(6.6, abs=0.05)
    assert found["Third."] == pytest.approx(9.0, abs=0.05)
    assert [segment.text for segment in segments] == ["this is first, and here comes the second.", "Third."]


def test_punctuation_decides_which_pause_a_sentence_ends_at() -> None:
    # By length alone "yes" would share the first sound with what follows it.
    segments, _ = assemble((chunk((0, 0.5), (1.1, 3.0)), Hypothesis("Yes. I think that we should go there now.")))
    assert starts(segments)[1] == ("I", pytest.approx(1.1, abs=0.05))


def test_without_levels_the_regions_serve() -> None:
    segments, _ = assemble((chunk((0, 1), (3, 4), loud=False), Hypothesis("One two. Three four.")))
    assert dict(starts(segments))["Three"] == pytest.approx(3.0, abs=0.01)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Mr. Smith met Dr. Jones. They left.", ["Mr. Smith met Dr. Jones.", "They left."]),
        ("It costs 3.5 dollars. Really?", ["It costs 3.5 dollars.", "Really?"]),
        ("The U.S. economy grew. J. R. Tolkien wrote.", ["The U.S. economy grew.", "J. R. Tolkien wrote."]),
        ("Meet at 5 p.m. Bring No. 7. Say no. Then go.", ["Meet at 5 p.m.", "Bring No. 7.", "Say no.", "Then go."]),
        ('"What?" he asked. "Nothing."', ['"What?" he asked.', '"Nothing."']),
        ("今天下雨。明天呢？好！", ["今天下雨。", "明天呢？", "好！"]),
        ("Well... maybe. Yes", ["Well... maybe.", "Yes"]),
    ],
)
def test_sentences(text: str, expected: list[str]) -> None:
    segments, _ = assemble((chunk((0, 8)), Hypothesis(text)))
    assert [segment.text for segment in segments] == expected


def test_a_pause_ends_a_segment_without_punctuation() -> None:
    pieces = tokens(("▁one", 0.0), ("▁two", 0.5), ("▁three", 2.5))
    segments, _ = assemble((chunk((0, 3)), Hypothesis("one two three", pieces)))
    assert [segment.text for segment in segments] == ["one two", "three"]


def test_a_sentence_goes_on_over_the_end_of_a_chunk() -> None:
    first = (chunk((0, 2)), Hypothesis("Well started. It was the", language="en"))
    second = (chunk((2, 4)), Hypothesis("best of times. And", language="en"))
    assembler = Assembler()
    assert [s.text for s in assembler.push(*first)] == ["Well started."]
    assert [s.text for s in assembler.push(*second)] == ["It was the best of times."]
    assert [s.text for s in assembler.finish()] == ["And"]
    assert assembler.finish() == []


@pytest.mark.parametrize(
    ("text", "pause", "expected"),
    [
        ("Ask not what your country", 0.9, ["Ask not what your country"]),
        ("Ask not what your country", 1.3, ["Ask not", "what your country"]),
        ("It was. The best of times", 0.9, ["It was.", "The best of times"]),
        ("你好今天下雨", 0.9, ["你好今天下雨"]),
    ],
)
@pytest.mark.parametrize("apart", [True, False])
def test_one_or_two_words_before_a_pause_belong_to_what_follows(
    text: str, pause: float, expected: list[str], apart: bool
) -> None:
    words = [" " + word for word in text.split()] if " " in text else list(text)
    times = [0.1, 0.4, *(0.7 + pause + 0.3 * number for number in range(len(words) - 2))]
    pieces = tokens(*((word, time) for word, time in zip(words, times, strict=True)))
    timed = tuple(replace(piece, end=(piece.start or 0) + 0.3) for piece in pieces)
    first, last = chunk((0, 0.8)), chunk((0.6 + pause, 2.6 + pause))
    if not apart:
        both = Chunk(0, last.samples, (*first.regions, *last.regions))
        segments, _ = assemble((both, Hypothesis(text, timed)))
    else:
        shift = last.start / SAMPLE_RATE
        moved = tuple(replace(piece, start=piece.start - shift, end=piece.end - shift) for piece in timed[2:])
        parts = ["".join(word for word in some).strip() for some in (words[:2], words[2:])]
        segments, _ = assemble((first, Hypothesis(parts[0], timed[:2])), (last, Hypothesis(parts[1], moved)))
    assert [segment.text for segment in segments] == expected


def test_a_sentence_does_not_go_on_over_a_pause_or_a_change_of_language() -> None:
    pause, _ = assemble((chunk((0, 2)), Hypothesis("one two")), (chunk((4, 5)), Hypothesis("three")))
    assert [segment.text for segment in pause] == ["one two", "three"]
    change, _ = assemble(
        (chunk((0, 2)), Hypothesis("one two", language="en")), (chunk((2, 3)), Hypothesis("三四", language="zh"))
    )
    assert [(segment.text, segment.language) for segment in change] == [("one two", "en"), ("三四", "zh")]


def test_chinese_goes_on_without_a_space() -> None:
    (segment,), _ = assemble((chunk((0, 2)), Hypothesis("今天")), (chunk((2, 3)), Hypothesis("下雨")))
    assert segment.text == "今天下雨"


def test_labels_are_carried_and_ids_counted() -> None:
    hypothesis = Hypothesis("好。再见。", language="zh", emotion="happy", event="speech")
    segments, _ = assemble((chunk((0, 2)), hypothesis))
    assert [(s.id, s.language, s.emotion, s.event) for s in segments] == [
        (0, "zh", "happy", "speech"),
        (1, "zh", "happy", "speech"),
    ]
    (fallback,), _ = assemble((chunk((0, 2)), Hypothesis("well")), language="en")
    assert fallback.language == "en"


def test_a_mark_written_twice_is_written_once() -> None:
    segments, _ = assemble((chunk((0, 5)), Hypothesis("In short,, the period... 他说，，好。")))
    assert " ".join(segment.text for segment in segments) == "In short, the period... 他说，好。"


@pytest.mark.parametrize("text", ["Use std::vector.", "It is fe80::1.", "Wait... what?!", "A -- b.", "a::b::c"])
def test_marks_that_are_doubled_on_purpose_stay(text: str) -> None:
    segments, _ = assemble((chunk((0, 5)), Hypothesis(text)))
    assert "".join(segment.text for segment in segments) == text


def test_endless_speech_is_divided() -> None:
    text = " ".join([f"word{i}" for i in range(40)] + ["so,"] + [f"word{i}" for i in range(60)])
    segments, _ = assemble((chunk((0, 70), loud=False), Hypothesis(text)))
    assert len(segments) > 2
    assert all(segment.end - segment.start <= 30 for segment in segments)
    assert " ".join(segment.text for segment in segments) == text
    later, _ = assemble((chunk((1000, 1070), loud=False), Hypothesis(text)))
    assert [segment.text for segment in later] == [segment.text for segment in segments]


def test_a_long_segment_is_divided_in_its_later_half_at_a_clause_or_a_pause() -> None:
    def divided(*words: tuple[str, float], length: float = 0.9) -> list[int]:
        pieces = tuple(Token(f"▁{text}", start, end=start + length) for text, start in words)
        segments, _ = assemble((chunk((0, 70)), Hypothesis(" ".join(text for text, _ in words), pieces)))
        return [len(segment.words) for segment in segments]

    row = [("on", float(second)) for second in range(34)]
    assert divided(*row[:30]) == [30]
    assert divided(*row[:31]) == [30, 1]
    assert divided(*row) == [30, 4]
    assert divided(*row[:20], ("on,", 20.0), *row[21:]) == [21, 13]
    assert divided(*row[:13], ("on,", 13.0), *row[14:]) == [30, 4]  # in the first half
    assert divided(*row[:20], *[(text, start + 0.6) for text, start in row[20:]]) == [20, 14]
    assert divided(("on", 38.0), ("and", 68.5), ("on", 69.2), length=30.5) == [1, 2]


def test_three_rounds_of_a_loop_stay_and_are_reported() -> None:
    text = "And so it goes. " + "Thank you very much. " * 30 + "Good night."
    segments, assembler = assemble((chunk((65, 75)), Hypothesis(text)))
    assert " ".join(s.text for s in segments) == "And so it goes. " + "Thank you very much. " * 3 + "Good night."
    (warning,) = assembler.warnings()
    assert "at 65.0 s" in warning
    assert "Thank you very much." in warning


@pytest.mark.parametrize("text", ["哈" * 60, "ha" * 60, "no " * 60, "...".join(["so what "] * 50)])
def test_loops_of_other_forms(text: str) -> None:
    segments, assembler = assemble((chunk((0, 5)), Hypothesis(text)))
    assert sum(len(s.text) for s in segments) < 40
    assert assembler.warnings()


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("我知道" * 5, 2.0),
        ("la " * 30, 3.0),
        ("加油" * 18, 4.0),
        ("加油！" * 18, 3.6),
        ("哈" * 30, 3),
        ("ha" * 21, 4),
        ("Thank you very much. " * 12, 9.0),
        ("вперёд " * 12, 3.0),
    ],
)
def test_fast_repeats_that_can_be_spoken_stay(text: str, seconds: float) -> None:
    segments, assembler = assemble((chunk((0, seconds)), Hypothesis(text)))
    assert "".join(s.text for s in segments).replace(" ", "") == text.replace(" ", "")
    assert not assembler.warnings()


def test_a_space_is_not_added_where_chunks_of_chinese_meet() -> None:
    """Segments of one speaker are joined again when speakers are assigned."""
    segments, _ = assemble((chunk((0, 2)), Hypothesis("你好。")), (chunk((4, 6)), Hypothesis("再见。")))
    words = [word for segment in segments for word in segment.words]
    assert join_words(words) == "你好。再见。"


@pytest.mark.parametrize(
    "text",
    [
        "No, no, no, no, no!",
        "It was the best of times, it was the worst of times, it was the age of wisdom, it was the age of folly.",
        "Ever tried, ever failed, no matter, try again, fail again, fail better.",
        "一二一二一二",
        "na na na na, na na na na, hey hey hey, goodbye",
        "No no, no no no no, no no no no, no no, there's no limit!",
        "One two three four, one two three four, one two three four, one two three four.",
        "Around the world, around the world, around the world, around the world, around the world.",
        "哈哈哈哈哈哈哈哈哈哈哈哈",
    ],
)
def test_what_people_repeat_stays(text: str) -> None:
    segments, assembler = assemble((chunk((0, 9)), Hypothesis(text)))
    assert "".join(s.text for s in segments).replace(" ", "") == text.replace(" ", "")
    assert not assembler.warnings()


@pytest.mark.parametrize("text", ["", "  ", ".", "。", "…", "-"])
def test_nothing_said_is_no_segment(text: str) -> None:
    segments, assembler = assemble((chunk((0, 1)), Hypothesis(text)))
    assert segments == []
    assert assembler.timing == "estimated"


def test_nothing_is_said_in_silence() -> None:
    silent = chunk((0, 2))
    silent = Chunk(0, silent.samples, silent.regions, np.full_like(silent.levels, -90))
    segments, _ = assemble((silent, Hypothesis("Thank you for watching.")))
    assert segments == []


spans_drawn = st.lists(st.tuples(st.integers(0, 900), st.integers(120, 4000)), min_size=1, max_size=8).map(
    lambda pairs: [
        (start / 1000, end / 1000)
        for start, end in zip(
            np.cumsum([gap + 1 for gap, _ in pairs]) + np.cumsum([0, *[length for _, length in pairs]])[:-1],
            np.cumsum([gap + 1 for gap, _ in pairs]) + np.cumsum([length for _, length in pairs]),
            strict=True,
        )
    ]
)
texts = st.lists(
    st.sampled_from(["a", "of", "straightforward", "no.", "Yes,", "what?", "你好。", "2024", "well-known", "的"]),
    min_size=1,
    max_size=60,
).map(" ".join)


@settings(max_examples=150)
@given(spans=spans_drawn, text=texts, loud=st.booleans(), timed=st.booleans(), data=st.data())
def test_times_are_in_order_and_within_the_speech(
    spans: list[tuple[float, float]], text: str, loud: bool, timed: bool, data: st.DataObject
) -> None:
    pieces: tuple[Token, ...] = ()
    if timed:
        times = data.draw(st.lists(st.floats(-1, 40), min_size=len(text.split()), max_size=len(text.split())))
        pieces = tuple(Token(f"▁{word}", time) for word, time in zip(text.split(), times, strict=True))
    part = chunk(*spans, loud=loud)
    segments, assembler = assemble((part, Hypothesis(text, pieces)))
    low, high = part.start / SAMPLE_RATE, part.end / SAMPLE_RATE
    placed = [word for segment in segments for word in segment.words]
    for word in placed:
        assert low - 1e-6 <= word.start <= word.end <= high + 1e-6
    for left, right in pairwise(placed):
        assert left.end <= right.start + 1e-9
    for segment in segments:
        assert (segment.start, segment.end) == (segment.words[0].start, segment.words[-1].end)
    if not timed:
        # An estimated word begins and ends in a region.
        for word in placed:
            for at in (word.start, word.end):
                assert any(r.start - 1 <= at * SAMPLE_RATE <= r.end + 1 for r in part.regions)
        assert assembler.timing == "estimated"
    if not assembler.warnings():
        assert "".join(s.text for s in segments).replace(" ", "") == text.replace(" ", "")
