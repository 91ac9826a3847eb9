"""`--files-from`: lists of files in the encodings in which programs write them."""

from __future__ import annotations

import io

import pytest

from asrcli.errors import UsageError
from asrcli.storage.text import read_list

NAMES = ["talk.wav", "Ünïcode 会议.mp3", "sub/b, c.wav"]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le-bom", "utf-16-be-bom"])
def test_lines(encoding: str, end: str) -> None:
    text = end.join(NAMES) + end
    if encoding.endswith("-bom"):
        data = ("\ufeff" + text).encode(encoding.removesuffix("-bom"))
    else:
        data = text.encode(encoding)
    assert read_list(io.BytesIO(data)) == NAMES


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_ascii_names_in_utf_16_without_a_mark(encoding: str) -> None:
    assert read_list(io.BytesIO("a.wav\r\nb.wav\r\n".encode(encoding))) == ["a.wav", "b.wav"]


def test_names_that_end_in_nul() -> None:
    for names in (["a", "b"], ["a", "b", "c"], NAMES, ["a\nb"]):
        data = b"".join(name.encode() + b"\0" for name in names)
        assert read_list(io.BytesIO(data)) == list(names)


def test_damaged_utf_16_is_an_error() -> None:
    with pytest.raises(UsageError, match="UTF-16"):
        read_list(io.BytesIO(b"\xff\xfea\0\x00\xd8"))
