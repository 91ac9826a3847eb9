"""The conversations that speaker labels are judged by (`benchmarks diarization --variants`)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from asrcli.evaluate.diarization import read_rttm
from benchmarks.conversations import make_variants
from tests.speakers.tone_voices import RATE


def recordings(folder: Path) -> list[Path]:
    """Two recordings of ten speakers each, who speak one tone each, in turn, with overlaps."""
    made: list[Path] = []
    for number in range(2):
        audio = np.zeros(115 * RATE, np.float32)
        rows: list[str] = []
        for turn in range(80):
            start, seconds = 1.4 * turn, 1.5
            tone = np.sin(2 * np.pi * (200 + 50 * (turn % 10)) * np.arange(round(seconds * RATE)) / RATE + turn)
            audio[round(start * RATE) :][: len(tone)] += 0.1 * tone.astype(np.float32)
            rows.append(f"SPEAKER x 1 {start:.3f} {seconds:.3f} <NA> <NA> s{turn % 10} <NA> <NA>")
        made.append(folder / f"source{number}.flac")
        soundfile.write(made[-1], audio, RATE)
        made[-1].with_suffix(".rttm").write_text("\n".join(rows) + "\n")
    return made


@pytest.mark.slow
def test_variants_are_the_same_for_a_seed_and_agree_with_their_rttm(tmp_path: Path) -> None:
    sources = recordings(tmp_path)
    folders = [tmp_path / name for name in ("one", "again", "other")]
    for folder in folders:
        folder.mkdir()
    one, again, other = (
        make_variants(folder, sources, 6, seed) for folder, seed in zip(folders, (1, 1, 2), strict=True)
    )
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in again]
    assert [path.read_bytes() for path in one] != [path.read_bytes() for path in other]
    for path in [*one, *other]:
        audio, rate = soundfile.read(path)
        (turns,) = read_rttm(path.with_suffix(".rttm").read_text()).values()
        assert rate == RATE
        assert 0.45 < np.abs(audio).max() <= 0.5
        assert max(turn.end for turn in turns) < len(audio) / rate
        assert len({turn.speaker for turn in turns}) == int(path.stem.split("_")[1][-1])
