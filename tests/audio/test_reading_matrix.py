"""Containers x codecs x rates x channels x faults: the sound is in its place, or a warning names what is missing.

Two oracles: bursts at known times, and the durations of the packets that ffmpeg demuxes.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
import soundfile

from asrcli.audio.types import Source
from asrcli.errors import AsrcliError
from asrcli.options import AudioOptions
from tests.audio.media_cases import CLOSE, Case, faulty_cases, plain_cases
from tests.audio.sounds import Decoded, bursts

PROGRAMS = [program for program in (imageio_ffmpeg.get_ffmpeg_exe(), shutil.which("ffmpeg")) if program]
PLAIN, FAULTY = plain_cases(), faulty_cases()
#: outputs of one ffmpeg command
_BATCH = 16


def test_there_are_enough_combinations() -> None:
    assert len(PLAIN) + len(FAULTY) >= 300
    assert len({case.name for case in (*PLAIN, *FAULTY)}) == len(PLAIN) + len(FAULTY)


class Recordings:
    """The encoded files, and what is read from them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.read: dict[str, Decoded | AsrcliError] = {}
        self._sources: dict[tuple[int, int], Path] = {}

    def path(self, case: Case) -> Path:
        return self.folder / f"{case.encoded}.{case.form[0].lower()}"

    def encode(self, cases: list[Case]) -> None:
        """Encode what each case needs, once."""
        groups: dict[tuple[int, int], list[Case]] = defaultdict(list)
        for case in {case.encoded: case for case in cases}.values():
            groups[case.rate, case.channels].append(case)
        work = []
        for (rate, channels), group in groups.items():
            samples = np.repeat(bursts(rate)[:, None], channels, axis=1)
            source = self._sources[rate, channels] = self.folder / f"source-{rate}-{channels}.wav"
            soundfile.write(source, samples, rate)
            own = [case for case in group if case.form[0].isupper()]
            for case in own:
                soundfile.write(self.path(case), samples, rate, format=case.form[0], subtype=case.form[1])
            rest = [case for case in group if case not in own]
            work += [(source, rest[at : at + _BATCH]) for at in range(0, len(rest), _BATCH)]
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda each: self._encode(*each), work))

    def _encode(self, source: Path, cases: list[Case]) -> None:
        outputs = [str(part) for case in cases for part in (*case.form[1:], self.path(case))]
        if self._run(PROGRAMS[0], source, outputs):
            return
        for case in cases:  # an encoder is missing in this build: the other one may have it
            for program in PROGRAMS:
                if self._run(program, source, [*case.form[1:], str(self.path(case))]):
                    break
                self.path(case).unlink(missing_ok=True)

    @staticmethod
    def _run(program: str, source: Path, outputs: list[str]) -> bool:
        command = [program, "-v", "error", "-nostdin", "-y", "-i", str(source), *outputs]
        return not subprocess.run(command, capture_output=True, check=False).returncode

    def decode(self, cases: list[Case]) -> None:
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(self._decode, cases))

    def _decode(self, case: Case) -> None:
        encoded = self.path(case)
        if not encoded.exists() or not encoded.stat().st_size:
            return
        path = encoded
        if case.fault is not bytes:
            path = self.folder / f"{case.name}.{case.form[0].lower()}"
            path.write_bytes(case.fault(encoded.read_bytes()))
        try:
            self.read[case.name] = Decoded(Source(path.name, path=path), AudioOptions(start=case.start))
        except AsrcliError as error:
            self.read[case.name] = error


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Recordings:
    """All of them, every other one read by the other ffmpeg."""
    made = Recordings(tmp_path_factory.mktemp("matrix"))
    cases = [*PLAIN, *FAULTY]
    made.encode(cases)
    path = os.environ["PATH"]
    for number, program in enumerate(PROGRAMS):
        folder = tmp_path_factory.mktemp("bin")
        (folder / "ffmpeg").symlink_to(program)
        os.environ["PATH"] = f"{folder}{os.pathsep}{path}"
        made.decode(cases[number :: len(PROGRAMS)])
    os.environ["PATH"] = path
    return made


def result(recordings: Recordings, case: Case) -> Decoded:
    read = recordings.read.get(case.name)
    if read is None:
        pytest.skip("no ffmpeg here has this encoder")
    if isinstance(read, AsrcliError):
        raise read
    return read


@pytest.mark.parametrize("case", PLAIN, ids=lambda case: case.name)
def test_plain(case: Case, recordings: Recordings) -> None:
    decoded = result(recordings, case)
    assert decoded.heard() == pytest.approx(case.times, abs=case.tolerance)
    assert decoded.seconds == pytest.approx(case.length, abs=case.tolerance + case.padding)
    assert [warning for warning in decoded.warnings if not warning.startswith("timestamps: ")] == []


@pytest.mark.parametrize("case", FAULTY, ids=lambda case: case.name)
def test_faulty(case: Case, recordings: Recordings) -> None:
    """Right, or the warning says what is missing."""
    if isinstance(recordings.read.get(case.name), AsrcliError):
        assert re.search(case.error or "^$", str(recordings.read[case.name]))
        return
    decoded = result(recordings, case)
    close = max(case.tolerance, CLOSE)
    right = decoded.heard() == pytest.approx(case.times, abs=close)
    whole = decoded.seconds == pytest.approx(case.length, abs=close + case.padding)
    if right and whole:
        return
    heard, last = decoded.heard(), case.start + decoded.seconds
    assert heard == pytest.approx(case.times[: len(heard)], abs=close), decoded.warnings
    assert all(time > last - close for time in case.times[len(heard) :]), decoded.warnings
    told = [re.search(r"truncated: ([\d.]+) s of", warning) for warning in decoded.warnings]
    if lacking := [float(found[1]) for found in told if found]:
        assert lacking[0] == pytest.approx(case.length - decoded.seconds, abs=0.4)
    else:
        assert any(warning.startswith(("perhaps truncated", "damaged: ")) for warning in decoded.warnings)


@pytest.mark.parametrize("case", [case for case in PLAIN if case.compressed], ids=lambda case: case.name)
def test_as_long_as_the_packets(case: Case, recordings: Recordings) -> None:
    """What comes out is as long as the packets that ffmpeg demuxes, less what an encoder added."""
    decoded = result(recordings, case)
    command = [PROGRAMS[0], "-v", "error", "-nostdin", "-i", str(recordings.path(case)), "-map", "0:a:0", "-c", "copy"]
    shown = subprocess.run([*command, "-f", "framecrc", "-"], capture_output=True, text=True, check=False).stdout
    unit = re.search(r"#tb 0: (\d+)/(\d+)", shown)
    rows = [line.split(",") for line in shown.splitlines() if not line.startswith("#")]
    assert unit
    seconds = sum(int(row[3]) for row in rows) * int(unit[1]) / int(unit[2])
    if not seconds:
        pytest.skip("this container's packets have no durations")
    assert decoded.seconds == pytest.approx(seconds, abs=0.15 + 2 * case.tolerance)
