"""Jobs of a long recording at the engines of other nodes, without Ray: a thread in place of each call of an actor."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from asrcli import __version__
from asrcli.backends.loaded_models import LoadedModel, LoadedModels
from asrcli.batch.cache_key import CacheKey
from asrcli.batch.results.processing import Processing
from asrcli.cluster import node_engines
from asrcli.cluster.engine_actor import EngineActor, NodeWork
from asrcli.cluster.node_engines import NodeEngines
from asrcli.options import RecognitionOptions
from asrcli.transcript import Transcript
from tests.tone import tone_audio, tone_spec


class Calls:
    """Calls a method of an actor in a thread, as Ray does; counts the calls, which wait for `open`."""

    def __init__(self, method: Callable[..., Any]) -> None:
        self._method, self._pool = method, ThreadPoolExecutor()
        self.count = 0
        self.open = Event()
        self.open.set()
        #: raised in place of a result
        self.error: Exception | None = None

    @property
    def do(self) -> Calls:
        return self

    def remote(self, *arguments: Any) -> Calls:
        self.count += 1
        self._last = self._pool.submit(self._call, *arguments)
        return self

    def future(self) -> Future[Any]:
        return self._last

    def _call(self, *arguments: Any) -> Any:
        self.open.wait(30)
        if self.error is not None:
            raise self.error
        return self._method(*arguments)


@pytest.fixture(scope="module")
def model(tone_models: Callable[[str], Path]) -> Iterator[LoadedModel]:
    models = LoadedModels(1)
    spec = tone_spec("zipformer_ctc", tone_models("zipformer_ctc"))
    with contextlib.closing(models), models.acquire(spec) as model:
        yield model


@pytest.fixture
def other(model: LoadedModel) -> Calls:
    """Another node, with an engine that is the same here."""

    @contextlib.contextmanager
    def engine(_jobs: int) -> Iterator[NodeWork]:
        work = Processing(
            transcribe=lambda *_: Transcript("", 0.0, ()), render=lambda *_: "", recipe=CacheKey(model="m", options="o")
        )
        yield NodeWork(work, {"speech": model})

    actor = EngineActor(engine, 1, Path.cwd(), segments=False)
    assert actor.start(__version__) is None
    return Calls(actor.do)


@pytest.fixture
def engines(model: LoadedModel) -> Iterator[NodeEngines]:
    engines = NodeEngines({"speech": model})
    yield engines
    engines.use({})


#: two tones each
JOBS = [tone_audio([number % 8, (3 * number + 1) % 8]) for number in range(12)]


def texts(futures: list[Future[Any]]) -> list[str]:
    return [future.result(30).text for future in futures]


def submit_all(model: LoadedModel) -> list[Future[Any]]:
    return [model.submit(samples, RecognitionOptions()) for samples in JOBS]


def test_jobs_are_done_at_both(model: LoadedModel, other: Calls, engines: NodeEngines) -> None:
    alone = texts(submit_all(model))
    engines.use({1: other})
    assert texts(submit_all(model)) == alone
    assert 0 < other.count < len(JOBS)
    engines.use({})
    count = other.count
    assert texts(submit_all(model)) == alone
    assert other.count == count


def test_jobs_of_a_lost_node_are_done_here(model: LoadedModel, other: Calls, engines: NodeEngines) -> None:
    alone = texts(submit_all(model))
    other.error = RuntimeError("the node is lost")
    engines.use({1: other})
    futures = submit_all(model)
    engines.use({})
    assert texts(futures) == alone
    assert other.count


def test_a_late_job_is_done_here_too_and_the_first_result_counts(
    model: LoadedModel,
    other: Calls,
    engines: NodeEngines,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    alone = texts(submit_all(model))
    monkeypatch.setattr(node_engines, "_RACE_AFTER", 0.5)
    other.open.clear()
    engines.use({1: other})
    futures = submit_all(model)
    assert texts(futures) == alone
    other.open.set()


def test_an_error_of_the_engine_is_that_of_the_job(model: LoadedModel, other: Calls, engines: NodeEngines) -> None:
    engines.use({1: other})
    futures = [model.submit(samples, "no request") for samples in JOBS]
    errors = {type(future.exception(30)) for future in futures}
    assert len(errors) == 1
    assert None not in errors
    assert other.count


def test_an_engine_has_so_many_jobs_of_another_node(
    model: LoadedModel, other: Calls, engines: NodeEngines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(node_engines, "_JOBS_PER_THREAD", 3)
    other.open.clear()
    engines.use({1: other})
    futures = submit_all(model)
    assert other.count == 3
    other.open.set()
    assert len(texts(futures)) == len(JOBS)


def test_an_engine_with_more_threads_takes_more_jobs(model: LoadedModel, other: Calls, engines: NodeEngines) -> None:
    """Four of its jobs count like one of an engine with one thread."""
    other.open.clear()
    engines.use({1: other}, {1: 4})
    [elsewhere] = model.elsewhere
    futures, counts = [], []
    for samples in JOBS[:6]:
        futures.append(elsewhere.submit(model.service, samples, RecognitionOptions()))
        counts.append(elsewhere.in_flight)
    assert counts == [1, 1, 1, 1, 2, 2]
    other.open.set()
    assert len(texts(futures)) == 6


def test_a_job_that_cannot_be_sent_is_done_here(model: LoadedModel, engines: NodeEngines) -> None:
    """The actor of a lost connection raises an error at once."""
    alone = texts(submit_all(model))
    engines.use({1: object()})
    assert texts(submit_all(model)) == alone
