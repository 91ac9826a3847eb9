"""How a batch ended: counts, speed, exit code."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from asrcli.errors import AsrcliError, ExitCode, WarningsError

#: failures that a summary lists; the rest is counted (each was an event of its own)
MAX_FAILURES = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The end of a batch. Times in seconds."""

    #: inputs, those included that could not be planned
    total: int
    done: int
    skipped: int
    failed: int
    #: inputs, skipped or done, of which a result is missing, as a file that is not ours has its name
    without_result: int = 0
    #: audio that was transcribed now, skipped files not counted
    audio_seconds: float
    #: spans with speech that could not be recognised, in all results
    gaps: int = 0
    #: inputs, skipped or done, whose result has warnings
    with_warnings: int = 0
    wall_seconds: float
    exit_code: ExitCode
    #: what ended the batch early, if something did
    error: AsrcliError | None = None
    #: (input, error), at most `MAX_FAILURES`
    failures: tuple[tuple[str, AsrcliError], ...] = ()
    #: whether running the same command again transcribes everything that is missing: not so for a stream
    resumable: bool = True

    @property
    def dropped(self) -> int:
        """Inputs that were not done because the batch ended early."""
        return self.total - self.done - self.skipped - self.failed

    @property
    def speed(self) -> float:
        """Seconds of audio a second; 0 where nothing was done."""
        return self.audio_seconds / self.wall_seconds if self.wall_seconds > 0 else 0.0

    def to_dict(self) -> dict[str, Any]:
        return {
            "total": self.total,
            "done": self.done,
            "skipped": self.skipped,
            "failed": self.failed,
            "without_result": self.without_result,
            "dropped": self.dropped,
            "gaps": self.gaps,
            "with_warnings": self.with_warnings,
            "audio_seconds": round(self.audio_seconds, 3),
            "wall_seconds": round(self.wall_seconds, 3),
            "speed": round(self.speed, 2),
            "exit_code": int(self.exit_code),
            "error": None if self.error is None else error_dict(self.error),
            "failures": [{"name": name, "error": error_dict(error)} for name, error in self.failures],
        }


def error_dict(error: AsrcliError) -> dict[str, Any]:
    return {"code": error.code, "message": error.message, "hint": error.hint}


class SummaryBuilder:
    """Counts while the batch runs."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._done = 0
        self._skipped = 0
        self._failed = 0
        self._without_result = 0
        self._audio = 0.0
        self._gaps = self._with_warnings = 0
        self._warned = 0
        self._failures: list[tuple[str, AsrcliError]] = []
        self._codes: set[ExitCode] = set()

    @property
    def unfinished(self) -> int:
        return self._total - self._done - self._skipped - self._failed

    def added(self, count: int) -> None:
        """Further inputs."""
        self._total += count

    def done(self, audio_seconds: float, gaps: int = 0, *, complete: bool = True, warned: bool = False) -> None:
        self._done += 1
        self._gaps += gaps
        self._with_warnings += warned
        self._audio += audio_seconds
        self._without_result += not complete

    def skipped(self, *, complete: bool = True, warned: bool = False) -> None:
        self._skipped += 1
        self._with_warnings += warned
        self._without_result += not complete

    def failed(self, name: str, error: AsrcliError) -> None:
        self._failed += 1
        self._warned += isinstance(error, WarningsError)
        self._codes.add(error.exit_code)
        if len(self._failures) < MAX_FAILURES:
            self._failures.append((name, error))

    def summary(
        self, wall_seconds: float, error: AsrcliError | None, interrupted: ExitCode | None, *, resumable: bool = True
    ) -> Summary:
        """The summary of a batch that took `wall_seconds`, was ended by `error` or, with exit code `interrupted`, by a
        signal.
        """
        return Summary(
            total=self._total,
            done=self._done,
            skipped=self._skipped,
            failed=self._failed,
            without_result=self._without_result,
            audio_seconds=self._audio,
            gaps=self._gaps,
            with_warnings=self._with_warnings,
            wall_seconds=wall_seconds,
            exit_code=self._exit_code(error, interrupted),
            error=error,
            failures=tuple(self._failures),
            resumable=resumable,
        )

    def _exit_code(self, error: AsrcliError | None, interrupted: ExitCode | None) -> ExitCode:
        if interrupted is not None:
            return interrupted
        if error is not None:
            return error.exit_code
        if not self._failed:
            return ExitCode.SOME_FAILED if self._without_result else ExitCode.OK
        # An input that only its warnings fail has a result.
        if self._failed < self._total or self._warned:
            return ExitCode.SOME_FAILED
        return _common(tuple(self._codes))


def _common(codes: Sequence[ExitCode]) -> ExitCode:
    """Every input failed; the reason's own exit code if there is only one (no ffmpeg, no permission)."""
    return codes[0] if len(codes) == 1 and codes[0] is not ExitCode.SOME_FAILED else ExitCode.ALL_FAILED
