"""Nothing leaves the machine: the engines that come in other people's packages are configured so, too."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Program


def test_engines_prepare_no_report_to_their_makers(
    asrcli: Program, home: dict[str, str], speech: Path, tmp_path: Path
) -> None:
    # onnxruntime keeps what it would send, and an identity of the machine, in the cache folder.
    cache = tmp_path / "cache"
    home["XDG_CACHE_HOME"] = str(cache)
    assert asrcli("transcribe", speech, "-o", "-", "-q").stdout
    kept = [path for folder in (cache, Path(home["HOME"])) for path in folder.rglob("*") if path.is_file()]
    assert kept, "the program's own"
    assert [path for path in kept if "asrcli" not in path.relative_to(tmp_path).parts] == []
