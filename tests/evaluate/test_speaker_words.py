from __future__ import annotations

import json
from itertools import permutations
from pathlib import Path

import jiwer
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asrcli.evaluate.pairing import References
from asrcli.evaluate.reading import read_references
from asrcli.evaluate.scoring import ScoringOptions, pool, score_file
from asrcli.evaluate.speaker_words import WordErrors, score_speakers, score_words, texts_of_speakers
from asrcli.evaluate.words import TextErrors
from asrcli.transcript import Segment, Transcript, Turn, Word

#: the text of each speaker: few words, so that they recur
texts = st.dictionaries(
    st.sampled_from("abcde"), st.lists(st.sampled_from(["yes", "no", "well", "so"]), max_size=12).map(" ".join)
)
TRUTH = [Turn(0, 10, "a"), Turn(10, 20, "b"), Turn(15, 20, "a")]


def words(*said: tuple[str, int]) -> list[Word]:
    """Words of a speaker at a second: "wa" at 0 s, "wb" at 1 s, ..."""
    return [Word(f"w{chr(ord('a') + start)}", start, start + 0.5, speaker=speaker) for speaker, start in said]


def test_words_with_the_wrong_speaker() -> None:
    said = words(("x", 1), ("x", 5), ("y", 8), ("y", 12), ("x", 16), ("y", 17), ("y", 25))
    # The word of y at 8 s is a's; either speaker is right in the overlap; the word at 25 s is in no turn.
    assert score_words(TRUTH, said) == WordErrors(6, 1)
    assert WordErrors(6, 1) + WordErrors(4, 0) == WordErrors(10, 1)
    assert WordErrors().to_dict()["rate"] is None
    assert score_words(TRUTH, []) == score_words([], said) == WordErrors()


def test_the_same_words_as_texts_of_speakers() -> None:
    said = words(("x", 1), ("y", 8), ("y", 12), ("x", 16), ("y", 17), ("y", 25))
    assert texts_of_speakers(TRUTH, said) == ({"a": "wb wi wq", "b": "wm wr"}, {"x": "wb wq", "y": "wi wm wr"})


def every_pairing(reference: dict[str, str], hypothesis: dict[str, str]) -> int:
    """The fewest errors of all pairings of speakers, each counted by jiwer."""
    count = max(len(reference), len(hypothesis))
    rows, columns = ([*texts.values(), *[""] * (count - len(texts))] for texts in (reference, hypothesis))

    def errors(right: str, found: str) -> int:
        if not right:
            return len(found.split())
        counts = jiwer.process_words(right, found)
        return counts.substitutions + counts.deletions + counts.insertions

    return min(sum(map(errors, rows, order)) for order in permutations(columns))


@settings(max_examples=40)
@given(texts, texts)
def test_cpwer_is_the_best_of_all_pairings(reference: dict[str, str], hypothesis: dict[str, str]) -> None:
    found = score_speakers(reference, hypothesis, normalise=False)
    assert found.reference == sum(len(text.split()) for text in reference.values())
    assert found.wrong == every_pairing(reference, hypothesis)


@settings(max_examples=100)
@given(texts, texts)
def test_cpwer_agrees_with_meeteval(reference: dict[str, str], hypothesis: dict[str, str]) -> None:
    meeteval = pytest.importorskip("meeteval", reason="see .ci/suites/meeteval.sh")
    if any(reference.values()):
        found = score_speakers(reference, hypothesis, normalise=False)
        published = meeteval.wer.cp_word_error_rate(reference, hypothesis)
        assert (found.wrong, found.reference) == (published.errors, published.length)


@pytest.mark.parametrize(
    ("reference", "hypothesis", "expected"),
    [
        ({"a": "one two", "b": "three"}, {"x": "three", "y": "one two"}, TextErrors(hits=3)),
        ({"a": "one two", "b": "three"}, {"x": "one two three"}, TextErrors(hits=2, deletions=1, insertions=1)),
        ({"a": "甚至"}, {"x": "甚", "y": "至"}, TextErrors(hits=1, deletions=1, insertions=1)),
    ],
)
def test_speakers_are_paired_for_the_fewest_errors(
    reference: dict[str, str], hypothesis: dict[str, str], expected: TextErrors
) -> None:
    assert score_speakers(reference, hypothesis) == expected


def test_a_result_is_scored_against_names_in_the_reference_text_or_turns(tmp_path: Path) -> None:
    """What wrong speakers cost: cpWER less WER."""
    said = words(("x", 1), ("x", 5), ("y", 8), ("y", 12))
    segments = tuple(
        Segment(number, word.start, word.end, word.text, (word,), speaker=word.speaker)
        for number, word in enumerate(said)
    )
    path = tmp_path / "talk.json"
    path.write_text(json.dumps(Transcript("talk.wav", 30.0, segments, language="en").to_dict()), encoding="utf-8")
    (tmp_path / "talk.txt").write_text("Ada: wb wf\nBob: wrong\nAda: wm\n", encoding="utf-8")
    named = score_file(path, ScoringOptions(normalise=False), references=read_references(tmp_path / "talk.txt"))
    assert named.text is not None
    assert named.speakers is not None
    assert (named.text.errors.wrong, named.speakers.wrong, named.speakers.reference) == (1, 3, 4)
    turns = References([("talk", TRUTH)])
    by_turns = score_file(path, ScoringOptions(normalise=False), turns=turns)
    assert by_turns.to_dict()["cpwer"] == {
        "rate": 0.5, "reference": 4, "hits": 3, "substitutions": 0, "deletions": 1, "insertions": 1
    }  # fmt: skip
    assert pool([by_turns, by_turns])["cpwer"]["reference"] == 8
