"""Recordings whose sound is known: container x codec x rate x channels, and what can be wrong with each.

`CASES` are made by ffmpeg and libsndfile from bursts at `TIMES`; each has the times and the length that must come out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tests.audio.sounds import LENGTH, TIMES

#: seconds: what encoders put in front where a container has no place to record it
CLOSE = 0.05
Bytes = Callable[[bytes], bytes]


@dataclass(frozen=True)
class Case:
    """One recording."""

    name: str
    #: container and codec, as the suffix and ffmpeg's arguments; a tuple (format, subtype) is libsndfile's
    form: tuple[str, ...]
    rate: int = 44100
    channels: int = 1
    #: changes the encoded bytes
    fault: Bytes = bytes
    #: recordings that are joined: (rate, channels) of each after the first
    joined: tuple[tuple[int, int], ...] = ()
    #: input arguments in front of the recording (a picture), and output arguments
    before: tuple[str, ...] = ()
    times: tuple[float, ...] = TIMES
    length: float = LENGTH
    tolerance: float = CLOSE
    #: the fault must be reported by a warning with this prefix; None: no warning at all
    warning: str | None = None
    #: seconds may be missing if the warning says how many
    may_lack: bool = False
    start: float = 0.0
    stream: bool = False
    untrusted: bool = False
    options: dict[str, object] = field(default_factory=dict)


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
    **{ff("ogg", kind): (ALL, (1, 2)) for kind in ("libvorbis", "libopus", "flac") if kind != "libopus"},
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
#: more delay than the tolerance, which the container does not record; encoder and decoder together
DELAY = {"wma": 0.1, "truehd": 0.06, "rm": 0.06, "nellymoser": 0.06}


def _tolerance(form: tuple[str, ...]) -> float:
    return max(CLOSE, *(DELAY.get(part, 0.0) for part in form))


def plain_cases() -> list[Case]:
    cases = []
    for form, (rates, channels) in FORMS.items():
        for rate in rates:
            for count in channels:
                name = "-".join(part.removeprefix("-") for part in form if part != "-c:a")
                cases.append(Case(f"{name}-{rate}-{count}", form, rate, count, tolerance=_tolerance(form)))
    return cases
