"""Uploads: bodies are written to the request's folder as they arrive, with bounds, and deleted with the request.

Form fields stay in memory. File names of clients are only displayed; files are stored under generated names.
"""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

import python_multipart as multipart
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message

from asrcli.server.bounds import LINGER, MAX_FIELD, MAX_FIELDS, MAX_PART_HEADER, MAX_PARTS, MAX_URL_FIELDS
from asrcli.server.errors import EncodingError, RequestError, SlowClientError, TooLargeError, UnavailableError
from asrcli.server.http.admission import Arrival
from asrcli.server.http.upload_sink import Upload, UploadSink
from asrcli.server.http.values import is_sent
from asrcli.server.http.workspaces import Workspace

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

#: fields that hold a recording even without a file name
_FILE_FIELDS = frozenset({"file", "files", "audio", "audio_file"})
#: fields that hold recordings as data URLs
_CLIPS = "known_speaker_references"
#: how lists are marked in the names of fields
_INDEX = re.compile(r"\[\d*\]$")
#: codings of bodies, as in `Content-Encoding`, that would have to be undone
_COMPRESSED = frozenset({"gzip", "x-gzip", "deflate", "br", "zstd", "compress"})
#: bytes of a file that may be the name of a missing value
_MAX_MISSING = 16
_UNPRINTABLE = re.compile(r"[^\w .,()\[\]@+=~-]")


@dataclass(slots=True)
class Form:
    """Fields and files of a multipart or URL-encoded body. Empty fields are left out."""

    fields: list[tuple[str, str]] = field(default_factory=list)
    files: list[tuple[str, Upload]] = field(default_factory=list)

    def get(self, *names: str) -> str | None:
        """The last value under any of these names; None: not sent."""
        return next((value for name, value in reversed(self.fields) if name in names), None)

    def all(self, name: str) -> list[str]:
        """A list, as `name`, `name[]` or `name[0]`."""
        return [value for key, value in self.fields if key == name or re.fullmatch(re.escape(name) + r"\[\d*\]", key)]

    def file(self, *names: str) -> Upload | None:
        """The file under any of these names, also as a list (`file[]`); an empty one if there is no other. Raises
        RequestError: there are several.
        """
        found = [upload for name in names for upload in self.all_files(name)]
        filled = [upload for upload in found if upload.size]
        if len(filled) > 1:
            raise RequestError("The form has several recordings.", "Send each in a request of its own.", param=names[0])
        return next(iter(filled or found), None)

    def all_files(self, name: str) -> list[Upload]:
        """The files of a list, as `name`, `name[]` or `name[0]`."""
        return [upload for key, upload in self.files if _INDEX.sub("", key) == name]


def shown_name(filename: str, default: str = "audio") -> str:
    """A client's file name without folders and special characters."""
    base = PurePosixPath(filename.replace("\\", "/")).name
    return _UNPRINTABLE.sub("_", base)[:120].strip() or default


async def capped(request: Request, limit: int) -> AsyncIterator[bytes]:
    """The body's pieces. Raises EncodingError: they are compressed; TooLargeError: more than `limit` bytes are
    announced or received; SlowClientError: nothing is received for `idle_timeout` seconds, `request_timeout` is over,
    or little is received and another body needs the place; UnavailableError: nothing is received while the server
    ends; BusyError: too many bodies are being received; ClientDisconnect: the client has left.
    """
    coding = request.headers.get("content-encoding", "").strip().lower()
    if coding in _COMPRESSED:
        raise EncodingError(f"The body is compressed (Content-Encoding: {coding}).", "Send it as it is.")
    if (announced := request.headers.get("content-length", "")).isdecimal() and int(announced) > limit:
        raise _too_large(limit)
    total = 0
    with request.app.state.admission.receive() as arrival:
        async for piece in _timed(request, arrival):
            arrival.add(len(piece))
            total += len(piece)
            if total > limit:
                raise _too_large(limit)
            yield piece


async def _timed(request: Request, arrival: Arrival) -> AsyncIterator[bytes]:
    """The body's pieces, with timeouts: a client that sends a byte now and then must not keep its place."""
    settings = request.app.state.settings
    loop = asyncio.get_running_loop()
    deadline = loop.time() + (settings.request_timeout or math.inf)
    more = True
    while more:
        until = min(loop.time() + settings.idle_timeout, deadline)
        message: Message | None = None
        while message is None:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(min(loop.time() + LINGER, until)):
                    message = await request.receive()
            if arrival.replaced:
                raise SlowClientError("The body arrives too slowly while others wait.", "Send it again, faster.")
            if message is None and request.scope["state"].get("ending"):
                raise UnavailableError("The server ends.", "Send the request again later.", retry_after=5)
            if message is None and loop.time() >= until:
                raise SlowClientError("Timed out waiting for the request body.", "Send it again without pauses.")
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        more = message.get("more_body", False)
        if message.get("body"):
            yield message["body"]


def _too_large(limit: int) -> TooLargeError:
    return TooLargeError(f"The request is larger than {limit >> 20 or 1} MiB.", "Send less, or ask the operator.")


async def save_body(request: Request, workspace: Workspace, limit: int) -> Upload:
    """A raw body as a file. Raises TooLargeError or ClientDisconnect: as `capped`; DiskFullError or OutputError: it
    cannot be kept.
    """
    sink = UploadSink(workspace.new_file(), "body")
    try:
        async for piece in capped(request, limit):
            workspace.store(len(piece))
            sink.add(piece)
            await sink.relieve()
        return await sink.finish()
    finally:
        sink.close()


async def read_form(request: Request, workspace: Workspace, limit: int) -> Form:
    """A form's fields and files. Raises RequestError: the body is no form, or a broken one; TooLargeError or
    ClientDisconnect: as `capped`; DiskFullError or OutputError: a file cannot be kept.
    """
    if len(announced := request.headers.get("content-type", "")) > MAX_PART_HEADER:  # parsing takes its square
        raise RequestError("The Content-Type is too long.", param="file")
    kind, options = parse_options_header(announced)
    if kind == b"multipart/form-data":
        if not options.get(b"boundary"):
            hint = "Let the HTTP client set this header itself."
            raise RequestError("The Content-Type multipart/form-data has no boundary.", hint, param="file")
        reader = _MultipartReader(options[b"boundary"], workspace)
        try:
            async for piece in capped(request, limit):
                workspace.keep_pace(len(piece))
                reader.feed(piece)
                await reader.relieve()
            return await reader.finish()
        finally:
            reader.close()
    if kind == b"application/x-www-form-urlencoded":
        pieces = []
        async for piece in capped(request, min(limit, MAX_FIELDS)):
            workspace.keep_pace(len(piece))
            workspace.hold(len(piece))
            pieces.append(piece)
        return Form(await asyncio.to_thread(_url_decoded, pieces))
    raise RequestError("The body must be multipart/form-data.", "Send the recording as a form's file.", param="file")


async def save_bytes(data: bytes, workspace: Workspace) -> Upload:
    """Bytes as a file. Raises DiskFullError or OutputError: it cannot be kept."""
    sink = UploadSink(workspace.new_file(), "audio")
    try:
        workspace.store(len(data))
        sink.add(data)
        return await sink.finish()
    finally:
        sink.close()


def _decoded(raw: list[tuple[str, bytes]]) -> list[tuple[str, str]]:
    """Fields as text, without those that were not sent."""
    texts = ((name, value.decode("utf-8", "replace")) for name, value in raw)
    return [(name, text) for name, text in texts if is_sent(text)]


def _url_decoded(pieces: list[bytes]) -> list[tuple[str, str]]:
    try:
        fields = parse_qsl(b"".join(pieces).decode("utf-8", "replace"), max_num_fields=MAX_URL_FIELDS)
    except ValueError as error:
        raise RequestError(f"A form may have at most {MAX_URL_FIELDS} fields.") from error
    for name, value in fields:
        _check_size(name, len(value))
    return [(name, value) for name, value in fields if is_sent(value)]


def _check_size(name: str, size: int) -> None:
    if size > MAX_FIELD and not name.startswith(_CLIPS):
        raise TooLargeError(f"The field `{name[:100]}` is larger than {MAX_FIELD >> 20} MiB.", param=name[:100])


def _is_missing(upload: Upload) -> bool:
    """Whether a file has the name of a missing value, as JavaScript writes it."""
    if upload.size > _MAX_MISSING:
        return False
    text = upload.path.read_bytes().decode("utf-8", "replace")
    return bool(text.strip()) and not is_sent(text)


class _MultipartReader:
    """python-multipart's callbacks: fields to memory, files to sinks."""

    def __init__(self, boundary: bytes, workspace: Workspace) -> None:
        self._workspace = workspace
        self._raw: list[tuple[str, bytes]] = []
        self._header = self._value = self._disposition = b""
        self._name = ""
        self._text: bytearray | None = None
        self._sink: UploadSink | None = None
        self._sinks: list[tuple[str, UploadSink]] = []
        #: of those, the ones that are not on the disk
        self._open: list[UploadSink] = []
        self._parts = self._fields_size = 0
        self._complete = False
        #: the end of what was received before the first boundary; None: the boundary was received
        self._preamble: bytes | None = b"\r\n"
        self._delimiter = re.compile(re.escape(b"\r\n--" + boundary) + rb"(?:\r\n|--)")
        self._overlap = len(boundary) + 6
        callbacks: MultipartCallbacks = {
            "on_part_begin": self._begin,
            "on_header_field": self._header_field,
            "on_header_value": self._header_value,
            "on_header_end": self._header_end,
            "on_headers_finished": self._headers_finished,
            "on_part_data": self._data,
            "on_part_end": self._end,
            "on_end": self._finished,
        }
        self._parser = multipart.MultipartParser(boundary, callbacks)

    def feed(self, piece: bytes) -> None:
        if self._preamble is not None:
            # RFC 2046, 5.1.1: what comes before the first boundary is ignored.
            piece = self._preamble + piece
            start = self._delimiter.search(piece)
            self._preamble = None if start else piece[-self._overlap :]
            if not start:
                return
            piece = piece[start.start() + 2 :]
        try:
            self._parser.write(piece)
        except FormParserError as error:
            raise RequestError("The multipart body is damaged.") from error

    async def relieve(self) -> None:
        for sink in self._open:
            await sink.relieve()
        self._open = [sink for sink in self._open if not sink.ended]

    async def finish(self) -> Form:
        if self._preamble is not None:
            raise RequestError("The multipart body does not contain the boundary of its Content-Type.", param="file")
        if not self._complete:
            raise RequestError("The multipart body is damaged: it has no end.")
        files = [(name, await sink.finish()) for name, sink in self._sinks]
        sent = [(name, upload) for name, upload in files if not await asyncio.to_thread(_is_missing, upload)]
        return Form(await asyncio.to_thread(_decoded, self._raw), sent)

    def close(self) -> None:
        for _, sink in self._sinks:
            sink.close()

    def _begin(self) -> None:
        self._parts += 1
        if self._parts > MAX_PARTS:
            raise RequestError(f"A form may have {MAX_PARTS} parts.")
        self._disposition, self._text, self._sink = b"", None, None

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]
        self._bound_headers()

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]
        self._bound_headers()

    def _bound_headers(self) -> None:
        if len(self._header) + len(self._value) > MAX_PART_HEADER:
            raise RequestError("A part of the form has too long a header.")

    def _header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            self._disposition = self._value
        self._header = self._value = b""

    def _headers_finished(self) -> None:
        _, options = parse_options_header(self._disposition)
        self._name = options.get(b"name", b"").decode("utf-8", "replace")
        if b"filename" in options or self._name in _FILE_FIELDS:
            shown = shown_name(options.get(b"filename", b"").decode("utf-8", "replace"))
            self._sink = UploadSink(self._workspace.new_file(), shown)
            self._sinks.append((self._name, self._sink))
            self._open.append(self._sink)
        else:
            self._text = bytearray()

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._sink is not None:
            self._workspace.store(end - start)
            self._sink.add(data[start:end])
        elif self._text is not None:
            self._workspace.hold(end - start)
            self._fields_size += end - start
            if self._fields_size > MAX_FIELDS:
                raise TooLargeError(f"The form's fields hold more than {MAX_FIELDS >> 20} MiB.")
            self._text += data[start:end]
            _check_size(self._name, len(self._text))

    def _end(self) -> None:
        if self._sink is not None:
            self._sink.ended = True
        if self._text is not None:
            self._raw.append((self._name, bytes(self._text)))

    def _finished(self) -> None:
        self._complete = True
