"""Messages to FunASR runtime clients (docs/protocols.md)."""

import json
import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from asrcli.script import CLAUSE_ENDS, SENTENCE_ENDS, is_ideograph, is_letter, join, joint
from asrcli.server.bounds import MAX_RESULT
from asrcli.server.http.json_text import json_text
from asrcli.server.recognition.replies import gap_fields, milliseconds
from asrcli.transcript import Segment, Transcript, Word

#: `wav_name` of FunASR's web page, and where that page splits a text before it counts time stamps
_PAGE, _PAGE_PIECES = "h5", re.compile(r"[。？，、?., ]")
_LETTERS = re.compile(r"[A-Za-z]+")
#: bytes that are left in a message for the error that goes with the last one
_ERROR = 4096
#: gaps in one message, where those of the whole recording are too large for the last one
_GAPS_AT_ONCE = 4000
_MARKS = SENTENCE_ENDS | CLAUSE_ENDS


def result(mode: str, text: str, name: str, *, final: bool, segments: Iterable[Segment] = ()) -> dict[str, Any]:
    """One message. `mode`: `offline`, `online`, `2pass-online` or `2pass-offline`; `text`: a delta that the client
    appends; `name`: the client's `wav_name`; `final`: the last message of the utterance; `segments`: for time stamps,
    from the start of the utterance.
    """
    body: dict[str, Any] = {"mode": mode, "text": text, "wav_name": name, "is_final": final}
    clauses = [clause for segment in segments for clause in _clauses(segment.words)]
    units = [unit for clause in clauses for unit in clause.units]
    if units:
        body["stamp_sents"] = [clause.body() for clause in clauses]
        stamps = page_stamps(text, units) if name == _PAGE else [unit.span for unit in units]
        # A string, not an array: the page parses it.
        body["timestamp"] = json.dumps(stamps, separators=(",", ":"))
    return body


def speaker_fields(segments: Iterable[Segment], numbers: Mapping[str, int]) -> dict[str, Any]:
    """`sentence_info`: the text of each speaker in turn, with number and name; {}: there are no labels."""
    parts = [
        {"text": each.text, "start": milliseconds(each.start), "end": milliseconds(each.end)}
        | ({"spk": numbers[each.speaker], "spk_name": each.speaker} if each.speaker is not None else {})
        for each in segments
    ]
    return {"sentence_info": parts} if any("spk" in part for part in parts) else {}


def whole_results(mode: str, name: str, transcript: Transcript | None) -> list[dict[str, Any]]:
    """The result of a whole recording: one message, or several where clients would refuse one of that size.

    Takes time: call it in a thread.
    """
    if transcript is None:
        return [result(mode, "", name, final=True)]
    found: list[dict[str, Any]] = []
    before = ""
    names = dict.fromkeys(each.speaker for each in transcript.segments if each.speaker is not None)
    numbers = {speaker: number for number, speaker in enumerate(names)}
    for part in _parts(mode, name, transcript.segments, numbers):
        text = join(segment.text for segment in part)
        body = result(mode, joint(before, text) + text, name, final=False, segments=part)
        found.append(_slim(body | speaker_fields(part, numbers)))
        before = text or before
    if _fits(last := found[-1] | gap_fields(transcript.gaps, milliseconds)):
        found[-1] = last
    else:
        for start in range(0, len(transcript.gaps), _GAPS_AT_ONCE):
            gaps = transcript.gaps[start : start + _GAPS_AT_ONCE]
            found.append(result(mode, "", name, final=False) | gap_fields(gaps, milliseconds))
    found[-1] |= {"is_final": True}
    return found


def _parts(
    mode: str, name: str, segments: Sequence[Segment], numbers: Mapping[str, int]
) -> Iterator[Sequence[Segment]]:
    text = join(segment.text for segment in segments)
    if len(segments) < 2 or _fits(
        _slim(result(mode, text, name, final=True, segments=segments) | speaker_fields(segments, numbers))
    ):
        yield segments
        return
    middle = len(segments) // 2
    yield from _parts(mode, name, segments[:middle], numbers)
    yield from _parts(mode, name, segments[middle:], numbers)


def _slim(body: dict[str, Any]) -> dict[str, Any]:
    """A message that is too large without `stamp_sents`, which repeats `text` and `timestamp`."""
    return body if _fits(body) else {key: value for key, value in body.items() if key != "stamp_sents"}


def _fits(body: dict[str, Any]) -> bool:
    return len(json_text(body).encode("utf-8", "replace")) < MAX_RESULT - _ERROR


def failure(mode: str, name: str, message: str) -> dict[str, Any]:
    """The last message of an utterance that failed. The page shows `text` in any case."""
    return {"mode": mode, "text": "", "wav_name": name, "is_final": True, "error": message}


def acknowledgement(mode: str, name: str, error: str | None) -> dict[str, Any]:
    """The answer to `is_end`."""
    body: dict[str, Any] = {"mode": mode, "wav_name": name, "text": "", "is_final": error is None, "is_end": True}
    return body if error is None else body | {"error": error}


@dataclass(frozen=True, slots=True)
class Unit:
    """A CJK character, or a word of other scripts; milliseconds."""

    text: str
    span: list[int]


def page_stamps(text: str, units: Sequence[Unit]) -> list[list[int]]:
    """Time stamps as FunASR's web page counts them: one for a piece of ASCII letters, else one a UTF-16 unit."""
    characters = deque((character, unit.span) for unit in units for character in unit.text)
    found: list[list[int]] = []
    span = units[0].span
    for piece in filter(None, _PAGE_PIECES.split(text)):
        spans = []
        for character in piece:
            if characters and characters[0][0] == character:  # else it is a mark, without a time of its own
                span = characters.popleft()[1]
            spans += [span] * (len(character.encode("utf-16-le", "replace")) // 2)
        found += spans[:1] if _LETTERS.fullmatch(piece) else spans
    return found


@dataclass(slots=True)
class _Clause:
    """Units up to a punctuation mark."""

    units: list[Unit]
    mark: str = ""

    def body(self) -> dict[str, Any]:
        """An entry of `stamp_sents`."""
        spans = [unit.span for unit in self.units]
        text = " ".join(unit.text for unit in self.units)
        return {"text_seg": text, "punc": self.mark, "start": spans[0][0], "end": spans[-1][1], "ts_list": spans}


def _clauses(words: Iterable[Word]) -> list[_Clause]:
    found: list[_Clause] = []
    for word in words:
        text = "".join(word.text.split())
        end = next((at for at in range(len(text), 0, -1) if is_letter(text[at - 1])), 0)
        tail = text[end:]
        marked = not _MARKS.isdisjoint(tail)
        if not end:  # a mark alone
            if found and marked:
                found[-1].mark += tail
            continue
        if not found or found[-1].mark:
            found.append(_Clause([]))
        found[-1].units += _units(text[:end] if marked else text, word)
        found[-1].mark = tail if marked else ""
    return found


def _units(text: str, word: Word) -> Iterator[Unit]:
    """The units of a word, which share its time by their lengths."""
    position = 0
    for alone, run in groupby(text, is_ideograph):
        whole = "".join(run)
        for piece in whole if alone else (whole,):
            low, position = position, position + len(piece)
            yield Unit(piece, [_share(word, low / len(text)), _share(word, position / len(text))])


def _share(word: Word, share: float) -> int:
    return round((word.start + (word.end - word.start) * share) * 1000)
