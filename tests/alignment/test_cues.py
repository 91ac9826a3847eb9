"""Subtitle files whose times are replaced."""

from __future__ import annotations

import pysubs2
import pytest
import srt

from asrcli.alignment.cues import TextCue, read_cues, retime
from asrcli.errors import InputError
from asrcli.transcript import Segment, Word

SRT = """7
00:00:01,000 --> 00:00:02,500
<i>Hello</i>, {\\an8}there!
How are you?

8
00:00:03,000 --> 00:00:03,500 X1:1
♪

9
0:00:05.000 --> 0:00:06.000
Good bye.
"""
VTT = """WEBVTT - title

STYLE
::cue { color: red }

NOTE a remark

intro
00:01.000 --> 00:02.000 line:0 position:20%
<v Anna>Hello <00:01.500>there

00:03.000 --> 00:04.000
Bye
"""


def said(number: int, start: float, end: float, *, words: bool = True) -> Segment:
    return Segment(number, start, end, "x", (Word("x", start, end),) if words else ())


def test_texts_are_read_without_markup() -> None:
    assert read_cues(SRT) == [
        TextCue(1.0, 2.5, "Hello, there! How are you?"), TextCue(3.0, 3.5, "♪"), TextCue(5.0, 6.0, "Good bye.")
    ]  # fmt: skip
    assert [cue.text for cue in read_cues(VTT)] == ["Hello there", "Bye"]


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("one\n\ntwo", "one two"), ("one\n\n1984", "one 1984"), ("a < b and c > d", "a < b and c > d"),
        ("<3 you", "<3 you"),
        ("<b>H</b>ello", "Hello"), ("one<br>two", "one two"), ("Q&amp;A", "Q&amp;A"), ("<font\ncolor='red'>one", "one"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("gap", ["\n\n", "\n", "\r\n\r\n"])
def test_no_word_of_an_srt_is_lost_or_added(body: str, text: str, gap: str) -> None:
    times = "00:00:01,000 --> 00:00:02,000"
    file = gap.join(f"{number}\n{times}\n{body}" for number in (1, 2, 3))
    assert [cue.text for cue in read_cues(file)] == [text] * 3
    assert [cue.content for cue in srt.parse(file)] == [body] * 3


def test_entities_and_blocks_of_vtt() -> None:
    blocks = [
        "WEBVTT", "1\n00:01.000 --> 00:02.000\n<c>Q&amp;A</c> &lt;b&gt;", "NOTE no text", "00:03.000 --> 00:04.000",
        "3\n00:05.000 --> 00:06.000\nx",
    ]  # fmt: skip
    cues = read_cues("\n\n".join(blocks))
    assert [cue.text for cue in cues] == ["Q&A <b>", "", "x"]


def test_only_times_change() -> None:
    segments = [said(0, 11.0, 11.8), said(1, 11.8, 11.8, words=False), said(2, 15.0, 17.5)]
    retimed = retime(SRT.replace("\n", "\r\n"), segments, 60.0, vtt=False)
    cues = list(srt.parse(retimed))
    assert [(cue.start.total_seconds(), cue.end.total_seconds()) for cue in cues] == [
        (11.0, 12.5), (13.0, 13.5), (15.0, 17.5)
    ]  # fmt: skip
    assert [cue.index for cue in cues] == [7, 8, 9]
    assert retimed.count("\r\n") == SRT.count("\n")
    assert "<i>Hello</i>, {\\an8}there!" in retimed
    assert " X1:1" in retimed


def test_a_vtt_keeps_its_blocks_and_settings() -> None:
    retimed = retime(VTT, [said(0, 3601.0, 3601.5), said(1, 3602.0, 3602.5)], 4000.0, vtt=True)
    assert "01:00:01.000 --> 01:00:02.000 line:0 position:20%\n<v Anna>" in retimed
    assert retimed.startswith("WEBVTT - title\n\nSTYLE\n::cue { color: red }\n\nNOTE a remark\n\nintro\n")
    assert [event.start for event in pysubs2.SSAFile.from_string(retimed, format_="vtt")] == [3601000, 3602000]


def test_a_cue_ends_where_the_next_begins() -> None:
    retimed = retime(SRT, [said(0, 1.0, 1.5), said(1, 1.5, 1.5, words=False), said(2, 1.6, 2.0)], 9.0, vtt=False)
    spans = [(cue.start.total_seconds(), cue.end.total_seconds()) for cue in srt.parse(retimed)]
    assert spans == [(1.0, 2.5), (3.0, 3.0), (3.0, 4.0)]


def test_a_file_without_cues_is_refused() -> None:
    with pytest.raises(InputError, match="no cues"):
        read_cues("Hello there")
