from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import soundfile

from asrcli.backends.types import ModelSpec
from asrcli.transcript import Turn
from tests.speakers.tone_voices import RATE, conversation


@pytest.fixture
def speakers(tmp_path: Path) -> Callable[..., tuple[int, str, str]]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("ASRCLI_", "XDG_"))}
    environment |= {
        "HOME": str(tmp_path),
        "XDG_DATA_HOME": str(tmp_path / "data"),
        "XDG_CACHE_HOME": str(tmp_path / "c"),
    }

    def run(*arguments: str | Path) -> tuple[int, str, str]:
        command = [sys.executable, "-m", "asrcli", "speakers", *map(str, arguments)]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=False)
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    return run


@pytest.mark.slow
def test_enrolling_listing_and_removing(
    tmp_path: Path, speakers: Callable[..., tuple[int, str, str]], tone_specs: tuple[ModelSpec, ModelSpec]
) -> None:
    segmentation, embedding = tone_specs
    models = [
        "--diarization-model", segmentation.files["model"], "--embedding-model", embedding.files["model"],
    ]  # fmt: skip
    clip = tmp_path / "ada.wav"
    soundfile.write(clip, conversation([Turn(0, 8, "0")], 8), RATE)

    assert speakers("list") == (0, "", "asrcli: no voice is enrolled; see 'asrcli speakers enroll --help'.\n")
    code, out, err = speakers("enroll", "Ada Lovelace", clip, *models)
    assert code == 3, "tones are no speech"
    assert f"{clip} contains no speech" in err
    models.append("--no-vad")
    code, out, err = speakers("enroll", "Ada Lovelace", clip, *models)
    assert (code, out) == (0, "")
    assert "enrolled Ada Lovelace from 8 s of speech" in err
    assert len(list((tmp_path / "data/asrcli/voices").iterdir())) == 1

    code, out, err = speakers("enroll", "ada lovelace", clip, *models)
    assert code == 2
    assert "--replace" in err
    assert speakers("enroll", "Ada Lovelace", clip, "--replace", *models)[0] == 0

    assert speakers("list")[1].startswith("Ada Lovelace")
    (listed,) = json.loads(speakers("list", "--json")[1])["voices"]
    assert listed["name"] == "Ada Lovelace"
    assert "embedding" not in listed

    assert speakers("remove", "Ada Lovelace")[0] == 0
    assert list((tmp_path / "data/asrcli/voices").iterdir()) == []
    code, _, err = speakers("remove", "Ada Lovelace")
    assert code == 2
    assert "asrcli speakers list" in err


def test_a_clip_that_cannot_be_read_is_named(
    speakers: Callable[..., tuple[int, str, str]], tmp_path: Path, tone_specs: tuple[ModelSpec, ModelSpec]
) -> None:
    models = [
        f"--{kind}-model={spec.files['model']}"
        for kind, spec in zip(("diarization", "embedding"), tone_specs, strict=True)
    ]
    code, _, err = speakers("enroll", "Ada", tmp_path / "nowhere.wav", *models)
    assert code == 3
    assert f"{tmp_path / 'nowhere.wav'}: No such file." in err


def test_a_model_that_is_not_there(
    speakers: Callable[..., tuple[int, str, str]], tmp_path: Path, tone_specs: tuple[ModelSpec, ModelSpec]
) -> None:
    segmentation = tone_specs[0].files["model"]
    models = ["--diarization-model", segmentation, "--embedding-model", "campplus-zh"]
    code, _, err = speakers("enroll", "Ada", tmp_path / "ada.wav", *models)
    assert code == 4
    assert "asrcli download-model campplus-zh" in err
