from __future__ import annotations

import base64
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asrcli.errors import ModelError
from asrcli.models import builtin
from asrcli.models.registry import Registry


@pytest.fixture(autouse=True)
def _wheel() -> None:
    if not builtin.available():
        pytest.skip("needs the extra builtin")


def record(token: bytes) -> bytes:
    length = bytes([len(token)]) if len(token) < 128 else bytes([(len(token) & 0x7F) | 0x80, len(token) >> 7])
    return length + token


@settings(max_examples=60)
@given(st.lists(st.binary(min_size=1, max_size=300), max_size=30))
def test_token_table_round_trip(tokens: list[bytes]) -> None:
    tokens = [b"<unk>", *tokens]
    lines = builtin.tokens_txt(b"".join(map(record, tokens))).splitlines()
    read = [(base64.b64decode(text), int(number)) for text, number in map(bytes.split, lines)]
    assert read == [(token.replace("▁".encode(), b" "), i) for i, token in enumerate(tokens)]


@pytest.mark.parametrize("table", [b"", b"\x05abc", record(b"<s>"), record(b"<unk>") + b"\x05ab"])
def test_unknown_table_is_refused(table: bytes) -> None:
    with pytest.raises(ModelError, match="token table"):
        builtin.tokens_txt(table)


def test_embedded_model_recognises_real_speech(tmp_path: Path, wheel_audio: Path) -> None:
    import sherpa_onnx
    import soundfile

    files = builtin.files(tmp_path)
    recognizer = sherpa_onnx.OfflineRecognizer.from_moonshine_v2(**{key: str(path) for key, path in files.items()})
    samples, rate = soundfile.read(wheel_audio / "beckett.wav", dtype="float32")
    stream = recognizer.create_stream()
    stream.accept_waveform(rate, samples)
    recognizer.decode_stream(stream)
    assert "fail again, fail better" in stream.result.text.lower()


def test_table_is_made_once_and_whole(tmp_path: Path) -> None:
    first = builtin.files(tmp_path)["tokens"]
    made = first.stat().st_mtime_ns
    assert builtin.files(tmp_path)["tokens"] == first
    assert first.stat().st_mtime_ns == made
    assert [p.name for p in tmp_path.iterdir()] == [first.name]


def test_many_at_once_see_a_whole_table(tmp_path: Path) -> None:
    expected = builtin.tokens_txt((builtin.assets() / "tokenizer.bin").read_bytes())
    with ThreadPoolExecutor(8) as pool:
        read = list(pool.map(lambda _: builtin.files(tmp_path)["tokens"].read_bytes(), range(16)))
    assert all(data == expected for data in read)
    assert len(list(tmp_path.iterdir())) == 1


def test_a_token_table_that_cannot_be_cached_is_kept_in_memory(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("a file where the cache folder should be")
    tokens = builtin.files(blocked / "cache")["tokens"]
    assert tokens.read_bytes().startswith(b"PHVuaz4= 0\n")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_the_package_is_never_imported(tmp_path: Path) -> None:
    """Importing moonshine_voice needs PortAudio, which a server lacks."""
    code = f"""
import sys
from pathlib import Path
from asrcli.models import builtin
from asrcli.models.registry import Registry
builtin.files(Path({str(tmp_path)!r}))
print([m for m in sys.modules if m.startswith(("moonshine", "silero"))])
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_another_version_of_the_larger_model_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "moonshine_cpp" / "models" / "base-en"
    folder.mkdir(parents=True)
    (tmp_path / "moonshine_cpp" / "__init__.py").write_text("raise SystemExit", encoding="utf-8")
    sizes = {"encoder_model.ort": 20661976, "decoder_model_merged.ort": 42703232, "tokenizer.bin": 241639}
    for name, size in sizes.items():
        with (folder / name).open("wb") as file:
            file.truncate(size)  # sparse
    monkeypatch.setattr("sys.path", [str(tmp_path)])
    assert builtin.assets(builtin.BASE) == folder
    assert builtin.default() == builtin.BASE
    with pytest.raises(ModelError, match="damaged"):
        builtin.files(tmp_path / "cache", builtin.BASE)
    with (folder / "tokenizer.bin").open("ab") as file:
        file.write(b"more")
    assert not builtin.available(builtin.BASE)
    assert builtin.default() == builtin.NAME


def test_the_larger_model_names_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.path", [str(tmp_path)])
    monkeypatch.delitem(sys.modules, "moonshine_cpp", raising=False)
    with pytest.raises(ModelError, match="moonshine-base-en is not installed") as raised:
        Registry(tmp_path).resolve(builtin.BASE)
    assert "[builtin]" in raised.value.hint
    assert "Linux on x86-64" in raised.value.hint


def test_the_larger_model_is_used_where_it_was_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.path", [str(tmp_path)])
    monkeypatch.delitem(sys.modules, "moonshine_cpp", raising=False)
    registry = Registry(tmp_path)
    entry = registry.entry(builtin.BASE)
    for name in entry.required:
        (registry.folder(entry) / name).parent.mkdir(exist_ok=True)
        (registry.folder(entry) / name).touch()
    files = registry.resolve(builtin.BASE).files
    assert {path.parent for path in files.values()} == {registry.folder(entry)}
