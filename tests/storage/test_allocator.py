"""What freed memory is returned to the system: glibc's allocator."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from asrcli.backends.process.engine_client import EngineClient

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or platform.libc_ver()[0] != "glibc", reason="glibc's allocator"
)

#: heaps of the allocator in this process
HEAPS = """
import ctypes, tempfile, threading

def heaps():
    libc = ctypes.CDLL(None)
    libc.fdopen.restype = ctypes.c_void_p
    with tempfile.TemporaryFile() as file:
        stream = ctypes.c_void_p(libc.fdopen(file.fileno(), b"w"))
        libc.malloc_info(0, stream)
        libc.fflush(stream)
        file.seek(0)
        return file.read().count(b"<heap nr=")

def allocate_in_threads():
    blocks, all_run = [], threading.Barrier(4)
    def work():
        blocks.append(bytearray(2000))
        all_run.wait()
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
"""

AUDIO = """
import resource
from pathlib import Path
from asrcli.storage.allocator import return_audio_blocks

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()

return_audio_blocks()
allocate_in_threads()
assert heaps() == 1, heaps()
kept = []
for _ in range(2):  # the first blocks that are freed are returned by default, too
    blocks = []
    for _ in range(30):
        blocks.append(bytearray(1 << 20))
        kept.append(bytearray(2000))
    held = resident()
    del blocks
    assert resident() < held - (20 << 20), (held, resident())
"""

LAYERS = """
import resource

{reuse}
allocate_in_threads()
assert heaps() {heaps}, heaps()
bytearray(4 << 20)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(50):
    bytearray(4 << 20)
pages = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
assert pages * resource.getpagesize() < 20 << 20, pages
"""

SHARED_HEAP = "from asrcli.storage.allocator import reuse_freed_blocks; assert reuse_freed_blocks()"

MOONSHINE = """
import sys
from pathlib import Path
from asrcli.backends.moonshine.recognizer import MoonshineRecognizer, load
from asrcli.models.registry import Registry

folder = Path(sys.argv[1])
spec = Registry(folder / "models", cache_dir=folder / "cache").resolve("moonshine-tiny-en")
assert isinstance(load(spec, 8), MoonshineRecognizer)
"""

SERVICE = """
class Heaps:
    batch_size = 1
    def run(self, jobs):
        allocate_in_threads()
        return [heaps() for _ in jobs]

def load(spec, threads):
    return Heaps()
"""


FREEING_SERVICE = """
import resource
from pathlib import Path
from asrcli.backends.process import worker

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()

class Freeing:
    batch_size = 1
    def __init__(self):
        self.kept = []
    def run(self, jobs):
        before = resident()
        blocks = [bytearray(2000) for _ in range(20_000)]
        self.kept.append(blocks[::1000])  # so that the heap does not end with free memory
        return [before for _ in jobs]

def load(spec, threads):
    worker._RETURN_EVERY = spec
    return Freeing()
"""


def _run(script: str, *arguments: str) -> None:
    """In a process with an engine's limit of 1 MB."""
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": str(1 << 20)}
    environment.pop("MALLOC_ARENA_MAX", None)
    subprocess.run([sys.executable, "-c", HEAPS + script, *arguments], check=True, timeout=60, env=environment)


@pytest.mark.parametrize("script", [AUDIO, LAYERS.format(reuse=SHARED_HEAP, heaps="== 1")])
def test_a_process_of_several_threads(script: str) -> None:
    """Blocks of audio are returned when they are freed, blocks of layers are not; there is one heap."""
    _run(script)


def test_the_embedded_model_reuses_the_blocks_of_its_layers(tmp_path: Path) -> None:
    """In the heaps that the engine process has: threads that share one wait for each other."""
    _run(LAYERS.format(reuse=MOONSHINE, heaps="> 1"), str(tmp_path))


@pytest.mark.parametrize(("threads", "most"), [(2, 1), (8, 3)])
def test_an_engine_process_has_a_heap_for_every_four_threads(
    threads: int, most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "heaps_test_service.py").write_text(HEAPS + SERVICE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delenv("MALLOC_ARENA_MAX", raising=False)
    with EngineClient(threads) as host:
        host.load("heaps", "heaps_test_service:load", None)
        assert host.submit("heaps", np.zeros(1, np.float32)).result(30) <= most


@pytest.mark.parametrize(("every", "returned"), [(0.0, True), (600.0, False)])
def test_an_engine_process_returns_what_lies_between_blocks_in_use(
    every: float, returned: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """40 MB of small blocks, of which a few are kept."""
    (tmp_path / "freeing_test_service.py").write_text(FREEING_SERVICE)
    monkeypatch.syspath_prepend(str(tmp_path))
    with EngineClient(1) as host:
        host.load("freeing", "freeing_test_service:load", every)
        before, after = (host.submit("freeing", np.zeros(1, np.float32)).result(30) for _ in range(2))
    assert (after - before < 10 << 20) is returned
