from __future__ import annotations

import subprocess
import sys


def test_the_suffixes_cost_no_heavy_import() -> None:
    code = (
        "import sys; from asrcli.audio import MEDIA_SUFFIXES; assert '.mp3' in MEDIA_SUFFIXES;"
        "print([name for name in ('numpy', 'soundfile', 'ffmpeg') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
