"""Write the first ten and a half seconds of "A Tale of Two Cities" to the WAV file that is named."""

import sys
from pathlib import Path

import moonshine_voice
import soundfile as sf

with sf.SoundFile(Path(moonshine_voice.__file__).parent / "assets/two_cities.wav") as reading:
    samples = reading.read(int(10.5 * reading.samplerate))
    sf.write(sys.argv[1], samples, reading.samplerate, subtype="PCM_16")
