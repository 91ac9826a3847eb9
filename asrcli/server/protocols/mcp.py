"""A server of the Model Context Protocol on stdin and stdout: the tools `transcribe` and `models`.

Clients name files, so what they may read is limited to some folders. A file outside and a file that does not exist are
refused with the same message.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import Field

from asrcli import __version__
from asrcli.errors import AsrcliError, UnknownModelError, UsageError
from asrcli.formats import FORMATS
from asrcli.options import CueOptions, RecognitionOptions, SpeakerOptions, TranscribeOptions
from asrcli.server.errors import problem_of
from asrcli.server.http.admission import Admission
from asrcli.server.http.monitoring import Metrics
from asrcli.server.http.values import language as language_of
from asrcli.server.recognition.model_pool import ModelPool
from asrcli.server.recognition.transcription import TranscriptionRequest, TranscriptionService
from asrcli.server.settings import ServerSettings
from asrcli.transcript import Transcript

_FORMATS = [name for name, form in FORMATS.items() if not form.binary]
#: seconds between two progress notifications
_INTERVAL = 1.0
_INSTRUCTIONS = "Transcribes recordings on this machine. Only files in these folders can be read: {}."


class AllowedFolders:
    """The folders whose files may be read, and what is below them."""

    def __init__(self, folders: Iterable[Path]) -> None:
        """Raises UsageError: one of them is not a folder."""
        self.folders: list[Path] = []
        for folder in folders:
            if not folder.is_dir():
                raise UsageError(f"{folder} is not a folder.", "Correct --allow.")
            self.folders.append(folder.resolve())

    def file(self, name: str) -> Path:
        """The file of this name, links resolved; relative names are looked up in each folder. Raises UsageError: it is
        outside, or no regular file.
        """
        for folder in self.folders:
            with suppress(OSError, ValueError, RuntimeError):  # links in a circle, a NUL, too long
                found = (folder / name).resolve(strict=True)
                if found.is_file() and any(found.is_relative_to(each) for each in self.folders):
                    return found
        raise UsageError("No such file in the allowed folders.", "Name a recording in one of them.")


def run(settings: ServerSettings, allowed: AllowedFolders) -> None:
    """Serve until stdin ends. Nothing else is written to stdout: the transport sends other output to stderr. Raises
    ModelError: the default model is not available; MachineError: the engine process cannot be started.
    """
    _server(settings, allowed).run()


def _server(settings: ServerSettings, allowed: AllowedFolders) -> MCPServer[TranscriptionService]:
    @asynccontextmanager
    async def lifespan(server: MCPServer[TranscriptionService]) -> AsyncIterator[TranscriptionService]:
        del server
        pool = await asyncio.to_thread(ModelPool, settings)
        admission = Admission(pool.threads + 1, settings.max_queue)
        try:
            yield TranscriptionService(settings, pool, admission, Metrics())
        finally:
            await asyncio.to_thread(pool.close)
            await asyncio.to_thread(admission.close)

    instructions = _INSTRUCTIONS.format(", ".join(map(str, allowed.folders)))
    server: MCPServer[TranscriptionService] = MCPServer(
        "asrcli", version=__version__, instructions=instructions, lifespan=lifespan, log_level="WARNING"
    )

    @server.tool(structured_output=False)
    async def transcribe(  # noqa: PLR0917 -- clients name the arguments
        context: Context[TranscriptionService, Any],
        path: Annotated[str, Field(description="Audio or video file, absolute or relative to an allowed folder.")],
        format: Annotated[str, Field(description=f"One of {', '.join(_FORMATS)}.")] = "txt",  # noqa: A002 -- its name
        model: Annotated[str | None, Field(description="A name that the tool `models` lists.")] = None,
        language: Annotated[str | None, Field(description="ISO 639 code; by default detected.")] = None,
        diarize: Annotated[bool, Field(description="Label speakers.")] = False,
    ) -> list[str]:
        """Transcribe a recording. Warnings follow as texts of their own."""
        try:
            if format not in _FORMATS:
                raise UsageError(f"The format {format[:40]!r} is unknown.", f"Formats: {', '.join(_FORMATS)}.")
            found = await asyncio.to_thread(allowed.file, path)
            options = TranscribeOptions(
                recognition=RecognitionOptions(language=language_of(language)), speakers=SpeakerOptions(enabled=diarize)
            )
            request = TranscriptionRequest(path=found, name=found.name, model=model, options=options)
            transcript = await _transcribed(context, request)
        except UnknownModelError as error:  # its hint is for clients of HTTP
            raise ToolError(f"{error.message} The tool `models` lists those that exist.") from error
        except AsrcliError as error:
            raise ToolError(problem_of(error).message) from error
        text = await asyncio.to_thread(FORMATS[format].render, transcript, CueOptions())
        return [text, *(f"Warning: {warning}" for warning in transcript.warnings)]

    @server.tool()
    async def models(context: Context[TranscriptionService, Any]) -> list[dict[str, Any]]:
        """The installed models, the default first."""
        entries = await asyncio.to_thread(context.request_context.lifespan_context.pool.installed)
        return [
            {"name": each.name, "languages": list(each.languages), "description": each.description} for each in entries
        ]

    return server


async def _transcribed(context: Context[TranscriptionService, Any], request: TranscriptionRequest) -> Transcript:
    """The transcript; the client gets progress meanwhile."""
    progress = _Reporter(context.report_progress)
    reporting = asyncio.ensure_future(progress.run())
    try:
        service = context.request_context.lifespan_context
        transcript = await service.transcribe("mcp", replace(request, on_progress=progress.note))
    finally:
        reporting.cancel()
        await asyncio.wait({reporting})  # else its last notification could follow the one below
    await progress.finish(transcript.duration)
    return transcript


class _Reporter:
    """Sends progress while a recording is transcribed; `note` is called in a worker thread."""

    def __init__(self, report: Callable[[float, float | None], Awaitable[None]]) -> None:
        self._report = report
        self._latest: tuple[float, float | None] | None = None
        self._sent = -1.0

    def note(self, seconds: float, duration: float | None) -> None:
        self._latest = seconds, duration

    async def run(self) -> None:
        """Send the latest progress, until cancelled."""
        while True:
            if self._latest is not None:
                await self._send(*self._latest)
            await asyncio.sleep(_INTERVAL)

    async def finish(self, duration: float) -> None:
        """All of the recording is done: sent also where it took less than the interval."""
        await self._send(duration, duration)

    async def _send(self, seconds: float, duration: float | None) -> None:
        if seconds > self._sent:
            self._sent = seconds
            await self._report(seconds, duration)
