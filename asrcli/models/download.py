"""Downloads one file over HTTP: resumed, retried, verified, and renamed to its final name when complete.

An incomplete file is kept beside the target as NAME.part, with its address
and validator in NAME.part.json; resuming follows RFC 9110, section 14.
"""

import json
import re
import shutil
import time
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import httpx

from asrcli.errors import DiskFullError, DownloadError
from asrcli.models.digest import sha256_file
from asrcli.storage.atomic import disk_errors, write_atomic
from asrcli.storage.http import DOWNLOADS, TRANSIENT, Progress, RetryPolicy, distrust, new_client, retry_after

_REDIRECTS = 10


class _BrokeOffError(Exception):
    """The attempt failed; another may succeed."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


def fetch(
    urls: Sequence[str],
    target: Path,
    *,
    sha256: str | None = None,
    max_bytes: int | None = None,
    progress: Progress | None = None,
    policy: RetryPolicy = DOWNLOADS,
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
        if not re.match("https?://[^/]", url, re.IGNORECASE):
            raise DownloadError(f"{url} is not an http or https address.")
        self._url = url
        self._target = target
        self._sha256 = sha256
        self._max_bytes = max_bytes
        self._progress = progress or (lambda _done, _total: None)
        self._policy = policy
        self._part = _part(target)
        self._note = target.with_name(target.name + ".part.json")
        #: whether the part was written in one go, from its first byte, by this object
        self._one_pass = False

    def run(self) -> str:
        with new_client(self._policy, {"Accept-Encoding": "identity"}) as self._http:
            return self._run()

    def _run(self) -> str:
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
        start, headers = self._range()
        try:
            with closing(self._open(headers)) as response:
                if response.is_success:
                    self._receive(response, start)
                else:
                    self._refused(response, start)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            if reason := distrust(error):
                raise DownloadError(f"{self._url}: the server's certificate is not trusted ({reason}).") from error
            early = isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.ProxyError | httpx.InvalidURL)
            what = "cannot be reached" if early else "the connection broke off"
            raise _BrokeOffError(f"{what} ({error or type(error).__name__})") from error

    def _open(self, headers: Mapping[str, str]) -> httpx.Response:
        """The answer, its body unread. Redirects are followed, but never from https to http."""
        request = self._http.build_request("GET", self._url, headers=headers)
        for _ in range(_REDIRECTS):
            response = self._http.send(request, stream=True)
            if response.next_request is None:
                return response
            response.close()
            target = response.next_request.url
            if target.scheme not in {"http", "https"} or (request.url.scheme == "https" and target.scheme == "http"):
                raise DownloadError(f"{request.url} redirects to {target}, which is not safe to follow.")
            request = response.next_request
        raise DownloadError(f"{self._url} redirects more than {_REDIRECTS} times.")

    def _range(self) -> tuple[int, dict[str, str]]:
        """The offset to ask from (what is there, if it is of this file or the sum will tell; or 0), and the headers."""
        note, start = self._read_note(), self._have()
        validator = note.get("validator") if note.get("url") == self._url else None
        if not start or not (validator or self._sha256 is not None):
            return 0, {}
        return start, {"Range": f"bytes={start}-"} | ({"If-Range": validator} if validator else {})

    def _read_note(self) -> dict[str, Any]:
        try:
            note = json.loads(self._note.read_bytes())
        except (OSError, ValueError):
            return {}
        return note if isinstance(note, dict) else {}

    def _refused(self, response: httpx.Response, start: int) -> None:
        """Handle an error status; return only if the part is complete."""
        status, answer = response.status_code, f"the server answered {response.status_code} {response.reason_phrase}"
        if status == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE and start:
            total = re.fullmatch(r"bytes \*/(\d+)", response.headers.get("Content-Range", ""))
            if total is not None and int(total[1]) == start:
                return
            self._drop()
            raise _BrokeOffError("the server's file has become shorter", 0.0)
        if status in TRANSIENT:
            raise _BrokeOffError(answer, retry_after(response.headers.get("Retry-After")))
        raise DownloadError(f"{self._url}: {answer}.")

    def _receive(self, response: httpx.Response, start: int) -> None:
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
            with suppress(*([httpx.RemoteProtocolError] if total else [])):  # raised for a body that is too short
                for block in response.iter_raw():
                    stream.write(block)
                    done += len(block)
                    if self._max_bytes is not None and done > self._max_bytes:
                        raise DownloadError(f"{self._url} sends more than the {self._max_bytes:,} bytes expected.")
                    self._progress(done, total)
        if total is not None and done < total:
            raise _BrokeOffError(f"the connection broke off after {done:,} of {total:,} bytes")

    def _accept(self, response: httpx.Response, start: int) -> tuple[int, int | None]:
        """The offset of the body in the file, and the size of the whole file."""
        if response.status_code == httpx.codes.PARTIAL_CONTENT:
            given = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+|\*)", response.headers.get("Content-Range", ""))
            known = self._read_note().get("total")
            total = int(given[3]) if given is not None and given[3] != "*" else None
            if given is None or int(given[1]) != start or (None not in {known, total} and known != total):
                # Another range than requested, or of another file.
                self._drop()
                raise _BrokeOffError("the server sent another range than requested", 0.0)
            return start, total
        length = response.headers.get("Content-Length")
        return 0, int(length) if length is not None and length.isdigit() else None

    def _check_room(self, needed: int) -> None:
        free = shutil.disk_usage(self._part.parent).free
        if needed > free:
            raise DiskFullError(
                f"{needed:,} bytes are needed, {free:,} are free in {self._part.parent}.",
                "Free some space, or choose another folder with --model-dir.",
            )


def _validator(headers: httpx.Headers) -> str | None:
    """The value for If-Range: a strong ETag, else the modification date."""
    etag: str | None = headers.get("ETag")
    date: str | None = headers.get("Last-Modified")
    return date if etag is None or etag.startswith("W/") else etag
