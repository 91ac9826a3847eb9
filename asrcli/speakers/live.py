"""Speakers of a live stream: each sentence is labelled when it ends, and its labels do not change afterwards.

A pipe is first taken for a recording (`StreamDiarizer`), until it turns out to be recorded now.

With each sentence the voices of the last minutes are found again, from all their pieces. A voice has the label that
most of its pieces got before; one without such pieces is a new speaker, if it speaks long enough.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from asrcli.audio.types import SAMPLE_RATE, Samples
from asrcli.errors import EngineClosedError, EngineError
from asrcli.options import SpeakerOptions
from asrcli.speakers.clustering import ClusterLimits
from asrcli.speakers.diarizer import Diarizer, Pieces, Submit, Thresholds, Voice, voices_of
from asrcli.speakers.matching import best_pairs
from asrcli.speakers.types import Vectors, same_direction
from asrcli.transcript import Segment, Turn

#: pieces that are clustered (about 10 minutes of speech); of older ones each label keeps the mean
_KEPT = 400
#: speech that makes a new speaker, seconds; with less a voice is one of those that are known, if there are any
_NEW_SPEAKER = 1.0
#: audio that is kept for sentences that are not recognised yet, samples; what is heard before and after one, seconds
_RECENT = 120 * SAMPLE_RATE
_MARGIN = 0.3


class SpeakerMemory:
    """The speakers of one stream, for all of its sentences."""

    def __init__(self, options: SpeakerOptions) -> None:
        #: no number of speakers is to be found in the first sentences
        most = options.speakers or options.max_speakers
        self.options = replace(options, speakers=None, min_speakers=None, max_speakers=most)
        self._pieces = Pieces.of([])
        #: the label of each piece, and the name of each label
        self._labels = np.zeros(0, np.intp)
        self._names: list[str] = []
        #: who spoke last; None: no voice was found so far
        self.last: str | None = None
        #: the label of each voice of the last sentence
        self._label_of: list[int] = []

    @classmethod
    def wanted(cls, asked: bool) -> SpeakerMemory | None:
        """The speakers of a stream whose client asks for them, or not."""
        return cls(SpeakerOptions(enabled=True)) if asked else None

    @property
    def numbers(self) -> dict[str, int]:
        """The number of each speaker by the present name, from 0."""
        return {name: number for number, name in enumerate(self._names)}

    def voices(self, fresh: Pieces, limits: ClusterLimits) -> Vectors:
        """The voices of the stream, shape (voices, dimensions), given the pieces of the next sentence."""
        if not len(fresh.seconds):
            return np.zeros((0, 0), np.float32)
        self._forget()
        old = len(self._labels)
        pieces = _joined(self._pieces, fresh) if old else fresh
        voices = voices_of(pieces, limits)
        voice_of = (pieces.embeddings @ voices.T).argmax(axis=1)
        shared = np.zeros((len(voices), len(self._names)))
        np.add.at(shared, (voice_of[:old], self._labels), pieces.seconds[:old])
        label_of = {voice: label for voice, label in best_pairs(shared) if shared[voice, label] > 0.0}
        speaking = np.unique(voice_of[old:]).tolist()
        for voice in [*speaking, *range(len(voices))]:
            if voice not in label_of:
                speech = float(pieces.seconds[voice_of == voice].sum()) if voice in speaking else 0.0
                label_of[voice] = self._new_label(voices, voice, label_of, speech, limits.most)
        self._label_of = [label_of[voice] for voice in range(len(voices))]
        self._pieces = pieces
        self._labels = np.append(self._labels, [label_of[voice] for voice in voice_of[old:].tolist()]).astype(np.intp)
        return voices

    def recall(self, pieces: Pieces, voices: Mapping[str, Vectors], last: str | None) -> None:
        """Begin with the pieces of a recording, its voices by label, and who spoke last."""
        self.last = last
        if voices:
            self._pieces, self._names = pieces, list(voices)
            self._labels = (pieces.embeddings @ np.array(list(voices.values())).T).argmax(axis=1)

    def name(self, voice: int, known: str | None) -> str:
        """The name of a voice of the last sentence, which speaks in it. `known`: that of an enrolled voice, which a
        speaker gets once it is recognised.
        """
        label = self._label_of[voice]
        if known is not None and known not in self._names and self._names[label] == f"Speaker {label + 1}":
            self._names[label] = known
        return self._names[label]

    def _new_label(self, voices: Vectors, voice: int, label_of: dict[int, int], speech: float, most: int | None) -> int:
        """The label of a voice without one: a new one, or that of the voice most like it."""
        full = most is not None and len(self._names) >= most
        if label_of and (full or speech < _NEW_SPEAKER):
            return label_of[max(label_of, key=lambda other: float(voices[voice] @ voices[other]))]
        self._names.append(f"Speaker {len(self._names) + 1}")
        return len(self._names) - 1

    def _forget(self) -> None:
        """Replace the older half of the pieces by the mean of each label."""
        if len(self._labels) <= _KEPT:
            return
        pieces, cut = self._pieces, _KEPT // 2
        found = np.unique(self._labels[:-cut])
        member = (self._labels[None, :-cut] == found[:, None]) * pieces.seconds[:-cut]
        means = same_direction(member @ pieces.embeddings[:-cut]).astype(np.float32)
        alone = np.stack([np.arange(-len(found), 0), np.zeros(len(found), np.int_)], axis=1)
        kept = Pieces(pieces.embeddings[-cut:], pieces.seconds[-cut:], pieces.tracks[-cut:])
        self._pieces = _joined(Pieces(means, member.sum(axis=1), alone), kept)
        self._labels = np.append(found, self._labels[-cut:])


def _joined(one: Pieces, other: Pieces) -> Pieces:
    """Pieces after others, in windows of their own."""
    later = other.tracks + np.array([one.tracks[-1, 0] + 1 - other.tracks[0, 0], 0])
    return Pieces(
        np.concatenate([one.embeddings, other.embeddings]),
        np.concatenate([one.seconds, other.seconds]),
        np.concatenate([one.tracks, later]),
    )


class LiveDiarizer(Diarizer):
    """A diarizer of one sentence of a stream."""

    def __init__(self, submit: Submit, thresholds: Thresholds, known: tuple[Voice, ...], memory: SpeakerMemory) -> None:
        super().__init__(submit, memory.options, thresholds, known)
        self._memory = memory

    def _find_turns(self) -> list[Turn]:
        """The turns of the sentence. One without a voice that is found (a short word) is of the last speaker."""
        turns = super()._find_turns()
        if turns:
            self._memory.last = turns[-1].speaker
        elif self._memory.last is not None:
            self._raw = turns = [Turn(0.0, self._samples / SAMPLE_RATE, self._memory.last)]
        return turns

    def _voices(self) -> Vectors:
        limits = replace(self._thresholds.limits(self._options), speech=_NEW_SPEAKER)
        return self._memory.voices(Pieces.of(self.results), limits)

    def _names(self, voices: Vectors, speaking: set[str]) -> dict[str, str]:
        known = super()._names(voices, speaking)
        return {voice: self._memory.name(int(voice), known.get(voice)) for voice in sorted(speaking, key=int)}


class StreamDiarizer(Diarizer):
    """The diarizer of a stream: of a recording, until `settle` is called, and of one sentence after the other then."""

    def __init__(self, submit: Submit, options: SpeakerOptions, thresholds: Thresholds, known: Sequence[Voice]) -> None:
        super().__init__(submit, options, thresholds, known)
        self._memory = SpeakerMemory(options)
        self._sentence = partial(LiveDiarizer, submit, thresholds, tuple(known), self._memory)
        self._settling = False
        #: the audio before the present end, in which the next sentences lie, and its first sample
        self._recent: deque[Samples] = deque()
        self._recent_start = 0

    def push(self, samples: Samples) -> None:
        if self._settling:
            self._samples += len(samples)
        else:
            super().push(samples)
        self._recent.append(samples.copy())
        while self._samples - self._recent_start - len(self._recent[0]) > _RECENT:
            self._recent_start += len(self._recent.popleft())

    def settle(self, segments: Sequence[Segment], offset: float) -> list[Segment]:
        """Segments with speakers, as `label` gives them; later ones get the same labels for the same voices. Where the
        service fails, or recognition is minutes behind, they have none. Raises EngineClosedError: it was closed.
        """
        try:
            if self._settling:
                return self._settle_sentence(segments, offset)
            self._settling = True
            self._options = self._memory.options
            turns = self.finish()
            self._memory.recall(Pieces.of(self.results), self.voices, turns[-1].speaker if turns else None)
            self.results = []
            return self.label(segments, offset)[0]
        except EngineClosedError:
            raise
        except EngineError as error:
            self.warnings.append(f"speakers: {segments[0].start:.1f} to {segments[-1].end:.1f} s: {error}")
            return list(segments)

    def _settle_sentence(self, segments: Sequence[Segment], offset: float) -> list[Segment]:
        first = round((segments[0].start - offset) * SAMPLE_RATE)
        if max(first, 0) < self._recent_start:
            raise EngineError("Their sound is not held any more: recognition is too far behind.")
        first = max(first - round(_MARGIN * SAMPLE_RATE), self._recent_start)
        end = round((segments[-1].end - offset + _MARGIN) * SAMPLE_RATE)
        audio = np.concatenate(self._recent)[first - self._recent_start : end - self._recent_start]
        sentence = self._sentence()
        sentence.push(audio)
        sentence.finish()
        labelled, _ = sentence.label(segments, offset + first / SAMPLE_RATE)
        self.warnings += sentence.warnings
        return labelled
