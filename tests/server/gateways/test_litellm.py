"""LiteLLM's own package as a client; `.ci/suites/gateways.sh` installs it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.server.conftest import Running

litellm = pytest.importorskip("litellm")
pytestmark = pytest.mark.filterwarnings("ignore")  # the package's own


@pytest.fixture
def call(server: Running, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    return {"model": "openai/whisper-1", "api_base": f"{server.url}/v1", "api_key": "any", "max_retries": 0}


def test_text(call: Any, cities: Path) -> None:
    with cities.open("rb") as file:
        found = litellm.transcription(file=file, language="en", temperature=0, prompt="a novel", **call)
    assert "worst of times" in found.text.lower()


@pytest.mark.parametrize("form", ["json", "text", "srt", "vtt", "verbose_json"])
def test_formats(call: Any, cities: Path, form: Any) -> None:
    with cities.open("rb") as file:
        found = litellm.transcription(file=file, response_format=form, **call)
    assert "worst of times" in " ".join(found.text.lower().split())


def test_words(call: Any, cities: Path) -> None:
    with cities.open("rb") as file:
        found = litellm.transcription(
            file=file, response_format="verbose_json", timestamp_granularities=["word"], **call
        )
    assert found.words[0]["word"].lower() == "it"


def test_many_at_once(call: Any, cities: Path) -> None:
    recording = (cities.name, cities.read_bytes())

    async def ask() -> Any:
        return await asyncio.gather(*[litellm.atranscription(file=recording, **call) for _ in range(4)])

    found = asyncio.run(ask())
    assert len({each.text for each in found}) == 1
    assert "worst of times" in found[0].text.lower()


def test_errors(call: Any, tmp_path: Path) -> None:
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"this is no audio at all" * 100)
    with broken.open("rb") as file, pytest.raises(openai.BadRequestError):
        litellm.transcription(file=file, **call)
