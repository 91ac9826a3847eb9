"""Containers of chunks whose lengths are wrong in any way: reading ends, with the sound or with an error of ours."""

from __future__ import annotations

import io
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import imageio_ffmpeg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asrcli.audio.types import Source
from asrcli.errors import AsrcliError
from asrcli.options import AudioOptions
from tests.audio.sounds import LENGTH, Decoded

#: suffix, bytes of a length, its byte order, arguments of ffmpeg
FORMS: list[tuple[str, int, str, tuple[str, ...]]] = [
    ("wav", 4, "little", ()),
    ("rf64.wav", 8, "little", ("-rf64", "always")),
    ("w64", 8, "little", ()),
    ("aiff", 4, "big", ()),
    ("caf", 8, "big", ()),
    ("avi", 4, "little", ("-c:a", "pcm_s16le")),
    ("mp3.avi", 4, "little", ("-c:a", "libmp3lame")),
]
_NAME = re.compile(rb"[A-Za-z0-9][A-Za-z0-9 ]{3}")


@pytest.fixture(scope="module")
def recordings(wav: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, bool], bytes]:
    """The bytes of a form: recordings(suffix, whether ffmpeg wrote them to a pipe, and so without lengths)."""
    folder = tmp_path_factory.mktemp("lengths")

    def make(suffix: str, piped: bool) -> bytes:
        path = folder / f"{piped}.{suffix}"
        if not path.exists():
            arguments = next(form[3] for form in FORMS if form[0] == suffix)
            to = ["-f", suffix.rpartition(".")[2], "pipe:1" if piped else str(path)]
            command = [
                imageio_ffmpeg.get_ffmpeg_exe(),
                "-v",
                "error",
                "-nostdin",
                "-y",
                "-i",
                str(wav),
                *arguments,
                *to,
            ]
            done = subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
            if piped:
                path.write_bytes(done.stdout)
        return path.read_bytes()

    return make


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form[0])
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    changes=st.lists(
        st.tuples(
            st.integers(0, 400),
            st.sampled_from([0, 1, 7, 8, 12, 2**15 + 1, 2**31 - 1, 2**31, 2**32 - 8, 2**32 - 1, 2**63, 2**64 - 1])
            | st.integers(0, 2**32 - 1),
        ),
        min_size=1,
        max_size=4,
    ),
    piped=st.booleans(),
    cut=st.integers(0, 3000),
)
def test_any_lengths(
    form: tuple[str, int, str, tuple[str, ...]],
    recordings: Callable[[str, bool], bytes],
    tmp_path: Path,
    changes: list[tuple[int, int]],
    piped: bool,
    cut: int,
) -> None:
    suffix, width, order, _ = form
    data = bytearray(recordings(suffix, piped))
    names = [found.end() for found in _NAME.finditer(data) if found.end() + width <= len(data)]
    for number, length in changes:
        at = names[number % len(names)]
        data[at : at + width] = (length % 2 ** (8 * width)).to_bytes(width, order)
    data = data[: len(data) - cut]
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(data)
    for source in (Source("a", path=path), Source("a", stream=io.BytesIO(bytes(data)))):
        try:
            decoded = Decoded(source, AudioOptions())
        except AsrcliError:
            continue
        assert decoded.seconds < LENGTH * 40
