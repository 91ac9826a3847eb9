from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from asrcli.models.registry import Registry
from asrcli.models.store import Store
from asrcli.storage.http import RetryPolicy
from tests.models.serving import Server, serving, tar_of


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as state:
        yield state


@pytest.fixture
def policy() -> RetryPolicy:
    return RetryPolicy(retries=3, backoff=0.001, read=20, max_wait=0.01)


@pytest.fixture
def make_tar() -> Callable[..., bytes]:
    return tar_of


@pytest.fixture
def make_store(tmp_path: Path, policy: RetryPolicy) -> Callable[..., Store]:
    """A store whose models.yaml holds the given entries."""

    def make(models: dict[str, dict[str, Any]], root: Path | None = None, **top: object) -> Store:
        root = root or tmp_path / "models"
        root.mkdir(parents=True, exist_ok=True)
        (root / "models.yaml").write_text(yaml.safe_dump({"models": models, **top}, sort_keys=False))
        return Store(Registry(root, cache_dir=tmp_path / "cache"), policy=policy)

    return make
