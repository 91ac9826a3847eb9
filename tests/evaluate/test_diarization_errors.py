from __future__ import annotations

import warnings
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asrcli.errors import InputError
from asrcli.evaluate.diarization import DiarizationErrors, read_rttm, score_turns
from asrcli.transcript import Turn

turns = st.lists(
    st.tuples(st.integers(0, 500), st.integers(1, 90), st.sampled_from("abcd")).map(
        lambda turn: Turn(turn[0] / 10, (turn[0] + turn[1]) / 10, turn[2])
    ),
    min_size=1,
    max_size=14,
)


def published(
    reference: list[Turn], hypothesis: list[Turn], collar: float, metric: str = "DiarizationErrorRate"
) -> float:
    """The figure of pyannote.metrics; its collar is the sum of both sides."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the library's own deprecations, and its guess of the scored region
        import pyannote.metrics.diarization
        from pyannote.core import Annotation, Segment

        def annotation(spoken: list[Turn]) -> Annotation:
            made = Annotation()
            for number, turn in enumerate(spoken):
                made[Segment(turn.start, turn.end), number] = turn.speaker
            return made.support()

        measure = getattr(pyannote.metrics.diarization, metric)(collar=2 * collar)
        return measure(annotation(reference), annotation(hypothesis))


@settings(max_examples=25)
@given(turns, turns, st.sampled_from([0.0, 0.25]))
def test_agrees_with_pyannote_metrics(reference: list[Turn], hypothesis: list[Turn], collar: float) -> None:
    errors = score_turns(reference, hypothesis, collar=collar)
    if errors.reference > 0:
        assert errors.der == pytest.approx(published(reference, hypothesis, collar), abs=1e-6)


def test_agrees_on_a_real_meeting(shared: Path) -> None:
    truth = read_rttm((shared / "data/speakers/ami_dev.rttm").read_text())["dev00"]
    guess = [Turn(turn.start + 0.3, turn.end + 0.1, "x" if turn.start < 20 else turn.speaker) for turn in truth]
    for collar in (0.0, 0.25):
        errors = score_turns(truth, guess, collar=collar)
        assert errors.der == pytest.approx(published(truth, guess, collar))
        assert errors.jer == pytest.approx(published(truth, guess, collar, "JaccardErrorRate"))


def test_each_kind_of_error() -> None:
    truth = [Turn(0, 10, "a"), Turn(10, 20, "b")]
    assert score_turns(truth, [Turn(0, 10, "x"), Turn(10, 20, "y")], collar=0).der == 0.0
    found = score_turns(truth, [Turn(0, 12, "x"), Turn(12, 18, "y"), Turn(20, 21, "y")], collar=0)
    assert (found.reference, found.missed, found.false_alarm, found.confusion) == (20.0, 2.0, 1.0, 2.0)
    # x has 10 of 12 s right of a; y 6 s right of b's 10 s, and 1 s more
    assert found.jer == pytest.approx((2 / 12 + 5 / 11) / 2)
    assert (found.speakers, found.found, found.right_counts) == (2, 2, 1)
    assert found.der == pytest.approx(0.25)


def test_overlap_counts_for_each_speaker() -> None:
    truth = [Turn(0, 10, "a"), Turn(5, 10, "b")]
    found = score_turns(truth, [Turn(0, 10, "x")], collar=0)
    assert (found.reference, found.missed, found.false_alarm, found.confusion) == (15.0, 5.0, 0.0, 0.0)
    assert (found.jer, found.speakers, found.found, found.right_counts) == (0.5, 2, 1, 0)


def test_pooling_adds_seconds() -> None:
    pooled = DiarizationErrors(10, 1, 0, 0) + DiarizationErrors(90, 0, 1, 2)
    assert pooled.der == pytest.approx(0.04)
    assert DiarizationErrors().der == 0.0
    assert DiarizationErrors(false_alarm=1.0).to_dict()["der"] is None


def test_nothing_to_score() -> None:
    assert score_turns([], []) == DiarizationErrors()
    assert score_turns([], [Turn(0, 2, "a")]).false_alarm == 2.0


def test_rttm_is_read_by_file() -> None:
    text = ";; comment\nSPEAKER one 1 1.5 2.0 <NA> <NA> Ada <NA> <NA>\nSPEAKER two 1 0 1 <NA> <NA> Bob <NA> <NA>\n"
    assert read_rttm(text) == {"one": [Turn(1.5, 3.5, "Ada")], "two": [Turn(0.0, 1.0, "Bob")]}
    with pytest.raises(InputError, match="line 1 is not RTTM"):
        read_rttm("SPEAKER one 1 now 2.0\n")
