from __future__ import annotations

import json
from pathlib import Path

import pytest

from asrcli.errors import InputError, UsageError
from asrcli.evaluate.cues import PlainCue, cue_statistics
from asrcli.evaluate.pairing import References
from asrcli.evaluate.reading import Reference, read_hypothesis, read_reference_turns, read_references
from asrcli.evaluate.scoring import ScoringOptions, left_over, pool, score_file, to_dict
from asrcli.options import CueOptions
from asrcli.transcript import Segment, Transcript, Turn, Word

SRT = """\
1
00:00:01,000 --> 00:00:03,000
Good morning,
everybody.

2
00:00:02,900 --> 00:00:03,100
This one is far too quick.
"""
VTT = "WEBVTT\n\n00:01.000 --> 00:03.000\n<v Ada>Good <c>morning</c>,\neverybody.\n"


def transcript() -> Transcript:
    words = (Word("Good", 1.0, 1.4), Word("morning.", 1.4, 2.0))
    return Transcript(
        "/recordings/talk.wav",
        5.0,
        (Segment(0, 1.0, 2.0, "Good morning.", words),),
        language="en",
        turns=(Turn(1.0, 2.0, "Speaker 1"),),
    )


def test_cue_statistics_find_what_breaks_the_rules() -> None:
    cues = [
        PlainCue(0.0, 2.0, ("x" * 20,)),
        PlainCue(1.9, 2.4, ("y" * 43, "z", "z")),
        PlainCue(3.0, 11.0, ("十七个全角字符的一行字已经太长了吗",)),
    ]
    found = cue_statistics(cues, CueOptions())
    assert (found.cues, found.overlaps, found.too_fast, found.too_wide) == (3, 1, 1, 2)
    assert (found.too_many_lines, found.too_short, found.too_long) == (1, 1, 1)
    assert found.line_width_max == 43
    assert found.cps_max == pytest.approx(90.0)
    assert found.cps == pytest.approx((20 + 45 + 17) / 10.5)
    assert cue_statistics([], CueOptions()) is None


def test_cues_that_touch_do_not_overlap() -> None:
    found = cue_statistics([PlainCue(0, 2, ("one",)), PlainCue(2, 4, ("two",))], CueOptions())
    assert found.overlaps == 0


def test_markup_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "a.srt").write_text(
        "1\n00:00:01,000 --> 00:00:02,000\n<i>{\\an8}a < b</i> <\u2060b>\n\n", encoding="utf-8"
    )
    assert read_hypothesis(tmp_path / "a.srt", CueOptions()).text == "a < b <b>"


@pytest.mark.parametrize(("name", "text", "count"), [("a.srt", SRT, 2), ("a.vtt", VTT, 1)])
def test_subtitles_are_read(tmp_path: Path, name: str, text: str, count: int) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8-sig")
    read = read_hypothesis(tmp_path / name, CueOptions())
    assert len(read.cues) == count
    assert read.cues[0] == PlainCue(1.0, 3.0, ("Good morning,", "everybody."))
    assert read.text.startswith("Good morning,\neverybody.")


def test_a_transcript_is_read_with_the_cues_it_would_make(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_text(json.dumps(transcript().to_dict()), encoding="utf-8")
    read = read_hypothesis(path, CueOptions())
    assert (read.text, read.language) == ("Good morning.", "en")
    assert read.names == ("/recordings/talk.wav", "/recordings/talk", str(tmp_path / "result"))
    assert [cue.lines for cue in read.cues] == [("Good morning.",)]
    assert read.turns == (Turn(1.0, 2.0, "Speaker 1"),)


@pytest.mark.parametrize("name", ["broken.json", "broken.srt", "broken.vtt", "broken.rttm", "missing.txt"])
def test_what_cannot_be_read_is_an_input_error(tmp_path: Path, name: str) -> None:
    if name != "missing.txt":
        (tmp_path / name).write_text("SPEAKER 1 --> { nothing of the kind", encoding="utf-8")
    with pytest.raises(InputError):
        read_hypothesis(tmp_path / name, CueOptions())
    score = score_file(tmp_path / name, ScoringOptions())
    assert score.problems


def test_other_suffixes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be evaluated"):
        read_hypothesis(tmp_path / "film.mkv", CueOptions())


def test_references_by_table_and_by_folder(tmp_path: Path) -> None:
    table = tmp_path / "refs.tsv"
    table.write_text('file\tlanguage\ttext\ntalk.wav\ten\tShe said "hi\nb.flac\t\tother\n', encoding="utf-8")
    found = dict(read_references(table))
    assert (found["talk.wav"].text, found["talk.wav"].language) == ('She said "hi', "en")
    assert found["b.flac"].language is None
    (tmp_path / "one.txt").write_text("uno", encoding="utf-8")
    assert {name: one.text for name, one in read_references(tmp_path)} == {"one": "uno"}
    table.write_text("a\tb\n1\t2\n", encoding="utf-8")
    with pytest.raises(InputError, match="columns"):
        read_references(table)
    table.write_text("file\ttext\nsilence.wav\t\nlost.wav\n", encoding="utf-8")
    with pytest.raises(InputError, match="line 3 has too few"):
        read_references(table)
    with pytest.raises(InputError, match=r"no \.rttm files"):
        read_reference_turns(tmp_path)


def test_results_and_references_in_trees_of_equal_names(tmp_path: Path) -> None:
    for folder, text in (("mon/day", "one two"), ("tue/day", "three four")):
        for root in ("results", "right"):
            (tmp_path / root / folder).mkdir(parents=True)
            (tmp_path / root / folder / "call.txt").write_text(text, encoding="utf-8")
    paths = sorted((tmp_path / "results").rglob("*.txt"))
    right = read_references(tmp_path / "right")
    scores = [score_file(path, ScoringOptions(), references=right) for path in paths]
    assert [score.right_text.name for score in scores] == ["mon/day/call", "tue/day/call"]
    assert pool(scores)["wer"]["rate"] == 0
    assert left_over(scores[:1], right, None) == ["tue/day/call"]


def test_a_result_is_not_scored_by_one_of_several_references_that_match(tmp_path: Path) -> None:
    (tmp_path / "talk.txt").write_text("one two", encoding="utf-8")
    right = References([("a/talk.wav", Reference("one two")), ("b/talk.mp3", Reference("three"))])
    score = score_file(tmp_path / "talk.txt", ScoringOptions(), references=right, alone=True)
    assert score.text is None
    assert score.problems == ("several reference texts match: a/talk.wav, b/talk.mp3.",)
    assert right.find(["b/talk"]).name == "b/talk.mp3"
    assert right.find(["x/talk.wav", "x/talk"]).name == "a/talk.wav"


def test_reference_turns_by_the_file_s_name_or_the_id_inside(tmp_path: Path) -> None:
    line = "SPEAKER {} 1 0 2 <NA> <NA> Ada <NA> <NA>\n"
    (tmp_path / "talk.rttm").write_text(line.format("whatever"), encoding="utf-8")
    (tmp_path / "many.rttm").write_text(line.format("x") + line.format("y"), encoding="utf-8")
    assert {name for name, _ in read_reference_turns(tmp_path)} == {"talk", "whatever", "x", "y"}


def test_files_are_scored_and_pooled(tmp_path: Path) -> None:
    (tmp_path / "talk.json").write_text(json.dumps(transcript().to_dict()), encoding="utf-8")
    (tmp_path / "other.txt").write_text("one two three four", encoding="utf-8")
    (tmp_path / "zh.txt").write_text("你好吗", encoding="utf-8")
    (tmp_path / "refs.tsv").write_text(
        "file\ttext\ntalk.mp3\tgood evening\nother.wav\tone two three for\nzh\t你好\n", encoding="utf-8"
    )
    references = read_references(tmp_path / "refs.tsv")
    turns = References([("talk", [Turn(1.0, 2.0, "Ada")])])
    names = ("talk.json", "other.txt", "zh.txt")
    scores = [score_file(tmp_path / name, ScoringOptions(collar=0), references=references) for name in names]
    pooled = pool(scores)
    assert pooled["wer"] == {
        "rate": 0.33333, "reference": 6, "hits": 4, "substitutions": 2, "deletions": 0, "insertions": 0,
    }  # fmt: skip
    assert pooled["cer"]["rate"] == 0.5
    result = score_file(tmp_path / "talk.json", ScoringOptions(collar=0), turns=turns)
    assert result.turns.der == 0.0
    assert score_file(tmp_path / "zh.txt", ScoringOptions(), turns=turns, references=References([])).problems == (
        "no reference texts have its name.",
        "no reference turns have its name.",
    )
    json.dumps(to_dict(scores), allow_nan=False)
