"""A live stream that comes compressed (Ogg Opus or Speex, AMR, MP3, AAC), decoded by ffmpeg while it comes."""

from __future__ import annotations

import asyncio
import os
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

import anyio
import anyio.to_thread

from asrcli.audio import open_audio
from asrcli.audio.types import Source
from asrcli.options import AudioOptions
from asrcli.server.live.session import LiveSession


class CompressedStream:
    """Hears a container's bytes for a session. An async context manager: decoder and threads end with it."""

    def __init__(self, session: LiveSession) -> None:
        """Begin.

        Args:
            session: is fed with what is decoded.
        """
        self._session = session
        reading, writing = os.pipe()
        self._reader, self._writer = os.fdopen(reading, "rb", buffering=0), os.fdopen(writing, "wb", buffering=0)
        # A write waits while the session has enough to do; those threads are nobody else's.
        self._limiter = anyio.CapacityLimiter(1)
        self._loop = asyncio.get_running_loop()
        self._done: asyncio.Future[None] = self._loop.create_future()
        self._over = False
        threading.Thread(target=self._run, name="live-decoder", daemon=True).start()

    async def hear(self, data: bytes) -> None:
        """Take the next bytes of the stream, cut anywhere.

        Raises:
            InputError: they are no audio that can be decoded.
            TooLargeError: the stream is longer than streams may be.
        """
        try:
            await anyio.to_thread.run_sync(self._write, data, limiter=self._limiter)
        except (BrokenPipeError, ValueError):
            await self.finish()

    async def finish(self) -> None:
        """The stream has ended: wait until the session has all of it.

        Raises:
            InputError, TooLargeError: as `hear`.
        """
        self._hang_up()
        await asyncio.shield(self._done)

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[self._writer.write(view) :]

    def _run(self) -> None:
        error: Exception | None = None
        try:
            self._decode()
        except Exception as failure:  # noqa: BLE001 -- whatever it is, `finish` raises it
            error = failure
        with suppress(OSError):
            self._reader.close()
        with suppress(RuntimeError):  # the server has ended
            self._loop.call_soon_threadsafe(self._settle, error)

    def _decode(self) -> None:
        with open_audio(Source("stream", stream=self._reader), AudioOptions()) as stream:
            for block in stream.blocks():
                if self._over:
                    return
                asyncio.run_coroutine_threadsafe(self._session.feed(block[:, 0]), self._loop).result()

    def _settle(self, error: Exception | None) -> None:
        if self._done.done():
            return
        if error is None:
            self._done.set_result(None)
        else:
            self._done.set_exception(error)
            self._done.exception()  # perhaps nobody asks any more

    def _hang_up(self) -> None:
        with suppress(OSError):
            self._writer.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over = True
        self._hang_up()
