"""Packages that load models, without network access and output. For the engine process alone."""

import os
import warnings

#: read when hubs and progress bars are imported
_QUIET = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TQDM_DISABLE": "1",
    "TOKENIZERS_PARALLELISM": "false",
}


def keep_hubs_offline() -> None:
    """Call it before transformers, modelscope or a package that uses them is imported."""
    os.environ.update(_QUIET)
    warnings.simplefilter("ignore")  # warnings of the packages do not concern users
