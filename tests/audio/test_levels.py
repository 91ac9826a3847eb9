"""What decoded samples become before anything is recognised: full scale, offset, mix."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from asrcli.audio.conditioning.conditioner import Conditioner
from asrcli.audio.layouts import default_layout, layout_of_mask, mix_weights
from tests.audio.sounds import TIMES, Decoded, heard

RATE = 16000
RNG = np.random.default_rng(11)


def voice(seconds: float, seed: int = 0, rate: int = RATE) -> np.ndarray:
    """Noise in syllables, (n,), peak about 0.5: unlike a tone it has no second like the first."""
    rng = np.random.default_rng(seed)
    count = round(seconds * rate)
    envelope = np.abs(np.sin(np.arange(count) * np.pi * 4 / rate)) + 0.05
    return (rng.standard_normal(count) * envelope * 0.12).astype(np.float32)


def condition(
    samples: np.ndarray,
    cuts: Sequence[int] = (),
    choice: Any = "mix",
    rate: int = RATE,
    layout: str = "",
    *,
    live: bool = False,
) -> tuple[np.ndarray, list[str]]:
    """The conditioned stream, (n, channels), and its warnings."""
    samples = samples[:, None] if samples.ndim == 1 else samples
    conditioner = Conditioner(rate, samples.shape[1], choice, layout, live=live)
    parts = [conditioner.push(block.astype(np.float32)).copy() for block in np.split(samples, sorted(cuts))]
    return np.concatenate([*parts, conditioner.finish()]), conditioner.warnings()


def likeness(one: np.ndarray, other: np.ndarray) -> float:
    """The correlation of two signals, whatever their gain and sign."""
    return abs(float(np.dot(one, other) / np.sqrt(np.dot(one, one) * np.dot(other, other))))


pieces = st.lists(
    st.tuples(
        st.sampled_from(["speech", "silence", "offset", "inverted", "loud", "integers", "left only", "stray"]),
        st.integers(0, 30_000),
    ),
    min_size=1,
    max_size=5,
)


def stereo(kinds: list[tuple[str, int]]) -> np.ndarray:
    """Two channels in pieces of the kinds drawn."""
    made = [np.zeros((0, 2), np.float32)]
    for seed, (kind, length) in enumerate(kinds):
        piece = np.stack([voice(2, seed)[:length], voice(2, seed)[:length] * 0.9], axis=1)
        match kind:
            case "silence":
                piece[:] = 0
            case "offset":
                piece += np.array([0.3, -0.1], np.float32)
            case "inverted":
                piece[:, 1] *= -1
            case "loud":
                piece *= 7
            case "integers":
                piece = np.rint(piece * 32768)
            case "left only":
                piece[:, 1] = 0
            case "stray":
                piece[len(piece) // 2 : len(piece) // 2 + 1] = 1e9
        made.append(piece.astype(np.float32))
    return np.concatenate(made)


@settings(max_examples=60)
@given(
    kinds=pieces,
    cuts=st.lists(st.integers(0, 60_000), max_size=12),
    choice=st.sampled_from(["mix", "split", 0, 1]),
    rate=st.sampled_from([8000, 16000, 44100, 11127]),
    live=st.booleans(),
)
def test_blocks_of_any_size_give_the_same_samples(
    kinds: list[tuple[str, int]], cuts: list[int], choice: int | str, rate: int, live: bool
) -> None:
    samples = stereo(kinds)
    whole, found = condition(samples, choice=choice, rate=rate, live=live)
    parts, found_in_parts = condition(samples, [min(cut, len(samples)) for cut in cuts], choice, rate, live=live)
    assert len(whole) == len(samples)
    np.testing.assert_array_equal(parts, whole)
    assert found_in_parts == found
    assert live or np.abs(whole).max(initial=0) <= 1.5  # full scale, but for an offset that was taken away


@pytest.mark.parametrize("live", [False, True])
def test_an_ordinary_recording_is_not_changed(live: bool) -> None:
    samples = voice(10)
    out, found = condition(samples, live=live)
    np.testing.assert_array_equal(out[:, 0], samples)
    assert found == []


def test_a_live_recording_waits_for_one_window_only() -> None:
    samples = voice(3) * np.float32(0.05) + np.float32(0.3)
    conditioner = Conditioner(RATE, 1, "mix", live=True)
    for at in range(0, len(samples), 1000):
        out = conditioner.push(samples[at : at + 1000, None])
        assert len(conditioner._held[0]) < RATE // 20
        if at > RATE:
            assert abs(out.mean()) < 0.01


@pytest.mark.parametrize("gain", [1.0, 0.05, 0.002])
@pytest.mark.parametrize("offset", [0.05, -0.4])
def test_an_offset_is_removed(gain: float, offset: float) -> None:
    samples = voice(10) * np.float32(gain)
    out, _ = condition(samples + np.float32(offset))
    assert abs(out.mean()) < 1e-4
    assert likeness(out[:, 0], samples) > 0.99
    # At once: the first word of a recording counts.
    assert likeness(out[:1600, 0], samples[:1600]) > 0.97


def test_an_offset_that_comes_later_is_removed() -> None:
    samples = voice(10) * np.float32(0.05)
    samples[5 * RATE :] += 0.2
    out, _ = condition(samples)
    assert np.abs(out[: 4 * RATE]).max() < 0.05
    assert np.abs(out[6 * RATE :]).max() < 0.05


@pytest.mark.parametrize("gain", [-1.0, -0.97, -0.9, -0.7])
@pytest.mark.parametrize("first", [1.0, 0.5])
def test_an_inverted_channel_does_not_cancel_the_other(gain: float, first: float) -> None:
    speech = voice(6)
    out, found = condition(np.outer(speech, [first, gain]))
    assert likeness(out[:, 0], speech) > 0.98
    assert out.std() > 0.4 * first * speech.std()
    assert any(warning.startswith("channels: ") for warning in found) == (abs(first + gain) < 0.6)


def test_an_inversion_of_a_part_costs_nothing_there() -> None:
    speech = voice(9)
    right = speech.copy()
    right[3 * RATE : 6 * RATE] *= -1
    out, found = condition(np.stack([speech, right], axis=1))
    for second in np.arange(0, 9, 0.25):
        part = slice(round(second * RATE), round((second + 0.25) * RATE))
        assert out[part].std() > 0.45 * speech[part].std()
    (warning,) = found
    assert re.match(r"channels: one channel is inverted for (2\.9|3\.\d) s", warning)
    assert abs(out[:, 0] - speech).max() < 1e-3  # also where the polarity changes


def test_an_inverted_channel_in_noise_is_noticed() -> None:
    speech = voice(6)
    noise = np.random.default_rng(2).standard_normal((len(speech), 2)).astype(np.float32) * 0.01
    out, found = condition(np.outer(speech, [1, -0.95]).astype(np.float32) + noise)
    assert likeness(out[:, 0], speech) > 0.95
    assert found


def test_an_inverted_channel_is_turned_and_both_are_mixed() -> None:
    speech = voice(6)
    noise = np.random.default_rng(2).standard_normal((len(speech), 2)).astype(np.float32) * 0.02
    out, _ = condition(np.outer(speech, [1, -1]).astype(np.float32) + noise)
    left = np.sum((out[:, 0] - speech) ** 2)
    assert left < 0.6 * np.sum(noise[:, 0] ** 2)  # noise of two microphones averages out; one channel would keep all


@pytest.mark.parametrize("share", [0.25, 0.5])
def test_sides_that_cancel_each_other_stay_behind_the_centre(share: float) -> None:
    """Where the voice in the centre pauses, inverted music left and right is not raised."""
    speech, music = voice(6), voice(6, seed=3) * np.float32(share)
    speech[2 * RATE : 4 * RATE] = 0
    samples = np.zeros((len(speech), 6), np.float32)
    samples[:, 0], samples[:, 1], samples[:, 2] = music, -0.7 * music, speech
    out, found = condition(samples)
    pause = slice(round(2.2 * RATE), round(3.8 * RATE))
    assert out[pause].std() < 0.12 * out[: 2 * RATE].std()
    assert found == []


def test_an_inverted_channel_under_an_offset_is_noticed() -> None:
    speech = voice(6) * np.float32(0.1)
    out, _ = condition(np.outer(speech, [1, -1]) + 0.3)
    assert likeness(out[:, 0], speech) > 0.95


def test_two_voices_on_two_channels_are_both_kept() -> None:
    one, other = voice(20, seed=1), voice(20, seed=2)
    out, found = condition(np.stack([one, other], axis=1))
    np.testing.assert_allclose(out[:, 0], (one + other) / 2, atol=3e-3)
    assert found == []


def test_a_dead_channel_takes_nothing_away() -> None:
    speech = voice(6)
    for channels in ([0, 1], [1, 0]):
        out, found = condition(np.outer(speech, channels))
        assert likeness(out[:, 0], speech) > 0.999
        assert found == []


@pytest.mark.parametrize("factor", [6.0, 8.0, 20.0, 32768.0, 2.0**23, 2.0**31])
def test_float_samples_over_full_scale_are_scaled(factor: float) -> None:
    speech = voice(6)
    out, (warning,) = condition(speech * np.float32(factor))
    assert warning.startswith("scaled: ")
    assert np.abs(out).max() <= 1.01
    # The scale falls with each new peak, so parts are compared.
    for second in range(6):
        part = slice(second * RATE, (second + 1) * RATE)
        assert likeness(out[part, 0], speech[part]) > 0.98
    if factor in {32768.0, 2.0**23, 2.0**31}:
        np.testing.assert_allclose(out[:, 0], speech, atol=3e-3)


def test_integers_are_recognised_before_they_are_loud() -> None:
    quiet = np.rint(np.random.default_rng(5).standard_normal(RATE) * 1.5)
    samples = np.concatenate([quiet, np.rint(voice(3) * 32768)])
    out, _ = condition(samples)
    assert np.abs(out[:RATE]).max() < 0.001


def test_a_few_stray_values_do_not_turn_the_recording_down() -> None:
    speech = voice(6)
    samples = speech.copy()
    samples[40_000], samples[70_000] = 1e20, -9000.0
    out, (warning,) = condition(samples)
    assert warning == "damaged: 2 single samples far above full scale were cut off"
    np.testing.assert_allclose(np.delete(out[:, 0], [40_000, 70_000]), np.delete(speech, [40_000, 70_000]), atol=3e-3)


def test_memory_does_not_grow() -> None:
    conditioner = Conditioner(48000, 2, "mix")
    for _ in range(60):
        conditioner.push(np.ones((48000, 2), np.float32))
    assert conditioner._held.nbytes < 48000 * 3 * 4 * 2
    assert len(conditioner._notes) < 100


@pytest.mark.parametrize(
    ("layout", "speech_at"), [("FFCWSS", 2), ("FCFSSW", 1), ("FFCWSS", 0), ("FFSS", 3), ("FFCWSSSS", 2), ("FFCWSS", 3)]
)
def test_surround_is_mixed_by_position(layout: str, speech_at: int) -> None:
    speech = voice(6)
    samples = np.zeros((len(speech), len(layout)), np.float32)
    for channel, position in enumerate(layout):
        if position == "W":
            samples[:, channel] = 0.5 * np.sin(np.arange(len(speech)) * 2 * np.pi * 60 / RATE)
    samples[:, speech_at] = speech
    out, _ = condition(samples, layout=layout)
    assert likeness(out[:, 0], speech) > 0.98
    assert out.std() > 0.1 * speech.std()


def test_chosen_and_separate_channels_are_not_mixed() -> None:
    one, other = voice(5, seed=1), voice(5, seed=2)
    both = np.stack([one, other], axis=1)
    np.testing.assert_allclose(condition(both, choice=1)[0][:, 0], other, atol=3e-3)
    np.testing.assert_allclose(condition(both, choice="split")[0], both, atol=3e-3)


def surround(layout: str = "FFCWSS") -> np.ndarray:
    """A voice in the centre, softer tones left and right, bass: a column for each channel of the layout."""
    speech, clock = voice(4), np.arange(4 * RATE) / RATE
    columns = {"C": speech, "W": 0.5 * np.sin(2 * np.pi * 50 * clock), "S": np.zeros(len(speech))}
    sides = iter([0.02 * np.sin(2 * np.pi * pitch * clock) for pitch in (220, 330)])
    return np.stack([columns[p] if p in columns else next(sides) for p in layout], axis=1).astype(np.float32)


def test_surround_sounds_alike_from_every_container(
    encode: Callable[..., Path], decode: Callable[..., Decoded], tmp_path: Path
) -> None:
    soundfile.write(tmp_path / "plain.wav", surround(), RATE, subtype="FLOAT")
    soundfile.write(tmp_path / "mask.wav", surround(), RATE, format="WAVEX", subtype="FLOAT")
    soundfile.write(tmp_path / "a.flac", surround(), RATE, subtype="PCM_24")
    soundfile.write(tmp_path / "a.caf", surround(), RATE, subtype="FLOAT")
    layout = ["-channel_layout", "5.1", "-i", tmp_path / "plain.wav"]
    encode(tmp_path / "a.mkv", *layout, "-c:a", "flac")
    encode(tmp_path / "a.ogg", *layout, "-c:a", "libvorbis", "-q:a", "9")
    expected = decode(tmp_path / "a.mkv").mono
    assert likeness(expected, surround()[:, 2]) > 0.9
    for name in ("plain.wav", "mask.wav", "a.flac", "a.caf", "a.ogg"):
        found = decode(tmp_path / name).mono
        assert likeness(found, expected) > 0.99, name
        assert found.std() == pytest.approx(expected.std(), rel=0.03), name


@pytest.mark.parametrize(
    "shares", [{0: 1.0, 4: -(2**0.5)}, {2: 1.0, 0: -0.6, 1: -0.6}], ids=["front, side", "centre, fronts"]
)
def test_channels_of_surround_that_cancel_in_a_usual_mix_are_heard(
    shares: dict[int, float], encode: Callable[..., Path], decode: Callable[..., Decoded], tmp_path: Path
) -> None:
    speech = voice(4)
    samples = np.zeros((len(speech), 6), np.float32)
    for channel, share in shares.items():
        samples[:, channel] = speech * share / 2
    soundfile.write(tmp_path / "plain.wav", samples, RATE, subtype="FLOAT")
    expected = decode(tmp_path / "plain.wav").mono
    assert expected.std() > 0.05 * speech.std()
    for codec in ("pcm_f32le", "flac"):
        encode(tmp_path / "a.mkv", "-y", "-channel_layout", "5.1", "-i", tmp_path / "plain.wav", "-c:a", codec)
        assert decode(tmp_path / "a.mkv").mono == pytest.approx(expected, abs=1e-3), codec


def test_the_channel_mask_of_a_wav_header_decides(decode: Callable[..., Decoded], tmp_path: Path) -> None:
    # Centre and LFE only: ten times more bass than voice.
    speech = voice(4)
    bass = 0.5 * np.sin(2 * np.pi * 50 * np.arange(len(speech)) / RATE)
    samples = np.stack([speech * 0.1, bass], axis=1).astype("<f4")
    guid = b"\x03\x00\x00\x00\x00\x00\x10\x00\x80\x00\x00\xaa\x00\x38\x9b\x71"
    form = struct.pack("<HHIIHHHHI", 0xFFFE, 2, RATE, RATE * 8, 8, 32, 22, 32, 0x4 | 0x8) + guid
    for size in (samples.nbytes, 0xFFFFFFFF):  # read by libsndfile, and as a stream whose length is open
        data = b"data" + struct.pack("<I", size) + samples.tobytes()
        head = (
            b"RIFF" + struct.pack("<I", min(size + 60, 0xFFFFFFFF)) + b"WAVEfmt " + struct.pack("<I", len(form)) + form
        )
        (tmp_path / "a.wav").write_bytes(head + data)
        assert likeness(decode(tmp_path / "a.wav").mono, speech) > 0.98


def test_a_layout_has_a_letter_for_each_channel() -> None:
    for channels in range(1, 130):
        for container in ("WAV", "OGG", "FLAC"):
            weights = mix_weights(default_layout(container, channels))
            assert [len(part) for part in weights] == [channels] * 2
            assert [sum(part) for part in weights] == pytest.approx([1, 1])
    assert layout_of_mask(0x3F, 6) == layout_of_mask(0x60F, 6) == default_layout("WAV", 6) == "FFCWSS"
    assert layout_of_mask(0x63F, 8) == layout_of_mask(0xFF, 8)[:6] + "SS" == default_layout("WAV", 8)
    assert layout_of_mask(0, 6) == layout_of_mask(0x3, 6) == ""


@pytest.mark.parametrize("layout", ["LFE of 5.1", "third of three channels"])
def test_sound_in_a_channel_that_ffmpeg_takes_for_bass(
    layout: str, encode: Callable[..., Path], decode: Callable[..., Decoded], wav: Path, tmp_path: Path
) -> None:
    """Its mix leaves LFE out; three channels of Matroska without positions are 2.1 to it."""
    where = "5.1|LFE=c0" if layout.startswith("LFE") else "3c|c2=c0|c0=0*c0|c1=0*c0"
    path = encode(tmp_path / "a.mkv", "-i", wav, "-af", f"pan={where}", "-c:a", "pcm_s16le")
    decoded = decode(path)
    assert heard(decoded.mono * (0.5 / np.abs(decoded.mono).max())) == pytest.approx(TIMES, abs=0.05)
    assert np.abs(decoded.mono).max() > 0.001
