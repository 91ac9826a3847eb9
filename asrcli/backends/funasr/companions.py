"""Companion models of FunASR's toolkit, in its engine process: CT-Transformer (ct-punc) adds punctuation, CAM++ (cam++)
embeds voices.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asrcli.backends.funasr.folder import read_folder
from asrcli.distribution import pip_install
from asrcli.errors import MissingExtraError, ModelError

if TYPE_CHECKING:
    from asrcli.audio.types import Samples
    from asrcli.backends.types import ModelSpec

#: types in models.yaml, and the toolkit's classes
PUNCTUATION, EMBEDDING = "funasr_ct_transformer", "funasr_campplus"
_CLASSES = {PUNCTUATION: "CTTransformer", EMBEDDING: "CAMPPlus"}


def load_punctuation(spec: ModelSpec) -> Callable[[str], str]:
    """Load a folder of CT-Transformer: text -> the text with marks. Raises ModelError: it holds another model;
    MissingExtraError: the toolkit is not installed.
    """
    infer = _load(spec.files.get("config"), PUNCTUATION, spec.name)

    def punctuate(text: str) -> str:
        # The toolkit reads a text that is a path or an address as a file; neither begins with a space.
        return str(infer(f" {text.strip()}")["text"]).strip()

    return punctuate


def load_embedding(weights: Path) -> Callable[[Samples], Any]:
    """Load the folder of CAM++ that holds `weights`: samples (n,) -> embedding (dimensions,). Raises ModelError: it
    holds another model; MissingExtraError: the toolkit is not installed.
    """
    infer = _load(weights.parent / "config.yaml", EMBEDDING, weights.parent.name)
    return lambda samples: infer(samples)["spk_embedding"][0].numpy()


def detect_embedding(path: Path) -> dict[str, Path] | None:
    """The files of a folder with CAM++; None: it holds none."""
    folder = read_folder(path)
    found = folder is not None and folder.class_name == _CLASSES[EMBEDDING]
    return {key: folder.files[key] for key in ("config", "model")} if folder and found else None


def _load(config: Path | None, type_: str, name: str) -> Callable[[Any], Any]:
    """A model of the toolkit's: an input -> its result."""
    folder = read_folder(config.parent) if config is not None else None
    if folder is None or folder.class_name != _CLASSES[type_] or folder.missing:
        raise ModelError(f"{name} is not a folder of FunASR's {_CLASSES[type_]}, or not a whole one.", "Check `dir:`.")
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
        raise ModelError(f"FunASR cannot load {name}: {error}", "Is it a whole model?") from error
    lock = threading.Lock()

    def infer(value: Any) -> Any:
        with lock, toolkit.torch.inference_mode():
            return auto.model.inference(data_in=[value], key=[""], **auto.kwargs)[0][0]

    return infer
