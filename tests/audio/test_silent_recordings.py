"""Whole recordings with digital silence: its frames are the smallest of a codec, and nothing is missing in them."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asrcli.audio.types import Source
from asrcli.options import AudioOptions
from tests.audio.sounds import LENGTH, Decoded, bursts

#: suffix, encoder
FORMS = [
    ("wav", "pcm_s16le"), ("wav", "pcm_alaw"), ("wav", "adpcm_ima_wav"), ("w64", "pcm_s24le"), ("caf", "pcm_f32be"),
    ("aiff", "pcm_s16be"), ("au", "pcm_mulaw"), ("flac", "flac"), ("ogg", "flac"), ("mkv", "flac"), ("mp4", "flac"),
    ("mp3", "libmp3lame"), ("mp2", "mp2"), ("aac", "aac"), ("m4a", "aac"), ("m4a", "alac"), ("mov", "pcm_s16le"),
    ("ts", "aac"), ("flv", "aac"), ("avi", "libmp3lame"), ("avi", "pcm_s16le"), ("ogg", "libvorbis"),
    ("opus", "libopus"), ("webm", "libopus"), ("mka", "libvorbis"), ("ac3", "ac3"), ("eac3", "eac3"),
    ("wma", "wmav2"), ("asf", "wmav1"), ("tta", "tta"), ("wv", "wavpack"), ("rm", "ac3"), ("caf", "alac"),
    ("mka", "pcm_s16le"), ("dts", "dca"),
]  # fmt: skip
#: seconds of sound, and of silence behind it
SPANS = [(0.0, 1.37), (LENGTH, 1.0), (LENGTH, 0.013)]


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Path, float]]:
    """(WAV, seconds), 44.1 kHz."""
    folder, made = tmp_path_factory.mktemp("silent"), []
    for number, (sound, silence) in enumerate(SPANS):
        samples = np.zeros(round((sound + silence) * 44100), np.float32)
        samples[: round(sound * 44100)] = bursts(44100)[: round(sound * 44100)]
        path = folder / f"{number}.wav"
        soundfile.write(path, samples, 44100)
        made.append((path, len(samples) / 44100))
    return made


@pytest.mark.parametrize(("suffix", "encoder"), FORMS)
def test_silence_is_no_damage(
    suffix: str, encoder: str, sources: list[tuple[Path, float]], encode: Callable[..., Path], tmp_path: Path
) -> None:
    for source, seconds in sources:
        path = encode(tmp_path / f"{source.stem}.{suffix}", "-i", source, "-c:a", encoder, "-strict", "-2")
        for read in (Source("a", path=path), Source("a", stream=io.BytesIO(path.read_bytes()))):
            decoded = Decoded(read, AudioOptions())
            assert decoded.warnings == []
            assert decoded.seconds == pytest.approx(seconds, abs=0.12)
