"""Recordings that clients announce as bare samples: the bytes decide.

Clients that announce "pcm" also send WAV, MP3 and WebM, and those that announce nothing send every format. Compressed
data read as samples is noise, in which models find no words, or invented ones.
"""

from pathlib import Path

import numpy as np

from asrcli.audio import open_audio
from asrcli.audio.containers.sniff import HEAD, has_signature, not_audio
from asrcli.audio.types import Samples, Source
from asrcli.errors import AsrcliError, AudioDecodeError
from asrcli.options import AudioOptions

#: bytes with which frames of MPEG audio, ADTS, LATM, AC-3 and DTS start
_SYNC = (b"\xff", b"\x56\xe0", b"\x0b\x77", b"\x77\x0b", b"\x7f\xfe\x80\x01", b"\xfe\x7f\x01\x80")
#: samples that are judged together
_BLOCK = 4096
#: correlation of neighbouring samples above which a block is sound; that of compressed data is near 0
_CORRELATED = 0.5
#: RMS of random bytes as samples: evenly spread over the whole range
_RANDOM_RMS = (0.5, 0.65)


def holds_samples(path: Path, *, announced: bool) -> bool:
    """Whether a file is bare s16le samples, not a recording in a container. Blocks: call it in a thread. `announced`:
    the client calls it samples, so that it may be noise. Raises AudioDecodeError: it is not audio.
    """
    with path.open("rb") as file:
        head = file.read(HEAD)
    if has_signature(head):
        return False
    if kind := not_audio(head):
        raise AudioDecodeError(f"The recording is not audio but {kind}.", "Send a recording.")
    samples = np.frombuffer(head[: len(head) // 2 * 2], "<i2").astype(np.float32) / np.float32(32768)
    if (head.startswith(_SYNC) or not _is_sound(samples)) and _is_decodable(path):
        return False
    if not announced and _is_random(samples):
        raise AudioDecodeError("The recording is neither a known audio format nor 16-bit PCM.", "Send a recording.")
    return True


def _is_sound(samples: Samples) -> bool:
    """Whether samples follow each other as in sound, at least in a part of them."""
    blocks = samples[: len(samples) // _BLOCK * _BLOCK].reshape(-1, _BLOCK) if len(samples) > _BLOCK else samples[None]
    energy = np.sum(blocks**2, axis=1)
    product = np.sum(blocks[:, 1:] * blocks[:, :-1], axis=1)
    return bool(np.any(product >= _CORRELATED * energy))


def _is_random(samples: Samples) -> bool:
    if len(samples) < _BLOCK or _is_sound(samples):
        return False
    return _RANDOM_RMS[0] < float(np.sqrt(np.mean(samples**2))) < _RANDOM_RMS[1]


def _is_decodable(path: Path) -> bool:
    try:
        with open_audio(Source("body", path=path, untrusted=True), AudioOptions()):
            return True
    except AsrcliError:
        return False
