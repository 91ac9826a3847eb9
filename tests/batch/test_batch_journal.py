"""The journal file itself: what it remembers, what it survives."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asrcli.batch.cache_key import CacheKey
from asrcli.batch.journal import Journal
from asrcli.batch.journal.pool import JournalPool
from asrcli.batch.journal.records import MALFORMED, SCHEMA, OutputRecord, parse, summarise
from asrcli.batch.recording import Recording, hash_file

RECIPE = CacheKey(model="m", options="o", formats={"srt": "cues"})
OLD = 1_000_000_000_000_000_000  # a time of change long past: such a file's hash may be remembered


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    journal = Journal(tmp_path / "journal.jsonl")
    yield journal
    journal.close()


def recorded(
    journal: Journal, path: Path, *outputs: tuple[str, Path], recipe: CacheKey = RECIPE, duration: float = 1.5
) -> Recording:
    recording = journal.recording(path)
    journal.record(
        recording, recipe, duration, [OutputRecord(suffix, out, 3, f"hash of {out}") for suffix, out in outputs]
    )
    return recording


def aged(path: Path, content: bytes = b"sound") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, ns=(OLD, OLD))
    return path


def test_what_was_recorded_is_read_back(journal: Journal, tmp_path: Path) -> None:
    path = aged(tmp_path / "a.mp3")
    recording = recorded(journal, path, ("txt", tmp_path / "a.txt"), ("srt", tmp_path / "a.srt"))
    journal.close()
    (written,) = Journal(journal.path, read_only=True).written(tmp_path / "a.srt")
    assert (written.source, written.content) == (path, recording.digest)
    assert (written.size, written.digest, written.duration) == (3, f"hash of {tmp_path / 'a.srt'}", 1.5)
    assert written.made_by(recording.digest, RECIPE, "srt")
    assert not written.made_by(recording.digest, RECIPE, "vtt")
    assert not written.made_by(recording.digest, CacheKey(model="n", options="o", formats={"srt": "cues"}), "srt")
    assert not written.made_by(recording.digest, CacheKey(model="m", options="p", formats={"srt": "cues"}), "srt")
    assert not written.made_by(recording.digest, CacheKey(model="m", options="o", formats={"srt": "other"}), "srt")
    assert not written.made_by("another", RECIPE, "srt")


def test_paths_of_one_hash_are_not_confused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asrcli.batch.journal.index.hash", lambda _path: 1, raising=False)
    journal = Journal(tmp_path / "journal")
    sounds = [aged(tmp_path / f"{number}.mp3", b"%d" % number) for number in range(20)]
    for _ in range(2):
        for sound in sounds:
            recorded(journal, sound, ("txt", sound.with_suffix(".txt")))
    again = Journal(tmp_path / "journal", read_only=True)
    for sound in sounds:
        assert [file.source for file in again.written(sound.with_suffix(".txt"))] == [sound]
        assert list(again.outputs_of(sound)) == [sound.with_suffix(".txt")]
    assert list(again.outputs()) == [sound.with_suffix(".txt") for sound in sounds]


_VALUES: st.SearchStrategy[Any] = (
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats() | st.sampled_from(["", "x", "1"]) | st.just([])
)
_INPUT = st.dictionaries(st.sampled_from(["path", "digest", "hashed_ns", "size"]), _VALUES)
_OUTPUTS = st.lists(st.dictionaries(st.sampled_from(["path", "size", "digest", "options"]), _VALUES), max_size=2)
_LINES = st.fixed_dictionaries(
    {"schema": st.just(SCHEMA), "input": _INPUT},
    optional={"model": _VALUES, "options": _VALUES, "duration": _VALUES, "failed": _VALUES, "outputs": _OUTPUTS},
)


@settings(max_examples=300)
@given(_LINES)
def test_a_line_is_checked_at_once_as_it_is_when_it_is_used(line: dict[str, Any]) -> None:
    errors = []
    for read in (summarise, lambda text: parse(json.loads(text), Path)):
        try:
            read(json.dumps(line).encode())
            errors.append(False)
        except MALFORMED:
            errors.append(True)
    assert errors[0] or not errors[1], "a line that cannot be used must not be kept"


_TEXTS = st.text('a/"\\ é\n\udc80{},:0', max_size=8)
_NUMBERS = st.integers(-(10**20), 10**20)


@settings(max_examples=200)
@given(_TEXTS, _NUMBERS, st.floats(0, 1e9, allow_nan=False), st.lists(_TEXTS, min_size=1, max_size=3))
def test_a_usual_line_is_read_like_any_other(text: str, number: int, duration: float, names: list[str]) -> None:
    stamp = dict.fromkeys(("size", "mtime_ns", "ctime_ns", "inode"), number)
    outputs = [{"format": text, "path": name, "size": number, "digest": text, "options": text} for name in names]
    record = {
        "schema": SCHEMA,
        "input": {"path": text, **stamp, "digest": text, "hashed_ns": number},
        "model": text,
        "options": text,
        "duration": round(duration, 3),
        "outputs": outputs,
    }
    usual, other = json.dumps(record, separators=(",", ":")), json.dumps(record)
    assert summarise(usual.encode()) == summarise(other.encode())


@pytest.mark.parametrize("grown", [False, True])
def test_a_journal_that_is_cut_while_it_is_in_use(tmp_path: Path, journal: Journal, grown: bool) -> None:
    """As by an editor, or by another process whose disk was full after it had written whole lines."""
    sounds = {name: aged(tmp_path / f"{name}.mp3", name.encode()) for name in "abcd"}
    for name in "ab":
        recorded(journal, sounds[name], ("txt", tmp_path / f"{name}.txt"))
    after_one = journal.path.read_bytes().splitlines(keepends=True)[0]
    other = Journal(journal.path)
    os.truncate(journal.path, len(after_one))
    assert not other.written(tmp_path / "b.txt")
    assert not other.outputs_of(sounds["b"])
    assert list(other.outputs()) == [tmp_path / "a.txt"]
    if grown:
        again = Journal(journal.path)
        recorded(again, sounds["c"], ("txt", tmp_path / f"{'c' * 99}.txt"))
        again.close()
    recorded(other, sounds["d"], ("txt", tmp_path / "d.txt"))
    fresh = Journal(journal.path, read_only=True)
    for known in (other, fresh):
        assert known.written(tmp_path / "a.txt")
        assert not known.written(tmp_path / "b.txt")
        assert known.written(tmp_path / "d.txt")
        assert bool(known.outputs_of(sounds["c"])) is grown
    assert not fresh.notices
    other.close()


names = st.binary(min_size=1, max_size=20).filter(lambda name: not {0, 47} & set(name) and name not in {b".", b".."})


@settings(max_examples=60)
@given(st.lists(names, unique=True, min_size=1, max_size=5))
def test_every_name_a_file_may_have_survives(tmp_path_factory: pytest.TempPathFactory, names: list[bytes]) -> None:
    folder = tmp_path_factory.mktemp("names")
    sound = aged(folder / "in" / "sound")
    journal = Journal(folder / "journal")
    outputs = [folder / os.fsdecode(name) for name in names]
    for output in outputs:
        recorded(journal, sound, ("txt", output))
    journal.close()
    again = Journal(folder / "journal", read_only=True)
    assert [[written.digest for written in again.written(output)] for output in outputs] == [
        [f"hash of {output}"] for output in outputs
    ]
    again.close()


def test_a_folder_that_moves_takes_its_journal_along(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    aged(old / "a.mp3")
    journal = Journal(old / "journal")
    recorded(journal, old / "a.mp3", ("txt", old / "a.txt"))
    journal.close()
    old.rename(new)
    moved = Journal(new / "journal", read_only=True)
    assert moved.written(new / "a.txt")[0].source == new / "a.mp3"
    moved.close()


def remember_later(journal: Journal, recording: Recording) -> None:
    """As a run does that hashes the file a minute after its last change."""
    journal.remember(replace(recording, hashed_ns=recording.stamp.changed_ns + 60 * 10**9))


@pytest.mark.parametrize("size", [0, 1, 1000, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, (3 << 20) + 7])
def test_all_of_a_file_is_hashed_whatever_its_size(tmp_path: Path, size: int) -> None:
    path, data = tmp_path / "a.mp3", bytes(range(251)) * (size // 251 + 1)
    path.write_bytes(data[:size])
    assert hash_file(path) == hashlib.blake2b(data[:size], digest_size=32).hexdigest()


def test_a_file_whose_status_has_no_size_is_hashed() -> None:
    path = Path("/proc/self/cmdline")
    if not path.exists():
        pytest.skip("there is no /proc")
    assert hash_file(path) == hashlib.blake2b(path.read_bytes(), digest_size=32).hexdigest()


def test_records_longer_than_what_is_read_at_once(tmp_path: Path) -> None:
    path, outputs = tmp_path / "journal.jsonl", [tmp_path / f"{number}.txt" for number in range(5)]
    with closing(Journal(path)) as journal, closing(Journal(path)) as other:
        for number, output in enumerate(outputs):
            recording = journal.recording(aged(tmp_path / f"{number}.mp3", b"%d" % number))
            made = [OutputRecord("txt", output, 3, "d")]
            journal.record(recording, RECIPE, 1.5, made, warnings=["w" * number * 50_000])
        other.refresh()
        for number, output in enumerate(outputs):
            (written,) = other.written(output)
            assert written.warnings == ("w" * number * 50_000,)


def test_a_file_is_hashed_again_only_when_it_has_changed(journal: Journal, tmp_path: Path) -> None:
    path = aged(tmp_path / "a.mp3")
    remember_later(journal, replace(journal.recording(path), digest="from the journal"))
    assert journal.recording(path).digest == "from the journal"
    os.utime(path, ns=(OLD + 1, OLD + 1))
    assert journal.recording(path).digest == hash_file(path)


def test_a_file_changed_just_now_is_not_trusted_to_stay(journal: Journal, tmp_path: Path) -> None:
    path = tmp_path / "a.mp3"
    path.write_bytes(b"one")
    status = path.stat()
    journal.remember(journal.recording(path))
    path.write_bytes(b"two")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))  # the same size and, on a coarse clock, the same time
    assert journal.recording(path).digest == hash_file(path)


def test_another_recording_of_the_same_name_size_and_mtime_is_hashed(journal: Journal, tmp_path: Path) -> None:
    path = aged(tmp_path / "REC001.wav", b"one")
    remember_later(journal, journal.recording(path))
    other = aged(tmp_path / "card" / "REC001.wav", b"two")
    other.replace(path)
    assert path.stat().st_mtime_ns == OLD
    assert journal.recording(path).digest == hash_file(path)
    remember_later(journal, journal.recording(path))
    path.write_bytes(b"six")  # the same inode
    os.utime(path, ns=(OLD, OLD))
    assert journal.recording(path).digest == hash_file(path)


def test_nothing_is_left_of_a_journal_that_nothing_was_written_to(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "new" / "journal")
    assert journal.claim(tmp_path / "a.txt")
    journal.close()
    assert list((tmp_path / "new").iterdir()) == []
    Journal(tmp_path / "never" / "journal", read_only=True).close()
    assert not (tmp_path / "never").exists()


def test_a_journal_removed_in_mid_run_begins_anew(journal: Journal, tmp_path: Path) -> None:
    path = aged(tmp_path / "a.mp3")
    recorded(journal, path, ("txt", tmp_path / "a.txt"))
    journal.path.unlink()
    recorded(journal, path, ("txt", tmp_path / "b.txt"))
    again = Journal(journal.path, read_only=True)
    assert again.written(tmp_path / "b.txt")
    assert not again.written(tmp_path / "a.txt")
    again.close()


def lines(journal: Journal) -> int:
    return journal.path.read_bytes().count(b"\n")


def test_a_result_that_is_made_again_is_recorded_once(journal: Journal, tmp_path: Path) -> None:
    """A run, or an engine of a cluster, was killed between the record and the renaming of the outputs."""
    path = aged(tmp_path / "a.mp3")
    outputs = ("txt", tmp_path / "a.txt"), ("srt", tmp_path / "a.srt")
    for _ in range(2):
        recorded(journal, path, *outputs)
    assert lines(journal) == 1
    journal.path.unlink()
    recorded(journal, path, *outputs)
    assert lines(journal) == 1, "the journal was deleted meanwhile"


def test_a_result_is_recorded_again_where_another_one_was_recorded_since(journal: Journal, tmp_path: Path) -> None:
    path, other = aged(tmp_path / "a.mp3"), aged(tmp_path / "b.mp3", b"other")
    english, german = ("txt", tmp_path / "a.en.txt"), ("txt", tmp_path / "a.de.txt")
    for output in (english, german, english):
        recorded(journal, path, output)
    assert journal.outputs_of(path)[-1] == english[1]
    recorded(journal, other, english)
    recorded(journal, path, english)
    assert journal.written(english[1])[-1].source == path
    recorded(journal, path, english, recipe=CacheKey(model="m", options="other"))
    assert lines(journal) == 6


def test_a_result_is_recorded_again_where_its_command_has_succeeded(journal: Journal, tmp_path: Path) -> None:
    recording = journal.recording(aged(tmp_path / "a.mp3"))

    def record() -> None:
        journal.record(recording, RECIPE, 1.0, [OutputRecord("txt", tmp_path / "a.txt", 3, "hash")], on_done=True)
        assert journal.on_done_pending(recording)

    record()
    record()
    assert lines(journal) == 1
    journal.on_done_finished(recording)
    record()
    assert lines(journal) == 3


def test_damaged_lines_are_skipped_and_reported(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal")
    recorded(journal, aged(tmp_path / "a.mp3"), ("txt", tmp_path / "a.txt"))
    journal.close()
    whole = journal.path.read_bytes()
    journal.path.write_bytes(
        b"\x00garbage\n" + whole + b'{"schema":"asrcli/journal/99"}\n[1]\n' + b"[" * 100_000 + b"\n"
    )
    again = Journal(journal.path, read_only=True)
    assert again.written(tmp_path / "a.txt")
    assert "4 damaged lines" in again.notices[0]
    again.close()


def test_without_permission_it_is_read_and_the_user_warned(unprivileged: Path) -> None:
    path = unprivileged / "journal"
    journal = Journal(path)
    recorded(journal, aged(unprivileged / "a.mp3"), ("txt", unprivileged / "a.txt"))
    journal.close()
    path.chmod(0o444)
    locked = Journal(path)
    assert locked.written(unprivileged / "a.txt")
    assert "no permission" in locked.notices[0]
    recorded(locked, unprivileged / "a.mp3", ("txt", unprivileged / "b.txt"))
    locked.close()
    assert len(path.read_bytes().splitlines()) == 1


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts open files in /proc")
def test_a_tree_with_more_folders_than_a_process_may_have_files(tmp_path: Path) -> None:
    journals = JournalPool()
    for number in range(100):
        with journals.use(tmp_path / str(number) / "journal") as journal:
            recorded(journal, aged(tmp_path / str(number) / "a.mp3"), ("txt", tmp_path / str(number) / "a.txt"))
    held = [link for link in map(_target, Path("/proc/self/fd").iterdir()) if link.startswith(str(tmp_path))]
    assert len(held) <= 32
    with journals.use(tmp_path / "0" / "journal") as journal:
        assert journal.written(tmp_path / "0" / "a.txt")
    journals.close()


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:
        return ""
