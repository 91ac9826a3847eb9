"""What `--cluster` refuses, and what it reports where there is no cluster."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from asrcli.backends.device import uses_gpus
from asrcli.backends.types import ModelSpec
from asrcli.batch.inputs.search import Inputs
from asrcli.batch.naming import DETECTED, NameTemplate
from asrcli.batch.plan import make_plan
from asrcli.cli.request.cluster_batch import check_plan
from asrcli.cluster.connection import connected
from asrcli.errors import MissingExtraError, UsageError
from asrcli.options import readers


def test_without_ray_the_command_that_installs_it_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match="cluster"), connected("auto"):
        pass


@pytest.mark.parametrize("text", ["", "ray://", "ray://host", "http://host:10001", "ray://host:port", "remote"])
def test_other_texts_are_no_addresses(text: str) -> None:
    with pytest.raises(ValueError, match="ray://HOST:10001"):
        readers.cluster(text)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"paths": ["-"], "output": "talk.txt"}, "stream"),
        ({"paths": ["talk.wav"], "name": NameTemplate("{stem}.{language}", {"language": DETECTED})}, "language"),
        ({"paths": ["talk.wav"], "output": "pipe"}, "pipe"),
        ({"paths": ["https://127.0.0.1/talk.wav"]}, "URL"),
        ({"paths": ["talk.wav"]}, None),
    ],
)
def test_what_exists_on_this_machine_only_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], message: str | None
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("talk.wav").touch()
    os.mkfifo("pipe")
    plan = make_plan(Inputs(**options), stdin=io.BytesIO(), suffixes=frozenset({".wav"}))
    assert len(plan) == 1
    if message is None:
        check_plan(plan)
        return
    with pytest.raises(UsageError, match=message):
        check_plan(plan)


@pytest.mark.parametrize(
    ("type_", "device", "gpus"),
    [
        ("whisper", None, False),
        ("whisper", "auto", False),
        ("whisper", "cuda", True),
        ("moonshine", "auto", False),
        ("ctranslate2_whisper", None, True),
        ("ctranslate2_whisper", "auto", True),
        ("ctranslate2_whisper", "cuda:0", True),
        ("ctranslate2_whisper", "cpu", False),
        ("remote_openai", None, False),
    ],
)
def test_engines_are_on_gpus_where_the_model_runs_there(type_: str, device: str | None, *, gpus: bool) -> None:
    spec = ModelSpec("model", type_, {}, options={"device": device} if device else {})
    assert uses_gpus(spec) is gpus


@pytest.mark.parametrize("device", ["cuda:1", "cuda:0,cuda:1"])
def test_the_number_of_a_gpu_is_refused(device: str) -> None:
    with pytest.raises(UsageError, match="number"):
        uses_gpus(ModelSpec("model", "ctranslate2_whisper", {}, options={"device": device}))
