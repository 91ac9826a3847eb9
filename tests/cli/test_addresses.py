"""Inputs by address, from a web server with TLS on this machine."""

from __future__ import annotations

import contextlib
import datetime as dt
import ipaddress
import json
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from asrcli.batch.inputs.addresses import as_url, public_url
from asrcli.errors import ExitCode
from tests.cli.conftest import Program

pytestmark = pytest.mark.slow
LOOPBACK = "--fetch-network=127.0.0.0/8"


class _Files(BaseHTTPRequestHandler):
    """Serves the recordings of a test: path without the query -> (headers, bytes)."""

    server: Any

    def do_GET(self) -> None:
        self.server.seen.append(self.path)
        headers, data = self.server.files.get(self.path.partition("?")[0], ({}, None))
        self.send_response(404 if data is None else int(headers.get("status", 200)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(data or b"")))
        self.end_headers()
        with contextlib.suppress(OSError):  # a client may want no more than the name
            self.wfile.write(data or b"")

    def log_message(self, *_: str) -> None:
        pass


def _certificate(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate, private = folder / "certificate.pem", folder / "key.pem"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate, private


@pytest.fixture
def site(tmp_path: Path, recordings: Path, home: dict[str, str]) -> Iterator[Any]:
    """A web server whose certificate is trusted; it serves "fa re mi" as /rec/one.wav."""
    certificate, key = _certificate(tmp_path)
    home["SSL_CERT_FILE"] = str(certificate)
    server: Any = ThreadingHTTPServer(("127.0.0.1", 0), _Files)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.seen, server.url = [], f"https://127.0.0.1:{server.server_port}"
    server.files = {"/rec/one.wav": ({}, (recordings / "one.wav").read_bytes())}
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_recording_is_transcribed_once_and_again_when_it_changes(
    asrcli: Program, site: Any, recordings: Path
) -> None:
    command = ("transcribe", f"{site.url}/rec/one.wav?token=secret", "-f", "txt,json", LOOPBACK)
    done = asrcli(*command)
    assert done.returncode == 0, done.stderr
    assert (asrcli.folder / "one.txt").read_text() == "fa re mi\n"
    assert json.loads((asrcli.folder / "one.json").read_text())["source"] == f"{site.url}/rec/one.wav"
    assert "secret" not in done.stderr + "".join(path.read_text() for path in asrcli.folder.iterdir() if path.is_file())
    assert "done already" in asrcli(*command).stderr
    fetched = len(site.seen)
    assert "done already" in asrcli(*command, "--dry-run").stdout
    assert "the output exists (--skip-existing)" in asrcli(*command, "--skip-existing").stderr
    assert len(site.seen) == fetched, "neither --dry-run nor --skip-existing fetches it"
    site.files["/rec/one.wav"] = ({}, (recordings / "inner" / "two.wav").read_bytes())
    assert asrcli(*command).returncode == 0
    assert (asrcli.folder / "one.txt").read_text() == "do sol\n"


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ({"etag": '"a"'}, {"etag": '"a"'}, True),
        ({"etag": '"a"'}, {"etag": '"b"'}, False),
        ({"last-modified": "Mon, 02 Jan 2023 10:00:00 GMT"}, {"last-modified": "Mon, 02 Jan 2023 10:00:00 GMT"}, True),
        ({"etag": '"a"'}, {}, False),
        ({}, {}, False),
    ],
)
def test_a_recording_is_not_fetched_again_if_the_server_shows_that_it_is_the_same(
    asrcli: Program, site: Any, recordings: Path, first: dict[str, str], second: dict[str, str], same: bool
) -> None:
    data = (recordings / "one.wav").read_bytes()
    command = ("transcribe", f"{site.url}/rec/one.wav", LOOPBACK)
    site.files["/rec/one.wav"] = (first, data)
    assert asrcli(*command).returncode == 0
    # Other bytes of the same length show whether they were fetched.
    site.files["/rec/one.wav"] = (
        second,
        (recordings / "inner" / "two.wav").read_bytes()[: len(data)].ljust(len(data), b"\0"),
    )
    done = asrcli(*command)
    assert done.returncode == 0 or not same, done.stderr
    assert ("done already" in done.stderr) is same
    # Other options, or an output that is missing, need the recording.
    site.files["/rec/one.wav"] = (first, data)
    (asrcli.folder / "one.txt").unlink()
    assert asrcli(*command).returncode == 0
    assert (asrcli.folder / "one.txt").read_text() == "fa re mi\n"


@pytest.mark.usefixtures("whisper")
def test_an_output_that_is_named_after_its_language_is_not_fetched_again(asrcli: Program, site: Any) -> None:
    command = ("transcribe", f"{site.url}/rec/one.wav", "--name", "{stem}.{language}", LOOPBACK)
    assert asrcli(*command).returncode == 0
    assert (asrcli.folder / "one.cy.txt").exists()
    fetched = len(site.seen)
    assert "the output exists (--skip-existing)" in asrcli(*command, "--skip-existing").stderr
    assert len(site.seen) == fetched


def test_private_addresses_need_the_option(asrcli: Program, site: Any) -> None:
    done = asrcli("transcribe", f"{site.url}/rec/one.wav", "-o", "-")
    assert done.returncode == ExitCode.ALL_FAILED
    assert "not public" in done.stderr
    assert "--fetch-network" in done.stderr
    assert site.seen == []


def test_a_server_that_is_not_trusted(asrcli: Program, site: Any, home: dict[str, str]) -> None:
    del home["SSL_CERT_FILE"]
    done = asrcli("transcribe", f"{site.url}/rec/one.wav", "-o", "-", LOOPBACK)
    assert done.returncode == ExitCode.ALL_FAILED
    assert "not trusted" in done.stderr


@pytest.mark.parametrize(
    ("path", "headers", "result"),
    [
        ("/download", {"content-disposition": 'attachment; filename="my talk.wav"'}, "my talk.txt"),
        ("/download", {"content-disposition": "attachment; filename*=UTF-8''%E5%BD%95%E9%9F%B3.wav"}, "录音.txt"),
        ("/download", {"content-disposition": 'attachment; filename="../../../etc/x.wav"'}, "x.txt"),
        ("/my%20talk%2F..%2Fa.wav", {}, "a.txt"),
        ("/latest", {"status": "302", "location": "/rec/one.wav"}, "one.txt"),
        ("/", {}, "127.0.0.1.txt"),
        ("/日本.wav", {}, "日本.txt"),
    ],
)
def test_the_names_of_outputs(asrcli: Program, site: Any, path: str, headers: dict[str, str], result: str) -> None:
    from urllib.parse import quote

    site.files[quote(path, safe="/%")] = (headers, site.files["/rec/one.wav"][1])
    done = asrcli("transcribe", f"{site.url}{path}", "-d", "out", LOOPBACK)
    assert done.returncode == 0, done.stderr
    texts = list((asrcli.folder / "out").rglob("*.txt"))
    assert [str(each.relative_to(asrcli.folder / "out")) for each in texts] == [result]
    assert texts[0].read_text() == "fa re mi\n"


def test_many_inputs_of_equal_names(asrcli: Program, site: Any, recordings: Path) -> None:
    site.files["/other/one.wav"] = ({}, (recordings / "inner" / "two.wav").read_bytes())
    listed = asrcli.folder / "list.txt"
    listed.write_text(f"{site.url}/other/one.wav\n{site.url}/gone.wav\n{site.url}/rec/one.wav\n")
    done = asrcli("transcribe", "rec/one.wav", "--files-from", "list.txt", "-d", "out", LOOPBACK, "--log-json")
    events = [json.loads(line) for line in done.stderr.splitlines()]
    assert done.returncode == ExitCode.SOME_FAILED
    failed = [event["error"] for event in events if event["event"] == "file_failed"]
    assert [(error["code"], "404" in error["message"]) for error in failed] == [("fetch", True)]
    sizes = {event["name"]: event["total"] for event in events if event["event"] == "file_download"}
    assert sizes[f"{site.url}/rec/one.wav"] == len(site.files["/rec/one.wav"][1])
    texts = sorted(path.read_text() for path in (asrcli.folder / "out").rglob("*.txt"))
    assert texts == ["do sol\n", "fa re mi\n", "fa re mi\n"]


@pytest.mark.parametrize(
    ("path", "headers", "data", "message"),
    [
        ("/page", {"content-type": "text/html; charset=utf-8"}, b"\n<!doctype html><title>Video</title>", "web page"),
        ("/empty.wav", {}, b"", "empty"),
        ("/private.wav", {"status": "302", "location": "http://10.0.0.1/a.wav"}, b"", "not public"),
    ],
)
def test_what_is_no_recording(
    asrcli: Program, site: Any, path: str, headers: dict[str, str], data: bytes, message: str
) -> None:
    site.files[path] = (headers, data)
    done = asrcli("transcribe", f"{site.url}{path}", "-o", "-", LOOPBACK)
    assert done.returncode == ExitCode.ALL_FAILED
    assert message in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("options", [("-f", "html", "--embed-audio"), ("--shard", "1/1"), ("--skip-if", "audio:de")])
def test_other_options(asrcli: Program, site: Any, options: tuple[str, ...]) -> None:
    done = asrcli("transcribe", f"{site.url}/rec/one.wav", LOOPBACK, *options)
    assert done.returncode == 0, done.stderr
    if "html" in options:
        assert "data:audio" in (asrcli.folder / "one.html").read_text()


def test_a_watched_folder_is_no_address(asrcli: Program) -> None:
    done = asrcli("watch", "https://example.org/recordings")
    assert done.returncode == ExitCode.USAGE
    assert "folder" in done.stderr


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://me:word@x.org/a.mp3?sig=1#t", "https://x.org/a.mp3"),
        ("https://x.org/@me/a.mp3", "https://x.org/@me/a.mp3"),
        ("https://x.org?a=b@c", "https://x.org"),
        ("https://me@[::1", "https://[::1"),
    ],
)
def test_messages_show_no_secrets(url: str, shown: str) -> None:
    assert public_url(url) == shown


def test_a_password_is_refused_and_not_shown(asrcli: Program) -> None:
    done = asrcli("transcribe", "https://me:word@127.0.0.1/a.mp3?sig=secret", "-o", "-")
    assert done.returncode == ExitCode.ALL_FAILED
    assert "must not hold a password" in done.stderr
    assert "word@" not in done.stderr
    assert "secret" not in done.stderr


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("https:/x.org/a b.mp3", "https://x.org/a%20b.mp3"),
        ("HTTP://x.org/é?q=1&r=%20", "http://x.org/%C3%A9?q=1&r=%20"),
        ("https.mp3", None), ("ftp://x.org/a", None), ("dir/https://x", None), ("-", None), ("https:///a", None),
    ],
)  # fmt: skip
def test_what_is_an_address(name: str, url: str | None) -> None:
    assert as_url(name) == url
