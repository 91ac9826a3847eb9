"""Equal options hash alike in every process; different ones do not."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from asrcli.batch.cache_key import fingerprint
from asrcli.options import (
    AudioOptions,
    CueOptions,
    Hotword,
    RecognitionOptions,
    SpeakerOptions,
    TranscribeOptions,
    VadOptions,
)

CHANGES = [
    replace(TranscribeOptions(), audio=AudioOptions(start=1.0)),
    replace(TranscribeOptions(), audio=AudioOptions(channels="split")),
    replace(TranscribeOptions(), audio=AudioOptions(channels=0)),
    replace(TranscribeOptions(), vad=VadOptions(threshold=0.4)),
    replace(TranscribeOptions(), vad=VadOptions(enabled=False)),
    replace(TranscribeOptions(), vad=VadOptions(model=Path("silero.onnx"))),
    replace(TranscribeOptions(), recognition=RecognitionOptions(language="en")),
    replace(TranscribeOptions(), recognition=RecognitionOptions(hotwords=(Hotword(text="Ab"),))),
    replace(TranscribeOptions(), recognition=RecognitionOptions(hotwords=(Hotword(text="Ab", weight=3.0),))),
    replace(TranscribeOptions(), recognition=RecognitionOptions(itn=False)),
    replace(TranscribeOptions(), speakers=SpeakerOptions(enabled=True)),
    replace(TranscribeOptions(), speakers=SpeakerOptions(enabled=True, speakers=2)),
]


def test_every_change_of_an_option_shows() -> None:
    hashes = [fingerprint(options) for options in (TranscribeOptions(), *CHANGES)]
    assert len(set(hashes)) == len(hashes)


def test_equal_options_hash_alike() -> None:
    assert fingerprint(TranscribeOptions(), {"b": 1, "a": 2}) == fingerprint(TranscribeOptions(), {"a": 2, "b": 1})
    assert fingerprint({"x", "y", "z"}) == fingerprint({"z", "y", "x"})


def test_what_is_switched_off_decides_nothing() -> None:
    one = replace(TranscribeOptions(), vad=VadOptions(enabled=False), speakers=SpeakerOptions(speakers=2))
    other = replace(TranscribeOptions(), vad=VadOptions(enabled=False, threshold=0.9), speakers=SpeakerOptions())
    assert fingerprint(one) == fingerprint(other)


def test_every_field_counts() -> None:
    for field in fields(CueOptions):
        value = getattr(CueOptions(), field.name)
        change: dict[str, Any] = {field.name: not value if isinstance(value, bool) else 99}
        changed = replace(CueOptions(), **change)
        assert fingerprint(changed) != fingerprint(CueOptions()), field.name


def test_another_process_gives_the_same_hash() -> None:
    code = (
        "from asrcli.batch.cache_key import fingerprint; from asrcli.options import *;"
        "print(fingerprint(TranscribeOptions(), {'k': frozenset('abc')}))"
    )
    hashes = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert hashes == {fingerprint(TranscribeOptions(), {"k": frozenset("abc")}).encode() + b"\n"}


def test_a_value_without_a_stable_form_is_refused() -> None:
    with pytest.raises(TypeError, match="object"):
        fingerprint(object())
