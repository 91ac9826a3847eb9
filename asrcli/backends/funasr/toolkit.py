"""torch and FunASR's toolkit, imported so that they stay off the network and quiet. For the engine process alone.

Importing takes seconds: the toolkit imports every model that it knows. So the engine process may be told to import
this module ahead of a model that will need it.
"""

from __future__ import annotations

import logging
import os
import warnings

#: what must be said before hubs and progress bars are imported
_QUIET = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "TQDM_DISABLE": "1",
    "TOKENIZERS_PARALLELISM": "false",
}


os.environ.update(_QUIET)
warnings.simplefilter("ignore")  # what the toolkit's packages warn of is not for our users
import torch  # noqa: E402
from funasr import AutoModel  # noqa: E402

logging.getLogger().setLevel(logging.ERROR)

__all__ = ["AutoModel", "torch"]
