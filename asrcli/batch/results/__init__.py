"""What an input became: facts for the journal and the events, and outputs that get their names in two steps."""

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

from asrcli.batch.journal.records import OutputRecord
from asrcli.batch.results.growing_result import GrowingResult
from asrcli.storage.atomic import Staging, digest
from asrcli.transcript import Transcript


class ResultLostError(Exception):
    """The machine that holds the staged outputs is lost: the input is transcribed again."""


@dataclass(frozen=True, slots=True)
class ResultFacts:
    """What is recorded and reported of a transcript."""

    #: seconds of audio
    duration: float
    language: str | None
    segments: int
    gaps: int
    warnings: tuple[str, ...]
    #: the result, or the rest of it, where it goes to stdout
    text: str | bytes | None = None

    @classmethod
    def of(cls, transcript: Transcript, text: str | bytes | None) -> Self:
        return cls(
            transcript.duration,
            transcript.language,
            len(transcript.segments),
            len(transcript.gaps),
            tuple(transcript.warnings),
            text,
        )


class ItemResult(Protocol):
    """The outputs of one input before they have their names."""

    facts: ResultFacts

    def stage(self, names: Mapping[str, Path]) -> Sequence[OutputRecord]:
        """Write the outputs beside their names (format -> file). Raises DiskFullError or OutputError."""

    def commit(self, *, new: bool) -> None:
        """Give the staged outputs their names; with `new` replace nothing. Raises FileExistsError: a name is
        taken (`new`); ResultLostError; DiskFullError or OutputError.
        """

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None:
        """Delete what was not committed."""


class LocalResult:
    """A result of this process: the contents of its outputs."""

    def __init__(self, facts: ResultFacts, texts: Mapping[str, bytes]) -> None:
        self.facts = facts
        self._texts = texts
        self._staging = Staging()
        #: the segments of a stream, deleted when the outputs have their names
        self.growing: GrowingResult | None = None

    def stage(self, names: Mapping[str, Path]) -> Sequence[OutputRecord]:
        self._staging.discard()
        texts = {suffix: self._texts[suffix] for suffix in names}
        for suffix, data in texts.items():
            self._staging.add(names[suffix], data)
        return [OutputRecord(suffix, names[suffix], len(data), digest(data)) for suffix, data in texts.items()]

    def commit(self, *, new: bool) -> None:
        self._staging.commit(new=new)
        if self.growing is not None:
            self.growing.discard()

    def rescue(self, names: Mapping[str, Path]) -> Path | None:
        """Write the outputs to a new folder for temporary files, which is returned; None: they cannot be written there
        either.
        """
        try:
            folder = Path(tempfile.mkdtemp(prefix="asrcli-"))
        except OSError:
            return None
        try:
            for suffix, path in names.items():
                (folder / path.name).write_bytes(self._texts[suffix])
        except OSError:
            shutil.rmtree(folder, ignore_errors=True)
            return None
        if self.growing is not None:
            self.growing.discard()
        return folder

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._staging.discard()
