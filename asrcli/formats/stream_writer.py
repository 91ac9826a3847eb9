"""Writing a transcript part by part, while its recording is still being made."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from asrcli.formats import Format

if TYPE_CHECKING:
    from asrcli.options import CueOptions
    from asrcli.transcript import Segment, Transcript

_VTT_HEADER = "WEBVTT\n"


class StreamWriter:
    """Renders the parts of one transcript, in order, so that together they form a valid file.

    Lines (txt, jsonl) are returned at once. Subtitles are returned when a pause follows that no cue can span, so that
    they are divided as in a file, or at once where the part is marked as awaited.
    """

    def __init__(self, form: Format, options: CueOptions) -> None:
        """`form` is a format that is `streamed`."""
        self._form, self._options = form, options
        self._held: list[Segment] = []
        self._last: Transcript | None = None
        self._segments = self._cues = 0
        self._head = _VTT_HEADER if form.name == "vtt" else ""

    def push(self, part: Transcript, *, awaited: bool) -> str:
        """Take the next segments and return the text that can be written now, with `awaited` all of it. No later
        segment starts before `part.duration`.
        """
        self._last = part
        text = ""
        for segment in part.segments:
            numbered = replace(segment, id=self._segments)
            self._segments += 1
            if self._form.shaped and self._held and self._is_pause(self._held[-1], numbered):
                text += self._render(numbered.start - self._options.cue_gap / 24)
            self._held.append(numbered)
        if awaited or not self._form.shaped:
            text += self._render(part.duration)
        return text

    def finish(self, duration: float) -> str:
        """Return the rest; `duration` is that of the recording, seconds."""
        text = self._render(duration)
        head, self._head = self._head, ""
        return head + text

    def _is_pause(self, before: Segment, after: Segment) -> bool:
        from asrcli.text.subtitles.cue_cost import PAUSE_BREAKS

        return (after.start - before.end) * 1000 >= PAUSE_BREAKS

    def _render(self, until: float) -> str:
        if not self._held or self._last is None:
            return ""
        segments, self._held = tuple(self._held), []
        until = max(until, *(segment.end for segment in segments))
        text = self._form.render(replace(self._last, segments=segments, duration=until), self._options)
        if self._form.name == "vtt":
            text = self._head + text.removeprefix(_VTT_HEADER)
            self._head = ""
        elif self._form.name == "srt":
            text = self._renumbered(text)
        return text

    def _renumbered(self, text: str) -> str:
        import srt

        cues = list(srt.parse(text))
        first, self._cues = self._cues + 1, self._cues + len(cues)
        return str(srt.compose(cues, start_index=first, eol="\n", strict=False))
