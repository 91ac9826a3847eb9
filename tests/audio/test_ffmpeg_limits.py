"""What the ffmpeg process may take."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from asrcli.audio.ffmpeg.process import file_url
from asrcli.audio.ffmpeg.reader import FfmpegReader
from asrcli.options import AudioOptions
from asrcli.storage import child_priority


@pytest.mark.skipif(sys.platform != "linux", reason="limits of another process are Linux's")
def test_memory_time_and_priority_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import resource

    monkeypatch.setattr(child_priority, "_lowered", True)

    path = tmp_path / "long.wav"
    sf.write(path, np.zeros(600 * 16000, np.float32), 16000)  # more than the pipe holds: ffmpeg waits for us
    reader = FfmpegReader(file_url(path), AudioOptions())
    try:
        pid = reader._process.pid
        assert resource.prlimit(pid, resource.RLIMIT_AS)[1] == 4 << 30
        assert resource.prlimit(pid, resource.RLIMIT_CPU)[1] == 7200
        assert os.getpriority(os.PRIO_PROCESS, pid) > os.getpriority(os.PRIO_PROCESS, 0)
        assert os.getsid(pid) == os.getsid(0), "Linux would share the processor between sessions first"
        assert os.getpgid(pid) != os.getpgid(0), "it would get our Ctrl-C"
        assert len(reader.read()) > 0
    finally:
        reader.close()
