"""What `asrcli transcribe` does to the text: marks, numbers, hotwords, emoji."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import _pytest.mark
import numpy as np
import pytest
import soundfile

from asrcli.errors import ExitCode
from tests import tone
from tests.cli.conftest import Program

#: a sine is not speech
OPTIONS = ("--no-vad", "-m", "tones", "-q")

NAMES = ("we", "met", "jon", "smyth", "in", "vienna", "today", "高")
NUMBERS = ("二", "十", "五", "百", "三", "点", "元", "高")


def needs(module: str, extra: str) -> _pytest.mark.MarkDecorator:
    return pytest.mark.skipif(importlib.util.find_spec(module) is None, reason=f"needs the extra {extra}")


@pytest.fixture
def say(asrcli: Program, tone_audio: Callable[..., np.ndarray]) -> Callable[..., str]:
    """Writes a recording of tones."""

    def write(*tones: int, name: str = "tones.wav") -> str:
        soundfile.write(asrcli.folder / name, tone_audio(tones), tone.RATE)
        return name

    return write


@pytest.fixture
def tones(
    write_models: Callable[..., None],
    tone_models: Callable[..., Path],
    tone_entry: Callable[..., dict[str, Any]],
    tmp_path: Path,
) -> Callable[..., None]:
    """Registers a recogniser of tones, by words of one's own, and of other models."""

    def write(
        words: tuple[str, ...] = tone.WORDS, type_: str = "zipformer_ctc", *, marks: bool = False, **fields: Any
    ) -> None:
        entry = tone_entry(type_, tone.build(type_, tmp_path / "models" / type_, words), **fields)
        if not marks:
            return write_models({"tones": entry})
        punctuation = tone_entry("ct_transformer", tone_models("punctuation_ct_transformer"), kind="punctuation")
        return write_models({"tones": entry, "marks": punctuation}, punctuation="marks")

    return write


def test_marks_are_added_where_a_model_for_them_is_installed(
    asrcli: Program, tones: Callable[..., None], say: Callable[..., str]
) -> None:
    tones()
    name = say(0, 1, 2, 3, 4, 7)
    assert asrcli("transcribe", name, *OPTIONS, "-o", "-").stdout == "do re mi fa sol高\n"
    tones(marks=True)
    assert asrcli("transcribe", name, *OPTIONS, "-o", "-").stdout == "Do re, mi fa?\nSol高。\n"
    assert asrcli("transcribe", name, *OPTIONS, "-o", "-", "--no-punctuation").stdout == "do re mi fa sol高\n"


@pytest.mark.slow
def test_marks_change_the_options_in_the_journal(
    asrcli: Program, tones: Callable[..., None], say: Callable[..., str]
) -> None:
    tones(marks=True)
    name = say(0, 1, 2, 3)
    text = asrcli.folder / "tones.txt"
    options = [option for option in OPTIONS if option != "-q"]
    assert asrcli("transcribe", name, *options).returncode == 0
    assert text.read_text(encoding="utf-8") == "Do re, mi fa?\n"
    assert "1 skipped" in asrcli("transcribe", name, *options).stderr
    assert asrcli("transcribe", name, *options, "--no-punctuation").returncode == 0
    assert text.read_text(encoding="utf-8") == "do re mi fa\n"


def test_asked_for_without_a_model_that_gives_marks(
    asrcli: Program, tones: Callable[..., None], say: Callable[..., str]
) -> None:
    tones()
    done = asrcli("transcribe", say(0, 1), *OPTIONS, "--punctuation", "--offline")
    assert done.returncode == ExitCode.MODEL
    assert "ct-punc-zh-en" in done.stderr


@pytest.mark.parametrize(
    ("model", "text"),
    [
        ("punctuation_ct_transformer/ct_transformer.onnx", "Do re, mi.\n"),
        ("punctuation_cnn_bilstm", "Do re, mi\n"),  # the English kind, which has no mark for this end
    ],
)
def test_a_punctuation_model_by_path(
    asrcli: Program,
    tones: Callable[..., None],
    say: Callable[..., str],
    tone_models: Callable[..., Path],
    model: str,
    text: str,
) -> None:
    tones()
    kind, _, file = model.partition("/")
    path = tone_models(kind) / file
    done = asrcli("transcribe", say(0, 1, 2), *OPTIONS, "--punctuation-model", path, "-o", "-")
    assert done.stdout == text, done.stderr


@needs("jellyfish", "hotwords")
def test_hotwords_that_a_model_does_not_take_are_corrected_if_asked(
    asrcli: Program, tones: Callable[..., None], say: Callable[..., str]
) -> None:
    tones(NAMES)
    name = say(0, 1, 2, 3, 4, 5)
    words = ("--hotwords", "John Smith")
    refused = asrcli("transcribe", name, *OPTIONS, *words, "-o", "-")
    assert (refused.returncode, refused.stdout) == (ExitCode.USAGE, "")
    assert "takes no hotwords" in refused.stderr
    assert "--correct-hotwords" in refused.stderr
    done = asrcli("transcribe", name, *OPTIONS, *words, "--correct-hotwords", "-f", "json", "-o", "-")
    heard = json.loads(done.stdout)
    assert heard["text"] == "we met John Smith in vienna"
    (note,) = heard["notes"]["hotwords"]
    assert (note["was"], note["is"], note["segment"]) == ("jon smyth", "John Smith", 0)
    assert asrcli("transcribe", name, *OPTIONS, "--correct-hotwords").returncode == ExitCode.USAGE


@needs("itn", "itn")
def test_numbers_become_digits_and_keep_their_times(asrcli: Program, tones: Any, say: Any) -> None:
    tones(NUMBERS, languages=["zh"])
    name = say(0, 1, 2, None, 7)
    heard = json.loads(asrcli("transcribe", name, *OPTIONS, "-f", "json", "-o", "-").stdout)
    assert heard["text"] == "25高"
    words = [word for segment in heard["segments"] for word in segment["words"]]
    assert [word["text"] for word in words] == ["25", "高"]
    starts = tone.tone_starts([0, 1, 2, None, 7])
    assert words[0]["start"] == pytest.approx(starts[0], abs=0.1)
    assert words[-1]["start"] == pytest.approx(starts[-1], abs=0.1)
    assert asrcli("transcribe", name, *OPTIONS, "--no-itn", "-o", "-").stdout == "二十五高\n"


def test_emotions_as_emoji(asrcli: Program, tones: Callable[..., None], say: Callable[..., str]) -> None:
    tones(type_="sense_voice")
    name = say(0, 1)
    assert asrcli("transcribe", name, *OPTIONS, "-o", "-").stdout == "do re\n"
    assert asrcli("transcribe", name, *OPTIONS, "--rich-text", "-o", "-").stdout == "do re😊\n"
    heard = json.loads(asrcli("transcribe", name, *OPTIONS, "--rich-text", "-f", "json", "-o", "-").stdout)
    assert heard["segments"][0]["emotion"] == "happy"


def test_names_of_formats_in_any_case(asrcli: Program, tones: Callable[..., None], say: Callable[..., str]) -> None:
    tones()
    assert asrcli("transcribe", say(0, 1), *OPTIONS, "-f", "SRT,TextGrid", "-f", "Json").returncode == 0
    assert {path.name for path in asrcli.folder.glob("tones.*")} == {
        "tones.wav", "tones.srt", "tones.TextGrid", "tones.json",
    }  # fmt: skip
