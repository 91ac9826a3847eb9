"""Conversations put together from the turns of recordings with RTTM.

`conversation` streams a long one; `make_variants` writes short ones that differ in the number of voices, the shares of
them, the length of turns, the gaps and overlaps between them, speed, level, noise, telephone band and room.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

from asrcli.audio.types import SAMPLE_RATE, Samples
from asrcli.evaluate.diarization import read_rttm
from asrcli.transcript import Turn

#: shortest part of a turn, free of others, that is used, seconds
_SHORTEST_CLIP = 0.6
#: and least speech of a voice that is used
_LEAST_SPEECH = 8.0
#: recordings whose clips carry noise or a telephone band of their own
_NOT_CLEAN = ("noisy", "phone")

_Floats = npt.NDArray[np.float64]


def clips(wave: Path) -> list[tuple[str, Samples]]:
    """The turns of a recording, each with its speaker's name."""
    audio, _ = soundfile.read(wave, dtype="float32")
    return [(turn.speaker, audio[_at(turn.start) : _at(turn.end)]) for turn in turns_of(wave)]


def turns_of(recording: Path) -> list[Turn]:
    """The reference turns that lie beside a recording."""
    (turns,) = read_rttm(recording.with_suffix(".rttm").read_text()).values()
    return turns


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


def make_variants(folder: Path, recordings: Sequence[Path], count: int, seed: int) -> list[Path]:
    """Write conversations of 1 to 8 voices, with RTTM beside them, to a folder; the same for the same seed. A speaker
    has one name in all of the recordings, whose RTTM lies beside them.
    """
    voices = _voices(path for path in recordings if not any(mark in path.stem for mark in _NOT_CLEAN))
    made: list[Path] = []
    for number in range(count):
        chance = random.Random(f"{seed} {number}")
        style = chance.choice(("read", "read", "dialogue", "dialogue", "skew"))
        channel = chance.choice(("", "", "noise", "phone", "room"))
        speakers = chance.choice((2, 2, 3, 4) if style == "dialogue" else (1, 2, 2, 3, 3, 4, 5, 6, 7, 8))
        audio, turns = _mixed(_drawn_turns(voices, speakers, style, chance), style, chance)
        audio = _through(channel, audio, np.random.default_rng(chance.randrange(2**32)))
        path = folder / f"{number:02}_{style}{speakers}{'_' if channel else ''}{channel}.flac"
        soundfile.write(path, 0.5 * audio / np.abs(audio).max(), SAMPLE_RATE)
        rows = (
            f"SPEAKER {path.stem} 1 {turn.start:.3f} {turn.end - turn.start:.3f} <NA> <NA> {turn.speaker} <NA> <NA>"
            for turn in turns
        )
        path.with_suffix(".rttm").write_text("\n".join(rows) + "\n")
        made.append(path)
    return made


def _at(seconds: float) -> int:
    return round(seconds * SAMPLE_RATE)


def _voices(recordings: Iterator[Path]) -> dict[str, list[Samples]]:
    """The clips of each speaker, where no other is active; each once."""
    found: dict[str, dict[bytes, Samples]] = {}
    for recording in recordings:
        audio, _ = soundfile.read(recording, dtype="float32")
        turns = turns_of(recording)
        for turn in turns:
            others = [other for other in turns if other.speaker != turn.speaker]
            start = max(chain([turn.start], (o.end for o in others if o.start <= turn.start < o.end)))
            end = min(chain([turn.end], (o.start for o in others if start <= o.start < turn.end)))
            if end - start >= _SHORTEST_CLIP:
                clip = audio[_at(start) : _at(end)]
                clip = 0.1 * clip / np.sqrt(np.mean(clip**2))
                found.setdefault(turn.speaker, {})[clip[::7].tobytes()] = clip
    return {speaker: list(parts.values()) for speaker, parts in sorted(found.items())}


def _drawn_turns(
    voices: Mapping[str, list[Samples]], speakers: int, style: str, chance: random.Random
) -> list[tuple[str, Samples]]:
    """The turns of a conversation in order: no speaker follows itself, unless alone."""
    enough = [speaker for speaker, parts in voices.items() if sum(map(len, parts)) >= _at(_LEAST_SPEECH)]
    left: dict[str, list[Samples]] = {}
    for number, speaker in enumerate(chance.sample(enough, speakers)):
        parts = chance.sample(voices[speaker], len(voices[speaker]))
        seconds = chance.uniform(
            *((30, 50) if style == "skew" and number == 0 else (7, 12) if style == "skew" else (9, 35))
        )
        if style == "dialogue":
            parts = [each for part in parts for each in _divided(part, chance)]
        most = 1 + int(np.searchsorted(np.cumsum([len(part) for part in parts]), _at(seconds)))
        speed, level = chance.uniform(0.92, 1.08), 10 ** (chance.uniform(-8, 0) / 20)
        left[speaker] = [level * _faster(part, speed) for part in parts[:most]]
    turns: list[tuple[str, Samples]] = []
    while any(left.values()):
        others = [speaker for speaker in left if left[speaker] and (not turns or speaker != turns[-1][0])]
        if not others and speakers > 1:
            break
        speaker = chance.choices(others or list(left), [len(left[each]) for each in others or left])[0]
        turns.append((speaker, left[speaker].pop()))
    return turns


def _faster(clip: Samples, speed: float) -> Samples:
    """Played at another speed: tempo and pitch."""
    played: Samples = np.interp(np.arange(0, len(clip) - 1, speed), np.arange(len(clip)), clip).astype(np.float32)
    return played


def _divided(clip: Samples, chance: random.Random) -> Iterator[Samples]:
    """Parts of 1 to 3 s, divided at quiet moments."""
    step = SAMPLE_RATE // 50
    power = (clip[: len(clip) // step * step].reshape(-1, step) ** 2).mean(axis=1)
    start = 0
    while (len(clip) - start) > 3 * SAMPLE_RATE:
        low, high = (start + _at(seconds) for seconds in sorted((chance.uniform(0.8, 2.0), chance.uniform(2.0, 2.8))))
        end = (low // step + int(power[low // step : high // step + 1].argmin())) * step
        yield clip[start:end]
        start = end
    yield clip[start:]


def _mixed(turns: Sequence[tuple[str, Samples]], style: str, chance: random.Random) -> tuple[Samples, list[Turn]]:
    overlapping = chance.uniform(0.1, 0.4) if style == "dialogue" else 0.0
    found: list[Turn] = []
    placed: list[tuple[int, Samples]] = []
    position = _at(chance.uniform(0.2, 1.0))
    for speaker, clip in turns:
        if found and chance.random() < overlapping:
            position -= min(_at(chance.uniform(0.1, 0.9)), len(clip) // 2, _at(found[-1].end - found[-1].start) // 2)
        else:
            position += _at(chance.uniform(0.05, 0.6) if style == "dialogue" else chance.uniform(0.2, 1.3))
        placed.append((position, clip))
        found.append(Turn(position / SAMPLE_RATE, (position + len(clip)) / SAMPLE_RATE, speaker))
        position += len(clip)
    audio = np.zeros(position + SAMPLE_RATE, np.float32)
    for start, clip in placed:
        audio[start : start + len(clip)] += clip
    return audio, found


def _through(channel: str, audio: Samples, random_: np.random.Generator) -> Samples:
    """What a channel makes of a conversation."""
    noise = random_.standard_normal(len(audio)).astype(np.float32)
    loudness = float(np.sqrt(np.mean(audio**2)))
    match channel:
        case "noise":
            pink = _filtered(noise, _pink)
            return audio + loudness * 10 ** (-random_.uniform(8, 20) / 20) * pink / np.float32(pink.std())
        case "phone":
            return _filtered(audio, _telephone) + 0.003 * loudness * noise
        case "room":
            length = _at(random_.uniform(0.2, 0.5))
            echo = noise[:length] * 10 ** (-3 * np.arange(length) / length) * 0.05
            echo[0] = 1.0
            size = len(audio) + length
            wet = np.fft.irfft(np.fft.rfft(audio, size) * np.fft.rfft(echo, size), size)
            return wet[: len(audio)].astype(np.float32)
    return audio + 0.003 * loudness * noise


def _filtered(audio: Samples, response: Callable[[_Floats], _Floats]) -> Samples:
    spectrum = np.fft.rfft(audio) * response(np.fft.rfftfreq(len(audio), 1 / SAMPLE_RATE).astype(np.float64))
    return np.fft.irfft(spectrum, len(audio)).astype(np.float32)


def _pink(frequency: _Floats) -> _Floats:
    """Louder by 3 dB an octave towards low frequencies."""
    return 1.0 / np.sqrt(np.maximum(frequency, 50.0))


def _telephone(frequency: _Floats) -> _Floats:
    return ((frequency > 300) & (frequency < 3400)).astype(np.float64)
