"""Live streams in a compressed format (Ogg Opus or Speex, AMR, MP3, AAC), decoded by ffmpeg as they arrive."""

import asyncio
import os
import threading
from contextlib import suppress
from typing import Self

import anyio
import anyio.to_thread

from asrcli.audio import open_audio
from asrcli.audio.types import Source
from asrcli.options import AudioOptions
from asrcli.server.errors import TooLargeError
from asrcli.server.http.workspaces import STORED
from asrcli.server.live.session import LiveSession
from asrcli.server.settings import ServerSettings


class CompressedStream:
    """Decodes a container's bytes for a session. An async context manager: decoder and thread end with it."""

    def __init__(self, session: LiveSession, settings: ServerSettings) -> None:
        """Start the decoder, which feeds the session. The stream may have as many bytes as an upload."""
        self._session = session
        self._size, self._max_bytes, self._max_disk = 0, settings.max_upload, settings.max_disk
        reading, writing = os.pipe()
        self._reader, self._writer = os.fdopen(reading, "rb", buffering=0), os.fdopen(writing, "wb", buffering=0)
        # A write waits while the session is busy; it must not take a thread from other requests.
        self._limiter = anyio.CapacityLimiter(1)
        self._loop = asyncio.get_running_loop()
        self._done: asyncio.Future[None] = self._loop.create_future()
        self._closed = False
        threading.Thread(target=self._run, name="live-decoder", daemon=True).start()

    async def feed(self, data: bytes) -> None:
        """Take the next bytes, split anywhere. Raises InputError: they cannot be decoded; TooLargeError: the stream is
        longer than allowed, or more bytes than an upload may have; BusyError: the server stores too many.
        """
        if self._size + len(data) > self._max_bytes:
            raise TooLargeError(f"The stream has more than {self._max_bytes} bytes.", "Start another stream.")
        if not self._done.done():
            # The decoder keeps containers in which it has to seek on the disk.
            STORED.add(len(data), self._max_disk)
            self._size += len(data)
        try:
            await anyio.to_thread.run_sync(self._write, data, limiter=self._limiter)
        except (BrokenPipeError, ValueError):
            await self.finish()

    async def finish(self) -> None:
        """Wait until the session has all audio of the stream. Raises InputError or TooLargeError: as `feed`."""
        self._close_input()
        await asyncio.shield(self._done)

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[self._writer.write(view) :]

    def _run(self) -> None:
        error: Exception | None = None
        try:
            self._decode()
        except Exception as failure:  # noqa: BLE001 -- `finish` raises it
            error = failure
        with suppress(OSError):
            self._reader.close()
        with suppress(RuntimeError):  # the event loop is closed
            self._loop.call_soon_threadsafe(self._settle, error)

    def _decode(self) -> None:
        with open_audio(Source("stream", stream=self._reader, untrusted=True), AudioOptions()) as stream:
            for block in stream.blocks():
                if self._closed:
                    return
                asyncio.run_coroutine_threadsafe(self._session.feed(block[:, 0]), self._loop).result()

    def _settle(self, error: Exception | None) -> None:
        STORED.remove(self._size)
        if self._done.done():
            return
        if error is None:
            self._done.set_result(None)
        else:
            self._done.set_exception(error)
            self._done.exception()  # marks it as retrieved: `finish` may not be called any more

    def _close_input(self) -> None:
        with suppress(OSError):
            self._writer.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._closed = True
        self._close_input()
