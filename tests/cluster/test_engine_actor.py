"""The part of a batch that runs on a node, without Ray."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from asrcli import __version__
from asrcli.audio.types import Source
from asrcli.batch.cache_key import CacheKey
from asrcli.batch.recording import Item
from asrcli.batch.results.processing import Processing
from asrcli.cluster.engine_actor import EngineActor, NodeWork
from asrcli.errors import OutputError
from asrcli.transcript import Transcript


def test_nothing_is_left_of_outputs_of_which_one_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # as the actor does

    @contextlib.contextmanager
    def engine(_jobs: int) -> Iterator[NodeWork]:
        work = Processing(
            transcribe=lambda item, _listener: Transcript(item.source.name, 1.0, ()),
            render=lambda *_: "text\n",
            recipe=CacheKey(model="m", options="o"),
        )
        yield NodeWork(work)

    sound = tmp_path / "a.wav"
    sound.write_bytes(b"sound")
    out = tmp_path / "out"
    outputs = {"txt": out / "a.txt", "srt": sound / "a.srt"}
    actor = EngineActor(engine, 1, tmp_path, segments=False)
    assert actor.start(__version__) is None
    for ticket in range(3):
        reply = actor.transcribe(ticket, Item(0, Source("a", sound), outputs), None, outputs)
        assert isinstance(reply, OutputError)
    assert list(out.iterdir()) == []
