"""The recordings that follow each other in a file, each decoded on its own."""

import os
from pathlib import Path
from typing import BinaryIO, cast

from asrcli.audio.containers.header_scan import HeaderScan
from asrcli.audio.ffmpeg.process import file_url
from asrcli.audio.ffmpeg.reader import FfmpegReader
from asrcli.audio.readers import PatchedFile, Reader
from asrcli.audio.stream_pump import spool
from asrcli.options import AudioOptions


def open_part(path: Path, options: AudioOptions, seen: HeaderScan, bounds: tuple[int, int], first: int) -> Reader:
    """Open one of several recordings in a file; `first`: number of its first sample. Raises FfmpegMissingError:
    there is no ffmpeg; DiskFullError: a part that must be kept on disk does not fit; InputError: nothing is decoded.
    """
    start, end = bounds
    if any(start <= at < end for at, _ in seen.patches):
        with PatchedFile(os.open(path, os.O_RDONLY), end, seen.patches, owned=True) as file:
            file.seek(start)
            kept = spool(b"", cast(BinaryIO, file))
        with kept:
            return FfmpegReader(file_url(Path(kept.name)), options)
    counts_all = seen.counts_parts and not start
    return FfmpegReader(file_url(path, start, end), options, uncounted=lambda: counts_all, first_sample=first)
