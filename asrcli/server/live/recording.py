"""A whole recording that arrives through a WebSocket: kept on disk and transcribed like an upload."""

import asyncio
from dataclasses import replace
from typing import IO, Self

from asrcli.options import AudioOptions, RawFormat, SpeakerOptions, TranscribeOptions
from asrcli.server.errors import TooLargeError
from asrcli.server.live.session import LiveOptions
from asrcli.server.recognition.samples import holds_samples
from asrcli.server.recognition.transcription import TranscriptionRequest, TranscriptionService
from asrcli.storage.atomic import disk_errors, private
from asrcli.transcript import Transcript


def recording_options(options: LiveOptions) -> TranscribeOptions:
    """What of a live session's options a whole recording has."""
    speakers = options.speakers.options if options.speakers else SpeakerOptions()
    return TranscribeOptions(recognition=options.recognition, speakers=speakers)


class SessionRecording:
    """Call `write`, then `transcribe`. An asynchronous context manager; its file is deleted at the end."""

    def __init__(self, service: TranscriptionService, client: str, model: str | None, rate: int | None) -> None:
        """An empty recording; `model` None: the default; `rate` of s16le mono; None: a file of any format."""
        self._service = service
        self._client = client
        self._model = model
        self._rate = rate
        self._workspace = service.workspace()
        self._path = self._workspace.new_file()
        with disk_errors(self._path.parent):
            self._file: IO[bytes] = open(self._path, "xb", opener=private)  # noqa: SIM115 -- held open
        self._size = 0

    async def write(self, data: bytes) -> None:
        """Take the next bytes. Raises TooLargeError: more bytes than an upload may have; BusyError: too many of
        all recordings; DiskFullError: no space left.
        """
        self._size += len(data)
        limit = self._service.settings.max_upload
        if self._size > limit:
            raise TooLargeError(f"The recording is larger than {limit} bytes.", "Send it in parts.")
        self._workspace.store(len(data))
        await asyncio.to_thread(self._write, data)

    def _write(self, data: bytes) -> None:
        with disk_errors(self._path.parent):
            self._file.write(data)

    async def transcribe(self, options: LiveOptions) -> Transcript | None:
        """The whole recording; None if it is empty. Raises DiskFullError: as `write`; AsrcliError: as
        `TranscriptionService.transcribe`.
        """
        self._close()
        if self._size < 2:
            return None
        raw = None
        if self._rate is not None and await asyncio.to_thread(holds_samples, self._path, announced=True):
            raw = RawFormat(rate=self._rate)
        wanted = replace(recording_options(options), audio=AudioOptions(raw=raw))
        request = TranscriptionRequest(path=self._path, model=self._model, options=wanted)
        return await self._service.transcribe(self._client, request)

    async def __aenter__(self) -> Self:
        return self

    def _close(self) -> None:
        with disk_errors(self._path.parent):  # it may have to write
            self._file.close()

    async def __aexit__(self, *_: object) -> None:
        try:
            self._close()
        finally:
            await self._workspace.close()
