"""Removes punctuation; signs that belong to a word ("3.5%", "-5", "dogs'") are kept."""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import replace

from asrcli.assemble.words import split_words
from asrcli.script import joint
from asrcli.text.steps.word_edits import with_words
from asrcli.transcript import Segment, Transcript

_EDGES = re.compile(r"^([\W_]*)(.*?)([\W_]*)$", re.DOTALL)
#: punctuation in Unicode, but read aloud
_SPOKEN = frozenset("%‰#@&§")
_APOSTROPHES = frozenset("'’")
#: words that begin with an apostrophe
_CLIPPED = frozenset({"tis", "twas", "em", "til", "cause", "bout", "n"})
#: abbreviations without their last full stop: U.S, e.g
_INITIALS = re.compile(r"(?:[^\W\d_]\.)+[^\W\d_]")


def edges(text: str) -> tuple[str, str, str]:
    """The signs before the letters and digits of a text, these with inner signs, and the signs after them."""
    match = _EDGES.match(text)
    assert match is not None, "the pattern matches any text"
    return match[1], match[2], match[3]


def strip_punctuation(transcript: Transcript) -> Transcript:
    """The transcript without punctuation. Segments are unchanged."""
    return replace(transcript, segments=tuple(map(_stripped, transcript.segments)))


def bare_text(text: str) -> str:
    """A running text without punctuation."""
    words = [(word.text, word.space_before) for word in split_words(text)]
    return "".join((" " if space else "") + bare for _, bare, space in _bared(words)).lstrip(" ")


def bare_word(text: str) -> str:
    """A word without the punctuation around it; "" if it is nothing else."""
    front, core, back = edges(text)
    if _INITIALS.fullmatch(core):
        core = core.replace(".", "")
    return _leading(front, core) + core + _trailing(core, back)


def _leading(front: str, core: str) -> str:
    kept = "".join(filter(_is_spoken, front))
    if front.endswith("-") and core[:1].isdigit():
        return kept + "-"
    clipped = front[-1:] in _APOSTROPHES and core.casefold() in _CLIPPED
    return kept + front[-1] if clipped else kept


def _trailing(core: str, back: str) -> str:
    possessive = back[:1] in _APOSTROPHES and core[-1:] in {"s", "S"}
    return (back[0] if possessive else "") + "".join(filter(_is_spoken, back))


def _is_spoken(char: str) -> bool:
    return char in _SPOKEN or unicodedata.category(char).startswith("S")


def _bared(words: Sequence[tuple[str, bool]]) -> Iterator[tuple[int, str, bool]]:
    """(index, bare text, space before) of the words that are more than punctuation."""
    before = ""
    for index, (text, space) in enumerate(words):
        bare = bare_word(text)
        if bare:
            # A dash between two words leaves a space.
            yield index, bare, space or bool(joint(before, bare))
            before = bare


def _stripped(segment: Segment) -> Segment:
    if not segment.words:
        return replace(segment, text=bare_text(segment.text))
    words = [(word.text, word.space_before) for word in segment.words]
    kept = [replace(segment.words[index], text=bare, space_before=space) for index, bare, space in _bared(words)]
    return with_words(segment, kept)
