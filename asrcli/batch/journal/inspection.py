"""What a journal shows of each recording: done, failed or open."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from asrcli.batch.decision import FAILED, records_of
from asrcli.batch.inputs.paths import printable
from asrcli.batch.journal import Journal
from asrcli.batch.journal.records import OutputFile
from asrcli.storage.file_access import exists

State = Literal["done", "failed", "open"]


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One recording."""

    recording: Path
    state: State
    #: failed: the error's code; open: what is missing
    reason: str | None
    outputs: tuple[Path, ...]
    #: seconds of audio, where a result was made
    duration: float | None

    def to_dict(self) -> dict[str, Any]:
        """For `--json`; names with bytes that are no UTF-8 are made printable."""
        return {
            "recording": printable(self.recording),
            "state": self.state,
            "reason": self.reason,
            "outputs": [printable(path) for path in self.outputs],
            "duration": self.duration,
        }


def entries(journal: Journal) -> list[JournalEntry]:
    """Every recording with a result or a failure, by name. Outputs are compared with what was recorded of them; the
    recordings are not read: `asrcli transcribe --dry-run` does that.
    """
    written = {path: journal.written(path) for path in journal.outputs()}
    outputs: dict[Path, dict[Path, OutputFile]] = defaultdict(dict)
    for path, known in written.items():
        outputs[known[-1].source][path] = known[-1]
    failures = journal.failures()
    found = []
    for recording in sorted(outputs.keys() | failures.keys()):
        made = outputs.get(recording, {})
        state, reason = _state(made, written, failures.get(recording))
        last = next(reversed(made.values()), None)
        duration = None if last is None else last.duration
        found.append(JournalEntry(recording, state, reason, tuple(made), duration))
    return found


def _state(
    made: dict[Path, OutputFile], written: dict[Path, Sequence[OutputFile]], failure: tuple[str, str] | None
) -> tuple[State, str | None]:
    content, code = failure or ("", None)
    complete = [output for output in made.values() if not output.options.startswith(FAILED)]
    if code is not None and not any(output.content == content for output in complete):
        return "failed", code
    for path in made:
        if not exists(path):
            return "open", f"{printable(path.name)} is missing"
        if not records_of(path, written[path]):
            return "done", f"{printable(path.name)} was edited"
    return "done", None
