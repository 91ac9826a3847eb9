"""`--manifest`: inputs as lines of JSON, of this program, NeMo and Lhotse."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any, BinaryIO, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asrcli.audio.live_input import EndableStream
from asrcli.batch.cache_key import CacheKey
from asrcli.batch.inputs.manifest import InputOptions, ManifestEntry, read_manifest
from asrcli.batch.inputs.paths import PlanError
from asrcli.batch.inputs.search import Inputs
from asrcli.batch.plan import Plan, make_plan
from asrcli.errors import UsageError
from asrcli.options import TranscribeOptions


def entries(*lines: Any) -> list[ManifestEntry | PlanError]:
    data = b"".join((line if isinstance(line, bytes) else json.dumps(line).encode()) + b"\n" for line in lines)
    return list(read_manifest(io.BytesIO(data), "list", Path("/data")))


def options(line: dict[str, Any]) -> InputOptions:
    (entry,) = entries({"input": "a.wav", **line})
    assert isinstance(entry, ManifestEntry), entry
    return entry.options


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("a.wav", "b.wav", "sub/a.wav"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(name.encode())
    return tmp_path


def plan_of(*lines: Any, **inputs: Any) -> Plan:
    Path("list.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return make_plan(Inputs(manifest="list.jsonl", **inputs), stdin=io.BytesIO())


def outputs(plan: Plan) -> list[str]:
    return [str(path) for item in plan.items for path in item.outputs.values()]


@pytest.mark.parametrize(
    "line",
    [
        {"input": "a.wav"},
        {"audio": "a.wav", "text": "ignored"},
        {"audio_filepath": "a.wav", "duration": 3.2, "text": "of NeMo", "taskname": "asr"},
        {"id": "r", "sources": [{"type": "file", "channels": [0], "source": "a.wav"}], "duration": 3.2,
         "sampling_rate": 16000, "num_samples": 51200},
        {"id": "c", "start": 0, "duration": 3.2, "channel": 0, "type": "MonoCut", "supervisions": [],
         "recording": {"id": "r", "sources": [{"type": "file", "channels": [0], "source": "a.wav"}],
                       "duration": 3.2000625, "channel_ids": [0]}},
        {"id": "c", "start": 0.0, "duration": 3.2, "channel": [0, 1], "type": "MultiCut",
         "recording": {"sources": [{"type": "file", "source": "a.wav"}], "duration": 3.2, "channel_ids": [0, 1]}},
    ],
)  # fmt: skip
def test_a_whole_recording(line: dict[str, Any]) -> None:
    (entry,) = entries(line)
    assert isinstance(entry, ManifestEntry), entry
    assert (entry.path, entry.options) == (Path("/data/a.wav"), InputOptions())


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ({"offset": 1.5, "duration": 2}, InputOptions(1.5, 3.5)),
        ({"start": "0:10", "end": 12.5}, InputOptions(10.0, 12.5)),
        ({"end": 4}, InputOptions(0.0, 4.0)),
        ({"offset": 3, "duration": None}, InputOptions(3.0)),
        ({"channel": 1}, InputOptions(channels=1)),
        ({"channel": "split"}, InputOptions(channels="split")),
        ({"lang": "zh-CN"}, InputOptions(language="zh")),
        ({"source_lang": "de", "language": None}, InputOptions(language="de")),
        ({"language": "auto"}, InputOptions(language="auto")),
        ({"supervisions": [{"language": "English"}, {"language": "English"}]}, InputOptions(language="en")),
        ({"supervisions": [{"language": "English"}, {"language": "German"}]}, InputOptions()),
        ({"language": None, "supervisions": [{"language": "English"}]}, InputOptions(language="en")),
        ({"lang": "de", "supervisions": [{"language": "English"}]}, InputOptions(language="de")),
        ({"start": 1, "duration": 2, "channel": 1,
          "recording": {"sources": [{"source": "b.wav"}], "duration": 9, "channel_ids": [0, 1]}},
         InputOptions(1.0, 3.0, 1)),
    ],
)  # fmt: skip
def test_options_of_a_line(line: dict[str, Any], wanted: InputOptions) -> None:
    assert options(line) == wanted


def test_options_of_a_line_replace_those_of_the_run() -> None:
    found = InputOptions(1.0, 2.0, 0, "de").applied(TranscribeOptions())
    assert (found.audio.start, found.audio.end, found.audio.channels) == (1.0, 2.0, 0)
    assert found.recognition.language == "de"
    assert InputOptions().applied(TranscribeOptions()) == TranscribeOptions()
    german = InputOptions(language="de").applied(TranscribeOptions())
    assert InputOptions().applied(german) == german
    assert InputOptions(language="auto").applied(german) == TranscribeOptions()


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{", "not a JSON object"),
        (b"[1]", "not a JSON object"),
        (b"\xff\xfe{", "not a JSON object"),
        (b"[" * 100_000, "not a JSON object"),
        ({}, "names no recording"),
        ({"input": ["a"]}, "'input' is"),
        ({"input": "a\0b"}, "'input' is"),
        ({"input": "a.wav", "offset": -1}, "'offset'"),
        ({"input": "a.wav", "offset": True}, "'offset'"),
        (b'{"input": "a.wav", "offset": NaN}', "'offset'"),
        ({"input": "a.wav", "offset": 2, "duration": 0}, "no length"),
        ({"input": "a.wav", "start": 3, "end": 2}, "no length"),
        ({"input": "a.wav", "channel": "left"}, "'channel'"),
        ({"input": "a.wav", "channel": [0, 1]}, "'channel'"),
        ({"input": "a.wav", "language": "klingonese"}, "'language'"),
        ({"input": "a.wav", "model": "other"}, "one model"),
        ({"input": "a.wav", "supervisions": 1}, "'supervisions'"),
        ({"input": "a.wav", "output": "../a.txt"}, "'output'"),
        ({"input": "a.wav", "output": "/tmp/a.txt"}, "'output'"),
        ({"sources": []}, "several files, or in none"),
        ({"sources": [{"type": "command", "source": "sox"}]}, "'command'"),
    ],
)
def test_a_line_that_is_not_valid_is_the_problem_of_one_input(line: Any, reason: str) -> None:
    before, problem, after = entries({"input": "a.wav"}, line, {"input": "b.wav"})
    assert isinstance(before, ManifestEntry)
    assert isinstance(after, ManifestEntry)
    assert isinstance(problem, PlanError)
    assert problem.error.message.startswith("list, line 2: ")
    assert reason in problem.error.message


_VALUES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.sampled_from(["", "a.wav", "1:30", "..", "de"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["source", "language"]), inner),
    max_leaves=3,
)
_NAMES = st.sampled_from(
    [
        "output",
        "id",
        "offset",
        "duration",
        "start",
        "end",
        "channel",
        "language",
        "supervisions",
        "sources",
        "recording",
    ]
)


@given(st.dictionaries(_NAMES, _VALUES))
def test_each_line_is_an_input_or_a_problem(line: dict[str, Any]) -> None:
    assert len(entries(line, {"input": "a.wav", **line})) == 2


def test_names(here: Path) -> None:
    plan = plan_of(
        {"input": "a.wav"},
        {"input": "a.wav", "offset": 1.25, "duration": 2},
        {"input": "a.wav", "channel": 1},
        {"input": "b.wav", "id": "talks/7: b"},
        {"input": "b.wav", "output": "deep/er/b.txt", "id": "unused"},
        output_dir=Path("out"),
    )
    assert outputs(plan) == [
        "out/a.txt", "out/a-1.25-3.25.txt", "out/a-channel1.txt", "out/talks_7_ b.txt", "out/deep/er/b.txt",
    ]  # fmt: skip
    assert plan.problems == plan.notices == ()


def test_names_beside_the_recordings_and_below_the_manifest(here: Path) -> None:
    lines = [{"input": "sub/a.wav", "id": "x"}, {"input": "sub/a.wav", "output": "y"}, {"input": "sub/a.wav"}]
    assert outputs(plan_of(*lines)) == ["sub/x.txt", "y.txt", "sub/a.txt"]


def test_no_two_lines_have_one_output(here: Path) -> None:
    plan = plan_of(
        {"input": "a.wav", "id": "same"},
        {"input": "b.wav", "id": "SAME"},
        {"input": "a.wav", "id": "same", "language": "de"},
        {"input": "a.wav", "language": "de"},
        {"input": "a.wav", "language": "fr"},
        {"input": "sub/a.wav"},
        output_dir=Path("out"),
    )
    assert len({name.casefold() for name in outputs(plan)}) == 6


def test_equal_lines_are_one_input_and_equal_outputs_a_problem(here: Path) -> None:
    plan = plan_of(
        {"input": "a.wav", "offset": 1}, {"audio": "./a.wav", "offset": 1.0}, {"input": "a.wav", "output": "x.txt"},
        {"input": "b.wav", "output": "X.txt"}, {"input": "sub"}, {"input": "missing.wav"},
        {"input": "sub/a.wav", "output": "./x"}, {"input": "sub/a.wav", "output": "./x.txt"},
    )  # fmt: skip
    assert len(plan.items) == 2
    assert len(plan.notices) == 1
    assert [problem.name for problem in plan.problems] == ["b.wav", "sub", "missing.wav", "sub/a.wav", "sub/a.wav"]


def test_an_input_that_is_named_on_the_command_line_too_is_read_once(here: Path) -> None:
    os.mkfifo("pipe")
    plan = plan_of({"input": "a.wav"}, {"input": "pipe"}, {"input": "pipe", "offset": 1}, paths=["a.wav"])
    assert (len(plan.items), len(plan.notices)) == (2, 2)


def test_results_depend_on_the_options_of_the_line(here: Path) -> None:
    run = CacheKey(model="m", options="o")
    plan = plan_of({"input": "a.wav"}, {"input": "a.wav", "offset": 1}, {"input": "a.wav", "offset": 2})
    assert plan.items[0].recipe_of(run) == run
    assert len({item.recipe_of(run).options for item in plan.items}) == 3


def test_a_manifest_on_stdin(here: Path) -> None:
    readable, writable = os.pipe()
    os.write(writable, b'\xef\xbb\xbf{"input": "a.wav"}\r\n\r\n{"input": "b.wav"}')
    os.close(writable)
    with EndableStream(readable, owned=True) as stream:
        plan = make_plan(Inputs(manifest="-"), stdin=cast("BinaryIO", stream))
    assert outputs(plan) == ["a.txt", "b.txt"]
    with pytest.raises(UsageError, match="Stdin"):
        make_plan(Inputs(manifest="-", files_from="-"), stdin=io.BytesIO())
    with pytest.raises(UsageError, match="--manifest"):
        make_plan(Inputs(manifest="missing"))


def test_shards_divide_the_lines_wherever_the_manifest_is_mounted(here: Path) -> None:
    lines = [{"input": f"{name}.wav", "offset": start} for name in "ab" for start in range(20)]

    def shards(folder: Path) -> list[list[tuple[str, InputOptions | None]]]:
        (folder / "list.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        plans = [make_plan(Inputs(manifest=str(folder / "list.jsonl"), shard=(part, 3))) for part in range(3)]
        return [[(Path(item.source.name).name, item.options) for item in plan.items] for plan in plans]

    found = shards(here)
    assert sum(map(len, found)) == 40
    assert all(found)
    elsewhere = here / "elsewhere"
    elsewhere.mkdir()
    for name in "ab":
        (elsewhere / f"{name}.wav").write_bytes(name.encode())
    assert shards(elsewhere) == found
