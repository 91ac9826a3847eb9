"""Import of torch and FunASR's toolkit, with an error that names how to install them. For the engine process alone."""

from typing import Any

from asrcli.backends.process.batches import first_line
from asrcli.distribution import pip_install
from asrcli.errors import MissingExtraError


def import_toolkit() -> tuple[Any, Any]:
    """Torch and the toolkit's `AutoModel`. Raises MissingExtraError: one of them cannot be imported."""
    try:
        from asrcli.backends.funasr import toolkit
    except ImportError as error:
        raise MissingExtraError(
            f"FunASR's toolkit cannot be imported: {first_line(error)}.", f"{pip_install('funasr')}, torch too"
        ) from error
    return toolkit.torch, toolkit.AutoModel
