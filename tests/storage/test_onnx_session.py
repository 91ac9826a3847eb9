"""Graphs kept on disk: loaded when they are whole, replaced when they are not, and never in the way."""

from __future__ import annotations

import mmap
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from asrcli.storage import onnx_session
from asrcli.storage.onnx_graph import FLOAT, GraphWriter


class Builder:
    """Builds "times a constant", and counts."""

    def __init__(self, factor: float = 3.0) -> None:
        self.factor, self.built = factor, 0

    def __call__(self) -> bytes:
        self.built += 1
        graph = GraphWriter()
        product = graph.add("Mul", "x", graph.constant("factor", np.full(1000, self.factor, np.float32)))
        return graph.model([("x", FLOAT, (1,))], [("y", FLOAT, (1000,))], {"y": product})

    def run(self, source: str = "a") -> float:
        session = onnx_session.cached_session("times", [source], self)
        return float(session.run(None, {"x": np.ones(1, np.float32)})[0][999])


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "asrcli" / "graphs"


def test_a_graph_is_built_once(cache: Path) -> None:
    build = Builder()
    assert [build.run(), build.run(), build.built] == [3, 3, 1]
    assert len(list(cache.iterdir())) == 1


def test_other_sources_are_another_graph(cache: Path, tmp_path: Path) -> None:
    file = tmp_path / "weights"
    for content in (b"1", b"2"):
        file.write_bytes(content)
        build = Builder(float(content))
        found = onnx_session.cached_session("times", [file], build).run(None, {"x": np.ones(1, np.float32)})[0]
        assert found[0] == float(content)
    assert len(list(cache.iterdir())) == 2


@pytest.mark.parametrize("damage", ["empty", "short", "flipped", "noise", "folder"])
def test_a_damaged_file_is_ignored_and_replaced(cache: Path, damage: str) -> None:
    Builder().run()
    (path,) = cache.iterdir()
    data = bytearray(path.read_bytes())
    if damage == "flipped":
        data[len(data) // 2] ^= 1
    elif damage == "folder":
        path.unlink()
        path.mkdir()
    contents = {"empty": b"", "short": bytes(data[:-1]), "flipped": bytes(data), "noise": os.urandom(len(data))}
    if damage in contents:
        path.write_bytes(contents[damage])
    build = Builder()
    assert [build.run(), build.built] == [3, 1]
    if damage != "folder":
        assert [build.run(), build.built] == [3, 1]


def test_without_a_cache_folder_the_graph_is_built(cache: Path) -> None:
    cache.parent.write_text("a file where the folder would be", encoding="utf-8")
    build = Builder()
    assert [build.run(), build.run(), build.built] == [3, 3, 2]


def test_the_cache_is_bounded(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Builder().run("0")
    (first,) = cache.iterdir()
    monkeypatch.setattr(onnx_session, "_MOST", 3 * first.stat().st_size)
    for number in range(1, 6):
        os.utime(first)  # as each use does
        Builder().run(str(number))
        for file in set(cache.iterdir()) - {first}:
            os.utime(file, (number, number)) if file.stat().st_mtime > 10 else None
    assert len(list(cache.iterdir())) == 3
    assert first.exists()


@pytest.mark.parametrize("killed_in", ["open_session", "write_all"])
def test_a_process_that_is_killed_leaves_no_file_for_long(cache: Path, tmp_path: Path, killed_in: str) -> None:
    program = (
        "import os, signal\n"
        "from asrcli.storage import atomic, onnx_session\n"
        "from tests.storage.test_onnx_session import Builder\n"
        "def killed(function):\n"
        "    def call(*inputs, **settings):\n"
        "        function(*inputs, **settings)\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "    return call\n"
        f"module = onnx_session if {killed_in == 'open_session'} else atomic\n"
        f"module.{killed_in} = killed(module.{killed_in})\n"
        "Builder().run()\n"
    )
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    environment = os.environ | {"TMPDIR": str(temporary), "ORT_DISABLE_TELEMETRY": "1"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, check=False, cwd=Path(__file__).parents[2])
    assert done.returncode == -signal.SIGKILL
    assert not list(temporary.iterdir())
    assert Builder().run() == 3
    assert len(list(cache.iterdir())) == 1


def test_the_runtime_sends_no_telemetry(tmp_path: Path) -> None:
    program = (
        "import asrcli.vad.detector as detector, asrcli.options as options, numpy;"
        "detector.new_detector(options.VadOptions()).probabilities(numpy.zeros(5120, numpy.float32))"
    )
    environment = {key: value for key, value in os.environ.items() if key != "ORT_DISABLE_TELEMETRY"}
    subprocess.run([sys.executable, "-c", program], env=environment | {"HOME": str(tmp_path)}, check=True, cwd=tmp_path)
    written = {path.relative_to(tmp_path).parts[0] for path in tmp_path.rglob("*") if path.is_file()}
    assert written == {"asrcli"}


def test_onnxruntime_is_imported_in_one_place_which_keeps_its_telemetry_off() -> None:
    package = Path(onnx_session.__file__).parents[1]
    importing = [path.name for path in package.rglob("*.py") if "import onnxruntime" in path.read_text("utf-8")]
    assert importing == ["onnx_session.py"]


WEIGHTS = """
import sys
from pathlib import Path
import numpy as np
from asrcli.storage import onnx_session
from asrcli.storage.onnx_graph import FLOAT, GraphWriter

SIZE = 1500

def build():
    graph = GraphWriter()
    product = graph.add("MatMul", "x", graph.constant("matrix", np.full((SIZE, SIZE), 2, np.float32)))
    table = graph.constant("table", np.full((SIZE, SIZE), 3, np.float32))
    row = graph.add("Gather", table, graph.constant("row", np.array([SIZE - 1])), axis=0)
    return graph.model([("x", FLOAT, ("n", SIZE))], [("y", FLOAT, ("n", SIZE))], {"y": graph.add("Add", product, row)})

def resident():
    found = []
    for line in Path("/proc/self/smaps").read_text().splitlines():
        words = line.split()
        if not words[0].endswith(":"):
            mapped = words[-1].endswith(".ort")
        elif mapped and words[0] == "Rss:":
            found.append(int(words[1]) << 10)
    return found

sessions = [onnx_session.cached_session("weights", ["a"], build) for _ in range(2)]
sizes = [file.stat().st_size for file in Path(sys.argv[1]).iterdir()]
held = resident()
assert len(held) == 2 and sum(held) < sizes[0] / 4, (held, sizes)
for session in sessions:
    found = session.run(None, {"x": np.ones((2, SIZE), np.float32)})[0]
    assert (found == 2 * SIZE + 3).all(), found
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's list of mappings")
def test_weights_that_were_copied_are_not_held_twice(cache: Path) -> None:
    program = [sys.executable, "-c", WEIGHTS, str(cache)]
    done = subprocess.run(program, check=False, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's list of mappings")
def test_a_mapping_that_was_written_to_keeps_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "graph with a space.ort"
    path.write_bytes(b"a" * (3 * mmap.PAGESIZE))
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY) as data:
        data[mmap.PAGESIZE] = ord("b")
        onnx_session._release_pages(path)
        assert data[mmap.PAGESIZE - 1 : mmap.PAGESIZE + 2] == b"aba"
