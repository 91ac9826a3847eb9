"""What the pages of an Ogg file tell: is it one recording, and is its end there?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

#: bits of a page's type
_FIRST, _LAST = 2, 4
_HEADER = 27


@dataclass(frozen=True, slots=True)
class OggPages:
    """What a walk over all pages finds."""

    #: one recording, page after page; libsndfile would read only the first of several
    single: bool
    #: the last page is all there, and says that it is the last
    ended: bool


def walk(read: Callable[[int, int], bytes]) -> OggPages:
    """Go from page to page (RFC 3533, section 6), reading headers only.

    Args:
        read: gives up to `size` bytes from a position of the file: (size, position).
    """
    position, kind, opening = 0, _FIRST, True
    while len(page := read(_HEADER + 255, position)) > _HEADER:
        if page[:4] != b"OggS":
            return OggPages(single=False, ended=False)
        kind = page[5]
        if kind & _FIRST and not opening:
            return OggPages(single=False, ended=True)
        opening = bool(kind & _FIRST)
        segments = page[26]
        position += _HEADER + segments + sum(page[_HEADER : _HEADER + segments])
    whole = bool(read(1, position - 1)) if position else False
    return OggPages(single=True, ended=bool(kind & _LAST) and whole)
