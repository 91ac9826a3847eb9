"""Messages to FunASR runtime clients (docs/protocols.md)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from asrcli.script import is_letter
from asrcli.transcript import Segment, Word

#: where the html5 client splits a text before it counts
_HTML5_PIECES = re.compile(r"[。？，、?. ]")
_LETTERS = re.compile(r"[A-Za-z]+")


def result(mode: str, text: str, name: str, *, final: bool, segments: Iterable[Segment] = ()) -> dict[str, Any]:
    """One message. `mode`: `offline`, `online`, `2pass-online` or `2pass-offline`; `text`: a delta that the client
    appends; `name`: the client's `wav_name`; `final`: the last message of the utterance; `segments`: for time stamps,
    from the start of the utterance.
    """
    body: dict[str, Any] = {"mode": mode, "text": text, "wav_name": name, "is_final": final}
    segments = [segment for segment in segments if segment.words]
    stamps = [_span(word) for segment in segments for word in segment.words]
    if stamps:
        # A string, not an array: html5 parses it, and indexes it by its own count.
        stamps += [stamps[-1]] * (html5_count(text) - len(stamps))
        body["timestamp"] = json.dumps(stamps, separators=(",", ":"))
        body["stamp_sents"] = [_sentence(segment.words) for segment in segments]
    return body


def failure(mode: str, name: str, message: str) -> dict[str, Any]:
    """The last message of an utterance that failed. html5 shows `text` in any case."""
    return {"mode": mode, "text": "", "wav_name": name, "is_final": True, "error": message}


def acknowledgement(mode: str, name: str, error: str | None) -> dict[str, Any]:
    """The answer to `is_end`."""
    body: dict[str, Any] = {"mode": mode, "wav_name": name, "text": "", "is_final": error is None, "is_end": True}
    return body if error is None else body | {"error": error}


def html5_count(text: str) -> int:
    """How many time stamps FunASR's web page reads: one for a piece of ASCII letters, else one a UTF-16 unit."""
    pieces = filter(None, _HTML5_PIECES.split(text))
    return sum(1 if _LETTERS.fullmatch(piece) else len(piece.encode("utf-16-le")) // 2 for piece in pieces)


def _sentence(words: Sequence[Word]) -> dict[str, Any]:
    punctuation = "".join(char for char in words[-1].text[_end_of_letters(words[-1].text) :] if not char.isspace())
    units = [word.text[_start_of_letters(word.text) : _end_of_letters(word.text)] for word in words]
    return {
        "text_seg": " ".join(filter(None, units)),
        "punc": punctuation,
        "start": _span(words[0])[0],
        "end": _span(words[-1])[1],
        "ts_list": [_span(word) for word in words],
    }


def _start_of_letters(text: str) -> int:
    return next((at for at, char in enumerate(text) if is_letter(char)), len(text))


def _end_of_letters(text: str) -> int:
    return next((at for at in range(len(text), 0, -1) if is_letter(text[at - 1])), 0)


def _span(word: Word) -> list[int]:
    return [round(word.start * 1000), round(word.end * 1000)]
