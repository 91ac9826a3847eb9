"""WavPack: the samples that the blocks of a file hold."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

#: gives up to `size` bytes from a position of the file: (size, position)
Read = Callable[[int, int], bytes]

#: bytes of a block's header
_HEADER = 32
#: flags of the first and of the last block of samples with the same number: each has up to two channels
_INITIAL, _FINAL = 1 << 11, 1 << 12
#: Hz, by the number in the flags; a rate of its own is in the block
_RATES = (
    6000, 8000, 9600, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000, 192000,
)  # fmt: skip
_RATE_SHIFT = 23
#: a total that was not known when the header was written
_UNKNOWN = 0xFFFFFFFF
#: blocks without samples before the first one that are looked at
_MOST_EMPTY = 64
#: blocks of a file that are counted: those of a recording have half a second
_MOST_BLOCKS = 1_000_000


@dataclass(frozen=True, slots=True)
class WavPackBlock:
    """The header of a block."""

    #: bytes of the block
    size: int
    #: number of the first sample in the recording, and samples; none in a block of metadata
    first: int
    samples: int
    #: samples of the recording, in its first block; 0: not known
    total: int
    flags: int

    def starts_file(self, before: "WavPackBlock | None") -> bool:
        """Whether another file starts with this block: its samples do not follow those of `before`."""
        if before is None or not self.samples:
            return False
        again = bool(self.flags & _INITIAL and before.flags & _FINAL and self.first == before.first)
        return self.first < before.first or again


def block_at(read: Read, position: int) -> WavPackBlock | None:
    """The block at a position; None where none is."""
    head = read(_HEADER, position)
    if len(head) < _HEADER or head[:4] != b"wvpk":
        return None
    size, total, first, samples, flags = (int.from_bytes(head[at : at + 4], "little") for at in (4, 12, 16, 20, 24))
    total = 0 if total == _UNKNOWN else total | head[11] << 32
    return WavPackBlock(8 + size, first | head[10] << 32, samples, total, flags)


def first_sample(read: Read, position: int = 0) -> int:
    """The number of the first sample in the file at a position: not 0 in a part that was copied without decoding. 0 for
    other files.
    """
    return next((block.first for _, block in islice(_blocks(read, position), _MOST_EMPTY) if block.samples), 0)


def missing_behind(read: Read, parts: Sequence[tuple[int, int]]) -> float | None:
    """Seconds that are missing behind the last of several files that were joined without decoding: the header of the
    first counts the samples of all. None: it does not. 0 where the last one lacks some that its own header counts.
    """
    first, last = block_at(read, parts[0][0]), block_at(read, parts[-1][0])
    if first is None or not first.total:
        return None
    counts = [_samples(read, *part) for part in parts]
    if not first.total >= sum(counts) > counts[0]:
        return None
    if last is None or last.total > counts[-1]:
        return 0.0
    code = first.flags >> _RATE_SHIFT & 15
    return (first.total - sum(counts)) / _RATES[min(code, len(_RATES) - 1)]


def _samples(read: Read, start: int, end: int) -> int:
    """Samples of the blocks from `start` to `end`."""
    found, last = 0, -1
    for position, block in islice(_blocks(read, start), _MOST_BLOCKS):
        if position >= end:
            break
        if block.samples and block.first != last:
            found, last = found + block.samples, block.first
    return found


def _blocks(read: Read, position: int) -> Iterator[tuple[int, WavPackBlock]]:
    """The position of each block, and its header."""
    while block := block_at(read, position):
        yield position, block
        position += block.size
