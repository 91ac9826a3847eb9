"""Subtitle cues from timed words, by the rules of broadcasters (docs/subtitles.md).

For each speaker, dynamic programming over all places where a cue may end finds the division of least cost, lines
included. `schedule` then merges the speakers and determines the display times.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise

from asrcli.options import CueOptions
from asrcli.script import is_right_to_left
from asrcli.text.subtitles.divide import Divider
from asrcli.text.subtitles.pieces import Piece, SpeakerTrack, label, speaker_tracks, width
from asrcli.text.subtitles.schedule import Block, TimedBlock, Timing, schedule
from asrcli.transcript import Transcript, Word, join_words

#: prefix of each line of a cue with two speakers
DASH = "- "


@dataclass(frozen=True, slots=True)
class CueLine:
    """One line of a cue, of one speaker."""

    words: tuple[Word, ...]
    speaker: str | None = None

    @property
    def text(self) -> str:
        return join_words(self.words)


@dataclass(frozen=True, slots=True)
class Cue:
    """Text displayed together; seconds, whole milliseconds."""

    start: float
    end: float
    lines: tuple[CueLine, ...]
    #: two speakers, a line each; writers put `DASH` before the lines
    dialogue: bool = False
    channel: int | None = None

    @property
    def speaker(self) -> str | None:
        """The speaker; None if unknown and for a dialogue."""
        return None if self.dialogue else self.lines[0].speaker

    @property
    def words(self) -> tuple[Word, ...]:
        return tuple(word for line in self.lines for word in line.words)

    @property
    def onsets(self) -> list[float]:
        """When each word is highlighted: the start of the cue, then of each word, never decreasing.

        In a dialogue with overlap the words of the second speaker are highlighted after those of the first.
        """
        return list(accumulate((self.start, *(word.start for word in self.words[1:])), max))

    @property
    def text(self) -> str:
        """The lines as displayed, without labels."""
        dash = DASH if self.dialogue else ""
        return "\n".join(dash + line.text for line in self.lines)


def _embedded(line: CueLine) -> CueLine:
    """A line in the Unicode marks RLE and PDF: players that take it for left-to-right then order it all the same."""
    first, *others = line.words
    words = [replace(first, text=f"\u202b{first.text}"), *others]
    words[-1] = replace(words[-1], text=f"{words[-1].text}\u202c")
    return replace(line, words=tuple(words))


def shape(transcript: Transcript, options: CueOptions, *, labelled: bool = False) -> list[Cue]:
    """Cut a transcript into cues: in order of time, without overlap, within the recording, each word in exactly one. A
    segment without words is spread over its time by the length of its text; `labelled` reserves room for `label` where
    the speaker changes.
    """
    limit = int(transcript.duration * 1000 + 1e-6)
    timing = Timing.of(options, limit)
    line_width = max(options.max_line_width, 2 * options.max_line_width_cjk)
    tracks = speaker_tracks(transcript, limit, line_width)
    labelled = labelled and any(track.speaker for track in tracks)
    blocks: list[Block] = []
    for track in tracks:
        blocks += _shape_track(track, options, timing, width(label(track.speaker)) if labelled else 0)
    return [_cue(timed, options) for timed in schedule(blocks, timing)]


def _shape_track(track: SpeakerTrack, options: CueOptions, timing: Timing, label_cells: int) -> Iterator[Block]:
    divider = Divider(track, options, timing, label_cells)
    for part in divider.divide():
        pieces = track.pieces[part.start : part.end]
        yield Block(
            start=pieces[0].start,
            end=pieces[-1].end,
            lines=tuple(track.pieces[a:b] for a, b in pairwise([part.start, *part.cuts, part.end])),
            cells=divider.layout.cells(part.start, part.end),
            words=part.end - part.start,
            speaker=track.speaker,
            channel=track.channel,
            pairable=not part.cuts and divider.layout.spare(part.start, part.end) >= len(DASH),
        )


def _cue(timed: TimedBlock, options: CueOptions) -> Cue:
    lines = tuple(
        CueLine(tuple(_word(piece, timed) for piece in line), block.speaker)
        for block in timed.blocks
        for line in block.lines
    )
    if options.rtl_marks:
        lines = tuple(_embedded(line) if is_right_to_left(line.text) else line for line in lines)
    return Cue(timed.start / 1000, timed.end / 1000, lines, len(timed.blocks) > 1, timed.blocks[0].channel)


def _word(piece: Piece, timed: TimedBlock) -> Word:
    """The word with its times inside the cue's."""
    start = min(max(piece.start, timed.start), timed.end)
    end = min(max(piece.end, start), timed.end)
    word = piece.word
    return Word(word.text, start / 1000, end / 1000, word.confidence, word.speaker, piece.space)
