from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asrcli.backends.types import ModelSpec
from asrcli.errors import InputError, OutputError, UsageError
from asrcli.evaluate.diarization import read_rttm
from asrcli.speakers.diarizer import Diarizer, Voice
from asrcli.speakers.enrol import VoicePrint, VoiceStore, check_name, enrol
from asrcli.speakers.loading import thresholds, voices_digest
from asrcli.transcript import Turn
from tests.speakers.tone_voices import RATE, conversation


def voice_print(name: str = "Ada", digest: str = "d1", value: float = 1.0) -> VoicePrint:
    return VoicePrint(name, "model", digest, (value, 0.0), 12.0, "2025-01-01T00:00:00+00:00")


def blocks(*spoken: Turn, seconds: float = 10.0) -> list[np.ndarray]:
    return [conversation(spoken, seconds)]


@pytest.fixture
def make(tone_diarizer: Callable[..., Diarizer]) -> Callable[..., VoicePrint]:
    def enrolled(*clips: list[np.ndarray], name: str = "Ada") -> VoicePrint:
        named = [(f"clip{number}", clip) for number, clip in enumerate(clips)]
        return enrol(name, named, tone_diarizer, model="tones", digest="d1", voice_threshold=0.3)

    return enrolled


def test_a_print_is_kept_private_and_whole(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "voices"
    store = VoiceStore(folder)
    assert store.prints() == []
    store.save(voice_print())
    (file,) = folder.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert "ada" not in file.name.lower()
    assert store.prints() == [voice_print()]
    assert voice_print(value=0.123456789).to_dict()["embedding"] == [0.123457, 0.0]


def test_names_that_look_alike_collide(tmp_path: Path) -> None:
    store = VoiceStore(tmp_path)
    store.save(voice_print("Zoë"))
    with pytest.raises(UsageError, match="already enrolled"):
        store.save(voice_print("ZOË".casefold()))
    store.save(voice_print("zoë", value=0.5), replace=True)
    assert [one.embedding for one in store.prints()] == [(0.5, 0.0)]


def test_a_print_is_only_for_its_own_model(tmp_path: Path) -> None:
    store = VoiceStore(tmp_path)
    for one in (voice_print("Ada", "d1"), voice_print("Ada", "d2"), voice_print("Bob", "d2")):
        store.save(one)
    known, others = store.voices("d1")
    assert [voice.name for voice in known] == ["Ada"]
    assert others == ["Bob"]
    assert store.voices("d3") == ([], ["Ada", "Bob"])


def test_removing_deletes_every_print_of_the_name(tmp_path: Path) -> None:
    store = VoiceStore(tmp_path)
    for one in (voice_print("Ada", "d1"), voice_print("Ada", "d2"), voice_print("Bob", "d2")):
        store.save(one)
    assert store.remove("ada") == 2
    assert [one.name for one in store.prints()] == ["Bob"]
    assert len(list(tmp_path.iterdir())) == 1
    assert store.remove("ada") == 0


def test_a_print_that_cannot_be_deleted_is_named(tmp_path: Path) -> None:
    store = VoiceStore(tmp_path)
    store.save(voice_print())
    (path,) = tmp_path.iterdir()
    path.unlink()
    path.mkdir()  # no file, and not even root can unlink it
    with pytest.raises(OutputError) as caught:
        store.remove("Ada")
    assert str(caught.value).startswith(f"Cannot delete {path}: ")


@pytest.mark.parametrize("name", ["", "  ", "Speaker 1", "speaker12", "two\nlines", "x" * 81])
def test_impossible_names(name: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_name(name)
    if "peaker" in name:
        assert str(caught.value) == f"{name!r} is what unknown speakers are called. Choose another name."


def test_a_damaged_print_is_named(tmp_path: Path) -> None:
    (tmp_path / "x-y.json").write_text("{}")
    with pytest.raises(InputError) as caught:
        VoiceStore(tmp_path).prints()
    assert str(caught.value) == f"{tmp_path / 'x-y.json'} is not a voice print. Delete it and enrol the person again."


def test_a_folder_that_cannot_be_written(unprivileged: Path) -> None:
    (unprivileged / "shut").mkdir(0o500)
    with pytest.raises(OutputError):
        VoiceStore(unprivileged / "shut" / "voices").save(voice_print())


def test_a_file_in_the_folder_s_place(tmp_path: Path) -> None:
    (tmp_path / "voices").write_text("")
    with pytest.raises(OutputError):
        VoiceStore(tmp_path / "voices").save(voice_print())


def test_enrolled_tones_are_recognised(
    make: Callable[..., VoicePrint], tone_diarizer: Callable[..., Diarizer], tmp_path: Path
) -> None:
    store = VoiceStore(tmp_path)
    store.save(make(blocks(Turn(1, 9, "0")), blocks(Turn(0, 5, "0")), name="Ada"))
    store.save(make(blocks(Turn(0, 10, "2")), name="Grace"))
    known, _ = store.voices("d1")
    diarizer = tone_diarizer(known)
    diarizer.push(conversation([Turn(0, 6, "1"), Turn(7, 12, "2"), Turn(13, 20, "0")], 20))
    assert [turn.speaker for turn in diarizer.finish()] == ["Speaker 1", "Grace", "Ada"]


def test_the_amount_of_speech_is_reported(make: Callable[..., VoicePrint]) -> None:
    assert make(blocks(Turn(1, 9, "0"))).seconds == pytest.approx(8, abs=0.2)


def test_clips_that_make_no_print(make: Callable[..., VoicePrint]) -> None:
    with pytest.raises(InputError, match="clip0 contains no speech"):
        make(blocks())
    with pytest.raises(InputError, match="needs 3 s"):
        make(blocks(Turn(1, 3, "0")))
    with pytest.raises(InputError, match="other speakers"):
        make(blocks(Turn(0, 5, "0"), Turn(5, 10, "1")))
    with pytest.raises(InputError, match="does not sound like"):
        make(blocks(Turn(0, 9, "0")), blocks(Turn(0, 9, "1")))


def test_the_journal_sees_who_is_enrolled(tmp_path: Path) -> None:
    store = VoiceStore(tmp_path)
    assert voices_digest(store.voices("d1")[0]) == ""
    store.save(voice_print("Ada"))
    one = voices_digest(store.voices("d1")[0])
    store.save(voice_print("Bob", value=0.1))
    assert len({"", one, voices_digest(store.voices("d1")[0])}) == 3


def test_a_real_reader_is_named_and_others_are_not(
    shared: Path, real_diarizer: Callable[..., Diarizer], real_spec: ModelSpec
) -> None:
    """Enrolled from the first turn of one recording, heard in the rest of it and not in the other one."""

    def recording(name: str) -> tuple[np.ndarray, list[Turn]]:
        audio, rate = soundfile.read(shared / f"data/speakers/{name}.wav", dtype="float32")
        assert rate == RATE
        (truth,) = read_rttm((shared / f"data/speakers/{name}.rttm").read_text()).values()
        return audio, truth

    audio, truth = recording("librispeech_conv2")
    first = audio[round(truth[0].start * RATE) : round(truth[0].end * RATE)]
    limit = thresholds(real_spec).voice
    made = enrol("Ada", [("first turn", [first])], real_diarizer, model="m", digest="d", voice_threshold=limit)
    known = [Voice(made.name, np.array(made.embedding, np.float32))]
    rest = audio[round(truth[0].end * RATE) :]
    named = _named(real_diarizer(known), rest, truth[0].end, truth)
    assert named == {truth[0].speaker: "Ada", truth[1].speaker: "Speaker 1"}

    others, truth = recording("librispeech_conv4")
    assert "Ada" not in _named(real_diarizer(known), others, 0.0, truth).values()


def _named(diarizer: Diarizer, audio: np.ndarray, offset: float, truth: list[Turn]) -> dict[str, str]:
    """What each speaker of the truth is called most of the time."""
    diarizer.push(audio)
    turns = diarizer.finish()
    called: dict[str, dict[str, float]] = {}
    for real in truth:
        for turn in turns:
            overlap = min(real.end, turn.end + offset) - max(real.start, turn.start + offset)
            if overlap > 0:
                heard = called.setdefault(real.speaker, {})
                heard[turn.speaker] = heard.get(turn.speaker, 0.0) + overlap
    return {speaker: max(heard, key=heard.__getitem__) for speaker, heard in called.items()}
