"""Transcripts for property tests: any script, marks that formats treat specially, voices that interrupt each other."""

from __future__ import annotations

from hypothesis import strategies as st

from asrcli.transcript import Segment, Transcript, Word, join_words

_LATIN = st.text("abcdeñßоя'’-", min_size=1, max_size=14)
_MARKS = st.sampled_from(["", "", "", ".", ",", "?", "!", ";", ":", '."', ")", "…", "%"])
_LATIN_WORDS = st.builds(lambda word, mark: (word + mark, True), _LATIN, _MARKS)
_CJK_WORDS = st.builds(
    lambda char, mark: (char + mark, False),
    st.sampled_from("今天明年我们三千五的了カナがで한"),
    st.sampled_from(["", "", "，", "。", "」"]),
)
_ODD_WORDS = st.tuples(
    st.sampled_from(
        [
            "3", "000", "10.5", "kg", "Mr.", "$", "&", "<b>", "</v>", "-->", "{\\an8}", "\\N", 'say "so"', "=1+1",
            "a,b", "*", "#", "_x_", "[music]", "1.", "- no", "`", "~~", "|", "tab\there", "two\nlines", "'", "\\",
            "&amp;", "\U0001f600", "\U0001f469\u200d\U0001f467", "e\u0301", "http://example.org/an/address/for/which/no/line/is/wide",
        ]
    ),
    st.booleans(),
)  # fmt: skip
_WORDS = st.one_of(_LATIN_WORDS, _LATIN_WORDS, _CJK_WORDS, _ODD_WORDS)
_CONFIDENCE = st.none() | st.floats(0, 1)
_SPEAKERS = st.sampled_from([None, "Speaker 1", "Speaker 2", 'Ann "A" <b> & Co, {x}'])


@st.composite
def segments(draw: st.DrawFn, number: int, start: float) -> Segment:
    clock = start
    words = []
    speaker = draw(_SPEAKERS)
    for text, space in draw(st.lists(_WORDS, min_size=1, max_size=25)):
        end = clock + draw(st.sampled_from([0.0, 0.04, 0.2, 0.31337, 0.9]))
        words.append(Word(text, clock, end, draw(_CONFIDENCE), speaker, space))
        clock = end + draw(st.sampled_from([0.0, 0.0, 0.0, 0.1, 0.7, 3.0]))
    return Segment(
        number,
        start,
        max(word.end for word in words),
        join_words(words),
        tuple(words) if draw(st.integers(0, 4)) else (),
        speaker,
        channel=draw(st.sampled_from([None, None, 0, 1])),
        language=draw(st.sampled_from([None, "en", "de", "zh", "ja"])),
        confidence=draw(_CONFIDENCE),
        emotion=draw(st.sampled_from([None, "happy"])),
        event=draw(st.sampled_from([None, "laughter"])),
    )


@st.composite
def transcripts(draw: st.DrawFn, max_segments: int = 6) -> Transcript:
    found: list[Segment] = []
    clock = 0.0
    for number in range(draw(st.integers(0, max_segments))):
        # Now and then the next one interrupts.
        start = max(0.0, clock + draw(st.sampled_from([0.0, 0.05, 0.5, 4.0, -0.4, -2.0])))
        found.append(draw(segments(number, start)))
        clock = max(clock, found[-1].end)
    found.sort(key=lambda segment: segment.start)
    return Transcript(
        source=draw(st.sampled_from(["talk.wav", "a b/c d.mp3", "会议 [1].m4a", "-", "odd\udcff.wav"])),
        duration=max(0.3, clock + draw(st.sampled_from([0.0005, 0.3, 10.0]))),
        segments=tuple(found),
        language=draw(st.sampled_from([None, "en", "zh"])),
        model="tone",
        backend="sherpa-onnx",
    )
