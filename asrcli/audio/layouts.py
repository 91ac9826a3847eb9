"""Positions of a recording's channels, and what each contributes to a mix.

A layout is a string with a letter for each channel: F front left or right, C centre, S side or rear, B rear centre,
W LFE (woofer): "FFCWSS" is 5.1 in WAV's order.
"""

#: where no header gives the positions: the order of Vorbis and Opus, and that of WAV, FLAC and the others
_VORBIS = {3: "FCF", 5: "FCFSS", 6: "FCFSSW", 7: "FCFSSBW", 8: "FCFSSSSW"}
_USUAL = {1: "C", 2: "FF", 3: "FFC", 4: "FFSS", 5: "FFCSS", 6: "FFCWSS", 7: "FFCWBSS", 8: "FFCWSSSS"}
#: the bits of the channel mask of WAVE_FORMAT_EXTENSIBLE, the lowest first
_MASK = "FFCWSSFFBSS"
#: the positions of libsndfile's SF_CHANNEL_MAP_..., from 0 on
_SNDFILE = "CCFFCFFCBSSWFFSS"
#: a channel's share in ITU-R BS.775's mix to stereo, as ffmpeg does it, both sides of that averaged
_SHARES = {"F": 0.5, "C": 0.5**0.5, "S": 0.5**1.5, "B": 0.5, "W": 0.5**1.5}


def layout_of_mask(mask: int, channels: int) -> str:
    """The layout that a WAV header's channel mask gives; empty where it does not fit the number of channels."""
    layout = "".join(_MASK[bit] if bit < len(_MASK) else "S" for bit in range(32) if mask >> bit & 1)
    return layout if len(layout) == channels else ""


def layout_of_map(positions: list[int]) -> str:
    """The layout that libsndfile's channel map gives."""
    return "".join(_SNDFILE[position] if 0 <= position < len(_SNDFILE) else "S" for position in positions)


def default_layout(container: str, channels: int) -> str:
    """The layout of a container that does not write it down ("OGG", "FLAC", "WAV", ...)."""
    return (_VORBIS if container == "OGG" else {}).get(channels) or _USUAL.get(channels, "F" * channels)


def mix_weights(layout: str) -> tuple[list[float], list[float]]:
    """Weights of the channels in a mix to mono; they sum to 1. First without LFE, as is usual, then with it."""
    shares = [_SHARES[position] for position in layout]
    without = [0.0 if position == "W" else _SHARES[position] for position in layout]
    if not any(without):
        without = shares
    return [share / sum(without) for share in without], [share / sum(shares) for share in shares]
