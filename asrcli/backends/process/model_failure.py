"""The error of models that end the engine process, by what it printed last."""

from collections.abc import Mapping, Sequence
from typing import Any

from asrcli.backends.checks import explain_failure
from asrcli.backends.types import ModelSpec
from asrcli.errors import AsrcliError, ModelError, machine_error

_OTHER_MODEL = "Download it again (asrcli models verify NAME checks its files), or choose another with --model."


def model_failure(
    problem: str,
    hint: str,
    services: Mapping[str, tuple[str, Any]],
    names: Sequence[str],
    *,
    kind: type[ModelError] = ModelError,
) -> AsrcliError:
    """The error (a `kind`, or MachineError) of services (kind and spec by name) that end the engine; `problem` has what
    it printed last, and {} for the name of one. Without a `hint` it gets one: what is wrong with the first of which
    that is known, and what to do.
    """
    problem = problem.replace("{}", f" {names[0]}" if len(names) == 1 else "", 1)
    if (exhausted := machine_error(RuntimeError(problem))) is not None:
        return exhausted
    if hint:
        return kind(problem, hint)
    specs = [services[name][1] for name in names if name in services]
    found = (explain_failure(spec) for spec in specs if isinstance(spec, ModelSpec))
    return kind(problem, f"{next(filter(None, found), '')} {_OTHER_MODEL}".lstrip())
