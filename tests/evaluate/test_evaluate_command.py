from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.evaluate.test_scoring import SRT


@pytest.fixture
def evaluate(tmp_path: Path) -> Callable[..., tuple[int, str, str]]:
    def run(*arguments: str) -> tuple[int, str, str]:
        done = subprocess.run(
            [sys.executable, "-m", "asrcli", "evaluate", *arguments],
            cwd=tmp_path,
            env={**os.environ, "HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "config")},
            capture_output=True,
            check=False,
        )
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    return run


def test_errors_are_shown_in_their_place(tmp_path: Path, evaluate: Callable[..., tuple[int, str, str]]) -> None:
    (tmp_path / "right.txt").write_text("it was the best of times it was the worst of times", "utf-8")
    (tmp_path / "talk.txt").write_text("It was the best of rhymes, it was worst of the times.", "utf-8")
    code, out, err = evaluate("talk.txt", "--reference", "right.txt", "-l", "en")
    assert (code, err) == (0, "")
    assert "WER  25.00%  substitutions 1, deletions 1, insertions 1, of 12" in out
    assert "the best of [-times-] {+rhymes+} it was [-the-] worst of {+the+} times" in out
    assert "\033" not in out


def test_json_holds_each_file_and_the_pool(tmp_path: Path, evaluate: Callable[..., tuple[int, str, str]]) -> None:
    (tmp_path / "results").mkdir()
    (tmp_path / "results/a.srt").write_text(SRT, "utf-8")
    (tmp_path / "results/b.txt").write_text("hello", "utf-8")
    (tmp_path / "refs.tsv").write_text(
        "file\ttext\na.wav\tgood morning everybody\nb.wav\thello\nlost.wav\tx\n", "utf-8"
    )
    code, out, err = evaluate("results", "-r", "refs.tsv", "--json")
    report = json.loads(out)
    assert "1 reference has no result here: lost.wav" in err
    assert report["without_result"] == ["lost.wav"]
    assert code == 0
    assert report["schema"] == "asrcli/evaluation/1"
    assert [one["text"]["insertions"] for one in report["files"]] == [6, 0]
    assert report["files"][0]["cues"]["overlaps"] == 1
    assert report["pooled"]["wer"]["rate"] == 1.5


def test_results_without_a_reference_are_reported_and_the_rest_are_scored(
    tmp_path: Path, evaluate: Callable[..., tuple[int, str, str]]
) -> None:
    (tmp_path / "a.rttm").write_text("SPEAKER a 1 0 10 <NA> <NA> x <NA> <NA>\n", "utf-8")
    (tmp_path / "b.rttm").write_text("SPEAKER b 1 0 10 <NA> <NA> x <NA> <NA>\n", "utf-8")
    (tmp_path / "truth.rttm").write_text("SPEAKER a 1 0 8 <NA> <NA> Ada <NA> <NA>\n", "utf-8")
    code, out, err = evaluate("a.rttm", "b.rttm", "--rttm", "truth.rttm", "--collar", "0")
    assert code == 1
    assert "b.rttm: no reference turns have its name." in err
    assert "DER  25.00%  missed 0.0, false alarm 2.0, confusion 0.0, of 8.0 s, JER 20.00%, 1 of 1 speakers (" in out


def test_a_text_without_a_reference_is_a_problem(tmp_path: Path, evaluate: Callable[..., tuple[int, str, str]]) -> None:
    (tmp_path / "a.txt").write_text("hello", "utf-8")
    code, _, err = evaluate("a.txt")
    assert code == 1
    assert "no reference found" in err


def test_a_folder_without_results_is_a_usage_error(
    tmp_path: Path, evaluate: Callable[..., tuple[int, str, str]]
) -> None:
    (tmp_path / "empty").mkdir()
    code, _, err = evaluate("empty")
    assert code == 2
    assert "no results in" in err


def test_a_reference_alone_is_no_result(tmp_path: Path, evaluate: Callable[..., tuple[int, str, str]]) -> None:
    (tmp_path / "truth.txt").write_text("one two", "utf-8")
    code, out, err = evaluate("truth.txt", "--reference", "truth.txt")
    assert (code, out) == (2, "")
    assert "only result is the reference" in err
