"""`--dry-run`: what a run would do, without doing it. Nothing is written, not even an empty journal."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from asrcli.audio.types import AudioInfo, Source
from asrcli.batch.cache_key import CacheKey
from asrcli.batch.decision import EXPLANATIONS, Decision, Existing, Reason, SkipRule, decide, named_before
from asrcli.batch.inputs.paths import printable
from asrcli.batch.journal.pool import JournalPool
from asrcli.batch.naming import DETECTED
from asrcli.batch.plan import Plan
from asrcli.batch.recording import Item
from asrcli.batch.summary import error_dict
from asrcli.errors import AsrcliError, EmptyInputError
from asrcli.storage.places import is_stored


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What would happen to one input."""

    name: str
    #: "transcribe", "skip" or "fail"
    action: str
    #: None for a failure
    reason: Reason | None = None
    #: outputs that would be written, or that are there where it is skipped; empty for stdout
    outputs: tuple[str, ...] = ()
    #: seconds; None where it cannot be known before it is decoded
    duration: float | None = None
    error: AsrcliError | None = None
    #: false where a result would be missing, as a file that is not ours has its name
    complete: bool = True

    @property
    def explanation(self) -> str:
        if self.error is not None:
            return str(self.error)
        return EXPLANATIONS[self.reason] if self.reason else ""

    def to_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "action": self.action,
            "reason": self.reason,
            "explanation": self.explanation,
            "outputs": list(self.outputs),
            "duration": self.duration,
            "error": None if self.error is None else error_dict(self.error),
        }


def dry_run(
    plan: Plan,
    recipe: CacheKey,
    *,
    existing: Existing = Existing.JOURNAL,
    skip_if: Sequence[SkipRule] = (),
    probe: Callable[[Source], AudioInfo],
) -> Iterator[Row]:
    """Yield a row for each input, those that would be transcribed with their lengths. An `AsrcliError` of `probe`
    (`asrcli.audio.probe`) becomes a row that fails. Streams are not probed, as that would consume them.
    """
    for problem in plan.problems:
        yield Row(name=problem.name, action="fail", error=problem.error)
    journals = JournalPool(read_only=True)
    try:
        for item in plan.items:
            yield _row(
                item, journals, partial(decide, recipe=recipe, existing=existing, skip_if=skip_if), existing, probe
            )
    finally:
        journals.close()


def _row(
    item: Item,
    journals: JournalPool,
    judge: Callable[..., Decision],
    existing: Existing,
    probe: Callable[[Source], AudioInfo],
) -> Row:
    try:
        with journals.use(item.journal) as journal:
            item = named_before(item, journal, existing)
            decision = judge(item, journal)
        duration = decision.duration
        path = item.source.path
        if duration is None and not (decision.skip or path is None or item.stream or is_stored(path)):
            duration = probe(item.source).duration
            if duration == 0:
                raise EmptyInputError("The file holds no audio, only a header.", "Record or export it again.")
    except AsrcliError as error:
        return Row(name=item.source.name, action="fail", error=error)
    outputs = item.outputs if decision.skip else decision.make
    return Row(
        name=item.source.name,
        action="skip" if decision.skip else "transcribe",
        reason=decision.reason,
        outputs=tuple(printable(path).replace(DETECTED, "{language}") for path in outputs.values()),
        duration=duration,
        complete=not decision.blocked,
    )
