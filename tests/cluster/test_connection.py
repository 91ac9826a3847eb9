"""What `--cluster` says where there is no cluster."""

from __future__ import annotations

import sys

import pytest

from asrcli.cluster.connection import connected
from asrcli.errors import MissingExtraError
from asrcli.options import readers


def test_without_ray_the_command_that_installs_it_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match="cluster"), connected("auto"):
        pass


@pytest.mark.parametrize("text", ["", "ray://", "ray://host", "http://host:10001", "ray://host:port", "remote"])
def test_other_texts_are_no_addresses(text: str) -> None:
    with pytest.raises(ValueError, match="ray://HOST:10001"):
        readers.cluster(text)
