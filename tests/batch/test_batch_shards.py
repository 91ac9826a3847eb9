"""`--shard`: several runs that share the inputs between them."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from asrcli.batch.inputs.search import Inputs
from asrcli.batch.plan import Plan, make_plan
from asrcli.cli.request.shard import find_shard
from asrcli.errors import UsageError
from asrcli.options import readers


def plan_of(folder: Path, number: int, count: int) -> Plan:
    return make_plan(Inputs(paths=[str(folder)], shard=(number, count)), stdin=io.BytesIO())


def names(plan: Plan) -> list[str]:
    return [item.source.name for item in plan.items]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(120):
        path = tmp_path / "in" / f"day {number % 7}" / f"{number}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path / "in"


@pytest.mark.parametrize("count", [1, 2, 3, 7, 200])
def test_each_input_is_in_one_shard_and_shards_are_of_like_size(folder: Path, count: int) -> None:
    shards = [names(plan_of(folder, number, count)) for number in range(count)]
    assert sorted(name for shard in shards for name in shard) == sorted(str(path) for path in folder.rglob("*.wav"))
    assert max(map(len, shards)) <= 2 * 120 / count + 5


def test_other_files_may_come_and_go_between_the_runs(folder: Path) -> None:
    before = {name: number for number in range(3) for name in names(plan_of(folder, number, 3))}
    for path in list(folder.rglob("*1.wav")):
        path.rename(path.with_name(f"renamed {path.name}"))
    (folder / "a.mp3").touch()
    after = {name: number for number in range(3) for name in names(plan_of(folder, number, 3))}
    kept = before.keys() & after.keys()
    assert len(kept) == 108
    assert {name: after[name] for name in kept} == {name: before[name] for name in kept}


def test_a_folder_may_be_mounted_elsewhere_on_another_machine(folder: Path, tmp_path: Path) -> None:
    other = shutil.copytree(folder, tmp_path / "elsewhere" / "mount")
    here = [Path(name).relative_to(folder) for name in names(plan_of(folder, 1, 4))]
    assert here == [Path(name).relative_to(other) for name in names(plan_of(other, 1, 4))]


def test_outputs_have_the_names_of_a_run_without_shards(folder: Path) -> None:
    for name in ("talk.mp3", "talk.m4a", "talk.wav"):
        (folder / name).touch()
    whole = make_plan(Inputs(paths=[str(folder)]), stdin=io.BytesIO())
    wanted = {item.source.name: item.outputs for item in whole.items}
    parts = {item.source.name: item.outputs for number in range(4) for item in plan_of(folder, number, 4).items}
    assert parts == wanted
    assert [item.index for item in plan_of(folder, 2, 4).items] == list(range(len(plan_of(folder, 2, 4).items)))


def test_an_input_that_is_missing_is_reported_by_every_shard(folder: Path) -> None:
    inputs = [str(folder), "missing.wav"]
    plans = [make_plan(Inputs(paths=inputs, shard=(number, 5)), stdin=io.BytesIO()) for number in range(5)]
    assert Counter(problem.name for plan in plans for problem in plan.problems) == {"missing.wav": 5}


def test_a_shard_without_inputs_is_reported(folder: Path) -> None:
    plans = [make_plan(Inputs(paths=[str(folder / "day 1/1.wav")], shard=(number, 3))) for number in range(3)]
    notice = ("This shard has none of the inputs (1).",)
    assert sorted(plan.notices for plan in plans) == [(), notice, notice]


def test_a_stream_has_no_shards() -> None:
    with pytest.raises(UsageError, match="stream"):
        make_plan(Inputs(paths=["-"], shard=(0, 2)), stdin=io.BytesIO(b"x"))


SLURM = {"SLURM_ARRAY_TASK_COUNT": "4", "SLURM_ARRAY_TASK_MIN": "0", "SLURM_ARRAY_TASK_MAX": "3"}


@pytest.mark.parametrize(
    ("text", "environment", "shard"),
    [
        (None, {"JOB_COMPLETION_INDEX": "3"}, None),
        ("1/1", {}, (0, 1)),
        ("3/8", {"SLURM_ARRAY_TASK_ID": "5"}, (2, 8)),
        ("auto", {**SLURM, "SLURM_ARRAY_TASK_ID": "3"}, (3, 4)),
        (
            "auto",
            {**SLURM, "SLURM_ARRAY_TASK_MIN": "1", "SLURM_ARRAY_TASK_MAX": "4", "SLURM_ARRAY_TASK_ID": "4"},
            (0, 4),
        ),
        ("auto/8", {**SLURM, "SLURM_ARRAY_TASK_ID": "7"}, (7, 8)),
        ("auto/8", {"JOB_COMPLETION_INDEX": "0"}, (0, 8)),
    ],
)
def test_numbers_of_schedulers(text: str | None, environment: dict[str, str], shard: tuple[int, int] | None) -> None:
    assert find_shard(text, environment) == shard


@pytest.mark.parametrize(
    ("text", "environment", "problem"),
    [
        ("auto", {}, "SLURM_ARRAY_TASK_ID nor JOB_COMPLETION_INDEX"),
        ("auto", {"JOB_COMPLETION_INDEX": "1"}, "number of shards"),
        # tasks 3 and 7 of an array submitted again: their count is not that of the array
        (
            "auto",
            {"SLURM_ARRAY_TASK_ID": "7", **SLURM, "SLURM_ARRAY_TASK_COUNT": "2", "SLURM_ARRAY_TASK_MIN": "3"},
            "number of shards",
        ),
        ("auto/4", {"JOB_COMPLETION_INDEX": "x"}, "'x', not a number"),
    ],
)
def test_what_schedulers_do_not_give_is_asked_for(text: str, environment: dict[str, str], problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        find_shard(text, environment)


def run(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "asrcli", "transcribe", *map(str, arguments)]
    return subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=60, env=os.environ | environment
    )


@pytest.mark.parametrize("text", ["0/2", "3/2", "1/0", "2", "auto/", "a/b", "1/2/3", "-1/2", "1/99999999"])
def test_a_value_that_is_no_shard_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a shard"):
        readers.shard(text)


@pytest.mark.slow
def test_shards_of_a_folder_make_all_results_and_one_without_inputs_succeeds(wheel_audio: Path, tmp_path: Path) -> None:
    for name in ("a.wav", "b.wav"):
        shutil.copy(wheel_audio / "two_cities.wav", tmp_path / name)
    done = 0
    for task in range(3):
        result = run(tmp_path, "--shard", "auto/3", "--log-json", "--end", "3", JOB_COMPLETION_INDEX=str(task))
        assert result.returncode == 0, result.stderr
        done += json.loads(result.stderr.splitlines()[-1])["summary"]["done"]
    assert done == 2
    assert len(list(tmp_path.glob("*.txt"))) == 2
