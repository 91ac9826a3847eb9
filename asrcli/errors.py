"""The errors that users can meet: exit code, stable code for programs, message, hint.

Exit codes (README, man page)::

    0 all done                                 3 every input failed
    1 some inputs failed or have no result     4 a model is not available
    2 usage                                    5 the machine lacks something (ffmpeg, disk space)
    130 interrupted                            143 terminated
"""

from __future__ import annotations

import errno
import re
from enum import IntEnum


class ExitCode(IntEnum):
    """Exit status of the process."""

    OK = 0
    SOME_FAILED = 1
    USAGE = 2
    ALL_FAILED = 3
    MODEL = 4
    MACHINE = 5
    INTERRUPTED = 130
    TERMINATED = 143


class AsrcliError(Exception):
    """Root of the tree.

    Attributes:
        message: what went wrong, in one sentence.
        hint: what the user can do about it; "" if the message suffices.
    """

    exit_code: ExitCode = ExitCode.SOME_FAILED
    #: A stable word for JSON reports, journals and server replies.
    code: str = "error"

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".rstrip()

    def __reduce__(self) -> tuple[type[AsrcliError], tuple[str, str]]:
        # Errors are sent from the engine process to the parent; the default would lose the hint.
        return type(self), (self.message, self.hint)


class UsageError(AsrcliError):
    """The request is not valid: a bad option, or options that exclude each other."""

    exit_code = ExitCode.USAGE
    code = "usage"


class InputError(AsrcliError):
    """One input cannot be transcribed; the others can."""

    code = "input"


class AudioDecodeError(InputError):
    """The bytes are not audio that can be decoded."""

    code = "undecodable"


class EmptyInputError(InputError):
    """No audio: zero bytes, a header only, no audio track."""

    code = "empty"


class InputChangedError(InputError):
    """The file vanished or changed while it was read."""

    code = "changed"


class InputUnreadableError(InputError):
    """The file cannot be opened: missing, no permission, a folder."""

    code = "unreadable"


class FetchError(InputError):
    """The recording at an address cannot be fetched."""

    code = "fetch"


class FetchForbiddenError(FetchError):
    """The address is in a network that is not public, and that is not allowed."""

    code = "fetch-forbidden"


class FetchSizeError(FetchError):
    """The recording at an address is larger than the limit."""

    code = "fetch-size"


class FetchTimeoutError(FetchError):
    """The recording at an address was not received in the time allowed."""

    code = "fetch-timeout"


class SpokenLanguageError(InputError):
    """The language spoken in an input is not supported by the model."""

    code = "spoken-language"


class CancelledError(AsrcliError):
    """The input was cancelled; it has no result."""

    code = "cancelled"


class LanguageNotSupportedError(UsageError):
    """The model does not support the language that was asked for."""

    code = "language"


class OptionNotSupportedError(UsageError):
    """The model or backend does not support an option (hotwords, ITN, rule FSTs, ...)."""

    code = "unsupported"


class EngineError(AsrcliError):
    """The engine refused or failed at one chunk."""

    code = "engine"


class EngineCrashError(EngineError):
    """The engine process died twice at the same chunk."""

    code = "engine-crash"


class EngineClosedError(EngineError):
    """The engine or the connection to a server was closed, or the job was cancelled; nothing more is recognised."""

    code = "engine-closed"


class StreamLostError(EngineError):
    """A live stream was lost when its engine process ended; its owner opens another."""

    code = "stream-lost"


class ModelError(AsrcliError):
    """A model is not available: unknown, not installed while offline, a failed or tampered download."""

    exit_code = ExitCode.MODEL
    code = "model"


class ModelNotInstalledError(ModelError):
    """The model is known but its files are not on this machine."""

    code = "model-missing"


class UnknownModelError(ModelError):
    """No registry entry and no path has that name."""

    code = "model-unknown"


class RemoteUnavailableError(ModelError):
    """The remote server cannot be reached or refuses every request: no input can be recognised."""

    code = "remote"


class DownloadError(ModelError):
    """A download was interrupted, or does not match its checksum."""

    code = "download"


class WarningsError(AsrcliError):
    """An input has warnings that were asked to fail it (`--fail-on`)."""

    code = "warnings"


class OnDoneError(AsrcliError):
    """The command of `--on-done` failed on a finished input."""

    code = "on-done"


class MachineError(AsrcliError):
    """The machine lacks something."""

    exit_code = ExitCode.MACHINE
    code = "machine"


class FfmpegMissingError(MachineError):
    """No ffmpeg program on PATH and none from imageio-ffmpeg."""

    code = "ffmpeg"


class MissingExtraError(MachineError):
    """An optional Python package is not installed."""

    code = "extra"


class ClusterError(MachineError):
    """No Ray cluster answers, or none of its nodes can be used."""

    code = "cluster"


class DiskFullError(MachineError):
    """No space left where a result, a model or a journal is written."""

    code = "disk-full"


class OutputError(MachineError):
    """A result cannot be written: no permission, a missing or read-only folder."""

    code = "output"


def machine_error(error: BaseException) -> MachineError | None:
    """Map the exhaustion of a resource (memory, threads, open files, disk space) to MachineError.

    None for every other error.
    """
    number = error.errno if isinstance(error, OSError) else None
    if isinstance(error, MemoryError) or (number is None and _NO_MEMORY.search(str(error))):
        number = errno.ENOMEM
    elif isinstance(error, RuntimeError) and "can't start new thread" in str(error):
        number = errno.EAGAIN
    if number in {errno.ENOSPC, errno.EDQUOT}:
        return DiskFullError(
            "No space left on the disk.",
            "Free some space, also where temporary files are (TMPDIR), then run the same command again.",
        )
    if number == errno.ENOENT and "temporary directory" in str(error):  # of the module tempfile
        return MachineError("No temporary folder can be written.", "Set TMPDIR to a folder that can be written.")
    message, hint = _EXHAUSTED.get(number or 0, ("", ""))
    return MachineError(message, hint) if message else None


#: how libraries and the system's loader report it
_NO_MEMORY = re.compile(
    r"bad_alloc|cannot allocate memory(?! in static)|failed to (map segment|allocate memory|serialize proto)",
    re.IGNORECASE,
)
_EXHAUSTED = {
    errno.ENOMEM: ("There is not enough memory.", "Use fewer --jobs or a smaller model, or raise the limit."),
    errno.EAGAIN: (
        "The system starts no more threads or processes.",
        "Use fewer --jobs, or raise the limit (ulimit -u, -v).",
    ),
    errno.EMFILE: ("Too many files are open.", "Use fewer --jobs, or raise the limit (ulimit -n)."),
    errno.ENFILE: ("Too many files are open on this machine.", "Use fewer --jobs, or raise the limit (fs.file-max)."),
    errno.EFBIG: ("A file would exceed the limit on file sizes.", "Raise it: ulimit -f unlimited"),
}
