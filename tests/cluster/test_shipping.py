"""`--ship-model`: models that a node lacks arrive whole, or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import soundfile
import yaml

from asrcli.backends.types import ModelSpec
from asrcli.cluster import shipping
from asrcli.cluster.shipping import ship
from asrcli.errors import ExitCode, ModelError
from asrcli.model_set import ModelSet
from asrcli.models.digest import files_digest
from asrcli.options import SpeakerOptions, TranscribeOptions, VadOptions
from asrcli.speakers.loading import prepare
from tests.cluster.two_nodes import TwoNodes
from tests.tone import RATE, tone_audio, tone_spec


class Objects(list[bytes]):
    """In place of Ray's object store."""

    def put(self, data: bytes) -> int:
        self.append(data)
        return len(self) - 1


@pytest.fixture
def spec(tone_models: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelSpec:
    """A model of this machine; that of the node is empty."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "node"))
    monkeypatch.setattr(shipping, "_PIECE", 1000)
    folder = shutil.copytree(tone_models("zipformer_ctc"), tmp_path / "driver" / "tones")
    (folder / "notes.txt").write_text("no part of the model")
    return tone_spec("zipformer_ctc", folder)


def contents(spec: ModelSpec) -> dict[str, bytes]:
    return {name: path.read_bytes() for name, path in spec.files.items()}


def test_the_files_of_all_models_arrive(spec: ModelSpec, tmp_path: Path) -> None:
    grammar, vad = tmp_path / "driver" / "numbers.fst", tmp_path / "vad.onnx"
    grammar.write_bytes(b"grammar")
    vad.write_bytes(b"vad")
    segmentation, embedding = (replace(spec, files={"model": path}) for path in spec.files.values())
    models = ModelSet(
        spec=replace(spec, options={"rule_fsts": str(grammar), "blank_penalty": 0.5}),
        options=TranscribeOptions(vad=VadOptions(model=vad)),
        speakers=prepare(segmentation, embedding, SpeakerOptions(enabled=True)),
        punctuation=replace(spec, name="other"),
        itn_cache=tmp_path / "driver",
    )
    objects = Objects()
    found = ship(models, objects.put).unpack(objects.__getitem__)
    node = tmp_path / "node"
    assert contents(found.spec) == contents(spec)
    assert all(path.is_relative_to(node) for path in found.spec.files.values())
    assert not list(node.rglob("notes.txt"))
    assert found.spec.options["blank_penalty"] == 0.5
    assert Path(found.spec.options["rule_fsts"]).read_bytes() == b"grammar"
    assert found.options.vad.model.read_bytes() == b"vad"
    assert found.speakers.spec.files["embedding"].is_relative_to(node)
    assert found.itn_cache.is_relative_to(node)
    assert found.digest == models.digest
    assert sum(map(len, objects)) < 2 * sum(map(len, contents(spec).values()))  # each file once


def test_a_model_that_a_toolkit_reads_by_its_folder_arrives_whole(spec: ModelSpec, tmp_path: Path) -> None:
    folder = spec.files["model"].parent
    (folder / "inner").mkdir()
    (folder / "inner" / "vocab.json").write_text("{}")
    toolkit = replace(spec, type="ctranslate2_whisper")
    objects = Objects()
    found = ship(ModelSet(spec=toolkit, options=TranscribeOptions()), objects.put).unpack(objects.__getitem__)
    arrived = found.spec.files["model"].parent
    assert files_digest({"": arrived}) == files_digest({"": folder})


def test_what_is_there_is_compared_and_not_sent_again(spec: ModelSpec) -> None:
    objects = Objects()
    shipped = ship(ModelSet(spec=spec, options=TranscribeOptions()), objects.put)
    first = shipped.unpack(objects.__getitem__)
    asked: list[int] = []

    def get(number: int) -> bytes:
        asked.append(number)
        return objects[number]

    shipped.unpack(get)
    assert asked == []
    first.spec.files["tokens"].write_bytes(b"damaged")
    assert contents(shipped.unpack(get).spec) == contents(spec)
    assert asked


def test_what_is_damaged_on_its_way_is_refused(spec: ModelSpec, tmp_path: Path) -> None:
    objects = Objects()
    shipped = ship(ModelSet(spec=spec, options=TranscribeOptions()), objects.put)
    objects[1] = objects[1][:-1] + bytes([objects[1][-1] ^ 1])
    with pytest.raises(ModelError, match="damaged on its way"):
        shipped.unpack(objects.__getitem__)
    assert not list((tmp_path / "node").rglob("*.part"))


@pytest.mark.slow
def test_nodes_without_the_model_transcribe_with_that_of_the_driver(
    cluster: TwoNodes, tone_models: Callable[[str], Path], tmp_path: Path, run_asrcli: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    for number in range(4):
        soundfile.write(tmp_path / f"{number}.wav", tone_audio([number, 3, 1]), RATE)
    folder = tone_models("zipformer_ctc")
    files = {path.stem: path.name for path in [*folder.glob("*.onnx"), folder / "tokens.txt"]}
    entry = {"type": "zipformer_ctc", "dir": str(folder), "files": files}
    (tmp_path / "data" / "asrcli").mkdir(parents=True)
    (tmp_path / "data" / "asrcli" / "models.yaml").write_text(yaml.safe_dump({"models": {"tones": entry}}))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))  # of the driver only: the nodes were started before
    command = (tmp_path, "--model", "tones", "--no-vad")
    assert run_asrcli(*command, "-d", tmp_path / "local").returncode == 0
    refused = run_asrcli(*command, "-d", tmp_path / "out", "--cluster", cluster.address)
    assert refused.returncode == ExitCode.MACHINE
    assert "is not used: Unknown model 'tones'" in refused.stderr
    done = run_asrcli(*command, "-d", tmp_path / "out", "--cluster", cluster.address, "--ship-model")
    assert done.returncode == 0, done.stderr
    assert "the models are sent to it" in done.stderr
    texts = {path.name: path.read_text() for path in (tmp_path / "out").glob("*.txt")}
    assert texts == {path.name: path.read_text() for path in (tmp_path / "local").glob("*.txt")}
    assert len(texts) == 4
