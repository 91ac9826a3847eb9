"""How numbers are written in the messages."""

from __future__ import annotations

import pytest

from asrcli.cli.report.progress import pace


@pytest.mark.parametrize(
    ("ratio", "text"), [(0.17, "0.2 x"), (3.44, "3.4 x"), (9.94, "9.9 x"), (9.96, "10 x"), (82.4, "82 x")]
)
def test_a_speed_has_two_digits(ratio: float, text: str) -> None:
    assert pace(ratio) == text
