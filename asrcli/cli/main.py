"""Entry point: runs a command and turns errors and signals into messages and exit codes (`asrcli.errors.ExitCode`).

A closed pipe on stdout (`asrcli ... | head -1`) is not an error: the exit code is 0.
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import gc
import io
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from asrcli.errors import AsrcliError, ExitCode, MachineError, machine_error
from asrcli.storage.hangup import hangup_signal
from asrcli.storage.user_folders import no_home_error

if TYPE_CHECKING:
    from asrcli.cli.framework.session import CommandSession


class Terminated(BaseException):
    """SIGTERM or SIGHUP as an exception: unwinds like Ctrl-C."""


def main() -> NoReturn:
    """Entry point of the console script. The process ends without the deletion of its modules: 0.01 to 0.05 s."""
    gc.set_threshold(10_000)  # of 700, collections while modules are imported take a tenth of `--help`
    code = run(sys.argv[1:])
    if any(not thread.daemon for thread in threading.enumerate() if thread is not threading.main_thread()):
        sys.exit(code)
    atexit._run_exitfuncs()  # noqa: SLF001 -- temporary files, logs
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def run(arguments: Sequence[str]) -> int:
    """Run one command line, without the program's name; the exit code."""
    _prepare_streams()
    for number in (signal.SIGTERM, *hangup_signal()):
        signal.signal(number, _terminate)
    # Imported here: Ctrl-C during the imports reaches the handlers below.
    try:
        from asrcli.cli.framework.session import CommandSession

        session = CommandSession()
        if list(arguments[:1]) != ["transcribe"]:
            return _guarded(arguments, session)
        from asrcli.cli.request.early_engine import early_engine

        session.engine = early_engine(arguments)
        with session.engine or contextlib.nullcontext():
            return _guarded(arguments, session)
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except Terminated:
        return ExitCode.TERMINATED


def _guarded(arguments: Sequence[str], session: CommandSession) -> int:
    import typer

    from asrcli.cli.framework.app import build

    code: int | None = ExitCode.OK
    try:
        with build().make_context("asrcli", list(arguments), obj=session) as ctx:
            code = ctx.command.invoke(ctx)
        sys.stdout.flush()
    except typer.Exit as ending:
        code = ending.exit_code
    except BrokenPipeError:
        code = ExitCode.OK
    except (KeyboardInterrupt, typer.Abort):
        code = _stopped("interrupted", ExitCode.INTERRUPTED, session)
    except Terminated:
        code = _stopped("terminated", ExitCode.TERMINATED, session)
    except typer.TyperException as problem:
        code = _usage_error(problem, session)
    except Exception as error:  # noqa: BLE001 -- users see no traceback
        code = _failed(error, session)
    return _settle_stdout() or int(code or 0)


def _stopped(how: str, code: ExitCode, session: CommandSession) -> int:
    session.console.error(f"{how}.", "Finished results are kept.", code=how, exit_code=int(code))
    return code


def _failed(error: Exception, session: CommandSession) -> int:
    if session.console.debug and error.__traceback__ is not None:
        import traceback

        traceback.print_exc()
    if isinstance(error, AsrcliError):
        # What ends a command leaves none of its inputs with a result.
        code = ExitCode.ALL_FAILED if error.exit_code is ExitCode.SOME_FAILED else error.exit_code
        session.console.error(error.message, error.hint, code=error.code, exit_code=int(code))
        return code
    if known := machine_error(error) or _closed_stdout(error) or _file_error(error):
        return _failed(known, session)
    session.console.error(
        f"internal error: {type(error).__name__}: {error}",
        "Please report this"
        + (
            "."
            if session.console.debug
            else "; the same command with --debug shows the traceback that the report needs."
        ),
        code="internal",
        exit_code=int(ExitCode.SOME_FAILED),
    )
    return ExitCode.SOME_FAILED


def _closed_stdout(error: Exception) -> MachineError | None:
    """The error for a write to a stdout that the caller closed (`>&-`); None for every other error."""
    if isinstance(error, OSError) and error.errno == errno.EBADF and not error.filename:
        return MachineError("stdout is closed.", "Write to a file (-o FILE), or redirect stdout to one (> FILE).")
    return None


def _file_error(error: Exception) -> MachineError | None:
    """The error for a file or folder that the system refused; None for every other error."""
    if isinstance(error, FileNotFoundError) and not error.filename:  # of os.getcwd()
        return MachineError("the current folder has been removed.", "Change to another and run the command there.")
    if not isinstance(error, OSError) or not error.filename or not error.strerror:
        return None
    hint = "Check that it exists and that you have permission to use it."
    return no_home_error(error.filename) or MachineError(f"{error.filename}: {error.strerror}.", hint)


def _usage_error(problem: Any, session: CommandSession) -> int:
    """Report a wrong command line, with the variable or line of the config file that set the value."""
    ctx = getattr(problem, "ctx", None)
    param = getattr(problem, "param", None)
    message = _plain(problem.format_message())
    if type(problem).__name__ == "NoArgsIsHelpError":  # its message is the whole help page
        session.console.line(problem.format_message())
        return ExitCode.USAGE
    origin = session.origins.get(param.name) if param is not None else None
    if origin is not None:
        message = f"{message.rstrip('.')} (set by {origin.describe()})"
    hint = f"See '{ctx.command_path if ctx else 'asrcli'} --help'."
    if ctx is not None and ctx.parent is None:
        hint = _recording_hint(ctx) or hint
    session.console.error(message, hint, code="usage", exit_code=int(ExitCode.USAGE))
    return ExitCode.USAGE


def _recording_hint(ctx: Any) -> str:
    """What to do where a file or an address is given in place of a command; "" where it is neither."""
    import shlex

    from asrcli.cli.framework.app import COMMAND_WORD
    from asrcli.storage.places import names_place

    word = ctx.meta.get(COMMAND_WORD, "")
    if "://" in word and not (names_place(word) or word.lower().startswith(("http://", "https://"))):
        return f"Download it first, or pipe it: curl -L {shlex.quote(word)} | asrcli transcribe -"
    if word == "-" or Path(word).suffix or "/" in word or (word and Path(word).exists()):
        return f"To transcribe it: asrcli transcribe {shlex.quote(word)}"
    return ""


def _plain(message: str) -> str:
    """The message on one line, without what pydantic puts before it."""
    return " ".join(message.replace("Value error, ", "").split())


def _settle_stdout() -> int:
    """Flush stdout; if that fails, redirect it to the null device, or the interpreter reports an error at exit."""
    try:
        sys.stdout.flush()
    except OSError as error:
        with contextlib.suppress(OSError, io.UnsupportedOperation):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0 if isinstance(error, BrokenPipeError) else ExitCode.MACHINE
    return 0


def _prepare_streams() -> None:
    """Results are UTF-8 in every locale; undecodable bytes of file names are preserved.

    A stream that the caller closed (`2>&-`) is opened on the null device: otherwise the next opened file would get its
    descriptor, and messages would be written to that file. On stdout each write then fails: its results would be lost.
    """
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass  # the lowest free descriptor is that of a closed stream
    os.close(number)
    sys.stdout = sys.stdout or os.fdopen(os.open(os.devnull, os.O_RDONLY), "w", encoding="utf-8")
    sys.stderr = sys.stderr or Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 -- stays open
    for stream, errors in ((sys.stdout, "surrogateescape"), (sys.stderr, "backslashreplace")):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors=errors)


def _terminate(_number: int, _frame: object) -> NoReturn:
    raise Terminated
