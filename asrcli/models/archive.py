"""Unpacks untrusted archives.

`extractall` is not used: names are checked here, and only the bytes of regular files are written, into new files with
plain permissions. One set of rules holds for tar and zip.
"""

import errno
import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from asrcli.errors import DownloadError
from asrcli.storage.atomic import disk_errors

_BLOCK = 1 << 20
_TAR_SUFFIXES = (".tar.bz2", ".tar.gz", ".tar.xz", ".tbz2", ".tgz", ".tar")
SUFFIXES = (*_TAR_SUFFIXES, ".zip")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits of an archive's contents."""

    #: bytes of all members together, unpacked
    total: int = 64 << 30
    members: int = 10_000


_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class _Member:
    name: str
    size: int
    #: None: a folder or a link inside the archive, not written
    open: Callable[[], IO[bytes]] | None


def is_archive(name: str) -> bool:
    """Whether a file's name or address is that of an archive that `extract` reads."""
    return name.partition("?")[0].lower().endswith(SUFFIXES)


def extract(
    archive: Path, into: Path, *, keep: Callable[[PurePosixPath, int], bool], limits: Limits = _LIMITS
) -> list[Path]:
    """Unpack the regular files that `keep` (name, size) selects from a tar (plain, gzip, bzip2, xz) or zip file into a
    folder; nothing is written outside it. Returns the files written. Raises DownloadError: the archive is broken or
    hostile: absolute names, "..", links to outside, devices, sparse files, repeated names, more than `limits`;
    DiskFullError: the disk is full.
    """
    written: list[Path] = []
    total = 0
    with disk_errors(into):
        try:
            for number, member in enumerate(_members(archive)):
                total += member.size
                if number >= limits.members or total > limits.total:
                    raise _hostile(archive, f"more than {limits.members:,} members or {limits.total:,} bytes")
                name = _safe_name(archive, member.name)
                if member.open is None or not keep(name, member.size):
                    continue
                target = into.joinpath(*name.parts)
                with member.open() as source, _create(archive, target) as sink:
                    _copy(archive, source, sink, member)
                written.append(target)
        except OSError as error:
            if error.errno is not None:
                raise
            raise _broken(archive, error) from error
        except (
            tarfile.TarError,
            zipfile.BadZipFile,
            zlib.error,
            lzma.LZMAError,
            EOFError,
            NotImplementedError,
        ) as error:
            raise _broken(archive, error) from error
    return written


def _members(archive: Path) -> Iterator[_Member]:
    if archive.name.lower().endswith(".zip"):
        with zipfile.ZipFile(archive) as zip_:
            for info in zip_.infolist():
                yield _zip_member(archive, zip_, info)
    else:
        with tarfile.open(archive) as tar:
            for item in tar:
                yield _tar_member(archive, tar, item)


def _zip_member(archive: Path, zip_: zipfile.ZipFile, info: zipfile.ZipInfo) -> _Member:
    mode = info.external_attr >> 16
    if info.flag_bits & 0x1:
        raise _hostile(archive, f"{info.filename!r} is encrypted")
    if mode and stat.S_IFMT(mode) not in {0, stat.S_IFREG, stat.S_IFDIR}:
        raise _hostile(archive, f"{info.filename!r} is a link or a device")
    return _Member(info.filename, info.file_size, None if info.is_dir() else lambda: zip_.open(info))


def _tar_member(archive: Path, tar: tarfile.TarFile, item: tarfile.TarInfo) -> _Member:
    if item.issparse():
        raise _hostile(archive, f"{item.name!r} is a sparse file")
    if item.issym() or item.islnk():
        base = PurePosixPath(item.name).parent if item.issym() else PurePosixPath()
        _safe_name(archive, str(base / item.linkname))
        return _Member(item.name, 0, None)
    if item.isdir():
        return _Member(item.name, 0, None)
    if not item.isreg():
        raise _hostile(archive, f"{item.name!r} is a device or a pipe")

    def open_() -> IO[bytes]:
        stream = tar.extractfile(item)
        assert stream is not None  # it is a regular file
        return stream

    return _Member(item.name, item.size, open_)


def _safe_name(archive: Path, name: str) -> PurePosixPath:
    """The name, inside the folder on any system."""
    path = PurePosixPath(name)
    parts: list[str] = []
    for part in path.parts:
        if part == "..":
            if not parts:
                raise _hostile(archive, f"{name!r} is outside the folder")
            parts.pop()
        else:
            parts.append(part)
    if path.is_absolute() or "\\" in name or "\0" in name or (parts and ":" in parts[0]):
        raise _hostile(archive, f"{name!r} is not a relative name")
    return PurePosixPath(*parts)


def _create(archive: Path, target: Path) -> IO[bytes]:
    """A new file; an existing one is an error."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        return target.open("xb")
    except OSError as error:
        if error.errno not in {errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG}:
            raise
        raise _hostile(archive, f"{target.name!r} is repeated or not a valid name") from error


def _copy(archive: Path, source: IO[bytes], sink: IO[bytes], member: _Member) -> None:
    copied = 0
    while block := source.read(_BLOCK):
        copied += len(block)
        if copied > member.size:
            raise _hostile(archive, f"{member.name!r} is longer than declared")
        sink.write(block)
    if copied != member.size:
        raise _broken(archive, f"{member.name} ends after {copied:,} of {member.size:,} bytes")


def _hostile(archive: Path, what: str) -> DownloadError:
    return DownloadError(f"The archive {archive.name} is refused: {what}.", "Do not use it. Try another source.")


def _broken(archive: Path, why: object) -> DownloadError:
    return DownloadError(
        f"The archive {archive.name} is broken: {why}.", "Download it again with: asrcli download-model"
    )
