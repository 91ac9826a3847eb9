"""Another benchmark, as on a processor without VNNI: `python -m benchmarks without_vnni scaling --rounds 3`.

onnxruntime and sherpa-onnx choose their code by the instruction `cpuid`. Copies of both, in an environment in
`build/without-vnni`, have an invalid instruction in its place, and a preloaded library answers the signal of each with
the processor's flags less AVX-512 and VNNI: what is measured is the code for AVX2. The processor itself is still this
one, so times are not those of an older machine; ratios are nearer to it. Needs Linux on x86-64, gcc and objdump.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from importlib.util import find_spec
from pathlib import Path

_ROOT = Path(__file__).parents[1]
_CPUID = b"\x0f\xa2"
#: no compiler writes it, unlike `ud2`
_INVALID = b"\x0f\x04"
_PACKAGES = ("onnxruntime", "sherpa_onnx")
#: AVX2 has no product of 8 bits that adds without saturating
_CHECK = "from asrcli.backends.moonshine.graph import signed_products_are_exact as s; raise SystemExit(s())"


def main() -> None:
    """Make the environment and run the benchmark in it. Exit code: the benchmark's."""
    if len(sys.argv) < 2 or sys.argv[1] in {"-h", "--help"}:
        print(__doc__)
        sys.exit(0 if len(sys.argv) > 1 else 2)
    folder = _ROOT / "build" / "without-vnni"
    python = _environment(folder)
    variables = {
        **os.environ,
        "LD_PRELOAD": str(_mask(folder)),
        "PYTHONPATH": str(_ROOT),
        "XDG_CACHE_HOME": str(folder / "cache"),  # the graphs that are kept there are made for a processor
    }
    if subprocess.run([python, "-c", _CHECK], env=variables, check=False).returncode:
        sys.exit("the copies still use VNNI, or do not run")
    sys.exit(subprocess.run([python, "-m", "benchmarks", *sys.argv[1:]], env=variables, check=False).returncode)


def _environment(folder: Path) -> Path:
    """An environment with this one's packages, and copies of the engines and their programs."""
    shutil.rmtree(folder, ignore_errors=True)
    venv.create(folder, symlinks=True)
    own = Path(sysconfig.get_path("purelib", "venv", vars={"base": str(folder)}))
    theirs = [path for path in sys.path if path.endswith("-packages")]
    lines = [f"import site; site.addsitedir({path!r})\n" for path in theirs]
    (own / "others.pth").write_text("".join(lines), encoding="utf-8")
    for package in _PACKAGES:
        source = Path(find_spec(package).origin or "").parent  # type: ignore[union-attr]
        for part in (source, source.with_name(f"{package}.libs")):
            if part.is_dir():
                shutil.copytree(part, own / part.name)
        for library in (own / package).rglob("*.so*"):
            _replace(library)
    for program in Path(sys.executable).parent.glob("sherpa-onnx-*"):  # they look for the libraries beside themselves
        shutil.copy2(program, folder / "bin")
    return folder / "bin" / "python"


def _replace(library: Path) -> None:
    """Write an invalid instruction over each `cpuid` of a library."""
    sections = subprocess.run(["objdump", "-h", library], check=True, capture_output=True, text=True).stdout
    code = subprocess.run(["objdump", "-d", "-j", ".text", library], check=True, capture_output=True, text=True).stdout
    text = re.search(r"\s\.text\s+[0-9a-f]+\s+([0-9a-f]+)\s+[0-9a-f]+\s+([0-9a-f]+)", sections)
    if text is None:
        return
    offset = int(text[2], 16) - int(text[1], 16)
    data = bytearray(library.read_bytes())
    for found in re.finditer(r"^\s*([0-9a-f]+):\t0f a2\s+\tcpuid", code, re.MULTILINE):
        at = int(found[1], 16) + offset
        if data[at : at + 2] != _CPUID:
            raise SystemExit(f"{library}: no cpuid at {at:#x}")
        data[at : at + 2] = _INVALID
    library.write_bytes(data)


def _mask(folder: Path) -> Path:
    library = folder / "mask_cpuid.so"
    source = Path(__file__).with_name("mask_cpuid.c")
    subprocess.run(["gcc", "-O1", "-shared", "-fPIC", "-o", library, source], check=True)
    return library
