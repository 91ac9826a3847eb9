"""torch and FunASR's toolkit, imported without network access and output. For the engine process alone.

Importing takes seconds, because the toolkit imports all of its models; so the engine process may import this module
before the model is loaded.
"""

from __future__ import annotations

import logging
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


os.environ.update(_QUIET)
warnings.simplefilter("ignore")  # warnings of the toolkit's packages do not concern users
import torch  # noqa: E402
from funasr import AutoModel  # noqa: E402

logging.getLogger().setLevel(logging.ERROR)

__all__ = ["AutoModel", "torch"]
