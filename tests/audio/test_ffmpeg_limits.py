"""What the ffmpeg process may take."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from asrcli.audio.ffmpeg.process import file_url
from asrcli.audio.ffmpeg.reader import FfmpegReader
from asrcli.options import AudioOptions


@pytest.mark.skipif(sys.platform != "linux", reason="limits of another process are Linux's")
def test_memory_and_time_are_bounded(tmp_path: Path) -> None:
    import resource

    path = tmp_path / "long.wav"
    sf.write(path, np.zeros(600 * 16000, np.float32), 16000)  # more than the pipe holds: ffmpeg waits for us
    reader = FfmpegReader(file_url(path), AudioOptions())
    try:
        pid = reader._process.pid
        assert resource.prlimit(pid, resource.RLIMIT_AS)[1] == 4 << 30
        assert resource.prlimit(pid, resource.RLIMIT_CPU)[1] == 7200
        assert len(reader.read()) > 0
    finally:
        reader.close()
