"""Run the Dockerfile's steps in a Debian root, and its server there: for machines without a container engine.

python3 .ci/image.py ROOT, as root. ROOT is a fresh Debian with python3 and pip. RUN, COPY, ENV, ARG, USER,
HEALTHCHECK, ENTRYPOINT and CMD have their effects; FROM and the rest do not. The server then runs as the image's user,
as process 1 of its own process namespace, on a read-only root with /data and a temporary /tmp, as compose.yaml starts
it.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parents[1]
PORT = 18000
#: seconds
STEP, START, STOP = 900, 120, 60


def instructions() -> list[tuple[str, str]]:
    text = re.sub(r"^\s*#.*\n", "", (HERE / "Dockerfile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = text.replace("\\\n", " ").splitlines()
    return [tuple(line.split(maxsplit=1)) for line in lines if line.strip()]  # type: ignore[misc]


class Image:
    """What the instructions have made so far."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.user = "root"
        self.env = {"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "HOME": "/root"}
        # Proxies, mirrors and certificates of this machine, as engines pass them to builds.
        self.build = {name: text for name, text in os.environ.items() if re.match(r"(?i)pip_|\w+_proxy$|ssl_", name)}
        self.build |= {"PIP_BREAK_SYSTEM_PACKAGES": "1", "PIP_ROOT_USER_ACTION": "ignore"}
        self.words: dict[str, list[str]] = {}
        self.check = ""

    def apply(self, kind: str, rest: str) -> None:
        print(f"-- {kind} {' '.join(rest.split())[:100]}", flush=True)
        if kind == "RUN":
            command = ["chroot", str(self.root), "sh", "-ec", rest]
            subprocess.run(command, env=self.build | self.env, check=True, timeout=STEP, stdin=subprocess.DEVNULL)
        elif kind == "COPY":
            *sources, target = rest.split()
            for source in sources:
                self._copy(HERE / source, self.root / target.lstrip("/"), into=target.endswith("/"))
        elif kind in {"ENV", "ARG"}:
            into = self.env if kind == "ENV" else self.build
            into.update(pair.partition("=")[::2] for pair in shlex.split(rest))
        elif kind == "USER":
            self.user = rest.strip()
        elif kind == "HEALTHCHECK":
            self.check = rest.partition("CMD ")[2]
        elif kind in {"ENTRYPOINT", "CMD"}:
            self.words[kind] = json.loads(rest)

    def _copy(self, source: Path, target: Path, *, into: bool) -> None:
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            target = target / source.name if into else target
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, target)

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """The server, in namespaces of its own."""
        command = shlex.join([*self.words["ENTRYPOINT"], *self.words["CMD"], *arguments])
        prepare = (
            "mount --make-rprivate / && mount --rbind {0} {0} && mount --bind {0}/data {0}/data"
            " && mount -t tmpfs -o size=256m,mode=1777 tmpfs {0}/tmp && mount -t proc proc {0}/proc"
            " && mount -o remount,bind,ro {0} && exec chroot --userspec={1}:{1} {0} {2}"
        ).format(shlex.quote(str(self.root)), self.user, command)
        namespaces = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-ec", prepare]
        return subprocess.Popen(namespaces, env=self.env)

    def beside(self, server: subprocess.Popen[bytes], command: str) -> bool:
        """Whether a command succeeds next to the server, as its user."""
        process = process_one(server)
        if process is None:
            return False
        enter = ["nsenter", "--target", str(process), "--mount", "--pid", "--root", "--wd=/"]
        check = [*enter, "setpriv", "--reuid=10001", "--regid=10001", "--clear-groups", "sh", "-c", command]
        return subprocess.run(check, env=self.env, check=False, timeout=START, capture_output=True).returncode == 0


def process_one(server: subprocess.Popen[bytes]) -> int | None:
    """Process 1 of the server's namespace; None: it has not started, or has ended."""
    if server.poll() is not None:
        return None
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text(encoding="ascii").split()
    return int(children[0]) if children else None


def serve(image: Image, *arguments: str) -> None:
    """Start the server, wait until it is healthy, send it a recording, and stop it."""
    server = image.start("--port", str(PORT), *arguments)
    scheme = "https" if "--certfile" in arguments else "http"
    try:
        deadline = time.monotonic() + START
        while not image.beside(server, image.check):
            assert server.poll() is None, "the server has ended"
            assert time.monotonic() < deadline, "the server does not become healthy"
        assert not image.beside(server, "touch /new /usr/new"), "the root is read-only"
        assert image.beside(server, "touch /tmp/new /data/new")
        url = f"{scheme}://127.0.0.1:{PORT}/v1/audio/transcriptions"
        curl = ["curl", "-sSk", "--noproxy", "*", "-F", f"file=@{HERE / 'examples' / 'dialogue.mp3'}", url]
        answer = subprocess.run(curl, check=True, capture_output=True, text=True, timeout=START).stdout
        print(answer, flush=True)
        assert "coffee" in answer.lower()
    finally:
        process = process_one(server)
        if process is None:
            server.terminate()
        else:
            os.kill(process, signal.SIGTERM)
        code = server.wait(STOP)
    assert code == 0, f"SIGTERM ends it with {code}"
    print(f"-- healthy, and stopped: {' '.join(arguments) or 'as in the image'}", flush=True)


def main() -> None:
    image = Image(Path(sys.argv[1]).resolve())
    for kind, rest in instructions():
        image.apply(kind, rest)
    serve(image)
    tls = image.root / "data" / "tls"
    tls.mkdir()
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    subprocess.run([*command, "-keyout", tls / "key.pem", "-out", tls / "cert.pem"], check=True, capture_output=True)
    (tls / "key.pem").chmod(0o644)
    serve(image, "--certfile", "/data/tls/cert.pem", "--keyfile", "/data/tls/key.pem")


if __name__ == "__main__":
    main()
