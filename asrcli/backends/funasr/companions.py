"""Companion models of FunASR's toolkit, in its engine process: CT-Transformer adds punctuation (ct-punc)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from asrcli.backends.funasr.folder import read_folder
from asrcli.distribution import pip_install
from asrcli.errors import MissingExtraError, ModelError

if TYPE_CHECKING:
    from asrcli.backends.types import ModelSpec

#: type in models.yaml, and class of the toolkit
PUNCTUATION, _CLASS = "funasr_ct_transformer", "CTTransformer"


def load_punctuation(spec: ModelSpec) -> Callable[[str], str]:
    """Load a folder of CT-Transformer: text -> the text with marks. Raises ModelError: it holds another model;
    MissingExtraError: the toolkit is not installed.
    """
    folder = read_folder(spec.files["config"].parent) if "config" in spec.files else None
    if folder is None or folder.class_name != _CLASS or folder.missing:
        raise ModelError(f"{spec.name} is not a folder of FunASR's {_CLASS}, or not a whole one.", "Check `dir:`.")
    try:
        from asrcli.backends.funasr import toolkit
    except ImportError as error:
        raise MissingExtraError(f"FunASR's toolkit cannot be imported: {error}.", pip_install("funasr")) from error
    try:
        auto: Any = toolkit.AutoModel(
            model=str(folder.root), init_param=str(folder.files["model"]), device="cpu", ncpu=1, disable_update=True,
            disable_pbar=True, disable_log=True, log_level="ERROR", trust_remote_code=False,
        )  # fmt: skip
    except Exception as error:
        raise ModelError(f"FunASR cannot load {spec.name}: {error}", "Is it a whole model?") from error
    lock = threading.Lock()

    def punctuate(text: str) -> str:
        # The toolkit reads a text that is a path or an address as a file; neither begins with a space.
        with lock, toolkit.torch.inference_mode():
            results, _ = auto.model.inference(data_in=[f" {text.strip()}"], key=[""], **auto.kwargs)
        return str(results[0]["text"]).strip()

    return punctuate
