"""What a directory walk picks up. Imports little, so that planning stays quick."""

from typing import Literal

#: Suffixes of telephone exchanges (Asterisk) for headerless samples: encoding and sample rate, Hz
RAW_SUFFIXES: dict[str, tuple[Literal["s16le", "mulaw", "alaw"], int]] = {
    ".ulaw": ("mulaw", 8000), ".ul": ("mulaw", 8000), ".alaw": ("alaw", 8000), ".al": ("alaw", 8000),
    ".sln": ("s16le", 8000), ".sln12": ("s16le", 12000), ".sln16": ("s16le", 16000), ".sln24": ("s16le", 24000),
    ".sln32": ("s16le", 32000), ".sln44": ("s16le", 44100), ".sln48": ("s16le", 48000), ".sln96": ("s16le", 96000),
    ".sln192": ("s16le", 192000),
}  # fmt: skip

#: Suffixes (lower case, with the dot) of containers that carry sound. A file named by the user needs none of them.
# fmt: off
MEDIA_SUFFIXES: frozenset[str] = frozenset({
    ".wav", ".wave", ".w64", ".rf64", ".bwf", ".flac", ".ogg", ".oga", ".opus", ".spx", ".mp3", ".mp2",
    ".mpga", ".mpeg", ".aif", ".aiff", ".aifc", ".au", ".snd", ".caf", ".sph", ".voc", ".m4a", ".m4b",
    ".m4v", ".mp4", ".mov", ".qt", ".3gp", ".3g2", ".aac", ".adts", ".amr", ".awb", ".wma", ".asf", ".wmv",
    ".ac3", ".eac3", ".dts", ".ape", ".wv", ".tta", ".tak", ".mka", ".mkv", ".webm", ".avi", ".flv", ".f4v",
    ".m2ts", ".mts", ".mpg", ".vob", ".ogv", ".mxf", ".rm", ".rmvb", ".ra", ".qta", ".weba", ".3gpp", ".3gpp2", ".3ga",
    ".gsm", ".dss", ".m2t", ".divx", ".ogm", ".ogx", ".mp1", ".m4r", ".oma",
    ".ec3", ".dtshd", ".thd", ".mlp", ".loas", ".latm", ".mpc", ".dsf", ".nut",
    ".wtv", ".dvr-ms", ".sox", ".8svx",
    *RAW_SUFFIXES,
})
# fmt: on

#: Suffixes that recordings share with other files (`.ts` is also TypeScript): the first bytes decide.
AMBIGUOUS_SUFFIXES = frozenset({".ts", ".dat", ".tp", ".trp"})
