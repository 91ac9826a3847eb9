"""`asrcli transcribe --diarize` and the call-centre mode, judged by `asrcli evaluate`."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asrcli.errors import ExitCode
from asrcli.models import builtin
from asrcli.transcript import Turn
from tests.cli.conftest import Program
from tests.speakers.tone_voices import RATE, build_specs, conversation


@pytest.fixture(scope="session")
def tone_voices(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path, str, Path, str, str]:
    """The options that name models to which a voice is a tone."""
    segmentation, embedding = build_specs(tmp_path_factory.mktemp("voices"))
    return (
        "--diarization-model", segmentation.files["model"],
        "--embedding-model", embedding.files["model"], "--cluster-threshold", "0.7",
    )  # fmt: skip


@pytest.fixture(scope="session")
def real_voices(shared: Path) -> tuple[str, Path, str, Path]:
    """The options that name real models."""
    models = shared / "models"
    return (
        "--diarization-model", models / "pyannote-segmentation-3-0-int8",
        "--embedding-model", models / "voxceleb-thin-resnet",
    )  # fmt: skip


@pytest.fixture(scope="session")
def spoken(wheel_audio: Path) -> np.ndarray:
    """Thirteen seconds of one reader, float32 at 16 kHz."""
    samples, rate = soundfile.read(wheel_audio / "two_cities.wav", frames=13 * 48000, dtype="float32")
    step = rate // RATE
    return samples[: len(samples) // step * step].reshape(-1, step).mean(axis=1)


@pytest.fixture
def talk(asrcli: Program, spoken: np.ndarray) -> str:
    """Speech over a hum that shows the tone models who speaks: one until 5 s, then another."""
    hum = conversation([Turn(0, 5.0, "0"), Turn(5.0, len(spoken) / RATE, "2")], len(spoken) / RATE)
    soundfile.write(asrcli.folder / "talk.wav", spoken + 0.3 * hum, RATE)
    return "talk.wav"


def turns_of(text: str) -> list[tuple[float, float, str]]:
    """(start, end, speaker) of the lines of an RTTM."""
    rows = [line.split() for line in text.splitlines()]
    return [(float(row[3]), float(row[3]) + float(row[4]), row[7]) for row in rows]


def test_voices_are_distinguished(
    asrcli: Program, talk: str, tone_voices: tuple[str, Path, str, Path, str, str]
) -> None:
    done = asrcli("transcribe", talk, "--diarize", *tone_voices, "-f", "json,rttm,txt")
    assert done.returncode == 0, done.stderr
    heard = json.loads((asrcli.folder / "talk.json").read_text(encoding="utf-8"))
    words = [word for segment in heard["segments"] for word in segment["words"]]
    assert {word["speaker"] for word in words if word["end"] < 4.5} == {"Speaker 1"}
    assert {word["speaker"] for word in words if word["start"] > 5.5} == {"Speaker 2"}
    for segment in heard["segments"]:
        assert {word["speaker"] for word in segment["words"]} == {segment["speaker"]}
    turns = turns_of((asrcli.folder / "talk.rttm").read_text(encoding="utf-8"))
    assert [turn[2] for turn in turns] == ["Speaker_1", "Speaker_2"]
    assert turns[0][1] == pytest.approx(5.0, abs=0.1)
    assert "[Speaker 2] " in (asrcli.folder / "talk.txt").read_text(encoding="utf-8")
    assert "best of times" in " ".join(word["text"] for word in words if word["speaker"] == "Speaker 1")
    assert "best of times" not in " ".join(word["text"] for word in words if word["speaker"] == "Speaker 2")


def test_overlapped_speech_keeps_both_turns(
    asrcli: Program, spoken: np.ndarray, tone_voices: tuple[str, Path, str, Path, str, str]
) -> None:
    hum = conversation([Turn(0, 8.0, "0"), Turn(5.0, 13.0, "2")], len(spoken) / RATE)
    soundfile.write(asrcli.folder / "both.wav", spoken + 0.3 * hum, RATE)
    done = asrcli("transcribe", "both.wav", "--diarize", *tone_voices, "-f", "rttm,json")
    assert done.returncode == 0, done.stderr
    turns = turns_of((asrcli.folder / "both.rttm").read_text(encoding="utf-8"))
    heard = json.loads((asrcli.folder / "both.json").read_text(encoding="utf-8"))
    kept = [(turn["start"], pytest.approx(turn["end"]), turn["speaker"].replace(" ", "_")) for turn in heard["turns"]]
    assert turns == kept
    assert {turn[2] for turn in turns if turn[0] < 6.5 < turn[1]} == {"Speaker_1", "Speaker_2"}
    assert "best of times" in heard["text"]


@pytest.mark.slow
def test_enrolled_voices_are_called_by_name(
    asrcli: Program, talk: str, tone_voices: tuple[str, Path, str, Path, str, str]
) -> None:
    models = tone_voices[:4]
    soundfile.write(asrcli.folder / "ada.wav", conversation([Turn(0, 8, "2")], 8), RATE)
    journaled = ("transcribe", talk, "--diarize", *tone_voices, "-f", "txt")
    assert asrcli(*journaled).returncode == 0
    text = asrcli.folder / "talk.txt"
    first, second = text.read_text(encoding="utf-8").split("[Speaker 2]", 1)
    assert "best of times" in first
    assert "best of times" not in second

    done = asrcli("speakers", "enroll", "Ada Lovelace", "ada.wav", "--no-vad", *models)
    assert done.returncode == 0, done.stderr
    assert "Ada Lovelace" in asrcli("speakers", "list").stdout
    (print_,) = (asrcli.folder.parent / "home/data/asrcli/voices").iterdir()
    assert stat.S_IMODE(print_.stat().st_mode) == 0o600

    # The enrolled voices are part of the cache key: the same command now does it again.
    assert asrcli(*journaled).returncode == 0
    named = text.read_text(encoding="utf-8")
    assert "[Ada Lovelace]" in named
    assert "[Speaker 1]" in named
    assert "[Speaker 2]" not in named
    assert "1 skipped" in asrcli(*journaled).stderr

    assert asrcli("speakers", "remove", "Ada Lovelace").returncode == 0
    assert asrcli(*journaled).returncode == 0
    assert "[Speaker 2]" in text.read_text(encoding="utf-8")


def test_one_speaker_if_one_is_asked_for(
    asrcli: Program, talk: str, tone_voices: tuple[str, Path, str, Path, str, str]
) -> None:
    done = asrcli("transcribe", talk, "--diarize", "--speakers", "1", *tone_voices, "-f", "rttm", "-o", "-")
    assert {turn[2] for turn in turns_of(done.stdout)} == {"Speaker_1"}, done.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--speakers", "2"], "Add --diarize"),
        (["--diarize", "--speakers", "2", "--max-speakers", "3"], "--speakers and --max-speakers exclude each other"),
        (["--diarize", "--min-speakers", "4", "--max-speakers", "3"], "--min-speakers (4) is above --max-speakers (3)"),
        (["--diarize", "--cluster-threshold", "7"], "7 is out of range; it must be 0.01 to 1.99"),
    ],
)
def test_what_does_not_go_together(asrcli: Program, talk: str, options: list[str], said: str) -> None:
    done = asrcli("transcribe", talk, *options)
    assert (done.returncode, done.stdout) == (ExitCode.USAGE, "")
    assert said in done.stderr


def test_a_count_in_the_config_does_not_stand_in_the_way(
    asrcli: Program, talk: str, write_config: Callable[..., Path]
) -> None:
    write_config("transcribe:\n  diarize: true\n  speakers: 2\n")
    done = asrcli("transcribe", talk, "--no-diarize", "-o", "-")
    assert done.returncode == 0, done.stderr
    assert "best of times" in done.stdout


@pytest.mark.slow
def test_nothing_is_installed_or_downloaded(asrcli: Program, shared: Path) -> None:
    """The command that the README shows, with the networks of the wheel."""
    if builtin.speaker_entry("segmentation") is None:
        pytest.skip("needs moonshine-voice 0.0.66 to 0.1.0")
    talk = shared / "data/speakers/pyannote_sample.wav"
    done = asrcli("transcribe", talk, "--diarize", "--offline", "-o", "-", "-f", "rttm")
    assert done.returncode == 0, done.stderr
    assert {turn[2] for turn in turns_of(done.stdout)} == {"Speaker_1", "Speaker_2"}


def test_models_that_are_not_here(asrcli: Program, talk: str) -> None:
    done = asrcli("transcribe", talk, "--diarize", "--offline", "--diarization-model", "pyannote-segmentation-3-0")
    assert done.returncode == ExitCode.MODEL
    assert "pyannote-segmentation-3-0" in done.stderr


def test_a_channel_a_speaker_as_in_recorded_calls(asrcli: Program, spoken: np.ndarray) -> None:
    """The caller speaks first, then the agent, then the caller again."""
    middle = np.zeros(len(spoken), bool)
    middle[5 * RATE : 9 * RATE] = True
    call = np.stack([np.where(middle, 0, spoken), np.where(middle, spoken, 0)], axis=1)
    soundfile.write(asrcli.folder / "call.wav", call, RATE)
    done = asrcli("transcribe", "call.wav", "--channels", "split", "-f", "json,rttm,txt")
    assert done.returncode == 0, done.stderr
    heard = json.loads((asrcli.folder / "call.json").read_text(encoding="utf-8"))
    starts = [segment["start"] for segment in heard["segments"]]
    assert starts == sorted(starts)
    speakers = [segment["speaker"] for segment in heard["segments"]]
    turns = [speaker for place, speaker in enumerate(speakers) if place == 0 or speakers[place - 1] != speaker]
    assert turns == ["Speaker 1", "Speaker 2", "Speaker 1"]
    texts = {name: " ".join(s["text"] for s in heard["segments"] if s["speaker"] == name) for name in set(speakers)}
    assert "best of times" in texts["Speaker 1"]
    assert "foolishness" in texts["Speaker 2"]
    assert [segment["channel"] for segment in heard["segments"]] == [int(name[-1]) - 1 for name in speakers]
    rttm = (asrcli.folder / "call.rttm").read_text(encoding="utf-8")
    assert {line.split()[2] for line in rttm.splitlines()} == {"1", "2"}


def test_a_real_recording_with_a_voice_in_each_channel(asrcli: Program, shared: Path) -> None:
    done = asrcli("transcribe", shared / "data/odd/stereo_diarization.wav", "--channels", "split", "-o", "-")
    left, right = done.stdout.splitlines()
    assert left.startswith("[Speaker 1] He began a confused complaint against the wizard, who had vanished behind")
    assert right == "[Speaker 2] The horizon seems extremely distant."


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "bar", "count"),
    [("librispeech_conv2", 0.08, 2), ("librispeech_conv4", 0.10, 4), ("pyannote_sample", 0.05, 2)],
)
def test_real_conversations_keep_the_bars(
    asrcli: Program,
    shared: Path,
    name: str,
    bar: float,
    count: int,
) -> None:
    """The embedded networks, with default options."""
    if builtin.speaker_entry("segmentation") is None:
        pytest.skip("needs moonshine-voice 0.0.66 to 0.1.0")
    data = shared / "data/speakers"
    done = asrcli("transcribe", data / f"{name}.wav", "-d", "out", "-f", "rttm", "--diarize")
    assert done.returncode == 0, done.stderr
    found = asrcli.folder / f"out/{name}.rttm"
    assert len({turn[2] for turn in turns_of(found.read_text(encoding="utf-8"))}) == count
    # 0.25 s on each side of a boundary (NIST's collar), and the stricter reading, 0.25 s in all.
    for collar in ("0.25", "0.125"):
        judged = asrcli("evaluate", found, "--rttm", data / f"{name}.rttm", "--collar", collar, "--json")
        assert judged.returncode == 0, judged.stderr
        assert json.loads(judged.stdout)["pooled"]["der"]["der"] <= bar


def test_silence_and_noise_have_neither_words_nor_turns(
    asrcli: Program, tone_voices: tuple[str, Path, str, Path, str, str]
) -> None:
    generator = np.random.default_rng(1)
    soundfile.write(asrcli.folder / "silence.wav", np.zeros(12 * RATE), RATE)
    soundfile.write(asrcli.folder / "noise.wav", generator.normal(0, 0.05, 12 * RATE), RATE)
    soundfile.write(asrcli.folder / "hum.wav", conversation([Turn(0, 12, "1")], 12), RATE)
    done = asrcli("transcribe", ".", "--diarize", *tone_voices, "-f", "txt,rttm,srt,json")
    assert done.returncode == 0, done.stderr
    for name in ("silence", "noise", "hum"):
        for suffix in ("txt", "rttm", "srt"):
            assert (asrcli.folder / f"{name}.{suffix}").read_text(encoding="utf-8") == ""
        heard = json.loads((asrcli.folder / f"{name}.json").read_text(encoding="utf-8"))
        assert (heard["text"], heard["segments"], heard["warnings"]) == ("", [], ["no speech"])


@pytest.mark.parametrize("speakers", [False, True])
def test_real_noise_has_no_words(
    asrcli: Program, shared: Path, real_voices: tuple[str, Path, str, Path], speakers: bool
) -> None:
    options = ("--diarize", *real_voices) if speakers else ()
    done = asrcli("transcribe", shared / "data/noise", "-d", "out", "-f", "txt,rttm", *options)
    assert done.returncode == 0, done.stderr
    found = {path.name: path.read_text(encoding="utf-8") for path in (asrcli.folder / "out").glob("noise*")}
    assert found == {f"noise{number}.{suffix}": "" for number in (1, 2) for suffix in ("txt", "rttm")}
