"""Every writer is read back by a reader that is not ours."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import tempfile
from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from html.parser import HTMLParser
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes, urljoin

import jsonschema
import pysubs2
import pytest
import srt
import textgrid
import webvtt
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from asrcli.formats import FORMATS, format_of, schema_text
from asrcli.options import CueOptions
from asrcli.script import join
from asrcli.text.subtitles.cues import shape
from asrcli.text.subtitles.pieces import clean, words_of
from asrcli.transcript import Segment, Transcript, Turn, Word
from tests.strategies import transcripts

SCHEMA_DOCUMENT = json.loads(schema_text())
EMPTY = Transcript("empty.wav", 0.0)
OPTIONS = CueOptions()
LIT = CueOptions(highlight_words=True)


def some(**options: Any) -> Callable[..., Any]:
    def decorate(test: Callable[..., None]) -> Callable[..., Any]:
        return settings(max_examples=25)(given(source=transcripts(), **options)(test))

    return decorate


def write(name: str, source: Transcript, options: CueOptions = OPTIONS) -> str:
    return FORMATS[name].render(source, options)


def ms(seconds: float) -> int:
    return round(seconds * 1000)


def seen(text: str) -> str:
    """What a player shows: word joiners, which keep text from being markup, take no room; braces are full-width."""
    return text.replace("\u2060", "").replace("｛", "{").replace("｝", "}")


@pytest.fixture
def talk() -> Transcript:
    words = [Word("Hello", 0.5, 0.9), Word("there.", 0.9, 1.9996), Word("Tag", 3.0, 3.2), Word("{so}", 3.3, 3.5)]
    return Transcript(
        "talks/first talk.wav",
        3725.5,
        (
            Segment(0, 0.5, 1.9996, "Hello there.", tuple(words[:2]), "Speaker 1"),
            Segment(1, 2.0, 2.5, "How are you?", (), "Speaker 1"),
            Segment(2, 3.0, 3.5, "Tag {so}", tuple(words[2:]), "Bo, the 2nd"),
            Segment(3, 3723.25, 3724.0, "Late.", (), None),
        ),
        language="en",
        model="tone",
    )


@some(options=st.sampled_from([OPTIONS, LIT]))
@pytest.mark.parametrize("name", [name for name, form in FORMATS.items() if not form.binary])
def test_every_file_is_utf8_without_bom_and_ends_its_lines_the_same_way(
    name: str, source: Transcript, options: CueOptions
) -> None:
    text = write(name, source, options)
    assert text.encode("utf-8").decode("utf-8") == text
    assert not text.startswith("\ufeff")
    assert "\x00" not in text
    assert text == "" or text.endswith("\n")
    if name == "csv":
        return
    assert "\r" not in text


@some()
def test_srt_with_a_label_in_every_cue(source: Transcript) -> None:
    options = replace(OPTIONS, label_every_cue=True)
    cues = shape(source, options, labelled=True)
    read = list(srt.parse(write("srt", source, options)))
    named = any(line.speaker for cue in cues for line in cue.lines)
    for sub, cue in zip(read, cues, strict=True):
        labels = [f"[{line.speaker or '?'}] " if named else "" for line in cue.lines]
        lines = seen(sub.content).splitlines()
        assert lines[0].removeprefix("- ").startswith(labels[0])
        assert not cue.dialogue or all(line.startswith(f"- {name}") for line, name in zip(lines, labels, strict=True))


@some()
def test_srt(source: Transcript) -> None:
    cues = shape(source, OPTIONS, labelled=True)
    text = write("srt", source)
    read = list(srt.parse(text))
    assert [(ms(sub.start.total_seconds()), ms(sub.end.total_seconds())) for sub in read] == [
        (ms(cue.start), ms(cue.end)) for cue in cues
    ]
    named = any(line.speaker for cue in cues for line in cue.lines)
    speaker = ""
    for sub, cue in zip(read, cues, strict=True):
        shown = seen(sub.content)
        assert re.sub(r"(?m)^(- )?\[(Speaker \d|Ann [^]]*|\?)\] ", r"\1", shown) == cue.text
        for line in cue.lines:
            names = re.findall(r"(?m)^(?:- )?\[(Speaker \d|Ann [^]]*|\?)\] ", shown)
            assert (line.speaker or "?") in names or (line.speaker == speaker and not cue.dialogue) or not named
            speaker = line.speaker
    assert [sub.index for sub in read] == list(range(1, len(cues) + 1))
    assert len(pysubs2.SSAFile.from_string(text, format_="srt")) == len(cues) if cues else text == ""


@some()
def test_srt_highlight_shows_the_same_text_and_never_overlaps(source: Transcript) -> None:
    read = list(srt.parse(write("srt", source, LIT)))
    plain = list(srt.parse(write("srt", source)))
    assert all(before.end <= after.start for before, after in pairwise(read))
    assert all("<u>" in sub.content for sub in read)
    for whole in plain:
        steps = [sub for sub in read if whole.start <= sub.start < whole.end]
        assert {re.sub("</?u>", "", step.content) for step in steps} == {whole.content}
        assert (steps[0].start, steps[-1].end) == (whole.start, whole.end)
        assert all(before.end == after.start for before, after in pairwise(steps))
    assert len(read) >= len(plain)


@some(options=st.sampled_from([OPTIONS, LIT]))
def test_vtt(source: Transcript, options: CueOptions) -> None:
    text = write("vtt", source, options)
    cues = shape(source, options)
    read = webvtt.from_string(text).captions
    assert len(read) == len(cues)
    for caption, cue in zip(read, cues, strict=True):
        assert (caption.start, caption.end) == (clock(cue.start), clock(cue.end))
        assert unescape(caption.text) == cue.text
        voices = [unescape(voice) for voice in re.findall(r"<v ([^>]*)>", caption.raw_text)]
        expected = [line.speaker for line in cue.lines] if cue.dialogue else [cue.speaker]
        assert voices == [speaker for speaker in expected if speaker]
        tags = [caption.start, *re.findall(r"<(\d\d:\d\d:\d\d\.\d{3})>", caption.raw_text), caption.end]
        assert tags == sorted(set(tags))
        if options.highlight_words:
            assert caption.raw_text.count("<c>") == len(cue.words)


def clock(seconds: float) -> str:
    minutes, millis = divmod(ms(seconds), 60000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{millis // 1000:02}.{millis % 1000:03}"


def unescape(text: str) -> str:
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


@some(options=st.sampled_from([OPTIONS, LIT]))
def test_ass(source: Transcript, options: CueOptions) -> None:
    read = pysubs2.SSAFile.from_string(write("ass", source, options), format_="ass")
    cues = shape(source, options)
    assert len(read.events) == len(cues)
    for event, cue in zip(read.events, cues, strict=True):
        assert abs(event.start - ms(cue.start)) <= 5
        assert abs(event.end - ms(cue.end)) <= 5
        assert seen(event.plaintext) == cue.text
        assert sum(map(int, re.findall(r"\\k(\d+)", event.text))) * 10 == event.end - event.start
        names = dict.fromkeys(line.speaker.replace(",", ";") for line in cue.lines if line.speaker)
        assert event.name == " / ".join(names)


@some(options=st.sampled_from([OPTIONS, LIT]))
def test_lrc(source: Transcript, options: CueOptions) -> None:
    cues = shape(source, options)
    lines = write("lrc", source, options).splitlines()
    assert lines[0].startswith("[ti:")
    assert re.fullmatch(r"\[length:\d\d+:\d\d\.\d\d\]", lines[1])
    rows = [re.fullmatch(r"\[(\d\d+):(\d\d\.\d\d)\](.*)", line).groups() for line in lines[2:]]
    times = [int(minutes) * 60 + float(seconds) for minutes, seconds, _ in rows]
    assert times == sorted(times)
    spoken = [
        (time, re.sub(r"<\d\d+:\d\d\.\d\d>", "", text)) for time, (*_, text) in zip(times, rows, strict=True) if text
    ]
    assert [time for time, _ in spoken] == pytest.approx([cue.start for cue in cues], abs=0.0051)
    for (_, text), cue in zip(spoken, cues, strict=True):
        named = re.sub(r"(^| )(Speaker \d|Ann \"A\"[^:]*): ", r"\1", seen(text))
        assert named == " ".join(line.text for line in cue.lines)


@some()
def test_json_and_jsonl_keep_everything(source: Transcript) -> None:
    source = Transcript.from_dict({**source.to_dict(), "source": source.source.replace("\udcff", "?")})
    document = json.loads(write("json", source))
    assert Transcript.from_dict(document) == source
    jsonschema.Draft202012Validator(SCHEMA_DOCUMENT).validate(document)
    lines = [json.loads(line) for line in write("jsonl", source).splitlines()]
    assert lines == [{"source": source.source, **segment} for segment in document["segments"]]
    schema = {"$ref": "#/$defs/line", "$defs": SCHEMA_DOCUMENT["$defs"]}
    for line in lines:
        jsonschema.Draft202012Validator(schema).validate(line)


@some()
def test_csv(source: Transcript) -> None:
    text = write("csv", source)
    rows = list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
    assert [row["text"] for row in rows] == [segment.text for segment in source.segments]
    assert [ms(float(row["start"])) for row in rows] == [ms(segment.start) for segment in source.segments]
    assert [row["speaker"] or None for row in rows] == [segment.speaker for segment in source.segments]


@some()
def test_tsv(source: Transcript) -> None:
    head, *rows = [line.split("\t") for line in write("tsv", source).split("\n")[:-1]]
    assert head == ["start", "end", "speaker", "text"]
    assert [(int(start), int(end)) for start, end, *_ in rows] == [
        (ms(part.start), ms(part.end)) for part in source.segments
    ]
    assert [(speaker, text) for *_, speaker, text in rows] == [
        (part.speaker or "", clean(part.text)) for part in source.segments
    ]


@some()
def test_ctm(source: Transcript) -> None:
    rows = [line.split(" ") for line in write("ctm", source).splitlines()]
    words = [(segment, word) for segment in source.segments for word in words_of(segment)]
    assert sorted(row[4] for row in rows) == sorted(word.text.replace(" ", "_") for _, word in words)
    assert all(len(row) in (5, 6) and float(row[3]) >= 0 for row in rows)
    for _, group in groupby(rows, key=lambda row: row[1]):
        starts = [float(row[2]) for row in group]
        assert starts == sorted(starts)


@some()
def test_rttm(source: Transcript) -> None:
    rows = [line.split(" ") for line in write("rttm", source).splitlines()]
    assert all(len(row) == 10 and row[0] == "SPEAKER" for row in rows)
    assert [ms(float(row[3])) for row in rows] == [ms(part.start) for part in source.segments]
    assert [ms(float(row[3]) + float(row[4])) for row in rows] == [ms(part.end) for part in source.segments]
    assert [row[7] for row in rows] == [(part.speaker or "<NA>").replace(" ", "_") for part in source.segments]


@some()
def test_textgrid(source: Transcript) -> None:
    grid = read_textgrid(write("textgrid", source))
    assert len(grid.tiers) == 2 * max(1, len({part.speaker for part in source.segments}))
    for tier in grid.tiers:
        bounds = [0.0, *(interval.maxTime for interval in tier)]
        assert [interval.minTime for interval in tier] == bounds[:-1]
        assert bounds == sorted(set(bounds))
        assert bounds[-1] == pytest.approx(source.duration, abs=0.001)
    marks = sorted(interval.mark for tier in grid.tiers[::2] for interval in tier if interval.mark)
    assert marks == sorted(clean(part.text) for part in source.segments)


def test_textgrid_keeps_what_is_said_at_the_very_end() -> None:
    said = tuple(Segment(number, 0.5, 0.5, text) for number, text in enumerate("ab"))
    tier = read_textgrid(write("textgrid", Transcript("a.wav", 0.5, said))).tiers[0]
    assert [(interval.minTime, interval.mark) for interval in tier] == [(0, ""), (0.498, "a"), (0.499, "b")]


def read_textgrid(text: str) -> textgrid.TextGrid:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.TextGrid"
        path.write_text(text, encoding="utf-8")
        grid = textgrid.TextGrid()
        grid.read(str(path), encoding="utf-8")
    return grid


@some()
def test_md_shows_the_words_as_they_are(source: Transcript) -> None:
    tokens = MarkdownIt().parse(write("md", source))
    shown = "".join(child.content for token in tokens for child in token.children or () if child.type == "text")
    assert not any(
        token.type in ("html_block", "bullet_list_open", "ordered_list_open", "code_block", "fence", "blockquote_open")
        for token in tokens
    )
    assert not any(
        child.type in ("html_inline", "link_open", "em_open", "code_inline")
        for token in tokens
        for child in token.children or ()
    )
    for segment in source.segments:
        assert "".join(clean(segment.text).split()) in "".join(shown.split())


class Page(HTMLParser):
    """The text of each element of the body, and the times of the words."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: list[tuple[str, str]] = []
        self.starts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in {"meta", "audio", "input"}:
            self.open.append(tag)
        if tag == "span":
            self.starts.append(dict(attrs)["data-start"] or "")

    def handle_endtag(self, tag: str) -> None:
        if tag != "audio":
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "main" in self.open:
            self.texts.append((self.open[-1], data))


@some()
def test_html_shows_the_words_as_they_are(source: Transcript) -> None:
    page = Page()
    page.feed(write("html", source))
    page.close()
    assert page.open == []
    spoken = [segment for segment in source.segments if clean(segment.text)]
    words = [word for segment in spoken for word in words_of(segment)]
    assert [text for tag, text in page.texts if tag == "span"] == [
        clean(word.text) for word in words if clean(word.text)
    ]
    assert page.starts == [f"{word.start:.3f}" for word in words]


def test_html_names_the_recording_and_marks_what_is_unsure(talk: Transcript) -> None:
    words = (Word("<Hello>", 0.5, 0.9, 0.3), Word("there.", 0.9, 1.5, 0.9))
    segment = Segment(0, 0.5, 1.5, "<Hello> there.", words, "Ann & Bo")
    page = write("html", replace(talk, source='a/x "#1".mp3', segments=(segment,)))
    assert 'src="x%20%22%231%22.mp3"' in page
    assert "<h2>Ann &amp; Bo</h2>" in page
    assert 'class="low" title="30%">&lt;Hello&gt;</span> <span' in page
    assert page.count('class="low"') == 1


def test_html_runs_no_script_but_its_own() -> None:
    bad = "</script><script>alert(1)</script><img src=x onerror=alert(2)>{{BODY}}"
    segment = Segment(0, 0, 1, bad, (), bad)
    page = write("html", Transcript(bad, 1.0, (segment,), language='"><b>', model=bad, warnings=(bad,)))
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    assert len(scripts) == 1
    assert "<img" not in page
    digest = b64encode(sha256(scripts[0].encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}';" in page


@pytest.mark.parametrize(
    "name", [b"a  b.mp3", b"a\tb .mp3", b"100% #1?.mp3", b"a:b.mp3", "gr\u00fc\u00df.mp3".encode(), b"latin-\xe9.mp3"]
)
@pytest.mark.parametrize("folder", ["", "calls/today/"])
def test_html_plays_the_recording_of_any_file_name(name: bytes, folder: str) -> None:
    page = write("html", Transcript(folder + os.fsdecode(name), 1.0))
    address = re.search(r'<audio [^>]*src="([^"]*)"', page)
    assert address is not None
    assert unquote_to_bytes(urljoin("file:///results/a.html", address[1])) == b"file:///results/" + name


def test_a_name_that_is_no_file_name_gives_a_page() -> None:
    page = write("html", Transcript("a\ud800.mp3", 1.0))
    assert "<h1>a.mp3</h1>" in page
    assert 'src="a%3F.mp3"' in page


@some()
def test_whisper_json_has_the_text_of_the_segments_whatever_is_empty(source: Transcript) -> None:
    blank = [Segment(0, segment.start, segment.start, "") for segment in source.segments]
    mixed = tuple(part for pair in zip(blank, source.segments, strict=True) for part in pair)
    document = json.loads(write("whisper-json", replace(source, segments=mixed)))
    assert document["text"] == json.loads(write("whisper-json", source))["text"]
    assert document["text"] == "".join(segment["text"] for segment in document["segments"])
    assert document["text"].strip() == join(segment.text for segment in source.segments).strip()
    assert [len(segment["words"]) for segment in document["segments"]] == [len(part.words) for part in mixed]


@some()
def test_txt(source: Transcript) -> None:
    lines = write("txt", source).splitlines()
    assert len(lines) == len(source.segments)
    for line, segment in zip(lines, source.segments, strict=True):
        assert line.endswith(clean(segment.text))


def test_txt_labels_a_turn_once(talk: Transcript) -> None:
    assert write("txt", talk) == "[Speaker 1] Hello there.\nHow are you?\n[Bo, the 2nd] Tag {so}\n[?] Late.\n"
    silent = Transcript("a.wav", 9.0, tuple(Segment(n, n, n + 1, "words") for n in range(2)))
    assert write("txt", silent) == "words\nwords\n"


def test_labels_and_times_stand_where_each_format_has_them(talk: Transcript) -> None:
    assert "[Speaker 1] Hello there." in write("srt", talk)
    assert "00:00:00.500 --> " in write("vtt", talk)
    assert "<v Speaker 1>Hello there." in write("vtt", talk)
    assert "\n500\t2000\tSpeaker 1\tHello there.\n" in write("tsv", talk)
    assert "0,0.500,2.000,Speaker 1,,,,,,Hello there.\r\n" in write("csv", talk)
    assert ',"Bo, the 2nd",' in write("csv", talk)
    assert ",Default,Bo; the 2nd,0,0,0,," in write("ass", talk)
    assert "## Bo, the 2nd · 0:03\n\nTag {so}\n" in write("md", talk)
    assert "**1:02:03** Late." in write("md", talk)
    assert "SPEAKER first_talk 1 0.500 1.500 <NA> <NA> Speaker_1 <NA> <NA>\n" in write("rttm", talk)
    assert "first_talk 1 0.900 1.100 there.\n" in write("ctm", talk)
    assert "[62:03.25]Late.\n" in write("lrc", talk)


def test_times_round_and_carry() -> None:
    late = Transcript("a.wav", 7300.0, (Segment(0, 3599.9996, 3600.9, "On the hour."),))
    assert "01:00:00,000 --> 01:00:00,9" in write("srt", late)
    assert "01:00:00.000 --> " in write("vtt", late)
    assert "Dialogue: 0,1:00:00.00,1:00:00.9" in write("ass", late)
    assert "\n3600000\t3600900\t" in write("tsv", late)


def test_vtt_escapes_markup_and_arrows() -> None:
    segment = Segment(0, 0.0, 3.0, "a --> <b> & c", speaker="R&D <x>")
    assert write("vtt", Transcript("a.wav", 3.0, (segment,))) == (
        "WEBVTT\n\n00:00:00.000 --> 00:00:03.000\n<v R&amp;D &lt;x&gt;>a --&gt; &lt;b&gt; &amp; c</v>\n"
    )


@pytest.mark.parametrize("name", ["srt", "vtt", "ass", "lrc"])
def test_ffmpeg_shows_text_as_text(name: str, tmp_path: Path) -> None:
    """Other players' reader: it obeys tags, overrides, line breaks and stacked time tags, in every format."""
    text = "[00:09.00] <b>bold</b> {\\an8} C:\\New --> x & y"
    source = Transcript("a.wav", 9.0, (Segment(0, 1.0, 4.0, text),))
    path = tmp_path / f"a.{name}"
    path.write_text(write(name, source), encoding="utf-8")
    # not the one on PATH: releases before 6 read \N and braces in plain text as markup of ASS
    ffmpeg = pytest.importorskip("imageio_ffmpeg").get_ffmpeg_exe()
    command = [ffmpeg, "-v", "error", "-i", str(path), "-f", "ass", "-"]
    done = subprocess.run(command, capture_output=True, check=True, encoding="utf-8")
    read = pysubs2.SSAFile.from_string(done.stdout.replace("\\{{}", "｛"), format_="ass")  # so ffmpeg writes a brace
    (event,) = (event for event in read.events if event.plaintext)
    assert (event.start, event.end) == (1000, 4000)
    assert seen(event.plaintext).replace("\n", " ") == text


def test_a_line_of_jsonl_is_a_line_to_every_reader() -> None:
    source = Transcript("odd\u2028name\x85.wav", 3.0, (Segment(0, 0.0, 1.0, "a\u2029b"),))
    (line,) = write("jsonl", source).splitlines()
    assert json.loads(line)["source"] == source.source
    assert json.loads(write("json", source))["text"] == "a\u2029b"


def test_csv_leaves_formulas_alone() -> None:
    text = write("csv", Transcript("a.wav", 3.0, (Segment(0, 0.0, 1.0, '=SUM(A1) "x"\nnext'),)))
    assert text.endswith('"=SUM(A1) ""x""\nnext"\r\n')


def test_rttm_prefers_the_turns_of_diarization(talk: Transcript) -> None:
    turns = (Turn(0.0, 2.0, "Ann"), Turn(1.5, 3.0, "Bob"))
    rows = write("rttm", replace(talk, turns=turns)).splitlines()
    assert [row.split()[3:5] for row in rows] == [["0.000", "2.000"], ["1.500", "1.500"]]


def test_karaoke_is_seen_only_when_asked_for(talk: Transcript) -> None:
    plain, lit = (
        pysubs2.SSAFile.from_string(write("ass", talk, options)).styles["Default"] for options in (OPTIONS, LIT)
    )
    assert plain.primarycolor == plain.secondarycolor
    assert lit.primarycolor != lit.secondarycolor


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("txt", ""), ("jsonl", ""), ("srt", ""), ("vtt", "WEBVTT\n"), ("ctm", ""), ("rttm", ""),
        ("tsv", "start\tend\tspeaker\ttext\n"), ("md", "# empty.wav\n\n0:00\n"),
        ("lrc", "[ti:empty]\n[length:00:00.00]\n"),
        ("csv", "id,start,end,speaker,channel,language,confidence,emotion,event,text\r\n"),
    ],
)  # fmt: skip
def test_an_empty_transcript_gives_an_empty_file(name: str, text: str) -> None:
    assert write(name, EMPTY) == text


def test_an_empty_transcript_is_valid_in_the_structured_formats() -> None:
    assert json.loads(write("json", EMPTY))["segments"] == []
    assert len(pysubs2.SSAFile.from_string(write("ass", EMPTY))) == 0
    assert [len(tier) for tier in read_textgrid(write("textgrid", EMPTY)).tiers] == [1, 1]


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("a.srt", "srt"),
        ("b/A.SRT", "srt"),
        ("x.TextGrid", "textgrid"),
        ("x.textgrid", "textgrid"),
        ("a.json", "json"),
        ("a.jsonl", "jsonl"),
    ],
)
def test_a_file_name_asks_for_its_format(path: str, name: str) -> None:
    assert format_of(path) is FORMATS[name]


@pytest.mark.parametrize("path", ["-", "srt", "a.odt", ".srt", "a.srt.bak"])
def test_other_names_ask_for_none(path: str) -> None:
    assert format_of(path) is None
