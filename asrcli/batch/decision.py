"""What is left to do for one input, and why.

A missing output is made. An output that the journal has recorded is made again when the recording, the model or the
options have changed. Any other file (not recorded, or edited since) is kept unless `--overwrite` is given, so subtitles
that were corrected by hand survive a nightly run.
"""

import contextlib
import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Literal

from asrcli.batch.cache_key import CacheKey
from asrcli.batch.inputs.paths import printable, unreadable
from asrcli.batch.journal import Journal
from asrcli.batch.journal.records import OutputFile
from asrcli.batch.naming import awaits_language, fold, free_names, language_in, real_place, with_language
from asrcli.batch.recording import FileStamp, Item, Recording, hash_file, stored_recording
from asrcli.errors import OptionNotSupportedError, OutputError, UsageError
from asrcli.language_codes import language_code
from asrcli.storage.atomic import is_regular_target
from asrcli.storage.file_access import exists, names_in, size_of
from asrcli.storage.places import is_stored

#: why an input is transcribed or skipped; stable words for JSON
Reason = Literal[
    "new", "missing", "changed", "model", "options", "overwrite",  # transcribed
    "done", "kept", "exists", "edited", "other", "subtitles", "audio",  # skipped
]  # fmt: skip

EXPLANATIONS: dict[Reason, str] = {
    "new": "not transcribed yet",
    "missing": "an output is missing",
    "changed": "the recording has changed",
    "model": "made with another model",
    "options": "made with other options",
    "overwrite": "--overwrite",
    "done": "done already",
    "kept": "the output exists (--skip-existing)",
    "exists": "the output exists and is not known to be ours (--overwrite replaces it)",
    "edited": "the output was edited since it was written (--overwrite replaces it)",
    "subtitles": "it has subtitles (--skip-if)",
    "audio": "it has an audio track in that language (--skip-if)",
    "other": "the output was made from another recording (--overwrite replaces it)",
}

#: of several outputs' reasons, the one that is reported
_PRECEDENCE: tuple[Reason, ...] = (
    "overwrite", "changed", "model", "options", "new", "missing", "other", "exists", "edited", "kept", "done",
)  # fmt: skip
#: skipped although there is no result of this input: the batch has not done what was asked for
SKIPPED_WITHOUT_RESULT: frozenset[Reason] = frozenset({"exists", "other"})
#: before the options of outputs that `--fail-on` rejects, so that the next run makes them again
FAILED = "failed "
_TO_MAKE: frozenset[Reason] = frozenset({"new", "missing", "changed", "model", "options", "overwrite"})


#: suffixes of side-car files with subtitles -> what each of their cues has, lower case
_SUBTITLES = {
    ".srt": b"-->", ".vtt": b"-->", ".ass": b"dialogue:", ".ssa": b"dialogue:", ".sub": b"", ".smi": b"<sync",
    ".ttml": b"begin=",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class SkipRule:
    """`--skip-if`: recordings that need no transcript."""

    kind: Literal["subtitles", "audio"]
    #: None: of any language
    language: str | None = None

    def applies(self, path: Path, own: Collection[Path]) -> bool:
        """Whether a recording has such a track, or subtitles in a file beside it that is not in `own`. Raises
        FfmpegMissingError or AudioDecodeError: its tracks cannot be listed.
        """
        from asrcli.audio.ffmpeg.tracks import track_languages

        if self.kind == "subtitles" and any(map(self._matches, _side_cars(path, own))):
            return True
        audio, subtitles = track_languages(path)
        return any(map(self._matches, subtitles if self.kind == "subtitles" else audio))

    def _matches(self, language: str | None) -> bool:
        return self.language in {None, language}


def _side_cars(path: Path, own: Collection[Path]) -> Iterator[str | None]:
    """The languages of subtitle files beside a recording: `film.srt`, `film.en.srt`, `film.en.forced.srt`."""
    start = fold(path.stem) + "."
    try:
        names = os.listdir(path.parent)
    except OSError:
        return
    for name in names:
        mark = _SUBTITLES.get(os.path.splitext(name)[1].lower())
        if mark is not None and fold(name).startswith(start):
            if path.parent / name in own or not _has_cues(path.parent / name, mark):
                continue
            codes = [code for part in fold(name)[len(start) :].split(".")[:-1] if (code := _language(part))]
            yield codes[0] if codes else None


def _has_cues(path: Path, mark: bytes) -> bool:
    """Whether a file has a cue; False where it cannot be read."""
    try:
        data = path.read_bytes() if path.is_file() else b""
    except OSError:
        return False
    return bool(data) and mark in data.replace(b"\0", b"").lower()  # without the zeros of UTF-16


def _language(text: str) -> str | None:
    try:
        return language_code(text)
    except UsageError:
        return None


class Existing(Enum):
    """What happens to outputs that exist."""

    #: the journal decides
    JOURNAL = "journal"
    #: everything is made anew (`--overwrite`)
    OVERWRITE = "overwrite"
    #: whatever exists is kept (`--skip-existing`)
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do for one input."""

    reason: Reason
    #: format -> file of the outputs to make; empty if it is skipped, or goes to stdout
    make: dict[str, Path]
    #: formats whose file was edited since it was written, and stays
    edited: tuple[str, ...] = ()
    #: formats without a result, as a file that is not ours has their name
    blocked: tuple[str, ...] = ()
    #: whether the outputs may replace nothing
    fresh: bool = False
    #: the hashed input; None where nothing is recorded of it
    recording: Recording | None = None
    #: seconds of audio, where the journal has it
    duration: float | None = None
    #: those of the result that is kept
    warnings: tuple[str, ...] = ()

    @property
    def skip(self) -> bool:
        return self.reason not in _TO_MAKE


def named_before(item: Item, journal: Journal | None, existing: Existing) -> Item:
    """An input whose outputs are to be named after its language, with the names that they have from an earlier run."""
    place = item.address.place if item.address else item.source.path
    if place is None or journal is None or not awaits_language(item.outputs):
        return item
    planned = next(iter(item.outputs.values()))
    names = [path.name for path in journal.outputs_of(place) if path.parent == real_place(planned).parent]
    if existing is Existing.SKIP:
        with contextlib.suppress(OSError):
            names = names_in(planned.parent)
    languages = [found for name in names for path in item.outputs.values() if (found := language_in(name, path.name))]
    return replace(item, outputs=with_language(item.outputs, languages[-1])) if languages else item


def decide(
    item: Item, journal: Journal | None, recipe: CacheKey, existing: Existing, skip_if: Sequence[SkipRule] = ()
) -> Decision:
    """Look at an input and its outputs as they are now. Raises InputError: the input cannot be read; OutputError: an
    output is, by a link, an input's own file; FfmpegMissingError: a rule of `skip_if` needs it;
    OptionNotSupportedError: it cannot be applied; StoreError: the store of the outputs does not answer.
    """
    if skip_if and item.source.path is not None and is_stored(item.source.path):
        raise OptionNotSupportedError("--skip-if looks into files of this machine.", "Leave it out, or use --exclude.")
    if skip_if and item.source.path is not None and not item.stream:
        recorded = [path for path in item.outputs.values() if journal is not None and journal.written(path)]
        for rule in skip_if:
            if rule.applies(item.source.path, recorded):
                return Decision(rule.kind, {})
    if item.stdout is not None:
        return Decision("new", {})
    if item.stream and not item.named:
        # What a stream carries exists once: it is never skipped, and never replaces an earlier one unasked.
        fresh = existing is not Existing.OVERWRITE
        return Decision("new", free_names(item.outputs) if fresh else item.outputs, fresh=fresh)
    if existing is Existing.SKIP and all(map(exists, item.outputs.values())):
        # Nothing is kept of a stream: it carries what no file has.
        return Decision("exists" if item.stream else "kept", {})
    _check_links(item)
    recording = _recording(item, journal)
    look = _OutputCheck(item, journal, recording, item.recipe_of(recipe), existing)
    reasons = {suffix: look.reason(suffix) for suffix in item.outputs}
    reason, known = min(reasons.values(), key=_PRECEDENCE.index), look.latest()
    return Decision(
        reason=reason,
        make={suffix: item.outputs[suffix] for suffix, reason in reasons.items() if reason in _TO_MAKE},
        edited=tuple(suffix for suffix, reason in reasons.items() if reason == "edited"),
        blocked=tuple(suffix for suffix, reason in reasons.items() if reason in SKIPPED_WITHOUT_RESULT),
        recording=recording,
        duration=known.duration if known else None,
        warnings=known.warnings if known and reason == "done" else (),
    )


def _check_links(item: Item) -> None:
    if item.source.path is None or is_stored(item.source.path):
        return
    for path in item.outputs.values():
        if os.path.exists(path) and os.path.samefile(path, item.source.path):
            raise OutputError(
                f"{printable(path)!r} is a link to the recording itself.", "Remove that link, or use --output-dir."
            )


def _recording(item: Item, journal: Journal | None) -> Recording | None:
    if journal is None:
        return None
    place = item.address.place if item.address else None
    if item.source.path is None:
        return _latest(item, journal, place)
    if is_stored(item.source.path):
        return stored_recording(item.source.path)
    try:
        recording = journal.recording(item.source.path, place)
    except OSError as error:
        raise unreadable(item.source.path, error).error from error
    return replace(recording, version=item.address.version) if item.address else recording


def _latest(item: Item, journal: Journal, place: Path | None) -> Recording | None:
    """An address that was not fetched, as it was when a result was last made from it; None: no result is known."""
    records = [record for path in item.outputs.values() for record in journal.written(path) if record.source == place]
    if not records:
        return None
    last = records[-1]
    return Recording(last.source, FileStamp(0, 0, 0, 0), last.content, 0, last.version)


@dataclass(frozen=True, slots=True)
class _OutputCheck:
    item: Item
    journal: Journal | None
    recording: Recording | None
    recipe: CacheKey
    existing: Existing

    def reason(self, suffix: str) -> Reason:
        path = self.item.outputs[suffix]
        if not exists(path) or not is_regular_target(path):
            return "missing" if self._history(path) else "new"
        if self.existing is Existing.OVERWRITE:
            return "overwrite"
        if self.existing is Existing.SKIP:
            return "kept"
        return "new" if self.item.named else self._judge(path, suffix)

    def _judge(self, path: Path, suffix: str) -> Reason:
        """The reason for a file that has an output's name."""
        history = self._history(path)
        if self.recording is None or not history:
            return "exists"
        matching = records_of(path, history)
        if not matching:
            return "edited" if self._is_ours(history[-1]) else "other"
        content = self.recording.digest
        if any(record.made_by(content, self.recipe, suffix) for record in matching):
            return "done"
        ours = [record for record in matching if self._is_ours(record)]
        if not ours:
            return "other"
        if ours[-1].content != content:
            return "changed"
        return "options" if ours[-1].model == self.recipe.model else "model"

    def _is_ours(self, record: OutputFile) -> bool:
        assert self.recording is not None
        return record.content == self.recording.digest or record.source == self.recording.path

    def latest(self) -> OutputFile | None:
        """What was last made of the recording as it is now."""
        if self.recording is None:
            return None
        records = [record for path in self.item.outputs.values() for record in self._history(path)]
        return next((record for record in reversed(records) if record.content == self.recording.digest), None)

    def _history(self, path: Path) -> Sequence[OutputFile]:
        return self.journal.written(path) if self.journal is not None else ()


def records_of(path: Path, history: Sequence[OutputFile]) -> list[OutputFile]:
    """Those records of an output that describe the file as it is now."""
    try:
        size = size_of(path)
        candidates = [record for record in history if record.size == size]
        digest = hash_file(path) if candidates else ""
    except OSError:
        return []  # it cannot be read, so it is not taken for ours
    return [record for record in candidates if record.digest == digest]
