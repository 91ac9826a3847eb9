"""`asrcli models` and `asrcli download-model` as a user runs them."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from asrcli.models import builtin
from asrcli.models.registry import Registry
from tests.models.serving import Server, tar_of
from tests.tone import build

FILES = {"pack/model.int8.onnx": random.Random(5).randbytes(100_000), "pack/tokens.txt": b"a 0\n"}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "models").mkdir()
    return tmp_path / "models"


@pytest.fixture
def asrcli(tmp_path: Path, root: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    def run(*arguments: str | Path, check: int = 0, **env: str) -> subprocess.CompletedProcess[str]:
        variables = {
            **os.environ,
            "no_proxy": "*",
            "ASRCLI_MODEL_DIR": str(root),
            "XDG_CONFIG_HOME": str(tmp_path / "config"),
            "XDG_CACHE_HOME": str(tmp_path / "cache"),
            "XDG_DATA_HOME": str(tmp_path / "data"),
            **env,
        }
        command = [sys.executable, "-m", "asrcli", *map(str, arguments)]
        done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
        assert done.returncode == check, done.stderr
        assert "\x1b[" not in done.stdout + done.stderr
        return done

    return run


@pytest.fixture
def served(server: Server, root: Path) -> Server:
    url = server.serve("/pack.tar.bz2", tar_of(FILES))
    entry = {
        "type": "tdnn_ctc",
        "dir": "pack",
        "files": {"model": "model.int8.onnx", "tokens": "tokens.txt"},
        "download": {"url": url, "archive_subdir": "pack"},
    }
    (root / "models.yaml").write_text(yaml.safe_dump({"models": {"m": entry}}))
    return server


def test_life_of_a_model(asrcli: Callable[..., subprocess.CompletedProcess[str]], served: Server, root: Path) -> None:
    assert asrcli("models", "path", "m", check=4).stdout == ""
    assert "The model m is not installed." in asrcli("models", "verify", "m", check=4).stderr
    done = asrcli("download-model", "m")
    assert done.stdout == ""
    assert f"m is installed in {root / 'pack'}" in done.stderr
    assert asrcli("models", "path", "m").stdout.strip() == str(root / "pack")
    assert "m: 2 files as installed" in asrcli("models", "verify").stdout
    (root / "pack" / "tokens.txt").write_text("damaged")
    verified = asrcli("models", "verify", "--json", "m", check=4)
    assert json.loads(verified.stdout)[0]["ok"] is False
    asrcli("download-model", "--force", "--quiet", "m")
    asrcli("models", "verify", "m")
    asrcli("models", "remove", "m")
    assert not (root / "pack").exists()
    assert "not installed" in asrcli("models", "remove", "m", check=4).stderr


@pytest.mark.slow
def test_verify_names_what_differs_from_the_published_export(
    asrcli: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    folder = build("sense_voice", tmp_path / "my-sense-voice")
    assert asrcli("models", "verify", folder).stdout == f"{folder}: complete; no checksums are known\n"
    (folder / "tokens.txt").write_text("<unk> 0\n<s> 1\n")
    done = asrcli("models", "verify", folder, check=4)
    assert done.stdout.startswith(f"{folder}: not as published\n  tokens.txt: 2 tokens, not ")
    asrcli("models", "add", "mine", folder)
    (report,) = json.loads(asrcli("models", "verify", "mine", "--json", check=4).stdout)
    assert report["problems"] == {}
    assert report["differences"] == [done.stdout.splitlines()[1].strip()]
    (folder / "model.onnx").write_bytes(b"no graph")
    assert "is not an ONNX model" in asrcli("models", "verify", "mine", check=4).stdout
    assert "Unknown model" in asrcli("models", "verify", "nothing", check=4).stderr


@pytest.mark.slow
def test_list_alone_and_by_name(asrcli: Callable[..., subprocess.CompletedProcess[str]], served: Server) -> None:
    rows = [line.split("\t") for line in asrcli("models").stdout.splitlines()]
    assert ["m", "asr", "no", "any", "", ""] in rows
    assert len(rows) > 100
    facts = json.loads(asrcli("models", "--json").stdout)
    assert {fact["name"] for fact in facts} == {row[0] for row in rows}
    only = json.loads(asrcli("models", "list", "--kind", "embedding", "--json").stdout)
    assert {fact["kind"] for fact in only} == {"embedding"}
    korean = asrcli("models", "list", "--language", "ko", "--kind", "asr").stdout
    assert "moonshine-tiny-ko" in korean
    assert "paraformer-zh" not in korean
    assert "not one of 'asr'" in asrcli("models", "list", "--kind", "tts", check=2).stderr


def test_show(asrcli: Callable[..., subprocess.CompletedProcess[str]], served: Server) -> None:
    text = asrcli("models", "show", "sensevoice-small").stdout
    assert "FunASR Model License" in text
    assert json.loads(asrcli("models", "show", "m", "--json").stdout)["files"]["tokens"] == "tokens.txt"
    missing = asrcli("models", "show", "sensevoise", check=4)
    assert "Did you mean sensevoice-small" in missing.stderr


def test_json_belongs_to_the_subcommand(asrcli: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    assert "after 'show'" in asrcli("models", "--json", "show", "whisper-tiny", check=2).stderr


def test_failed_download_exits_4_and_the_others_still_come(
    asrcli: Callable[..., subprocess.CompletedProcess[str]], served: Server, root: Path
) -> None:
    entries = yaml.safe_load((root / "models.yaml").read_text())["models"]
    gone = {**entries["m"], "dir": "gone", "download": {"url": f"{served.base}/gone.tar.bz2"}}
    (root / "models.yaml").write_text(yaml.safe_dump({"models": {"gone": gone, **entries}}))
    done = asrcli("download-model", "gone", "m", check=4)
    assert "404" in done.stderr
    assert (root / "pack" / "tokens.txt").is_file()


def test_offline_never_asks_the_network(
    asrcli: Callable[..., subprocess.CompletedProcess[str]], served: Server, tmp_path: Path
) -> None:
    refused = asrcli("download-model", "--offline", "m", check=4).stderr
    assert f"copy {served.base}/pack.tar.bz2 here" in " ".join(refused.split())
    assert "asrcli download-model m --from pack.tar.bz2" in " ".join(refused.split())
    (tmp_path / "pack.tar.bz2").write_bytes(served.files["/pack.tar.bz2"])
    asrcli("download-model", "--offline", "m", "--from", tmp_path / "pack.tar.bz2")
    assert served.requests == []
    assert "one model" in asrcli("download-model", "m", "m2", "--from", "x", check=2).stderr


def test_mirror_and_hf_endpoint(
    asrcli: Callable[..., subprocess.CompletedProcess[str]], served: Server, root: Path
) -> None:
    served.serve("/copy/pack.tar.bz2", served.files["/pack.tar.bz2"])
    asrcli("download-model", "m", "--mirror", f"{served.base}/copy/{{name}}")
    assert [path for path, _ in served.requests] == ["/copy/pack.tar.bz2"]
    entries = yaml.safe_load((root / "models.yaml").read_text())["models"]
    entries["m"]["download"]["huggingface"] = "me/pack"
    (root / "models.yaml").write_text(yaml.safe_dump({"models": entries}))
    for name in ("model.int8.onnx", "tokens.txt"):
        served.serve(f"/me/pack/resolve/main/{name}", FILES[f"pack/{name}"])
    asrcli("models", "remove", "m")
    asrcli("download-model", "m", "--mirror", "hf", HF_ENDPOINT=served.base)
    assert ("/me/pack/resolve/main/tokens.txt", "") in served.requests
    assert "not a mirror" in asrcli("download-model", "m", "--mirror", "nonsense", check=2).stderr


def test_progress_without_a_terminal_is_lines(
    asrcli: Callable[..., subprocess.CompletedProcess[str]], served: Server
) -> None:
    lines = asrcli("download-model", "m").stderr.splitlines()
    assert any("of 0 MB" in line for line in lines)
    assert all(line.startswith("asrcli: ") for line in lines)


def test_add_a_folder_of_ones_own(asrcli: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path) -> None:
    folder = build("sense_voice", tmp_path / "mine")
    asrcli("models", "add", "tones", folder, "--language", "zh")
    facts = json.loads(asrcli("models", "show", "tones", "--json").stdout)
    assert (facts["type"], facts["installed"], facts["languages"]) == ("sense_voice", True, ["zh"])
    assert "already" in asrcli("models", "add", "tones", folder, check=2).stderr
    plain = tmp_path / "plain"
    plain.mkdir()
    (plain / "m.onnx").write_bytes(b"")
    typed = (plain, "--kind", "embedding", "--type", "speaker_embedding", "--file")
    asrcli("models", "add", "voice", *typed, "model=m.onnx")
    assert "has no x.onnx" in asrcli("models", "add", "other", *typed, "model=x.onnx", check=2).stderr
    assert "KEY=NAME" in asrcli("models", "add", "other", *typed, "model", check=2).stderr


@pytest.mark.slow
def test_bundle_from_machine_to_machine(
    asrcli: Callable[..., subprocess.CompletedProcess[str]], served: Server, tmp_path: Path
) -> None:
    asrcli("download-model", "m")
    asrcli("models", "export", "m", "-o", tmp_path / "models.tar")
    there = tmp_path / "there"
    asrcli("models", "import", tmp_path / "models.tar", ASRCLI_MODEL_DIR=str(there))
    verified = asrcli("models", "verify", "m", "--model-dir", there)
    assert verified.stdout == "m: 2 files as installed\n"


@pytest.mark.slow
def test_downloaded_model_recognises_speech(
    asrcli: Callable[..., subprocess.CompletedProcess[str]],
    server: Server,
    root: Path,
    tmp_path: Path,
    wheel_audio: Path,
) -> None:
    """The real weights through the real downloader, unpacker and registry into the real engine."""
    import sherpa_onnx
    import soundfile

    files = builtin.files(tmp_path)
    # The engine distinguishes ORT files from ONNX by their suffix: the names must survive.
    members = {f"moon/{path.name}": path.read_bytes() for path in files.values()}
    url = server.serve("/moon.tar", tar_of(members, "w"), ("cut", 9_000_000))
    entry = {
        "type": "moonshine_v2",
        "dir": "moon",
        "files": {key: path.name for key, path in files.items()},
        "download": {"url": url, "archive_subdir": "moon"},
    }
    (root / "models.yaml").write_text(yaml.safe_dump({"models": {"moon": entry}}))
    asrcli("download-model", "moon")
    assert server.requests == [("/moon.tar", ""), ("/moon.tar", "bytes=9000000-")]
    spec = Registry(root, cache_dir=tmp_path).resolve("moon")
    assert spec.digest == Registry(tmp_path / "none", cache_dir=tmp_path).resolve("moonshine-tiny-en").digest
    recognizer = sherpa_onnx.OfflineRecognizer.from_moonshine_v2(**{key: str(path) for key, path in spec.files.items()})
    samples, rate = soundfile.read(wheel_audio / "beckett.wav", dtype="float32")
    stream = recognizer.create_stream()
    stream.accept_waveform(rate, samples)
    recognizer.decode_stream(stream)
    assert "try again" in stream.result.text.lower()
