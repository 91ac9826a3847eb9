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
    # vLLM reports nothing to its makers, and prints errors alone. Its model is in this process: it ends with it, which
    # frees the GPU.
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_DO_NOT_TRACK": "1",
    "VLLM_LOGGING_LEVEL": "ERROR",
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
}


def keep_hubs_offline() -> None:
    """Call it before transformers, modelscope, vLLM or a package that uses them is imported."""
    os.environ.update(_QUIET)
    warnings.simplefilter("ignore")  # warnings of the packages do not concern users
