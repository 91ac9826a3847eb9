from __future__ import annotations

import json
import os
from pathlib import Path

from asrcli.models.digest import files_digest, sha256_file


def test_names_and_bytes_count_places_do_not(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"1")
    (tmp_path / "b").write_bytes(b"2")
    one = files_digest({"model": tmp_path / "a", "tokens": tmp_path / "b"})
    assert one == files_digest({"tokens": tmp_path / "b", "model": tmp_path / "a"})
    assert one != files_digest({"model": tmp_path / "b", "tokens": tmp_path / "a"})
    (tmp_path / "c").mkdir()
    (tmp_path / "a").rename(tmp_path / "c" / "other")
    assert one == files_digest({"model": tmp_path / "c" / "other", "tokens": tmp_path / "b"})


def test_folders_are_walked(tmp_path: Path) -> None:
    (tmp_path / "tokenizer" / "deep").mkdir(parents=True)
    (tmp_path / "tokenizer" / "deep" / "vocab.json").write_bytes(b"{}")
    before = files_digest({"tokenizer": tmp_path / "tokenizer"})
    (tmp_path / "tokenizer" / "deep" / "vocab.json").write_bytes(b"[]")
    assert files_digest({"tokenizer": tmp_path / "tokenizer"}) != before


def test_second_time_reads_nothing(tmp_path: Path) -> None:
    """Proved by what it would get wrong: bytes changed behind size and time are not seen, a touched file is."""
    model, cache = tmp_path / "model", tmp_path / "cache" / "digests.json"
    model.write_bytes(b"old!")
    stamp = model.stat().st_mtime_ns
    before = files_digest({"model": model}, cache)
    model.write_bytes(b"new!")
    os.utime(model, ns=(stamp, stamp))
    assert files_digest({"model": model}, cache) == before
    os.utime(model, ns=(stamp + 1, stamp + 1))
    assert files_digest({"model": model}, cache) != before


def test_cache_is_forgotten_with_its_files_and_survives_damage(tmp_path: Path) -> None:
    cache = tmp_path / "digests.json"
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(name.encode())
        files_digest({"model": tmp_path / name}, cache)
    (tmp_path / "a").unlink()
    (tmp_path / "c").write_bytes(b"c")
    files_digest({"model": tmp_path / "c"}, cache)
    assert {Path(path).name for path in json.loads(cache.read_bytes())} == {"b", "c"}
    cache.write_bytes(b"{broken")
    expected = files_digest({"model": tmp_path / "b"})
    assert files_digest({"model": tmp_path / "b"}, cache) == expected


def test_unwritable_cache_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    assert len(files_digest({"model": tmp_path / "file"}, tmp_path / "file" / "digests.json")) == 64


def test_sum_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"abc")
    assert sha256_file(tmp_path / "f") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
