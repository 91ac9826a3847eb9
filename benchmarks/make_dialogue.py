"""Make the recordings in examples/: a dialogue of two espeak-ng voices, as wav, mp3 and m4a.

    python -m benchmarks make_dialogue

Needs espeak-ng on PATH and the extra `builtin` (for its ffmpeg). The text is in dialogue.txt, one turn a line.
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import numpy.typing as npt
import soundfile as sf

HERE = Path(__file__).parents[1] / "examples"
VOICES = {"A": ["-v", "en-us", "-s", "140", "-p", "35"], "B": ["-v", "en-us+f3", "-s", "140", "-p", "60"]}
PAUSE_S = 0.5
RATE = 16000


def speak(voice: str, text: str, folder: Path) -> npt.NDArray[np.float32]:
    """One turn as (samples,) float32 at 16 kHz."""
    raw, wav = folder / "raw.wav", folder / "turn.wav"
    subprocess.run(["espeak-ng", *VOICES[voice], "-w", str(raw), text], check=True)
    convert(raw, wav, "-ar", str(RATE))
    samples: npt.NDArray[np.float32] = sf.read(wav, dtype="float32")[0]
    return samples


def convert(source: Path, target: Path, *options: str) -> None:
    """Transcode; bit-exact flags keep dates and versions out of the files."""
    quiet = [imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-v", "error", "-i", str(source)]
    subprocess.run([*quiet, "-map_metadata", "-1", "-fflags", "+bitexact", *options, str(target)], check=True)


def main() -> None:
    pause = np.zeros(int(PAUSE_S * RATE), np.float32)
    pieces = [pause]
    with tempfile.TemporaryDirectory() as folder:
        for line in (HERE / "dialogue.txt").read_text().splitlines():
            voice, text = line.split(": ", 1)
            pieces += [speak(voice, text, Path(folder)), pause]
    sf.write(HERE / "dialogue.wav", 0.7 * np.concatenate(pieces), RATE, subtype="PCM_16")
    convert(HERE / "dialogue.wav", HERE / "dialogue.mp3", "-b:a", "48k")
    convert(HERE / "dialogue.wav", HERE / "dialogue.m4a", "-c:a", "aac", "-b:a", "48k")


if __name__ == "__main__":
    main()
