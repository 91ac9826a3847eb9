"""Hotwords for models without support: words that sound like a hotword are replaced, and each replacement is noted.

Chinese is compared by pinyin without tones, with confusable initials and finals equal, two characters by pinyin and
tones; Latin script by Metaphone code and by Jaro-Winkler similarity of the letters, which must be higher for shorter
codes. Common words are not replaced. Off by default: a correction can be wrong. Needs the extra `hotwords`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib.resources import files
from importlib.util import find_spec
from itertools import pairwise
from typing import Any

from asrcli.distribution import pip_install
from asrcli.errors import MissingExtraError
from asrcli.options import Hotword
from asrcli.script import is_cjk
from asrcli.text.steps.strip_punctuation import edges
from asrcli.text.steps.word_edits import spread, with_words
from asrcli.text.subtitles.pieces import split_text
from asrcli.transcript import Segment, Transcript, Word, join_words

#: key of the replacements in `Transcript.notes`
NOTE = "hotwords"
#: minimum similarity of the letters, by the length of the code: short codes match too much
SIMILAR = {0: 1.0, 1: 0.92, 2: 0.92, 3: 0.9, 4: 0.87}
SIMILAR_LONGER = 0.82
#: a name may be recognised as so many words more, or fewer
_STRETCH = 2
#: minimum letters, and Chinese characters, of a hotword: shorter ones match too much
_SHORTEST, _SHORTEST_HAN = 4, 2
#: words further apart than this (seconds) are not one name
_PAUSE = 0.6

#: English words that are never replaced by a hotword: "them" does not become "Thyme"
COMMON_WORDS = frozenset(files("asrcli.text.steps").joinpath("common_words.txt").read_text("utf-8").split())

#: sounds that speakers and models confuse
_FUZZY = (
    (re.compile(r"^([zcs])h"), r"\1"),
    (re.compile(r"^[lr]"), "n"),
    (re.compile(r"^hu(?=.)|^f"), "h"),
    (re.compile(r"([aei]n)g$"), r"\1"),
)

Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Target:
    text: str
    words: int
    letters: str


class PhoneticStep:
    """Corrects the words of transcripts."""

    def __init__(self, hotwords: Sequence[Hotword]) -> None:
        """Prepare the hotwords. Raises MissingExtraError: the packages for pronunciation are not installed."""
        missing = [name for name in ("pypinyin", "jellyfish") if find_spec(name) is None]
        if missing:
            raise MissingExtraError(
                f"Correcting hotwords by sound needs {' and '.join(missing)}.",
                f"Install them: {pip_install('hotwords')}.",
            )
        self._targets: dict[Key, _Target] = {}
        # Of two with the same sound the one with the higher weight is used.
        for hotword in sorted(hotwords, key=lambda hotword: hotword.weight):
            parts = [text for text, _ in split_text(hotword.text)]
            key = sound(parts)
            if key and len(_letters(parts)) >= (_SHORTEST_HAN if len(key) > 1 else _SHORTEST):
                self._targets[key] = _Target(hotword.text, len(parts), _letters(parts))
        lengths = {target.words for target in self._targets.values()}
        self._lengths = sorted({length + extra for length in lengths for extra in range(-_STRETCH, _STRETCH + 1)} - {0})

    def __call__(self, transcript: Transcript) -> Transcript:
        notes: list[dict[str, Any]] = []
        segments = tuple(self._corrected(segment, notes) for segment in transcript.segments)
        if not notes:
            return transcript
        return replace(transcript, segments=segments, notes={**transcript.notes, NOTE: notes})

    def _corrected(self, segment: Segment, notes: list[dict[str, Any]]) -> Segment:
        words = segment.words
        out: list[Word] = []
        changed = False
        at = 0
        while at < len(words):
            found = self._find(words, at)
            if found is None:
                out.append(words[at])
                at += 1
                continue
            target, length = found
            heard = words[at : at + length]
            out += _rewritten(heard, target.text)
            changed = True
            notes.append(
                {
                    "segment": segment.id,
                    "start": round(heard[0].start, 3),
                    "end": round(heard[-1].end, 3),
                    "was": _bare(heard),
                    "is": target.text,
                }
            )
            at += length
        return with_words(segment, out) if changed else segment

    def _find(self, words: Sequence[Word], at: int) -> tuple[_Target, int] | None:
        """The most similar hotword for the words from `at` on, and the number of words; None: no match."""
        best: tuple[float, int, _Target] | None = None
        for length in self._lengths:
            window = words[at : at + length]
            if len(window) < length or not _is_one(window):
                break
            texts = [_core(word.text) for word in window]
            if not all(texts):
                continue
            key = sound(texts)
            target = self._targets.get(key)
            if target is None or not _is_likely(texts, target):
                continue
            alike = likeness(_letters(texts), target.letters)
            least = SIMILAR.get(sum(map(len, key)), SIMILAR_LONGER)
            if alike >= least and (best is None or alike >= best[0]):
                best = alike, length, target
        if best is None or _bare(words[at : at + best[1]]).casefold() == best[2].text.casefold():
            return None  # no match, or the text is the hotword already
        return best[2], best[1]


def sound(texts: Sequence[str]) -> Key:
    """Codes of the sound: one for each run of Latin words, a syllable for each Chinese character; () if unknown."""
    key: list[str] = []
    latin = ""
    for text in texts:
        if any(is_cjk(char) for char in text):
            syllables = [_syllable(char) for char in text if is_cjk(char)]
            key += [_metaphone(latin), *syllables] if latin else syllables
            latin = ""
        else:
            latin += "".join(char for char in text if char.isalpha())
    if latin:
        key.append(_metaphone(latin))
    return tuple(key) if all(key) else ()


def likeness(heard: str, wanted: str) -> float:
    """Similarity of the letters, 0..1; 1 for Chinese, which `sound` has compared."""
    import jellyfish

    if is_cjk(wanted[0]):
        return 1.0
    return float(jellyfish.jaro_winkler_similarity(heard, wanted))


@lru_cache(maxsize=65536)
def _metaphone(letters: str) -> str:
    import jellyfish

    return str(jellyfish.metaphone(letters))


@lru_cache(maxsize=16384)
def _syllable(char: str) -> str:
    from pypinyin import lazy_pinyin

    syllable = "".join(lazy_pinyin(char, errors="ignore"))
    for pattern, plain in _FUZZY:
        syllable = pattern.sub(plain, syllable)
    return syllable


def _letters(texts: Sequence[str]) -> str:
    return "".join(char for text in texts for char in text.casefold() if char.isalnum())


def _core(text: str) -> str:
    return edges(text)[1]


def _bare(words: Sequence[Word]) -> str:
    return edges(join_words(words))[1]


def _is_likely(texts: Sequence[str], target: _Target) -> bool:
    """Whether words that sound like a hotword may be replaced."""
    heard = _letters(texts)
    if is_cjk(target.letters[0]):
        return len(heard) > _SHORTEST_HAN or _tones(heard) == _tones(target.letters)
    if any(char.isdigit() for char in heard) != any(char.isdigit() for char in target.letters):
        return False  # "4 bytes" is not "Bytes"
    return heard == target.letters or not all(text.casefold() in COMMON_WORDS for text in texts)


@lru_cache(maxsize=16384)
def _tones(text: str) -> tuple[str, ...]:
    from pypinyin import Style, lazy_pinyin

    return tuple(lazy_pinyin(text, style=Style.TONE3))


def _is_one(words: Sequence[Word]) -> bool:
    """Whether the words may be one name: no mark or pause between them, one speaker."""
    return all(
        after.start - before.end <= _PAUSE
        and before.speaker == after.speaker
        and before.text[-1:].isalnum()
        and after.text[:1].isalnum()
        for before, after in pairwise(words)
    )


def _rewritten(heard: Sequence[Word], text: str) -> list[Word]:
    """The hotword with the times and the surrounding marks of the replaced words."""
    front, back = edges(heard[0].text)[0], edges(heard[-1].text)[2]
    texts = list(split_text(text))
    texts[0] = front + texts[0][0], heard[0].space_before
    texts[-1] = texts[-1][0] + back, texts[-1][1]
    if len(texts) == len(heard):
        return [replace(word, text=part, space_before=space) for word, (part, space) in zip(heard, texts, strict=True)]
    return spread(heard, texts)
