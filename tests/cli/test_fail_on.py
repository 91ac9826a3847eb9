"""`--fail-on`: warnings that fail a file."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile

import asrcli as package
from asrcli.errors import UsageError, WarningsError
from asrcli.formats import schema_text
from asrcli.options import TranscribeOptions, VadOptions
from asrcli.transcript import WARNING_CODES
from tests.backends.limits.test_limits import fail_between
from tests.cli.conftest import Program
from tests.tone import RATE, WORDS, build, tone_audio


@pytest.fixture
def failing(tmp_path: Path) -> Path:
    """A model that fails at short chunks: of a recording in chunks of 5 s, a part is lost."""
    folder = build("zipformer_ctc", tmp_path / "failing")
    fail_between(folder / "model.onnx", 0, 250)
    return folder


@pytest.mark.slow
def test_silence_fails_where_that_is_asked(asrcli: Program) -> None:
    soundfile.write(asrcli.folder / "silence.wav", np.zeros(RATE, np.float32), RATE)
    assert asrcli("transcribe", "silence.wav", "--overwrite").returncode == 0
    done = asrcli("transcribe", "silence.wav", "--overwrite", "--fail-on", "loop,no-speech")
    assert done.returncode == 1
    assert "silence.wav: no speech" in done.stderr
    assert (asrcli.folder / "silence.txt").exists()
    assert asrcli("transcribe", "silence.wav", "--overwrite", "--fail-on", "truncated").returncode == 0


@pytest.mark.slow
def test_a_file_with_a_gap_is_written_but_does_not_count_as_done(asrcli: Program, failing: Path) -> None:
    soundfile.write(asrcli.folder / "tones.wav", tone_audio([1, 2, 3, 5, 4, 0] * 4), RATE)
    command = ("transcribe", "tones.wav", "--no-vad", "--max-chunk", "5", "-m", failing, "-f", "txt,json")
    done = asrcli(*command)
    assert done.returncode == 0
    assert "warning: tones.wav: gap: " in done.stderr
    assert "gaps without text" in done.stderr or "1 gap without text" in done.stderr
    document = json.loads((asrcli.folder / "tones.json").read_text("utf-8"))
    assert document["warning_codes"] == ["gap"] * len(document["gaps"])
    assert WORDS[1] in document["text"]

    for existing in (("--overwrite",), (), ()):
        done = asrcli(*command, "--fail-on", "gaps", *existing)
        assert done.returncode == 1
        assert "gap: " in done.stderr


@pytest.mark.slow
def test_a_later_run_repeats_the_warnings(asrcli: Program) -> None:
    """It reported "done already" and no more."""
    soundfile.write(asrcli.folder / "silence.wav", np.zeros(RATE, np.float32), RATE)
    data = (asrcli.folder / "silence.wav").read_bytes()
    (asrcli.folder / "cut.wav").write_bytes(data[: len(data) // 2])
    assert "1 of 1 file done, 1 with warnings;" in asrcli("transcribe", "cut.wav").stderr
    again = asrcli("transcribe", "cut.wav")
    assert again.returncode == 0
    assert "skipped: done already, with warnings: truncated: 0.5 s of 1.0 s missing; no speech" in again.stderr
    assert "0 of 1 file done, 1 skipped, 1 with warnings" in again.stderr
    for _ in range(2):
        assert asrcli("transcribe", "cut.wav", "--fail-on", "truncated").returncode == 1
    (asrcli.folder / "cut.wav").write_bytes(data)
    assert "with warnings: no speech" in asrcli("transcribe", "cut.wav").stderr + asrcli("transcribe", "cut.wav").stderr


@pytest.mark.slow
def test_words_that_the_model_is_not_sure_of(asrcli: Program, wheel_audio: Path) -> None:
    """As if of another language: 20 s of speech backwards, from second 11 on."""
    english, rate = soundfile.read(wheel_audio / "two_cities.wav", dtype="float32")
    mixed = english.copy()
    mixed[11 * rate : 31 * rate] = english[11 * rate : 31 * rate][::-1]
    soundfile.write(asrcli.folder / "mixed.wav", mixed, rate)
    soundfile.write(asrcli.folder / "english.wav", english, rate)
    command = ("transcribe", "mixed.wav", "english.wav", "-m", "moonshine-tiny-en", "-f", "json")
    done = asrcli(*command)
    assert done.returncode == 0
    assert "1 with warnings" in done.stderr
    assert "asrcli models list" in done.stderr
    assert json.loads((asrcli.folder / "english.json").read_text("utf-8"))["warnings"] == []
    start, end = first_span(asrcli.folder / "mixed.json")
    assert start < 21 < end

    done = asrcli(*command, "--overwrite", "--start", "11", "--fail-on", "low-confidence")
    assert done.returncode == 1
    assert first_span(asrcli.folder / "mixed.json")[0] >= 11


def first_span(path: Path) -> tuple[float, float]:
    """When the words begin and end that the model is not sure of, seconds."""
    document = json.loads(path.read_text("utf-8"))
    warning = document["warnings"][document["warning_codes"].index("low-confidence")]
    start, end = map(float, re.findall(r"[0-9.]+", warning)[:2])
    return start, end


def test_every_code_of_the_schema_is_accepted(asrcli: Program) -> None:
    soundfile.write(asrcli.folder / "silence.wav", np.zeros(RATE, np.float32), RATE)
    codes = json.loads(schema_text())["properties"]["warning_codes"]["items"]["enum"]
    assert codes == list(WARNING_CODES)
    others = ",".join(code for code in codes if code != "no-speech")
    assert asrcli("transcribe", "silence.wav", "--fail-on", others).returncode == 0
    assert asrcli("transcribe", "silence.wav", "--overwrite", "--fail-on", "Other, NO-SPEECH").returncode == 1


def test_an_unknown_code_is_refused(asrcli: Program) -> None:
    done = asrcli("transcribe", "silence.wav", "--fail-on", "gap,noise")
    assert done.returncode == 2
    assert "'noise' is not a code of warnings" in done.stderr.replace("\n", " ").replace("│", "")


def test_from_python(tmp_path: Path, failing: Path) -> None:
    path = tmp_path / "tones.wav"
    soundfile.write(path, tone_audio([1, 2, 3, 5, 4, 0] * 4), RATE)
    options = TranscribeOptions(vad=VadOptions(enabled=False, max_chunk=5.0))
    assert package.transcribe(path, model=str(failing), options=options).gaps
    with pytest.raises(WarningsError, match="gap: "):
        package.transcribe(path, model=str(failing), options=options, fail_on=["gap"])
    for name, error in (("GAPS, loop", WarningsError), (["gaps"], WarningsError), (["noise"], UsageError)):
        with pytest.raises(error, match=r"gap: |'noise' is not a code of warnings"):
            package.transcribe(path, model=str(failing), options=options, fail_on=name)
