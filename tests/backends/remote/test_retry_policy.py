"""Waits between requests, and what a Retry-After header asks for."""

from __future__ import annotations

import time
from email.utils import formatdate
from typing import Any

import pytest

from asrcli.storage.http import RetryPolicy, retry_after


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        ("7", 7),
        (" 120 ", 120),
        ("1.5", 1.5),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0),
        ("Wed, 21 Oct 2015 07:28:00", 0),
    ],
)
def test_seconds_and_dates(value: str, seconds: float) -> None:
    assert retry_after(value) == seconds


@pytest.mark.parametrize("zone", [{"usegmt": True}, {"localtime": True}, {}])
def test_a_date_in_the_future(zone: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        assert 0 < retry_after(formatdate(time.time() + 30, **zone)) <= 30
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(
    "value", [None, "", "soon", "-1", "inf", "nan", "1e999", "99 bottles", "Wed, 99 Oct 2015 07:28:00 GMT"]
)
def test_values_without_a_delay(value: str | None) -> None:
    assert retry_after(value) is None


def test_waits_double_are_spread_and_bounded() -> None:
    policy = RetryPolicy(backoff=1.0, max_wait=20.0)
    for failures, usual in ((1, 1.0), (2, 2.0), (3, 4.0)):
        waits = [policy.wait(failures) for _ in range(50)]
        assert 0.75 * usual <= min(waits) < max(waits) <= 1.25 * usual
    assert policy.wait(10**9) == 20.0
    assert {policy.wait(1, asked=1e9), policy.wait(1, asked=float("1" * 300))} == {20.0}
    assert policy.wait(5, asked=0.0) == 0.0
    assert 10.0 <= policy.wait(1, asked=10.0) <= 11.0
