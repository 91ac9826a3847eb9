"""docs/serving.md: what it shows people to copy is copied here, but for the ports, and works as described."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import soundfile as sf
import soxr

from asrcli.audio.resample import Resampler
from tests.ports import free_port
from tests.server.process.test_serve import serving

PAGE = Path(__file__).parents[3] / "docs" / "serving.md"
KEY = "open sesame"


def blocks(language: str) -> dict[str, str]:
    """The page's examples in a language, by the heading that they stand under."""
    found: dict[str, str] = {}
    for section in re.split(r"^###? ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        title = section.partition("\n")[0]
        codes = re.findall(rf"```{language}\n(.*?)```", section, re.DOTALL)
        found |= {f"{title} {number}" if number else title: code for number, code in enumerate(codes)}
    return found


@pytest.fixture(scope="module")
def desk(
    tmp_path_factory: pytest.TempPathFactory, wheel_audio: Path
) -> Iterator[tuple[Path, dict[str, str], list[tuple[str, str]]]]:
    """A folder with the recordings that the page speaks of, and a server beside it."""
    folder = tmp_path_factory.mktemp("desk")
    samples, rate = sf.read(wheel_audio / "two_cities.wav", frames=11 * 48000)
    resampler = Resampler(rate, 1)
    speech = resampler.push(samples[:, None].astype("float32"))
    sf.write(folder / "talk.wav", speech, 16000, subtype="PCM_16")
    sf.write(folder / "talk.pcm", soxr.resample(speech[:, 0], 16000, 24000), 24000, format="RAW", subtype="PCM_16")
    sf.write(folder / "meeting.m4a", speech, 16000, format="OGG", subtype="VORBIS")  # names do not matter
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ASRCLI_", "XDG_"))}
    env = kept | {"HOME": str(folder), "KEY": KEY, "PYTHONPATH": os.pathsep.join(sys.path)}
    with serving("--funasr-port", free_port(), "--api-key", KEY, env=env) as server:
        main, funasr = server.listening(), server.listening("funasr")
        yield folder, env, [(":8000", main[main.rindex(":") :]), (":10095", funasr[funasr.rindex(":") :])]


@pytest.fixture
def copy(desk: tuple[Path, dict[str, str], list[tuple[str, str]]]) -> Callable[..., str]:
    """`copy(code, program, ...)`: what a program makes of an example."""
    folder, env, ports = desk

    def run(code: str, *program: str) -> str:
        for known, ours in ports:
            code = code.replace(known, ours)
        done = subprocess.run(
            [*program, code], cwd=folder, env=env, capture_output=True, text=True, timeout=100, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("OpenAI", r"^1\n00:00:0\d,\d{3} --> .*worst of\stimes"),
        ("Aliyun", r'"status":20000000.*worst of times|worst of times.*"status":20000000'),
        ("SenseVoice", r'"code":0.*worst of times.*"clean_text":"[^"]*worst of times'),
        ("Deepgram", r'"transcript":"[^"]*worst of times'),
        ("Bazarr and whisper-asr-webservice", r"^1\n00:00:0\d,\d{3} --> "),
    ],
)
def test_what_is_typed_into_a_shell(copy: Callable[..., str], title: str, expected: str) -> None:
    code = blocks("bash")[title]
    needed = set(re.findall(r"\b(curl|jq|base64)\b", code))
    if missing := [name for name in needed if shutil.which(name) is None]:
        pytest.skip(f"needs {', '.join(missing)}")
    assert re.search(expected, copy(code, "bash", "-euo", "pipefail", "-c"), re.DOTALL | re.IGNORECASE)


def test_a_job_from_the_shell(copy: Callable[..., str]) -> None:
    code = blocks("bash")["Jobs, for long recordings"]
    if shutil.which("curl") is None or shutil.which("jq") is None:
        pytest.skip("needs curl and jq")
    # No one can tell speakers apart here: that wants models of its own.
    said = copy(code.replace("-F diarize=true ", ""), "bash", "-euo", "pipefail", "-c")
    states = [json.loads(line[6:])["state"] for line in said.splitlines() if line.startswith("data: ")]
    assert states[-1] == "done"
    assert re.search(r"\n1\n00:00:0\d,\d{3} --> .*worst of\stimes", said, re.DOTALL)


@pytest.mark.parametrize(
    ("title", "package", "expected"),
    [
        ("OpenAI", "openai", "worst of times"),
        ("OpenAI 1", "openai", "worst of times"),
        ("FunASR", "websockets", r"2pass-offline It was the best of times.*worst of times"),
        ("Aliyun", "nls", r'"name":\s?"SentenceEnd".*worst of times'),
    ],
)
def test_what_is_written_in_python(copy: Callable[..., str], title: str, package: str, expected: str) -> None:
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"needs the package {package}")
    said = copy(blocks("python")[title].replace('KEY"', f'{KEY}"'), sys.executable, "-W", "ignore", "-c")
    assert re.search(expected, said, re.DOTALL | re.IGNORECASE)
