"""Diarization error rate, as NIST's md-eval defines it, overlap scored, and Jaccard error rate, as DIHARD defines it.

DER = (missed + false alarm + confusion) / reference speech, after the one-to-one mapping of speakers that leaves the
least confusion. JER is the mean over reference speakers of 1 - intersection / union with the speaker mapped to them.
Time inside a collar around each reference boundary is not scored.
"""

from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass
from typing import Any, Self

from asrcli.errors import InputError
from asrcli.evaluate.words import finite
from asrcli.speakers.matching import best_pairs
from asrcli.speakers.turns import merge_touching
from asrcli.transcript import Turn


@dataclass(frozen=True, slots=True)
class DiarizationErrors:
    """Seconds of each kind of error, and numbers of speakers; the sum of several files pools them."""

    reference: float = 0.0
    missed: float = 0.0
    false_alarm: float = 0.0
    confusion: float = 0.0
    #: 1 - intersection / union, added up over the reference's speakers with scored speech
    jaccard: float = 0.0
    scored: int = 0
    speakers: int = 0
    found: int = 0
    files: int = 0
    #: files with the right number of speakers
    right_counts: int = 0

    @property
    def der(self) -> float:
        """The error rate (0.1 is 10 %); inf if only the hypothesis has speech."""
        errors = self.missed + self.false_alarm + self.confusion
        if self.reference == 0.0:
            return float("inf") if errors else 0.0
        return errors / self.reference

    @property
    def jer(self) -> float:
        """The Jaccard error rate (0.1 is 10 %); inf if only the hypothesis has speech."""
        if not self.scored:
            return float("inf") if self.false_alarm else 0.0
        return self.jaccard / self.scored

    def __add__(self, other: Self) -> Self:
        return type(self)(*map(sum, zip(astuple(self), astuple(other), strict=True)))

    def to_dict(self) -> dict[str, Any]:
        return {
            "der": finite(self.der),
            "reference": round(self.reference, 3),
            "missed": round(self.missed, 3),
            "false_alarm": round(self.false_alarm, 3),
            "confusion": round(self.confusion, 3),
            "jer": finite(self.jer),
            "speakers": self.speakers,
            "speakers_found": self.found,
            "right_counts": self.right_counts,
        }


def score_turns(reference: Sequence[Turn], hypothesis: Sequence[Turn], *, collar: float = 0.25) -> DiarizationErrors:
    """Score turns against reference turns; times in seconds. Overlapping turns of one speaker count once. `collar`
    seconds on *each side* of a reference boundary are left out of the score (md-eval's `-c`; pyannote.metrics calls the
    sum of both sides its collar).
    """
    import numpy as np

    # An edge inside a speaker's own speech is not a boundary.
    reference, hypothesis = merge_touching(reference), merge_touching(hypothesis)
    collars = [(edge - collar, edge + collar) for turn in reference for edge in (turn.start, turn.end)]
    edges = {edge for turn in (*reference, *hypothesis) for edge in (turn.start, turn.end)}
    edges.update(edge for pair in collars for edge in pair)
    grid = np.array(sorted(edges))
    if len(grid) < 2:
        return DiarizationErrors()
    length = np.diff(grid)
    length[_covered(grid, collars)] = 0.0

    right, found = _activity(grid, reference), _activity(grid, hypothesis)
    speaking, detected = right.sum(axis=0), found.sum(axis=0)
    shared = (right * length) @ found.T.astype(np.float64)
    pairs = best_pairs(shared)
    scored = int(((right * length).sum(axis=1) > 0.0).sum())
    correct = sum(shared[row, column] for row, column in pairs)
    union = (right * length).sum(axis=1)[:, None] + (found * length).sum(axis=1) - shared
    alike = sum(shared[row, column] / union[row, column] for row, column in pairs if shared[row, column] > 0.0)
    both = float((np.minimum(speaking, detected) * length).sum())
    return DiarizationErrors(
        reference=float((speaking * length).sum()),
        missed=float((np.maximum(speaking - detected, 0) * length).sum()),
        false_alarm=float((np.maximum(detected - speaking, 0) * length).sum()),
        confusion=max(0.0, both - float(correct)),
        jaccard=float(scored - alike),
        scored=scored,
        speakers=len(right),
        found=len(found),
        files=1,
        right_counts=int(len(right) == len(found)),
    )


def _covered(grid: Any, spans: Iterable[tuple[float, float]]) -> Any:
    """Which cells of the grid (between two edges) are inside one of the spans, whose ends are edges."""
    import numpy as np

    inside = np.zeros(len(grid) - 1, dtype=bool)
    for start, end in spans:
        inside[np.searchsorted(grid, start) : np.searchsorted(grid, end)] = True
    return inside


def _activity(grid: Any, turns: Sequence[Turn]) -> Any:
    """Activity of each speaker in each cell: int array of shape (speakers, cells)."""
    import numpy as np

    speakers = sorted({turn.speaker for turn in turns})
    rows = [_covered(grid, [(t.start, t.end) for t in turns if t.speaker == speaker]) for speaker in speakers]
    return np.array(rows, dtype=np.int64).reshape(len(speakers), len(grid) - 1)


def read_rttm(text: str, name: str = "rttm") -> dict[str, list[Turn]]:
    """Turns of each file of an RTTM document (its `SPEAKER` lines), by file id. Raises InputError: a line is
    not RTTM.
    """
    files: dict[str, list[Turn]] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        fields = line.split()
        if not fields or fields[0] != "SPEAKER":
            continue
        try:
            start, duration, speaker = float(fields[3]), float(fields[4]), fields[7]
        except (IndexError, ValueError):
            raise InputError(
                f"{name}: line {number} is not RTTM.",
                "It should read: SPEAKER file 1 start duration <NA> <NA> speaker <NA> <NA>.",
            ) from None
        files.setdefault(fields[1], []).append(Turn(start, start + duration, speaker))
    return files
