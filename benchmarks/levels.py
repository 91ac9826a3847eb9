"""Word errors where a recording is quiet, offset, over full scale, inverted, or in surround sound.

    python -m benchmarks levels [CONDITION ...] [--worst 3]

The clips are the English ones of ../shared/data/speech. Each condition alters all of them and writes them to a folder
that `asrcli transcribe` reads with default options; the rate is pooled and normalised as in `benchmarks wer`. The bar:
every condition within 0.5 points of "clean", and "inverted, noise" within 0.5 points of "noise".
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile

from asrcli.audio.ffmpeg.process import find_ffmpeg
from asrcli.audio.types import SAMPLE_RATE, Samples
from benchmarks import contestants as programs
from benchmarks.corpora import Clip, clips
from benchmarks.wer import word_errors


def _gain(decibels: float) -> Callable[[Samples], Samples]:
    return lambda speech: speech * np.float32(10 ** (decibels / 20))


def _stereo(left: float, right: float) -> Callable[[Samples], Samples]:
    return lambda speech: np.outer(speech, [left, right])


def inverted_in_part(speech: Samples) -> Samples:
    """The right channel is inverted in the middle third."""
    right = speech.copy()
    right[len(right) // 3 : 2 * len(right) // 3] *= -1
    return np.stack([speech, right], axis=1)


def inverted_with_noise(speech: Samples) -> Samples:
    """Two microphones of opposite polarity, each with noise of its own 25 dB below the speech."""
    noise = np.random.default_rng(1).standard_normal((len(speech), 2)) * speech.std() * 10 ** (-25 / 20)
    mixed: Samples = (np.outer(speech, [1.0, -0.95]) + noise).astype(np.float32)
    return mixed


def noisy(speech: Samples) -> Samples:
    """One microphone with the noise of `inverted_with_noise`: what the noise alone costs."""
    return inverted_with_noise(speech)[:, :1]


def surround(speech: Samples) -> Samples:
    """5.1 (left, right, centre, LFE, surround): speech in the centre, a chord 12 dB below it left and right."""
    clock = np.arange(len(speech)) / SAMPLE_RATE
    chord = sum(np.sin(2 * np.pi * pitch * clock) for pitch in (220.0, 277.2, 329.6)) * speech.std() * 0.25 / 1.22
    mixed = np.zeros((len(speech), 6))
    mixed[:, 0], mixed[:, 1], mixed[:, 2] = chord, -chord * 0.7, speech
    mixed[:, 3] = np.sin(2 * np.pi * 50 * clock) * speech.std()
    return mixed.astype(np.float32)


#: name -> the alteration, (n,) -> (n,) or (n, channels), and the suffix of the file
CONDITIONS: dict[str, tuple[Callable[[Samples], Samples], str]] = {
    "clean": (lambda speech: speech, "wav"),
    **{f"{level} dB": (_gain(level), "wav") for level in (-12, -30, -50, -60, -66, -70)},
    "DC 0.2": (lambda speech: speech * np.float32(0.7) + np.float32(0.2), "wav"),
    "DC over quiet": (lambda speech: speech * np.float32(0.01) + np.float32(0.05), "wav"),
    "x 8": (_gain(18.06), "wav"),
    "x 32768": (_gain(90.31), "wav"),
    "identical": (_stereo(1, 1), "wav"),
    "dead channel": (_stereo(0, 1), "wav"),
    "inverted": (_stereo(1, -1), "wav"),
    "inverted, -0.9": (_stereo(0.9, -1), "wav"),
    "inverted, part": (inverted_in_part, "wav"),
    "noise": (noisy, "wav"),
    "inverted, noise": (inverted_with_noise, "wav"),
    **{f"5.1 {suffix}": (surround, suffix) for suffix in ("wav", "flac", "mkv")},
}


def write(path: Path, samples: Samples, suffix: str) -> None:
    """One clip as a file: 32-bit float WAV, 24-bit FLAC, or FLAC in Matroska with its layout."""
    wav = path.with_suffix(".wav")
    if suffix == "flac":
        soundfile.write(path.with_suffix(".flac"), samples, SAMPLE_RATE, subtype="PCM_24")
        return
    soundfile.write(wav, samples, SAMPLE_RATE, subtype="FLOAT")
    if suffix == "mkv":
        layout = ["-channel_layout", "5.1"]
        command = [
            find_ffmpeg(),
            "-v",
            "error",
            "-y",
            *layout,
            "-i",
            str(wav),
            "-c:a",
            "flac",
            str(path.with_suffix(".mkv")),
        ]
        subprocess.run(command, check=True)
        wav.unlink()


def transcribe(condition: str, wanted: tuple[Clip, ...], model: programs.Model) -> dict[str, str]:
    """What is recognised of each clip under a condition."""
    alter, suffix = CONDITIONS[condition]
    with tempfile.TemporaryDirectory(prefix="asrcli-levels-") as folder:
        for clip in wanted:
            write(Path(folder) / f"{clip.name.replace('.', '_')}.x", alter(clip.samples), suffix)
        contestant = programs.asrcli(model, [Path(folder)])
        words = contestant.read(contestant.start())
    return {clip.name: words.get(clip.name.replace(".", "_"), "") for clip in wanted}


def main() -> None:
    """Print the rate of each condition, and the clips that suffer most."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("conditions", nargs="*", metavar="CONDITION", help="those to measure; without any, all")
    parser.add_argument("--model", help="of asrcli; without it, its default")
    parser.add_argument("--worst", type=int, default=0, help="show so many clips with the most errors")
    arguments = parser.parse_args()
    wanted = {clip.name: clip.words for clip in clips()}
    for condition in arguments.conditions or CONDITIONS:
        heard = transcribe(condition, clips(), programs.named(arguments.model))
        errors = word_errors(wanted, heard)
        missing = f"{errors.substitutions} substituted, {errors.deletions} missing, {errors.insertions} too many"
        print(
            f"{condition:16} WER {errors.rate:5.2f} %   {errors.count} of {errors.words} words ({missing})", flush=True
        )
        by_clip = {name: word_errors({name: wanted[name]}, heard) for name in wanted}
        for name, found in sorted(by_clip.items(), key=lambda item: -item[1].count)[: arguments.worst]:
            print(f"  {found.count} of {found.words}  {name}\n     heard  {heard[name]}")


if __name__ == "__main__":
    main()
