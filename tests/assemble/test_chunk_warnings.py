"""Warnings about spans: words that the model is not sure of, words without times of their own."""

from __future__ import annotations

import pytest

from asrcli.assemble import Assembler
from asrcli.audio.types import SAMPLE_RATE
from asrcli.backends.types import Hypothesis, Token
from asrcli.transcript import warning_code
from asrcli.vad.types import Chunk, Region
from tests.assemble.test_assembler import chunk

SURE, UNSURE = Hypothesis("and so it goes"), Hypothesis("sandra crescent darwin", unsure=True)


def spans(*parts: tuple[tuple[float, float], Hypothesis], shift: float = 0.0) -> list[str]:
    """The spans of the warnings about chunks at these seconds."""
    assembler = Assembler()
    for place, hypothesis in parts:
        assembler.push(chunk(place), hypothesis)
    warnings = assembler.warnings(shift)
    assert [warning_code(warning) for warning in warnings] == ["low-confidence"] * len(warnings)
    assert all(("asrcli models list" in warning) == (index == 0) for index, warning in enumerate(warnings))
    return [warning.split(":")[1].strip() for warning in warnings]


@pytest.mark.parametrize(
    ("parts", "found"),
    [
        ([((0, 9), SURE)], []),
        ([((0, 9), UNSURE)], ["0.0 to 9.0 s"]),
        ([((0, 2.5), UNSURE)], []),
        ([((0, 2), UNSURE), ((3, 5), UNSURE)], ["0.0 to 5.0 s"]),
        ([((0, 2), UNSURE), ((3, 5), SURE), ((6, 8), UNSURE)], []),
        # A chunk without words says nothing.
        ([((0, 2), UNSURE), ((3, 5), Hypothesis("")), ((6, 8), UNSURE)], ["0.0 to 8.0 s"]),
        ([((0, 9), SURE), ((9, 19), UNSURE), ((19, 29), UNSURE), ((29, 39), SURE)], ["9.0 to 29.0 s"]),
        (
            [((0, 4), UNSURE), ((4, 8), SURE), ((8, 9), UNSURE), ((9, 10), SURE), ((10, 14), UNSURE)],
            ["0.0 to 4.0 s", "10.0 to 14.0 s"],
        ),
        ([((0, 4), UNSURE), ((4, 8), SURE), ((8, 9), UNSURE)], ["0.0 to 4.0 s"]),
    ],
)
def test_neighbouring_chunks_are_one_span(
    parts: list[tuple[tuple[float, float], Hypothesis]], found: list[str]
) -> None:
    assert spans(*parts) == found


def test_times_are_moved() -> None:
    assert spans(((0, 9), UNSURE), shift=20.0) == ["20.0 to 29.0 s"]


def test_what_is_not_loud_is_no_speech() -> None:
    """Of a chunk with the levels of its sound and of speech in it, speech counts, not the pauses."""
    long = chunk((0, 2), (18, 18.5))
    speech = (long.levels > -40).astype("float32")
    whole = Chunk(long.start, long.samples, (Region(0, round(18.5 * SAMPLE_RATE)),), long.levels, speech=speech)
    assembler = Assembler()
    assembler.push(whole, UNSURE)
    assert not assembler.warnings()


TIMED, UNTIMED = Hypothesis("so", (Token("so", 0.1, 0.3),)), Hypothesis("it goes")
FAILED = Hypothesis("it goes", unplaced=True)


@pytest.mark.parametrize(
    ("hypotheses", "found"),
    [
        ([TIMED, TIMED], []),
        # The model gives no times at all, as the result reports.
        ([UNTIMED, UNTIMED], []),
        ([TIMED, UNTIMED, UNTIMED, TIMED], ["10.0 to 30.0 s"]),
        ([UNTIMED, Hypothesis(""), TIMED], ["0.0 to 10.0 s"]),
        ([FAILED], ["0.0 to 10.0 s"]),
        ([TIMED, Hypothesis("it goes", unsure=True)], []),
        ([Hypothesis("", unplaced=True), Hypothesis("...")], []),
    ],
)
def test_words_that_the_model_did_not_place(hypotheses: list[Hypothesis], found: list[str]) -> None:
    assembler = Assembler()
    for index, hypothesis in enumerate(hypotheses):
        assembler.push(chunk((10 * index, 10 * index + 10)), hypothesis)
    warnings = [warning for warning in assembler.warnings() if warning_code(warning) != "low-confidence"]
    assert [warning_code(warning) for warning in warnings] == ["timestamps"] * len(found)
    assert [warning.split(":")[1].strip() for warning in warnings] == found
