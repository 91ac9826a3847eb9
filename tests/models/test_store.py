from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from asrcli.backends.sherpa.device import has_cuda
from asrcli.distribution import pip_install
from asrcli.errors import (
    DiskFullError,
    DownloadError,
    MachineError,
    ModelError,
    ModelNotInstalledError,
    OptionNotSupportedError,
    UnknownModelError,
    UsageError,
)
from asrcli.models.mirrors import parse_mirror
from asrcli.models.obtain import obtain
from asrcli.models.registry import Registry
from asrcli.models.store import Store
from tests.models.serving import Server, tar_of

_random = random.Random(3)
FILES = {
    "pack/model.int8.onnx": _random.randbytes(200_000),
    "pack/model.onnx": _random.randbytes(1_200_000),
    "pack/tokens.txt": b"a 0\n",
    "pack/LICENSE": b"MIT",
    "pack/test_wavs/0.wav": b"RIFF",
}


def described(url: str | None = None, **more: Any) -> dict[str, Any]:
    download = {"url": url, "archive_subdir": "pack", **more.pop("download", {})}
    return {
        "type": "sense_voice",
        "dir": "pack",
        "files": {"model": "model.int8.onnx", "tokens": "tokens.txt"},
        "download": download,
        **more,
    }


@pytest.fixture(scope="module")
def archive() -> bytes:
    return tar_of(FILES)


@pytest.fixture
def store(server: Server, make_store: Callable[..., Store], archive: bytes) -> Store:
    return make_store({"m": described(server.serve("/pack.tar.bz2", archive))})


def test_install_brings_what_is_needed_and_no_more(store: Store, server: Server) -> None:
    reported = []
    folder = store.install("m", progress=lambda done, total: reported.append((done, total)))
    assert {p.relative_to(folder).as_posix() for p in folder.rglob("*")} == {"model.int8.onnx", "tokens.txt", "LICENSE"}
    assert (folder / "model.int8.onnx").read_bytes() == FILES["pack/model.int8.onnx"]
    assert reported[-1][0] == reported[-1][1] == len(server.files["/pack.tar.bz2"])
    assert store.registry.resolve("m").files["tokens"] == folder / "tokens.txt"
    assert folder.stat().st_mode & 0o055 == 0o055  # others may read a shared folder of models
    assert {p.name for p in store.root.iterdir()} == {"pack", "models.yaml", "models.lock.json", ".locks", ".downloads"}
    assert list((store.root / ".downloads").iterdir()) == []


def test_installing_twice_asks_the_network_once(store: Store, server: Server) -> None:
    store.install("m")
    store.install("m")
    assert len(server.requests) == 1


def test_force_fetches_again_and_keeps_what_the_user_added(store: Store, server: Server) -> None:
    folder = store.install("m")
    (folder / "hotwords.txt").write_text("mine")
    (folder / "tokens.txt").write_text("damaged")
    store.install("m", force=True)
    assert (folder / "tokens.txt").read_bytes() == FILES["pack/tokens.txt"]
    assert (folder / "hotwords.txt").read_text() == "mine"
    assert len(server.requests) == 2


def test_first_download_is_pinned_and_a_changed_one_refused(
    store: Store, server: Server, make_tar: Callable[..., bytes]
) -> None:
    store.install("m")
    lock = json.loads((store.root / "models.lock.json").read_text())["models"]["pack"]
    assert set(lock["files"]) == {"model.int8.onnx", "tokens.txt", "LICENSE"}
    assert list(lock["archives"]) == [f"{server.base}/pack.tar.bz2"]
    store.remove("m")
    server.serve("/pack.tar.bz2", make_tar({**FILES, "pack/tokens.txt": b"tampered 0\n"}))
    with pytest.raises(DownloadError, match="not the expected file"):
        store.install("m")
    assert not store.registry.installed("m")


def test_published_sum_is_held_to(make_store: Callable[..., Store], server: Server, archive: bytes) -> None:
    store = make_store({"m": described(server.serve("/pack.tar.bz2", archive), download={"sha256": "0" * 64})})
    with pytest.raises(DownloadError, match="0000"):
        store.install("m")
    assert not (store.root / "pack").exists()


def test_archive_without_the_promised_files(
    make_store: Callable[..., Store], server: Server, make_tar: Callable[..., bytes]
) -> None:
    url = server.serve("/pack.tar.bz2", make_tar({"pack/tokens.txt": b""}))
    with pytest.raises(DownloadError, match=r"lack model\.int8\.onnx"):
        make_store({"m": described(url)}).install("m")


def test_hostile_archive_leaves_nothing(
    make_store: Callable[..., Store], server: Server, make_tar: Callable[..., bytes]
) -> None:
    store = make_store({"m": described(server.serve("/pack.tar.bz2", make_tar({**FILES, "../../escaped": b"x"})))})
    with pytest.raises(DownloadError, match="is outside the folder"):
        store.install("m")
    assert not (store.root / "pack").exists()
    assert not list(store.root.glob(".incoming-*"))
    assert not list(store.root.parent.rglob("escaped"))


def test_sign_in_page_in_place_of_the_archive(make_store: Callable[..., Store], server: Server) -> None:
    store = make_store({"m": described(server.serve("/pack.tar.bz2", b"<html>Please sign in</html>"))})
    with pytest.raises(DownloadError, match="broken"):
        store.install("m")


def test_broken_transfer_goes_on_next_time(store: Store, server: Server) -> None:
    server.faults["/pack.tar.bz2"] = [("cut", 2000), *[("cut", 0)] * 9]
    with pytest.raises(DownloadError):
        store.install("m")
    server.faults["/pack.tar.bz2"].clear()
    store.install("m")
    assert server.requests[-1] == ("/pack.tar.bz2", "bytes=2000-")
    assert store.registry.installed("m")


def test_single_file_model(make_store: Callable[..., Store], server: Server) -> None:
    url = server.serve(["/vad/silero_vad.onnx", "raw=1"][0], b"graph")
    entry = {"type": "silero_vad", "kind": "vad", "dir": "vad", "files": {"model": "silero_vad.onnx"}}
    store = make_store({"v": {**entry, "download": {"url": url}}})
    assert (store.install("v") / "silero_vad.onnx").read_bytes() == b"graph"
    assert store.registry.resolve("v", kind="vad").type == "silero_vad"


def test_from_a_local_archive_no_network_is_used(
    make_store: Callable[..., Store], archive: bytes, tmp_path: Path
) -> None:
    store = make_store({"m": described("http://127.0.0.1:9/pack.tar.bz2")})
    (tmp_path / "fetched.tar.bz2").write_bytes(archive)
    store.install("m", source=tmp_path / "fetched.tar.bz2")
    assert store.registry.installed("m")


def test_local_archive_is_held_to_the_published_sum(
    make_store: Callable[..., Store], archive: bytes, tmp_path: Path
) -> None:
    store = make_store({"m": described("http://127.0.0.1:9/pack.tar.bz2", download={"sha256": "0" * 64})})
    (tmp_path / "fetched.tar.bz2").write_bytes(archive)
    with pytest.raises(DownloadError, match="is not the archive of m") as caught:
        store.install("m", source=tmp_path / "fetched.tar.bz2")
    assert "models.yaml" in caught.value.hint
    with pytest.raises(UsageError, match="No such file"):
        store.install("m", source=tmp_path / "nothing.tar.bz2")


def test_mirrors_come_first_and_the_own_address_last(
    make_store: Callable[..., Store], server: Server, archive: bytes
) -> None:
    server.serve("/mirror/owner/pack.tar.bz2", archive)
    store = make_store({"m": described(f"{server.base}/owner/pack.tar.bz2")})
    mirrors = [parse_mirror(f"{server.base}/gone/{{name}}"), parse_mirror(f"{server.base}/mirror/{{path}}")]
    store.install("m", mirrors=mirrors)
    assert [path for path, _ in server.requests] == ["/gone/pack.tar.bz2", "/mirror/owner/pack.tar.bz2"]


def test_single_files_from_a_server_like_hugging_face(make_store: Callable[..., Store], server: Server) -> None:
    for name in ("model.int8.onnx", "tokenizer/vocab.json"):
        server.serve(f"/me/pack/resolve/main/{name}", name.encode() * 1000, ("cut", 100))
    entry = {
        "type": "qwen3_asr",
        "dir": "pack",
        "files": {"model": "model.int8.onnx", "tokenizer": "tokenizer"},
        "extra_files": ["tokenizer/vocab.json"],
        "download": {"huggingface": "me/pack"},
    }
    store = make_store({"m": entry, "other": described("http://127.0.0.1:9/x.tar", dir="other")})
    folder = store.install("m", mirrors=[parse_mirror(f"hf:{server.base}")])
    assert (folder / "tokenizer" / "vocab.json").read_bytes() == b"tokenizer/vocab.json" * 1000
    assert store.verify("m").checked == 2
    with pytest.raises(UsageError, match="not known to be on Hugging Face"):
        store.install("other", mirrors=[parse_mirror("hf")])


def test_two_processes_at_once_download_once(store: Store, server: Server) -> None:
    """The second waits for the first and takes what it brought."""
    server.faults["/pack.tar.bz2"] = [("stall", 1000)]
    waiting = threading.Event()

    def on_wait() -> None:
        waiting.set()
        server.go.set()

    def install(_: int) -> Path:
        mine = Store(Registry(store.root, cache_dir=store.registry.cache_dir), policy=store._policy)
        return mine.install("m", on_wait=on_wait)

    with ThreadPoolExecutor(2) as pool:
        folders = list(pool.map(install, range(2)))
    assert waiting.is_set()
    assert folders[0] == folders[1]
    assert len(server.requests) == 1


def test_killed_download_is_resumed_and_its_lock_is_free(store: Store, server: Server, archive: bytes) -> None:
    """kill -9 in mid-transfer: no lock is held, nothing is under a final name, the part is used."""
    server.files["/pack.tar.bz2"] = archive + bytes(3 << 20)  # bzip2 ignores what trails
    server.faults["/pack.tar.bz2"] = [("stall", 2 << 20)]
    code = textwrap.dedent(f"""
        from pathlib import Path
        from asrcli.models.registry import Registry
        from asrcli.models.store import Store
        Store(Registry(Path({str(store.root)!r}))).install("m")
    """)
    process = subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "no_proxy": "*"})
    part = store.root / ".downloads" / "pack" / "pack.tar.bz2.part"
    deadline = time.monotonic() + 60
    while not part.exists() or part.stat().st_size < 1 << 20:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (store.root / "pack").exists()
    had = part.stat().st_size
    server.faults["/pack.tar.bz2"] = []
    store.install("m")
    assert server.requests[-1] == ("/pack.tar.bz2", f"bytes={had}-")
    assert store.registry.installed("m")
    assert not list(store.root.glob(".incoming-*"))


def test_leavings_of_a_killed_installation_are_swept(store: Store) -> None:
    rest = store.root / ".incoming-pack-killed"
    rest.mkdir()
    (rest / "half").write_bytes(b"x")
    store.install("m")
    assert not rest.exists()


def test_verify_finds_every_kind_of_damage(store: Store) -> None:
    folder = store.install("m")
    assert store.verify("m").ok
    assert store.verify("m").checked == 2
    (folder / "model.int8.onnx").write_bytes(b"flipped")
    (folder / "tokens.txt").unlink()
    result = store.verify("m")
    assert not result.ok
    assert result.problems["tokens.txt"] == "missing"
    assert "was" in result.problems["model.int8.onnx"]


def test_remove(store: Store) -> None:
    folder = store.install("m")
    assert store.remove("m") == ("m",)
    assert not folder.exists()
    with pytest.raises(ModelNotInstalledError):
        store.remove("m")
    with pytest.raises(UnknownModelError):
        store.remove("nothing")


def test_remove_drops_what_is_half_downloaded(store: Store, server: Server) -> None:
    server.faults["/pack.tar.bz2"] = [("cut", 2000), *[("cut", 0)] * 9]
    with pytest.raises(DownloadError):
        store.install("m")
    store.remove("m")
    assert list((store.root / ".downloads").iterdir()) == []


def test_models_outside_the_root_are_never_touched(make_store: Callable[..., Store], tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    for name in ("model.int8.onnx", "tokens.txt"):
        (mine / name).write_bytes(b"x")
    store = make_store({"m": described(None, dir=str(mine))})
    with pytest.raises(UsageError, match="asrcli does not manage it"):
        store.remove("m")
    assert store.registry.installed("m")
    sneaky = make_store({"m": described(None, dir="../mine")})
    with pytest.raises(UsageError, match="outside"):
        sneaky.remove("m")


def test_two_precisions_of_one_archive_share_a_folder(
    make_store: Callable[..., Store], server: Server, archive: bytes
) -> None:
    url = server.serve("/pack.tar.bz2", archive)
    full = {**described(url), "files": {"model": "model.onnx", "tokens": "tokens.txt"}}
    store = make_store({"int8": described(url), "full": full})
    store.install("int8")
    assert store.registry.installed("full")
    assert store.remove("full") == ("int8", "full")


def test_weights_beside_a_graph_come_with_it(make_store: Callable[..., Store], server: Server) -> None:
    """Graphs of more than 2 GB keep their weights in a file of its own, which the graph names."""
    weights = {f"pack/model{middle}.onnx.data": _random.randbytes(1_200_000) for middle in ("", ".int8")}
    store = make_store({"m": described(server.serve("/pack.tar.bz2", tar_of({**FILES, **weights})))})
    folder = store.install("m")
    assert (folder / "model.int8.onnx.data").read_bytes() == weights["pack/model.int8.onnx.data"]
    assert not (folder / "model.onnx.data").exists()


def test_model_too_large_for_the_disk_is_refused_before_it_comes(
    make_store: Callable[..., Store], server: Server, archive: bytes
) -> None:
    store = make_store({"m": described(server.serve("/pack.tar.bz2", archive), size=1 << 60)})
    with pytest.raises(DiskFullError, match="MB are free"):
        store.install("m")
    assert server.requests == []


def test_no_address(make_store: Callable[..., Store]) -> None:
    store = make_store({"m": described(None)})
    with pytest.raises(UsageError, match="no download address"):
        store.install("m")


def test_damaged_lock_file_is_named(store: Store) -> None:
    (store.root / "models.lock.json").write_text("{")
    with pytest.raises(ModelError, match=r"models\.lock\.json"):
        store.install("m")


def test_obtain_downloads_what_is_named(store: Store, server: Server) -> None:
    assert obtain(store, "m").name == "m"
    assert obtain(store, "m", offline=True).name == "m"
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("device", "error", "message"),
    [
        ("mps", OptionNotSupportedError, "m: sherpa-onnx does not run on mps"),
        pytest.param(
            "cuda", MachineError, "is the build for CPUs", marks=pytest.mark.skipif(has_cuda(), reason="it has CUDA")
        ),
        ("cpu", None, ""),
        (None, None, ""),
    ],
)
def test_obtain_downloads_nothing_for_a_device_that_does_not_run_it(
    store: Store, server: Server, device: str | None, error: type[Exception] | None, message: str
) -> None:
    if error is None:
        assert obtain(store, "m", device=device).name == "m"
        return
    with pytest.raises(error, match=message):
        obtain(store, "m", device=device)
    assert server.requests == []


def test_obtain_names_the_model_that_cannot_be_downloaded(make_store: Callable[..., Store], server: Server) -> None:
    with pytest.raises(DownloadError, match="The model m cannot be downloaded: "):
        obtain(make_store({"m": described(server.serve("/pack.tar.bz2", b"no archive"))}), "m")


def test_obtain_downloads_no_recogniser_that_was_not_named(
    make_store: Callable[..., Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("asrcli.models.builtin.find_spec", lambda _name: None)  # as without the extra
    with pytest.raises(ModelNotInstalledError) as caught:
        obtain(make_store({}))
    assert "asrcli download-model moonshine-tiny-en" in caught.value.hint
    assert pip_install("builtin") in caught.value.hint


def test_obtain_downloads_the_configured_default(
    server: Server, make_store: Callable[..., Store], archive: bytes
) -> None:
    store = make_store({"m": described(server.serve("/pack.tar.bz2", archive))}, default_model="m")
    assert obtain(store).name == "m"


def test_offline_fails_closed(store: Store, server: Server) -> None:
    with pytest.raises(ModelNotInstalledError, match="--offline") as caught:
        obtain(store, "m", offline=True)
    assert "models import" in caught.value.hint
    assert server.requests == []


def single(server: Server, data: bytes, **download: Any) -> dict[str, Any]:
    """A model that is one file, with the sum of its right bytes."""
    url = server.serve("/right.onnx", data)
    return {
        "type": "campplus", "kind": "embedding", "dir": "one", "files": {"model": "model.onnx"},
        "download": {"url": url, "sha256": hashlib.sha256(data).hexdigest(), **download},
    }  # fmt: skip


@pytest.mark.parametrize("name", ["model.onnx", "other.bin", "pack.tar.bz2", "pack.zip"])
def test_a_model_of_one_file_is_verified_when_it_comes_from_this_machine(
    make_store: Callable[..., Store], server: Server, tmp_path: Path, name: str
) -> None:
    right = b"weights" * 1000
    store = make_store({"m": single(server, right)})

    def write(data: bytes) -> Path:
        path = tmp_path / name
        if name.endswith(".zip"):
            with zipfile.ZipFile(path, "w") as pack:
                pack.writestr("model.onnx", data)
        else:
            path.write_bytes(tar_of({"model.onnx": data}) if "tar" in name else data)
        return path

    with pytest.raises(DownloadError, match="is not that of m"):
        store.install("m", source=write(b"junk"))
    assert not (store.root / "one").exists()
    assert not store.registry.installed("m")
    folder = store.install("m", source=write(right))
    assert (folder / "model.onnx").read_bytes() == right
    assert store.verify("m").ok
    with pytest.raises(DownloadError, match="is not that of m"):
        store.install("m", source=write(b"junk"), force=True)
    assert store.verify("m").ok


def test_files_from_this_machine_are_held_to_the_sums_of_single_files(
    make_store: Callable[..., Store], tmp_path: Path
) -> None:
    files = {"model.int8.onnx": b"right", "tokens.txt": b"a 0\n"}
    sums = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    entry = described(None, download={"huggingface": "some/where", "sums": sums, "archive_subdir": None})
    store = make_store({"m": entry})
    path = tmp_path / "pack.tar"
    path.write_bytes(tar_of({**files, "model.int8.onnx": b"junk"}))
    with pytest.raises(DownloadError, match=r"model\.int8\.onnx is not that of m"):
        store.install("m", source=path)
    path.write_bytes(tar_of(files))
    store.install("m", source=path)


def test_files_without_a_published_sum_stay_what_they_were(make_store: Callable[..., Store], tmp_path: Path) -> None:
    store = make_store({"m": described(None)})
    path = tmp_path / "pack.tar"
    path.write_bytes(tar_of(FILES))
    store.install("m", source=path)
    path.write_bytes(tar_of({**FILES, "pack/tokens.txt": b"b 0\n"}))
    with pytest.raises(DownloadError, match=r"tokens\.txt is not that of m") as refusal:
        store.install("m", source=path, force=True)
    assert "models.lock.json" in refusal.value.hint
    assert (store.root / "pack" / "tokens.txt").read_bytes() == b"a 0\n"


def test_an_installation_deletes_only_its_own_leavings(
    make_store: Callable[..., Store], server: Server, archive: bytes
) -> None:
    """Names that begin with the model's, and that hold the characters of patterns, belong to others."""
    url = server.serve("/pack.tar.bz2", archive)
    store = make_store({"m": described(url), "long": {**described(url), "dir": "pack-zh"}})
    others = [f".incoming-{name}" for name in ("pack-zh-abcdefgh", "pack-zh-en-abcdefgh", "packs-abcdefgh")]
    others += [".downloads/pack-zh", ".downloads/pack.tar.bz2.other"]
    own = [".incoming-pack-abcdefgh", ".downloads/pack"]
    for name in (*others, *own):
        (store.root / name).mkdir(parents=True)
        (store.root / name / "half").write_bytes(b"x")
    store.install("m")
    store.remove("m")
    assert all((store.root / name / "half").exists() for name in others)
    assert not any((store.root / name).exists() for name in own)


def test_models_whose_files_have_one_name_do_not_share_a_download(
    make_store: Callable[..., Store], server: Server
) -> None:
    entries = {}
    for name in ("a", "b"):
        data = name.encode() * 500_000
        url = server.serve(f"/{name}/model.onnx", data)
        entries[name] = {
            "type": "campplus", "kind": "embedding", "dir": name, "files": {"model": "model.onnx"},
            "download": {"url": url},
        }  # fmt: skip
    store = make_store(entries)
    with ThreadPoolExecutor() as pool:
        list(pool.map(store.install, entries))
    assert [(store.root / name / "model.onnx").read_bytes()[:1] for name in entries] == [b"a", b"b"]
