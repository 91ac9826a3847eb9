"""A digest of a model's files, cached.

The journal compares models at every start, and a model may have gigabytes: sha256 sums are kept in a small JSON file by
(path, size, modification time in ns), as make and rsync detect changes.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from asrcli.storage.atomic import write_atomic

#: name of the file with known sums in the cache folder
DIGESTS = "digests.json"


def sha256_file(path: Path) -> str:
    """The sha256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _walk(files: Mapping[str, Path]) -> Iterator[tuple[str, Path]]:
    """Logical name and file; a folder (of a tokenizer) gives each of its files."""
    for name, path in sorted(files.items()):
        if path.is_dir():
            for child in sorted(path.rglob("*")):
                if child.is_file():
                    yield f"{name}/{child.relative_to(path).as_posix()}", child
        else:
            yield name, path


def files_digest(files: Mapping[str, Path], cache: Path | None = None) -> str:
    """One sha256 over the sha256 of each file and its logical name. `cache` is a JSON file of known sums, ignored if it
    cannot be read or written.
    """
    known = _load(cache)
    fresh: dict[str, list[object]] = {}
    total = hashlib.sha256()
    for name, path in _walk(files):
        stat = path.stat()
        key = str(path.resolve())
        held = known.get(key)
        if isinstance(held, list) and held[:2] == [stat.st_size, stat.st_mtime_ns]:
            sum_ = str(held[2])
        else:
            sum_ = sha256_file(path)
            fresh[key] = [stat.st_size, stat.st_mtime_ns, sum_]
        total.update(f"{name}\0{sum_}\n".encode())
    if fresh and cache is not None:
        # Read again: another process may have added its sums. A lost race only costs hashing again.
        known = {path: held for path, held in _load(cache).items() if Path(path).exists()}
        with suppress(OSError):
            cache.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(cache, json.dumps({**known, **fresh}, indent=0).encode())
    return total.hexdigest()


def _load(cache: Path | None) -> dict[str, object]:
    if cache is None:
        return {}
    try:
        data = json.loads(cache.read_bytes())
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}
