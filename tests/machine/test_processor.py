"""A processor without the instructions that an engine was built for."""

from __future__ import annotations

import os
import signal
from typing import Any

import pytest

from asrcli.backends.process.engine_client import EngineClient
from asrcli.errors import ModelError


def illegal(_spec: Any, _threads: Any) -> None:
    """A service whose engine executes an instruction that the processor does not have, as the kernel reports it."""
    os.kill(os.getpid(), signal.SIGILL)


def test_an_illegal_instruction_is_explained() -> None:
    with EngineClient(1) as client:
        loading = client.load("model", "tests.machine.test_processor:illegal", None)
        with pytest.raises(ModelError, match="signal 4") as caught:
            loading.result(30)
    assert "AVX2" in caught.value.hint
