"""Every format that evaluate reads gives back the words that the writer was given."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asrcli.assemble.words import split_words
from asrcli.evaluate.reading import SUFFIXES, HypothesisText, is_result, read_hypothesis
from asrcli.evaluate.scoring import ScoringOptions, score_file
from asrcli.evaluate.words import score_text
from asrcli.formats import FORMATS
from asrcli.options import CueOptions
from asrcli.transcript import Segment, Transcript, Turn, Word, join_words

TEXTS = {
    "en": ["Tom & Jerry", "AT&T's R&D", "a < b", "x > y", "<b>", "&amp;", "{so}", "\\N", "say",
           "100%", "-5", "it's", "--> go"],
    "hi": ["मैं", "कल", "दिल्ली", "गया।", "नमस्ते", "क़लम", "बृहस्पति"],
    "ar": ["مَرْحَبًا", "بالعالم", "كيف", "حالك؟", "إلى"],
    "zh": ["你好，", "今天", "“好。”", "我用", "三千", "《书》", "吗？"],
    "ja": ["こんにちは。", "カメラを", "買った", "「はい」"],
    "th": ["สวัสดีครับ", "น้ำ", "กินข้าว", "เก็บ"],
    "ko": ["안녕하세요.", "오늘은", "날씨가"],
    "fr": ["l'été", "« oui »", "où ?", "e\u0301cole"],
}  # fmt: skip
NAMES = st.sampled_from([None, "Speaker 1", 'Ann "A" <b> & Co, {x}', "王五", "Jean-Luc (1)"])
TEXT_FORMATS = [name for name in FORMATS if f".{FORMATS[name].extension.lower()}" in SUFFIXES and name != "rttm"]


@st.composite
def spoken(draw: st.DrawFn) -> Transcript:
    language = draw(st.sampled_from(sorted(TEXTS)))
    space = "" if language in {"zh", "ja", "th"} else " "
    clock = 0.0
    segments = []
    for number in range(draw(st.integers(0, 5))):
        text = space.join(draw(st.lists(st.sampled_from(TEXTS[language]), min_size=1, max_size=12)))
        words = []
        start = clock
        speaker = draw(NAMES)
        for part in split_words(text):
            words.append(Word(part.text, clock, clock + 0.3, None, speaker, part.space_before))
            clock += 0.3 + draw(st.sampled_from([0.0, 0.0, 0.2, 2.0]))
        if words:
            segments.append(
                Segment(number, start, words[-1].end, join_words(words), tuple(words), speaker, language=language)
            )
    return Transcript("talk.wav", clock + 1, tuple(segments), language=language)


def read_back(name: str, transcript: Transcript, options: CueOptions) -> HypothesisText:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"talk.{FORMATS[name].extension}"
        path.write_text(FORMATS[name].render(transcript, options), encoding="utf-8", newline="")
        assert is_result(path)
        return read_hypothesis(path, options)


@settings(max_examples=25)
@given(
    source=spoken(),
    options=st.sampled_from(
        [CueOptions(), CueOptions(highlight_words=True), CueOptions(max_line_width=20, max_lines=3)]
    ),
)
@pytest.mark.parametrize("name", TEXT_FORMATS)
def test_a_result_scores_without_errors_against_its_own_text(
    name: str, source: Transcript, options: CueOptions
) -> None:
    read = read_back(name, source, options)
    text = "\n".join(segment.text for segment in source.segments)
    score = score_text(text, read.text, language=source.language, vowel_marks=True)
    assert score.errors.rate == 0, (text, read.text)
    assert score.errors.reference == score.errors.hits
    exact = score_text(text, read.text, language=source.language, normalise=False)
    assert exact.errors.rate == 0, (text, read.text)
    assert read.language in {None, source.language}


def test_every_text_format_but_those_for_other_tools_is_read() -> None:
    assert set(TEXT_FORMATS) == {"json", "whisper-json", "jsonl", "srt", "vtt", "txt", "tsv", "csv"}


@settings(max_examples=25)
@given(st.lists(st.tuples(st.integers(0, 99999), st.integers(1, 9999), NAMES.filter(bool)), max_size=8))
def test_turns_are_read_back_to_the_millisecond(rows: list[tuple[int, int, str]]) -> None:
    turns = tuple(Turn(start / 1000, (start + length) / 1000, name) for start, length, name in sorted(rows))
    read = read_back("rttm", Transcript("a talk.wav", 200.0, turns=turns), CueOptions()).turns or ()
    assert [(round(t.start, 3), round(t.end, 3)) for t in read] == [(t.start, t.end) for t in turns]
    assert [t.speaker for t in read] == [t.speaker.replace(" ", "_") for t in turns]


def test_entities_of_other_programs_are_read(tmp_path: Path) -> None:
    path = tmp_path / "talk.vtt"
    path.write_text(
        "WEBVTT\n\n00:01.000 --> 00:03.000\nR&amp;D &lt;3&gt; caf&eacute; &#8211;&nbsp;fin&lrm;\n", encoding="utf-8"
    )
    assert read_hypothesis(path, CueOptions()).text == "R&D <3> café –\xa0fin\u200e"


def test_a_repeated_word_is_not_taken_for_its_highlight(tmp_path: Path) -> None:
    cue = "{0}\n00:00:0{1},000 --> 00:00:0{2},000\n<u>yes</u>\n\n"
    (tmp_path / "talk.srt").write_text(cue.format(1, 1, 2) + cue.format(2, 2, 3), encoding="utf-8")
    assert read_hypothesis(tmp_path / "talk.srt", CueOptions()).text == "yes\nyes"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("notes.tsv", "file\ttext\na.wav\thello\n"), ("costs.csv", "item,price\ntea,2\n"),
        ("run.jsonl", '{"event": 1}\n'),
        ("bad.jsonl", "{\n"), ("bad.csv", 'start,end,text\n"1,2'), ("short.tsv", "start\tend\ttext\n1\t2\n"),
    ],
)  # fmt: skip
def test_tables_of_something_else_are_no_results(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert not is_result(tmp_path / name)
    score = score_file(tmp_path / name, ScoringOptions())
    assert name in score.problems[0]


def test_tables_in_any_column_order_and_line_ends(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b'\xef\xbb\xbftext,start,end\r\n"one, two",0,1\r\n"say ""three""",1,2\r\n')
    assert read_hypothesis(tmp_path / "a.csv", CueOptions()).text == 'one, two\nsay "three"'
    (tmp_path / "a.tsv").write_bytes(b"text\tstart\tend\r\none two\t0\t1\r\n\r\n")
    assert read_hypothesis(tmp_path / "a.tsv", CueOptions()).text == "one two"
    (tmp_path / "empty.csv").write_text("start,end,text\r\n", encoding="utf-8")
    assert read_hypothesis(tmp_path / "empty.csv", CueOptions()).text == ""
