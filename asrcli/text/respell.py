"""Text that was rewritten (numbers as digits, a name corrected) brought back to words with times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from difflib import SequenceMatcher

from asrcli.text.pieces import split_text
from asrcli.text.width import width
from asrcli.transcript import Segment, Word, join_words


def respell(words: Sequence[Word], text: str) -> tuple[Word, ...]:
    """The words of a rewritten text, with the times of those they stand for.

    Words that are still there keep all they had. Where others took their place, these share the time from the start of
    the first to the end of the last, by their length; a single new word for many old ones (`25` for "twenty five")
    takes all of it. No words give none.
    """
    if not words:
        return ()
    fresh = list(split_text(text))
    old = [part for word in words for part in _parts(word)]
    matcher = SequenceMatcher(None, [word.text for word in old], [part for part, _ in fresh], autojunk=False)
    out: list[Word] = []
    for kind, a, b, c, d in matcher.get_opcodes():
        if kind == "equal":
            out += [replace(word, space_before=space) for word, (_, space) in zip(old[a:b], fresh[c:d], strict=True)]
        elif kind == "replace":
            out += spread(old[a:b], fresh[c:d])
        elif kind == "insert" and out:
            near = out.pop()
            out += spread([near], [(near.text, near.space_before), *fresh[c:d]])
        elif kind == "insert":
            out += [Word(part, old[0].start, old[0].start, speaker=old[0].speaker) for part, _ in fresh[c:d]]
    return tuple(out)


def spread(words: Sequence[Word], texts: Sequence[tuple[str, bool]]) -> list[Word]:
    """New words (text, space before) in the time of others, with their mean confidence and the first one's speaker."""
    confidences = [word.confidence for word in words if word.confidence is not None]
    confidence = sum(confidences) / len(confidences) if confidences else None
    total = sum(width(text) for text, _ in texts) or 1
    first, last = words[0], words[-1]
    out, done = [], 0
    for text, space in texts:
        start = first.start + (last.end - first.start) * done / total
        done += width(text)
        end = first.start + (last.end - first.start) * done / total
        out.append(Word(text, start, end, confidence, first.speaker, space))
    return out


def with_words(segment: Segment, words: Sequence[Word]) -> Segment:
    """The segment with other words, and their text."""
    return replace(segment, words=tuple(words), text=join_words(list(words)))


def _parts(word: Word) -> list[Word]:
    """The word as `split_text` would have it: in Chinese, character by character."""
    texts = list(split_text(word.text))
    if len(texts) < 2:
        return [word]
    return [
        replace(part, space_before=space if index else word.space_before, confidence=word.confidence)
        for index, (part, (_, space)) in enumerate(zip(spread([word], texts), texts, strict=True))
    ]
