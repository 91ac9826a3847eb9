from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asrcli.options import SUBTITLE_STYLES, CueOptions
from asrcli.text.subtitles import segmentation
from asrcli.text.subtitles.breaks import GLUED, price
from asrcli.text.subtitles.cues import Cue, label, shape
from asrcli.text.subtitles.divide import Divider
from asrcli.text.subtitles.layout import Layout
from asrcli.text.subtitles.pieces import lanes, words_of
from asrcli.text.subtitles.schedule import Timing
from asrcli.text.subtitles.width import has_wide, width
from asrcli.transcript import Segment, Transcript, Word, join_words
from tests.strategies import transcripts

OPTIONS = st.builds(
    CueOptions,
    max_line_width=st.integers(10, 50),
    max_line_width_cjk=st.integers(5, 20),
    max_lines=st.integers(1, 3),
    max_words=st.none() | st.integers(1, 8),
    min_cue=st.sampled_from([0.0, 0.833, 2.0]),
    max_cue=st.sampled_from([2.0, 7.0]),
    max_cps=st.sampled_from([9.0, 20.0]),
    cue_gap=st.integers(0, 6),
)


def spoken(
    text: str, *, start: float = 0.0, speaker: str | None = None, number: int = 0, space: bool = True
) -> Segment:
    """Words at a steady pace, 0.06 s a character, with a pause of 0.3 s after a full stop."""
    words = []
    for part in text.split() if space else text:
        end = start + 0.06 * len(part)
        words.append(Word(part, start, end, speaker=speaker, space_before=space))
        start = end + (0.3 if part[-1] in ".?!" else 0.02)
    return Segment(number, words[0].start, words[-1].end, join_words(words), tuple(words), speaker)


def transcript(*segments: Segment, after: float = 2.0) -> Transcript:
    return Transcript("talk.wav", max(segment.end for segment in segments) + after, segments)


def texts(cues: list[Cue]) -> list[str]:
    return [cue.text for cue in cues]


@settings(deadline=None, max_examples=60)
@given(source=transcripts(), options=OPTIONS, labelled=st.booleans())
def test_cues_neither_overlap_nor_leave_the_recording(source, options, labelled):
    cues = shape(source, options, labelled=labelled)
    # Cues, like durations, are written in milliseconds: 0.33999999999999997 s is 0.34 s.
    assert all(0 <= cue.start < cue.end <= round(source.duration, 3) for cue in cues)
    assert all(before.end <= after.start for before, after in pairwise(cues))
    assert all(cue.end - cue.start <= options.max_cue + 0.0011 for cue in cues)
    for cue in cues:
        times = [time for word in cue.words for time in (word.start, word.end)]
        assert all(cue.start <= time <= cue.end for time in times)


@settings(deadline=None, max_examples=60)
@given(source=transcripts(), options=OPTIONS)
def test_every_word_of_a_voice_is_shown_once_and_in_order(source, options):
    source = replace(source, segments=tuple(replace(segment, channel=None) for segment in source.segments))
    shown: dict[str | None, str] = {}
    for cue in shape(source, options):
        for line in cue.lines:
            shown[line.speaker] = shown.get(line.speaker, "") + line.text
    said: dict[str | None, str] = {}
    for segment in source.segments:
        said[segment.speaker] = said.get(segment.speaker, "") + segment.text
    squeezed = {key: "".join(text.split()) for key, text in said.items()}
    assert {key: "".join(text.split()) for key, text in shown.items()} == squeezed


@settings(deadline=None, max_examples=60)
@given(source=transcripts(), options=OPTIONS, labelled=st.booleans())
def test_lines_hold_to_their_measure(source, options, labelled):
    named = labelled and any(word.speaker for segment in source.segments for word in words_of(segment))
    speaker: str | None = ""
    for cue in shape(source, options, labelled=labelled):
        assert len(cue.lines) <= options.max_lines
        assert options.max_words is None or len(cue.words) <= options.max_words
        assert cue.dialogue or len({line.speaker for line in cue.lines}) == 1
        for line in cue.lines:
            name = label(line.speaker) if named and (cue.dialogue or line.speaker != speaker) else ""
            speaker = line.speaker
            if len(line.words) == 1:
                continue  # no better place for a word wider than a line
            room = 2 * options.max_line_width_cjk if has_wide(line.text) else options.max_line_width
            assert width(("- " if cue.dialogue else "") + name + line.text) <= room


@settings(deadline=None, max_examples=30)
@given(source=transcripts(max_segments=2), options=OPTIONS)
def test_no_other_division_costs_less(source, options):
    timing = Timing.of(options, int(source.duration * 1000))
    for lane in lanes(source, timing.limit, 100):
        head = replace(
            lane, pieces=lane.pieces[:9], interrupted=lane.interrupted[:9], others_began=lane.others_began[:9]
        )
        divider = Divider(head, options, timing, 0)
        count = len(head.pieces)

        def total(bounds: tuple[int, ...], divider=divider) -> float:
            return sum(divider.price(start, end) for start, end in pairwise(bounds))

        def divisions(start: int, count=count):
            if start == count:
                yield (count,)
            for end in range(start + 1, count + 1):
                yield from ((start, *rest) for rest in divisions(end))

        chosen = (0, *(part.end for part in divider.divide()))
        least = min(total(bounds) for bounds in divisions(0))
        assert total(chosen) == pytest.approx(least)
        assert least < inf


@pytest.mark.parametrize("line_width", range(14, 48))
def test_numbers_quantities_and_titles_are_never_torn(line_width):
    text = (
        "In the spring Mr. Smith paid $ 3 000 000 for 10.5 kg of gold and 25 percent of a mine near St. Ives, "
        "which J. R. Brown had sold to him at 7 p.m. for 1 200 euros."
    )
    cues = shape(transcript(spoken(text)), CueOptions(max_line_width=line_width))
    lines = [line.text for cue in cues for line in cue.lines]
    for whole in (
        "Mr. Smith",
        "$ 3 000 000",
        "10.5 kg",
        "25 percent",
        "St. Ives,",
        "J. R. Brown",
        "7 p.m.",
        "1 200 euros.",
    ):
        assert any(whole in line for line in lines), f"{whole} torn in {lines}"


def test_breaks_follow_the_sense():
    text = (
        "I would have come to the opening of the exhibition, but the train was late because of the snow. "
        "Nobody had told us about it."
    )
    assert texts(shape(transcript(spoken(text)), CueOptions())) == [
        "I would have come\nto the opening of the exhibition,",
        "but the train was late\nbecause of the snow.",
        "Nobody had told us about it.",
    ]


def test_lines_are_balanced_and_the_lower_one_is_rather_the_longer():
    cue = shape(transcript(spoken("seven little boats were sailing slowly over water")), CueOptions(max_line_width=28))[
        0
    ]
    upper, lower = (width(line.text) for line in cue.lines)
    assert upper <= lower
    assert lower - upper <= 8


def test_a_pause_ends_the_cue():
    parts = spoken("we waited there"), spoken("for hours", start=4.0)
    assert texts(shape(transcript(*parts), CueOptions())) == ["we waited there", "for hours"]


def test_a_cue_begins_with_its_first_word_and_stays_long_enough_to_be_read():
    cues = shape(transcript(spoken("No.", start=1.2345), spoken("Never again.", start=5.0)), CueOptions(min_cue=1.5))
    assert [cue.start for cue in cues] == [1.234, 5.0]
    assert [cue.end - cue.start for cue in cues] == pytest.approx([1.5, 1.5])


def test_cues_are_extended_for_the_reading_speed_where_there_is_room():
    fast = Segment(0, 0.0, 1.0, "", tuple(Word("letters", t / 10, t / 10 + 0.1) for t in range(10)))
    cue = shape(transcript(fast, after=5.0), CueOptions(max_cps=20))[0]
    assert len(cue.text.replace("\n", " ")) / (cue.end - cue.start) == pytest.approx(20, rel=0.01)


def test_neighbouring_cues_keep_their_distance():
    text = "and so it goes on and on without any stop " * 6
    cues = shape(transcript(spoken(text)), CueOptions(cue_gap=3))
    assert len(cues) > 2
    assert all(after.start - before.end == pytest.approx(0.125) for before, after in pairwise(cues))


def test_a_quick_exchange_shares_a_cue():
    exchange = (
        spoken("Ready?", speaker="Ann"),
        spoken("Yes.", start=0.5, speaker="Bob"),
        spoken("Then go on.", start=0.9, speaker="Ann"),
    )
    talk = transcript(*exchange)
    first = shape(talk, CueOptions())[0]
    assert first.text == "- Ready?\n- Yes."
    assert (first.dialogue, first.speaker, [line.speaker for line in first.lines]) == (True, None, ["Ann", "Bob"])
    apart = shape(talk, CueOptions(dialogue=False))
    assert [(cue.speaker, cue.text) for cue in apart] == [("Ann", "Ready?"), ("Bob", "Yes."), ("Ann", "Then go on.")]


def test_an_interruption_does_not_tear_the_others_sentence():
    long = spoken("we were just about to leave the house when the telephone began to ring", speaker="Ann")
    short = spoken("Right.", start=1.6, speaker="Bob")
    cues = shape(transcript(long, short), CueOptions(dialogue=False))
    assert " ".join(cue.text.replace("\n", " ") for cue in cues if cue.speaker == "Ann") == long.text
    assert next(cue for cue in cues if cue.speaker == "Bob").start == pytest.approx(1.6, abs=0.2)


def test_chinese_is_measured_in_full_width_characters():
    text = "我们现在开始讨论人工智能的发展，它在过去的三千五百年里从来没有像今天这样快。"
    cues = shape(transcript(spoken(text, space=False)), CueOptions())
    lines = [line.text for cue in cues for line in cue.lines]
    assert "".join(lines) == text
    assert all(width(line) <= 32 for line in lines)
    assert not any(line[0] in "，。" for line in lines)
    assert any("三千五百年" in line for line in lines)
    assert lines[0].endswith("，")


CHINESE = "尽管今天的天气预报说下午会有大雨，我们还是决定按照原来的计划去爬山，因为这是大家期待了很久的一次活动。"
JAPANESE = "コンピューターの故障で三十分ぐらい待たされましたが、それでも料理はとてもおいしかったです。"


@pytest.mark.parametrize("width_cjk", range(6, 17))
def test_chinese_words_are_not_torn(width_cjk):
    cues = shape(transcript(spoken(CHINESE, space=False)), CueOptions(max_line_width_cjk=width_cjk))
    lines = [line.text for cue in cues for line in cue.lines]
    for word in ("尽管", "天气预报", "下午", "大雨", "我们", "决定", "按照", "计划", "爬山", "期待", "活动"):
        assert any(word in line for line in lines), f"{word} torn in {lines}"


def test_without_a_dictionary_chinese_is_still_cut_where_marks_and_particles_say(monkeypatch):
    monkeypatch.setattr(segmentation, "find_spec", lambda _: None)
    cues = shape(transcript(spoken(CHINESE, space=False)), CueOptions())
    lines = [line.text for cue in cues for line in cue.lines]
    assert "".join(lines) == CHINESE
    assert sum(line[-1] in "，。的了" for line in lines) >= len(lines) / 2
    assert not any(line[0] in "，。" for line in lines)


@pytest.mark.parametrize("width_cjk", range(8, 17))
def test_japanese_breaks_between_phrases(width_cjk):
    source = replace(transcript(spoken(JAPANESE, space=False)), language="ja")
    lines = [line.text for cue in shape(source, CueOptions(max_line_width_cjk=width_cjk)) for line in cue.lines]
    assert any("コンピューター" in line for line in lines)
    assert any("三十分" in line for line in lines)
    assert not any(line[0] in "、。ーっ" for line in lines)


@pytest.mark.parametrize(
    ("before", "after", "space"),
    [
        ("3", "000", True), ("10.5", "kg", True), ("$", "5", True), ("Dr.", "No", True), ("2024", "年", False),
        ("三", "百", False), ("don", "'t", False), ("カ", "ー", False), ("（", "注", False), ("第", "三", False),
    ],
)  # fmt: skip
def test_what_belongs_together(before, after, space):
    assert price(before, after, space, "en") >= GLUED


def test_prices_follow_the_broadcasters_order():
    places = [
        ("late.", "The", True), ("late,", "he", True), ("late", "because", True), ("late", "in", True),
        ("late", "trains", True), ("the", "train", True),
    ]  # fmt: skip
    prices = [price(*place, "en") for place in places]
    assert prices == sorted(prices)
    assert len(set(prices)) == len(prices)


def test_a_segment_without_words_is_spread_over_its_time():
    segment = Segment(0, 2.0, 8.0, "first half here. " + "second half here, quite a bit longer than the first one was.")
    cues = shape(Transcript("a.wav", 9.0, (segment,)), CueOptions(max_line_width=30))
    assert cues[0].start == 2.0
    assert " ".join(cue.text.replace("\n", " ") for cue in cues) == segment.text
    assert len(cues) > 1


def test_no_segments_no_cues():
    assert shape(Transcript("a.wav", 0.0), CueOptions()) == []
    assert shape(Transcript("a.wav", 3.0, (Segment(0, 1.0, 2.0, " "),)), CueOptions()) == []


@pytest.mark.parametrize("name", SUBTITLE_STYLES)
def test_presets_shape_what_their_houses_ask_for(name):
    options = SUBTITLE_STYLES[name]
    text = "The quick brown fox jumps over the lazy dog, and then it rests for a while in the shade of the tree. " * 4
    cues = shape(transcript(spoken(text)), options)
    assert " ".join(" ".join(line.text for line in cue.lines) for cue in cues) == text.strip()
    assert max(width(line.text) for cue in cues for line in cue.lines) <= options.max_line_width
    assert max(len(cue.lines) for cue in cues) <= options.max_lines


def test_work_grows_with_the_length_not_its_square():
    calls = []

    class Counting(Divider):
        def _text_price(self, start, end):
            calls.append(1)
            return super()._text_price(start, end)

    def prices(repeats: int) -> int:
        source = transcript(spoken("so it went on and on until the very end of that day, " * repeats))
        options = CueOptions()
        timing = Timing.of(options, int(source.duration * 1000))
        calls.clear()
        Counting(lanes(source, timing.limit, 42)[0], options, timing, 0).divide()
        return len(calls)

    assert prices(200) < 4.5 * prices(50)


def test_tall_cues_are_set_without_trying_every_way():
    settings_tried = []

    class Counting(Layout):
        def _cheapest(self, *stretch):
            settings_tried.append(1)
            return super()._cheapest(*stretch)

    source = transcript(spoken("so it went on and on until the very end of that day " * 8))
    (lane,) = lanes(source, 100_000, 42)
    pieces = lane.pieces
    layout = Counting(pieces, [0.0] * (len(pieces) + 1), CueOptions(max_lines=12))
    _, cuts = layout.best(0, len(pieces))
    assert len(cuts) == 9
    assert len(settings_tried) < 400  # there are millions of ways


def test_a_word_wider_than_its_line_keeps_its_sentence_together():
    address = "https://www.example.com/a/very/long/path/that/does/not/end?query=parameter&another=one"
    said = f"It grew by a half in the first quarter. Visit {address} for details, or write to us."
    shown = texts(shape(transcript(spoken(said)), CueOptions()))
    assert f"Visit\n{address}" in "\n".join(shown)
    assert not any(text.endswith("quarter. Visit") for text in shown)


def test_two_voices_at_once_can_both_be_read():
    first = spoken("He began a confused complaint against the wizard, who had vanished behind it.", speaker="Ann")
    second = spoken("The horizon seems extremely distant today, does it not?", start=0.05, speaker="Bob", number=1)
    one, two, *_ = shape(transcript(first, second), CueOptions())
    assert (one.speaker, two.speaker) == ("Ann", "Bob")
    assert one.end - one.start > 0.833
    assert two.end - two.start > 0.833


def test_a_turn_that_begins_a_moment_early_is_shown_when_it_begins():
    first = spoken("Yes, but it was a long time ago.", speaker="Ann")
    second = spoken("And nobody remembers it.", start=first.end - 0.1, speaker="Bob", number=1)
    cues = shape(transcript(first, second), replace(CueOptions(), dialogue=False))
    assert cues[1].start == pytest.approx(second.start, abs=0.002)
