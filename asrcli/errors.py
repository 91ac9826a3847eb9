"""The errors that users can meet: exit code, stable code for programs, message, hint.

Exit codes (README, man page)::

    0 all done                                 3 every input failed, not all for the reason of 4 or 5
    1 some inputs failed or have no result     4 a model is not available
    2 usage                                    5 the machine lacks something (ffmpeg, disk space)
    130 interrupted                            143 terminated
"""

import errno
import re
from enum import IntEnum
from typing import Self


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

    def __init_subclass__(cls, *, code: str = "", exit_code: ExitCode | None = None) -> None:
        cls.code = code or cls.code
        cls.exit_code = exit_code or cls.exit_code

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".rstrip()

    def __reduce__(self) -> tuple[type[Self], tuple[str, str]]:
        # Errors are sent from the engine process to the parent; the default would lose the hint.
        return type(self), (self.message, self.hint)


class UsageError(AsrcliError, code="usage", exit_code=ExitCode.USAGE):
    """The request is not valid: a bad option, or options that exclude each other."""


class InputError(AsrcliError, code="input"):
    """One input cannot be transcribed; the others can."""


class AudioDecodeError(InputError, code="undecodable"):
    """The bytes are not audio that can be decoded."""


class EmptyInputError(InputError, code="empty"):
    """No audio: zero bytes, a header only, no audio track."""


class InputChangedError(InputError, code="changed"):
    """The file vanished or changed while it was read."""


class InputUnreadableError(InputError, code="unreadable"):
    """The file cannot be opened: missing, no permission, a folder."""


class FetchError(InputError, code="fetch"):
    """The recording at an address cannot be fetched.

    Attributes:
        param: the field of a request that held the address; None: not of a request.
    """

    param: str | None = None


class FetchForbiddenError(FetchError, code="fetch-forbidden"):
    """The address is in a network that is not public, and that is not allowed."""


class FetchSizeError(FetchError, code="fetch-size"):
    """The recording at an address is larger than the limit."""


class FetchTimeoutError(FetchError, code="fetch-timeout"):
    """The recording at an address was not received in the time allowed."""


class SpokenLanguageError(InputError, code="spoken-language"):
    """The language spoken in an input is not supported by the model."""


class CancelledError(AsrcliError, code="cancelled"):
    """The input was cancelled; it has no result."""


class LanguageNotSupportedError(UsageError, code="language"):
    """The model does not support the language that was asked for."""


class OptionNotSupportedError(UsageError, code="unsupported"):
    """The model or backend does not support an option (hotwords, ITN, rule FSTs, ...)."""


class EngineError(AsrcliError, code="engine"):
    """The engine refused or failed at one chunk."""


class EngineCrashError(EngineError, code="engine-crash"):
    """The engine process died twice at the same chunk."""


class EngineMemoryError(EngineError, code="engine-memory", exit_code=ExitCode.MACHINE):
    """The machine, or its device, lacks memory or another resource for one chunk."""


class EngineClosedError(EngineError, code="engine-closed"):
    """The engine or the connection to a server was closed, or the job was cancelled; nothing more is recognised."""


class StreamLostError(EngineError, code="stream-lost"):
    """A live stream was lost when its engine process ended; its owner opens another."""


class ModelError(AsrcliError, code="model", exit_code=ExitCode.MODEL):
    """A model is not available: unknown, not installed while offline, a failed or tampered download."""


class ModelCrashError(ModelError, EngineCrashError, code="model-crash"):
    """A model ended the engine process at each of several chunks, and returned no result: it is not tried further."""


class ModelNotInstalledError(ModelError, code="model-missing"):
    """The model is known but its files are not on this machine."""


class UnknownModelError(ModelError, code="model-unknown"):
    """No registry entry and no path has that name."""


class RemoteUnavailableError(ModelError, code="remote"):
    """The remote server cannot be reached or refuses every request: no input can be recognised."""


class DownloadError(ModelError, code="download"):
    """A download was interrupted, or does not match its checksum."""


class WarningsError(AsrcliError, code="warnings"):
    """An input has warnings that were asked to fail it (`--fail-on`)."""


class OnDoneError(AsrcliError, code="on-done"):
    """The command of `--on-done` failed on a finished input."""


class MachineError(AsrcliError, code="machine", exit_code=ExitCode.MACHINE):
    """The machine lacks something."""


class FfmpegMissingError(MachineError, code="ffmpeg"):
    """No ffmpeg program on PATH and none from imageio-ffmpeg."""


class MissingExtraError(MachineError, code="extra"):
    """An optional Python package is not installed."""


class DeviceError(MachineError, code="device"):
    """An engine does not find the device that was asked for."""


class ClusterError(MachineError, code="cluster"):
    """No Ray cluster answers, or none of its nodes can be used."""


class DiskFullError(MachineError, code="disk-full"):
    """No space left where a result, a model or a journal is written."""


class OutputError(MachineError, code="output"):
    """A result cannot be written: no permission, a missing or read-only folder."""


class StoreError(OutputError, code="store"):
    """An object store or an SFTP server, where results go, refuses them or does not answer."""


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


def open_limit_error(error: OSError | ValueError) -> MachineError | None:
    """The error for a file that this machine's limits keep from being opened; None: the reason is another one."""
    return machine_error(error) if getattr(error, "errno", None) in _LIMITS_OF_OPEN else None


_LIMITS_OF_OPEN = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})

#: how libraries and the system's loader report it
_NO_MEMORY = re.compile(
    r"bad_alloc|cannot allocate memory(?! in static)|failed to (map segment|allocate memory|serialize proto)"
    r"|memory allocation (still )?failed",
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
