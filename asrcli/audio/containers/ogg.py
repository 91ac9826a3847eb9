"""The pages of an Ogg file (RFC 3533): is it one whole recording, and where were several joined?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

#: bits of a page's type
_FIRST, _LAST = 2, 4
_HEADER = 27


@dataclass(frozen=True, slots=True)
class OggPages:
    """What a walk over all pages finds."""

    #: pages of one stream without a gap: libsndfile reads the first of several streams, and closes gaps
    plain: bool
    #: the last page is all there, and says that it is the last
    ended: bool
    #: (start, end) of each recording that was joined
    parts: tuple[tuple[int, int], ...]


def walk(read: Callable[[int, int], bytes]) -> OggPages:
    """Go from page to page (RFC 3533, section 6), reading headers only.

    Args:
        read: gives up to `size` bytes from a position of the file: (size, position).
    """
    position, kind, opening, plain = 0, _FIRST, True, True
    starts: list[int] = [0]
    serials: dict[bytes, int] = {}
    while len(page := read(_HEADER + 255, position)) > _HEADER:
        if page[:4] != b"OggS":
            return OggPages(plain=False, ended=False, parts=((0, position),) if len(starts) == 1 else ())
        kind, serial, number = page[5], page[14:18], int.from_bytes(page[18:22], "little")
        if kind & _FIRST and not opening:
            starts.append(position)
            serials.clear()
        opening = bool(kind & _FIRST)
        plain = plain and number == serials.get(serial, number - 1 if opening else -2) + 1
        serials[serial] = number
        plain = plain and len(serials) == 1
        segments = page[26]
        position += _HEADER + segments + sum(page[_HEADER : _HEADER + segments])
    whole = bool(read(1, position - 1)) if position else False
    parts = tuple(zip(starts, [*starts[1:], position], strict=True))
    return OggPages(plain=plain and len(parts) == 1, ended=bool(kind & _LAST) and whole, parts=parts)
