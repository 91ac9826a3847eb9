"""Sessions of onnxruntime on one thread, and optimised graphs kept on disk.

Building and optimising a graph takes several times as long as loading the result. That depends on the graph, the
runtime and the processor, so all three are part of the file's name. A file ends with a checksum of its bytes: one that
is damaged is ignored and replaced.
"""

import ctypes
import hashlib
import mmap
import os
import platform
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from asrcli.storage.atomic import remove_stale_temporaries, write_atomic
from asrcli.storage.user_folders import user_folder

#: bytes of all graphs in the cache folder; those that were not used for longest are deleted
_MOST = 400 << 20
#: bytes of the checksum; CRC-32, as a digest would take a tenth of the start of a program
_SUM = 4


def open_session(model: bytes | str, *, entries: Mapping[str, str] | None = None, **settings: Any) -> Any:
    """Load a graph, or the file at a path, for calls from several threads, each of which works by itself.

    `settings` are attributes of SessionOptions, `entries` its configuration.
    """
    onnxruntime = load_runtime()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Inputs differ in length: an arena would keep the largest of everything that was ever asked of it.
    options.enable_cpu_mem_arena = False
    for key, value in (entries or {}).items():
        options.add_session_config_entry(key, value)
    for name, value in settings.items():
        setattr(options, name, value)
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def saved_graph(model: bytes, form: str, **settings: Any) -> bytes:
    """A graph as onnxruntime saves it in a form (ONNX or ORT); `settings` as for `open_session`."""
    # A file without a name: a process that is killed leaves nothing behind.
    with tempfile.TemporaryFile() as file:
        saved = f"/dev/fd/{file.fileno()}"
        open_session(model, entries={"session.save_model_format": form}, optimized_model_filepath=saved, **settings)
        file.seek(0)
        return file.read()


def cached_session(name: str, sources: Sequence[str | Path], build: Callable[[], bytes], **settings: Any) -> Any:
    """The session of a graph, optimised and kept in the cache folder as `name`, or built.

    `build` makes the graph in ONNX format out of nothing but `sources`: digests, or files whose contents count.
    `settings` as for `open_session`. Raises ImportError: onnxruntime is not installed; and what `build` raises.
    """
    runtime = load_runtime()
    path = None
    with suppress(Exception):  # the runtime's exceptions have no common base
        code = Path(__file__).with_name("onnx_graph.py")
        parts = [str(runtime.__version__), _processor(), "crc32", *map(_digest, (code, *sources))]
        key = hashlib.sha256(repr(parts).encode()).hexdigest()
        path = user_folder("cache") / "graphs" / f"{name}-{key[:32]}.ort"
        return _load(path, settings)
    model = build()
    if path is not None:
        with suppress(Exception):
            _keep(path, saved_graph(model, "ORT"))
            return _load(path, settings)  # so the first run computes what all later ones do
    return open_session(model, **settings)


def _load(path: Path, settings: Mapping[str, Any]) -> Any:
    with (
        path.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
        memoryview(data) as all_of_it,
    ):
        if _checksum(all_of_it[:-_SUM]) != all_of_it[-_SUM:]:
            raise ValueError("damaged")
    with suppress(OSError):
        os.utime(path)
    # Mapped, so that weights are used where they are: a session given bytes would use them after Python frees them.
    entries = {"session.use_memory_mapped_ort_model": "1", "session.use_ort_model_bytes_for_initializers": "1"}
    session = open_session(str(path), entries={"session.load_model_format": "ORT", **entries}, **settings)
    if sys.platform == "linux":
        with suppress(OSError, ValueError):
            _release_pages(path)
    return session


def _release_pages(path: Path) -> None:
    """Release the pages of a mapped graph that loading has read. Most weights were copied then, into the order in which
    the processor multiplies them; the others are read from the file again.
    """
    advise = ctypes.CDLL(None).madvise
    for start, size in _unchanged_mappings(path):
        # Pages of 2 MB would bring what lies between the weights in use, too.
        for advice in (mmap.MADV_NOHUGEPAGE, mmap.MADV_DONTNEED):
            advise(ctypes.c_void_p(start), ctypes.c_size_t(size), advice)


def _unchanged_mappings(path: Path) -> Iterator[tuple[int, int]]:
    """Address and size of each mapping of a file in this process that holds nothing but the file's bytes."""
    name = os.fsencode(path.resolve())
    place = None
    for line in Path("/proc/self/smaps").read_bytes().splitlines():
        words = line.split(maxsplit=5)
        if not words[0].endswith(b":"):
            start, end = (int(address, 16) for address in words[0].split(b"-"))
            place = (start, end - start) if words[5:] == [name] else None
        elif place and words[:2] == [b"Anonymous:", b"0"]:
            yield place


def _keep(path: Path, graph: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_stale_temporaries(path.parent)
    write_atomic(path, graph + _checksum(graph))
    _discard_oldest(path)


def _checksum(data: bytes | memoryview) -> bytes:
    return zlib.crc32(data).to_bytes(_SUM, "little")


def _discard_oldest(kept: Path) -> None:
    """Delete what exceeds `_MOST`, except the file just written."""
    others = [(file.stat(), file) for file in kept.parent.glob("*.ort") if file != kept]
    total = kept.stat().st_size
    for status, file in sorted(others, key=lambda other: -other[0].st_mtime):
        total += status.st_size
        if total > _MOST:
            file.unlink(missing_ok=True)


def _digest(source: str | Path) -> str:
    return source if isinstance(source, str) else hashlib.sha256(source.read_bytes()).hexdigest()


@cache
def _processor() -> str:
    """The model and the instructions of the processor, which decide what a graph is optimised to."""
    with suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(sorted({line for line in lines if line.startswith(("model name", "flags", "Features"))}))
    return f"{platform.machine()} {platform.processor()}"


@cache
def load_runtime() -> Any:
    """The package onnxruntime. Raises ImportError: it is not installed."""
    # It reads this from the process's environment when it is loaded, and sends events and writes an identity of the
    # machine into the cache folder otherwise (1.32 for Linux).
    os.putenv("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    return onnxruntime
