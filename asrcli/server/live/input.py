"""The audio of a live session together with the task that sends its results."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any, Self

from asrcli.server.live.compressed import CompressedStream
from asrcli.server.live.pcm import PcmForm, PcmStream
from asrcli.server.live.session import LiveSession
from asrcli.server.settings import ServerSettings


class LiveInput:
    """An open session: call `feed`, `finish`; `close` in any case."""

    def __init__(
        self,
        session: LiveSession,
        audio: PcmStream | CompressedStream,
        sending: asyncio.Task[None],
        stack: AsyncExitStack,
    ) -> None:
        self.session = session
        #: sends the results; it ends after `finish`, or with the error of the engine
        self.sending = sending
        self._audio = audio
        self._stack = stack

    @classmethod
    async def open(
        cls,
        opening: AbstractAsyncContextManager[LiveSession],
        send: Callable[[LiveSession], Coroutine[Any, Any, None]],
        form: PcmForm | None = None,
        *,
        compressed: ServerSettings | None = None,
    ) -> Self:
        """Open a session (`LiveService.session`), whose events `send` sends. `compressed`: without a `form`, the audio
        is a container within the bounds of these settings. Raises AsrcliError: as `LiveService.session`.
        """
        stack = AsyncExitStack()
        session = await stack.enter_async_context(opening)
        audio: PcmStream | CompressedStream = PcmStream(session, form or PcmForm())
        if form is None and compressed is not None:
            audio = await stack.enter_async_context(CompressedStream(session, compressed))
        return cls(session, audio, asyncio.create_task(send(session)), stack)

    async def feed(self, data: bytes) -> None:
        """Take the next bytes, split anywhere. Raises TooLargeError: the stream is longer than allowed."""
        await self._audio.feed(data)

    async def finish(self) -> None:
        """End the stream and its growing sentence, and wait until all results are sent. Raises AsrcliError: the last
        audio cannot be taken, or the engine failed; the results of the audio before it were sent.
        """
        await finish_stream(self._audio, self.session, self.sending)

    async def close(self) -> None:
        """Cancel what runs."""
        self.sending.cancel()
        await asyncio.gather(self.sending, return_exceptions=True)
        await self._stack.aclose()


async def finish_stream(audio: PcmStream | CompressedStream, session: LiveSession, sending: asyncio.Task[None]) -> None:
    """End a stream, and wait for `sending`, which sends the results. Raises AsrcliError: the last audio cannot be
    taken, or the engine failed; the results of the audio before it were sent.
    """
    try:
        await audio.finish()
    finally:
        await session.finish()
        await sending
