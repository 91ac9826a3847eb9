"""Diarize a long conversation put together from recordings with RTTM: speed, memory, error rate, lasting labels.

    python -m benchmarks diarization --shared ../shared --hours 2
    python -m benchmarks diarization --shared ../shared --hours 12 --transcribe
    python -m benchmarks diarization --score ../shared/data/conversations/*.flac
    python -m benchmarks diarization --words --score ../shared/data/conversations/*.flac
    python -m benchmarks diarization --words --variants 40 --seed 1
    python -m benchmarks diarization --calibrate ../shared/data/conversations

`--variants` scores conversations built from the clips of `data/conversations`: other mixes, speeds, gaps, overlaps,
levels and channels (`conversations.make_variants`). A change is judged by these too: no setting is chosen for one
recording.

The long conversation draws the speakers' turns at random, at changing loudness over a noise floor, with pauses and a
few overlaps. It is made and heard as a stream, so the memory reported is that of diarization. With `--transcribe` it is
written to a file for `asrcli transcribe --diarize`, and the memory is that of all processes (proportional set size).
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import soundfile

from asrcli.audio import open_audio
from asrcli.audio.types import SAMPLE_RATE, Samples, Source
from asrcli.backends.process.engine_client import EngineClient
from asrcli.backends.types import ModelSpec
from asrcli.evaluate.diarization import DiarizationErrors, read_rttm, score_turns
from asrcli.evaluate.speaker_words import WordErrors, score_speakers, score_words, texts_of_speakers
from asrcli.evaluate.words import TextErrors
from asrcli.model_set import choose
from asrcli.models.registry import Registry
from asrcli.options import AudioOptions, SpeakerOptions, TranscribeOptions
from asrcli.runtime import Runtime
from asrcli.speakers.diarizer import AVERAGE_SHARE, Diarizer
from asrcli.speakers.loading import SERVICE, diarization_spec, diarizers
from asrcli.speakers.types import FRAME_SECONDS, HOP_FRAMES, Vectors
from asrcli.transcript import Turn
from benchmarks.conversations import clips, conversation, make_variants, turns_of
from benchmarks.measure import load, peak_of, run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--score", nargs="+", type=Path, help="recordings with their RTTM beside them")
    parser.add_argument("--words", action="store_true", help="recognise too, and score the speakers of the words")
    parser.add_argument("--variants", type=int, help="score so many conversations built from data/conversations")
    parser.add_argument("--keep", type=Path, help="folder in which the variants are kept")
    parser.add_argument("--calibrate", type=Path, help="folder of such recordings: distances of the embedding")
    parser.add_argument("--shared", type=Path, default=Path("../shared"), help="folder with data/speakers and models")
    parser.add_argument("--hours", type=float, default=1.0)
    parser.add_argument("--transcribe", action="store_true", help="the whole command on the long conversation")
    parser.add_argument("--recordings", nargs="+", default=["librispeech_conv4"])
    parser.add_argument("--segmentation", default="community-1", help="a name, or a folder of the shared models")
    parser.add_argument("--embedding", default="community-1", help="as --segmentation")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--speakers", type=int)
    parser.add_argument("--collar", type=float, default=0.125, help="seconds a side")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()

    with tempfile.TemporaryDirectory() as scratch:
        if arguments.variants:
            folder = arguments.keep or Path(scratch)
            folder.mkdir(parents=True, exist_ok=True)
            recordings = sorted((arguments.shared / "data/conversations").glob("*.flac"))
            arguments.score = make_variants(folder, recordings, arguments.variants, arguments.seed)
        measure(arguments)


def measure(arguments: argparse.Namespace) -> None:
    """Run what the options ask for."""
    spec = diarization_spec(
        Registry().resolve(model_of(arguments.shared, arguments.segmentation), kind="segmentation"),
        Registry().resolve(model_of(arguments.shared, arguments.embedding), kind="embedding"),
    )
    if arguments.transcribe:
        transcribe_long(arguments)
        return
    if arguments.score and arguments.words:
        score_with_words(arguments.score, spec, arguments)
        return
    with EngineClient(arguments.threads) as host:
        host.load("speakers", SERVICE, spec).result()
        options = SpeakerOptions(enabled=True, speakers=arguments.speakers)
        new = diarizers(partial(host.submit, "speakers"), spec, options)
        if arguments.score:
            score(arguments.score, new, arguments.collar)
        elif arguments.calibrate:
            calibrate(sorted(path for path in arguments.calibrate.iterdir() if path.suffix in {".wav", ".flac"}), new)
        else:
            long_conversation(arguments, new(), host)


def score(paths: Sequence[Path], new: Callable[[], Diarizer], collar: float) -> None:
    """Print the errors of each recording, and of all of them together."""
    total = DiarizationErrors()
    for path in paths:
        truth, turns, _ = diarized(path, new())
        errors = score_turns(truth, turns, collar=collar)
        print_errors(path.stem, errors)
        total += errors
    print_total(total)


def score_with_words(paths: Sequence[Path], spec: ModelSpec, arguments: argparse.Namespace) -> None:
    """The same of whole transcripts, with what `asrcli evaluate` computes of their words."""
    options = TranscribeOptions(speakers=SpeakerOptions(enabled=True, speakers=arguments.speakers))
    registry = Registry()
    models = choose(registry.resolve(), options, registry, lambda name, kind: registry.resolve(name, kind=kind))
    assert models.speakers is not None
    models = replace(models, speakers=replace(models.speakers, spec=spec))
    total, words, by_speaker = DiarizationErrors(), WordErrors(), TextErrors()
    with Runtime(models, jobs=arguments.threads) as runtime:
        for path in paths:
            truth = turns_of(path)
            transcript = runtime.transcribe(Source(path.name, path))
            errors = score_turns(truth, transcript.turns, collar=arguments.collar)
            said = [word for segment in transcript.segments for word in segment.words]
            wrong, cpwer = score_words(truth, said), score_speakers(*texts_of_speakers(truth, said), language="en")
            print_errors(path.stem, errors)
            print_words(wrong, cpwer)
            total, words, by_speaker = total + errors, words + wrong, by_speaker + cpwer
    print_total(total)
    print_words(words, by_speaker)


def print_total(errors: DiarizationErrors) -> None:
    print_errors(f"all {errors.files}", errors)
    print(f"right number of speakers in {errors.right_counts} of {errors.files}")


def print_words(wrong: WordErrors, cpwer: TextErrors) -> None:
    print(f"{'':24} words with the wrong speaker {wrong.wrong} of {wrong.words}  cpWER less WER {cpwer.rate:6.1%}")


def print_errors(name: str, errors: DiarizationErrors) -> None:
    parts = (errors.missed, errors.false_alarm, errors.confusion)
    missed, false_alarm, confusion = (f"{part / errors.reference:6.1%}" for part in parts)
    print(
        f"{name:24} DER {errors.der:6.1%}  missed {missed}  false alarm {false_alarm}  confusion {confusion}  "
        f"JER {errors.jer:6.1%}  {errors.found} of {errors.speakers} speakers"
    )


def diarized(path: Path, diarizer: Diarizer) -> tuple[list[Turn], list[Turn], Diarizer]:
    """The reference turns of a recording, and those that diarization finds."""
    truth = turns_of(path)
    with open_audio(Source(path.name, path), AudioOptions()) as stream:
        for block in stream.blocks():
            diarizer.push(block[:, 0])
    return truth, diarizer.finish(), diarizer


def calibrate(paths: Sequence[Path], new: Callable[[], Diarizer]) -> None:
    """Print distances of an embedding, and the thresholds that lie half-way.

    Within each recording, for pieces of at least 1 s in which one reference speaker has four fifths of the time:
    the mean distance of the pieces of one speaker, and of two; the distance of the voices (`voice_distance`) of the two
    halves of a speaker's pieces, and of two speakers. Each threshold is half-way between the 95th percentile of one
    speaker and the 5th of two.
    """
    distances: dict[str, list[float]] = {"mean, one": [], "mean, two": [], "voices, one": [], "voices, two": []}
    for path in paths:
        truth, _, diarizer = diarized(path, new())
        speakers = [vectors for vectors in by_speaker(truth, diarizer).values() if len(vectors) >= 4]
        for number, vectors in enumerate(speakers):
            distances["mean, one"].append(1 - likeness(vectors))
            distances["voices, one"].append(voice_distance(vectors[::2], vectors[1::2]))
            for others in speakers[:number]:
                distances["mean, two"].append(1 - float((vectors @ others.T).mean()))
                distances["voices, two"].append(voice_distance(vectors, others))
    for name in ("mean", "voices"):
        one, two = (np.percentile(distances[f"{name}, {which}"], [5, 50, 95]) for which in ("one", "two"))
        print(
            f"{name:12} one speaker {one.round(3)}  two speakers {two.round(3)}  half-way {(one[2] + two[0]) / 2:.3f}"
        )
    print(f"cluster_threshold is the mean's / {AVERAGE_SHARE:g}, join_threshold the voices'")


def likeness(vectors: Vectors) -> float:
    """The mean cosine of two embeddings of one group."""
    count = len(vectors)
    return (float((vectors @ vectors.T).sum()) - count) / (count * (count - 1))


def voice_distance(one: Vectors, other: Vectors) -> float:
    """1 minus the mean cosine of two groups, relative to those within each."""
    return 1 - float((one @ other.T).mean()) / math.sqrt(likeness(one) * likeness(other))


def by_speaker(truth: Sequence[Turn], diarizer: Diarizer) -> dict[str, Vectors]:
    """The embeddings of the pieces of each reference speaker."""
    found: dict[str, list[Vectors]] = {}
    first = 0
    for part in diarizer.results:
        for (window, _, start, end), vector in zip(part.pieces.tolist(), part.embeddings, strict=True):
            at = (first + window) * HOP_FRAMES * FRAME_SECONDS
            begin, stop = at + start * FRAME_SECONDS, at + end * FRAME_SECONDS
            for turn in truth:
                if stop - begin >= 1.0 and min(turn.end, stop) - max(turn.start, begin) >= 0.8 * (stop - begin):
                    found.setdefault(turn.speaker, []).append(vector)
        first += part.windows
    return {speaker: np.array(vectors) for speaker, vectors in found.items()}


def made_conversation(arguments: argparse.Namespace, truth: list[Turn]) -> Iterator[Samples]:
    """Stream a conversation of some hours; `truth` gets its turns."""
    parts = [part for name in arguments.recordings for part in clips(arguments.shared / f"data/speakers/{name}.wav")]
    return conversation(parts, arguments.hours * 3600, truth, arguments.seed)


def transcribe_long(arguments: argparse.Namespace) -> None:
    """Transcribe a made conversation with the command, and print memory by quarters of the time it took."""
    truth: list[Turn] = []
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch, "long.wav")
        with soundfile.SoundFile(path, "w", SAMPLE_RATE, 1) as file:
            for block in made_conversation(arguments, truth):
                file.write(block)
        command = [sys.executable, "-m", "asrcli", "transcribe", str(path), "--diarize", "--format", "rttm"]
        last = run([*command, "--output-dir", scratch, "--jobs", str(arguments.threads)], watch=1.0)
        (turns,) = read_rttm(path.with_suffix(".rttm").read_text(encoding="utf-8")).values()
    length = max(turn.end for turn in truth)
    report(truth, turns, length)
    print(f"speed     {length / last.wall:.1f} x real time; {load()}")
    print(f"memory    {last.peak >> 20} MB at most; medians of the quarters, MB: {last.quarters}")


def long_conversation(arguments: argparse.Namespace, diarizer: Diarizer, host: EngineClient) -> None:
    """Diarize a made conversation of some hours."""
    truth: list[Turn] = []
    began = time.monotonic()
    for block in made_conversation(arguments, truth):
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
