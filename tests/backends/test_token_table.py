"""Vocabularies: the quick check of a table accepts what reading it accepts."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asrcli.backends.sherpa.token_table import check_tokens, read_tokens
from asrcli.errors import ModelError

COLUMNS = st.sampled_from(["a", "▁b", "1", "2", "-3", "", " ", "\t", "\x0b", "٣", "c d"])
LINES = st.lists(st.lists(COLUMNS, max_size=4).map(" ".join), max_size=6)


def refused(check: Callable[[Path], object], path: Path) -> bool:
    try:
        check(path)
    except ModelError:
        return True
    return False


@given(LINES, st.sampled_from(["\n", "\r\n", "\r"]))
def test_the_check_is_that_of_the_reader(lines: list[str], ending: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tokens.txt"
        path.write_bytes(ending.join(lines).encode())
        assert refused(check_tokens, path) == refused(read_tokens, path)


@pytest.mark.parametrize("table", ["a 0\nb 1\n 2\n", "a 0\r\nb 1\r\n", "a 0\n"])
def test_usual_tables_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: str) -> None:
    (tmp_path / "tokens.txt").write_text(table, encoding="utf-8")
    monkeypatch.setattr("asrcli.backends.sherpa.token_table.read_tokens", None)
    check_tokens(tmp_path / "tokens.txt")
