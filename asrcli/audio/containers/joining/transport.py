"""Transport streams (ISO 13818-1) whose audio tracks change: recordings that were joined, or programmes."""

import re
from collections.abc import Callable, Iterator

from asrcli.audio.containers.packets import transport_packet

#: gives up to `size` bytes from a position of the file: (size, position)
Read = Callable[[int, int], bytes]

#: a packet that starts with a program association table (0) or a program map (2)
_TABLE = re.compile(rb"\x47[\x40-\x5f].[\x10-\x1f]\x00[\x00\x02][\xb0-\xbf]", re.DOTALL)
#: packets that are searched at once: few of a stream that may be live, many of a file
FEW, MANY = 20, 4096
#: sync bytes at their distance that make a transport stream
_SYNCS = 5
#: packets between the two tables at most
_APART = 3
#: types of streams that carry sound; 6 does with one of the descriptors below
_AUDIO = {0x03, 0x04, 0x0F, 0x11, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0xA1}
_PRIVATE = 0x06
#: descriptors of AC-3, E-AC-3, DTS and AAC in private streams, and registrations
_DESCRIPTORS, _REGISTRATION = {0x6A, 0x7A, 0x7B, 0x7C}, 0x05
_REGISTERED = {b"Opus", b"AC-3", b"EAC3", b"BSSD", b"DTS1", b"DTS2", b"DTS3"}

#: (packet identifier, type) of each audio track
Tracks = frozenset[tuple[int, int]]


def walk(read: Read, position: int, packets: int = FEW, tables: "Tables | None" = None) -> Iterator[int]:
    """Positions up to which packets follow each other and the audio tracks are those of the start; the last one may be
    where they are replaced. `tables`: those of what came before, which are updated.
    """
    packet = packet_of(read, position)
    tables = tables or Tables()
    before = 4 if packet == 192 else 0  # a time code
    if packet:
        first = _first_sync(read(_SYNCS * 204 + 204, position), packet) - before
        position += first if first >= 0 else first + packet
    while packet and (window := read((packets + 1) * packet, position)):  # the last one may lie across the end
        syncs = window[before::packet]
        kept = len(syncs) - len(syncs.lstrip(b"\x47"))
        window = window if kept == len(syncs) else window[: kept * packet]
        for found in _TABLE.finditer(window):
            at, after = found.start(), found.start() + packet
            if window[after : after + 1] not in {b"", b"\x47"} or len(window) < at + 188:
                continue  # by chance, or cut
            start = tables.replaced(window[at : at + 188], position + at - before)
            if start is not None:
                yield start
                return
        if kept < len(syncs):  # damage, or another file
            yield position + kept * packet
            return
        end = position + min(len(window), packets * packet)
        # Both tables are searched in one window.
        position = tables.at if max(position, end - _APART * packet) < tables.at else end
        yield position


def _first_sync(head: bytes, packet: int) -> int:
    return next(at for at in range(packet) if head[at : at + _SYNCS * packet : packet] == b"\x47" * _SYNCS)


def packet_of(read: Read, position: int) -> int:
    """Bytes of the packets of the transport stream at a position; 0 where none is."""
    return transport_packet(read(_SYNCS * 204 + 204, position))


def syncs(packet: int) -> bytes:
    """A further alternative of a regular expression: packets of a size that follow each other."""
    return b"|" + (b"G.{%d}" % (packet - 1)) * (_SYNCS - 1) + b"G"


class Tables:
    """What the tables announced so far."""

    def __init__(self) -> None:
        self._last: dict[bytes, bytes] = {}
        self._program: bytes | None = None
        self._tracks: Tracks = frozenset()
        #: where the last association table is, and the programs in it
        self.at, self._programs = 0, frozenset[bytes]()

    def replaced(self, packet: bytes, position: int) -> int | None:
        """Where the tracks so far end, if this table replaces one of them."""
        name = packet[1:3]
        if packet[5] == 0:
            self.at = position
            self._programs = frozenset(packet[at : at + 2] for at in range(13, _end(packet), 4))
            return None
        if self._last.get(name) == packet[5:]:
            return None
        self._last[name] = packet[5:]
        tracks, program = _audio_tracks(packet), packet[8:10]
        if not tracks:
            return None
        if self._program is None:
            self._program, self._tracks = program, tracks
        same = program == self._program
        if (same and not self._tracks <= tracks) or (not same and self._program not in self._programs):
            return self.at
        return None


def _end(packet: bytes) -> int:
    """Where the checksum of the table in a packet is."""
    return min(8 + ((packet[6] & 15) << 8 | packet[7]) - 4, len(packet))


def _audio_tracks(packet: bytes) -> Tracks:
    """The audio tracks of a program map; those that do not fit into its first packet are left out."""
    end = _end(packet)
    at = 17 + ((packet[15] & 15) << 8 | packet[16])
    tracks = set()
    while at + 5 <= end:
        kind, stream = packet[at], (packet[at + 1] & 0x1F) << 8 | packet[at + 2]
        size = (packet[at + 3] & 15) << 8 | packet[at + 4]
        if kind in _AUDIO or (kind == _PRIVATE and _is_audio(packet[at + 5 : at + 5 + size])):
            tracks.add((stream, kind))
        at += 5 + size
    return frozenset(tracks)


def _is_audio(descriptors: bytes) -> bool:
    at = 0
    while at + 2 <= len(descriptors):
        tag, body = descriptors[at], descriptors[at + 2 : at + 2 + descriptors[at + 1]]
        if tag in _DESCRIPTORS or (tag == _REGISTRATION and body[:4] in _REGISTERED):
            return True
        at += 2 + len(body)
    return False
