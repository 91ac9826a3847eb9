"""Batches over random folders: each input has a result of its own or a reason, and nothing of another's is replaced."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from asrcli.batch import JOURNAL_NAME
from asrcli.batch.cache_key import CacheKey
from asrcli.batch.decision import SKIPPED_WITHOUT_RESULT, Existing
from asrcli.batch.events import FileDone, FileFailed, FileSkipped
from asrcli.batch.executor import Executor
from asrcli.batch.inputs.search import Inputs
from asrcli.batch.plan import make_plan
from asrcli.batch.recording import Item
from asrcli.batch.results.processing import Processing
from asrcli.batch.summary import Summary
from asrcli.errors import ExitCode
from asrcli.transcript import Transcript

#: names that meet: equal stems, case, a recording named like another's output, composed and decomposed letters
NAMES = ("a.mp3", "a.wav", "A.ogg", "a.mp3.wav", "sub/a.mp3", "sub/b.ogg", "b.mp3", "\u00e9.mp3", "e\u0301.wav")
OUTPUTS = ("a.txt", "a.mp3.txt", "a.wav.txt", "A.txt", "b.txt", "b.srt", "sub/a.txt", "a.mp3.wav.txt", "\u00e9.txt")
FORMATS = (("txt",), ("srt",), ("txt", "srt"))
OLD = 10**18


def folded(path: Path) -> str:
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", os.fspath(path)).casefold())


def unnamed(text: str) -> str:
    """A result without its recording's name: copies of one recording share results."""
    return "\n".join(line for line in text.splitlines() if '"source"' not in line)


class Folder(RuleBasedStateMachine):
    """A folder in which recordings, outputs and files of the user's come and go between runs."""

    folders: pytest.TempPathFactory
    program: Any
    forked: Callable[..., int]

    def __init__(self) -> None:
        super().__init__()
        self.recordings: dict[str, bytes] = {}
        #: files that no run may change, and what is in them
        self.users: dict[Path, bytes] = {}

    @initialize()
    def empty(self) -> None:
        self.root = self.folders.mktemp("batch")
        (self.root / "in" / "sub").mkdir(parents=True)

    @rule(name=st.sampled_from(NAMES), content=st.sampled_from([b"1", b"2", b"3"]))
    def record(self, name: str, content: bytes) -> None:
        """A new recording, or another one under the same name with the same size and time."""
        path = self.root / "in" / name
        path.write_bytes(content)
        os.utime(path, ns=(OLD, OLD))
        self.recordings[name] = content

    @rule(name=st.sampled_from(NAMES))
    def lose(self, name: str) -> None:
        if self.recordings.pop(name, None) is not None:
            (self.root / "in" / name).unlink()

    @rule(name=st.sampled_from(NAMES), mode=st.sampled_from([0o600, 0o644]))
    def change_mode(self, name: str, mode: int) -> None:
        if name in self.recordings:
            (self.root / "in" / name).chmod(mode)

    @rule(name=st.sampled_from(OUTPUTS), where=st.sampled_from(["in", "out"]), text=st.sampled_from([b"mine", b""]))
    def write_notes(self, name: str, where: str, text: bytes) -> None:
        """A file of the user's, or an output that is edited."""
        path = self.root / where / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text)
        self.users[path] = text

    @rule(name=st.sampled_from(OUTPUTS), where=st.sampled_from(["in", "out"]))
    def delete_output(self, name: str, where: str) -> None:
        path = self.root / where / name
        path.unlink(missing_ok=True)
        self.users.pop(path, None)

    @rule(where=st.sampled_from(["in", "out"]), kept=st.integers(0, 400))
    def tear_journal(self, where: str, kept: int) -> None:
        path = self.root / where / JOURNAL_NAME
        if path.exists():
            with path.open("r+b") as file:
                file.truncate(min(kept, path.stat().st_size))

    @rule(
        formats=st.sampled_from(FORMATS),
        beside=st.booleans(),
        options=st.sampled_from(["v1", "v2"]),
        existing=st.sampled_from([Existing.JOURNAL, Existing.JOURNAL, Existing.OVERWRITE, Existing.SKIP]),
        names=st.one_of(st.none(), st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True)),
    )
    def run(
        self, formats: tuple[str, ...], beside: bool, options: str, existing: Existing, names: list[str] | None
    ) -> None:
        inputs = self._inputs(formats, beside=beside, names=names)
        if not self.recordings or not inputs.paths:
            return
        first = self._run(inputs, options, existing)
        if existing is Existing.JOURNAL:
            again = self._run(inputs, options, existing)
            assert again.done == 0
            assert again.exit_code == first.exit_code

    @rule(formats=st.sampled_from(FORMATS), beside=st.booleans(), number=st.integers(1, 40))
    def kill(self, formats: tuple[str, ...], beside: bool, number: int) -> None:
        """A run that is killed before one of its system calls that change a file."""
        if not self.recordings:
            return
        where = () if beside else ("--output-dir", self.root / "out")
        self.forked(self.root / "in", "--formats", ",".join(formats), *where, "--die-at", number)

    def _inputs(self, formats: tuple[str, ...], *, beside: bool, names: list[str] | None) -> Inputs:
        paths = [self.root / "in"] if names is None else [self.root / "in" / name for name in names]
        return Inputs(
            paths=[str(path) for path in paths if path.exists()],
            formats=formats,
            output_dir=None if beside else self.root / "out",
        )

    def _run(self, inputs: Inputs, options: str, existing: Existing) -> Summary:
        ends = {}
        self.overwriting = existing is Existing.OVERWRITE

        def note(event: Any) -> None:
            if isinstance(event, (FileDone, FileSkipped, FileFailed)):
                assert event.index not in ends
                ends[event.index] = event

        def transcribe(item: Item, _: Any) -> Transcript:
            return self.program.transcript_of(item.source.path.read_bytes(), item.source.name, options)

        work = Processing(
            transcribe=transcribe,
            render=lambda _item, *rest: self.program.render(*rest),
            recipe=CacheKey(model="spell", options=options),
            existing=existing,
        )
        plan = make_plan(inputs, suffixes=self.program.SUFFIXES)
        names = [folded(path) for item in plan.items for path in item.outputs.values()]
        assert len(names) == len(set(names)), "two inputs would write one file"
        summary = Executor(work, on_event=note).run(plan)
        assert set(ends) == {item.index for item in plan.items}
        complete = [self._check(item, ends[item.index], options) for item in plan.items]
        assert summary.exit_code == (ExitCode.OK if all(complete) else ExitCode.SOME_FAILED)
        return summary

    def _check(self, item: Item, end: FileSkipped | FileDone | FileFailed, options: str) -> bool:
        """Whether an input has all its results; what has been made or counts as done must be its own."""
        assert not isinstance(end, FileFailed), end.error
        if isinstance(end, FileSkipped):
            if end.reason == "done":
                for suffix, path in item.outputs.items():
                    assert unnamed(path.read_text()) == self._text(item, suffix, options)
            return end.reason not in SKIPPED_WITHOUT_RESULT
        for suffix, path in end.outputs.items():
            if self.overwriting:
                self.users.pop(path, None)
            assert unnamed(path.read_text()) == self._text(item, suffix, options)
        return not end.blocked

    def _text(self, item: Item, suffix: str, options: str) -> str:
        transcript = self.program.transcript_of(item.source.path.read_bytes(), item.source.name, options)
        return unnamed(self.program.render(transcript, suffix))

    @invariant()
    def nothing_is_lost(self) -> None:
        if not hasattr(self, "root"):
            return
        assert {name: (self.root / "in" / name).read_bytes() for name in self.recordings} == self.recordings
        assert {path: path.read_bytes() for path in self.users} == self.users


@pytest.mark.slow
def test_every_input_of_every_batch_has_its_result_or_a_reason(
    tmp_path_factory: pytest.TempPathFactory, program: Any, forked: Callable[..., int]
) -> None:
    class Here(Folder):
        pass

    Here.folders, Here.program, Here.forked = tmp_path_factory, program, staticmethod(forked)
    run_state_machine_as_test(Here, settings=settings(max_examples=60, stateful_step_count=25))
