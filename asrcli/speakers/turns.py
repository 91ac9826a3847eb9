"""Turns as intervals: joining, absorbing spurious turns, numbering."""

from collections.abc import Iterable, Mapping, Sequence

from asrcli.transcript import Turn

#: a turn shorter than this beside another speaker's is given to that speaker, seconds
SPURIOUS_TURN = 0.5
#: and alone in silence, one shorter than this is no word, seconds
_BLIP = 0.2


def merge_touching(turns: Iterable[Turn], gap: float = 0.0) -> list[Turn]:
    """Join the turns of each speaker that overlap or are at most `gap` seconds apart; ordered by start."""
    merged: list[Turn] = []
    last: dict[str, int] = {}
    for turn in sorted(turns, key=lambda turn: turn.start):
        index = last.get(turn.speaker)
        if index is not None and turn.start - merged[index].end <= gap:
            merged[index] = Turn(merged[index].start, max(merged[index].end, turn.end), turn.speaker)
        else:
            last[turn.speaker] = len(merged)
            merged.append(turn)
    return merged


def absorb_spurious_turns(turns: Sequence[Turn], shortest: float = SPURIOUS_TURN) -> list[Turn]:
    """Give each turn shorter than `shortest` to the speaker beside it.

    Segmentation flickers where speakers change, and a turn of a third of a second is far more often that than a word.
    A spurious turn inside another's is dropped. A short word alone in silence is kept.
    Turns of one speaker no further apart than `shortest` are joined.
    """
    merged = merge_touching(turns)
    long = [turn for turn in merged if turn.end - turn.start >= shortest]
    kept = list(long)
    at = 0
    for short in merged:
        if short.end - short.start >= shortest:
            continue
        while at < len(long) and long[at].end < short.start - shortest:
            at += 1
        beside = [turn for turn in _until(long, at, short.end + shortest) if _gap(turn, short) <= shortest]
        if not beside:
            kept.extend([short] if short.end - short.start >= _BLIP else [])
            continue
        nearest = min(beside, key=lambda turn: _gap(turn, short))
        if not (nearest.start <= short.start and short.end <= nearest.end):
            start, end = min(nearest.end, short.start), max(nearest.start, short.end)
            kept.append(Turn(start, end, nearest.speaker))
    return merge_touching(kept, gap=shortest)


def _until(turns: Sequence[Turn], first: int, latest: float) -> Iterable[Turn]:
    for index in range(first, len(turns)):
        if turns[index].start > latest:
            return
        yield turns[index]


def _gap(one: Turn, other: Turn) -> float:
    return max(one.start - other.end, other.start - one.end, 0.0)


def label_speakers(turns: Sequence[Turn], names: Mapping[str, str] | None = None) -> dict[str, str]:
    """Labels of speakers: their known names, the others "Speaker 1", "Speaker 2", ... in order of first appearance."""
    labels = dict(names or {})
    count = 0
    for turn in sorted(turns, key=lambda turn: (turn.start, turn.end)):
        if turn.speaker not in labels:
            count += 1
            labels[turn.speaker] = f"Speaker {count}"
    return labels
