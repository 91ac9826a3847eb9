"""Removes filler words ("um", "嗯", "えーと"). Off by default.

Some sounds are always fillers; others are words as well ("那个人", "好啊") and are removed only between punctuation or
pauses, so the times of words matter.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from asrcli.assemble.sentences import Ending, ending
from asrcli.assemble.words import split_words
from asrcli.script import CLAUSE_ENDS, CLOSERS, is_cjk
from asrcli.text.steps.strip_punctuation import edges
from asrcli.text.steps.word_edits import with_words
from asrcli.transcript import Segment, Transcript, Word, join_words

#: key of the removed words in `Transcript.notes`
NOTE = "fillers"

#: seconds without a word that isolate a word
_PAUSE = 0.25
#: characters (words, to us) of the longest filler of a script without spaces
_LONGEST = 3


@dataclass(frozen=True, slots=True)
class _Sounds:
    """A language's fillers; the patterns match whole words in lower case."""

    always: re.Pattern[str]
    #: only if isolated
    apart: re.Pattern[str]
    #: only if isolated and before other words of the sentence
    before: re.Pattern[str]


def _sounds(always: str, apart: str = "", before: str = "") -> _Sounds:
    # An empty pattern must match nothing.
    return _Sounds(*(re.compile(pattern or r"(?!)") for pattern in (always, apart, before)))


#: for unknown languages: nothing that is a word in some language (as "um" in German and Portuguese, "er" in German)
_ANY = r"u+h+|u+h+m+|um{2,}|e+r+m+|h+m{2,}|[äö]+h+m?"
_BY_LANGUAGE: Mapping[str, _Sounds] = {
    "": _sounds(rf"{_ANY}|嗯+", "啊+|额+"),
    "en": _sounds(rf"{_ANY}|u+m+|er|h+m+"),
    "de": _sounds(rf"{_ANY}|h+m+|[äö]+h+m*|öm+|äm+"),
    "fr": _sounds(rf"{_ANY}|h?eu+h?|h+m+"),
    "zh": _sounds(rf"{_ANY}|u+m+|[嗯呃]+", "啊+|额+|哦+|噢+|诶+|欸+|哎+", "那个|这个"),
    "yue": _sounds(rf"{_ANY}|u+m+|嗯+", "啊+|哦+|噢+|誒+|呃+", "嗰個"),
    "ja": _sounds(rf"{_ANY}|えー+|えー*っ?ー*とー*|ええっ?とー*|うーんー*|んー+|あのー+|そのー+", "まあ", "あの|その"),
    "ko": _sounds(rf"{_ANY}|으?음+", "어+"),
}
#: words that start with a filler
_NO_FILLERS = frozenset({"呃逆"})


def drop_fillers(transcript: Transcript) -> Transcript:
    """The transcript without its filler words; segments of nothing else are removed."""
    notes: list[dict[str, Any]] = []
    kept: list[Segment] = []
    for segment in transcript.segments:
        cleared = _cleared(segment, segment.language or transcript.language or "", notes)
        if cleared is not None:
            kept.append(replace(cleared, id=len(kept)))
    if not notes:
        return transcript
    return replace(transcript, segments=tuple(kept), notes={**transcript.notes, NOTE: notes})


def drop_sounds(text: str, language: str | None) -> str:
    """A text without times, without the sounds that are always fillers."""
    sounds = _of(language or "")
    kept = [word for word in split_words(text) if not sounds.always.fullmatch(_core(word.text))]
    return join_words(kept)


def _of(language: str) -> _Sounds:
    return _BY_LANGUAGE.get(language) or _BY_LANGUAGE[""]


def _core(text: str) -> str:
    return edges(text)[1].casefold()


def _cleared(segment: Segment, language: str, notes: list[dict[str, Any]]) -> Segment | None:
    """The segment without fillers; None if nothing remains."""
    words: Sequence[Word] = segment.words
    out: list[Word] = []
    at = 0
    while at < len(words):
        length = _filler_at(words, at, _of(language), gone=at > 0 and len(out) == 0)
        if not length:
            out.append(words[at])
            at += 1
            continue
        dropped = words[at : at + length]
        notes.append({"start": round(dropped[0].start, 3), "end": round(dropped[-1].end, 3),
                      "was": edges(join_words(dropped))[1]})  # fmt: skip
        at += length
        words = _mended(out, dropped, words, at)
    if len(out) == len(segment.words):
        return segment
    if not out:
        return None
    start = segment.start if out[0].start == segment.words[0].start else out[0].start
    end = segment.end if out[-1].end == segment.words[-1].end else out[-1].end
    return replace(with_words(segment, out), start=start, end=end)


def _filler_at(words: Sequence[Word], at: int, sounds: _Sounds, *, gone: bool) -> int:
    """How many words from `at` on are one filler; 0: none. `gone`: all words before have been removed."""
    for length in range(min(_LONGEST, len(words) - at), 0, -1):
        window = words[at : at + length]
        if not _is_one(window):
            continue
        core = _core(join_words(window))
        if sounds.always.fullmatch(core):
            following = words[at + length].text[:1] if at + length < len(words) else ""
            return 0 if core + following in _NO_FILLERS else length
        whole = at == 0 and length == len(words)
        if whole or not (gone or _apart_before(words, at)) or not _apart_behind(words, at + length, sounds):
            continue
        if sounds.apart.fullmatch(core) or (at + length < len(words) and sounds.before.fullmatch(core)):
            return length
    return 0


def _is_one(window: Sequence[Word]) -> bool:
    """Whether words may be one filler: several only in scripts without spaces, with nothing between them."""
    return all(
        not after.space_before and after.start - before.end < _PAUSE and before.text[-1].isalnum()
        for before, after in pairwise(window)
    )


def _apart_before(words: Sequence[Word], at: int) -> bool:
    if at == 0:
        return True
    return not words[at - 1].text[-1].isalnum() or words[at].start - words[at - 1].end >= _PAUSE


def _apart_behind(words: Sequence[Word], end: int, sounds: _Sounds) -> bool:
    if end == len(words) or not words[end - 1].text[-1].isalnum():
        return True
    return words[end].start - words[end - 1].end >= _PAUSE or bool(sounds.always.fullmatch(_core(words[end].text)))


def _mended(out: list[Word], dropped: Sequence[Word], words: Sequence[Word], at: int) -> Sequence[Word]:
    """Give the neighbours of removed words their punctuation and capital; the words with the next one changed."""
    front, core, _ = edges(dropped[0].text)
    mark = edges(dropped[-1].text)[2]
    if front and any(char in CLOSERS for char in mark):  # quoted by itself
        front, mark = "", mark.translate(dict.fromkeys(map(ord, CLOSERS)))
    begins = not out or ending(out[-1].text, "") is Ending.SENTENCE
    if out and mark and not begins:
        out[-1] = replace(out[-1], text=_joined(out[-1].text, mark))
    if at == len(words) or (not front and not (begins and core[:1].isupper())):
        return words
    after = words[at]
    lead, rest, tail = edges(after.text)
    text = front + lead + (rest[:1].upper() + rest[1:] if begins else rest) + tail
    return [*words[:at], replace(after, text=text), *words[at + 1 :]]


def _joined(text: str, mark: str) -> str:
    """A word with the mark of the filler that followed: a full stop is kept, commas around a filler are not."""
    if ending("x" + mark, "") is Ending.SENTENCE:
        return text.rstrip("".join(CLAUSE_ENDS) + " ") + mark
    if text[-1] in ",;" and not is_cjk(text[-2:-1] or " "):
        return text[:-1]
    return text
