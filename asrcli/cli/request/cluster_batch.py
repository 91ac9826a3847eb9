"""`--cluster`: the processing of a batch on the nodes of a Ray cluster."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from asrcli.backends.device import uses_gpus
from asrcli.backends.registry import is_remote
from asrcli.backends.types import ModelSpec
from asrcli.batch.naming import awaits_language
from asrcli.batch.results.processing import Processing
from asrcli.cli.request.arguments import TranscribeArguments
from asrcli.cli.request.model_choice import find_models
from asrcli.errors import ModelError, ModelNotInstalledError, UsageError
from asrcli.storage.atomic import is_regular_target

if TYPE_CHECKING:
    from asrcli.batch.plan import Plan
    from asrcli.cli.request.transcribe_request import TranscribeRequest
    from asrcli.cluster.engine_actor import NodeWork
    from asrcli.cluster.shipping import ShippedModels
    from asrcli.model_set import ModelSet
    from asrcli.runtime import Runtime


def check_plan(plan: Plan) -> None:
    """Raises UsageError: an input or output exists on this machine only."""
    for item in plan.items:
        if item.stream:
            raise UsageError("A stream is read on this machine, not on a cluster.", "Leave out --cluster.")
        if item.address is not None:
            raise UsageError("A URL is fetched by this machine, not by a cluster.", "Leave out --cluster.")
        if awaits_language(item.outputs):
            raise UsageError("--name has {language}, which a cluster needs before it starts.", "Set --language.")
        if item.named and not all(map(is_regular_target, item.outputs.values())):
            raise UsageError("-o names a pipe or a device, which a cluster cannot write.", "Leave out --cluster.")


@contextmanager
def cluster_processing(
    arguments: TranscribeArguments,
    request: TranscribeRequest,
    models: ModelSet,
    *,
    segments: bool,
    on_notice: Callable[[str], None],
) -> Iterator[tuple[Processing, int]]:
    """The processing on a cluster, and how many files are in work at once. Raises MissingExtraError: Ray is not
    installed; ClusterError: no cluster answers.
    """
    from asrcli.cluster.actor_pool import ActorPool
    from asrcli.cluster.connection import connected
    from asrcli.cluster.files import ClusterFiles
    from asrcli.cluster.shipping import ship

    assert arguments.cluster is not None
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # Ray reports to its makers otherwise
    factory = partial(_node_processing, arguments, request, models)
    sends = arguments.ship_model and not is_remote(models.spec.type)
    pool = partial(
        ActorPool,
        jobs=arguments.jobs,
        gpus=uses_gpus(models.spec),
        split_after=arguments.split_after,
        ship=partial(ship, models) if sends else None,
    )
    with (
        connected(arguments.cluster) as ray,
        pool(ray, factory, segments=segments, on_notice=on_notice) as actors,
        ClusterFiles(actors) as files,
    ):
        work = request.work(_no_engine, models)
        yield replace(work, remote=files.transcribe, hash_file=files.hash_file), files.at_once


def _no_engine() -> Runtime:
    raise AssertionError("the driver of a cluster loads no model")


@contextmanager
def _node_processing(
    arguments: TranscribeArguments,
    request: TranscribeRequest,
    models: ModelSet,
    jobs: int,
    *,
    shipped: ShippedModels | None = None,
) -> Iterator[NodeWork]:
    """The processing on a node, with an engine of its own; `shipped`: the driver's models, in place of those of the
    node. Raises ModelError: a model is not installed there, or has other files; as `ShippedModels.unpack` and
    `Runtime`.
    """
    from asrcli.cluster.engine_actor import NodeWork
    from asrcli.runtime import Runtime

    own = _own_models(arguments, request, models) if shipped is None else shipped.unpack(_received)
    with Runtime(own, jobs=jobs) as runtime:
        yield NodeWork(request.work(lambda: runtime, own), runtime.shareable)


def _received(reference: Any) -> bytes:
    """What an object of Ray holds."""
    import ray

    return bytes(ray.get(reference))


def _own_models(arguments: TranscribeArguments, request: TranscribeRequest, models: ModelSet) -> ModelSet:
    """The driver's models with the paths of this machine."""
    if is_remote(models.spec.type):
        return models
    own = find_models(replace(arguments, offline=True), request.options)
    if own is None:
        raise ModelNotInstalledError(f"The model {models.spec.name} is not installed.", "Install it on every node.")
    _check_same(models.spec, own.spec)
    _check_same(models.punctuation, own.punctuation)
    _check_same(models.identification, own.identification)
    if models.speakers is None or own.speakers is None:
        return own
    _check_same(models.speakers.spec, own.speakers.spec)
    return replace(own, speakers=replace(models.speakers, spec=own.speakers.spec))  # with the voices of the driver


def _check_same(wanted: ModelSpec | None, found: ModelSpec | None) -> None:
    if (wanted and wanted.digest) != (found and found.digest):
        name = (wanted or found).name  # type: ignore[union-attr]
        raise ModelError(
            f"The model {name} is missing, or has other files than on the driver.", "Install the same one."
        )
