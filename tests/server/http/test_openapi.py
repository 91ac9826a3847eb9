"""Requests made up from our own OpenAPI description: whatever comes, no answer is a failure of the server's."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.server.conftest import Running


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_no_made_up_request_makes_the_server_fail(
    server: Running, client: httpx.Client, cities: Path, tmp_path: Path
) -> None:
    if importlib.util.find_spec("schemathesis") is None:
        pytest.skip("needs schemathesis: pip install schemathesis")
    command: list[Any] = [
        Path(sys.executable).with_name("schemathesis"), "run", f"{server.url}/openapi.json",
        "--checks=not_a_server_error", "--max-examples=10", "--seed=1", "--request-timeout=60", "--no-color",
        "--suppress-health-check=all",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=550, cwd=tmp_path)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    generated, passed = re.search(r"(\d+) generated, (\d+) passed", done.stdout).groups()
    assert int(generated) == int(passed) > 100
    with cities.open("rb") as file:
        answer = client.post("/v1/audio/transcriptions", files={"file": file})
    assert "worst of times" in answer.json()["text"].lower()
