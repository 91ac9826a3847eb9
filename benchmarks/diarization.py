"""Diarize a long conversation put together from recordings with RTTM: speed, memory, error rate, lasting labels.

    python -m benchmarks.diarization --shared ../shared --hours 2

The conversation draws the speakers' turns at random, at changing loudness over a noise floor, with pauses and a few
overlaps. It is made and heard as a stream, so the memory reported is that of diarization.
"""

from __future__ import annotations

import argparse
import os
import random
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import soundfile

from asrcli.audio.types import SAMPLE_RATE, Samples
from asrcli.backends.process.engine_client import EngineClient
from asrcli.evaluate.diarization import read_rttm, score_turns
from asrcli.models.registry import Registry
from asrcli.options import SpeakerOptions
from asrcli.speakers.loading import SERVICE, diarization_spec, diarizers
from asrcli.transcript import Turn
from benchmarks.measure import peak_of


def clips(wave: Path) -> list[tuple[str, Samples]]:
    """The turns of a recording, each with its speaker's name."""
    audio, _ = soundfile.read(wave, dtype="float32")
    (turns,) = read_rttm(wave.with_suffix(".rttm").read_text()).values()
    return [(turn.speaker, audio[round(turn.start * SAMPLE_RATE) : round(turn.end * SAMPLE_RATE)]) for turn in turns]


def conversation(parts: list[tuple[str, Samples]], seconds: float, truth: list[Turn], seed: int) -> Iterator[Samples]:
    """Stream a conversation of about so many seconds; `truth` gets its turns."""
    chance, noise = random.Random(seed), np.random.default_rng(seed)
    position, carry, last = 0, np.zeros(0, np.float32), ""
    while position < seconds * SAMPLE_RATE:
        speaker, clip = chance.choice([part for part in parts if part[0] != last])
        last = speaker
        clip = clip * 10 ** (chance.uniform(-6, 3) / 20)
        truth.append(Turn(position / SAMPLE_RATE, (position + len(clip)) / SAMPLE_RATE, speaker))
        clip[: len(carry)] += carry[: len(clip)]
        if chance.random() < 0.1 and len(clip) > 3 * SAMPLE_RATE:  # the next one breaks in
            cut = len(clip) - SAMPLE_RATE
            clip, carry = clip[:cut], clip[cut:]
            pause = 0
        else:
            carry, pause = np.zeros(0, np.float32), int(chance.uniform(0.2, 1.5) * SAMPLE_RATE)
        block = np.concatenate([clip, np.zeros(pause, np.float32)])
        position += len(block)
        yield block + 0.001 * noise.standard_normal(len(block), dtype=np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shared", type=Path, required=True, help="folder with data/speakers and models")
    parser.add_argument("--hours", type=float, default=1.0)
    parser.add_argument("--recordings", nargs="+", default=["librispeech_conv4"])
    parser.add_argument("--segmentation", default="community-1", help="a name, or a folder of the shared models")
    parser.add_argument("--embedding", default="community-1", help="as --segmentation")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--speakers", type=int)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()

    parts = [part for name in arguments.recordings for part in clips(arguments.shared / f"data/speakers/{name}.wav")]
    spec = diarization_spec(
        Registry().resolve(model_of(arguments.shared, arguments.segmentation), kind="segmentation"),
        Registry().resolve(model_of(arguments.shared, arguments.embedding), kind="embedding"),
    )
    truth: list[Turn] = []
    with EngineClient(arguments.threads) as host:
        host.load("speakers", SERVICE, spec).result()
        options = SpeakerOptions(enabled=True, speakers=arguments.speakers)
        diarizer = diarizers(partial(host.submit, "speakers"), spec, options)()
        began = time.monotonic()
        for block in conversation(parts, arguments.hours * 3600, truth, arguments.seed):
            diarizer.push(block)
        heard = time.monotonic()
        turns = diarizer.finish()
        done = time.monotonic()
        peaks = {"this process": peak_of(os.getpid()), "engine": peak_of(host.process_id)}
    length = max(turn.end for turn in truth)
    report(truth, turns, length)
    print(f"speed     {length / (done - began):.1f} x real time, of it {done - heard:.1f} s after the last sample")
    for who, most in peaks.items():
        print(f"memory    {most >> 20} MB at most, {who}")


def model_of(shared: Path, name: str) -> str:
    """A model of the shared folder by its path, any other by its name."""
    folder = shared.absolute() / "models" / name
    return str(folder) if folder.is_dir() else name


def report(truth: list[Turn], turns: list[Turn], length: float) -> None:
    """Error rate and who was called what, in the whole and in its first and last tenth."""
    errors = score_turns(truth, turns)
    print(f"length    {length / 3600:.2f} h, {len({turn.speaker for turn in truth})} speakers, {len(truth)} turns")
    print(f"found     {len({turn.speaker for turn in turns})} speakers, {len(turns)} turns")
    print(f"DER       {errors.der:.1%} {errors.to_dict()}")
    for name, first, last in (("start", 0.0, length / 10), ("end", length * 0.9, length)):
        votes: dict[str, dict[str, float]] = {}
        for real in truth:
            for turn in turns:
                overlap = min(real.end, turn.end, last) - max(real.start, turn.start, first)
                if overlap > 0:
                    votes.setdefault(real.speaker, {}).setdefault(turn.speaker, 0.0)
                    votes[real.speaker][turn.speaker] += overlap
        called = {real: max(heard, key=heard.__getitem__) for real, heard in sorted(votes.items())}
        print(f"{name:9} {called}")


if __name__ == "__main__":
    main()
