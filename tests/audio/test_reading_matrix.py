"""Containers x codecs x rates x channels x faults: the sound is in its place, or a warning names what is missing.

Two oracles: bursts at known times, and the durations of the packets that ffmpeg demuxes.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
import soundfile

from asrcli.audio.types import Source
from asrcli.errors import AsrcliError
from asrcli.options import AudioOptions
from tests.audio.media_cases import CLOSE, Case, damaged_cases, faulty_cases, plain_cases
from tests.audio.sounds import Decoded, bursts

PROGRAMS = [program for program in (imageio_ffmpeg.get_ffmpeg_exe(), shutil.which("ffmpeg")) if program]
PLAIN, FAULTY, DAMAGED = plain_cases(), faulty_cases(), damaged_cases()
CASES = [*PLAIN, *FAULTY, *DAMAGED]
_NUMBERS = {case.name: number for number, case in enumerate(CASES)}
#: containers with an index that shows what is missing: what follows is in its place although there is a warning
INDEXED = {"avi"}
#: codecs of which it counts packets, not time
UNTIMED = {"dca", "libvorbis"}
#: outputs of one ffmpeg command
_BATCH = 16


def test_there_are_enough_combinations() -> None:
    assert len(PLAIN) + len(FAULTY) >= 300
    assert len({case.name for case in (*PLAIN, *FAULTY)}) == len(PLAIN) + len(FAULTY)


class Recordings:
    """The encoded files, and what is read from them: every other one by the other ffmpeg."""

    def __init__(self, folder: Path, programs: list[Path]) -> None:
        self.folder = folder
        self._programs = programs
        self._read: dict[tuple[str, bool], Decoded | AsrcliError | None] = {}

    def path(self, case: Case) -> Path:
        return self.folder / f"{case.encoded}.{case.form[0].lower()}"

    def read(self, case: Case, *, piped: bool = False) -> Decoded | AsrcliError:
        if (case.name, piped) not in self._read:
            self._read[case.name, piped] = self._decode(case, piped=piped)
        found = self._read[case.name, piped]
        if found is None:
            pytest.skip("no ffmpeg here has this encoder")
        return found

    def _decode(self, case: Case, *, piped: bool) -> Decoded | AsrcliError | None:
        encoded = self.path(case)
        if not encoded.exists() or not encoded.stat().st_size:
            return None
        program = self._programs[_NUMBERS[case.name] % len(self._programs)]
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PATH", str(program.parent), prepend=os.pathsep)
            source = Source(encoded.name, path=encoded)
            if case.fault is not bytes:
                path = program.parent / f"{case.name}.{case.form[0].lower()}"
                path.write_bytes(case.fault(encoded.read_bytes()))
                source = Source(path.name, path=path)
            if piped and source.path:
                source = Source("a", stream=io.BytesIO(source.path.read_bytes()))
            try:
                return Decoded(source, AudioOptions(start=case.start))
            except AsrcliError as error:
                return error


def encode(folder: Path) -> None:
    """Encode what each case needs, once."""
    folder.mkdir()
    groups: dict[tuple[int, int], list[Case]] = defaultdict(list)
    for case in {case.encoded: case for case in CASES}.values():
        groups[case.rate, case.channels].append(case)
    recordings = Recordings(folder, [])
    work = []
    for (rate, channels), group in groups.items():
        samples = np.repeat(bursts(rate)[:, None], channels, axis=1)
        source = folder / f"source-{rate}-{channels}.wav"
        soundfile.write(source, samples, rate)
        own = [case for case in group if case.form[0].isupper()]
        for case in own:
            soundfile.write(recordings.path(case), samples, rate, format=case.form[0], subtype=case.form[1])
        rest = [(case.arguments, recordings.path(case)) for case in group if case not in own]
        work += [(source, rest[at : at + _BATCH]) for at in range(0, len(rest), _BATCH)]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda each: _encode(*each), work))


def _encode(source: Path, outputs: list[tuple[tuple[str, ...], Path]]) -> None:
    if _run(PROGRAMS[0], source, [str(part) for arguments, path in outputs for part in (*arguments, path)]):
        return
    for arguments, path in outputs:  # an encoder is missing in this build: the other one may have it
        if not any(_run(program, source, [*arguments, str(path)]) for program in PROGRAMS):
            path.unlink(missing_ok=True)


def _run(program: str, source: Path, outputs: list[str]) -> bool:
    command = [program, "-v", "error", "-nostdin", "-y", "-i", str(source), *outputs]
    return not subprocess.run(command, capture_output=True, check=False).returncode


@pytest.fixture(scope="module")
def recordings(made_once: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Recordings:
    programs = [tmp_path_factory.mktemp("bin") / "ffmpeg" for _ in PROGRAMS]
    for program, target in zip(programs, PROGRAMS, strict=True):
        program.symlink_to(target)
    return Recordings(made_once("matrix", encode), programs)


def result(recordings: Recordings, case: Case) -> Decoded:
    read = recordings.read(case)
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
    """Right, or the warning reports what is missing."""
    decoded = recordings.read(case)
    if isinstance(decoded, AsrcliError):
        assert re.search(case.error or "^$", str(decoded))
        return
    close = max(case.tolerance, CLOSE)
    right = decoded.heard() == pytest.approx(case.times, abs=close)
    whole = decoded.seconds == pytest.approx(case.length, abs=close + case.padding)
    if case.clock:
        assert right, decoded.warnings
        assert any(warning.startswith(case.warning) for warning in (*decoded.warnings, ""))
    if right and whole:
        return
    heard, last = decoded.heard(), case.start + decoded.seconds
    assert heard == pytest.approx(case.times[: len(heard)], abs=close), decoded.warnings
    assert all(time > last - close for time in case.times[len(heard) :]), decoded.warnings
    reported = [re.search(r"truncated: ([\d.]+) s of", warning) for warning in decoded.warnings]
    if lacking := [float(found[1]) for found in reported if found]:
        assert lacking[0] == pytest.approx(case.length - decoded.seconds, abs=0.4)
    else:
        assert any(warning.startswith(("perhaps truncated", "damaged: ")) for warning in decoded.warnings)


@pytest.mark.parametrize(
    "case",
    [pytest.param(case, marks=[pytest.mark.slow] if at % 7 else [], id=case.name) for at, case in enumerate(DAMAGED)],
)
@pytest.mark.parametrize("piped", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["file", "stream"])
def test_a_hole(piped: bool, case: Case, recordings: Recordings) -> None:
    """What is around it is in its place, or there is a warning."""
    decoded = recordings.read(case, piped=piped)
    if isinstance(decoded, AsrcliError):
        return
    if decoded.warnings and (case.form[0] not in INDEXED or case.form[2] in UNTIMED):
        return
    heard, close = decoded.heard(), max(case.tolerance, CLOSE)
    assert [heard[0], heard[-1]] == pytest.approx([case.times[0], case.times[-1]], abs=close)
    assert decoded.seconds == pytest.approx(case.length, abs=close + case.padding)


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
