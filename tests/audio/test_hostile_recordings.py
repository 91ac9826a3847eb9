"""A sample of the recordings that strangers send: the sound is right, or a warning reports that it is not."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from asrcli.audio.types import Source
from asrcli.errors import AsrcliError
from asrcli.options import AudioOptions
from asrcli.transcript import warning_code
from tests.audio.hostile_cases import HostileCase, cases, encode
from tests.audio.sounds import Decoded

#: cases of the quick suite, and of the whole one
QUICK, ALL = 24, 240
#: seconds: delays of the encoders, and frames that are filled up, of two recordings
CLOSE = 0.3
#: codes of warnings that something is missing or elsewhere
CODES = {"truncated", "damaged", "timestamps", "tracks", "gap", "header"}
SAMPLE = cases()[:ALL]


def reports(warning: str) -> bool:
    return warning_code(warning) in CODES


def right(decoded: Decoded, case: HostileCase) -> bool:
    heard = decoded.heard()
    return heard == pytest.approx(case.times, abs=CLOSE) and decoded.seconds == pytest.approx(
        case.length, abs=2 * CLOSE
    )


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, marks=[pytest.mark.slow] if at >= QUICK else [], id=case.name)
        for at, case in enumerate(SAMPLE)
    ],
)
def test_nothing_is_lost_in_silence(case: HostileCase, made_once: Callable[..., Path], tmp_path: Path) -> None:
    parts = [made_once(f"hostile-{form}", partial(encode, form)).read_bytes() for form in case.forms]
    path = tmp_path / "stranger"
    path.write_bytes(case.change(*parts))
    sources = [Source("file", path=path), Source("stream", stream=io.BytesIO(path.read_bytes()))]
    for source in sources:
        try:
            decoded = Decoded(source, AudioOptions())
        except AsrcliError:  # which is reported, too
            continue
        assert right(decoded, case) or any(map(reports, decoded.warnings)), (source.name, decoded.heard())
