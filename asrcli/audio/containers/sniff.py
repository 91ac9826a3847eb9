"""Recognition of formats by the first bytes of an input: the decoder to use, or what a file without audio is."""

import codecs
from dataclasses import dataclass
from typing import Literal

from asrcli.audio.containers.declared_size import IRCAM_MAGICS, pad
from asrcli.audio.containers.mp4 import BOXES
from asrcli.audio.containers.packets import transport_packet
from asrcli.audio.containers.sized_sound import size_known
from asrcli.audio.layouts import layout_of_mask

#: bytes that are looked at; a stream's are kept and handed to the decoder
HEAD = 65536

Decoder = Literal["sound", "ffmpeg"]

#: (offset, bytes): containers that libsndfile reads
_SOUND = (
    (8, b"WAVE"),  # RIFF, RIFX, RF64, BW64
    (0, b"riff\x2e\x91\xcf\x11"),  # Sony Wave64
    (0, b"fLaC"),
    (0, b"OggS"),
    (0, b"ID3"),
    (0, b".snd"),
    (0, b"caff"),
    (0, b"NIST_1A"),
    (0, b"Creative Voice File"),
    (8, b"AIFF"),
    (8, b"AIFC"),
)

#: (offset, bytes): containers and streams that ffmpeg reads
_FFMPEG = (
    (0, b"\x1aE\xdf\xa3"),  # Matroska, WebM
    (4, b"ftyp"),
    (4, b"moov"),
    (4, b"mdat"),
    (4, b"wide"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11"),  # ASF: WMA, WMV
    (0, b"FLV\x01"),
    (0, b"\x00\x00\x01\xba"),  # MPEG program stream
    (0, b"#!AMR"),
    (0, b"wvpk"),
    (0, b"TTA1"),
    (0, b"TTA2"),
    (0, b"MAC "),
    (0, b"tBaK"),
    (0, b"MPCK"),
    (0, b"MP+"),
    (0, b"OFR "),
    (0, b"DSD "),
    (0, b"FRM8"),
    (0, b"FORM"),
    (0, b"RIFF"),
    (0, b".RMF"),
    (0, b".ra\xfd"),
    (0, b"nut/multimedia container"),
    (0, b".SoX"),
    (0, b"XoS."),
    *((0, magic) for magic in IRCAM_MAGICS),
    (0, b"STRM"),
    (0, b"\xb7\xd8\x00\x20\x37\x49\xda\x11"),  # WTV
    (0, b"\x06\x0e\x2b\x34"),  # MXF
    (0, b"FWS"),
    (0, b"CWS"),
)

#: (offset, bytes, what it is): refused at once, since no decoder here makes sound of it
_NOT_AUDIO = (
    (0, b"PK\x03\x04", "a ZIP archive (or an office document)"),
    (0, b"\x1f\x8b", "a gzip archive"),
    (0, b"BZh", "a bzip2 archive"),
    (0, b"\xfd7zXZ", "an xz archive"),
    (0, b"7z\xbc\xaf", "a 7-Zip archive"),
    (0, b"Rar!", "a RAR archive"),
    (0, b"\x28\xb5\x2f\xfd", "a zstd archive"),
    (257, b"ustar", "a tar archive"),
    (0, b"\x89PNG", "a PNG image"),
    (0, b"\xff\xd8\xff", "a JPEG image"),
    (0, b"GIF8", "a GIF image"),
    (8, b"WEBP", "a WebP image"),
    (0, b"%PDF", "a PDF document"),
    (0, b"\x7fELF", "a program"),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an office document"),
    (0, b"SQLite format 3\x00", "a database"),
    (0, b"MThd", "a MIDI file, which holds notes and no sound"),
)


#: characters of a text that is not in UTF-8: a few samples may be letters
_LEAST_TEXT = 32


def decoder_for(head: bytes) -> Decoder:
    """Which decoder to ask first: libsndfile in this process, or the ffmpeg process."""
    if any(head[offset : offset + len(magic)] == magic for offset, magic in _SOUND) or is_mpeg_audio(head):
        return "sound"
    return "ffmpeg"


def has_signature(head: bytes) -> bool:
    """Whether these bytes start a known container; never true of samples, but for a rare chance."""
    if any(head[offset : offset + len(magic)] == magic for offset, magic in (*_SOUND, *_FFMPEG)):
        return True
    return transport_packet(head) > 0


def is_mpeg_audio(head: bytes) -> bool:
    """Whether this starts with an MPEG audio frame (layer I to III; layer 0 would be AAC in ADTS)."""
    return len(head) > 2 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0 and head[1] & 0x06 != 0 and head[2] >> 4 != 15


def not_audio(head: bytes) -> str | None:
    """What these bytes are, for people, if they are certainly no audio."""
    for offset, magic, name in _NOT_AUDIO:
        if head[offset : offset + len(magic)] == magic:
            return name
    return _text(head)


def _text(head: bytes) -> str | None:
    if any(head[offset : offset + len(magic)] == magic for offset, magic in _SOUND):
        return None  # NIST sphere opens with a page of text
    text = _decoded_text(head)
    if text is None:
        return None
    start = text.lstrip()[:15].lower()
    if start.startswith(("<!doctype html", "<html")):
        return "a web page (perhaps a download that was refused)"
    return "a playlist, not the recordings it lists" if start.startswith(("#extm3u", "ffconcat")) else "text"


def _decoded_text(head: bytes) -> str | None:
    """The text in UTF-8, or in the encodings of Windows that are certain enough: UTF-16 with its mark, GB 18030."""
    text = _decoded(head, "utf-8")
    if text is not None:
        return None if any(ord(each) < 32 and each not in "\t\n\r\f" for each in text) else text
    marked = head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    text = _decoded(head, "utf-16" if marked else "gb18030")
    if text is None or len(text) < _LEAST_TEXT or not "".join(text.split()).isprintable():
        return None
    chinese = sum("\u4e00" <= each <= "\u9fff" for each in text)
    return text if marked or chinese > len(text) / 2 else None


def _decoded(head: bytes, encoding: str) -> str | None:
    """The text of a head that may end within a character; None: it is not in this encoding."""
    try:
        return codecs.getincrementaldecoder(encoding)().decode(head)
    except UnicodeDecodeError:
        return None


def has_index(head: bytes) -> bool:
    """Whether a place in time can be found without reading what comes before: MP4, QuickTime, Matroska.

    Elsewhere ffmpeg estimates the place from the bit rate, or searches timestamps that may start again half-way.
    """
    return head[4:8] in BOXES or head[:4] == b"\x1a\x45\xdf\xa3"


def index_at_end(head: bytes) -> bool:
    """Whether an MP4 or QuickTime stream cannot be decoded as it comes.

    Its index (`moov`) may follow the sound (`mdat`); only a file that can seek serves then. Files made for streaming
    have `moov` first and need no copy.
    """
    position = 0
    while position + 8 <= len(head):
        size, kind = int.from_bytes(head[position : position + 4], "big"), head[position + 4 : position + 8]
        if position == 0 and kind not in BOXES:
            return False
        if kind in {b"moov", b"moof"}:
            return False
        if kind == b"mdat" or size < 8:
            return True
        position += size
    return position > 0


#: (tag, bits) of plain samples
_ENCODINGS = {
    (1, 8): "u8",
    (1, 16): "s16le",
    (1, 24): "s24le",
    (1, 32): "s32le",
    (3, 32): "f32le",
    (3, 64): "f64le",
    (6, 8): "alaw",
    (7, 8): "mulaw",
}


@dataclass(frozen=True, slots=True)
class WavHeader:
    """A WAV header as it is written, true or not."""

    #: 1 integers, 3 floats, others compressed
    tag: int
    rate: int
    channels: int
    bits: int
    #: where the samples begin
    offset: int
    #: bytes of samples claimed; None where a writer that could not seek left it open
    size: int | None
    #: positions of the channels, see `layouts`; empty where the header does not tell them
    layout: str = ""
    #: bits that a sample takes in the file
    width: int = 0

    @property
    def encoding(self) -> str | None:
        """The samples' form as ffmpeg names it, or None where they are neither little-endian PCM nor G.711."""
        # Integers of fewer bits are at the upper end of their bytes.
        bits = self.width if self.tag == 1 and self.bits <= self.width else self.bits
        return _ENCODINGS.get((self.tag, bits)) if bits == self.width else None


def wav_header(head: bytes) -> WavHeader | None:
    """Read a little-endian RIFF/WAVE header from the first bytes; None if they hold none, or no `data` chunk."""
    if head[:4] not in {b"RIFF", b"RF64", b"BW64"} or head[8:12] != b"WAVE":
        return None
    form, large, position = b"", None, 12
    while position + 8 <= len(head):
        kind, size = head[position : position + 4], int.from_bytes(head[position + 4 : position + 8], "little")
        body = position + 8
        if kind == b"data":
            return _wav(form, body, large if size == 0xFFFFFFFF and large else size)
        if kind == b"fmt ":
            form = head[body : body + size]
        elif kind == b"ds64":
            large = int.from_bytes(head[body + 8 : body + 16], "little")
        position = body + size + pad(size, head[body + size : body + size + 4])
    return None


def _wav(form: bytes, offset: int, size: int) -> WavHeader | None:
    if len(form) < 16:
        return None
    tag, channels, bits = (int.from_bytes(form[at : at + 2], "little") for at in (0, 2, 14))
    layout = ""
    if tag == 0xFFFE and len(form) >= 26:  # extensible: the real tag opens the GUID
        tag = int.from_bytes(form[24:26], "little")
        layout = layout_of_mask(int.from_bytes(form[20:24], "little"), channels)
    rate, second, block = (int.from_bytes(form[at:end], "little") for at, end in ((4, 8), (8, 12), (12, 14)))
    frame = channels * ((bits + 7) // 8)
    if second == rate * frame:  # bits and bytes a second agree: another size of a block is wrong
        block = frame
    return WavHeader(
        tag=tag,
        rate=rate,
        channels=channels,
        bits=bits,
        offset=offset,
        size=size if size_known(size) else None,
        layout=layout,
        width=block * 8 // max(1, channels) or bits,
    )
