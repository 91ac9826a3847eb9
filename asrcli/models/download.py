"""Downloads one file over HTTP: resumed, retried, verified, and renamed to its final name when complete.

Proxies are urllib's (HTTP_PROXY and so on). An incomplete file is kept beside the target as NAME.part, with its address
and validator in NAME.part.json; resuming follows RFC 9110, section 14.
"""

from __future__ import annotations

import http.client
import json
import re
import shutil
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Sequence
from email.message import Message
from pathlib import Path
from typing import IO, Any

from asrcli.errors import DiskFullError, DownloadError
from asrcli.models.digest import sha256_file
from asrcli.storage.atomic import disk_errors, write_atomic
from asrcli.storage.http import TRANSIENT, USER_AGENT, RetryPolicy, retry_after

#: called with (bytes so far, total bytes or None)
Progress = Callable[[int, "int | None"], None]

_BLOCK = 1 << 18
_POLICY = RetryPolicy(retries=4, read=30.0)


class _BrokeOffError(Exception):
    """The attempt failed; another may succeed."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


class _NoDowngrade(urllib.request.HTTPRedirectHandler):
    """Follow redirects, but never from https to http."""

    def redirect_request(  # noqa: PLR0917 - urllib's signature
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: Message, newurl: str
    ) -> urllib.request.Request | None:
        scheme = urllib.parse.urlsplit(newurl).scheme
        if scheme not in {"http", "https"} or (req.type == "https" and scheme == "http"):
            raise DownloadError(f"{req.full_url} redirects to {newurl}, which is not safe to follow.")
        return super().redirect_request(req, fp, code, msg, headers, newurl)  # type: ignore[arg-type]


def fetch(
    urls: Sequence[str],
    target: Path,
    *,
    sha256: str | None = None,
    max_bytes: int | None = None,
    progress: Progress | None = None,
    policy: RetryPolicy = _POLICY,
) -> str:
    """Download a file from the first of `urls`, tried in order, that has it; returns its sha256. `target` appears when
    complete. `sha256` None: not verified; more than `max_bytes` is refused; `progress` receives the number of bytes so
    far. Raises DownloadError: no source has the file, or all failed. The part is kept; the same call resumes;
    DiskFullError: the disk is full.
    """
    problems: list[str] = []
    with disk_errors(target.parent):
        target.parent.mkdir(parents=True, exist_ok=True)
        for url in urls:
            transfer = _Transfer(url, target, sha256=sha256, max_bytes=max_bytes, progress=progress, policy=policy)
            try:
                return transfer.run()
            except DownloadError as error:
                problems.append(error.message)
    part = _part(target)
    kept = f"{part.stat().st_size:,} bytes are kept: the same command resumes the download. " if part.exists() else ""
    raise DownloadError(
        " ".join(problems),
        kept
        + "Alternatives: 'asrcli download-model NAME' with another source (--mirror) or a local file (--from)."
        + (_CHANGED if sha256 is not None and any("expected" in problem for problem in problems) else ""),
    )


_CHANGED = " If the publisher has replaced the file, write its new sha256 under download: of the model in models.yaml."


def _part(target: Path) -> Path:
    return target.with_name(target.name + ".part")


class _Transfer:
    """The download of one file from one address."""

    def __init__(
        self,
        url: str,
        target: Path,
        *,
        sha256: str | None,
        max_bytes: int | None,
        progress: Progress | None,
        policy: RetryPolicy,
    ) -> None:
        if urllib.parse.urlsplit(url).scheme not in {"http", "https"}:
            raise DownloadError(f"{url} is not an http or https address.")
        self._url = url
        self._target = target
        self._sha256 = sha256
        self._max_bytes = max_bytes
        self._progress = progress or (lambda _done, _total: None)
        self._policy = policy
        self._part = _part(target)
        self._note = target.with_name(target.name + ".part.json")
        self._opener = urllib.request.build_opener(_NoDowngrade())
        #: whether the part was written in one go, from its first byte, by this object
        self._one_pass = False

    def run(self) -> str:
        self._transfer()
        actual = sha256_file(self._part)
        if self._sha256 is not None and actual != self._sha256 and not self._one_pass:
            # Parts of two versions of the file, or a damaged part: download it again from the start.
            self._drop()
            self._transfer()
            actual = sha256_file(self._part)
        if self._sha256 is not None and actual != self._sha256:
            self._drop()
            raise DownloadError(f"{self._url} is not the expected file (sha256 {actual}, expected {self._sha256}).")
        self._part.replace(self._target)
        self._note.unlink(missing_ok=True)
        return actual

    def _transfer(self) -> None:
        """Repeat attempts until the part is complete."""
        fruitless = 0
        while True:
            before = self._have()
            try:
                self._attempt()
            except _BrokeOffError as error:
                fruitless = 0 if self._have() > before else fruitless + 1
                if fruitless > self._policy.retries:
                    raise DownloadError(f"{self._url}: {error} ({fruitless} attempts).") from error
                time.sleep(self._policy.wait(fruitless, error.wait))
            else:
                return

    def _have(self) -> int:
        return self._part.stat().st_size if self._part.exists() else 0

    def _drop(self) -> None:
        self._part.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)

    # -- one attempt -------------------------------------------------------------------------------------------

    def _attempt(self) -> None:
        start, request = self._request()
        try:
            response = self._opener.open(request, timeout=self._policy.read)
        except urllib.error.HTTPError as error:
            with error:
                self._refused(error, start)
            return
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise self._unreachable(error) from error
        with response:
            self._receive(response, start)

    def _request(self) -> tuple[int, urllib.request.Request]:
        """The request, and the offset it asks from: what is there, if it is of this file or the sum will tell, or 0."""
        headers = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity"}
        note = self._read_note()
        start = self._have()
        validator = note.get("validator") if note.get("url") == self._url else None
        if start and (validator or self._sha256 is not None):
            headers["Range"] = f"bytes={start}-"
            if validator:
                headers["If-Range"] = validator
        else:
            start = 0
        return start, urllib.request.Request(self._url, headers=headers)  # noqa: S310 - the scheme was checked

    def _read_note(self) -> dict[str, Any]:
        try:
            note = json.loads(self._note.read_bytes())
        except (OSError, ValueError):
            return {}
        return note if isinstance(note, dict) else {}

    def _unreachable(self, error: Exception) -> Exception:
        reason = getattr(error, "reason", error)
        if isinstance(reason, ssl.SSLCertVerificationError):
            return DownloadError(f"{self._url}: the server's certificate is not trusted ({reason.verify_message}).")
        return _BrokeOffError(f"cannot be reached ({reason or type(error).__name__})")

    def _refused(self, error: urllib.error.HTTPError, start: int) -> None:
        """Handle an error status; return only if the part is complete."""
        if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and start:
            total = re.fullmatch(r"bytes \*/(\d+)", error.headers.get("Content-Range") or "")
            if total is not None and int(total[1]) == start:
                return
            self._drop()
            raise _BrokeOffError("the server's file has become shorter", 0.0)
        if error.code in TRANSIENT:
            raise _BrokeOffError(
                f"the server answered {error.code} {error.reason}", retry_after(error.headers.get("Retry-After"))
            )
        raise DownloadError(f"{self._url}: the server answered {error.code} {error.reason}.")

    def _receive(self, response: http.client.HTTPResponse, start: int) -> None:
        start, total = self._accept(response, start)
        if self._max_bytes is not None and (total or 0) > self._max_bytes:
            raise DownloadError(f"{self._url} has {total:,} bytes; at most {self._max_bytes:,} are expected.")
        self._check_room((total or 0) - start)
        validator = _validator(response.headers)
        note = {"url": self._url, "validator": validator, "total": total}
        write_atomic(self._note, json.dumps(note).encode())
        self._one_pass = start == 0
        done = start
        with self._part.open("r+b" if start else "wb") as stream:
            stream.seek(start)
            self._progress(done, total)
            while block := self._read(response):
                stream.write(block)
                done += len(block)
                if self._max_bytes is not None and done > self._max_bytes:
                    raise DownloadError(f"{self._url} sends more than the {self._max_bytes:,} bytes expected.")
                self._progress(done, total)
        if total is not None and done < total:
            raise _BrokeOffError(f"the connection broke off after {done:,} of {total:,} bytes")

    def _accept(self, response: http.client.HTTPResponse, start: int) -> tuple[int, int | None]:
        """The offset of the body in the file, and the size of the whole file."""
        if response.status == http.HTTPStatus.PARTIAL_CONTENT:
            given = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+|\*)", response.headers.get("Content-Range") or "")
            known = self._read_note().get("total")
            total = int(given[3]) if given is not None and given[3] != "*" else None
            if given is None or int(given[1]) != start or (None not in {known, total} and known != total):
                # Another range than requested, or of another file.
                self._drop()
                raise _BrokeOffError("the server sent another range than requested", 0.0)
            return start, total
        length = response.headers.get("Content-Length")
        return 0, int(length) if length is not None and length.isdigit() else None

    def _read(self, response: http.client.HTTPResponse) -> bytes:
        try:
            return response.read(_BLOCK)
        except (OSError, http.client.HTTPException) as error:
            raise _BrokeOffError(f"the connection broke off ({error or type(error).__name__})") from error

    def _check_room(self, needed: int) -> None:
        free = shutil.disk_usage(self._part.parent).free
        if needed > free:
            raise DiskFullError(
                f"{needed:,} bytes are needed, {free:,} are free in {self._part.parent}.",
                "Free some space, or choose another folder with --model-dir.",
            )


def _validator(headers: Message) -> str | None:
    """The value for If-Range: a strong ETag, else the modification date."""
    etag = headers.get("ETag")
    if etag is not None and not etag.startswith("W/"):
        return etag
    return headers.get("Last-Modified")
