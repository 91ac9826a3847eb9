"""Recordings whose sound is known: container x codec x rate x channels, and what can be wrong with each.

They are made by ffmpeg and libsndfile from bursts at `TIMES`; each has the times and the length that must come out.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from tests.audio.sounds import LENGTH, TIMES

#: seconds: what encoders put in front where a container has no place to record it
CLOSE = 0.05
Bytes = Callable[[bytes], bytes]


def twice(data: bytes) -> bytes:
    return data + data


@dataclass(frozen=True)
class Case:
    """One recording."""

    name: str
    #: container and codec, as the suffix and ffmpeg's arguments; (format, subtype) is libsndfile's
    form: tuple[str, ...]
    rate: int = 44100
    channels: int = 1
    #: changes the encoded bytes
    fault: Bytes = bytes
    times: tuple[float, ...] = TIMES
    length: float = LENGTH
    start: float = 0.0
    #: what an error may match, where nothing can be decoded
    error: str = ""
    #: what is wrong with the timestamps: a key of `CLOCKS`
    clock: str = ""
    #: how a warning begins that there must be
    warning: str = ""

    @property
    def encoded(self) -> str:
        """Name of the file before it was changed."""
        return f"{self.clock}{_name(self.form)}-{self.rate}-{self.channels}"

    @property
    def arguments(self) -> tuple[str, ...]:
        """Of ffmpeg, to encode it."""
        return (*self.form[1:], *CLOCKS[self.clock])

    @property
    def compressed(self) -> bool:
        """Whether it consists of packets that last: one of each codec is enough."""
        return self.form[0].islower() and "pcm" not in " ".join(self.form) and self.channels == 1

    @property
    def tolerance(self) -> float:
        """Seconds: what encoders put in front where the container has no place to record it."""
        known = max((samples for codec, samples in DELAYS.items() if codec in self.form), default=0)
        return max(CLOSE, known / self.rate + 0.005) * (2 if self.fault is twice else 1)

    @property
    def padding(self) -> float:
        """Seconds by which the last frame may be filled up."""
        return 0.03 + 2100 / self.rate


def _behind(front: bytes, data: bytes) -> bytes:
    return front + data


def _before(tail: bytes, data: bytes) -> bytes:
    return data + tail


def _name(form: tuple[str, ...]) -> str:
    return "-".join(part.removeprefix("-") for part in form if part != "-c:a")


def ff(suffix: str, codec: str = "", *arguments: str) -> tuple[str, ...]:
    return (suffix, *(("-c:a", codec) if codec else ()), *arguments)


LOW, PHONE, WIDE, ALL = (8000, 16000), (8000,), (16000,), (8000, 22050, 44100, 48000)
#: form -> rates, channels
FORMS: dict[tuple[str, ...], tuple[Sequence[int], Sequence[int]]] = {
    # plain samples
    **{ff("wav", f"pcm_{kind}"): (ALL, (1, 2)) for kind in ("u8", "s16le", "s24le", "s32le", "f32le", "f64le")},
    ff("wav", "pcm_s16le", "-rf64", "always"): (ALL, (1,)),
    **{ff("wav", kind): (LOW, (1, 2)) for kind in ("pcm_alaw", "pcm_mulaw", "adpcm_ms", "adpcm_ima_wav")},
    **{ff("w64", kind): (ALL, (1,)) for kind in ("pcm_s16le", "pcm_f32le", "pcm_alaw")},
    **{ff("caf", kind): (ALL, (1,)) for kind in ("pcm_s16be", "pcm_s16le", "pcm_f32le", "alac", "pcm_mulaw")},
    **{ff("au", kind): (ALL, (1,)) for kind in ("pcm_s16be", "pcm_mulaw", "pcm_f32be")},
    **{ff("aiff", kind): (ALL, (1, 2)) for kind in ("pcm_s16be", "pcm_s24be")},
    **{ff("aifc", kind): (ALL, (1,)) for kind in ("pcm_s16le", "pcm_alaw", "pcm_f32be")},
    ff("voc", "pcm_u8"): (WIDE, (1,)),
    **{ff("avi", kind): (ALL, (1,)) for kind in ("pcm_s16le", "libmp3lame", "mp2", "ac3")},
    ff("avi", "dca", "-strict", "-2"): ((48000,), (1,)),
    ff("avi", "libvorbis"): ((44100,), (1,)),
    **{ff("mov", kind): (ALL, (1, 2)) for kind in ("pcm_s16be", "pcm_f32le", "alac", "aac")},
    # compressed, in containers of their own
    ff("flac"): (ALL, (1, 2)),
    ff("mp3", "libmp3lame"): (ALL, (1, 2)),
    ff("mp3", "libmp3lame", "-q:a", "4"): (ALL, (1,)),
    ff("mp3", "libmp3lame", "-write_xing", "0"): (ALL, (1,)),
    ff("mp3", "libmp3lame", "-write_xing", "0", "-q:a", "4"): (ALL, (1, 2)),
    ff("mp2", "mp2"): ((16000, 44100, 48000), (1, 2)),
    ff("aac", "aac"): (ALL, (1, 2)),
    ff("loas", "aac", "-f", "latm"): ((44100,), (1,)),
    ff("ac3", "ac3"): ((32000, 44100, 48000), (1, 2)),
    ff("eac3", "eac3"): ((48000,), (1,)),
    ff("dts", "dca", "-strict", "-2"): ((44100, 48000), (1, 2)),
    ff("wma", "wmav2"): (ALL, (1, 2)),
    ff("wma", "wmav1"): ((44100,), (1,)),
    ff("tta", "tta"): (ALL, (1, 2)),
    ff("wv", "wavpack"): (ALL, (1, 2)),
    ff("amr", "libopencore_amrnb", "-b:a", "12.2k"): (PHONE, (1,)),
    ff("rm", "real_144"): (PHONE, (1,)),
    ff("rm", "ac3"): ((44100,), (1,)),
    ff("wav", "g722"): (WIDE, (1,)),
    ff("wav", "g726"): (PHONE, (1,)),
    ff("ogg", "libspeex"): ((8000, 16000, 32000), (1,)),
    ff("gsm", "libgsm"): (PHONE, (1,)),
    ff("truehd", "truehd", "-strict", "-2"): ((48000,), (2,)),
    **{ff("ogg", kind): (ALL, (1, 2)) for kind in ("libvorbis", "flac")},
    ff("opus", "libopus"): ((8000, 48000), (1, 2)),
    # opus and others in every container
    **{
        ff(suffix, "libopus", *("-strict", "-2") * (suffix == "mp4")): ((48000,), (1, 2))
        for suffix in ("mkv", "webm", "mp4", "ts", "nut", "caf")
    },
    **{ff("mkv", kind): (ALL, (1, 2)) for kind in ("aac", "libvorbis", "flac", "pcm_s16le", "libmp3lame")},
    **{ff("mkv", kind): ((48000,), (1, 2)) for kind in ("ac3", "mp2", "wavpack", "tta", "alac", "eac3")},
    ff("mka", "dca", "-strict", "-2"): ((48000,), (1,)),
    **{ff("webm", kind): (ALL, (1,)) for kind in ("libvorbis",)},
    **{ff(suffix, "aac"): ((22050, 44100, 48000), (1, 2)) for suffix in ("m4a", "mp4", "3gp", "f4v", "nut")},
    ff("flv", "aac"): ((44100,), (1, 2)),
    ff("flv", "libmp3lame"): ((44100,), (1, 2)),
    ff("flv", "adpcm_swf"): ((22050,), (1,)),
    ff("flv", "nellymoser"): ((16000, 22050), (1,)),
    ff("flv", "libspeex"): ((16000,), (1,)),
    **{ff("mp4", kind): ((44100, 48000), (1, 2)) for kind in ("alac", "ac3", "libmp3lame", "flac")},
    ff("m4a", "aac", "-movflags", "+faststart"): ((44100,), (1,)),
    ff("m4a", "aac", "-movflags", "frag_keyframe+empty_moov"): ((44100,), (1,)),
    ff("m4a", "aac", "-use_editlist", "0"): ((44100,), (1,)),
    ff("3gp", "libopencore_amrnb", "-b:a", "12.2k"): (PHONE, (1,)),
    **{ff("ts", kind): ((44100, 48000), (1, 2)) for kind in ("aac", "mp2", "ac3")},
    **{ff("mpg", kind): ((44100, 48000), (1,)) for kind in ("mp2", "ac3")},
    ff("vob", "ac3"): ((48000,), (2,)),
    ff("asf", "libmp3lame"): ((44100,), (1,)),
    ff("wtv", "mp2"): ((48000,), (2,)),
    ff("oma", "libmp3lame"): ((44100,), (2,)),
    # libsndfile's own
    **dict.fromkeys([("AU", "ALAW"), ("AIFF", "ULAW"), ("NIST", "PCM_16"), ("NIST", "ULAW")], (ALL, (1,))),
    **{(name, "GSM610"): (PHONE, (1,)) for name in ("WAV", "W64", "AIFF")},
    **dict.fromkeys([("WAV", "IMA_ADPCM"), ("WAV", "MS_ADPCM"), ("VOC", "PCM_16"), ("IRCAM", "PCM_16")], (LOW, (1,))),
    **{("RF64", kind): ((44100,), (1, 2)) for kind in ("PCM_16", "FLOAT")},
    **{("CAF", kind): ((44100,), (1, 2)) for kind in ("ALAC_16", "PCM_24", "DOUBLE")},
    ("WAV", "G721_32"): (PHONE, (1,)),
    ("SVX", "PCM_16"): (WIDE, (1,)),
}
#: samples of encoder delay
DELAYS = {
    "aac": 1024,
    "libmp3lame": 1105,
    "mp2": 481,
    "wmav2": 4096,
    "wmav1": 4096,
    "nellymoser": 1200,
    "real_144": 200,
}


def plain_cases() -> list[Case]:
    cases = []
    for number, (form, (rates, channels)) in enumerate(FORMS.items()):
        for at, rate in enumerate(rates):
            turn = at == number % len(rates)  # not every rate with every number of channels
            counts = [count for count in channels if count == 1 or turn or channels[0] == count]
            cases += [Case(f"{_name(form)}-{rate}-{count}", form, rate, count) for count in counts]
    return cases


def cut(share: float) -> Bytes:
    return lambda data: data[: int(len(data) * share)]


def hole(data: bytes, *, random: bool) -> bytes:
    """The bytes in the middle are zeros, or random."""
    start, end = len(data) * 45 // 100, len(data) * 55 // 100
    block = np.random.default_rng(5).bytes(end - start) if random else bytes(end - start)
    return data[:start] + block + data[end:]


def id3(size: int) -> bytes:
    return b"ID3\x04\0\0" + bytes(size >> shift & 127 for shift in (21, 14, 7, 0)) + bytes(size)


def ape(size: int) -> bytes:
    header = b"APETAGEX" + struct.pack("<IIII", 2000, size + 32, 1, 0xA0000000) + bytes(8)
    return header + bytes(size) + b"APETAGEX" + bytes(24)


#: forms that can follow each other in one file
JOINABLE = [
    *(ff("mp3", "libmp3lame"), ff("mp3", "libmp3lame", "-q:a", "4"), ff("mp3", "libmp3lame", "-write_xing", "0")),
    *(ff("mp2", "mp2"), ff("aac", "aac"), ff("ac3", "ac3"), ff("dts", "dca", "-strict", "-2"), ff("flac")),
    *(ff("ogg", "libvorbis"), ff("ogg", "flac"), ff("ts", "aac"), ff("ts", "mp2"), ff("mpg", "mp2")),
    *(ff("wav", "pcm_s16le"), ff("wav", "pcm_alaw"), ff("opus", "libopus")),
]
#: what may stand in front of an MP3
FRONTS = {
    "two-tags": id3(300) + id3(5000),
    "padded-tag": id3(300) + bytes(3000),
    "much-padding": id3(300) + bytes(200_000),
    "ape": ape(500),
    "ape-id3": ape(100) + id3(70000),
}
BEHIND = {"id3v1": b"TAG" + bytes(125), "ape": ape(40000), "lyrics": b"LYRICSBEGIN" + b"x" * 300 + b"LYRICS200"}
#: ffmpeg's arguments for wrong timestamps: missing samples, a pause of the recorder, a clock that was set back, and a
#: 33-bit clock that starts again
CLOCKS: dict[str, tuple[str, ...]] = {
    "": (),
    "gap": ("-af", "aselect='not(between(t,0.8,1.7))'"),
    "pause": ("-af", "asetpts='PTS+if(gt(T,1.7),3/TB,0)'"),
    "back": ("-af", "asetpts='PTS-if(gt(T,1.7),1/TB,0)'"),
    "wrap": ("-muxdelay", "0", "-output_ts_offset", f"{2**33 / 90000 - 1.7}"),
}
#: containers with a time for each packet (Ogg: for each page)
TIMED = [
    *(ff("mkv", "libopus"), ff("mkv", "aac"), ff("webm", "libopus"), ff("mp4", "aac"), ff("m4a", "aac")),
    *(ff("3gp", "aac"), ff("ts", "aac"), ff("ts", "mp2"), ff("mpg", "mp2"), ff("flv", "aac"), ff("nut", "aac")),
    ff("wma", "wmav2"),
]
PAGED = [ff("ogg", "libopus"), ff("opus", "libopus"), ff("ogg", "libvorbis"), ff("ogg", "flac")]
_UNREADABLE = r"cut off|cannot be decoded|only a header|could not|no audio track"


def faulty_cases() -> list[Case]:
    """The plain cases' files, changed; and spans of them."""
    cases = []
    for form in JOINABLE:
        rate = 48000 if form[0] == "opus" else 8000 if "pcm_alaw" in form else 44100
        again = (*TIMES, *(LENGTH + time for time in TIMES))
        later = tuple(time for time in again if time > 5)
        cases += [
            Case(f"joined-{_name(form)}", form, rate, fault=twice, times=again, length=2 * LENGTH),
            Case(f"joined-{_name(form)}-5s", form, rate, fault=twice, times=later, length=2 * LENGTH - 5, start=5.0),
        ]
    for form in [form for form in FORMS if form[0] == "mp3"]:
        for name, front in FRONTS.items():
            cases += [Case(f"{name}-{_name(form)}", form, fault=partial(_behind, front))]
        for name, tail in BEHIND.items():
            cases += [Case(f"{name}-behind-{_name(form)}", form, fault=partial(_before, tail))]
    for form, (rates, channels) in FORMS.items():
        if form[0] in {*("amr", "rm", "gsm", "loas", "SVX", "IRCAM", "VOC", "voc")}:
            continue  # nothing in these files reports how long they are
        name = _name(form)
        cases.append(Case(f"cut-{name}", form, rates[-1], channels[0], fault=cut(0.7), error=_UNREADABLE))
        later = tuple(time for time in TIMES if time > 1.5)
        cases.append(
            Case(f"from-1.5s-{name}", form, rates[-1], channels[0], times=later, length=LENGTH - 1.5, start=1.5)
        )
    return cases + clock_cases()


def damaged_cases() -> list[Case]:
    """A bad sector, or a part of a download that never came, in one file of each form."""
    return [
        Case(f"{kind}-{_name(form)}", form, rates[-1], channels[0], fault=partial(hole, random=kind == "random"))
        for form, (rates, channels) in FORMS.items()
        for kind in ("zeros", "random")
    ]


def clock_cases() -> list[Case]:
    """Timestamps that do not follow each other: all sound is in its place, and a warning reports it."""
    later = (TIMES[0], *(time + 3 for time in TIMES[1:]))
    cases = []
    for form in [*TIMED, *PAGED]:
        name, make = _name(form), partial(Case, form=form, rate=48000)
        pause = make(f"pause-{name}", clock="pause", times=later, length=LENGTH + 3, warning="timestamps: a gap of 3.0")
        start = 1.5
        after = tuple(time for time in later if time > start)
        name_after = f"pause-from-{start}s-{name}"
        cases += [
            pause,
            replace(pause, name=name_after, times=after, length=pause.length - start, start=start, warning=""),
        ]
        if form in TIMED:
            cases.append(make(f"gap-{name}", clock="gap", warning="timestamps: a gap of 0."))
            cases.append(make(f"back-{name}", clock="back", warning="timestamps: from "))
        if form[0] in {"ts", "mpg"}:
            cases.append(make(f"wrap-{name}", clock="wrap"))
    return cases
