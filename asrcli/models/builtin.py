"""The model embedded in a Python wheel, Moonshine tiny-en. It is read in place; nothing is downloaded.

`moonshine_voice` (MIT, up to 0.0.55) is found with `find_spec` and never imported: importing it needs PortAudio.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import os
import tempfile
from importlib.util import find_spec
from pathlib import Path

from asrcli.distribution import pip_install
from asrcli.errors import ModelError
from asrcli.models.entry import ModelEntry
from asrcli.storage.atomic import write_atomic

NAME = "moonshine-tiny-en"

_ENCODER = "encoder_model.ort"
_DECODER = "decoder_model_merged.ort"
_TOKENIZER = "tokenizer.bin"


def _package_folder(name: str) -> Path | None:
    try:
        spec = find_spec(name)
    except (ImportError, ValueError):
        return None
    return None if spec is None or spec.origin is None else Path(spec.origin).parent


def assets() -> Path | None:
    """The folder with Moonshine tiny-en's files, or None where the extra `builtin` is not installed."""
    package = _package_folder("moonshine_voice")
    if package is None:
        return None
    folder = package / "assets" / "tiny-en"
    return folder if all((folder / name).is_file() for name in (_ENCODER, _DECODER, _TOKENIZER)) else None


def available() -> bool:
    """Whether the embedded recogniser is installed."""
    return assets() is not None


def entry() -> ModelEntry:
    """The registry's entry of the embedded model (`files` makes its token table)."""
    return ModelEntry(
        name=NAME,
        type="moonshine_v2",
        dir=str(assets() or ""),
        files={"encoder": _ENCODER, "decoder": _DECODER, "tokens": _TOKENIZER},
        description="Embedded in the moonshine-voice wheel (extra builtin): small, quick English",
        languages=("en",),
        licence="MIT",
        # cost and word errors by window: benchmarks/chunks.py, docs/chunks.png
        window=12.0,
        source="embedded",
    )


def files(cache_dir: Path) -> dict[str, Path]:
    """Logical name -> path of the embedded model; creates its `tokens.txt` in `cache_dir`, or in memory if that is not
    writable. Raises ModelError: the wheel is not installed, or its token table has an unknown form.
    """
    folder = assets()
    if folder is None:
        raise ModelError(
            f"The embedded model {NAME} is not installed.",
            f"Install it with: {pip_install('builtin')} (moonshine-voice < 0.0.58), or download a model: "
            "asrcli download-model sensevoice-small",
        )
    tokens = _tokens_file((folder / _TOKENIZER).read_bytes(), cache_dir)
    return {"encoder": folder / _ENCODER, "decoder": folder / _DECODER, "tokens": tokens}


def _tokens_file(table: bytes, cache_dir: Path) -> Path:
    # The name contains the table's digest, so another version of the wheel gives another file; files are renamed to
    # their final name when complete, so there is nothing to check again.
    name = f"moonshine-tiny-en-{hashlib.sha256(table).hexdigest()[:16]}.tokens.txt"
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
    bytes of UTF-8; "▁" stands for a space.

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
            "The token table in the moonshine-voice wheel has an unknown form.",
            "Install a supported version: pip install 'moonshine-voice>=0.0.44,<0.0.58'",
        )
    return b"".join(lines)
