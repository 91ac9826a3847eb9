"""Walks over streams of frames that no header counts, from frame to frame by the sizes in their own headers.

MPEG audio (ISO 11172-3, ISO 13818-3), ADTS (ISO 13818-7), LOAS (ISO 14496-3), AC-3 (ETSI TS 102 366), DTS (ETSI TS
102 114), GSM 06.10, AMR (RFC 4867) and MPEG program streams (ISO 13818-1).
"""

from collections.abc import Callable, Iterator

from asrcli.audio.containers.mp4 import BOXES
from asrcli.audio.containers.mpeg import layer3_frame, skip_tags, starts_file, tag_size
from asrcli.audio.containers.packets import Sizer, adts_frame, layer2_frame, program_packet

#: gives up to `size` bytes from a position of the file: (size, position)
Read = Callable[[int, int], bytes]

#: bytes in which frames are followed at once, of a stream that may be live and of a file
_SEARCHED, MANY = 1024, 4096
#: bytes of a tag's header at most: a live stream is not waited for longer
_LONGEST_TAG_HEADER = 32
#: the same of a frame's header with the mark of an encoder's tag
_LONGEST_HEADER = 40
#: frames that are no file of their own
_FEW = 8
_PACK, _PROGRAM_END = b"\0\0\x01\xba", b"\0\0\x01\xb9"
#: kbit/s of AC-3 by frmsizecod // 2
_AC3 = (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640)
#: bytes of a frame, and the upper half of its first one
_GSM_FRAME, _GSM_MARK = 33, 0xD
#: bytes of a frame by its type, narrow and wide band; 0: there is no such type
_AMR_SIZES = (
    (13, 14, 16, 18, 20, 21, 27, 32, 6, 0, 0, 0, 0, 0, 0, 1),
    (18, 24, 33, 37, 41, 47, 51, 59, 61, 6, 0, 0, 0, 0, 1, 1),
)
_AMR_MARKS = (b"#!AMR\n", b"#!AMR-WB\n")
#: bits of a frame's first byte that are zero
_AMR_ZEROS = 0x83
#: files that could start with a frame of AMR by their first byte
_ASF = b"\x30\x26\xb2\x75"


def starts_frames(read: Read, position: int) -> bool:
    """Whether frames follow each other from a position on, behind tags."""
    start = skip_tags(read, position)[0]
    for frame, count in _FRAMES.items():
        at = start
        for _ in range(count):
            size = frame(read(_LONGEST_TAG_HEADER, at), 0)
            at += size
            if not size:
                break
        else:
            return frame is not _gsm_frame or _varies(read(at - start, start))
    return False


def _varies(frames: bytes) -> bool:
    """Whether these are frames of GSM, not A-law: in its silence, every byte could start a frame."""
    return 2 * sum(byte >> 4 == _GSM_MARK for byte in frames) < len(frames)


def walk_frames(read: Read, position: int, searched: int = _SEARCHED) -> Iterator[int]:
    """Positions up to which frames and tags follow each other, and no other file starts: each has a tag of its encoder,
    and its decoder leaves out what that added.
    """
    frame: Sizer | None = None
    count = 0

    def size_at(window: bytes, at: int, start: int) -> int:
        nonlocal frame, count
        inside = count > _FEW  # a program that changed a file may have added a second tag
        frame = frame or next((frame for frame in _FRAMES if frame(window, at)), None)
        size = frame(window, at) if frame else 0
        if size:
            count += 1
            return 0 if inside and frame is layer3_frame and starts_file(window, at) else size
        size = tag_size(window[at:])
        return 0 if inside and size and window[at : at + 3] == b"ID3" and starts_other(start + at) else size

    def starts_other(at: int) -> bool:
        after = skip_tags(read, at)[0]
        head = read(_LONGEST_HEADER, after)
        if frame and frame(head, 0):
            return frame is layer3_frame and starts_file(head, 0)
        return starts_frames(read, after)

    return _walk(read, position, searched, size_at)


def walk_amr(read: Read, position: int, searched: int = _SEARCHED) -> Iterator[int]:
    """Positions up to which the frames of an AMR file follow each other."""
    wide = read(len(_AMR_MARKS[1]), position) == _AMR_MARKS[1]
    sizes = _AMR_SIZES[wide]

    def size_at(window: bytes, at: int, _: int) -> int:
        first = window[at]
        if first & _AMR_ZEROS or (first in {0, _ASF[0]} and _is_file(window[at : at + 8])):
            return 0
        return sizes[first >> 3 & 15]

    yield position + len(_AMR_MARKS[wide])
    yield from _walk(read, position + len(_AMR_MARKS[wide]), searched, size_at)


def walk_program(read: Read, position: int, searched: int = _SEARCHED) -> Iterator[int]:
    """Positions up to which the packets of a program stream follow each other."""
    return _walk(
        read, position, searched,
        lambda window, at, _: 4 if window[at : at + 4] == _PROGRAM_END else program_packet(window, at),
    )  # fmt: skip


def _walk(read: Read, position: int, searched: int, size_at: Callable[[bytes, int, int], int]) -> Iterator[int]:
    """`size_at` gives the bytes of the part at a position of a window that starts at a position, 0 at the end."""
    while window := read(searched, position):
        at, needed = 0, _LONGEST_HEADER if len(window) == searched else 1  # less than a header at the end only
        while at + needed <= len(window):
            size = size_at(window, at, position)
            if not size:
                break
            at += size
        if not at:
            return
        position += at
        yield position


def _is_file(head: bytes) -> bool:
    return head[:4] in {_ASF, _PACK} or head[4:] in BOXES


def _ac3_frame(data: bytes, at: int) -> int:
    """ETSI TS 102 366, 5.3.1 and E.1.2."""
    head = data[at : at + 6]
    if len(head) < 6 or head[:2] != b"\x0b\x77":
        return 0
    if head[5] >> 3 > 10:  # E-AC-3
        return 2 * ((head[2] & 7) << 8 | head[3]) + 2
    code, rate = head[4] & 63, head[4] >> 6
    if code >= 2 * len(_AC3) or rate == 3:
        return 0
    return 2 * (_AC3[code // 2] * 96_000 // (48000, 44100, 32000)[rate] + (code & 1 if rate == 1 else 0))


def _dts_frame(data: bytes, at: int) -> int:
    """ETSI TS 102 114, 5.3."""
    head = data[at : at + 8]
    if len(head) < 8 or head[:4] != b"\x7f\xfe\x80\x01":
        return 0
    return ((head[5] & 3) << 12 | head[6] << 4 | head[7] >> 4) + 1


def _loas_frame(data: bytes, at: int) -> int:
    """ISO 14496-3, 1.7.2: AudioSyncStream."""
    head = data[at : at + 3]
    if len(head) < 3 or head[0] != 0x56 or head[1] & 0xE0 != 0xE0:
        return 0
    return ((head[1] & 0x1F) << 8 | head[2]) + 3


def _gsm_frame(data: bytes, at: int) -> int:
    return _GSM_FRAME if data[at : at + 1] and data[at] >> 4 == _GSM_MARK else 0


#: what finds the frames that have their size, or always the same, and how many of them prove the form
_FRAMES: dict[Sizer, int] = {
    layer3_frame: 3,
    layer2_frame: 3,
    adts_frame: 3,
    _ac3_frame: 3,
    _dts_frame: 3,
    _loas_frame: 4,
    _gsm_frame: 12,
}
#: what each of these frames begins with, where they are searched behind samples
_MARKS: dict[Sizer, bytes] = {
    layer3_frame: b"\xff",
    layer2_frame: b"\xff",
    adts_frame: b"\xff",
    _ac3_frame: b"\x0b\x77",
    _dts_frame: b"\x7f\xfe\x80\x01",
}
#: frames that prove that these are no samples, and bytes that are searched for them at once
_PROOF, _SEARCHED_FOR_FRAMES = 8, 1 << 16
#: bytes that a frame's header takes at most, and what gives the size of a tag
_LONGEST_MARK, _TAG_HEAD = 8, 32


def frames_behind(read: Read, start: int, size: int) -> int | None:
    """Where the frames begin that fill the end of a file of `size` bytes, behind plain samples from `start` on; None
    where the samples go on to the end.
    """
    tail = read(_SEARCHED_FOR_FRAMES, max(start, size - _SEARCHED_FOR_FRAMES))
    for frame, mark in _MARKS.items():
        if _frames_to_end(tail, frame, mark) < 0:
            continue
        position = start
        while window := read(_SEARCHED_FOR_FRAMES, position):
            if (at := _frames_to_end(window, frame, mark)) >= 0:
                return position + at
            position += _SEARCHED_FOR_FRAMES // 2
    return None


def _frames_to_end(window: bytes, frame: Sizer, mark: bytes) -> int:
    """Where frames begin that follow each other up to the end; -1 where nowhere."""
    sound_end = len(window.rstrip(b"\0"))
    #: frames from which others lead to something else: each is followed once, whatever the bytes are
    lost: set[int] = set()
    at = window.find(mark)
    while at >= 0:
        chain, end = [], at
        while end not in lost and (size := frame(window, end)):
            chain.append(end)
            end += size
        ended = len(window) - end < _LONGEST_MARK or end >= sound_end or tag_size(window[end : end + _TAG_HEAD])
        if end in lost or not ended:
            lost.update(chain)
        elif len(chain) >= _PROOF:
            return at
        at = window.find(mark, at + 1)
    return -1
