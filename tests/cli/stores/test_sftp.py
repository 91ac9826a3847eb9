"""Recordings and results on an SFTP server on this machine."""

from __future__ import annotations

import asyncio
import os
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from asrcli.errors import ExitCode
from tests.cli.conftest import Program

pytestmark = pytest.mark.slow


class SftpServer:
    """A server whose root is a folder; `drops`: reads or writes that end the connection."""

    def __init__(self, root: Path, folder: Path) -> None:
        import asyncssh

        self.root, self.drops = root, 0
        host_key, user_key = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
        folder.mkdir(parents=True)
        user_key.write_private_key(folder / "id_ed25519")
        server = self

        class Faulty(asyncssh.SFTPServer):  # type: ignore[misc]
            def __init__(self, channel: Any) -> None:
                super().__init__(channel, chroot=os.fsencode(root))

            def scandir(self, path: bytes) -> Any:
                if path.endswith(b"/refused"):
                    raise asyncssh.SFTPPermissionDenied("refused")
                return super().scandir(path)

            def read(self, file_obj: Any, offset: int, size: int) -> Any:
                server._drop(self.channel)
                return super().read(file_obj, offset, size)

            def write(self, file_obj: Any, offset: int, data: bytes) -> Any:
                server._drop(self.channel)
                return super().write(file_obj, offset, data)

        async def listen() -> Any:
            keys = asyncssh.import_authorized_keys(user_key.export_public_key().decode())
            return await asyncssh.listen(
                "127.0.0.1", 0, server_host_keys=[host_key], authorized_client_keys=keys, sftp_factory=Faulty
            )

        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._acceptor = asyncio.run_coroutine_threadsafe(listen(), self._loop).result(30)
        port = self._acceptor.get_port()
        self.known_hosts = folder / "known_hosts"
        self.known_hosts.write_text(f"[127.0.0.1]:{port} {host_key.export_public_key().decode()}")
        self.uri = f"sftp://tester@127.0.0.1:{port}"

    def _drop(self, channel: Any) -> None:
        if self.drops:
            self.drops -= 1
            channel.get_connection().abort()

    def close(self) -> None:
        async def close() -> None:
            self._acceptor.close()
            await self._acceptor.wait_closed()

        asyncio.run_coroutine_threadsafe(close(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@pytest.fixture
def sftp(tmp_path: Path, home: dict[str, str], recordings: Path) -> Iterator[SftpServer]:
    """Has the recordings of `recordings`, which are a day old, in /calls."""
    for module in ("asyncssh", "sshfs"):
        pytest.importorskip(module, reason="needs the extra sftp")
    root = tmp_path / "remote"
    shutil.copytree(recordings, root / "calls")
    for path in (root / "calls").rglob("*.wav"):
        os.utime(path, (path.stat().st_atime, path.stat().st_mtime - 86_400))
    home["PYTHONWARNINGS"] = "default"  # those of the stores' libraries are not ours
    server = SftpServer(root, Path(home["HOME"]) / ".ssh")
    yield server
    server.close()


def test_a_folder_is_transcribed_to_a_folder_and_resumed(asrcli: Program, sftp: SftpServer, recordings: Path) -> None:
    command = ("transcribe", f"{sftp.uri}/calls", "-d", f"{sftp.uri}/text")
    done = asrcli(*command)
    assert done.returncode == 0, done.stderr
    text = sftp.root / "text"
    files = {str(path.relative_to(text)): path.read_text() for path in text.rglob("*") if path.is_file()}
    assert files == {"one.txt": "fa re mi\n", "inner/two.txt": "do sol\n"}
    assert asrcli(*command).stderr.count("done already") == 2
    shutil.copy(recordings / "inner" / "two.wav", sftp.root / "calls" / "one.wav")
    assert asrcli(*command).stderr.count("done already") == 1
    assert (text / "one.txt").read_text() == "do sol\n"
    # Its time of change has whole seconds: a recording that was changed just now may have changed again.
    later = time.time() + 3600
    os.utime(sftp.root / "calls" / "one.wav", (later, later))
    assert asrcli(*command).stderr.count("done already") == 1
    assert asrcli(*command).stderr.count("done already") == 1


def test_links_are_followed_or_reported(asrcli: Program, sftp: SftpServer) -> None:
    """A folder passed over links in silence."""
    calls = sftp.root / "calls"
    (calls / "linked.wav").symlink_to("inner/two.wav")
    command = ("transcribe", f"{sftp.uri}/calls", "-d", "out")
    done = asrcli(*command)
    assert done.returncode == 0, done.stderr
    assert (asrcli.folder / "out" / "linked.txt").read_text() == "do sol\n"
    (calls / "lost.wav").symlink_to("nowhere.wav")
    (calls / "again").symlink_to("inner")
    (calls / ".hidden").symlink_to("inner")
    done = asrcli(*command)
    assert done.returncode == ExitCode.SOME_FAILED
    assert "lost.wav: no such object" in done.stderr
    assert f"{sftp.uri}/calls/again/: a link to a folder" in done.stderr
    assert asrcli(*command, "--exclude", "again", "--exclude", "lost.wav").returncode == 0
    assert asrcli(*command, "--no-recursive", "--exclude", "lost.wav").returncode == 0


def test_a_folder_that_may_not_be_listed_does_not_hold_up_the_others(asrcli: Program, sftp: SftpServer) -> None:
    (sftp.root / "calls" / "refused").mkdir()
    command = ("transcribe", f"{sftp.uri}/calls", "-d", "out")
    done = asrcli(*command)
    assert done.returncode == ExitCode.SOME_FAILED
    assert f"{sftp.uri}/calls/refused: cannot be read: refused.\n  Check the credentials" in done.stderr
    assert (asrcli.folder / "out" / "inner" / "two.txt").exists()
    assert asrcli(*command, "--exclude", "refused").returncode == 0


def test_a_connection_that_is_lost_is_opened_again(asrcli: Program, sftp: SftpServer) -> None:
    sftp.drops = 2
    done = asrcli("transcribe", f"{sftp.uri}/calls/one.wav", "-d", f"{sftp.uri}/text")
    assert done.returncode == 0, done.stderr
    assert sftp.drops == 0
    assert [path.name for path in (sftp.root / "text").iterdir()] == ["one.txt"]
    assert (sftp.root / "text" / "one.txt").read_text() == "fa re mi\n"


def test_a_folder_that_cannot_be_written(asrcli: Program, sftp: SftpServer) -> None:
    (sftp.root / "text").write_bytes(b"a file")
    done = asrcli("transcribe", f"{sftp.uri}/calls", "-d", f"{sftp.uri}/text")
    assert done.returncode == ExitCode.MACHINE
    assert "cannot be" in done.stderr


def test_an_unknown_host_key_is_refused(asrcli: Program, sftp: SftpServer) -> None:
    sftp.known_hosts.write_text("")
    done = asrcli("transcribe", f"{sftp.uri}/calls/one.wav", "-d", "out")
    assert done.returncode == ExitCode.ALL_FAILED
    assert "host key" in done.stderr.lower()
