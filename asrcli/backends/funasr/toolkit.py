"""torch and FunASR's toolkit, imported without network access and output. For the engine process alone.

Importing takes seconds, because the toolkit imports all of its models; so the engine process may import this module
before the model is loaded.
"""

from __future__ import annotations

import logging

from asrcli.backends.process.offline_hubs import keep_hubs_offline

keep_hubs_offline()
import torch  # noqa: E402
from funasr import AutoModel  # noqa: E402

logging.getLogger().setLevel(logging.ERROR)

__all__ = ["AutoModel", "torch"]
