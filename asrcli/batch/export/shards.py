"""Files with many results each: JSON lines, or Parquet, which needs the extra `parquet`."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, Protocol

from asrcli.batch.export import ResultRow
from asrcli.batch.inputs.paths import printable
from asrcli.distribution import pip_install
from asrcli.errors import MissingExtraError, UsageError
from asrcli.formats.json import dump
from asrcli.storage.atomic import staging
from asrcli.storage.file_access import names_in
from asrcli.storage.places import is_stored

ShardFormat = Literal["jsonl", "parquet"]
#: bytes of JSON of a row group; readers load whole row groups
_ROW_GROUP = 16 << 20
_STEM = "part-"


class Shard(Protocol):
    """A file that grows in memory."""

    def add(self, row: ResultRow) -> None: ...

    def finish(self) -> bytes:
        """Its contents."""


class JsonLines:
    """An object a row."""

    def __init__(self) -> None:
        self._lines: list[bytes] = []

    def add(self, row: ResultRow) -> None:
        self._lines.append(line_of(row))

    def finish(self) -> bytes:
        return b"".join(self._lines)


def line_of(row: ResultRow) -> bytes:
    return f"{dump(row.fields)}\n".encode("utf-8", "replace")


class Parquet:
    """Columns as `schema` gives them, compressed with Zstandard."""

    def __init__(self) -> None:
        """Raises MissingExtraError: pyarrow is not installed."""
        try:
            import pyarrow as pa
            from pyarrow import parquet
        except ImportError as error:
            raise MissingExtraError("Parquet needs the package pyarrow.", pip_install("parquet")) from error
        self._buffer = pa.BufferOutputStream()
        self._table, self._schema = pa.Table, schema()
        self._writer = parquet.ParquetWriter(self._buffer, self._schema, compression="zstd")
        self._rows: list[dict[str, Any]] = []
        self._size = 0

    def add(self, row: ResultRow) -> None:
        self._rows.append(_columns(row.fields))
        self._size += row.size
        if self._size >= _ROW_GROUP:
            self._flush()

    def finish(self) -> bytes:
        self._flush()
        self._writer.close()
        return bytes(self._buffer.getvalue())

    def _flush(self) -> None:
        if self._rows:
            self._writer.write_table(self._table.from_pylist(self._rows, self._schema))
        self._rows, self._size = [], 0


def _columns(fields: dict[str, Any]) -> dict[str, Any]:
    """A row as the columns have it: what JSON leaves out as its default is written, and free data is JSON."""
    segments = [
        {**segment, "words": [{"space_before": True, **word} for word in segment["words"]]}
        for segment in fields["segments"]
    ]
    notes = dump(fields["notes"]) if "notes" in fields else None
    return {**fields, "segments": segments, "notes": notes}


def schema() -> Any:
    """The columns of a Parquet file, as pyarrow describes them."""
    import pyarrow as pa

    text, seconds, number = pa.string(), pa.float64(), pa.int32()

    def rows(**columns: Any) -> Any:
        return pa.list_(pa.struct(list(columns.items())))

    span = {"start": seconds, "end": seconds}
    word = rows(text=text, **span, space_before=pa.bool_(), confidence=seconds, speaker=text, alignment=text)
    columns = {
        "recording": text,
        "output": text,
        "schema": text,
        "source": text,
        "duration": seconds,
        "language": text,
        "model": text,
        "backend": text,
        "text": text,
        "timing": text,
        "warnings": pa.list_(text),
        "warning_codes": pa.list_(text),
        "gaps": rows(**span, reason=text, channel=number),
        "segments": rows(
            id=number, **span, text=text, speaker=text, channel=number, language=text, confidence=seconds,
            emotion=text, event=text, words=word,
        ),
        "turns": rows(**span, speaker=text),
        "notes": text,
    }  # fmt: skip
    return pa.schema(list(columns.items()))


_KINDS: dict[ShardFormat, Callable[[], Shard]] = {"jsonl": JsonLines, "parquet": Parquet}


def write_shards(rows: Iterable[ResultRow], folder: Path, kind: ShardFormat, size: int) -> list[Path]:
    """Write rows to numbered files of a folder, each of about `size` bytes of JSON. In a folder of this machine they
    get their names when all are written, in a store each as it is done. Raises UsageError: the folder has such files;
    MissingExtraError: as `Parquet`; StoreError, DiskFullError or OutputError: they cannot be written.
    """
    new = _KINDS[kind]
    new()  # an extra that is missing is reported before anything is read
    _check_unused(folder)
    names: list[Path] = []
    with staging() as staged:
        for shard in _filled(rows, new, size):
            names.append(folder / f"{_STEM}{len(names):05d}.{kind}")
            staged.add(names[-1], shard.finish())
            if is_stored(folder):
                staged.commit()
                staged.discard()
        staged.commit(new=True)
    return names


def _filled(rows: Iterable[ResultRow], new: Callable[[], Shard], size: int) -> Iterator[Shard]:
    shard, filled = None, 0
    for row in rows:
        shard = shard or new()
        shard.add(row)
        filled += row.size
        if filled >= size:
            yield shard
            shard, filled = None, 0
    if shard is not None:
        yield shard


def _check_unused(folder: Path) -> None:
    """Raises UsageError: the folder has shards, of which some might remain."""
    with contextlib.suppress(FileNotFoundError):
        if present := sorted(name for name in names_in(folder) if name.startswith(_STEM)):
            hint = "Name another folder, or delete the files of the earlier export."
            raise UsageError(f"{printable(folder)} has the file {present[0]}.", hint)
