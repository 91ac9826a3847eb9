"""What a worker does with one input: claim, decide, transcribe, write, report."""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Semaphore

from asrcli.audio.types import Source
from asrcli.batch.cache_key import CacheKey
from asrcli.batch.decision import EXPLANATIONS, FAILED, Decision, Existing, decide, named_before
from asrcli.batch.events import FileDone, FileDownload, FileFailed, FileSkipped, FileStarted, Notice
from asrcli.batch.inputs.addresses import Address, fetched, guard_of
from asrcli.batch.inputs.paths import printable
from asrcli.batch.journal import Journal
from asrcli.batch.journal.pool import JournalPool
from asrcli.batch.naming import awaits_language, free_names, with_language
from asrcli.batch.progress_listener import Outcome, Post, ProgressListener, Reading
from asrcli.batch.recording import Item, opened
from asrcli.batch.results import ItemResult, LocalResult, ResultLostError
from asrcli.batch.results.growing_result import KIND, GrowingResult, read_growing
from asrcli.batch.results.processing import Processing, produce, rendered
from asrcli.batch.schedule import Schedule
from asrcli.batch.stop_signal import DroppedError, StopSignal
from asrcli.errors import (
    AsrcliError,
    ClusterError,
    DeviceError,
    DiskFullError,
    EmptyInputError,
    LanguageNotSupportedError,
    MissingExtraError,
    ModelError,
    OptionNotSupportedError,
    OutputError,
    StoreError,
    WarningsError,
    machine_error,
)
from asrcli.storage.atomic import check_writable, hidden_files, read_stale, remove_stale_temporaries
from asrcli.storage.file_access import exists
from asrcli.storage.places import is_stored
from asrcli.transcript import failing_warnings

#: errors that every other input would meet, too
_FATAL = (
    ClusterError,
    DeviceError,
    DiskFullError,
    ModelError,
    MissingExtraError,
    LanguageNotSupportedError,
    OptionNotSupportedError,
    StoreError,
)
#: recordings that are fetched at a time
_MOST_DOWNLOADS = 2
#: seconds between two checks of an input that another process works on
_CLAIM_EVERY = 0.5
#: why a format of an input has no result
_BLOCKED = "not written: the file of that name is not known to be ours (--overwrite replaces it)"


class Worker:
    """Takes inputs from the schedule until there are none. One object serves all worker threads."""

    def __init__(
        self, work: Processing, journals: JournalPool, schedule: Schedule, stop: StopSignal, post: Post, *, readers: int
    ) -> None:
        self._work = work
        self._places = Semaphore(readers)
        self._downloads = Semaphore(_MOST_DOWNLOADS)
        self._journals = journals
        self._schedule = schedule
        self._stop = stop
        self._post = post
        self._cleaned: set[Path] = set()

    def run(self) -> None:
        while (taken := self._schedule.next(self._stop.requested)) is not None:
            item, deferred = taken
            try:
                dropped = self._stop.ending and not item.stream
                outcome = Outcome(item, None) if dropped else self._handle(item, wait=deferred)
            except ResultLostError:
                self._schedule.defer(item)
                continue
            except Exception as error:  # noqa: BLE001 -- one input's failure, of whatever kind, is a value
                outcome = self._failed(item, error)
            if outcome is not None:
                self._post(outcome)

    def _failed(self, item: Item, error: Exception) -> Outcome | None:
        if isinstance(error, BrokenPipeError):
            self._stop.broken_pipe = error
            self._stop.request()
        if self._stop.requested():
            return None  # the cancellation caused the error
        if self._stop.ending and (not item.stream or isinstance(error, EmptyInputError)):
            return Outcome(item, None)
        known = as_asrcli_error(item.source.name, error)
        if isinstance(known, _FATAL):
            self._stop.request(known)
        return Outcome(item, FileFailed(item.index, item.source.name, known))

    def _handle(self, item: Item, *, wait: bool) -> Outcome | None:
        with self._journals.use(item.journal) as journal, self._claim(item, journal, wait=wait) as claimed:
            if not claimed:
                self._schedule.defer(item)
                return None
            if journal is not None:
                journal.refresh()
            self._clean(item)
            with self._fetched(item, journal) as ready:
                return self._decide(ready, journal)

    def _decide(self, item: Item, journal: Journal | None) -> Outcome | None:
        if self._work.skip_if and item.stream:
            self._post(Notice(f"{item.source.name}: --skip-if looks into files; this is a stream, and is transcribed."))
        named = named_before(item, journal, self._work.existing)
        decision = decide(named, journal, self._work.recipe, self._work.existing, self._work.skip_if)
        return self._skipped(named, journal, decision) if decision.skip else self._attempt(item, journal, decision)

    def _skipped(self, item: Item, journal: Journal | None, decision: Decision) -> Outcome:
        if journal is not None and decision.recording is not None:
            if not decision.blocked and journal.on_done_pending(decision.recording):
                self._run_on_done(item, journal, decision)
            journal.remember(decision.recording)
        explanation = EXPLANATIONS[decision.reason]
        name, reason = item.source.name, decision.reason
        event = FileSkipped(item.index, name, reason, explanation, decision.duration, decision.warnings)
        return Outcome(item, event)

    @contextlib.contextmanager
    def _fetched(self, item: Item, journal: Journal | None) -> Iterator[Item]:
        """The input, its bytes fetched to a temporary file where it is an address."""
        if item.address is None or self._is_kept(item, journal) or self._is_current(item, item.address, journal):
            yield item
            return

        def progress(done: int, total: int | None) -> None:
            self._post(FileDownload(item.index, item.source.name, done, total))

        def cancelled() -> bool:
            return self._stop.requested() or self._stop.ending

        with contextlib.ExitStack() as stack:
            with Reading(self._downloads, self._stop):
                guard = guard_of(self._work.fetch_networks)
                path, address = stack.enter_context(fetched(item.address, guard, cancelled, progress))
            yield replace(item, source=replace(item.source, path=path, untrusted=True), address=address)

    def _is_kept(self, item: Item, journal: Journal | None) -> bool:
        existing = self._work.existing
        outputs = named_before(item, journal, existing).outputs.values()
        return existing is Existing.SKIP and bool(outputs) and all(map(exists, outputs))

    def _is_current(self, item: Item, address: Address, journal: Journal | None) -> bool:
        """Whether an address has all its results, and its server has what they were made from."""
        from asrcli.storage.fetch import version_of

        named = named_before(item, journal, self._work.existing)
        decision = decide(named, journal, self._work.recipe, self._work.existing)
        if not decision.skip or decision.recording is None or not decision.recording.version:
            return False
        with Reading(self._downloads, self._stop):
            return decision.recording.version == version_of(address.url, guard_of(self._work.fetch_networks))

    @contextlib.contextmanager
    def _claim(self, item: Item, journal: Journal | None, *, wait: bool) -> Iterator[bool]:
        """Keep other processes from the same work; with `wait`, until the other one is done with it."""
        if journal is None:
            yield True
            return
        output = next(iter(item.outputs.values()))
        claimed = journal.claim(output)
        if wait and not claimed:
            self._post(Notice(f"{item.source.name}: another asrcli works on it; waiting."))
            while not claimed:
                if self._stop.wait(_CLAIM_EVERY):
                    raise DroppedError
                claimed = journal.claim(output)
        try:
            yield claimed
        finally:
            if claimed:
                journal.release(output)

    def _clean(self, item: Item) -> None:
        """Clear away what killed runs left in the folders of an input's outputs, once for each folder."""
        for folder in {path.parent for path in item.outputs.values()} - self._cleaned:
            self._cleaned.add(folder)
            remove_stale_temporaries(folder)
            for path in hidden_files(folder, KIND):
                try:
                    read_stale(path, partial(self._recover, folder))
                except AsrcliError as error:
                    name = printable(path)
                    self._post(Notice(f"{name}: the text of a run that was killed, which cannot be written: {error}"))

    def _recover(self, folder: Path, handle: int) -> None:
        """Write the results of a stream whose program was killed."""
        names, transcript = read_growing(folder, handle)
        if not transcript.segments:
            return
        source = Source(transcript.source)
        item = Item(-1, source, names)
        recovered = Decision("new", free_names(names), fresh=True)
        with rendered(self._work, item, transcript, names) as result:
            outputs = self._write(item, None, self._work.recipe, recovered, result)
        where = ", ".join(map(printable, outputs.values()))
        self._post(Notice(f"{transcript.source}: the text of a run that was killed is in {where}."))

    def _attempt(self, item: Item, journal: Journal | None, decision: Decision) -> Outcome | None:
        """Transcribe; a failure is recorded for `asrcli journal show`."""
        try:
            outcome: Outcome | None = self._transcribe(item, journal, decision)
        except ResultLostError:
            raise  # `run` gives the input to others when its claim is released
        except Exception as error:  # noqa: BLE001 -- as in `run`
            outcome = self._failed(item, error)
        failure = outcome.event if outcome is not None else None
        if isinstance(failure, FileFailed) and not isinstance(failure.error, _FATAL):
            self._record_failure(journal, decision, failure.error)
        return outcome

    def _record_failure(self, journal: Journal | None, decision: Decision, error: AsrcliError) -> None:
        if journal is not None and decision.recording is not None:
            with contextlib.suppress(AsrcliError):  # the failure itself is what is reported
                journal.record_failure(decision.recording, error.code)

    def _transcribe(self, item: Item, journal: Journal | None, decision: Decision) -> Outcome:
        for path in decision.make.values():
            check_writable(path)
        with Reading(self._places, self._stop) as reading:
            return self._transcribe_in_place(item, journal, decision, reading)

    def _transcribe_in_place(
        self, item: Item, journal: Journal | None, decision: Decision, reading: Reading
    ) -> Outcome:
        name = item.source.name
        self._post(FileStarted(item.index, name, decision.reason, item.estimate))
        for suffix in decision.edited:
            self._post(Notice(f"{name}: {suffix} was edited since it was written, and is kept (see --overwrite)."))
        started = time.monotonic()
        with self._result(item, decision, reading) as result:
            facts = result.facts
            if awaits_language(item.outputs):
                item = replace(item, outputs=with_language(item.outputs, facts.language))
                decision = decide(item, journal, self._work.recipe, self._work.existing)
                if decision.skip:
                    return self._skipped(item, journal, decision)
            failing = failing_warnings(facts.warnings, self._work.fail_on)
            outputs = decision.make
            if item.stdout is None:
                recipe = item.recipe_of(self._work.recipe)
                recipe = replace(recipe, options=FAILED + recipe.options) if failing else recipe
                with self._rescued(item, decision, result):
                    outputs = self._write(item, journal, recipe, decision, result)
        if failing:
            error = WarningsError(f"{name}: {'; '.join(failing)}.", "Its text is written all the same (--fail-on).")
            return Outcome(item, FileFailed(item.index, name, error), facts.text)
        if not decision.blocked:
            self._run_on_done(item, journal, decision)
        event = FileDone(
            index=item.index,
            name=name,
            outputs=outputs,
            duration=facts.duration,
            wall=time.monotonic() - started,
            language=facts.language,
            segments=facts.segments,
            warnings=(*facts.warnings, *(f"{suffix}: {_BLOCKED}" for suffix in decision.blocked)),
            gaps=facts.gaps,
            blocked=decision.blocked,
        )
        return Outcome(item, event, facts.text)

    def _result(self, item: Item, decision: Decision, reading: Reading) -> ItemResult:
        writer = self._work.stream_writer(item.stdout) if item.stream and item.stdout is not None else None
        grows = item.stream and decision.make and not any(map(is_stored, decision.make.values()))
        growing = GrowingResult(item.source.name, decision.make, partial(self._not_saved, item)) if grows else None
        listener = ProgressListener(item, self._post, self._stop, reading, writer, growing, self._work.partial)
        if self._work.remote is not None:
            return self._work.remote(item, decision, listener)
        live = writer is not None or (growing is not None and self._work.live)
        with opened(item, self._stop, live=live) as ready, growing or contextlib.nullcontext():
            # Which outputs are made may change with the language that is detected.
            formats = item.outputs if awaits_language(item.outputs) else decision.make
            result = produce(self._work, ready, decision.recording, formats, listener)
        result.growing = growing
        return result

    def _not_saved(self, item: Item, error: OSError) -> None:
        now = "its text is not saved while it grows, and a kill would lose it"
        self._post(Notice(f"{item.source.name}: {error.strerror}: {now}."))

    @contextlib.contextmanager
    def _rescued(self, item: Item, decision: Decision, result: ItemResult) -> Iterator[None]:
        """The text of a stream that cannot be written where it belongs goes to a temporary folder: a stream cannot be
        read again.
        """
        try:
            yield
        except (DiskFullError, OutputError, StoreError) as error:
            folder = result.rescue(decision.make) if item.stream and isinstance(result, LocalResult) else None
            if folder is None:
                raise
            raise type(error)(f"{error.message} Its text is in {folder}.", "Move it from there.") from error

    def _run_on_done(self, item: Item, journal: Journal | None, decision: Decision) -> None:
        if self._work.on_done is not None:
            self._work.on_done(item, self._stop.requested)
            if journal is not None and decision.recording is not None:
                journal.on_done_finished(decision.recording)

    def _write(
        self, item: Item, journal: Journal | None, recipe: CacheKey, decision: Decision, result: ItemResult
    ) -> dict[str, Path]:
        """Write the outputs; return their names, which differ from the planned ones where those are taken by now."""
        names = decision.make
        while True:
            made = result.stage(names)
            with self._stop.gate():
                if journal is not None and decision.recording is not None:
                    facts, due = result.facts, self._work.on_done is not None
                    journal.record(
                        decision.recording, recipe, facts.duration, made, warnings=facts.warnings, on_done=due
                    )
                with contextlib.suppress(FileExistsError):
                    result.commit(new=decision.fresh)
                    return names
            names = free_names(item.outputs)


def as_asrcli_error(name: str, error: Exception) -> AsrcliError:
    """An exception of any kind as an error with a message; `name`: of the input."""
    if isinstance(error, AsrcliError):
        return error
    if exhausted := machine_error(error):
        return exhausted
    wrapped = AsrcliError(
        f"{name}: internal error: {type(error).__name__}: {error}",
        "Please report this; the same command with --debug shows the traceback that the report needs.",
    )
    wrapped.__cause__ = error
    return wrapped
