from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from asrcli.errors import DownloadError, ModelNotInstalledError, UsageError
from asrcli.models import builtin
from asrcli.models.bundle import export_bundle, import_bundle
from asrcli.models.registry import Registry
from asrcli.models.store import Store
from asrcli.storage.http import RetryPolicy

MODELS = {
    "mine": {
        "type": "qwen3_asr",
        "dir": "mine",
        "files": {"encoder": "encoder.onnx", "tokenizer": "tokenizer"},
        "extra_files": ["tokenizer/vocab.json"],
        "languages": ["zh"],
        "window": 12,
        "download": {"url": "https://example.invalid/mine.tar"},
    }
}


@pytest.fixture
def here(make_store: Callable[..., Store]) -> Store:
    store = make_store(MODELS)
    for name in ("encoder.onnx", "tokenizer/vocab.json"):
        path = store.root / "mine" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode() * 5000)
    whisper = store.registry.entry("whisper-tiny")
    for name in whisper.required:
        path = store.registry.folder(whisper) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return store


@pytest.fixture
def there(tmp_path: Path, policy: RetryPolicy) -> Store:
    """A machine that has never seen a model."""
    return Store(Registry(models_yaml=None, model_dir=tmp_path / "there", cache_dir=tmp_path / "c2"), policy=policy)


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


def test_what_goes_out_comes_in(here: Store, there: Store, tmp_path: Path) -> None:
    bundle = tmp_path / "models.tar"
    assert [e.name for e in export_bundle(here, ["mine", "whisper-tiny"], bundle)] == ["mine", "whisper-tiny"]
    import_bundle(there, bundle)
    spec = there.registry.resolve("mine")
    assert (spec.type, spec.languages, spec.window) == ("qwen3_asr", ("zh",), 12.0)
    assert spec.digest == here.registry.resolve("mine").digest
    assert spec.files["tokenizer"] == there.root / "mine" / "tokenizer"
    assert there.registry.entry("mine").download.url is None  # its bytes were never compared with that address
    assert there.registry.resolve("whisper-tiny").digest == here.registry.resolve("whisper-tiny").digest
    assert there.registry.entry("whisper-tiny").source == "catalogue"
    assert there.verify("mine").checked == 2
    # It is found without --model-dir too: the user's models.yaml reports where it lies.
    assert Registry(cache_dir=there.registry.cache_dir).resolve("mine").digest == spec.digest


def test_bundles_of_equal_models_are_equal(here: Store, tmp_path: Path) -> None:
    export_bundle(here, ["mine"], tmp_path / "a.tar")
    export_bundle(here, ["mine"], tmp_path / "b.tar")
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()
    with tarfile.open(tmp_path / "a.tar") as tar:
        assert tar.getnames() == ["asrcli-bundle.json", "mine/encoder.onnx", "mine/tokenizer/vocab.json"]
        assert str(here.root) not in tar.extractfile("asrcli-bundle.json").read().decode()


def test_embedded_model_travels_too(here: Store, tmp_path: Path) -> None:
    if not builtin.available():
        pytest.skip("needs the extra builtin")
    export_bundle(here, ["moonshine-tiny-en"], tmp_path / "m.tar")
    with tarfile.open(tmp_path / "m.tar") as tar:
        manifest = json.load(tar.extractfile("asrcli-bundle.json"))
    assert set(manifest["models"]["moonshine-tiny-en"]["files"]) == {
        "encoder_model.ort", "decoder_model_merged.ort", "tokens.txt",
    }  # fmt: skip


def test_a_pipe_is_not_replaced(here: Store, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for target in (pipe, tmp_path):
        with pytest.raises(UsageError, match="not a file"):
            export_bundle(here, ["mine"], target)
    assert pipe.is_fifo()


def test_import_twice_changes_nothing(here: Store, there: Store, tmp_path: Path) -> None:
    export_bundle(here, ["mine"], tmp_path / "m.tar")
    import_bundle(there, tmp_path / "m.tar")
    marker = there.root / "mine" / "encoder.onnx"
    before = marker.stat().st_mtime_ns
    import_bundle(there, tmp_path / "m.tar")
    assert marker.stat().st_mtime_ns == before
    marker.write_bytes(b"damaged")
    import_bundle(there, tmp_path / "m.tar", force=True)
    assert marker.read_bytes() == b"encoder.onnx" * 5000


def test_only_what_is_here_is_exported(here: Store, tmp_path: Path) -> None:
    with pytest.raises(ModelNotInstalledError, match="whisper-turbo"):
        export_bundle(here, ["mine", "whisper-turbo"], tmp_path / "m.tar")
    with pytest.raises(UsageError):
        export_bundle(here, [], tmp_path / "m.tar")
    assert not list(tmp_path.glob("*m.tar*"))


def rewritten(bundle: Path, change: Callable[..., Any]) -> None:
    """The bundle with its members changed: `change` gets and returns a dict of name -> bytes."""
    with tarfile.open(bundle) as tar:
        members = {m.name: tar.extractfile(m).read() for m in tar}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, data in change(members).items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    bundle.write_bytes(buffer.getvalue())


def manifest_with(members: dict[str, bytes], edit: Callable[..., Any]) -> dict[str, bytes]:
    manifest = json.loads(members["asrcli-bundle.json"])
    edit(manifest)
    return {**members, "asrcli-bundle.json": json.dumps(manifest).encode()}


TAMPERED = {
    "flipped byte": lambda m: {**m, "mine/encoder.onnx": b"E" + m["mine/encoder.onnx"][1:]},
    "shorter file": lambda m: {**m, "mine/encoder.onnx": b"short"},
    "missing file": lambda m: {k: v for k, v in m.items() if k != "mine/encoder.onnx"},
    "manifest last": lambda m: {k: m[k] for k in sorted(m, reverse=True)},
    "no manifest": lambda m: {k: v for k, v in m.items() if k.startswith("mine")},
    "newer form": lambda m: manifest_with(m, lambda d: d.update(schema="asrcli/bundle/9")),
    "empty": lambda m: manifest_with(m, lambda d: d.update(models={})),
    "folder outside": lambda m: manifest_with(m, lambda d: d["models"]["mine"]["entry"].update(dir="../../mine")),
    "absolute folder": lambda m: manifest_with(m, lambda d: d["models"]["mine"]["entry"].update(dir="/tmp/mine")),
    "file outside": lambda m: manifest_with(
        m, lambda d: d["models"]["mine"]["entry"]["files"].update(encoder="../../../etc/passwd")
    ),
    "no entry": lambda m: manifest_with(m, lambda d: d["models"]["mine"].pop("entry")),
    "climbing member": lambda m: {**m, "mine/../../escaped": b"x"},
}


@pytest.mark.parametrize("change", TAMPERED.values(), ids=TAMPERED.keys())
def test_tampered_bundle_is_refused_whole(
    here: Store, there: Store, tmp_path: Path, change: Callable[..., Any]
) -> None:
    bundle = tmp_path / "m.tar"
    export_bundle(here, ["mine"], bundle)
    rewritten(bundle, change)
    with pytest.raises(DownloadError, match="refused"):
        import_bundle(there, bundle)
    assert not there.root.exists() or not (there.root / "mine").exists()
    assert not there.registry.models_yaml.exists()
    assert not list(tmp_path.rglob("escaped"))


@pytest.mark.parametrize("data", [b"", b"no tar at all", bytes(10_240)])
def test_any_other_file_is_refused(there: Store, tmp_path: Path, data: bytes) -> None:
    (tmp_path / "m.tar").write_bytes(data)
    with pytest.raises(DownloadError, match="refused"):
        import_bundle(there, tmp_path / "m.tar")


def test_truncated_bundle_is_refused(here: Store, there: Store, tmp_path: Path) -> None:
    export_bundle(here, ["mine"], tmp_path / "m.tar")
    whole = (tmp_path / "m.tar").read_bytes()
    (tmp_path / "m.tar").write_bytes(whole[:60_000])
    with pytest.raises(DownloadError):
        import_bundle(there, tmp_path / "m.tar")
    assert not (there.root / "mine").exists()


def test_a_bundle_of_a_known_model_holds_the_published_file(tmp_path: Path) -> None:
    """The sums in the manifest are those of the one that wrote it."""

    def registry(name: str) -> Store:
        (tmp_path / name).mkdir()
        entry = {"type": "campplus", "kind": "embedding", "dir": "one", "files": {"model": "model.onnx"}}
        sum_ = hashlib.sha256(b"right").hexdigest()
        entry["download"] = {"url": "https://example.org/model.onnx", "sha256": sum_}
        (tmp_path / name / "models.yaml").write_text(json.dumps({"models": {"known": entry}}), "utf-8")
        return Store(Registry(tmp_path / name))

    here, there = registry("here"), registry("there")
    (here.root / "one").mkdir()
    (here.root / "one" / "model.onnx").write_bytes(b"junk")
    export_bundle(here, ["known"], tmp_path / "known.tar")
    with pytest.raises(DownloadError, match="not the published file"):
        import_bundle(there, tmp_path / "known.tar")
    assert not there.registry.installed("known")
    (here.root / "one" / "model.onnx").write_bytes(b"right")
    export_bundle(here, ["known"], tmp_path / "known.tar")
    import_bundle(there, tmp_path / "known.tar")
    assert there.registry.installed("known")
