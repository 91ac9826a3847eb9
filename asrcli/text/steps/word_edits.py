"""Words with times from rewritten text (numbers as digits, a corrected name)."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from difflib import SequenceMatcher

from asrcli.text.subtitles.pieces import split_text, width
from asrcli.transcript import Segment, Word, join_words

#: whether to make a change: the words before and after it
Wanted = Callable[[Sequence[str], Sequence[str]], bool]
#: changes with at most so many words between them belong together ("three million euros": "€3 million")
_TOGETHER = 1
_Opcode = tuple[str, int, int, int, int]


def rewrite_words(words: Sequence[Word], text: str, wanted: Wanted | None = None) -> tuple[Word, ...]:
    """The words of a rewritten text, with the times of the words they replace.

    Unchanged words keep all fields. Replacements share the time from the start of the first to the end of the last
    replaced word, by their length; a single new word for many old ones (`25` for "twenty five") takes all of it. The
    time of deleted words goes to the word before.

    `wanted` selects the changes to make; None: all.
    """
    if not words:
        return ()
    fresh = list(split_text(text))
    old = [part for word in words for part in _parts(word)]
    matcher = SequenceMatcher(None, [word.text for word in old], [part for part, _ in fresh], autojunk=False)
    out: list[Word] = []
    for kind, a, b, c, d in _chosen(matcher.get_opcodes(), old, fresh, wanted):
        if kind == "keep":
            out += old[a:b]
        elif kind == "equal":
            out += [replace(word, space_before=space) for word, (_, space) in zip(old[a:b], fresh[c:d], strict=True)]
        elif kind == "replace":
            out += spread(old[a:b], fresh[c:d])
        elif kind == "insert" and out:
            near = out.pop()
            out += spread([near], [(near.text, near.space_before), *fresh[c:d]])
        elif kind == "insert":
            out += [Word(part, old[0].start, old[0].start, speaker=old[0].speaker) for part, _ in fresh[c:d]]
        elif out:
            out[-1] = replace(out[-1], end=old[b - 1].end)
    return tuple(out)


def _chosen(
    opcodes: Sequence[_Opcode], old: Sequence[Word], fresh: Sequence[tuple[str, bool]], wanted: Wanted | None
) -> Iterator[_Opcode]:
    """The changes, with "keep" for those that are not wanted."""
    for group in _groups(opcodes):
        (_, a, _, c, _), (_, _, b, _, d) = group[0], group[-1]
        if (
            wanted is None
            or (len(group) == 1 and group[0][0] == "equal")
            or wanted([word.text for word in old[a:b]], [part for part, _ in fresh[c:d]])
        ):
            yield from group
        else:
            yield ("keep", a, b, c, d)


def _groups(opcodes: Sequence[_Opcode]) -> Iterator[list[_Opcode]]:
    """Changes that belong together, with the words between them; else single opcodes."""
    group: list[_Opcode] = []
    for index, opcode in enumerate(opcodes):
        between = opcode[0] == "equal" and opcode[2] - opcode[1] <= _TOGETHER
        if opcode[0] != "equal" or (group and between and index + 1 < len(opcodes)):
            group.append(opcode)
            continue
        if group:
            yield group
            group = []
        yield [opcode]
    if group:
        yield group


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
    return replace(segment, words=tuple(words), text=join_words(words))


def _parts(word: Word) -> list[Word]:
    """The word as `split_text` would have it: in Chinese, character by character."""
    texts = list(split_text(word.text))
    if len(texts) < 2:
        return [word]
    return [
        replace(part, space_before=space if index else word.space_before, confidence=word.confidence)
        for index, (part, (_, space)) in enumerate(zip(spread([word], texts), texts, strict=True))
    ]
