from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations, pairwise
from math import inf
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asrcli.options import SUBTITLE_STYLES, CueOptions
from asrcli.text.subtitles import breaks, cue_cost, divide
from asrcli.text.subtitles.breaks import GLUED, glued, price
from asrcli.text.subtitles.cues import Cue, shape
from asrcli.text.subtitles.divide import Divider, inside_words
from asrcli.text.subtitles.layout import Layout
from asrcli.text.subtitles.pieces import Piece, clean, has_wide, label, speaker_tracks, width, words_of
from asrcli.text.subtitles.schedule import Block, Timing, schedule
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


@settings(max_examples=60)
@given(source=transcripts(), options=OPTIONS, labelled=st.booleans())
def test_cues_neither_overlap_nor_leave_the_recording(source: Transcript, options: CueOptions, labelled: bool) -> None:
    cues = shape(source, options, labelled=labelled)
    # Cues, like durations, are written in milliseconds: 0.33999999999999997 s is 0.34 s.
    assert all(0 <= cue.start < cue.end <= round(source.duration, 3) for cue in cues)
    assert all(before.end <= after.start for before, after in pairwise(cues))
    assert all(cue.end - cue.start <= options.max_cue + 0.0011 for cue in cues)
    for cue in cues:
        times = [time for word in cue.words for time in (word.start, word.end)]
        assert all(cue.start <= time <= cue.end for time in times)


@settings(max_examples=60)
@given(source=transcripts(), options=OPTIONS)
def test_every_word_of_a_voice_is_shown_once_and_in_order(source: Transcript, options: CueOptions) -> None:
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


@settings(max_examples=60)
@given(source=transcripts(), options=OPTIONS, labelled=st.booleans(), every=st.booleans())
def test_lines_hold_to_their_measure(source: Transcript, options: CueOptions, labelled: bool, every: bool) -> None:
    options = replace(options, label_every_cue=every)
    named = labelled and any(word.speaker for segment in source.segments for word in words_of(segment))
    speaker: str | None = ""
    for cue in shape(source, options, labelled=labelled):
        assert len(cue.lines) <= options.max_lines
        assert options.max_words is None or len(cue.words) <= options.max_words
        assert cue.dialogue or len({line.speaker for line in cue.lines}) == 1
        for line in cue.lines:
            name = label(line.speaker) if named and (cue.dialogue or line.speaker != speaker) else ""
            if named and every and line is cue.lines[0]:
                name = label(line.speaker)
            speaker = line.speaker
            if len(line.words) == 1:
                continue  # no better place for a word wider than a line
            room = 2 * options.max_line_width_cjk if has_wide(line.text) else options.max_line_width
            assert width(("- " if cue.dialogue else "") + name + line.text) <= room


@settings(max_examples=30)
@given(source=transcripts(max_segments=2), options=OPTIONS)
def test_no_other_division_costs_less(source: Transcript, options: CueOptions) -> None:
    timing = Timing.of(options, int(source.duration * 1000))
    for track in speaker_tracks(source, timing.limit, 100):
        head = replace(
            track, pieces=track.pieces[:9], interrupted=track.interrupted[:9], others_began=track.others_began[:9]
        )
        divider = Divider(head, options, timing, 0)
        count = len(head.pieces)

        def cost(start: int, end: int, divider: Divider = divider) -> float:
            if end > divider._bounds[start]:
                return inf
            lines, _ = divider.layout.best(start, end)
            return divider._text_price(start, end) + divider._time_price(start, end) + lines

        def total(bounds: tuple[int, ...]) -> float:
            return sum(cost(start, end) for start, end in pairwise(bounds))

        def divisions(start: int, count: int = count) -> Iterator[tuple[int, ...]]:
            if start == count:
                yield (count,)
            for end in range(start + 1, count + 1):
                yield from ((start, *rest) for rest in divisions(end))

        chosen = (0, *(part.end for part in divider.divide()))
        least = min(total(bounds) for bounds in divisions(0))
        assert total(chosen) == pytest.approx(least)
        assert least < inf


@pytest.mark.parametrize("line_width", range(14, 48))
def test_numbers_quantities_and_titles_are_never_torn(line_width: int) -> None:
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


def test_breaks_follow_the_sense() -> None:
    text = (
        "I would have come to the opening of the exhibition, but the train was late because of the snow. "
        "Nobody had told us about it."
    )
    assert texts(shape(transcript(spoken(text)), CueOptions())) == [
        "I would have come\nto the opening of the exhibition,",
        "but the train was late\nbecause of the snow.",
        "Nobody had told us about it.",
    ]


def test_lines_are_balanced_and_the_lower_one_is_rather_the_longer() -> None:
    cue = shape(transcript(spoken("seven little boats were sailing slowly over water")), CueOptions(max_line_width=28))[
        0
    ]
    upper, lower = (width(line.text) for line in cue.lines)
    assert upper <= lower
    assert lower - upper <= 8


def test_a_pause_ends_the_cue() -> None:
    parts = spoken("we waited there"), spoken("for hours", start=4.0)
    assert texts(shape(transcript(*parts), CueOptions())) == ["we waited there", "for hours"]


def test_a_cue_begins_with_its_first_word_and_stays_long_enough_to_be_read() -> None:
    cues = shape(transcript(spoken("No.", start=1.2345), spoken("Never again.", start=5.0)), CueOptions(min_cue=1.5))
    assert [cue.start for cue in cues] == [1.234, 5.0]
    assert [cue.end - cue.start for cue in cues] == pytest.approx([1.5, 1.5])


def test_cues_are_extended_for_the_reading_speed_where_there_is_room() -> None:
    fast = Segment(0, 0.0, 1.0, "", tuple(Word("letters", t / 10, t / 10 + 0.1) for t in range(10)))
    cue = shape(transcript(fast, after=5.0), CueOptions(max_cps=20))[0]
    assert len(cue.text.replace("\n", " ")) / (cue.end - cue.start) == pytest.approx(20, rel=0.01)


def test_neighbouring_cues_keep_their_distance() -> None:
    text = "and so it goes on and on without any stop " * 6
    cues = shape(transcript(spoken(text)), CueOptions(cue_gap=3))
    assert len(cues) > 2
    assert all(after.start - before.end == pytest.approx(0.125) for before, after in pairwise(cues))


def test_a_quick_exchange_shares_a_cue() -> None:
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


def test_an_interruption_does_not_tear_the_others_sentence() -> None:
    long = spoken("we were just about to leave the house when the telephone began to ring", speaker="Ann")
    short = spoken("Right.", start=1.6, speaker="Bob")
    cues = shape(transcript(long, short), CueOptions(dialogue=False))
    assert " ".join(cue.text.replace("\n", " ") for cue in cues if cue.speaker == "Ann") == long.text
    assert next(cue for cue in cues if cue.speaker == "Bob").start == pytest.approx(1.6, abs=0.2)


def test_chinese_is_measured_in_full_width_characters() -> None:
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
def test_chinese_words_are_not_torn(width_cjk: int) -> None:
    cues = shape(transcript(spoken(CHINESE, space=False)), CueOptions(max_line_width_cjk=width_cjk))
    lines = [line.text for cue in cues for line in cue.lines]
    for word in ("尽管", "天气预报", "下午", "大雨", "我们", "决定", "按照", "计划", "爬山", "期待", "活动"):
        assert any(word in line for line in lines), f"{word} torn in {lines}"


@pytest.mark.parametrize(
    ("language", "torn"), [("", {1, 3}), ("zh", {1, 3}), ("yue", {1, 3}), ("ja", set()), ("en", set())]
)
def test_words_of_the_dictionary_are_chinese(language: str, torn: set[int]) -> None:
    pieces = [Piece(Word(char, 0, 1), 0, 1, space=False, language=language) for char in "我们决定"]
    assert inside_words(pieces) == torn


def test_without_a_dictionary_chinese_is_still_cut_where_marks_and_particles_say(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(divide, "find_spec", lambda _: None)
    cues = shape(transcript(spoken(CHINESE, space=False)), CueOptions())
    lines = [line.text for cue in cues for line in cue.lines]
    assert "".join(lines) == CHINESE
    assert sum(line[-1] in "，。的了" for line in lines) >= len(lines) / 2
    assert not any(line[0] in "，。" for line in lines)


@pytest.mark.parametrize("width_cjk", range(8, 17))
def test_japanese_breaks_between_phrases(width_cjk: int) -> None:
    source = replace(transcript(spoken(JAPANESE, space=False)), language="ja")
    lines = [line.text for cue in shape(source, CueOptions(max_line_width_cjk=width_cjk)) for line in cue.lines]
    assert any("コンピューター" in line for line in lines)
    assert any("三十分" in line for line in lines)
    assert not any(line[0] in "、。ーっ" for line in lines)


@pytest.mark.parametrize(
    ("before", "after", "space"),
    [
        ("3", "000", True), ("10.5", "kg", True), ("3", "Percent", True), ("3", "kg),", True), ("(3", "kg", True),
        ("$3", "million", True), ("~5", "km", True), ("-3", "°C", True), ("1,", "000", True), ("3:", "30", True),
        ("3", "年", True), ("2024", "年", False), ("ChatGPT140", "万", False), ("三", "百", False), ("三", "年", False),
        ("$", "5", True), ("#", "one", True), ("Dr.", "No", True), ("(Mr.", "Smith", True), ("J.", "Smith", True),
        ("“J.", "Smith", True), ("don", "'t", False), ("a", "b", False), ("カ", "ー", False), ("好", "，", False),
        ("（", "注", False), ("第", "三", False),
    ],
)  # fmt: skip
def test_what_belongs_together(before: str, after: str, space: bool) -> None:
    assert glued(before, after, space)
    assert price(before, after, space, "en") == GLUED


@pytest.mark.parametrize(
    ("before", "after", "space", "language", "expected"),
    [
        ("late.", "The", True, "en", breaks.SENTENCE), ("late,", "he", True, "en", breaks.CLAUSE),
        ("1,", "and", True, "en", breaks.CLAUSE), ("3:", "but", True, "en", breaks.CLAUSE),
        ("late", "because", True, "en", breaks.BEFORE_CONJUNCTION),
        ("kam", "und", True, "de", breaks.BEFORE_CONJUNCTION), ("war", "und", True, "en", breaks.PLAIN),
        ("late", "“Because", True, "xx", breaks.BEFORE_CONJUNCTION),
        ("late", "in", True, "en", breaks.BEFORE_PREPOSITION), ("Late", "(In", False, "en", GLUED),
        ("late", "trains", True, "en", breaks.PLAIN), ("3", "men", True, "en", breaks.PLAIN),
        ("the", "train", True, "en", breaks.AFTER_FUNCTION_WORD),
        ("“The”", "train", True, "", breaks.AFTER_FUNCTION_WORD),
        ("because", "we", True, "en", breaks.AFTER_FUNCTION_WORD),
        ("der", "Zug", True, "de", breaks.AFTER_FUNCTION_WORD), ("der", "Zug", True, "en", breaks.PLAIN),
        ("the", "Zug", True, "de", breaks.PLAIN), ("John", "Smith", True, "en", breaks.IN_NAME),
        ("“John”", "(Smith)", True, "fr", breaks.IN_NAME), ("john", "Smith", True, "en", breaks.PLAIN),
        ("John", "smith", True, "en", breaks.PLAIN), ("Hans", "Meier", True, "de", breaks.PLAIN),
        ("j.", "smith", True, "en", breaks.PLAIN), ("(", "well", True, "en", breaks.PLAIN),
        ("“", "In", True, "en", breaks.BEFORE_PREPOSITION), ("好", "test", False, "zh", breaks.BEFORE_PREPOSITION),
        ("test", "好", True, "zh", breaks.BEFORE_PREPOSITION), ("的", "人", False, "zh", breaks.AFTER_CJK_PARTICLE),
        ("大", "人", False, "zh", breaks.IN_CJK_RUN), ("三", "好", False, "zh", breaks.IN_CJK_RUN),
        ("大", "三", False, "zh", breaks.IN_CJK_RUN), ("カ", "タ", False, "ja", breaks.IN_WORD),
        ("゠", "ヿ", False, "ja", breaks.IN_WORD), ("ヿ", "゠", False, "ja", breaks.IN_WORD),
        ("カ", "字", False, "ja", breaks.IN_CJK_RUN), ("字", "カ", False, "ja", breaks.IN_CJK_RUN),
        ("を", "み", False, "ja", breaks.AFTER_CJK_PARTICLE), ("は", "み", False, "ja", breaks.AFTER_CJK_TOPIC),
        ("が", "み", False, "ja", breaks.AFTER_CJK_TOPIC), ("は", "字", False, "ja", breaks.AFTER_CJK_PARTICLE),
        ("き", "み", False, "ja", breaks.AFTER_FUNCTION_WORD), ("見", "る", False, "ja", breaks.AFTER_FUNCTION_WORD),
        ("見", "ゟ", False, "ja", breaks.AFTER_FUNCTION_WORD), ("ぁ", "見", False, "ja", breaks.AFTER_CJK_PARTICLE),
    ],
)  # fmt: skip
def test_the_price_of_a_break_depends_on_the_words_and_the_language(
    before: str, after: str, space: bool, language: str, expected: float
) -> None:
    assert price(before, after, space, language) == expected


def test_costs_of_pauses_and_reading_time() -> None:
    assert [cue_cost.break_price(4.0, pause) for pause in (-50, 0, 300, 900)] == [4.0, 4.0, 2.0, 1.0]
    assert [cue_cost.pause_price(pause) for pause in (-50, 0, 400, 900, 1400)] == [0, 0, 0, 1.0, 2.0]
    assert cue_cost.time_price(40, 2000, 1000, 20) == 0
    assert cue_cost.time_price(60, 2000, 1000, 20) == 3.0
    assert cue_cost.time_price(40, 1000, 1000, 20) == 3.0
    assert cue_cost.time_price(0, 250, 1000, 20) == 7.5
    assert cue_cost.time_price(10, 250, 1000, 20) == 7.5 + 0.75


@pytest.mark.parametrize(
    ("text", "space", "narrow", "full", "label_cells"),
    [
        ("so it went on and on until the very last hour of that day was over", True, 26, 20, 0),
        ("so it went on and on until the very last hour of that day was over", True, 30, 10, 7),
        ("an incomprehensibility-counterrevolutionary-word is wider than the line and stays whole", True, 30, 14, 4),
        ("an a 20000000 percent", True, 10, 5, 0),  # a number and its unit, wider than a line
        ("他说iPhone在过去的三千五百年里从来没有像今天这样快", False, 14, 10, 3),
        ("他说 in the middle 没有 of the 今天这样 line", True, 14, 9, 0),
        ("他说 in the middle 没有 of the 今天这样 line", True, 16, 6, 5),
    ],
)
def test_no_other_lines_cost_less(text: str, space: bool, narrow: int, full: int, label_cells: int) -> None:
    """The search for lines gives the same cost as trying every division."""
    pieces = speaker_tracks(transcript(spoken(text, space=space)), 99_000, max(narrow, 2 * full))[0].pieces
    prices = [0.0, *(price(a.word.text, b.word.text, b.space, "") for a, b in pairwise(pieces)), 0.0]
    options = CueOptions(max_line_width=narrow, max_line_width_cjk=full, max_lines=3)
    labels = [label_cells * (index % 3 == 0) for index in range(len(pieces))]
    layout = Layout(pieces, prices, options, labels)
    widest = max(narrow, 2 * full)

    def cells(start: int, end: int) -> int:
        line = "".join(
            " " * (piece.space and index > 0) + piece.word.text for index, piece in enumerate(pieces[start:end])
        )
        return width(line) + (labels[start] if start == first else 0)

    def room(start: int, end: int) -> int:
        return 2 * full if any(has_wide(piece.word.text) for piece in pieces[start:end]) else narrow

    def cost(bounds: tuple[int, ...]) -> float:
        widths = [cells(start, end) for start, end in pairwise(bounds)]
        over = sum(max(0, width(piece.word.text) - widest) for piece in pieces[bounds[0] : bounds[-1]])
        mean, unit = (cells(bounds[0], bounds[-1]) - over) / len(widths), room(bounds[0], bounds[-1])
        total = cue_cost.LINE * (len(widths) - 1) + cue_cost.LINE_BREAK * sum(prices[cut] for cut in bounds[1:-1])
        for cells_above, below in zip(widths, [*widths[1:], 0], strict=True):
            upper = min(cells_above, widest)
            total += cue_cost.RAGGED * ((upper - mean) / unit) ** 2
            total += cue_cost.TOP_HEAVY * (upper - below) / unit if 0 < below < upper else 0
        return total

    def fits(bounds: tuple[int, ...]) -> bool:
        return all(end - start == 1 or cells(start, end) <= room(start, end) for start, end in pairwise(bounds))

    for first in range(len(pieces)):
        for end in range(first + 1, layout.farthest(first) + 1):
            divisions = ((first, *cuts, end) for n in range(3) for cuts in combinations(range(first + 1, end), n))
            possible = [bounds for bounds in divisions if fits(bounds)]
            lines = min(map(len, possible)) - 1
            found, cuts = layout.best(first, end)
            assert len(cuts) == lines - 1
            assert layout.cells(first, end) == cells(first, end)
            assert layout.least(first, end) == pytest.approx(cue_cost.LINE * (lines - 1))
            assert layout.least(first, end) <= found
            if lines == 1:
                assert found == 0
            else:
                assert found == pytest.approx(cost((first, *cuts, end)))
                assert found == pytest.approx(min(cost(bounds) for bounds in possible if len(bounds) == lines + 1))
        assert layout.spare(first, first + 1) == room(first, first + 1) - width(pieces[first].word.text) - label_cells


def test_prices_follow_the_broadcasters_order() -> None:
    places = [
        ("late.", "The", True), ("late,", "he", True), ("late", "because", True), ("late", "in", True),
        ("late", "trains", True), ("the", "train", True),
    ]  # fmt: skip
    prices = [price(*place, "en") for place in places]
    assert prices == sorted(prices)
    assert len(set(prices)) == len(prices)


def test_a_segment_without_words_is_spread_over_its_time() -> None:
    segment = Segment(0, 2.0, 8.0, "first half here. " + "second half here, quite a bit longer than the first one was.")
    cues = shape(Transcript("a.wav", 9.0, (segment,)), CueOptions(max_line_width=30))
    assert cues[0].start == 2.0
    assert " ".join(cue.text.replace("\n", " ") for cue in cues) == segment.text
    assert len(cues) > 1
    spread = words_of(Segment(0, 0.0, 1.0, "ab 好了", speaker="Ann"))
    assert [(word.text, word.speaker, word.space_before) for word in spread] == [
        ("ab", "Ann", True), ("好", "Ann", True), ("了", "Ann", False),
    ]  # fmt: skip
    words = words_of(Segment(0, 2.0, 8.0, "ab c 好"))
    assert [(word.text, word.start, word.end) for word in words] == [("ab", 2, 4.4), ("c", 4.4, 5.6), ("好", 5.6, 8)]


def test_signs_that_no_format_can_hold_are_left_out() -> None:
    assert clean("a\0b\ud800 c\ufffed\uffff\x7f") == "ab cd"
    assert clean("\u200fa\u200db") == "\u200fa\u200db", "marks of direction and joiners stay"


def test_pieces_have_the_speaker_of_their_word_and_the_language_of_their_segment() -> None:
    first = Segment(0, 0.0, 1.0, "a b", (Word("a", 0, 0.4, speaker="Ann"), Word("b", 0.5, 1)), language="de")
    second = replace(first, id=1, start=2.0, end=3.0, words=(Word("c", 2, 3),), speaker="Bob", language=None)
    tracks = speaker_tracks(Transcript("a.wav", 9.0, (first, second), language="en"), 9000, 40)
    found = [(track.speaker, piece.word.text, piece.language) for track in tracks for piece in track.pieces]
    assert found == [("Ann", "a", "de"), (None, "b", "de"), ("Bob", "c", "en")]


def test_names_before_the_text_of_a_speaker() -> None:
    assert [label(speaker) for speaker in ("Ann", None)] == ["[Ann] ", "[?] "]


def test_no_segments_no_cues() -> None:
    assert shape(Transcript("a.wav", 0.0), CueOptions()) == []
    assert shape(Transcript("a.wav", 3.0, (Segment(0, 1.0, 2.0, " "),)), CueOptions()) == []


@pytest.mark.parametrize("name", SUBTITLE_STYLES)
def test_presets_shape_what_their_houses_ask_for(name: str) -> None:
    options = SUBTITLE_STYLES[name]
    text = "The quick brown fox jumps over the lazy dog, and then it rests for a while in the shade of the tree. " * 4
    cues = shape(transcript(spoken(text)), options)
    assert " ".join(" ".join(line.text for line in cue.lines) for cue in cues) == text.strip()
    assert max(width(line.text) for cue in cues for line in cue.lines) <= options.max_line_width
    assert max(len(cue.lines) for cue in cues) <= options.max_lines


def test_work_grows_with_the_length_not_its_square() -> None:
    calls = []

    class Counting(Divider):
        def _text_price(self, start: int, end: int) -> float:
            calls.append(1)
            return super()._text_price(start, end)

    def prices(repeats: int) -> int:
        source = transcript(spoken("so it went on and on until the very end of that day, " * repeats))
        options = CueOptions()
        timing = Timing.of(options, int(source.duration * 1000))
        calls.clear()
        Counting(speaker_tracks(source, timing.limit, 42)[0], options, timing, 0).divide()
        return len(calls)

    assert prices(200) < 4.5 * prices(50)


def test_tall_cues_are_set_without_trying_every_way() -> None:
    settings_tried = []

    class Counting(Layout):
        def _cheapest(self, *stretch: Any) -> tuple[float, tuple[int, ...]]:
            settings_tried.append(1)
            return super()._cheapest(*stretch)

    source = transcript(spoken("so it went on and on until the very end of that day " * 8))
    (track,) = speaker_tracks(source, 100_000, 42)
    pieces = track.pieces
    layout = Counting(pieces, [0.0] * (len(pieces) + 1), CueOptions(max_lines=12))
    _, cuts = layout.best(0, len(pieces))
    assert len(cuts) == 9
    assert len(settings_tried) < 400  # there are millions of ways


def test_a_word_wider_than_its_line_keeps_its_sentence_together() -> None:
    address = "https://www.example.com/a/very/long/path/that/does/not/end?query=parameter&another=one"
    said = f"It grew by a half in the first quarter. Visit {address} for details, or write to us."
    shown = texts(shape(transcript(spoken(said)), CueOptions()))
    assert f"Visit\n{address}" in "\n".join(shown)
    assert not any(text.endswith("quarter. Visit") for text in shown)


def test_two_voices_at_once_can_both_be_read() -> None:
    first = spoken("He began a confused complaint against the wizard, who had vanished behind it.", speaker="Ann")
    second = spoken("The horizon seems extremely distant today, does it not?", start=0.05, speaker="Bob", number=1)
    one, two, *_ = shape(transcript(first, second), CueOptions())
    assert (one.speaker, two.speaker) == ("Ann", "Bob")
    assert one.end - one.start > 0.833
    assert two.end - two.start > 0.833


def test_a_turn_that_begins_a_moment_early_is_shown_when_it_begins() -> None:
    first = spoken("Yes, but it was a long time ago.", speaker="Ann")
    second = spoken("And nobody remembers it.", start=first.end - 0.1, speaker="Bob", number=1)
    cues = shape(transcript(first, second), replace(CueOptions(), dialogue=False))
    assert cues[1].start == pytest.approx(second.start, abs=0.002)


def block(
    start: int,
    end: int,
    cells: int,
    speaker: str = "Ann",
    *,
    words: int = 1,
    pairable: bool = True,
    channel: Any = None,
) -> Block:
    return Block(start, end, (), cells, words, speaker, channel, pairable)


TIMING = Timing(limit=60_000, gap=100, min_cue=1000, max_cue=6000, max_cps=20, max_words=4, dialogue=True)


@pytest.mark.parametrize(
    ("blocks", "expected"),
    [
        # One cue: as long as its words, the minimum, or its reading time; no longer than `max_cue` and the recording.
        ([block(0, 2000, 10)], [(0, 2000)]),
        ([block(0, 500, 10)], [(0, 1000)]),
        ([block(500, 1000, 60)], [(500, 3500)]),
        ([block(500, 1000, 400)], [(500, 6500)]),
        ([block(59_500, 59_600, 10)], [(59_500, 60_000)]),
        # The next cue limits it; a short gap is reduced to the minimum, a longer one is kept.
        ([block(0, 500, 10), block(700, 3000, 10)], [(0, 600), (700, 3000)]),
        ([block(0, 2000, 10), block(2499, 4000, 10)], [(0, 2399), (2499, 4000)]),
        ([block(0, 2000, 10), block(2500, 4000, 10)], [(0, 2000), (2500, 4000)]),
        ([block(0, 7000, 10), block(7200, 8000, 10)], [(0, 6000), (7200, 8200)]),
        # Blocks that begin together are moved apart; the order is that of time.
        ([block(900, 2000, 10), block(0, 500, 10)], [(0, 800), (900, 2000)]),
        ([block(1000, 1200, 10), block(1000, 1200, 10), block(1000, 1200, 10)],
         [(1000, 1100), (1200, 2200), (2300, 3300)]),
        ([block(60_000, 60_000, 1), block(60_000, 60_000, 1)], [(59_600, 59_700), (59_800, 60_000)]),
    ],
)  # fmt: skip
def test_display_times(blocks: list[Block], expected: list[tuple[int, int]]) -> None:
    assert [(cue.start, cue.end) for cue in schedule(blocks, TIMING)] == expected


@pytest.mark.parametrize(
    ("first", "second", "third", "expected"),
    [
        # The share of the time until the third is that of the text: 10 and 30 cells of 2,000 ms.
        (block(0, 2000, 10), block(0, 2000, 30, "Bob"), 2000, 500),
        # The second waits no longer than the first needs: `min_cue` and the gap, or its reading time and the gap.
        (block(0, 6000, 10), block(0, 6000, 10, "Bob"), 9000, 1100),
        (block(0, 6000, 40), block(0, 6000, 40, "Bob"), 9000, 2100),
        # It is not delayed where the first is displayed long enough, or they overlap by half of the shorter, at most.
        (block(0, 6000, 40), block(1100, 6000, 40, "Bob"), 9000, 1100),
        (block(0, 6000, 40), block(1099, 6000, 40, "Bob"), 9000, 2100),
        (block(0, 1000, 40), block(500, 4000, 40, "Bob"), 9000, 500),
        (block(0, 1000, 40), block(499, 4000, 40, "Bob"), 9000, 2100),
        (block(0, 4000, 40), block(500, 900, 40, "Bob"), 9000, 2100),
    ],
)
def test_the_second_of_two_voices_waits_until_the_first_can_be_read(
    first: Block, second: Block, third: int, expected: int
) -> None:
    timing = replace(TIMING, dialogue=False)
    cues = schedule([first, second, block(third, third + 2000, 10)], timing)
    assert [cue.start for cue in cues] == [0, expected, third]
    # The same behind a cue of another time, which is displayed long enough.
    later = [replace(each, start=each.start + 20_000, end=each.end + 20_000) for each in (first, second)]
    last = block(third + 20_000, third + 22_000, 10)
    cues = schedule([block(0, 2000, 10), *later, last], replace(timing, limit=timing.limit + 20_000))
    assert [cue.start for cue in cues] == [0, 20_000, expected + 20_000, third + 20_000]


@pytest.mark.parametrize(
    ("changes", "timing", "paired"),
    [
        ({}, {}, True),
        ({"channel": 1, "speaker": "Ann"}, {}, True),
        ({"speaker": "Ann"}, {}, False),
        ({"pairable": False}, {}, False),
        ({"words": 3}, {}, True),
        ({"words": 4}, {}, False),
        ({"words": 4}, {"max_words": None}, True),
        ({"end": 6000, "start": 500}, {}, True),
        ({"end": 6001, "start": 500}, {}, False),
        ({"start": 1900, "end": 2300}, {"min_cue": 5000}, False),
        ({"start": 1899, "end": 2300}, {"min_cue": 5000}, True),
        ({}, {"dialogue": False}, False),
    ],
)
def test_two_speakers_share_a_cue_only_within_its_limits(
    changes: dict[str, Any], timing: dict[str, Any], paired: bool
) -> None:
    second = replace(block(500, 900, 5, "Bob"), **changes)
    pair = [block(0, 400, 5), second]
    (first, *rest) = schedule(pair, replace(TIMING, **timing))
    assert (len(first.blocks) == 2) is paired
    assert tuple(part for cue in (first, *rest) for part in cue.blocks) == tuple(pair)
    if paired:
        assert (first.start, first.cells) == (0, 10)
        assert first.end >= max(400, second.end)
        assert len(schedule([replace(pair[0], pairable=False), second], replace(TIMING, **timing))) == 2


def test_pairs_are_chosen_for_the_least_cost_of_all_cues() -> None:
    """The middle one of three is paired where the two short cues are closer together."""
    talk = [block(0, 900, 20), block(1400, 1700, 5, "Bob"), block(1800, 2100, 5), block(6000, 8000, 20, "Bob")]
    cues = schedule(talk, TIMING)
    assert [len(cue.blocks) for cue in cues] == [1, 2, 1]
    assert [(cue.start, cue.end) for cue in cues] == [(0, 1300), (1400, 2400), (6000, 8000)]


@pytest.mark.parametrize(
    ("text", "marked"),
    [
        ("مرحبا بكم .", True),
        ("שלום לכולם!", True),
        ("123 שלום.", True),
        ("Hello there.", False),
        ("Hello שלום.", False),
        ("١٢٣ 45.", False),
        ("你好。", False),
    ],
)
def test_right_to_left_lines_are_marked_on_request(text: str, marked: bool) -> None:
    source = transcript(spoken(text))
    plain = [line.text for cue in shape(source, CueOptions()) for line in cue.lines]
    lines = [line.text for cue in shape(source, CueOptions(rtl_marks=True)) for line in cue.lines]
    assert lines == [f"\u202b{line}\u202c" if marked else line for line in plain]
