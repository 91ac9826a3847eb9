"""docs/serving.md lists the bounds that the code has."""

from __future__ import annotations

from pathlib import Path

from asrcli.server import bounds
from asrcli.server.http import uvicorn_protocols

PAGE = (Path(__file__).parents[2] / "docs" / "serving.md").read_text(encoding="utf-8")


def test_fixed_limits_are_those_of_the_code() -> None:
    rows = [
        f"{bounds.MAX_CONNECTIONS}, and {bounds.MAX_CONNECTIONS_OF_ADDRESS} of one address",
        f"{bounds.MAX_MESSAGE >> 20} MiB; {bounds.MAX_TEXT_FRAME >> 20} MiB; {bounds.MAX_MESSAGES >> 20} MiB",
        f"{bounds.MAX_FIRST_MESSAGE >> 10} KiB within {bounds.FIRST_MESSAGE_TIMEOUT:g} s",
        f"then 429 | {bounds.MAX_WAITING_JOBS} |",
        f"{bounds.MAX_HOTWORDS} of {bounds.MAX_HOTWORD_LENGTH} characters, {bounds.MAX_HOTWORDS_TEXT >> 10} KiB",
        f"{bounds.MAX_REPLACEMENTS} of {bounds.MAX_HOTWORD_LENGTH} characters",
        f"then 429 | {bounds.MAX_FETCHES}, and as many waiting",
        f"{uvicorn_protocols.WRITE_TIMEOUT:g} s without {uvicorn_protocols.LEAST_READ >> 10} KiB",
        f"head of a request | {uvicorn_protocols.HEAD_TIMEOUT:g} s",
    ]
    assert [row for row in rows if row not in PAGE] == []
