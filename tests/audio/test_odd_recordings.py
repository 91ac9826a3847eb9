"""Real recordings in odd forms, and real faults."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from asrcli.audio.channels import DuplicateChannelFilter
from asrcli.errors import AudioDecodeError, EmptyInputError
from tests.audio.sounds import Decoded


@pytest.fixture(scope="module")
def odd(shared: Path) -> Path:
    return shared / "data" / "odd"


@pytest.mark.parametrize(
    ("name", "seconds", "channels", "rate", "form"),
    [
        ("8_Channel_ID.m4a", 8.049, 8, 48000, "mp4/aac"),
        ("big_buck_bunny_small.mp4", 5.312, 6, 48000, "mp4/aac"),
        ("jfk_441khz.m4a", 11.0, 1, 44100, "mp4/aac"),
        ("lhotse_stereo.opus", 1.0054, 2, 8000, "ogg/opus"),
        ("lhotse_stereo.sph", 1.0, 2, 8000, "nist/pcm_16"),
        ("silero_test.opus", 8.064, 1, 16000, "ogg/opus"),
        ("stereo_diarization.wav", 5.0, 2, 16000, "wav/pcm_s16le"),
    ],
)
def test_good_recordings(
    name: str, seconds: float, channels: int, rate: int, form: str, odd: Path, decode: Callable[..., Decoded]
) -> None:
    mixed, split = decode(odd / name), decode(odd / name, channels="split")
    for decoded in (mixed, split):
        assert decoded.seconds == pytest.approx(seconds, abs=0.01)
        assert decoded.warnings == []
        info = decoded.stream.info
        assert (info.channels, info.sample_rate, info.format) == (channels, rate, form)
    assert mixed.stream.channels == 1
    assert split.stream.channels == channels
    silent = [channel for channel in range(channels) if np.abs(split.channels[:, channel]).max() < 1e-4]
    assert silent in ([], [3])  # a film's channel of low effects may be empty


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("funasr_tmp_broken.wav", EmptyInputError, "no audio, only a header"),
        ("pocketsphinx_awful.wav", AudioDecodeError, "sample rate of 1,092,676 Hz"),
        ("pocketsphinx_evil.wav", AudioDecodeError, "No 'data' chunk"),
    ],
)
def test_faulty_recordings(
    name: str, error: type[Any], message: str, odd: Path, decode: Callable[..., Decoded]
) -> None:
    with pytest.raises(error, match=message) as caught:
        decode(odd / name)
    assert caught.value.hint


def test_the_channels_of_an_m4a_speak_in_turn(odd: Path, decode: Callable[..., Decoded]) -> None:
    """Eight channels, each announced in its own: none repeats another."""
    channels = decode(odd / "8_Channel_ID.m4a", channels="split").channels
    peaks = np.abs(channels).argmax(axis=0)
    assert len(set(peaks // 4000)) >= 6
    deduper = DuplicateChannelFilter(8)
    deduper.push(channels)
    assert deduper.duplicates() == []


def test_a_recording_is_the_same_through_either_decoder(shared: Path, decode: Callable[..., Decoded]) -> None:
    """The same speech as m4a (ffmpeg) and flac (libsndfile): no shift, no drift."""
    m4a = decode(shared / "data" / "odd" / "jfk_441khz.m4a").mono
    flac = decode(shared / "data" / "speech" / "jfk.flac").mono
    length = min(len(m4a), len(flac))
    for at in (16000, length - 48000):
        piece = flac[at : at + 32000]
        products = [float(np.dot(piece, m4a[at + shift : at + shift + 32000])) for shift in range(-800, 800)]
        assert abs(int(np.argmax(products)) - 800) <= 16
