"""Recordings as strangers send them: joined, cut, with holes, with other bytes around them, with wrong sizes.

Each case has the times and the length of the sound that must come out, unless a warning reports what is wrong.
"""

from __future__ import annotations

import itertools
import random
import struct
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import imageio_ffmpeg
import numpy as np
import soundfile

from tests.audio.media_cases import ape, ff, id3
from tests.audio.sounds import LENGTH, TIMES, bursts

Bytes = Callable[[bytes], bytes]
Order = Literal["little", "big"]
AGAIN = (*TIMES, *(LENGTH + time for time in TIMES))
FRAGMENTS = ("-movflags", "frag_keyframe+empty_moov", "-frag_duration", "500000")
JUNK = np.random.default_rng(5).bytes(20_000)

#: name -> how ffmpeg writes it, or (format, subtype) of libsndfile; sample rate
FORMS: dict[str, tuple[tuple[str, ...], int]] = {
    "wav": (ff("wav", "pcm_s16le"), 16000),
    "alaw": (ff("wav", "pcm_alaw"), 8000),
    "adpcm": (ff("wav", "adpcm_ms"), 16000),
    "rf64": (ff("wav", "pcm_s16le", "-rf64", "always"), 44100),
    "w64": (ff("w64", "pcm_s16le"), 44100),
    "aiff": (ff("aiff", "pcm_s16be"), 44100),
    "au": (ff("au", "pcm_s16be"), 44100),
    "caf": (ff("caf", "pcm_s16le"), 44100),
    "mp3": (ff("mp3", "libmp3lame"), 44100),
    "mp3-plain": (ff("mp3", "libmp3lame", "-write_xing", "0", "-q:a", "4"), 44100),
    "mp2": (ff("mp2", "mp2"), 44100),
    "aac": (ff("aac", "aac"), 44100),
    "loas": (ff("loas", "aac", "-f", "latm"), 44100),
    "ac3": (ff("ac3", "ac3"), 44100),
    "eac3": (ff("eac3", "eac3"), 48000),
    "dts": (ff("dts", "dca", "-strict", "-2"), 48000),
    "flac": (ff("flac"), 44100),
    "ogg": (ff("ogg", "libvorbis"), 44100),
    "opus": (ff("opus", "libopus"), 48000),
    "m4a": (ff("m4a", "aac", "-movflags", "+faststart"), 44100),
    "fragments": (ff("m4a", "aac", *FRAGMENTS), 44100),
    "mov": (ff("mov", "pcm_s16be"), 44100),
    "mkv": (ff("mkv", "aac"), 44100),
    "webm": (ff("webm", "libopus"), 48000),
    "ts": (ff("ts", "aac"), 44100),
    "mpg": (ff("mpg", "mp2"), 44100),
    "flv": (ff("flv", "aac"), 44100),
    "avi": (ff("avi", "libmp3lame"), 44100),
    "wma": (ff("wma", "wmav2"), 44100),
    "tta": (ff("tta", "tta"), 44100),
    "wv": (ff("wv", "wavpack"), 44100),
    "amr": (ff("amr", "libopencore_amrnb", "-b:a", "12.2k"), 8000),
    "voc": (ff("voc", "pcm_u8"), 16000),
    "nut": (ff("nut", "aac"), 44100),
    "wtv": (ff("wtv", "mp2"), 48000),
    "rm": (ff("rm", "ac3"), 44100),
    "sph": (("NIST", "PCM_16"), 16000),
    "svx": (("SVX", "PCM_16"), 16000),
    "gsm": (("AIFF", "GSM610"), 8000),
}
LEADS = {
    "tag": id3(2000),
    "ape": ape(2000),
    "http": b"HTTP/1.1 200 OK\r\nContent-Type: audio/x\r\n\r\n",
    "zeros": bytes(4096),
}
TAILS = {
    "random": JUNK,
    "zeros": bytes(50_000),
    "page": b"<html><body>error</body></html>" * 50,
    "tag": b"TAG" + bytes(125),
    "chunk": b"LIST\x0c\0\0\0INFOIART\0\0\0\0",
}
GAPS = {"": b"", "zeros": bytes(1000), "random": JUNK[:999]}


def _hole(data: bytes) -> bytes:
    return data[: len(data) * 45 // 100] + data[len(data) * 60 // 100 + 7 :]


def _inserted(data: bytes) -> bytes:
    return data[: len(data) // 2] + JUNK[:3001] + data[len(data) // 2 :]


def _cut(data: bytes) -> bytes:
    return data[: len(data) * 3 // 10 + 5]


def _first_bytes_lost(data: bytes) -> bytes:
    return data[1000:]


DAMAGES: dict[str, Bytes] = {"hole": _hole, "inserted": _inserted, "cut": _cut, "headless": _first_bytes_lost}


@dataclass(frozen=True)
class HostileCase:
    """The bytes of some forms, one after the other, changed."""

    name: str
    forms: tuple[str, ...]
    change: Callable[..., bytes]
    times: tuple[float, ...] = TIMES
    length: float = LENGTH


def _joined(one: bytes, other: bytes, *, gap: bytes) -> bytes:
    return one + gap + other


def _around(data: bytes, *, lead: bytes = b"", tail: bytes = b"") -> bytes:
    return lead + data + tail


def _with_size(data: bytes, *, field: int, value: int) -> bytes:
    """`field`: which of the sizes in the file; the others stay."""
    places = list(_sizes(data))
    position, width, order = places[field % len(places)]
    old = int.from_bytes(data[position : position + width], order)
    new = {-2: old // 2, -1: old * 2}.get(value, value) & (1 << 8 * width) - 1
    return data[:position] + new.to_bytes(width, order) + data[position + width :]


def _sizes(data: bytes) -> Iterator[tuple[int, int, Order]]:
    """(position, bytes, byte order) of the sizes in RIFF, AIFF and MP4 files."""
    if data[:4] in {b"RIFF", b"FORM"}:
        order: Order = "little" if data[:4] == b"RIFF" else "big"
        yield 4, 4, order
        at = 12
        while at + 8 <= len(data):
            yield at + 4, 4, order
            size = int.from_bytes(data[at + 4 : at + 8], order)
            at += 8 + size + size % 2
        return
    yield from _boxes(data, 0, len(data))


def _boxes(data: bytes, at: int, end: int) -> Iterator[tuple[int, int, Order]]:
    while at + 8 <= end:
        size, name = struct.unpack(">I4s", data[at : at + 8])
        yield at, 4, "big"
        if name in {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"moof", b"traf"}:
            yield from _boxes(data, at + 8, at + size)
        if size < 8:
            return
        at += size


def cases(seed: int = 9) -> list[HostileCase]:
    """All of them, each kind in turn, in an order that is the same for a seed."""
    kinds = [list(kind()) for kind in (_joined_cases, _surrounded_cases, _damaged_cases, _resized_cases)]
    for kind in kinds:
        random.Random(seed).shuffle(kind)
    return [case for turn in itertools.zip_longest(*kinds) for case in turn if case]


def _joined_cases() -> Iterator[HostileCase]:
    for one, other in itertools.product(FORMS, FORMS):
        for name, gap in GAPS.items():
            yield HostileCase(f"{one}-{name}+{other}", (one, other), partial(_joined, gap=gap), AGAIN, 2 * LENGTH)


def _surrounded_cases() -> Iterator[HostileCase]:
    for form in FORMS:
        for name, lead in LEADS.items():
            yield HostileCase(f"{name}-before-{form}", (form,), partial(_around, lead=lead))
        for name, tail in TAILS.items():
            yield HostileCase(f"{name}-behind-{form}", (form,), partial(_around, tail=tail))


def _damaged_cases() -> Iterator[HostileCase]:
    for form in FORMS:
        for name, damage in DAMAGES.items():
            yield HostileCase(f"{name}-{form}", (form,), damage)


def _resized_cases() -> Iterator[HostileCase]:
    for form in ("wav", "adpcm", "avi", "aiff", "m4a", "fragments"):
        for field, value in itertools.product(range(12), (0, 1, 7, 8, 100, 0x7FFFFFFF, 0xFFFFFFFE, -1, -2)):
            change = partial(_with_size, field=field, value=value)
            yield HostileCase(f"{form}-size-{field}-{value}", (form,), change)


def encode(form: str, path: Path) -> None:
    """Write the bursts in a form."""
    arguments, rate = FORMS[form]
    if arguments[0].isupper():
        soundfile.write(path, bursts(rate), rate, format=arguments[0], subtype=arguments[1])
        if form == "gsm":  # frames without a header
            data = path.read_bytes()
            path.write_bytes(data[data.index(b"SSND") + 16 :])
        return
    source, target = path.with_suffix(".source.wav"), path.with_suffix(f".{arguments[0]}")
    soundfile.write(source, bursts(rate), rate)
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-nostdin", "-y", "-i", source, *arguments[1:], target]
    subprocess.run(command, check=True)
    target.rename(path)
