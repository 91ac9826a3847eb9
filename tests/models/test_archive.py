from __future__ import annotations

import io
import pathlib
import stat
import tarfile
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asrcli.errors import DownloadError
from asrcli.models.archive import Limits, extract


def everything(_name: pathlib.PurePosixPath, _size: int) -> bool:
    return True


def unpack(tmp_path: Path, data: bytes, name: str = "a.tar", **options: Any) -> dict[str, bytes]:
    archive = tmp_path / name
    archive.write_bytes(data)
    into = tmp_path / "into"
    into.mkdir(exist_ok=True)
    options.setdefault("keep", everything)
    extract(archive, into, **options)
    return {str(p.relative_to(into)): p.read_bytes() for p in into.rglob("*") if p.is_file()}


def tar_with(*members: tarfile.TarInfo, data: bytes = b"x") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for member in members:
            member.size = len(data) if member.isreg() else 0
            tar.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def member(name: str, **fields: object) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    for key, value in fields.items():
        setattr(info, key, value)
    return info


@pytest.mark.parametrize(
    ("mode", "name"), [("w", "a.tar"), ("w:gz", "a.tgz"), ("w:bz2", "a.tar.bz2"), ("w:xz", "a.tar.xz")]
)
def test_every_compression(tmp_path: Path, make_tar: Callable[..., bytes], mode: str, name: str) -> None:
    files = {"m/model.onnx": b"weights" * 1000, "m/sub/tokens.txt": b"a 0\n"}
    assert unpack(tmp_path, make_tar(files, mode), name) == files


def test_zip(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as zip_:
        zip_.writestr("m/model.onnx", b"weights" * 1000)
    assert unpack(tmp_path, buffer.getvalue(), "a.zip") == {"m/model.onnx": b"weights" * 1000}


def test_only_what_is_wanted_is_written(tmp_path: Path, make_tar: Callable[..., bytes]) -> None:
    data = make_tar({"m/a": b"1", "m/test_wavs/b": b"2"})
    assert unpack(tmp_path, data, keep=lambda name, _size: "test_wavs" not in name.parts) == {"m/a": b"1"}


def test_permissions_and_owners_are_not_taken_over(tmp_path: Path) -> None:
    unpack(tmp_path, tar_with(member("m", mode=0o6777, uid=12345)))
    mode = (tmp_path / "into" / "m").stat().st_mode
    assert not mode & (stat.S_ISUID | stat.S_ISGID | stat.S_IXUSR | stat.S_IWOTH)


HOSTILE = {
    "absolute": [member("/etc/asrcli-test")],
    "climbs out": [member("m/../../escaped")],
    "backslash": [member("..\\escaped")],
    "drive": [member("C:escaped")],
    "symlink out": [member("l", type=tarfile.SYMTYPE, linkname="../..")],
    "absolute symlink": [member("l", type=tarfile.SYMTYPE, linkname="/etc")],
    "hardlink out": [member("l", type=tarfile.LNKTYPE, linkname="../../etc/passwd")],
    "device": [member("d", type=tarfile.CHRTYPE, devmajor=1, devminor=3)],
    "pipe": [member("p", type=tarfile.FIFOTYPE)],
    "twice": [member("m"), member("m")],
    "file as folder": [member("m"), member("m/inside")],
}


@pytest.mark.parametrize("members", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_tar_is_refused(tmp_path: Path, members: list[tarfile.TarInfo]) -> None:
    box = tmp_path / "box"
    box.mkdir()
    with pytest.raises(DownloadError, match="refused"):
        unpack(box, tar_with(*members))
    assert not (tmp_path / "escaped").exists()
    assert not (tmp_path / "box" / "escaped").exists()


def test_writing_through_a_link_is_impossible(tmp_path: Path) -> None:
    """A link inside the tree is allowed to be there, but it is never made, so nothing can be written through it."""
    outside = tmp_path / "outside"
    outside.mkdir()
    data = tar_with(member("l", type=tarfile.SYMTYPE, linkname="m"), member("l/file"))
    assert unpack(tmp_path, data) == {"l/file": b"x"}
    assert not (tmp_path / "into" / "l").is_symlink()


def test_sparse_bomb_is_refused(tmp_path: Path) -> None:
    info = member(
        "bomb",
        pax_headers={
            "GNU.sparse.major": "1",
            "GNU.sparse.minor": "0",
            "GNU.sparse.name": "bomb",
            "GNU.sparse.realsize": str(1 << 50),
        },
    )
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        info.size = 512
        tar.addfile(info, io.BytesIO(b"1\n0\n1\n".ljust(512, b"\0")))
    with pytest.raises(DownloadError):
        unpack(tmp_path, buffer.getvalue())
    assert not list((tmp_path / "into").iterdir())


def test_bomb_is_refused_by_its_declared_size(tmp_path: Path, make_tar: Callable[..., bytes]) -> None:
    data = make_tar({f"m/{i}": bytes(1 << 20) for i in range(20)})
    assert len(data) < 10_000
    with pytest.raises(DownloadError, match="bytes"):
        unpack(tmp_path, data, "a.tar.bz2", limits=Limits(total=5 << 20))


def test_members_not_wanted_count_too(tmp_path: Path, make_tar: Callable[..., bytes]) -> None:
    data = make_tar({f"m/{i}": bytes(1 << 20) for i in range(20)})
    with pytest.raises(DownloadError):
        unpack(tmp_path, data, "a.tar.bz2", limits=Limits(total=5 << 20), keep=lambda *_: False)


def test_too_many_members(tmp_path: Path, make_tar: Callable[..., bytes]) -> None:
    with pytest.raises(DownloadError, match="members"):
        unpack(tmp_path, make_tar({str(i): b"" for i in range(30)}), "a.tar.bz2", limits=Limits(members=20))


def test_lying_zip_is_refused(tmp_path: Path) -> None:
    """A zip entry that unpacks to more than it declares."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as zip_:
        zip_.writestr("m", bytes(100_000))
    data = buffer.getvalue().replace((100_000).to_bytes(4, "little"), (10).to_bytes(4, "little"))
    with pytest.raises(DownloadError):
        unpack(tmp_path, data, "a.zip")


def test_zip_symlink_is_refused(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as zip_:
        info = zipfile.ZipInfo("l")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        zip_.writestr(info, "/etc/passwd")
    with pytest.raises(DownloadError, match="link"):
        unpack(tmp_path, buffer.getvalue(), "a.zip")


@pytest.mark.parametrize("name", ["a.tar.bz2", "a.tar.gz", "a.tar.xz", "a.zip"])
def test_no_archive_at_all(tmp_path: Path, name: str) -> None:
    with pytest.raises(DownloadError, match="broken"):
        unpack(tmp_path, b"<html>Please sign in to the hotel's network</html>" * 30, name)


@pytest.mark.parametrize("mode", ["w", "w:bz2", "w:gz"])
@pytest.mark.parametrize("part", [0.3, 0.9])
def test_truncated_archive(tmp_path: Path, make_tar: Callable[..., bytes], mode: str, part: float) -> None:
    import random

    data = make_tar({"m/model": random.Random(1).randbytes(200_000)}, mode)
    with pytest.raises(DownloadError, match="broken"):
        unpack(tmp_path, data[: int(len(data) * part)], "a.tar")


@settings(max_examples=150)
@given(
    st.lists(
        st.lists(st.sampled_from(["..", ".", "a", "b", "", "C:", "\\", "…", "~"]), min_size=1, max_size=6).map(
            "/".join
        ),
        min_size=1,
        max_size=4,
    )
)
def test_whatever_the_names_nothing_is_written_outside(
    tmp_path_factory: pytest.TempPathFactory, names: list[str]
) -> None:
    box = tmp_path_factory.mktemp("box")
    with suppress(DownloadError):
        unpack(box, tar_with(*(member(name or "x") for name in names)))
    inside = box / "into"
    assert {p.name for p in box.iterdir()} == {"a.tar", "into"}
    assert all(p.resolve().is_relative_to(inside) for p in inside.rglob("*"))
