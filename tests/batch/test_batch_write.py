"""Whole or not at all."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path
from threading import Thread

import pytest

from asrcli.batch.journal import Journal
from asrcli.errors import OutputError
from asrcli.storage.atomic import check_writable, digest, remove_stale_temporaries, staging, write_atomic


def write(*targets: Path, data: bytes = b"text") -> None:
    with staging() as outputs:
        for target in targets:
            outputs.add(target, data)
        outputs.commit()


def test_nothing_is_seen_before_commit_and_all_after_it(tmp_path: Path) -> None:
    one, other = tmp_path / "new" / "a.txt", tmp_path / "new" / "a.srt"
    with staging() as outputs:
        outputs.add(one, b"1")
        outputs.add(other, b"2")
        assert not one.exists()
        assert not other.exists()
        outputs.commit()
    assert (one.read_bytes(), other.read_bytes()) == (b"1", b"2")
    assert len(list(one.parent.iterdir())) == 2


def test_leaving_without_commit_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_bytes(b"old")
    with staging() as outputs:
        outputs.add(target, b"new")
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_the_mode_is_what_the_umask_leaves(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write(tmp_path / "a.txt")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == 0o640


def test_a_link_is_followed_and_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    link = tmp_path / "a.txt"
    link.symlink_to("store/real.txt")
    write(link)
    assert link.is_symlink()
    assert (tmp_path / "store" / "real.txt").read_bytes() == b"text"


def test_a_name_of_255_bytes(tmp_path: Path) -> None:
    target = tmp_path / ("n" * 251 + ".txt")
    write(target)
    assert target.read_bytes() == b"text"


def test_a_named_pipe_is_written_into(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    heard = []
    reader = Thread(target=lambda: heard.append(pipe.read_bytes()))
    reader.start()
    write(pipe, data=b"x" * 200_000)
    reader.join()
    assert heard == [b"x" * 200_000]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_dev_stdout_is_what_the_shell_made_of_it(tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; from asrcli.storage.atomic import staging\n"
        "with staging() as outputs:\n"
        "    outputs.add(Path('/dev/stdout'), b'text')\n"
        "    outputs.commit()\n"
    )
    piped = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert piped.stdout == b"text"
    target = tmp_path / "redirected"
    with target.open("wb") as stream:
        inode = os.fstat(stream.fileno()).st_ino
        subprocess.run([sys.executable, "-c", code], stdout=stream, check=True)
    assert target.read_bytes() == b"text"
    assert target.stat().st_ino == inode, "the shell's file was replaced under its feet"


def test_a_folder_in_the_way_is_an_error_before_and_at_the_write(tmp_path: Path) -> None:
    (tmp_path / "a.txt").mkdir()
    with pytest.raises(OutputError, match="directory"):
        check_writable(tmp_path / "a.txt")
    with pytest.raises(OutputError, match="directory"):
        write(tmp_path / "a.txt")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match="directory"):
        check_writable(tmp_path / "file" / "below" / "a.txt")


def test_an_error_names_the_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="file/new' cannot be created: Not a directory"):
        write(tmp_path / "file" / "new" / "a.txt")
    with pytest.raises(OutputError, match="file/new' cannot be created: Not a directory"):
        Journal(tmp_path / "file" / "new" / "journal.jsonl")


def test_a_folder_without_permission_is_an_error(unprivileged: Path) -> None:
    (unprivileged / "shut").mkdir()
    (unprivileged / "shut").chmod(0o555)
    with pytest.raises(OutputError, match="ermission") as caught:
        write(unprivileged / "shut" / "a.txt")
    assert "another folder" in caught.value.hint


def test_sweep_takes_what_a_dead_writer_left_and_nothing_else(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from asrcli.storage.atomic import staging\n"
        "with staging() as outputs:\n"
        "    outputs.add(Path(sys.argv[1]) / 'a.txt', b'x')\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    subprocess.run([sys.executable, "-c", code, tmp_path], check=False)
    (tmp_path / ".asrcli-mine.tmp").write_bytes(b"not one of ours")
    (tmp_path / "b.tmp").write_bytes(b"nor this")
    assert len(list(tmp_path.iterdir())) == 3
    with staging() as outputs:
        outputs.add(tmp_path / "c.txt", b"alive")
        assert remove_stale_temporaries(tmp_path) == 1
        outputs.commit()
    assert sorted(path.name for path in tmp_path.iterdir()) == [".asrcli-mine.tmp", "b.tmp", "c.txt"]


def test_sweeping_all_the_while_never_takes_a_living_writers_file(tmp_path: Path) -> None:
    done: list[bool] = []
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # so that sweepers come between the creation of a file and its lock

    def sweep_on() -> None:
        while not done:
            remove_stale_temporaries(tmp_path)

    sweepers = [Thread(target=sweep_on) for _ in range(4)]
    for sweeper in sweepers:
        sweeper.start()
    try:
        for number in range(200):
            write(tmp_path / f"{number}.txt", tmp_path / f"{number}.srt", data=str(number).encode())
    finally:
        done.append(True)
        sys.setswitchinterval(interval)
        for sweeper in sweepers:
            sweeper.join()
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        f"{number}.{suffix}": str(number) for number in range(200) for suffix in ("txt", "srt")
    }


def test_digests_tell_contents_apart() -> None:
    assert digest(b"a") != digest(b"b")
    assert digest(b"a") == digest(b"a")


def test_a_replaced_file_keeps_its_mode(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    target.write_bytes(b"old")
    target.chmod(0o600)
    write(target)
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    target.chmod(0o664)
    write_atomic(target, b"new")
    assert (target.read_bytes(), stat.S_IMODE(target.stat().st_mode)) == (b"new", 0o664)


def test_a_private_file_is_private(tmp_path: Path) -> None:
    write_atomic(tmp_path / "key", b"secret", mode=0o600)
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600


def test_new_names_replace_nothing(tmp_path: Path) -> None:
    (tmp_path / "b.txt").write_bytes(b"another's")
    with staging() as outputs:
        outputs.add(tmp_path / "a.txt", b"1")
        outputs.add(tmp_path / "b.txt", b"2")
        with pytest.raises(FileExistsError):
            outputs.commit(new=True)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"b.txt": b"another's"}
    with staging() as outputs:
        outputs.add(tmp_path / "c.txt", b"3")
        outputs.commit(new=True)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"b.txt": b"another's", "c.txt": b"3"}
